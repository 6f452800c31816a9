#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/fault.h"
#include "record/matcher.h"
#include "support.h"

enum { UNIVERSE = 4096, LISTS_MAX = 200 };

static uint32_t seed = 7;

static uint32_t draw(uint32_t below)
{
	return memory_draw(&seed, below);
}

/* ---- lists, against a table of what is in ---- */

struct list {
	uint32_t numbers[UNIVERSE];
	bool in[UNIVERSE];
	struct postings p;
};

/* `step` apart, from the universe's numbers on; `share` of a thousand of them are in. */
static void draw_list(struct list *l, uint32_t share, uint32_t step)
{
	l->p = (struct postings){l->numbers, 0};
	for (uint32_t i = 0; i < UNIVERSE; i++) {
		l->in[i] = draw(1000) < share;
		if (l->in[i])
			l->numbers[l->p.count++] = i * step;
	}
}

static void check_list(struct postings found, const bool *wanted, uint32_t step)
{
	uint32_t at = 0;
	for (uint32_t i = 0; i < UNIVERSE; i++) {
		if (!wanted[i])
			continue;
		assert_true(at < found.count);
		assert_int_equal(found.numbers[at], i * step);
		at++;
	}
	assert_int_equal(at, found.count);
}

static uint32_t draw_share(void)
{
	static const uint32_t shares[] = {0, 1, 2, 10, 50, 300, 900, 1000};
	return shares[draw(sizeof shares / sizeof *shares)];
}

static void test_two(void **state)
{
	static struct list a, b;
	bool both[UNIVERSE], only[UNIVERSE];
	struct postings found;
	struct arena arena;
	(void)state;
	arena_init(&arena);
	for (int round = 0; round < 400; round++) {
		uint32_t step = 1 + draw(1000000);
		draw_list(&a, draw_share(), step);
		draw_list(&b, draw_share(), step);
		for (int i = 0; i < UNIVERSE; i++) {
			both[i] = a.in[i] && b.in[i];
			only[i] = a.in[i] && !b.in[i];
		}
		assert_int_equal(postings_intersect(&arena, a.p, b.p, &found), 0);
		check_list(found, both, step);
		assert_int_equal(postings_subtract(&arena, a.p, b.p, &found), 0);
		check_list(found, only, step);
		arena_reset(&arena, 1 << 16);
	}
	arena_deinit(&arena);
}

static void test_union(void **state)
{
	static struct list l[LISTS_MAX];
	struct postings lists[LISTS_MAX], found;
	bool any[UNIVERSE];
	struct arena arena;
	(void)state;
	arena_init(&arena);
	for (int round = 0; round < 120; round++) {
		uint32_t step = draw(2) == 0 ? 1 : 1 + draw(1000000), count = draw(3) == 0 ? draw(LISTS_MAX) : draw(4);
		memset(any, 0, sizeof any);
		for (uint32_t n = 0; n < count; n++) {
			draw_list(&l[n], count > 4 ? draw(4) : draw_share(), step);
			lists[n] = l[n].p;
			for (int i = 0; i < UNIVERSE; i++)
				any[i] = any[i] || l[n].in[i];
		}
		assert_int_equal(postings_union(&arena, lists, count, &found), 0);
		check_list(found, any, step);
		arena_reset(&arena, 1 << 16);
	}
	arena_deinit(&arena);
}

