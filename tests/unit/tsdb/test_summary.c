/* series_set_summary is the summary of what series_set_samples gives: for random samples, in order and out of order, in head, files of chunks and blocks, for any span of time, in views from the middle of a batch, and after restarts. */
#include <errno.h>
#include <math.h>
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

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STEPS = 1500 };
#else
enum { STEPS = 6000 };
#endif

enum { SERIES = 16, STEP_MS = 5000 };

struct world {
	char dir[64];
	struct tsdb *t;
	uint32_t numbers[SERIES];
	double values[SERIES];
	int64_t now_ms;
	uint32_t seed;
	uint32_t stored_late, compared;
};

static uint32_t draw(struct world *w, uint32_t below)
{
	w->seed = w->seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)(w->seed >> 4) * below >> 28);
}

static void open_store(struct world *w)
{
	struct error err = {0};
	w->t = tsdb_open(&(struct tsdb_options){.dir = w->dir,
	                                        .block_ms = 20 * MINUTE,
	                                        .retention_ms = 72 * 60 * MINUTE,
	                                        .out_of_order_ms = 4 * MINUTE},
	                 NULL, NULL, &err);
	if (w->t == NULL)
		fail_msg("%s", err.text);
}

static void number_series(struct world *w)
{
	struct buf b = {0};
	struct error err = {0};
	for (uint32_t i = 0; i < SERIES; i++) {
		char text[16];
		snprintf(text, sizeof text, "%u", i);
		struct label labels[] = {{LABEL_METRIC_NAME, SLICE("m")}, {SLICE("n"), slice_cstr(text)}};
		buf_reset(&b);
		assert_int_equal(labels_canonical(labels, 2, &b, &err), 0);
		assert_int_equal(tsdb_series(w->t, buf_slice(&b), labels_hash(buf_slice(&b)), &w->numbers[i]), 0);
	}
	buf_free(&b);
}

