/* `m`: the methods value, increase, rate and quantile over a struct history, for conditions. See lib/api.lua for what they promise.
 *
 * Questions are asked by C code that raises nothing; what it found is the history's, so that an error on the way to Lua leaves nothing behind. */
#include <errno.h>

#include "base/check.h"
#include "base/distance.h"
#include "script/history.h"
#include "script/internal.h"
#include "script/text.h"

enum { UP_HISTORY = 1, UP_BEGUN = 2, UP_RESULT = 3, UP_ROW = 4 };

enum method { VALUE, INCREASE, RATE, QUANTILE, METHODS };

static const char *const names[METHODS] = {"value", "increase", "rate", "quantile"};

/* A question as a script asks it; its texts lie in Lua's values, or here. */
struct asked {
	struct history_question q;
	const char *method;
	struct slice by[HISTORY_NAMES_MAX];
	struct history_matcher where[HISTORY_NAMES_MAX];
	char texts[HISTORY_NAMES_MAX][NUMBER_TEXT_MAX];
};

#define WINDOW_MAX (INTERVAL_MAX)

/* ---- which history ---- */

/* That of the closure, whose call has not ended. */
static struct history *history_of(lua_State *L)
{
	struct history *h = lua_touserdata(L, lua_upvalueindex(UP_HISTORY));

	if (h->store == NULL || (lua_Number)h->begun != lua_tonumber(L, lua_upvalueindex(UP_BEGUN)))
		script_raise(L, "m is used after its call; keep what it answered");
	return h;
}

static bool stopped(const void *ctx)
{
	const struct script *s = ctx;

	return s->watch != NULL && watch_stopped(s->watch);
}

/* ---- arguments ---- */

static void begin(lua_State *L, struct asked *a, enum method method)
{
	a->method = names[method];
	a->q = (struct history_question){.where = a->where, .by = a->by, .stopped = stopped, .ctx = script_of(L)};
	if (lua_type(L, 1) != LUA_TTABLE)
		script_raise(L, "m:%s: call it with a colon, as in m:%s(…)", a->method, a->method);
}

static void check_count(lua_State *L, const struct asked *a, int most, const char *usage)
{
	if (lua_gettop(L) > most + 1)
		script_raise(L, "m:%s takes %s, got %d arguments", a->method, usage, lua_gettop(L) - 1);
}

static void read_name(lua_State *L, int index, struct asked *a)
{
	if (lua_type(L, index) != LUA_TSTRING)
		script_raise(L, "m:%s: name wants the name of a metric, a string, got %s", a->method,
		             luaL_typename(L, index));
	a->q.name.ptr = lua_tolstring(L, index, &a->q.name.len);
	if (a->q.name.len == 0)
		script_raise(L, "m:%s: name wants the name of a metric, got \"\"", a->method);
}

static void read_window(lua_State *L, int index, struct asked *a)
{
	char what[32];

	snprintf(what, sizeof what, "m:%s: window", a->method);
	a->q.window_ms = text_duration(L, index, what, NS_PER_S, WINDOW_MAX) / NS_PER_MS;
}

/* A label's name at `index`, which is a key or an item of `by`. */
static struct slice read_label(lua_State *L, int index, const struct asked *a, const char *where)
{
	struct slice name;

	if (lua_type(L, index) != LUA_TSTRING)
		script_raise(L, "m:%s: %s wants names of labels, got a %s", a->method, where, luaL_typename(L, index));
	name.ptr = lua_tolstring(L, index, &name.len);
	return name;
}

/* The option `by` at the top: a label's name, or a list of them. */
static void read_by(lua_State *L, struct asked *a)
{
	a->q.grouped = true;
	if (lua_type(L, -1) == LUA_TSTRING) {
		a->by[a->q.by_count++] = read_label(L, -1, a, "by");
		return;
	}
	if (lua_type(L, -1) != LUA_TTABLE)
		script_raise(L, "m:%s: by wants the name of a label or a list of them, got %s", a->method,
		             luaL_typename(L, -1));
	size_t items = 0, count = lua_objlen(L, -1);
	for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1))
		items++;
	if (items != count || count > HISTORY_NAMES_MAX)
		script_raise(L, "m:%s: by wants a list of at most %d names of labels", a->method, HISTORY_NAMES_MAX);
	for (size_t i = 1; i <= count; i++) {
		lua_rawgeti(L, -1, (int)i);
		a->by[a->q.by_count++] = read_label(L, -1, a, "by"); /* the list keeps it */
		lua_pop(L, 1);
	}
}

