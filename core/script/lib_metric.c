/* The methods of metrics: counter:add(value, labels…) and the like.
 *
 * A metric is a plain Lua table of closures over its script_metric: `cost:add` is then one table read, where a userdata's method would
 * go through its metatable each time. What with{…} gives is a userdata, since it may be made for every record: one allocation instead of one for each
 * method. It remembers its series.
 *
 * Everything that Lua has to allocate comes before the change or behind its effect, so that a call that runs out of memory has either made it, counted as an effect,
 * or not. */
#include <errno.h>
#include <math.h>

#include "base/check.h"
#include "script/internal.h"
#include "script/memo.h"
#include "script/text.h"

enum op { OP_ADD, OP_INC, OP_DEC, OP_SET, OP_OBSERVE, OP_SEE, OP_HIT, OP_MISS, OPS };

static const char *const op_names[OPS] = {"add", "inc", "dec", "set", "observe", "see", "hit", "miss"};

/* By metric type: which methods it has. */
static const unsigned char ops_of[METRIC_MEAN + 1] = {
    [METRIC_COUNTER] = 1 << OP_ADD | 1 << OP_INC,
    [METRIC_GAUGE] = 1 << OP_ADD | 1 << OP_INC | 1 << OP_DEC | 1 << OP_SET,
    [METRIC_HISTOGRAM] = 1 << OP_OBSERVE,
    [METRIC_SUMMARY] = 1 << OP_OBSERVE,
    [METRIC_DISTINCT] = 1 << OP_SEE,
    [METRIC_TOPK] = 1 << OP_ADD | 1 << OP_INC,
    [METRIC_RATIO] = 1 << OP_HIT | 1 << OP_MISS,
    [METRIC_MEAN] = 1 << OP_OBSERVE,
};

static const char *const type_names[METRIC_MEAN + 1] = {
    [METRIC_COUNTER] = "counter", [METRIC_GAUGE] = "gauge",       [METRIC_HISTOGRAM] = "histogram",
    [METRIC_SUMMARY] = "summary", [METRIC_DISTINCT] = "distinct", [METRIC_TOPK] = "topk",
    [METRIC_RATIO] = "ratio",     [METRIC_MEAN] = "mean",
};

static const char bound_mark;

/* A metric with its label values: what with{…} gives. Beside traces and spans the only userdata that scripts can get hold of. */
struct bound {
	const void *mark; /* &bound_mark: no other userdata begins with it */
	struct script_metric *metric;
	struct series_ref series;
	bool found;                             /* `series` was looked up */
	struct slice values[METRIC_LABELS_MAX]; /* in `bytes` */
	char bytes[];
};

/* What the methods of one script's metric have in common; a userdata that only they hold. */
struct handle {
	struct script *script;
	struct script_metric *metric;
	bool remembers; /* has a memo: series of at most MEMO_LABELS labels */
	struct memo memo;
};

/* What an operation is to do. */
struct change {
	struct script *script;
	struct script_metric *metric;
	enum op op;
	double value;
	struct slice seen;
	const struct slice *labels;
};

/* The metric as messages name it: `counter "agent_cost_usd_total"`. */
#define METRIC_FORMAT "%s \"%.*s\""
#define METRIC_ARG(m) type_names[(m)->def.type], SLICE_ARG((m)->def.name)

static bool takes_number(enum op op)
{
	return op == OP_ADD || op == OP_SET || op == OP_OBSERVE;
}

/* ---- arguments ---- */

