/* os.time, os.date, os.difftime and math.random: what depends on the machine in the stock library depends on the frame here. */
#include <math.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "script/internal.h"

#define TIME_MAX 253402300799.0 /* the year 9999 */
enum { FORMAT_MAX = 1024 };     /* bytes of a format: nothing interrupts strftime */

static int64_t engine_seconds(lua_State *L)
{
	return script_of(L)->host->now_ns / NS_PER_S;
}

/* ---- os.date ---- */

static void set_int(lua_State *L, const char *name, int v)
{
	lua_pushinteger(L, v);
	lua_setfield(L, -2, name);
}

static int push_date_table(lua_State *L, const struct tm *t)
{
	lua_createtable(L, 0, 9);
	set_int(L, "year", t->tm_year + 1900);
	set_int(L, "month", t->tm_mon + 1);
	set_int(L, "day", t->tm_mday);
	set_int(L, "hour", t->tm_hour);
	set_int(L, "min", t->tm_min);
	set_int(L, "sec", t->tm_sec);
	set_int(L, "wday", t->tm_wday + 1);
	set_int(L, "yday", t->tm_yday + 1);
	lua_pushboolean(L, t->tm_isdst > 0);
	lua_setfield(L, -2, "isdst");
	return 1;
}

/* One conversion at a time, so that what is not one of C's is an error and not undefined. */
static int push_date_text(lua_State *L, const char *format, const struct tm *t)
{
	luaL_Buffer b;
	char piece[128];

	luaL_buffinit(L, &b);
	for (; *format != '\0'; format++) {
		if (*format != '%') {
			luaL_addchar(&b, *format);
			continue;
		}
		char conversion[3] = {'%', *++format, '\0'};
		if (*format == '\0' || strchr("aAbBcCdDeFgGhHIjmMnprRStTuUVwWxXyYzZ%", *format) == NULL)
			script_raise(L, "os.date: '%%%c' is no conversion", *format == '\0' ? ' ' : *format);
		luaL_addlstring(&b, piece, strftime(piece, sizeof piece, conversion, t));
	}
	luaL_pushresult(&b);
	return 1;
}

static int l_date(lua_State *L)
{
	size_t len;
	const char *format = luaL_optlstring(L, 1, "%c", &len);
	lua_Number when = luaL_optnumber(L, 2, (lua_Number)engine_seconds(L));
	bool utc = *format == '!';
	struct tm t;

	if (len > FORMAT_MAX)
		script_raise(L, "os.date: a format of %zu bytes; at most %d are allowed", len, FORMAT_MAX);
	if (!(fabs(when) <= TIME_MAX))
		script_raise(L, "os.date: the time is out of range");
	time_t seconds = (time_t)floor(when);
	if ((utc ? gmtime_r(&seconds, &t) : localtime_r(&seconds, &t)) == NULL)
		script_raise(L, "os.date: the time is out of range");
	format += utc;
	if (strncmp(format, "*t", 2) == 0)
		return push_date_table(L, &t);
	return push_date_text(L, format, &t);
}

/* ---- os.time ---- */

/* A field of the table at 1; `missing` < 0: it must be there. */
static int time_field(lua_State *L, const char *name, int missing)
{
	lua_pushstring(L, name);
	lua_rawget(L, 1); /* raw: an __index could call back into here */
	if (lua_isnil(L, -1) && missing >= 0) {
		lua_pop(L, 1);
		return missing;
	}
	lua_Number n = lua_tonumber(L, -1);
	if (!lua_isnumber(L, -1) || !(fabs(n) <= 1e9))
		script_raise(L, "os.time: the field '%s' is missing or no number in range", name);
	lua_pop(L, 1);
	return (int)n;
}

static int l_time(lua_State *L)
{
	if (lua_isnoneornil(L, 1)) {
		lua_pushnumber(L, (lua_Number)engine_seconds(L));
		return 1;
	}
	luaL_checktype(L, 1, LUA_TTABLE);
	struct tm t = {
	    .tm_year = time_field(L, "year", -1) - 1900,
	    .tm_mon = time_field(L, "month", -1) - 1,
	    .tm_mday = time_field(L, "day", -1),
	    .tm_hour = time_field(L, "hour", 12),
	    .tm_min = time_field(L, "min", 0),
	    .tm_sec = time_field(L, "sec", 0),
	    .tm_isdst = -1,
	};
	lua_pushliteral(L, "isdst");
	lua_rawget(L, 1);
	if (!lua_isnil(L, -1))
		t.tm_isdst = lua_toboolean(L, -1);
	t.tm_wday = -1; /* stays so when mktime fails; its −1 is also a second of 1969 */
	time_t seconds = mktime(&t);
	if (t.tm_wday == -1)
		script_raise(L, "os.time: the time is out of range");
	lua_pushnumber(L, (lua_Number)seconds);
	return 1;
}

static int l_difftime(lua_State *L)
{
	lua_pushnumber(L, luaL_checknumber(L, 1) - luaL_optnumber(L, 2, 0));
	return 1;
}

/* ---- math.random ---- */

/* SplitMix64 (Steele, Lea, Flood 2014), begun anew in each frame from its number and the script's path. */
static uint64_t next_random(struct script *s)
{
	if (!s->random_seeded) {
		s->random = hash_mix(s->set->seq, hash_bytes(s->path, strlen(s->path), 0));
		s->random_seeded = true;
	}
	s->random += UINT64_C(0x9e3779b97f4a7c15);
	uint64_t z = s->random;
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static int l_random(lua_State *L)
{
	lua_Number r = (lua_Number)(next_random(script_of(L)) >> 11) * 0x1p-53; /* [0, 1) */
	int n = lua_gettop(L);

	if (n == 0) {
		lua_pushnumber(L, r);
		return 1;
	}
	lua_Number low = n > 1 ? floor(luaL_checknumber(L, 1)) : 1;
	lua_Number high = floor(luaL_checknumber(L, n > 1 ? 2 : 1));
	luaL_argcheck(L, low <= high, n > 1 ? 2 : 1, "interval is empty");
	lua_pushnumber(L, floor(r * (high - low + 1)) + low);
	return 1;
}

static int l_randomseed(lua_State *L)
{
	script_raise(
	    L,
	    "math.randomseed: the numbers of each frame are seeded from its number, so that a replay draws the same");
}

void lib_os_open(lua_State *L)
{
	static const luaL_Reg functions[] = {
	    {"time", l_time}, {"date", l_date}, {"difftime", l_difftime}, {NULL, NULL}};

	for (const luaL_Reg *f = functions; f->name != NULL; f++) {
		lua_pushcfunction(L, f->func);
		lua_setfield(L, -2, f->name);
	}
}

void lib_math_open(lua_State *L)
{
	lua_pushcfunction(L, l_random);
	lua_setfield(L, -2, "random");
	lua_pushcfunction(L, l_randomseed);
	lua_setfield(L, -2, "randomseed");
}
