/* Filters: functions that change or drop records before they are journaled. They run on the way in and never again, so they may change their record
 * and nothing else. A record whose filter does not come to a good end is refused: what could not be redacted is not written.
 *
 * Filters that are cut off again and again are not run any more; the records that they are for are refused until the next reload. That is not the quarantine,
 * which is about handlers and which the journal notes for replay: each goes on without the other. */
#include <errno.h>

#include "base/hash.h"
#include "base/log.h"
#include "script/internal.h"
#include "script/text.h"
#include "script/value.h"

/* What a run over a batch has to know. */
struct filtering {
	struct script *script;
	struct batch *batch;
	void (*fail)(void *ctx, struct record *r, const char *why);
	void *ctx;
	uint32_t at;     /* the record that is next */
	uint32_t filter; /* and the filter for it */
};

/* ---- the record as filters see it ---- */

static struct record *record_of(lua_State *L)
{
	struct record *r = script_of(L)->filtered;

	if (r == NULL)
		script_raise(L, "an event is valid during its filter only");
	return r;
}

static int ev_copy(lua_State *L)
{
	event_push_copy(L, record_of(L));
	return 1;
}

static int ev_get(lua_State *L)
{
	struct slice name;

	name.ptr = luaL_checklstring(L, 2, &name.len);
	event_push_field(L, record_of(L), name);
	return 1;
}

/* Upvalue: number of the next field. */
static int next_field(lua_State *L)
{
	uint32_t i = (uint32_t)lua_tointeger(L, lua_upvalueindex(1));

	lua_pushinteger(L, i + 1);
	lua_replace(L, lua_upvalueindex(1));
	return event_push_nth(L, record_of(L), i) ? 2 : 0;
}

static int ev_fields(lua_State *L)
{
	record_of(L);
	lua_pushinteger(L, 0);
	lua_pushcclosure(L, next_field, 1);
	return 1;
}

static int ev_index(lua_State *L)
{
	static const luaL_Reg methods[] = {{"copy", ev_copy}, {"fields", ev_fields}, {"get", ev_get}, {NULL, NULL}};
	struct slice name;

	if (lua_type(L, 2) != LUA_TSTRING)
		return 0;
	name.ptr = lua_tolstring(L, 2, &name.len);
	for (const luaL_Reg *m = methods; m->name != NULL; m++) {
		if (strcmp(name.ptr, m->name) != 0)
			continue;
		lua_pushcfunction(L, m->func);
		return 1;
	}
	event_push_field(L, record_of(L), name);
	return 1;
}

static bool is_known(struct slice name)
{
	static const char *const known[KNOWN_FIELDS] = {
	    [KNOWN_ID] = "id",           [KNOWN_TENANT_ID] = "tenant_id",   [KNOWN_TRACE_ID] = "trace_id",
	    [KNOWN_SPAN_ID] = "span_id", [KNOWN_REQUEST_ID] = "request_id", [KNOWN_USER_ID] = "user_id",
	};

	for (int i = 0; i < KNOWN_FIELDS; i++) {
		if (slice_eq(name, slice_cstr(known[i])))
			return true;
	}
	return false;
}

/* What is written lies in the batch until its request is answered, where the script's memory limit does not see it; a record has to fit
 * into a frame, too. */
static void check_room(lua_State *L)
{
	if (record_of(L)->batch->arena.total > script_of(L)->filtered_bytes_max)
		script_raise(L, "filter: more than %d MiB were written into the events of one body",
		             FILTER_BYTES_MAX >> 20);
}

/* The value at 3 for the record. Fields that moongate knows are strings. */
static struct value read_value(lua_State *L, struct record *r, struct slice name)
{
	struct value_budget budget = {EMIT_FIELDS_MAX, EMIT_NESTING_MAX, "filter", check_room};
	struct value v;

	if (is_known(name) && lua_type(L, 3) != LUA_TSTRING) {
		char buf[NUMBER_TEXT_MAX];
		if (lua_type(L, 3) != LUA_TNUMBER)
			script_raise(L, "filter: %.*s is a string, not a %s", SLICE_ARG(name), luaL_typename(L, 3));
		struct slice text = text_of_number(lua_tonumber(L, 3), buf);
		lua_pushlstring(L, text.ptr, text.len);
		lua_replace(L, 3);
	}
	value_from_lua(L, 3, r->batch, &v, &budget);
	return v;
}