static _Noreturn void bad_call(lua_State *L, const struct script_metric *m, enum op op, bool bound)
{
	int wanted = (takes_number(op) || op == OP_SEE) + (bound ? 0 : (int)m->def.label_count);
	int got = lua_gettop(L) - 1;

	if (lua_type(L, 1) != (bound ? LUA_TUSERDATA : LUA_TTABLE))
		script_raise(L, METRIC_FORMAT ": call it with a colon, as in m:%s(…)", METRIC_ARG(m), op_names[op]);
	char names[512] = "";
	size_t at = 0;
	for (uint32_t i = 0; i < m->def.label_count && !bound && at < sizeof names - 2; i++)
		at += (size_t)snprintf(names + at, sizeof names - at, "%s%.*s", i == 0 ? ": " : ", ",
		                       SLICE_ARG(m->def.labels[i]));
	script_raise(L, METRIC_FORMAT ": %s wants %s%d label value%s%s, got %d argument%s", METRIC_ARG(m), op_names[op],
	             takes_number(op) ? "a number and "
	             : op == OP_SEE   ? "a value and "
	                              : "",
	             bound ? 0 : (int)m->def.label_count, !bound && m->def.label_count == 1 ? "" : "s", names,
	             got < 0 ? 0 : got, wanted >= 0 && got == 1 ? "" : "s");
}

static double check_number(lua_State *L, const struct script_metric *m, enum op op)
{
	if (lua_type(L, 2) != LUA_TNUMBER)
		script_raise(L, METRIC_FORMAT ": %s wants a number, got %s", METRIC_ARG(m), op_names[op],
		             luaL_typename(L, 2));
	return lua_tonumber(L, 2);
}

static struct slice check_seen(lua_State *L, const struct script_metric *m, char *buf)
{
	struct slice seen;

	if (!text_of(L, 2, buf, &seen))
		script_raise(L, METRIC_FORMAT ": see wants a string, number or boolean, got %s", METRIC_ARG(m),
		             luaL_typename(L, 2));
	return seen;
}

/* The label value at `index`; nil is the empty one. What is no string makes *lasting false. */
static inline struct slice check_label(lua_State *L, int index, const struct script_metric *m, uint32_t label,
                                       char *buf, bool *lasting)
{
	struct slice value = {"", 0};

	if (lua_type(L, index) == LUA_TSTRING) {
		value.ptr = lua_tolstring(L, index, &value.len);
		return value;
	}
	*lasting = false;
	if (!text_of(L, index, buf, &value) && !lua_isnil(L, index))
		script_raise(L, METRIC_FORMAT ": label %.*s wants a string, number or boolean, got a %s", METRIC_ARG(m),
		             SLICE_ARG(m->def.labels[label]), luaL_typename(L, index));
	return value;
}

/* ---- changes ---- */

static _Noreturn void refused(lua_State *L, const struct change *c, int rc)
{
	const struct script_metric *m = c->metric;

	if (rc == -ENOMEM)
		script_starve(L);
	bool rises = m->def.type == METRIC_COUNTER || m->def.type == METRIC_TOPK;
	script_raise(L, METRIC_FORMAT ": %s wants a finite number%s, got %.14g", METRIC_ARG(m), op_names[c->op],
	             rises ? " of at least 0" : "", c->value);
}

static int64_t time_of(const struct script *s)
{
	return script_time_ns(s);
}

static inline __attribute__((always_inline)) int change_value(struct metric *m, struct series_ref series, enum op op,
                                                              double value, int64_t time_ns)
{
	switch (op) {
	case OP_ADD:
	case OP_INC:
	case OP_DEC:
		return metric_add(m, series, value);
	case OP_SET:
		return metric_set(m, series, value);
	case OP_OBSERVE:
		return metric_observe(m, series, value, time_ns);
	case OP_HIT:
	case OP_MISS:
		return metric_hit(m, series, op == OP_HIT, time_ns);
	case OP_SEE:
	case OPS:
		break;
	}
	return -EINVAL;
}

static int change_series(const struct change *c, struct series_ref series)
{
	struct metric *m = c->metric->metric;

	if (c->op == OP_SEE)
		return metric_see(m, series, c->seen, time_of(c->script));
	return change_value(m, series, c->op, c->value, time_of(c->script));
}

/* Neither must a change that memory is out for leave a new series behind: a replay would not come to it. */
static int change_or_forget(const struct change *c, struct series_ref series)
{
	int rc = change_series(c, series);

	if (rc == -ENOMEM)
		metric_series_forget(c->metric->metric, series);
	return rc;
}