/* What a value of `where` asks for: "=~…" matches, "!~…" does not, "!=…" is not; any other is equal. */
static struct history_matcher matcher_of(struct slice name, struct slice value)
{
	static const struct {
		struct slice mark;
		enum matcher_op op;
	} marks[] = {{{"=~", 2}, MATCH_REGEX}, {{"!~", 2}, MATCH_NOT_REGEX}, {{"!=", 2}, MATCH_NOT_EQUAL}};

	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
		if (value.len >= 2 && memcmp(value.ptr, marks[i].mark.ptr, 2) == 0)
			return (struct history_matcher){marks[i].op, name, slice_new(value.ptr + 2, value.len - 2)};
	}
	return (struct history_matcher){MATCH_EQUAL, name, value};
}

/* Label values by name, from the table at the top: into a->where, as they are. */
static void read_values(lua_State *L, struct asked *a, const char *what)
{
	if (lua_type(L, -1) != LUA_TTABLE)
		script_raise(L, "m:%s: %s wants a table of label = value, got %s", a->method, what,
		             luaL_typename(L, -1));
	for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
		struct slice value, name = read_label(L, -2, a, what);
		uint32_t n = a->q.where_count;
		if (n == HISTORY_NAMES_MAX)
			script_raise(L, "m:%s: %s has more than %d labels", a->method, what, HISTORY_NAMES_MAX);
		if (!text_of(L, -1, a->texts[n], &value))
			script_raise(L, "m:%s: %s: %.100s wants a string, number or boolean, got a %s", a->method, what,
			             name.ptr, luaL_typename(L, -1));
		a->where[a->q.where_count++] = (struct history_matcher){MATCH_EQUAL, name, value};
	}
}

static void read_where(lua_State *L, struct asked *a)
{
	read_values(L, a, "where");
	for (uint32_t i = 0; i < a->q.where_count; i++)
		a->where[i] = matcher_of(a->where[i].name, a->where[i].value);
}

/* The nearest of some names, or NULL where none is near. */
static const char *nearest(const char *name, const char *const *known, int count)
{
	const char *best = NULL;
	unsigned least = DISTANCE_FAR;

	for (int i = 0; i < count; i++) {
		unsigned d = distance(name, known[i]);
		if (d < least && d <= distance_near(known[i])) {
			least = d;
			best = known[i];
		}
	}
	return best;
}

static _Noreturn void unknown_option(lua_State *L, int key, const struct asked *a)
{
	static const char *const options[] = {"by", "where"};
	const char *name = lua_type(L, key) == LUA_TSTRING ? lua_tostring(L, key) : luaL_typename(L, key);
	const char *meant = nearest(name, options, 2);

	script_raise(L, "m:%s: unknown option %.100s%s%s; it takes by, where", a->method, name,
	             meant != NULL ? "; did you mean " : "", meant != NULL ? meant : "");
}

/* The table of options at `index`, which may be left out. */
static void read_options(lua_State *L, int index, struct asked *a)
{
	if (lua_isnoneornil(L, index))
		return;
	if (lua_type(L, index) != LUA_TTABLE)
		script_raise(L, "m:%s: options want a table, as in { by = \"user_id\" }, got %s", a->method,
		             luaL_typename(L, index));
	for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
		const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
		if (strcmp(name, "by") == 0)
			read_by(L, a);
		else if (strcmp(name, "where") == 0)
			read_where(L, a);
		else
			unknown_option(L, lua_gettop(L) - 1, a);
	}
}

/* ---- answers ---- */

static void check_answer(lua_State *L, const struct asked *a, int code, const struct error *err)
{
	if (code == 0)
		return;
	if (code == -EINTR)
		script_raise_cut(L);
	if (code == -ENOMEM)
		script_starve(L);
	script_raise(L, "m:%s: %s", a->method, err->text);
}

/* A table of its own for each step: scripts keep them. */
static void push_labels(lua_State *L, struct slice labels)
{
	struct slice rest = labels;
	int count = 0;

	for (struct label l; labels_next(&rest, &l);)
		count++;
	lua_createtable(L, 0, count);
	for (struct label l; labels_next(&labels, &l);) {
		lua_pushlstring(L, l.name.ptr, l.name.len);
		lua_pushlstring(L, l.value.ptr, l.value.len);
		lua_rawset(L, -3);
	}
}

static void forget(lua_State *L)
{
	lua_pushnil(L);
	lua_replace(L, lua_upvalueindex(UP_RESULT));
}

/* The answer is through: gives it back. */
static int last_row(lua_State *L, struct history *h, struct history_result *r)
{
	if (r != NULL) {
		forget(L);
		history_result_free(h, r);
	}
	lua_pushnil(L);
	return 1;
}

