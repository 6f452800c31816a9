/* Small Lua arguments as texts and times: label values, keys, intervals. Private to script/. */
#ifndef MOONGATE_SCRIPT_TEXT_H
#define MOONGATE_SCRIPT_TEXT_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum { NUMBER_TEXT_MAX = 32 };

/* A number's text: integers plainly, others with 14 digits. `buf` has NUMBER_TEXT_MAX bytes. */
struct slice text_of_number(lua_Number n, char *buf);

/* The text of a string, number or boolean at `index`, borrowed from the stack or in `buf` (the value on the stack stays as it is). False for
 * other types. */
static inline bool text_of(lua_State *L, int index, char *buf, struct slice *out)
{
	switch (lua_type(L, index)) {
	case LUA_TSTRING:
		out->ptr = lua_tolstring(L, index, &out->len);
		return true;
	case LUA_TNUMBER:
		*out = text_of_number(lua_tonumber(L, index), buf);
		return true;
	case LUA_TBOOLEAN:
		*out = lua_toboolean(L, index) ? SLICE("true") : SLICE("false");
		return true;
	default:
		return false;
	}
}

/* A length of time at `index`, seconds or a text such as "5m", in nanoseconds. Raises, with `what` in front, when it is none or outside of min..max. */
int64_t text_duration(lua_State *L, int index, const char *what, int64_t min_ns, int64_t max_ns);

#endif