static void test_edges(void **state)
{
	uint32_t ends[] = {0, UINT32_MAX}, middle[] = {5};
	struct postings e = {ends, 2}, m = {middle, 1}, none = {NULL, 0}, lists[3] = {e, m, none}, found;
	struct arena arena;
	(void)state;
	arena_init(&arena);
	assert_int_equal(postings_union(&arena, lists, 3, &found), 0);
	assert_int_equal(found.count, 3);
	assert_int_equal(found.numbers[2], UINT32_MAX);
	assert_int_equal(postings_union(&arena, NULL, 0, &found), 0);
	assert_int_equal(found.count, 0);
	assert_int_equal(postings_union(&arena, lists + 1, 2, &found), 0);
	assert_ptr_equal(found.numbers, middle); /* nothing is built of one list */
	assert_int_equal(postings_intersect(&arena, none, e, &found), 0);
	assert_int_equal(found.count, 0);
	assert_int_equal(postings_subtract(&arena, none, e, &found), 0);
	assert_int_equal(found.count, 0);
	assert_int_equal(postings_subtract(&arena, e, none, &found), 0);
	assert_int_equal(found.count, 2);
	arena_deinit(&arena);
}

/* ---- selections ---- */

/* What is written as "name op value". */
static struct matcher *parse(const char *text)
{
	static const struct {
		const char *text;
		enum matcher_op op;
	} ops[] = {{"!=", MATCH_NOT_EQUAL}, {"!~", MATCH_NOT_REGEX}, {"=~", MATCH_REGEX}, {"=", MATCH_EQUAL}};
	struct error err = {0};
	for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
		const char *at = strstr(text, ops[i].text);
		if (at == NULL)
			continue;
		struct matcher *m = matcher_new(ops[i].op, slice_new(text, (size_t)(at - text)),
		                                slice_cstr(at + strlen(ops[i].text)), &err);
		if (m == NULL)
			fail_msg("%s: %s", text, err.text);
		return m;
	}
	fail_msg("%s has no operator", text);
	return NULL;
}

static bool wanted(const struct memory_index *x, uint32_t series, struct matcher *const *m, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (matcher_matches(m[i], memory_value_of(x, series, m[i]->name)) != 1)
			return false;
	}
	return true;
}

/* The selection is what asking each series gives. The numbers of it. */
static uint32_t check_select(struct memory_index *x, struct matcher *const *m, uint32_t count)
{
	struct postings_source source = memory_source(x);
	struct postings found;
	struct arena arena;
	uint32_t at = 0;
	arena_init(&arena);
	assert_int_equal(postings_select(&source, m, count, &arena, &found), 0);
	for (uint32_t s = 0; s < x->series; s++) {
		if (!wanted(x, s, m, count))
			continue;
		assert_true(at < found.count);
		assert_int_equal(found.numbers[at], x->all[s]);
		at++;
	}
	assert_int_equal(at, found.count);
	arena_deinit(&arena);
	return at;
}

static const struct memory_label few_labels[] = {{"job", 5, 0}, {"pod", 300, 20}, {"zone", 3, 60}, {"id", 4000, 5}};
static const char *const all_matchers[] = {"job=v000001",
                                           "job!=v000001",
                                           "job=~v000001|v000002",
                                           "job!~v000001|v000003|x",
                                           "job=~v00000[0-3]",
                                           "job=",
                                           "job!=",
                                           "job=~.+",
                                           "job!~.+",
                                           "pod=v000017",
                                           "pod!=v000017",
                                           "pod=",
                                           "pod!=",
                                           "pod=~v0001.*",
                                           "pod!~v0001.*",
                                           "pod=~.*",
                                           "pod!~.*",
                                           "pod=~.+",
                                           "pod!~.+",
                                           "pod=~v000007|",
                                           "pod!~v000007|",
                                           "pod=~v0000(1|2).",
                                           "pod!~v0000(1|2).",
                                           "pod=~.*7",
                                           "pod!~.*7",
                                           "pod=~(.*7)?",
                                           "pod!~(.*7)?",
                                           "zone=v000001",
                                           "zone!=v000001",
                                           "zone=",
                                           "zone=~|v000002",
                                           "zone!~|v000002",
                                           "zone=~v000000.+",
                                           "id=v000100",
                                           "id=~v00[0-2].*5",
                                           "id!~v00[0-2].*5",
                                           "nothing=",
                                           "nothing!=",
                                           "nothing=x",
                                           "nothing!=x",
                                           "nothing=~.*",
                                           "nothing=~.+",
                                           "nothing!~x",
                                           "pod=~v9.*",
                                           "pod=absent",
                                           "pod!=absent",
                                           "id=~v000[01]..",
                                           "pod!~"};