/* A value that will be refused must not make a series. */
static bool value_fits(const struct change *c)
{
	if (!takes_number(c->op))
		return true; /* it is 1 or −1, or none */
	switch (c->metric->def.type) {
	case METRIC_COUNTER:
		return isfinite(c->value) && c->value >= 0;
	case METRIC_GAUGE:
		return c->op == OP_SET || isfinite(c->value);
	default:
		return isfinite(c->value);
	}
}

/* ---- unbound: m:add(value, labels…) ---- */

static inline int first_label(enum op op)
{
	return takes_number(op) || op == OP_SEE ? 3 : 2;
}

/* Makes a change whose series is not remembered. `lasting`: its labels are strings on the stack, so that it may be from now on. */
static __attribute__((noinline)) int change_found(lua_State *L, struct handle *h, const struct change *c, bool lasting)
{
	struct script_metric *m = c->metric;
	const uint32_t count = m->def.label_count;
	struct series_ref series = {0};
	struct memo_entry *place = NULL;
	uint32_t mark = 0;
	int rc;

	if (!value_fits(c))
		refused(L, c, -EINVAL);
	if (lasting) {
		place = memo_place(&h->memo, c->labels, count, &mark);
		sight_met(c->script, m, c->labels);
	}
	if (m->def.type == METRIC_TOPK) {
		rc = metric_topk_add(m->metric, c->labels, c->value);
	} else {
		rc = metric_series(m->metric, c->labels, &series);
		if (rc == 0)
			rc = change_or_forget(c, series);
	}
	if (rc != 0)
		refused(L, c, rc);
	script_effect(L, c->script);
	if (place != NULL) /* behind the change: it may want memory of Lua's */
		memo_offer(L, place, mark, c->labels, first_label(c->op), count, m->metric, series);
	return 0;
}

/* Any call, with all that may be wrong with it. */
static __attribute__((noinline)) int change_any(lua_State *L, struct handle *h, enum op op)
{
	struct script *s = h->script;
	struct script_metric *m = h->metric;
	const uint32_t count = m->def.label_count;
	const int first = first_label(op);
	bool lasting = h->remembers;
	struct slice labels[METRIC_LABELS_MAX];
	char texts[METRIC_LABELS_MAX + 1][NUMBER_TEXT_MAX];
	struct change c = {.script = s, .metric = m, .op = op, .value = op == OP_DEC ? -1 : 1, .labels = labels};

	if (s->phase != PHASE_CALL)
		script_check_changes(L, s, op_names[op]);
	if (lua_gettop(L) != first - 1 + (int)count) /* a dot for the colon is one too few, too */
		bad_call(L, m, op, false);
	if (takes_number(op))
		c.value = check_number(L, m, op);
	if (op == OP_SEE)
		c.seen = check_seen(L, m, texts[METRIC_LABELS_MAX]);
	for (uint32_t i = 0; i < count; i++)
		labels[i] = check_label(L, first + (int)i, m, i, texts[i], &lasting);
	return change_found(L, h, &c, lasting);
}

/* Most calls have a number and a few strings: all that is otherwise, or goes wrong, is change_any's. */
static inline __attribute__((always_inline)) int change(lua_State *L, enum op op)
{
	struct handle *h = lua_touserdata(L, lua_upvalueindex(1));
	struct script *s = h->script;
	struct metric *m = h->metric->metric;
	const uint32_t count = h->metric->def.label_count;
	const int first = first_label(op);
	double value = op == OP_DEC ? -1 : 1;
	struct slice labels[MEMO_LABELS];

	if (!h->remembers || s->phase != PHASE_CALL || lua_gettop(L) != first - 1 + (int)count)
		return change_any(L, h, op);
	if (takes_number(op)) {
		if (lua_type(L, 2) != LUA_TNUMBER)
			return change_any(L, h, op);
		value = lua_tonumber(L, 2);
	}
	for (uint32_t i = 0; i < count; i++) {
		if (lua_type(L, first + (int)i) != LUA_TSTRING)
			return change_any(L, h, op);
		labels[i].ptr = lua_tolstring(L, first + (int)i, &labels[i].len);
	}
	const struct memo_entry *e = memo_find(&h->memo, m, labels, count);
	if (e != NULL && change_value(m, e->series, op, value, time_of(s)) == 0) {
		script_effect(L, s);
		return 0;
	}
	struct change c = {.script = s, .metric = h->metric, .op = op, .value = value, .labels = labels};
	return change_found(L, h, &c, true);
}