static int ev_newindex(lua_State *L)
{
	struct record *r = record_of(L);
	struct value v;
	struct slice name;
	int rc;

	if (lua_type(L, 2) != LUA_TSTRING)
		script_raise(L, "filter: an event has fields with names; a %s is none", luaL_typename(L, 2));
	name.ptr = lua_tolstring(L, 2, &name.len);
	if (slice_eq(name, SLICE("type")) || slice_eq(name, SLICE("time")))
		script_raise(L, "filter: the %s of an event stays as it is", name.ptr);
	if (r->kind == RECORD_SPAN && slice_eq(name, SLICE("duration")))
		script_raise(L, "filter: the duration of a span stays as it is");
	if (name.len > NAME_BYTES_MAX)
		script_raise(L, "filter: a field name of %zu bytes; at most %d are allowed", name.len, NAME_BYTES_MAX);
	check_room(L);
	if (lua_isnil(L, 3)) {
		rc = record_remove(r, name);
	} else {
		v = read_value(L, r, name);
		check_room(L);
		rc = record_set(r, name, v);
	}
	if (rc == -ENOMEM)
		script_starve(L);
	if (rc != 0 && rc != -ENOENT)
		script_raise(L, "filter: too many different field names");
	return 0;
}

static void push_ev(lua_State *L, struct script *s)
{
	if (s->filter_ev == LUA_NOREF) {
		lua_newtable(L);
		lua_createtable(L, 0, 3);
		lua_pushcfunction(L, ev_index);
		lua_setfield(L, -2, "__index");
		lua_pushcfunction(L, ev_newindex);
		lua_setfield(L, -2, "__newindex");
		lua_pushliteral(L, "event");
		lua_setfield(L, -2, "__metatable");
		event_mark_metatable(L);
		lua_setmetatable(L, -2);
		s->filter_ev = luaL_ref(L, LUA_REGISTRYINDEX);
	}
	lua_rawgeti(L, LUA_REGISTRYINDEX, s->filter_ev);
}

/* ---- failures ---- */

static const char *place_of_cut(const struct script *s)
{
	return s->cut_at[0] != '\0' ? s->cut_at : s->handler->where;
}

static void stop_filters(struct script *s)
{
	const struct script_options *o = &s->host->options;
	char reason[SCRIPT_REASON_MAX];

	int len = snprintf(reason, sizeof reason, "%u filters cut off within a minute, the last one at %s",
	                   s->filter_strikes, place_of_cut(s));
	s->stats.filters_stopped = true;
	LOG(LOG_ERROR, "filters stopped: records that they are for are refused until the next reload",
	    log_str("script", s->path), log_str("filter", s->handler->where), log_str("reason", reason));
	if (o->on_filters_stopped != NULL)
		o->on_filters_stopped(o->ctx, s->stats.script,
		                      slice_new(reason, len < (int)sizeof reason ? (size_t)len : sizeof reason - 1));
}

static void count_strike(struct script *s)
{
	int64_t now_ns = s->host->now_ns;

	if (now_ns - s->filter_strike_ns >= STRIKE_NS) {
		s->filter_strikes = 0;
		s->filter_strike_ns = now_ns;
	}
	if (++s->filter_strikes >= s->host->options.strikes && !s->stats.filters_stopped)
		stop_filters(s);
}

static void refuse(struct filtering *f, struct record *r, const char *why)
{
	r->dropped = 1;
	f->script->set->totals.filter_failed++;
	f->fail(f->ctx, r, why);
}

/* The record is refused, and the log says why. */
static void refuse_aloud(struct filtering *f, struct record *r, const char *why)
{
	const struct script *s = f->script;

	LOG(LOG_ERROR, "a filter failed, and its record is refused", log_str("script", s->path),
	    log_str("filter", s->handler->where), log_str("error", why));
	refuse(f, r, why);
}

/* The error is on top of the stack. */
static void filter_failed(lua_State *L, struct filtering *f, struct record *r)
{
	struct script *s = f->script;
	char why[WHERE_MAX + 128];

	if (watch_stopped(s->watch)) {
		watch_disarm(s->host->watchdog, s->watch);
		s->stats.cuts++;
		snprintf(why, sizeof why, "%s: the filter %s", place_of_cut(s),
		         s->heap.starved   ? "ran out of memory"
		         : s->heap.refused ? "needs more memory than a script may have"
		                           : "takes longer than a call may");
		if (!s->heap.starved)
			count_strike(s);
	} else {
		s->stats.errors++;
		char buf[LOCATED_MAX];
		snprintf(why, sizeof why, "%.*s", SLICE_ARG(script_located(s, script_error_text(L), buf)));
	}
	refuse_aloud(f, r, why);
}

