/* The matcher against the stock one: the same results and the same errors, on every pair of many patterns and texts; and what the stock one cannot:
 * stop. */
#include "support.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "script/internal.h"
#include "script/match.h"

/* A state with the stock library as `string` and ours as `ours`. */
static lua_State *open_both(struct script *s)
{
	*s = (struct script){.heap = {.cap = 32 << 20, .mark = SIZE_MAX}};
	s->path = "test";
	s->stack = __builtin_frame_address(0);
	lua_State *L = lua_newstate(heap_alloc, &s->heap);
	assert_non_null(L);
	luaL_openlibs(L);
	lua_newtable(L);
	lua_getglobal(L, "string");
	lua_getfield(L, -1, "format");
	lua_setfield(L, -3, "format");
	lua_pop(L, 1);
	lib_string_open(L);
	lua_setglobal(L, "ours");
	return L;
}

static void test_equals_stock(void **state)
{
	(void)state;
	struct script s;
	lua_State *L = open_both(&s);

	if (luaL_dofile(L, TEST_DIR "/match_cases.lua") != 0)
		fail_msg("%s", lua_tostring(L, -1));
	assert_true(lua_tointeger(L, -1) > 60000); /* comparisons */
	lua_close(L);
	heap_deinit(&s.heap);
}

static bool stop_at_once(const void *ctx)
{
	int *asked = (int *)(uintptr_t)ctx;

	return ++*asked >= 3;
}

static void test_stops(void **state)
{
	(void)state;
	static char text[65536];
	int asked = 0;
	struct match m;
	const char pattern[] = ".-.-.-b";

	memset(text, 'a', sizeof text);
	match_init(&m, slice_new(text, sizeof text), pattern + sizeof pattern - 1, stop_at_once, &asked);
	assert_null(match_at(&m, text, pattern));
	assert_true(m.cut);
	assert_int_equal(asked, 3);

	/* Sets and balances count by their length, so that they are no way around. */
	char set[4100] = "[";
	memset(set + 1, 'x', 4096);
	memcpy(set + 4097, "]*b", 3);
	memset(text, 'x', sizeof text);
	text[0] = 'a';
	asked = 0;
	match_init(&m, slice_new(text, sizeof text), set + 4100, stop_at_once, &asked);
	for (const char *at = text; at < text + sizeof text && !m.cut; at++)
		match_at(&m, at, set);
	assert_true(m.cut);
	assert_int_equal(asked, 3);
}

static void test_plain_is_linear(void **state)
{
	(void)state;
	size_t size = 4 << 20;
	char *text = malloc(size);
	char *what = malloc(size / 4);
	struct match m;

	assert_true(text != NULL && what != NULL);
	memset(text, 'a', size);
	memset(what, 'a', size / 4);
	what[size / 4 - 1] = 'b';
	match_init(&m, slice_new(text, size), NULL, NULL, NULL);
	assert_null(match_plain(&m, text, slice_new(what, size / 4)));
	text[size - 1] = 'b';
	assert_ptr_equal(match_plain(&m, text, slice_new(what, size / 4)), text + size - size / 4);
	assert_ptr_equal(match_plain(&m, text, SLICE("ab")), text + size - 2);
	assert_ptr_equal(match_plain(&m, text + 5, SLICE("")), text + 5);
	/* A needle that lies across two pieces. */
	memset(text, '.', size);
	memcpy(text + 65536 - 2, "needle", 6);
	assert_ptr_equal(match_plain(&m, text, SLICE("needle")), text + 65536 - 2);
	free(text);
	free(what);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_equals_stock),
	    cmocka_unit_test(test_stops),
	    cmocka_unit_test(test_plain_is_linear),
	};
	quiet();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
