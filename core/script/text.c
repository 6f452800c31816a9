/* See text.h. */
#include "script/text.h"

#include <math.h>
#include <stdio.h>

#include "script/internal.h"

static struct slice text_of_integer(int64_t n, char *buf)
{
	char *end = buf + NUMBER_TEXT_MAX;
	char *at = end;
	uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;

	do {
		*--at = (char)('0' + left % 10);
		left /= 10;
	} while (left != 0);
	if (n < 0)
		*--at = '-';
	return slice_new(at, (size_t)(end - at));
}

struct slice text_of_number(lua_Number n, char *buf)
{
	if (fabs(n) < 1e15 && n == (lua_Number)(int64_t)n)
		return text_of_integer((int64_t)n, buf);
	return slice_new(buf, (size_t)snprintf(buf, NUMBER_TEXT_MAX, "%.14g", n));
}

static int64_t parse_duration(lua_State *L, int index, const char *what)
{
	struct error err = {0};
	struct slice s;
	int64_t ns;

	s.ptr = lua_tolstring(L, index, &s.len);
	if (clock_parse_duration(s, &ns, &err) != 0)
		script_raise(L, "%s: %s", what, err.text);
	return ns;
}

int64_t text_duration(lua_State *L, int index, const char *what, int64_t min_ns, int64_t max_ns)
{
	int type = lua_type(L, index);
	lua_Number seconds;
	int64_t ns;

	if (type == LUA_TNUMBER) {
		seconds = lua_tonumber(L, index);
		ns =
		    fabs(seconds) <= 9e9 ? (int64_t)(seconds * 1e9) : -1; /* more is no int64_t, nor within any bound */
	} else if (type == LUA_TSTRING) {
		ns = parse_duration(L, index, what);
		seconds = (double)ns / 1e9;
	} else {
		script_raise(L, "%s wants seconds or a text such as \"5m\", got %s", what, luaL_typename(L, index));
	}
	if (ns < min_ns || ns > max_ns)
		script_raise(L, "%s: %.14g s is outside of %.14g s to %.14g s", what, seconds, (double)min_ns / 1e9,
		             (double)max_ns / 1e9);
	return ns;
}