/* What the filter returned is on top of the stack. */
static void filter_returned(lua_State *L, struct filtering *f, struct record *r)
{
	struct script *s = f->script;
	char why[WHERE_MAX + 128];

	if (lua_isnil(L, -1) || (lua_isboolean(L, -1) && lua_toboolean(L, -1)))
		return;
	if (lua_isboolean(L, -1) || (lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "drop") == 0)) {
		r->dropped = 1;
		s->set->totals.filtered++;
		return;
	}
	s->stats.errors++;
	snprintf(why, sizeof why, "%s: a filter returns \"drop\", false or nothing, not a %s", s->handler->where,
	         luaL_typename(L, -1));
	refuse_aloud(f, r, why);
}

/* ---- running ---- */

static bool concerns(const struct handler *h, const struct record *r)
{
	return r->batch->types[r->type].hash == h->type_hash || slice_eq(h->type, SLICE("*"));
}

static void run_one(lua_State *L, struct filtering *f, const struct handler *h, struct record *r)
{
	struct script *s = f->script;

	s->handler = h;
	s->filtered = r;
	s->cut_at[0] = '\0';
	s->stats.calls++;
	watch_call(s->watch);
	lua_rawgeti(L, LUA_REGISTRYINDEX, h->ref);
	push_ev(L, s);
	if (lua_pcall(L, 1, 1, 0) != 0)
		filter_failed(L, f, r);
	else
		filter_returned(L, f, r);
	lua_settop(L, 1);
	s->filtered = NULL;
}

/* Protected; 1: struct filtering. Ends early after a memory cut. */
static int run_all(lua_State *L)
{
	struct filtering *f = lua_touserdata(L, 1);
	struct script *s = f->script;

	for (; f->at < f->batch->count; f->at++, f->filter = 0) {
		struct record *r = &f->batch->records[f->at];
		while (f->filter < s->filters.count && !r->dropped) {
			const struct handler *h = &s->filters.items[f->filter++];
			if (!concerns(h, r))
				continue;
			run_one(L, f, h, r);
			if (s->heap.refused || s->stats.filters_stopped)
				return 0;
		}
	}
	return 0;
}

/* The records that the script would have filtered are refused. */
static void refuse_all(struct filtering *f)
{
	const struct script *s = f->script;
	char why[WHERE_MAX + 128];

	snprintf(why, sizeof why, "the filters of %s are stopped: they were cut off again and again", s->path);
	for (; f->at < f->batch->count; f->at++, f->filter = 0) {
		struct record *r = &f->batch->records[f->at];
		for (; f->filter < s->filters.count && !r->dropped; f->filter++) {
			if (concerns(&s->filters.items[f->filter], r))
				refuse(f, r, why);
		}
	}
}

/* Memory ran out outside of a filter: the record at hand pays for it, so that the run goes on behind it. */
static void runner_failed(struct filtering *f)
{
	struct record *r = &f->batch->records[f->at++];

	f->filter = 0;
	f->script->filtered = NULL;
	f->script->stats.errors++;
	watch_disarm(f->script->host->watchdog, f->script->watch);
	if (!r->dropped)
		refuse(f, r, "out of memory in a filter");
}

static void filter_script(struct filtering *f)
{
	struct script *s = f->script;

	while (f->at < f->batch->count && !s->stats.filters_stopped) {
		script_enter(s, &s->host->watch, PHASE_FILTER, s->host->options.call_ms * NS_PER_MS);
		if (lua_cpcall(s->L, run_all, f) != 0)
			runner_failed(f);
		lua_settop(s->L, STACK_RUNNER);
		script_leave(s);
		s->handler = NULL;
		if (s->heap.refused)
			script_collect(s);
	}
	refuse_all(f);
}

void script_set_filter(struct script_set *set, struct batch *b,
                       void (*fail)(void *ctx, struct record *r, const char *why), void *ctx)
{
	size_t bytes_max = b->arena.total + FILTER_BYTES_MAX;

	for (uint32_t i = 0; i < set->count; i++) {
		struct filtering f = {.script = set->scripts[i], .batch = b, .fail = fail, .ctx = ctx};
		set->scripts[i]->filtered_bytes_max = bytes_max;
		if (set->scripts[i]->filters.count > 0)
			filter_script(&f);
	}
}
