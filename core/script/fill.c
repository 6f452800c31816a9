/* Filling `ev` from a record: where the learned fields lie in a shape (plans), and the generated functions that store them (setters).
 *
 * Not taken: writing the slots of the Lua table from C in one go, by LuaJIT's inner structures, which another release may change. */
#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "script/internal.h"
#include "script/value.h"

/* ---- plans ---- */

/* Is the part of a name in front of one of its dots a field of the shape? Then the name may be a path. */
static bool may_be_path(const struct batch *b, uint32_t shape, const struct field *f)
{
	for (const char *dot = f->dotted ? memchr(f->text, '.', f->len) : NULL; dot != NULL;
	     dot = memchr(dot + 1, '.', f->len - (size_t)(dot + 1 - f->text))) {
		struct slice head = slice_new(f->text, (size_t)(dot - f->text));
		if (shape_find(b, shape, head, hash_bytes(head.ptr, head.len, hash_seed())) >= 0)
			return true;
	}
	return false;
}

/* ---- spans ---- */

static const struct slice inner_names[INNERS] = {
    [INNER_ATTRIBUTES] = {"attributes", 10}, [INNER_RESOURCE] = {"resource", 8}, [INNER_SCOPE] = {"scope", 5}};

/* Is the name a path into the object? */
static bool leads_into(struct slice name, enum inner inner)
{
	struct slice head = inner_names[inner];

	return name.len > head.len && name.ptr[head.len] == '.' && memcmp(name.ptr, head.ptr, head.len) == 0;
}

void event_learn_inner(struct view *v, struct slice name)
{
	for (int i = 0; i < INNERS; i++) {
		if (leads_into(name, (enum inner)i))
			v->inner |= (uint8_t)(1 << i);
	}
}

static const struct outer *outer_of(struct view *v, const struct record *r)
{
	uint64_t shape = record_shape(r)->hash;
	struct outer *o = &v->outers[shape % SPAN_OUTERS];

	if (o->shape == shape)
		return o;
	o->shape = shape;
	for (int i = 0; i < INNERS; i++) {
		struct slice name = inner_names[i];
		o->at[i] = (int16_t)shape_find(r->batch, r->shape, name, hash_bytes(name.ptr, name.len, hash_seed()));
	}
	return o;
}

/* The object of a span at a position, or NULL. */
static inline const struct object *object_at(const struct record *r, int at)
{
	return at >= 0 && r->values[at].type == VALUE_OBJECT ? r->values[at].object : NULL;
}

/* What tells spans apart whose fields lie in different places. */
static inline uint64_t span_shape(struct view *v, const struct record *r)
{
	const struct outer *outer = outer_of(v, r);
	uint64_t hash = outer->shape;

	for (int i = 0; i < INNERS; i++) {
		if ((v->inner >> i & 1) == 0)
			continue;
		const struct object *o = object_at(r, outer->at[i]);
		hash = hash_mix(hash, o != NULL ? r->batch->shapes[o->shape].hash : 0);
	}
	return hash;
}

/* Finds a field of a span in one of its objects, in the order of record_get: as a path, then as an attribute of this very name where it can be no path. */
static bool find_inner(const struct view *v, const struct record *r, const struct field *f, int *position, int *inner)
{
	const struct outer *outer = &v->outers[record_shape(r)->hash % SPAN_OUTERS];
	struct slice name = slice_new(f->text, f->len);
	const struct object *o;

	for (int i = 0; i < INNERS; i++) {
		o = object_at(r, outer->at[i]);
		if (o == NULL || !leads_into(name, (enum inner)i))
			continue;
		struct slice rest = slice_new(name.ptr + inner_names[i].len + 1, name.len - inner_names[i].len - 1);
		*position = outer->at[i];
		*inner = shape_find(r->batch, o->shape, rest, hash_bytes(rest.ptr, rest.len, hash_seed()));
		return *inner >= 0;
	}
	o = object_at(r, outer->at[INNER_ATTRIBUTES]);
	if (o == NULL || may_be_path(r->batch, r->shape, f))
		return false;
	*position = outer->at[INNER_ATTRIBUTES];
	*inner = shape_find(r->batch, o->shape, name, f->hash);
	return *inner >= 0;
}

/* ---- making plans ---- */

static void plan_add(struct plan *p, uint32_t field, int kind, int position, int inner)
{
	p->items[p->count++] = (struct plan_item){(uint8_t)field, (uint8_t)kind, (uint16_t)position, (uint16_t)inner};
	p->mask |= UINT64_C(1) << field;
}

