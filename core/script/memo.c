#include "script/memo.h"

#include <lauxlib.h>

static void forget(lua_State *L, struct memo_entry *e)
{
	if (!e->filled)
		return;
	e->filled = false;
	for (uint32_t i = 0; i < MEMO_LABELS; i++)
		luaL_unref(L, LUA_REGISTRYINDEX, e->refs[i]);
}

void memo_offer(lua_State *L, struct memo_entry *e, uint32_t mark, const struct slice *labels, int first,
                uint32_t count, const struct metric *metric, struct series_ref series)
{
	if (e->candidate != mark) {
		e->candidate = mark;
		return;
	}
	if (metric_is_overflow(metric, series))
		return;
	for (uint32_t i = 0; i < count; i++) {
		if (labels[i].len > MEMO_TEXT_MAX)
			return;
	}
	forget(L, e);
	for (uint32_t i = 0; i < MEMO_LABELS; i++)
		e->refs[i] = LUA_NOREF;
	for (uint32_t i = 0; i < count; i++) {
		/* Where memory runs out the entry stays empty, and what was referred to so far stays with the state: a few strings at the worst. */
		lua_pushvalue(L, first + (int)i);
		e->refs[i] = luaL_ref(L, LUA_REGISTRYINDEX);
		e->texts[i] = labels[i].ptr;
	}
	e->series = series;
	e->filled = true;
}