static int l_add(lua_State *L)
{
	return change(L, OP_ADD);
}

static int l_inc(lua_State *L)
{
	return change(L, OP_INC);
}

static int l_dec(lua_State *L)
{
	return change(L, OP_DEC);
}

static int l_set(lua_State *L)
{
	return change(L, OP_SET);
}

static int l_observe(lua_State *L)
{
	return change(L, OP_OBSERVE);
}

static int l_see(lua_State *L)
{
	return change_any(L, lua_touserdata(L, lua_upvalueindex(1)), OP_SEE);
}

static int l_hit(lua_State *L)
{
	return change(L, OP_HIT);
}

static int l_miss(lua_State *L)
{
	return change(L, OP_MISS);
}

/* ---- bound: m:with{…}:add(value) ---- */

/* The series, found again where it has ended. */
static int bound_series(struct bound *b)
{
	struct metric *m = b->metric->metric;

	if (b->found && metric_series_valid(m, b->series))
		return 0;
	int rc = metric_series(m, b->values, &b->series);
	b->found = rc == 0;
	return rc;
}

/* Upvalues: the operation, the metric type that the method is of. */
static int l_bound(lua_State *L)
{
	struct script *s = script_of(L);
	enum op op = (enum op)lua_tointeger(L, lua_upvalueindex(1));
	enum metric_type type = (enum metric_type)lua_tointeger(L, lua_upvalueindex(2));
	struct bound *b = lua_type(L, 1) == LUA_TUSERDATA ? lua_touserdata(L, 1) : NULL;
	char text[NUMBER_TEXT_MAX];

	if (b == NULL || b->mark != &bound_mark || b->metric->def.type != type)
		script_raise(L, "%s: call it with a colon, as in m:%s(…)", type_names[type], op_names[op]);
	struct change c = {
	    .script = s, .metric = b->metric, .op = op, .value = op == OP_DEC ? -1 : 1, .labels = b->values};
	if (s->phase != PHASE_CALL)
		script_check_changes(L, s, op_names[op]);
	if (lua_gettop(L) != 1 + (takes_number(op) || op == OP_SEE))
		bad_call(L, b->metric, op, true);
	if (takes_number(op))
		c.value = check_number(L, b->metric, op);
	if (op == OP_SEE)
		c.seen = check_seen(L, b->metric, text);
	if (!value_fits(&c))
		refused(L, &c, -EINVAL);
	int rc;
	if (type == METRIC_TOPK) {
		rc = metric_topk_add(b->metric->metric, b->values, c.value);
	} else {
		rc = bound_series(b);
		if (rc == 0)
			rc = change_or_forget(&c, b->series);
	}
	if (rc != 0)
		refused(L, &c, rc);
	script_effect(L, s);
	return 0;
}

/* Raises for a name in the table at 2 that is no label. */
static void check_names(lua_State *L, const struct script_metric *m)
{
	lua_pushnil(L);
	while (lua_next(L, 2) != 0) {
		struct slice name = {"?", 1};
		bool known = false;
		lua_pop(L, 1);
		if (lua_type(L, -1) == LUA_TSTRING)
			name.ptr = lua_tolstring(L, -1, &name.len);
		for (uint32_t i = 0; i < m->def.label_count && !known; i++)
			known = slice_eq(m->def.labels[i], name);
		if (!known)
			script_raise(L, METRIC_FORMAT ": with: there is no label \"%.*s\"", METRIC_ARG(m),
			             (int)(name.len < 100 ? name.len : 100), name.ptr);
	}
}

