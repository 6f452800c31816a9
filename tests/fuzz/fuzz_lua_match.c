/* Any bytes as a Lua pattern and a text: our matcher ends, and finds what the stock one finds, or fails with the same words. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "script/match.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX = 4096, LOOKS_MAX = 8 };

static bool stop_some_day(const void *ctx)
{
	int *looks = (int *)(uintptr_t)ctx;
	return ++*looks >= LOOKS_MAX;
}

/* The first match; NULL: none, or m->error or m->cut is set. */
static const char *find(struct match *m, const char *pattern, const char **end)
{
	bool anchored = *pattern == '^';
	for (const char *at = m->text; at <= m->text_end; at++) {
		m->count = 0;
		*end = match_at(m, at, pattern + anchored);
		if (*end != NULL)
			return at;
		if (anchored || m->error != NULL || m->cut)
			return NULL;
	}
	return NULL;
}

static void check_capture(lua_State *L, int at, const struct match *m, const struct match_capture *c)
{
	size_t len;
	if (c->len == MATCH_POSITION) {
		CHECK(lua_tointeger(L, at) == c->at - m->text + 1);
		return;
	}
	const char *stock = lua_tolstring(L, at, &len);
	CHECK(stock != NULL && slice_eq(slice_new(stock, len), slice_new(c->at, (size_t)c->len)));
}

/* Is a capture still open, which the stock one calls an error? */
static bool unfinished(const struct match *m)
{
	for (uint32_t i = 0; i < m->count; i++) {
		if (m->captures[i].len == MATCH_OPEN)
			return true;
	}
	return false;
}

/* The stock string.find is on the stack, with its arguments; what it does is compared. */
static void compare(lua_State *L, const struct match *m, const char *at, const char *end)
{
	int status = lua_pcall(L, 2, LUA_MULTRET, 0);
	if (status != 0) {
		const char *wanted = m->error != NULL ? m->error : "unfinished capture";
		CHECK(m->error != NULL || (at != NULL && unfinished(m)));
		CHECK(strstr(lua_tostring(L, -1), wanted) != NULL);
		return;
	}
	CHECK(m->error == NULL);
	if (at == NULL) {
		CHECK(lua_isnil(L, 1));
		return;
	}
	CHECK(lua_tointeger(L, 1) == at - m->text + 1 && lua_tointeger(L, 2) == end - m->text);
	CHECK(lua_gettop(L) == 2 + (int)m->count);
	for (uint32_t i = 0; i < m->count; i++)
		check_capture(L, 3 + (int)i, m, &m->captures[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static lua_State *L;
	const char *end = NULL;
	struct match m;
	int looks = 0;
	size_t pattern_len = size > 0 ? data[0] : 0;
	if (size < 1 + pattern_len || size > TEXT_MAX)
		return 0;
	if (L == NULL) {
		L = luaL_newstate();
		CHECK(L != NULL);
		luaL_openlibs(L);
	}
	/* Copies of exactly their size, with the NUL that Lua's strings have: the sanitizer sees any byte read beyond. */
	size_t text_len = size - 1 - pattern_len;
	char *pattern = malloc(pattern_len + 1), *text = malloc(text_len + 1);
	CHECK(pattern != NULL && text != NULL);
	memcpy(pattern, data + 1, pattern_len);
	memcpy(text, data + 1 + pattern_len, text_len);
	pattern[pattern_len] = text[text_len] = '\0';
	match_init(&m, slice_new(text, text_len), pattern + pattern_len, stop_some_day, &looks);
	const char *at = find(&m, pattern, &end);
	CHECK(at == NULL || (at <= end && end <= text + text_len));
	/* A NUL ends the stock one's pattern; where ours took long, the stock one might take for ever. A plain pattern is not parsed by it. */
	if (!m.cut && memchr(pattern, '\0', pattern_len) == NULL && !match_is_plain(slice_new(pattern, pattern_len))) {
		lua_getglobal(L, "string");
		lua_getfield(L, -1, "find");
		lua_replace(L, 1);
		lua_settop(L, 1);
		lua_pushlstring(L, text, text_len);
		lua_pushlstring(L, pattern, pattern_len);
		compare(L, &m, at, end);
		lua_settop(L, 0);
	}
	free(pattern);
	free(text);
	return 0;
}
