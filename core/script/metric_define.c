/* Definitions: what the constructors of the Lua half (lib/metrics.lua) have read becomes a struct metric_def of the set. The Lua half has
 * checked the options' names and types; here the parts are checked together, and against what other scripts say of the same name. */
#include <errno.h>
#include <math.h>

#include "base/mem.h"
#include "script/internal.h"
#include "script/text.h"

enum { ARG = 1 }; /* the table that the Lua half gives */

static void get(lua_State *L, const char *name)
{
	lua_pushstring(L, name);
	lua_rawget(L, ARG);
}

static struct slice read_text(lua_State *L, const char *name)
{
	struct slice s = {"", 0};

	get(L, name);
	if (lua_type(L, -1) == LUA_TSTRING)
		s.ptr = lua_tolstring(L, -1, &s.len);
	s = script_keep(L, s, name);
	lua_pop(L, 1);
	return s;
}

static double read_number(lua_State *L, const char *name, double missing)
{
	get(L, name);
	double n = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : missing;
	lua_pop(L, 1);
	return n;
}

static uint32_t read_count(lua_State *L, const char *name, uint32_t missing, uint32_t max)
{
	double n = read_number(L, name, missing);

	if (!(n >= 1 && n <= max) || n != floor(n))
		script_raise(L, "%s is a whole number from 1 to %u", name, max);
	return (uint32_t)n;
}

static int64_t read_duration(lua_State *L, const char *name, int64_t missing)
{
	int64_t ns = missing;

	get(L, name);
	if (!lua_isnil(L, -1))
		ns = text_duration(L, lua_gettop(L), name, NS_PER_S, INTERVAL_MAX);
	lua_pop(L, 1);
	return ns;
}

static const struct slice *read_labels(lua_State *L, uint32_t *count)
{
	get(L, "labels");
	size_t n = lua_istable(L, -1) ? lua_objlen(L, -1) : 0;
	if (n > METRIC_LABELS_MAX)
		script_raise(L, "%zu labels; at most %d are allowed", n, METRIC_LABELS_MAX);
	struct slice *labels = script_keep_room(L, (n + 1) * sizeof *labels, "labels");
	for (size_t i = 0; i < n; i++) {
		struct slice s;
		lua_rawgeti(L, -1, (int)i + 1);
		s.ptr = luaL_checklstring(L, -1, &s.len);
		labels[i] = script_keep(L, s, "labels");
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	*count = (uint32_t)n;
	return labels;
}

static const double *read_numbers(lua_State *L, const char *name, uint32_t max, uint32_t *count)
{
	get(L, name);
	size_t n = lua_istable(L, -1) ? lua_objlen(L, -1) : 0;
	if (n > max)
		script_raise(L, "%zu %s; at most %u are allowed", n, name, max);
	double *numbers = script_keep_room(L, (n + 1) * sizeof *numbers, name);
	for (size_t i = 0; i < n; i++) {
		lua_rawgeti(L, -1, (int)i + 1);
		numbers[i] = luaL_checknumber(L, -1);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	*count = (uint32_t)n;
	return numbers;
}

static bool read_flag(lua_State *L, const char *name)
{
	get(L, name);
	bool set = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return set;
}

/* A series is not idle while its window or period may still have something of its last change. */
static int64_t default_idle(const struct metric_def *def)
{
	static const int64_t days[] = {[CALENDAR_DAY] = 2, [CALENDAR_WEEK] = 8, [CALENDAR_MONTH] = 32};
	int64_t idle = METRIC_IDLE_DEFAULT;

	if (def->type == METRIC_DISTINCT)
		idle = days[def->period] * 86400 * NS_PER_S; /* a day of the calendar may have 25 hours */
	return def->window_ns > idle ? def->window_ns : idle;
}

static void read_def(lua_State *L, struct metric_def *def)
{
	*def = (struct metric_def){.type = (enum metric_type)(int)read_number(L, "type", 0)};
	def->name = read_text(L, "name");
	def->help = read_text(L, "help");
	def->unit = read_text(L, "unit");
	def->where = read_text(L, "where");
	def->labels = read_labels(L, &def->label_count);
	def->buckets = read_numbers(L, "buckets", METRIC_BUCKETS_MAX, &def->bucket_count);
	def->quantiles = read_numbers(L, "quantiles", METRIC_QUANTILES_MAX, &def->quantile_count);
	def->window_ns = read_duration(L, "window", 0);
	def->period = (enum calendar)(int)read_number(L, "period", CALENDAR_DAY);
	def->idle_ns = read_flag(L, "idle_given") ? read_duration(L, "idle", 0) : default_idle(def);
	def->max_series = read_count(L, "max_series", METRIC_SERIES_MAX_DEFAULT, UINT32_C(10000000));
	if (def->type == METRIC_TOPK)
		def->k = read_count(L, "k", 100, 100000);
}

static struct script_metric *find(const struct script_set *set, struct slice name)
{
	for (uint32_t i = 0; i < set->metric_count; i++) {
		if (slice_eq(set->metrics[i]->def.name, name))
			return set->metrics[i];
	}
	return NULL;
}

static void keep(lua_State *L, struct script_set *set, struct script_metric *m)
{
	void *metrics = set->metrics;

	if (set->metric_count >= METRICS_MAX)
		script_raise(L, "more than %d metrics", METRICS_MAX);
	if (mem_grow(&metrics, &set->metric_cap, set->metric_count, sizeof *set->metrics) != 0)
		script_starve(L);
	set->metrics = metrics;
	set->metrics[set->metric_count++] = m;
}

static int l_define(lua_State *L)
{
	struct script_set *set = script_of(L)->set;
	struct error err = {0};
	struct script_metric *m = script_keep_room(L, sizeof *m, "metric");

	*m = (struct script_metric){0};
	read_def(L, &m->def);
	if (metric_def_check(&m->def, &err) != 0)
		script_raise(L, "%s", err.text);
	struct script_metric *known = find(set, m->def.name);
	if (known == NULL)
		keep(L, set, m);
	else if (metric_def_compatible(&known->def, &m->def, &err) != 0)
		script_raise(L, "%s", err.text);
	metric_push_methods(L, known != NULL ? known : m);
	return 1;
}

void metric_define_open(lua_State *L)
{
	lua_pushcfunction(L, l_define);
	lua_setfield(L, -2, "define");
}
