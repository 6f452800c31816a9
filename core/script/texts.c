#include "script/texts.h"

#include <lauxlib.h>

void texts_push_new(lua_State *L, struct text_way *way, const char *s, uint32_t len, uint64_t head, uint64_t tail,
                    uint64_t mark)
{
	lua_pushlstring(L, s, len);
	if (way->candidate != mark) {
		way->candidate = mark;
		return;
	}
	if (way->len != 0)
		luaL_unref(L, LUA_REGISTRYINDEX, way->ref);
	way->len = 0; /* until the reference stands: memory may run out */
	lua_pushvalue(L, -1);
	way->ref = luaL_ref(L, LUA_REGISTRYINDEX);
	way->head = head;
	way->tail = tail;
	way->len = len;
}
