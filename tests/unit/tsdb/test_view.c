/* What a view shows: which series, which labels, and when it says that it could not look, or that nobody wants to know any more. */
#include "store.h"

#include <errno.h>

#include "base/fault.h"

static uint32_t count_seen(struct tsdb *t)
{
	struct error err = {0};
	struct slice labels;
	uint32_t count = 0;
	int code;
	struct tsdb_view *v = tsdb_view_open(t, &code);
	assert_non_null(v);
	struct series_set *s = tsdb_select(v, NULL, 0, INT64_MIN, INT64_MAX, &err);
	assert_non_null(s);
	while ((code = series_set_next(s, &labels, &err)) == 1)
		count++;
	assert_int_equal(code, 0);
	series_set_free(s);
	tsdb_view_close(v);
	return count;
}

/* Names of labels, or values of one, without any matcher. */
static uint32_t count_labels(struct tsdb *t, const char *name)
{
	struct error err = {0};
	struct arena arena;
	const struct slice *texts;
	uint32_t count;
	int code;
	arena_init(&arena);
	struct tsdb_view *v = tsdb_view_open(t, &code);
	code = name == NULL ? tsdb_label_names(v, NULL, 0, INT64_MIN, INT64_MAX, &arena, &texts, &count, &err)
	                    : tsdb_label_values(v, slice_cstr(name), NULL, 0, INT64_MIN, INT64_MAX, &arena, &texts,
	                                        &count, &err);
	assert_int_equal(code, 0);
	tsdb_view_close(v);
	arena_deinit(&arena);
	return count;
}

/* A series is seen with its first batch: it has its number before, and may be left without a sample. */
static void test_series_are_seen_with_their_samples(void **state)
{
	(void)state;
	enum { LONG = 1000 }; /* samples: several chunks, of which only the last is in memory */
	begin();
	struct tsdb *t = open_store();
	uint32_t numbers[] = {series(t, 1), series(t, 2), series(t, 3)};
	assert_int_equal(count_seen(t), 0);
	assert_int_equal(count_labels(t, NULL), 0);
	tsdb_batch_begin(t);
	assert_int_equal(tsdb_append(t, numbers[0], HOUR, 1), APPEND_STORED);
	for (int i = 0; i < LONG; i++)
		assert_int_equal(tsdb_append(t, numbers[1], HOUR + i, i * 0.1), APPEND_STORED);
	assert_int_equal(count_seen(t), 0);
	assert_int_equal(count_labels(t, NULL), 0);
	assert_int_equal(count_labels(t, "n"), 0);
	tsdb_batch_end(t);
	assert_int_equal(count_seen(t), 2);
	assert_int_equal(count_labels(t, NULL), 3);
	assert_int_equal(count_labels(t, "n"), 2);
	assert_int_equal(count_labels(t, "odd"), 2);
	tsdb_batch_begin(t);
	for (int i = 0; i < LONG; i++)
		assert_int_equal(tsdb_append(t, numbers[0], HOUR + 1 + i, i * 0.1), APPEND_STORED);
	assert_int_equal(count_seen(t), 2);
	tsdb_batch_end(t);
	assert_int_equal(count_seen(t), 2);
	tsdb_close(t);
	end();
}

static void test_labels(void **state)
{
	struct error err = {0};
	struct arena arena;
	const struct slice *texts;
	uint32_t count;
	int code;
	(void)state;
	begin();
	arena_init(&arena);
	struct tsdb *t = open_store();
	fill(t, 0, 6 * 60);
	struct tsdb_view *v = tsdb_view_open(t, &code);
	assert_int_equal(tsdb_label_names(v, NULL, 0, INT64_MIN, INT64_MAX, &arena, &texts, &count, &err), 0);
	assert_int_equal(count, 3);
	assert_int_equal(tsdb_label_values(v, SLICE("n"), NULL, 0, INT64_MIN, INT64_MAX, &arena, &texts, &count, &err),
	                 0);
	assert_int_equal(count, SERIES);
	struct matcher *odd = matcher_new(MATCH_EQUAL, SLICE("odd"), SLICE("yes"), &err);
	struct matcher *some = matcher_new(MATCH_REGEX, SLICE("n"), SLICE("00[0-9]"), &err);
	struct matcher *both[] = {odd, some};
	assert_int_equal(tsdb_label_values(v, SLICE("n"), both, 2, INT64_MIN, INT64_MAX, &arena, &texts, &count, &err),
	                 0);
	assert_int_equal(count, 5);
	assert_true(slice_eq(texts[0], SLICE("001")) && slice_eq(texts[4], SLICE("009")));
	assert_int_equal(tsdb_label_names(v, both, 2, INT64_MIN, INT64_MAX, &arena, &texts, &count, &err), 0);
	assert_int_equal(count, 3);
	struct series_set *s = tsdb_select(v, both, 2, INT64_MIN, INT64_MAX, &err);
	struct slice labels;
	uint32_t found = 0;
	while (series_set_next(s, &labels, &err) == 1)
		found++;
	assert_int_equal(found, 5);
	series_set_free(s);
	matcher_free(odd);
	matcher_free(some);
	tsdb_view_close(v);
	tsdb_close(t);
	arena_deinit(&arena);
	end();
}