/* Upvalues: the answer, nil once it is through, and the row that is next. */
static int next_row(lua_State *L)
{
	struct history *h = history_of(L);
	struct history_result *r = lua_touserdata(L, lua_upvalueindex(UP_RESULT));

	uint32_t i = (uint32_t)lua_tonumber(L, lua_upvalueindex(UP_ROW));
	if (r == NULL || i == r->count)
		return last_row(L, h, r);
	push_labels(L, r->rows[i].labels);
	lua_pushnumber(L, r->rows[i].value);
	lua_pushnumber(L, i + 1);
	lua_replace(L, lua_upvalueindex(UP_ROW));
	return 2;
}

static int push_rows(lua_State *L, struct history_result *r)
{
	lua_pushvalue(L, lua_upvalueindex(UP_HISTORY));
	lua_pushvalue(L, lua_upvalueindex(UP_BEGUN));
	lua_pushlightuserdata(L, r);
	lua_pushnumber(L, 0);
	lua_pushcclosure(L, next_row, 4);
	return 1;
}

/* ---- methods ---- */

static int answer_increase(lua_State *L, enum method method)
{
	struct history *h = history_of(L);
	struct history_result *r;
	struct error err = {0};
	struct asked a;

	begin(L, &a, method);
	check_count(L, &a, 3, "(name, window, options)");
	a.q.per_second = method == RATE;
	read_name(L, 2, &a);
	read_window(L, 3, &a);
	read_options(L, 4, &a);
	check_answer(L, &a, history_increase(h, &a.q, &r, &err), &err);
	return push_rows(L, r);
}

static int m_increase(lua_State *L)
{
	return answer_increase(L, INCREASE);
}

static int m_rate(lua_State *L)
{
	return answer_increase(L, RATE);
}

static int m_quantile(lua_State *L)
{
	struct history *h = history_of(L);
	struct history_result *r;
	struct error err = {0};
	struct asked a;

	begin(L, &a, QUANTILE);
	check_count(L, &a, 4, "(q, name, window, options)");
	a.q.quantile = lua_type(L, 2) == LUA_TNUMBER ? lua_tonumber(L, 2) : -1;
	if (!(a.q.quantile >= 0 && a.q.quantile <= 1))
		script_raise(L, "m:quantile: q wants a number from 0 to 1, got %s",
		             lua_type(L, 2) == LUA_TNUMBER ? lua_tostring(L, 2) : luaL_typename(L, 2));
	read_name(L, 3, &a);
	read_window(L, 4, &a);
	read_options(L, 5, &a);
	check_answer(L, &a, history_quantile(h, &a.q, &r, &err), &err);
	return push_rows(L, r);
}

static int m_value(lua_State *L)
{
	struct history *h = history_of(L);
	struct label labels[HISTORY_NAMES_MAX];
	struct error err = {0};
	struct asked a;
	double value;
	bool there;

	begin(L, &a, VALUE);
	check_count(L, &a, 2, "(name, labels)");
	read_name(L, 2, &a);
	if (!lua_isnoneornil(L, 3)) {
		lua_settop(L, 3);
		read_values(L, &a, "labels");
	}
	uint32_t count = a.q.where_count;
	for (uint32_t i = 0; i < count; i++)
		labels[i] = (struct label){a.where[i].name, a.where[i].value};
	a.q.where_count = 0; /* they are the whole set instead */
	check_answer(L, &a, history_value(h, &a.q, labels, count, &value, &there, &err), &err);
	if (there)
		lua_pushnumber(L, value);
	else
		lua_pushnil(L);
	return 1;
}

/* ---- m ---- */

static int m_unknown(lua_State *L)
{
	const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2);
	const char *meant = nearest(name, names, METHODS);

	script_raise(L, "m has no %.100s%s%s; it has value, increase, rate, quantile", name,
	             meant != NULL ? "; did you mean " : "", meant != NULL ? meant : "");
}

static int m_written(lua_State *L)
{
	script_raise(L, "m is read-only: it is a snapshot of the metrics");
}

void history_push(lua_State *L, struct history *h)
{
	static const lua_CFunction methods[METHODS] = {m_value, m_increase, m_rate, m_quantile};

	CHECK(h->store != NULL);
	lua_createtable(L, 0, METHODS);
	for (int i = 0; i < METHODS; i++) {
		lua_pushlightuserdata(L, h);
		lua_pushnumber(L, (lua_Number)h->begun);
		lua_pushcclosure(L, methods[i], 2);
		lua_setfield(L, -2, names[i]);
	}
	lua_createtable(L, 0, 3);
	lua_pushcfunction(L, m_unknown);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, m_written);
	lua_setfield(L, -2, "__newindex");
	lua_pushliteral(L, "history");
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
}