static int l_with(lua_State *L)
{
	struct script *s = script_of(L);
	struct script_metric *m = ((struct handle *)lua_touserdata(L, lua_upvalueindex(1)))->metric;
	bool lasting;
	struct slice values[METRIC_LABELS_MAX];
	char texts[METRIC_LABELS_MAX][NUMBER_TEXT_MAX];
	size_t size = 0;

	if (lua_type(L, 1) != LUA_TTABLE || lua_type(L, 2) != LUA_TTABLE || lua_gettop(L) != 2)
		script_raise(L, METRIC_FORMAT ": with wants one table, as in m:with{ label = value }", METRIC_ARG(m));
	check_names(L, m);
	luaL_checkstack(L, METRIC_LABELS_MAX + 4, "too many labels");
	for (uint32_t i = 0; i < m->def.label_count; i++) {
		lua_pushlstring(L, m->def.labels[i].ptr, m->def.labels[i].len);
		lua_rawget(L, 2);
		if (lua_isnil(L, -1))
			script_raise(L, METRIC_FORMAT ": with: the label %.*s is missing; \"\" leaves it away",
			             METRIC_ARG(m), SLICE_ARG(m->def.labels[i]));
		values[i] = check_label(L, lua_gettop(L), m, i, texts[i], &lasting);
		size += values[i].len;
	}
	struct bound *b = lua_newuserdata(L, sizeof *b + size);
	*b = (struct bound){.mark = &bound_mark, .metric = m};
	char *to = b->bytes;
	for (uint32_t i = 0; i < m->def.label_count; i++) {
		b->values[i] = slice_new(to, values[i].len);
		memcpy(to, values[i].ptr, values[i].len);
		to += values[i].len;
	}
	lua_rawgeti(L, LUA_REGISTRYINDEX, s->bound_metatables[m->def.type]);
	lua_setmetatable(L, -2);
	return 1;
}

/* ---- tables of methods ---- */

/* with{…} again would be a mistake: all labels are bound. */
static int l_bound_with(lua_State *L)
{
	script_raise(L, "with: the labels are bound already");
}

/* Makes the metatable of what with{…} gives for one metric type. */
static int make_bound_metatable(lua_State *L, enum metric_type type)
{
	lua_createtable(L, 0, 2);
	lua_createtable(L, 0, 4);
	for (int op = 0; op < OPS; op++) {
		if ((ops_of[type] & 1 << op) == 0)
			continue;
		lua_pushinteger(L, op);
		lua_pushinteger(L, type);
		lua_pushcclosure(L, l_bound, 2);
		lua_setfield(L, -2, op_names[op]);
	}
	lua_pushcfunction(L, l_bound_with);
	lua_setfield(L, -2, "with");
	lua_setfield(L, -2, "__index");
	lua_pushstring(L, type_names[type]);
	lua_setfield(L, -2, "__metatable");
	return luaL_ref(L, LUA_REGISTRYINDEX);
}

void metric_push_methods(lua_State *L, struct script_metric *m)
{
	static const lua_CFunction functions[OPS] = {l_add, l_inc, l_dec, l_set, l_observe, l_see, l_hit, l_miss};

	bool memo = m->def.label_count <= MEMO_LABELS && m->def.type != METRIC_TOPK;
	size_t size = memo ? sizeof(struct handle) : offsetof(struct handle, memo);

	lua_createtable(L, 0, 5);
	struct handle *h = lua_newuserdata(L, size);
	memset(h, 0, size);
	h->script = script_of(L);
	h->metric = m;
	h->remembers = memo;
	for (int op = 0; op < OPS; op++) {
		if ((ops_of[m->def.type] & 1 << op) == 0)
			continue;
		lua_pushvalue(L, -1);
		lua_pushcclosure(L, functions[op], 1);
		lua_setfield(L, -3, op_names[op]);
	}
	lua_pushcclosure(L, l_with, 1);
	lua_setfield(L, -2, "with");
}

void lib_metric_open(lua_State *L)
{
	struct script *s = script_of(L);

	for (int type = METRIC_COUNTER; type <= METRIC_MEAN; type++)
		s->bound_metatables[type] = make_bound_metatable(L, (enum metric_type)type);
}