static void plan_named(struct plan *p, const struct view *v, const struct record *r, uint32_t i)
{
	const struct field *f = &v->fields[i];
	int inner = -1;
	int position = shape_find(r->batch, r->shape, slice_new(f->text, f->len), f->hash);

	if (position >= 0)
		plan_add(p, i, FIELD_NAMED, position, 0);
	else if (v->spans && find_inner(v, r, f, &position, &inner))
		plan_add(p, i, PLAN_INNER, position, inner);
	else if (may_be_path(r->batch, r->shape, f))
		plan_add(p, i, PLAN_PATH, 0, 0);
}

static void plan_make(struct plan *p, const struct view *v, const struct record *r)
{
	struct slice duration = SLICE("duration_ns");

	p->generation = v->generation;
	p->count = 0;
	p->mask = 0;
	for (uint32_t i = 0; i < v->field_count; i++) {
		const struct field *f = &v->fields[i];
		if (f->copied)
			continue;
		if (f->kind == FIELD_NAMED) {
			plan_named(p, v, r, i);
		} else if (f->kind == FIELD_DURATION) {
			int position = shape_find(r->batch, r->shape, duration,
			                          hash_bytes(duration.ptr, duration.len, hash_seed()));
			if (position >= 0)
				plan_add(p, i, FIELD_DURATION, position, 0);
		} else {
			plan_add(p, i, f->kind, 0, 0);
		}
	}
}

/* ---- setters ---- */

/* A Lua string literal that holds any bytes. */
static void put_literal(struct buf *out, const char *text, size_t len)
{
	buf_byte(out, '"');
	for (size_t i = 0; i < len; i++)
		buf_printf(out, "\\%03u", (unsigned char)text[i]);
	buf_byte(out, '"');
}

/* local ev, h = ... return function(a0, a1) ev["…"] = a0 ev["…"] = a1 return h(ev) end */
static void put_source(struct buf *out, const struct view *v, const struct plan *p)
{
	buf_str(out, "local ev,h=... return function(");
	for (uint32_t i = 0; i < p->count; i++)
		buf_printf(out, "%sa%u", i == 0 ? "" : ",", i);
	buf_str(out, ") ");
	for (uint32_t i = 0; i < p->count; i++) {
		const struct field *f = &v->fields[p->items[i].field];
		buf_str(out, "ev[");
		put_literal(out, f->text, f->len);
		buf_printf(out, "]=a%u ", i);
	}
	buf_str(out, "return h(ev) end");
}

/* Generates the function for a plan and a handler. LUA_NOREF where that cannot be done: the fill then is C's. */
static int setter_make(lua_State *L, struct view *v, const struct plan *p, int handler)
{
	struct buf source = {0};
	int ref = LUA_NOREF;

	put_source(&source, v, p);
	if (buf_failed(&source)) {
		buf_free(&source);
		return ref;
	}
	int status = luaL_loadbuffer(L, source.ptr, source.len, "=moongate/ev");
	buf_free(&source);
	if (status != 0)
		lua_error(L); /* no memory for it */
	lua_rawgeti(L, LUA_REGISTRYINDEX, v->ev);
	lua_rawgeti(L, LUA_REGISTRYINDEX, handler);
	lua_call(L, 2, 1);
	return luaL_ref(L, LUA_REGISTRYINDEX);
}

static int setter_for(lua_State *L, struct view *v, const struct plan *p, int handler)
{
	if (v->setter_generation != v->generation) { /* while fields are being learned; those would fill up the room */
		for (uint32_t i = 0; i < v->setter_count; i++)
			luaL_unref(L, LUA_REGISTRYINDEX, v->setters[i].ref);
		v->setter_count = 0;
		v->setter_generation = v->generation;
	}
	for (uint32_t i = 0; i < v->setter_count; i++) {
		if (v->setters[i].mask == p->mask && v->setters[i].handler == handler)
			return v->setters[i].ref;
	}
	if (v->setter_count == VIEW_SETTERS || p->count == 0)
		return LUA_NOREF;
	int ref = setter_make(L, v, p, handler);
	if (ref != LUA_NOREF)
		v->setters[v->setter_count++] = (struct setter){p->mask, handler, ref};
	return ref;
}