static void begin(struct world *w, uint32_t seed)
{
	*w = (struct world){.seed = seed, .now_ms = 1000000 * SECOND};
	snprintf(w->dir, sizeof w->dir, "/tmp/moongate-summary-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	open_store(w);
	number_series(w);
}

static void end(struct world *w)
{
	char command[128];
	tsdb_close(w->t);
	snprintf(command, sizeof command, "rm -r '%s'", w->dir);
	assert_int_equal(system(command), 0);
}

static void maintain(struct world *w)
{
	struct error err = {0};
	int code;
	do {
		while (tsdb_tick(w->t))
			;
		code = tsdb_maintain(w->t, &err);
		assert_true(code >= 0);
	} while (code == 1);
}

static void restart(struct world *w)
{
	struct error err = {0};
	int code;
	struct tsdb_cut *cut = tsdb_cut(w->t, &code);
	assert_non_null(cut);
	assert_int_equal(tsdb_cut_write(cut, "cut", &err), 0);
	tsdb_cut_free(cut);
	tsdb_close(w->t);
	open_store(w);
	if (tsdb_load(w->t, "cut", &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(tsdb_cut_remove(w->t, "cut"), 0);
	number_series(w);
}

/* Counters that are reset now and then, of whole numbers: their sums are exact. Some samples are stale markers, or NaN. */
static double next_value(struct world *w, uint32_t i)
{
	double stale;
	uint64_t bits = SAMPLE_STALE_BITS;
	uint32_t what = draw(w, 300);
	memcpy(&stale, &bits, sizeof stale);
	if (what == 0)
		return stale;
	if (what == 1)
		return NAN;
	w->values[i] = what < 4 ? draw(w, 10) : w->values[i] + draw(w, 50);
	return w->values[i];
}

static void append(struct world *w, uint32_t i, int64_t time_ms, double value)
{
	int outcome = tsdb_append(w->t, w->numbers[i], time_ms, value);
	assert_true(outcome >= 0);
}

/* One batch: every series may have a sample now, and some that come late. `middle` is called between them. */
static void step(struct world *w, void (*middle)(struct world *w))
{
	w->now_ms += STEP_MS;
	tsdb_batch_begin(w->t);
	for (uint32_t i = 0; i < SERIES; i++) {
		if (i == SERIES / 2 && middle != NULL)
			middle(w);
		if (draw(w, 12) > 0)
			append(w, i, w->now_ms, next_value(w, i));
		/* Half of them never have one out of order. */
		if (i % 2 == 1 && draw(w, 40) == 0) {
			int64_t before = draw(w, 40) * STEP_MS + draw(w, 3);
			append(w, i, w->now_ms - before, next_value(w, i));
			w->stored_late++;
		}
	}
	tsdb_batch_end(w->t);
}

static void assert_bits(double a, double b)
{
	assert_memory_equal(&a, &b, sizeof a);
}

static void assert_same(const struct chunk_summary *got, const struct chunk_summary *want)
{
	assert_int_equal(got->count, want->count);
	assert_int_equal(got->stale, want->stale);
	assert_int_equal(got->first_ms, want->first_ms);
	assert_int_equal(got->last_ms, want->last_ms);
	assert_bits(got->first, want->first);
	assert_bits(got->last, want->last);
	assert_bits(got->min, want->min);
	assert_bits(got->max, want->max);
	assert_bits(got->fallen, want->fallen);
}

/* In two at a random one of the samples, or beside it. */
static void compare_halves(struct world *w, struct series_set *s)
{
	struct error err = {0};
	struct chunk_summary want, got;
	struct series_samples samples;
	struct series_newest before, newest = {0};
	assert_int_equal(series_set_samples(s, &samples, &err), 0);
	int64_t at = samples.count == 0 ? 0 : samples.times_ms[draw(w, samples.count)] + draw(w, 3) - 1;
	summary_init(&want);
	for (uint32_t i = 0; i < samples.count; i++) {
		if (samples.times_ms[i] > at)
			summary_add(&want, samples.times_ms[i], samples.values[i]);
		else
			newest = (struct series_newest){true, samples.times_ms[i], samples.values[i]};
	}
	assert_int_equal(series_set_summary_after(s, at, &before, &got, &err), 0);
	assert_same(&got, &want);
	assert_int_equal(before.there, newest.there);
	assert_int_equal(before.time_ms, newest.time_ms);
	assert_true(before.value == newest.value);
}

static void compare(struct world *w, struct series_set *s)
{
	struct error err = {0};
	struct chunk_summary want, got;
	struct series_samples samples;
	assert_int_equal(series_set_summary(s, &got, &err), 0);
	assert_int_equal(series_set_samples(s, &samples, &err), 0);
	summary_init(&want);
	for (uint32_t i = 0; i < samples.count; i++)
		summary_add(&want, samples.times_ms[i], samples.values[i]);
	assert_same(&got, &want);
	compare_halves(w, s);
	w->compared++;
}

static void check_span(struct world *w, struct tsdb_view *v, int64_t from_ms, int64_t to_ms)
{
	struct error err = {0};
	struct slice labels;
	struct series_set *s = tsdb_select(v, NULL, 0, from_ms, to_ms, &err);
	assert_non_null(s);
	while (series_set_next(s, &labels, &err) == 1)
		compare(w, s);
	assert_int_equal(err.code, 0);
	series_set_free(s);
}

static struct tsdb_view *view_of(struct world *w)
{
	int code;
	struct tsdb_view *v = tsdb_view_open(w->t, &code);
	assert_non_null(v);
	return v;
}

static void check_spans(struct world *w)
{
	struct tsdb_view *v = view_of(w);
	int64_t length = (int64_t)STEPS * STEP_MS;
	check_span(w, v, INT64_MIN, INT64_MAX);
	for (int i = 0; i < 3; i++) {
		int64_t from = w->now_ms - draw(w, 1000) * (length / 1000), to = from + draw(w, 1000) * (length / 1000);
		check_span(w, v, from, to);
		check_span(w, v, from, INT64_MAX);
	}
	tsdb_view_close(v);
}

static void test_random_samples(void **state)
{
	struct world w;
	(void)state;
	begin(&w, 7);
	for (uint32_t i = 0; i < STEPS; i++) {
		step(&w, draw(&w, 200) == 0 ? check_spans : NULL);
		if (i % 97 == 0)
			check_spans(&w);
		if (i % 150 == 0)
			maintain(&w);
		if (i % 500 == 499)
			restart(&w);
	}
	check_spans(&w);
	struct tsdb_stats stats;
	tsdb_stats(w.t, &stats);
	assert_true(stats.blocks > 1 && stats.head_file_bytes > 0);
	assert_true(w.stored_late > 100 && w.compared > SERIES * 100);
	end(&w);
}

/* A view that was opened in the middle of a batch sees none of it, also once the batch has ended and others after it, through the chunks that were begun since. */
static void test_a_view_of_before(void **state)
{
	struct world w;
	(void)state;
	begin(&w, 11);
	for (uint32_t i = 0; i < 400; i++)
		step(&w, NULL);
	struct tsdb_view *v = view_of(&w);
	tsdb_batch_begin(w.t);
	append(&w, 0, w.now_ms + 1, 1e9);
	struct tsdb_view *amid = view_of(&w);
	tsdb_batch_end(w.t);
	for (uint32_t i = 0; i < 400; i++)
		step(&w, NULL);
	check_span(&w, v, INT64_MIN, INT64_MAX);
	check_span(&w, amid, INT64_MIN, INT64_MAX);
	struct error err = {0};
	struct series_set *s = tsdb_select(amid, NULL, 0, INT64_MIN, INT64_MAX, &err);
	struct slice labels;
	struct chunk_summary got;
	while (series_set_next(s, &labels, &err) == 1) {
		assert_int_equal(series_set_summary(s, &got, &err), 0);
		assert_true(got.last_ms <= w.now_ms - 400 * (int64_t)STEP_MS && !(got.max >= 1e9));
	}
	series_set_free(s);
	tsdb_view_close(amid);
	tsdb_view_close(v);
	end(&w);
}

/* The sum over many chunks is rounded otherwise than sample by sample, in the last digits. */
static void test_rounding(void **state)
{
	struct world w;
	struct error err = {0};
	struct slice labels;
	struct chunk_summary got, want;
	struct series_samples samples;
	(void)state;
	begin(&w, 3);
	for (uint32_t i = 0; i < 2000; i++) {
		w.now_ms += STEP_MS;
		tsdb_batch_begin(w.t);
		append(&w, 0, w.now_ms, 0.1 * draw(&w, 1000));
		tsdb_batch_end(w.t);
	}
	struct tsdb_view *v = view_of(&w);
	struct series_set *s = tsdb_select(v, NULL, 0, INT64_MIN, INT64_MAX, &err);
	assert_int_equal(series_set_next(s, &labels, &err), 1);
	assert_int_equal(series_set_summary(s, &got, &err), 0);
	assert_int_equal(series_set_samples(s, &samples, &err), 0);
	summary_init(&want);
	for (uint32_t i = 0; i < samples.count; i++)
		summary_add(&want, samples.times_ms[i], samples.values[i]);
	assert_int_equal(want.count, 2000);
	assert_true(fabs(got.fallen - want.fallen) <= 1e-12 * want.fallen);
	series_set_free(s);
	tsdb_view_close(v);
	end(&w);
}

/* Each allocation fails once: an error with a sentence, and the next try gives what is right. */
static void test_out_of_memory(void **state)
{
	struct world w;
	(void)state;
	begin(&w, 5);
	for (uint32_t i = 0; i < 700; i++) {
		step(&w, NULL);
		if (i % 150 == 0)
			maintain(&w);
	}
	uint32_t failures = 0;
	for (uint32_t n = 1; failures + 1 == n; n++) {
		struct tsdb_view *v = view_of(&w);
		struct error err = {0};
		struct slice labels;
		struct chunk_summary got;
		int code;
		fault_set(FAULT_MALLOC, n, false, ENOMEM);
		struct series_set *s = tsdb_select(v, NULL, 0, w.now_ms - 60 * MINUTE, w.now_ms - MINUTE, &err);
		code = s == NULL ? err.code : 0;
		while (code == 0 && (code = series_set_next(s, &labels, &err)) == 1)
			code = series_set_summary(s, &got, &err);
		fault_clear();
		if (code != 0) {
			assert_int_equal(code, -ENOMEM);
			assert_int_not_equal(err.text[0], '\0');
			failures++;
		}
		series_set_free(s);
		tsdb_view_close(v);
	}
	assert_true(failures > 5);
	check_spans(&w);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_random_samples),
	    cmocka_unit_test(test_a_view_of_before),
	    cmocka_unit_test(test_rounding),
	    cmocka_unit_test(test_out_of_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