/* A query finds all that there is, or says that it could not look. */
static void test_selecting_without_memory(void **state)
{
	struct error err = {0};
	int code;
	(void)state;
	begin();
	struct tsdb *t = open_store();
	fill(t, 0, 7 * 60);
	struct matcher *odd = matcher_new(MATCH_EQUAL, SLICE("odd"), SLICE("yes"), &err);
	struct matcher *not_odd = matcher_new(MATCH_NOT_EQUAL, SLICE("odd"), SLICE("no"), &err);
	struct matcher *both[] = {odd, not_odd};
	for (uint32_t kind = 0; kind < 3; kind++) {
		uint32_t failures = 0;
		for (uint64_t nth = 1;; nth++) {
			struct tsdb_view *v = tsdb_view_open(t, &code);
			uint32_t found = 0;
			struct slice labels;
			struct series_samples samples;
			fault_set(FAULT_MALLOC, nth, false, ENOMEM);
			struct series_set *s =
			    tsdb_select(v, both + kind % 2, kind == 2 ? 0 : 1, INT64_MIN, 4 * HOUR - 1, &err);
			code = s == NULL ? err.code : 0;
			while (code == 0 && (code = series_set_next(s, &labels, &err)) == 1) {
				code = series_set_samples(s, &samples, &err);
				found += samples.count > 0;
			}
			fault_clear();
			series_set_free(s);
			tsdb_view_close(v);
			uint32_t there = 0;
			for (uint32_t n = 0; n < SERIES; n++)
				there += (kind == 2 || n % 2 == 1) && has_any(n, 0, 4 * 60);
			if (code == 0)
				assert_int_equal(found, there);
			if (code == 0)
				break;
			assert_int_equal(code, -ENOMEM);
			failures++;
		}
		assert_true(failures > 3);
	}
	matcher_free(odd);
	matcher_free(not_odd);
	tsdb_close(t);
	end();
}

struct patience {
	uint32_t left; /* times that it says no */
	uint32_t asked;
};

static bool is_at_its_end(const void *ctx)
{
	struct patience *p = (struct patience *)ctx;
	p->asked++;
	return p->asked > p->left;
}

/* Everything that may take long ends when it is to, and with less patience sooner. */
static void test_a_view_can_be_stopped(void **state)
{
	struct error err = {0};
	struct arena arena;
	struct slice labels;
	int code = 0;
	(void)state;
	begin();
	arena_init(&arena);
	struct tsdb *t = open_store();
	fill(t, 0, 7 * 60);
	struct matcher *all = matcher_new(MATCH_REGEX, SLICE("n"), SLICE(".*[0-9]{2}"), &err);
	uint32_t stopped = 0;
	for (uint32_t left = 0;; left++) {
		struct patience p = {.left = left};
		struct tsdb_view *v = tsdb_view_open(t, &code);
		const struct slice *texts;
		uint32_t found = 0, count = 0;
		tsdb_view_stop_when(v, is_at_its_end, &p);
		struct series_set *s = tsdb_select(v, &all, 1, INT64_MIN, INT64_MAX, &err);
		code = s == NULL ? err.code : 0;
		while (code == 0 && (code = series_set_next(s, &labels, &err)) == 1) {
			code = 0;
			found++;
		}
		series_set_free(s);
		if (code == 0)
			code = tsdb_label_values(v, SLICE("n"), &all, 1, INT64_MIN, INT64_MAX, &arena, &texts, &count,
			                         &err);
		tsdb_view_close(v);
		if (code == 0) {
			assert_int_equal(found, SERIES);
			assert_int_equal(count, SERIES);
			break;
		}
		assert_int_equal(code, -ECANCELED);
		assert_int_equal(p.asked, left + 1); /* once it was told it does not go on */
		stopped++;
	}
	assert_true(stopped > 10);
	matcher_free(all);
	tsdb_close(t);
	arena_deinit(&arena);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_series_are_seen_with_their_samples),
	    cmocka_unit_test(test_labels),
	    cmocka_unit_test(test_selecting_without_memory),
	    cmocka_unit_test(test_a_view_can_be_stopped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