/* The plan for a shape, or the one that is to be it. Few shapes come to a view, and mostly the same ones: they are sought from a place on that their hash gives. */
static inline struct plan *plan_of(struct view *v, uint64_t shape)
{
	for (uint32_t n = 0; n < VIEW_PLANS; n++) {
		uint32_t i = (uint32_t)(shape + n) & (v->plan_count - 1);
		if (v->shapes[i] == shape)
			return &v->plans[i];
		if (v->shapes[i] != 0)
			continue;
		v->shapes[i] = shape;
		v->plans[i].generation = 0;
		return &v->plans[i];
	}
	uint32_t i = (uint32_t)(shape + v->next_plan++ % VIEW_PLANS) & (v->plan_count - 1);
	v->shapes[i] = shape;
	v->plans[i].generation = 0;
	return &v->plans[i];
}

static const struct plan *plan_for(lua_State *L, struct view *v, const struct record *r, int handler)
{
	uint64_t shape = v->spans ? span_shape(v, r) : record_shape(r)->hash;
	struct plan *p = plan_of(v, shape);

	if (p->generation == v->generation && p->handler == handler)
		return p;
	if (p->generation != v->generation)
		plan_make(p, v, r);
	p->handler = LUA_NOREF; /* until it has one: memory may run out */
	p->setter = setter_for(L, v, p, handler);
	p->handler = handler;
	return p;
}

/* ---- filling ---- */

static inline void push_text(lua_State *L, struct field *f, const struct value *value)
{
	if (__builtin_expect(f->texts == NULL, 0))
		f->texts = mem_zalloc(1, sizeof *f->texts);
	if (f->texts != NULL)
		texts_push(L, f->texts, value->str, value->len);
	else
		lua_pushlstring(L, value->str, value->len);
}

static inline void push_item(lua_State *L, struct view *v, const struct record *r, const struct plan_item *item)
{
	const struct value *value;

	switch (item->kind) {
	case FIELD_NAMED:
		value = &r->values[item->position];
		break;
	case PLAN_INNER:
		value = &r->values[item->position].object->values[item->inner];
		break;
	case PLAN_PATH: {
		const struct field *f = &v->fields[item->field];
		value = record_get(r, slice_new(f->text, f->len), f->hash);
		break;
	}
	case FIELD_TIME:
		lua_pushnumber(L, clock_seconds(r->time_ns));
		return;
	case FIELD_DURATION:
		value = &r->values[item->position];
		if (value->type == VALUE_INT)
			lua_pushnumber(L, event_duration(value));
		else
			lua_pushnil(L);
		return;
	default: {
		struct slice type = record_type_name(r);
		lua_pushlstring(L, type.ptr, type.len);
		return;
	}
	}
	if (value == NULL) {
		lua_pushnil(L);
	} else if (value->type == VALUE_STRING) {
		push_text(L, &v->fields[item->field], value);
	} else if (!value_push_scalar(L, value)) {
		v->fields[item->field].copied =
		    true; /* from the next record on; until then the slot is nil, which __index answers */
		v->generation++;
	}
}

/* Stores the fields in `some`, and nil into those in `gone`, from C. */
static void fill_slots(lua_State *L, struct view *v, const struct plan *p, const struct record *r, uint64_t some,
                       uint64_t gone)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, v->ev);
	for (; gone != 0; gone &= gone - 1) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, v->fields[__builtin_ctzll(gone)].ref);
		lua_pushnil(L);
		lua_rawset(L, -3);
	}
	for (uint32_t i = 0; i < p->count; i++) {
		const struct plan_item *item = &p->items[i];
		if ((some >> item->field & 1) == 0)
			continue;
		lua_rawgeti(L, LUA_REGISTRYINDEX, v->fields[item->field].ref);
		push_item(L, v, r, item);
		lua_rawset(L, -3);
	}
	lua_pop(L, 1);
}

int event_push(lua_State *L, struct view *v, const struct record *r, int handler)
{
	if (v->ev == LUA_NOREF)
		event_make(L, v);
	const struct plan *p = plan_for(L, v, r, handler);
	uint64_t gone = v->live & ~p->mask;
	uint64_t fresh = p->setter == LUA_NOREF ? p->mask : p->mask & ~v->live;
	v->live |= p->mask; /* before anything is stored: memory may run out in the middle */
	if ((gone | fresh) != 0)
		fill_slots(L, v, p, r, fresh, gone);
	v->live = p->mask;
	v->record = r;
	v->call++;
	if (p->setter == LUA_NOREF) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, handler);
		lua_rawgeti(L, LUA_REGISTRYINDEX, v->ev);
		return 1;
	}
	lua_rawgeti(L, LUA_REGISTRYINDEX, p->setter);
	for (uint32_t i = 0; i < p->count; i++)
		push_item(L, v, r, &p->items[i]);
	return (int)p->count;
}
