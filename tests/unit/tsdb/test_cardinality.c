/* What the head's index has most of, against counts of our own. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fault.h"
#include "record/labels.h"
#include "tsdb/tsdb.h"

static char dir[64];
static struct tsdb *store;

static void append(const char *metric, const char *name, uint32_t value, uint32_t samples)
{
	char text[16];
	struct buf b = {0};
	uint32_t number;
	snprintf(text, sizeof text, "%03u", value);
	struct label labels[] = {{LABEL_METRIC_NAME, slice_cstr(metric)}, {slice_cstr(name), slice_cstr(text)}};
	assert_int_equal(labels_canonical(labels, 2, &b, NULL), 0);
	assert_int_equal(tsdb_series(store, buf_slice(&b), labels_hash(buf_slice(&b)), &number), 0);
	for (uint32_t i = 0; i < samples; i++)
		assert_int_equal(tsdb_append(store, number, 1000 + i * INT64_C(1000), i), APPEND_STORED);
	buf_free(&b);
}

/* 40 series of "many" by a, 7 of "few" by a (values that the others have too), 1 of "one" by b with 300 samples. */
static int begin(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/moongate-tsdb-XXXXXX");
	assert_non_null(mkdtemp(dir));
	store = tsdb_open(&(struct tsdb_options){.dir = dir}, NULL, NULL, NULL);
	assert_non_null(store);
	tsdb_batch_begin(store);
	for (uint32_t i = 0; i < 40; i++)
		append("many", "a", i, 1);
	for (uint32_t i = 0; i < 7; i++)
		append("few", "a", i, 1);
	append("one", "b", 0, 300);
	tsdb_batch_end(store);
	tsdb_tick(store);
	return 0;
}

static int end(void **state)
{
	char command[128];
	(void)state;
	tsdb_close(store);
	snprintf(command, sizeof command, "rm -r '%s'", dir);
	return system(command);
}

static void check(const struct tsdb_counted *c, const char *name, const char *value, uint64_t count)
{
	assert_true(slice_eq(c->name, slice_cstr(name)));
	assert_true(slice_eq(c->value, slice_cstr(value)));
	assert_int_equal(c->count, count);
}

static void all_is_counted(void **state)
{
	struct arena arena;
	struct tsdb_cardinality c;
	int code;
	(void)state;
	arena_init(&arena);
	struct tsdb_view *v = tsdb_view_open(store, &code);
	assert_non_null(v);
	assert_int_equal(tsdb_cardinality(v, 100, &arena, &c, NULL), 0);
	assert_int_equal(c.series, 48);
	assert_int_equal(c.label_pairs, 3 + 40 + 1);
	assert_int_equal(c.chunks, 47 + 3);
	assert_int_equal(c.oldest_ms, 1000);
	assert_int_equal(c.newest_ms, 300000);
	assert_int_equal(c.metric_count, 3);
	check(&c.metrics[0], "", "many", 40);
	check(&c.metrics[1], "", "few", 7);
	check(&c.metrics[2], "", "one", 1);
	assert_int_equal(c.label_count, 3);
	check(&c.labels[0], "a", "", 40);
	check(&c.labels[1], "__name__", "", 3);
	check(&c.labels[2], "b", "", 1);
	check(&c.label_bytes[0], "__name__", "", 40 * 4 + 8 * 3);
	check(&c.label_bytes[1], "a", "", 47 * 3);
	assert_int_equal(c.pair_count, 44);
	check(&c.pairs[0], "__name__", "many", 40);
	check(&c.pairs[1], "__name__", "few", 7);
	check(&c.pairs[2], "a", "000", 2);
	check(&c.pairs[8], "a", "006", 2);
	check(&c.pairs[9], "__name__", "one", 1);
	tsdb_view_close(v);
	arena_deinit(&arena);
}

/* With less room the same ones come first. */
static void the_highest_are_kept(void **state)
{
	struct arena arena;
	struct tsdb_cardinality all, c;
	int code;
	(void)state;
	arena_init(&arena);
	struct tsdb_view *v = tsdb_view_open(store, &code);
	assert_int_equal(tsdb_cardinality(v, 1000, &arena, &all, NULL), 0);
	for (uint32_t limit = 0; limit < 60; limit++) {
		assert_int_equal(tsdb_cardinality(v, limit, &arena, &c, NULL), 0);
		assert_int_equal(c.pair_count, limit < 44 ? limit : 44);
		for (uint32_t i = 0; i < c.pair_count; i++) {
			assert_int_equal(c.pairs[i].count, all.pairs[i].count);
			assert_true(slice_eq(c.pairs[i].value, all.pairs[i].value));
		}
	}
	tsdb_view_close(v);
	arena_deinit(&arena);
}

static void memory_may_be_out(void **state)
{
	int code, wrong = -ENOMEM;
	(void)state;
	struct tsdb_view *v = tsdb_view_open(store, &code);
	for (uint64_t n = 1; wrong != 0; n++) {
		struct arena arena;
		struct tsdb_cardinality c;
		struct error err = {0};
		arena_init(&arena);
		fault_set(FAULT_MALLOC, n, true, ENOMEM);
		wrong = tsdb_cardinality(v, 10, &arena, &c, &err);
		fault_clear();
		arena_deinit(&arena);
		assert_true(wrong == 0 || (wrong == -ENOMEM && err.code == -ENOMEM));
		assert_true(n < 100);
	}
	tsdb_view_close(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_is_counted),
	    cmocka_unit_test(the_highest_are_kept),
	    cmocka_unit_test(memory_may_be_out),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