enum { ALL_MATCHERS = sizeof all_matchers / sizeof *all_matchers };

static void test_select(void **state)
{
	struct memory_index x;
	struct matcher *m[ALL_MATCHERS], *some[5];
	uint32_t not_empty = 0;
	(void)state;
	memory_index_init(&x, few_labels, 4, 1500, 3, 1);
	assert_int_equal(check_select(&x, NULL, 0), x.series);
	for (int i = 0; i < ALL_MATCHERS; i++) {
		m[i] = parse(all_matchers[i]);
		not_empty += check_select(&x, &m[i], 1) != 0;
	}
	assert_true(not_empty > ALL_MATCHERS / 2);
	for (int i = 0; i < ALL_MATCHERS; i++) {
		for (int j = 0; j < ALL_MATCHERS; j++) {
			some[0] = m[i];
			some[1] = m[j];
			check_select(&x, some, 2);
		}
	}
	for (int round = 0; round < 1500; round++) {
		uint32_t count = 3 + draw(3);
		for (uint32_t i = 0; i < count; i++)
			some[i] = m[draw(ALL_MATCHERS)];
		check_select(&x, some, count);
	}
	for (int i = 0; i < ALL_MATCHERS; i++)
		matcher_free(m[i]);
	memory_index_deinit(&x);
}

/* Of indexes of other shapes: none, one series, numbers far apart. */
static void test_other_indexes(void **state)
{
	static const uint32_t sizes[][2] = {{0, 1}, {1, 1}, {40, 90000000}, {600, 7000000}};
	struct matcher *m[2];
	(void)state;
	for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
		struct memory_index x;
		memory_index_init(&x, few_labels, 4, sizes[n][0], sizes[n][1], 5);
		for (int i = 0; i < ALL_MATCHERS; i++) {
			m[0] = parse(all_matchers[i]);
			m[1] = parse(all_matchers[draw(ALL_MATCHERS)]);
			check_select(&x, m, 1);
			check_select(&x, m, 2);
			matcher_free(m[0]);
			matcher_free(m[1]);
		}
		memory_index_deinit(&x);
	}
}

/* Whatever fails, the arena is as it was; then the same selection is right. */
static void test_no_memory(void **state)
{
	static const struct memory_label labels[] = {{"job", 5, 0}, {"pod", 3000, 20}};
	struct memory_index x;
	struct matcher *m[] = {parse("job=v000001"), parse("pod=~v.*7"), parse("pod!~v.*17"), parse("pod!=")};
	struct postings found;
	struct arena arena;
	int code;
	(void)state;
	memory_index_init(&x, labels, 2, 60000, 1, 1);
	struct postings_source source = memory_source(&x);
	arena_init(&arena);
	for (uint64_t nth = 1;; nth++) {
		fault_set(FAULT_MALLOC, nth, false, ENOMEM);
		code = postings_select(&source, m, 4, &arena, &found);
		fault_clear();
		if (code == 0)
			break;
		assert_int_equal(code, -ENOMEM);
		assert_null(arena.blocks);
		assert_null(arena.own);
		assert_true(nth < 100);
	}
	arena_reset(&arena, 0);
	for (int nth = 1; nth <= 3; nth++) {
		x.fail_values = nth;
		assert_int_equal(postings_select(&source, m, 4, &arena, &found), -ENOMEM);
	}
	arena_deinit(&arena);
	assert_true(check_select(&x, m, 4) > 100);
	for (int i = 0; i < 4; i++)
		matcher_free(m[i]);
	memory_index_deinit(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_two),    cmocka_unit_test(test_union),         cmocka_unit_test(test_edges),
	    cmocka_unit_test(test_select), cmocka_unit_test(test_other_indexes), cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
