/* Ticks: the live metrics in a real store, from their beginning to their end. What the store has is compared as text: seconds since START and values. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/hash.h"
#include "engine/tick.h"
#include "record/labels.h"

#define START (INT64_C(1767225600) * NS_PER_S)

static const int64_t start_ms = START / NS_PER_MS;

enum { STEP = 5, ALL = 1000000 };

/* ---- what all tests have ---- */

static char dir[64];
static struct tsdb *store;
static struct registry *live;
static struct ticker *ticker;

static struct tsdb *open_store(struct tsdb_options o)
{
	struct error err = {0};

	o.dir = dir;
	struct tsdb *t = tsdb_open(&o, NULL, NULL, &err);
	if (t == NULL)
		fail_msg("%s", err.text);
	return t;
}

static int begin_with(struct tsdb_options o)
{
	snprintf(dir, sizeof dir, "/tmp/moongate-tick-XXXXXX");
	assert_non_null(mkdtemp(dir));
	store = open_store(o);
	live = registry_new(NULL);
	ticker = ticker_new(store, STEP * NS_PER_S);
	assert_non_null(live);
	assert_non_null(ticker);
	registry_set_now(live, START);
	return 0;
}

static int begin(void **state)
{
	(void)state;
	return begin_with((struct tsdb_options){.max_series = 100000});
}

static int end(void **state)
{
	char command[128];

	(void)state;
	ticker_free(ticker);
	registry_free(live);
	tsdb_close(store);
	snprintf(command, sizeof command, "rm -r '%s'", dir);
	return system(command);
}

static int64_t at(int64_t second)
{
	return START + second * NS_PER_S;
}

static struct metric *define(const char *name, enum metric_type type, const char *label, int64_t idle_s)
{
	static const double buckets[] = {1, 10};
	static const double quantiles[] = {0.5};
	struct slice labels[] = {slice_cstr(label != NULL ? label : "")};
	struct metric_def def = {
	    .type = type,
	    .name = slice_cstr(name),
	    .labels = labels,
	    .label_count = label != NULL,
	    .buckets = buckets,
	    .bucket_count = 2,
	    .quantiles = quantiles,
	    .quantile_count = 1,
	    .window_ns = 60 * NS_PER_S,
	    .period = CALENDAR_DAY,
	    .k = 3,
	    .max_series = 100000,
	    .idle_ns = idle_s * NS_PER_S,
	    .where = SLICE("metrics/test.lua:1"),
	};
	struct metric *m = NULL;
	struct error err = {0};

	if (registry_define(live, &def, &m, NULL, &err) != 0)
		fail_msg("%s", err.text);
	return m;
}

static struct series_ref series(struct metric *m, const char *value)
{
	struct slice values[] = {slice_cstr(value != NULL ? value : "")};
	struct series_ref s;

	assert_int_equal(metric_series(m, values, &s), 0);
	return s;
}

static void add(struct metric *m, const char *value, double v)
{
	assert_int_equal(metric_add(m, series(m, value), v), 0);
}

/* The clock goes to this second, as a frame moves it: a tick that is due is taken before anything else happens. */
static void begin_tick(int64_t second)
{
	int64_t tick_ns;

	registry_set_now(live, at(second));
	if (!ticker_due(ticker, at(second), &tick_ns))
		return;
	struct metrics_snapshot *s = registry_snapshot(live);
	assert_non_null(s);
	ticker_begin(ticker, s, tick_ns);
}

static void go(int64_t second)
{
	begin_tick(second);
	assert_int_equal(ticker_run(ticker, ALL), 0);
	assert_false(ticker_pending(ticker));
}

static struct ticker_stats stats(void)
{
	struct ticker_stats out;

	ticker_stats(ticker, &out);
	return out;
}

/* ---- what the store has ---- */

static void put_samples(struct buf *out, const struct series_samples *samples)
{
	for (uint32_t i = 0; i < samples->count; i++) {
		buf_printf(out, " %g=", (double)(samples->times_ms[i] - start_ms) / 1000);
		double v;
		memcpy(&v, &samples->values[i], sizeof v);
		if (samples->values[i] == SAMPLE_STALE_BITS)
			buf_str(out, "end");
		else
			buf_number(out, v);
	}
	buf_byte(out, '\n');
}

/* All series with their samples, a line each; NUL-terminated, freed by the caller. */
static struct buf text_of(struct tsdb *t)
{
	int code = 0;
	struct error err = {0};
	struct tsdb_view *v = tsdb_view_open(t, &code);
	struct series_samples samples;
	struct slice labels;
	struct buf out = {0};

	assert_non_null(v);
	struct series_set *s = tsdb_select(v, NULL, 0, INT64_MIN, INT64_MAX, &err);
	assert_non_null(s);
	while ((code = series_set_next(s, &labels, &err)) == 1) {
		assert_int_equal(series_set_samples(s, &samples, &err), 0);
		if (samples.count == 0)
			continue;
		labels_text(labels, &out);
		put_samples(&out, &samples);
	}
	assert_int_equal(code, 0);
	series_set_free(s);
	tsdb_view_close(v);
	buf_byte(&out, '\0');
	assert_false(buf_failed(&out));
	return out;
}

static void expect(const char *wanted)
{
	struct buf text = text_of(store);

	assert_string_equal(text.ptr, wanted);
	buf_free(&text);
}

/* ---- tests ---- */

static void a_tick_is_due_once(void **state)
{
	int64_t tick_ns;

	(void)state;
	assert_true(ticker_due(ticker, at(3), &tick_ns));
	assert_int_equal(tick_ns, at(0));
	go(3);
	assert_false(ticker_due(ticker, at(4), &tick_ns));
	assert_true(ticker_due(ticker, at(5), &tick_ns));
	assert_int_equal(tick_ns, at(5));
	go(21); /* the clock jumped */
	assert_false(ticker_due(ticker, at(24), &tick_ns));
	assert_int_equal(ticker_resume(ticker, at(32), NULL), 0);
	assert_false(ticker_due(ticker, at(34), &tick_ns));
	assert_true(ticker_due(ticker, at(35), &tick_ns));
	assert_int_equal(stats().ticks, 2);
	assert_int_equal(ticker_run(ticker, 1), 0); /* none is going on */
}

static void every_series_gets_its_samples(void **state)
{
	(void)state;
	go(0);
	struct metric *c = define("c_total", METRIC_COUNTER, "a", 0);
	struct metric *g = define("g", METRIC_GAUGE, NULL, 0);
	add(c, "x", 2);
	add(g, NULL, -1);
	go(5);
	add(c, "x", 1);
	add(c, "y", 7);
	go(10);
	go(15);
	expect("c_total{a=\"x\"} 0=0 5=2 10=3 15=3\n"
	       "c_total{a=\"y\"} 5=0 10=7 15=7\n"
	       "g 5=-1 10=-1 15=-1\n");
	struct ticker_stats s = stats();
	assert_int_equal(s.samples, 4 + 3 + 3);
	assert_int_equal(s.zeros, 2);
	assert_int_equal(s.series, 3);
	assert_int_equal(s.known + s.conflicts + s.refused + s.no_room + s.cut + s.stales, 0);
}

/* What is cumulative begins with zero; a quantile, a mean, a count of distinct values does not. */
static void types_begin_as_they_are(void **state)
{
	(void)state;
	go(0);
	struct metric *h = define("h", METRIC_HISTOGRAM, NULL, 0);
	struct metric *s = define("s", METRIC_SUMMARY, NULL, 0);
	struct metric *m = define("m", METRIC_MEAN, NULL, 0);
	struct metric *r = define("r", METRIC_RATIO, NULL, 0);
	struct metric *d = define("d", METRIC_DISTINCT, NULL, 0);
	struct metric *k = define("k", METRIC_TOPK, "who", 0);
	struct slice who[] = {SLICE("x")};
	assert_int_equal(metric_observe(h, series(h, NULL), 4, at(0)), 0);
	assert_int_equal(metric_observe(s, series(s, NULL), 0, at(0)), 0);
	assert_int_equal(metric_observe(m, series(m, NULL), 6, at(0)), 0);
	assert_int_equal(metric_hit(r, series(r, NULL), true, at(0)), 0);
	assert_int_equal(metric_see(d, series(d, NULL), SLICE("one"), at(0)), 0);
	assert_int_equal(metric_topk_add(k, who, 9), 0);
	go(5);
	go(3605); /* windows are empty */
	expect("d 5=1 3605=1\n"
	       "h_bucket{le=\"+Inf\"} 0=0 5=1 3605=1\n"
	       "h_bucket{le=\"1.0\"} 0=0 5=0 3605=0\n"
	       "h_bucket{le=\"10.0\"} 0=0 5=1 3605=1\n"
	       "h_count 0=0 5=1 3605=1\n"
	       "h_sum 0=0 5=4 3605=4\n"
	       "k{who=\"x\"} 5=9 3605=9\n"
	       "m 5=6 3605=NaN\n"
	       "r 5=1 3605=NaN\n"
	       "s{quantile=\"0.5\"} 5=0 3605=NaN\n"
	       "s_count 0=0 5=1 3605=1\n"
	       "s_sum 0=0 5=0 3605=0\n");
}

/* A tick that the clock jumped over is none; what was made since the last one is new all the same. */
static void a_jump_of_the_clock(void **state)
{
	(void)state;
	struct metric *c = define("c", METRIC_COUNTER, "a", 0);
	go(0);
	add(c, "x", 1);
	registry_set_now(live, at(4));
	go(62);
	expect("c{a=\"x\"} 55=0 60=1\n");
}

/* What was made before the ticker knew of ticks is old, unless it was just now. */
static void a_start_among_old_series(void **state)
{
	(void)state;
	struct metric *c = define("c", METRIC_COUNTER, "a", 0);
	struct metric *idle = define("i", METRIC_COUNTER, "a", 15);
	add(c, "old", 1000);
	registry_set_now(live, at(7));
	add(idle, "y", 5);
	registry_set_now(live, at(13));
	add(c, "new", 1);
	go(17);
	ticker_free(ticker); /* another process, whose checkpoint was cut at 23 s */
	ticker = ticker_new(store, STEP * NS_PER_S);
	registry_set_now(live, at(22));
	add(c, "later", 2);
	add(idle, "x", 1);
	assert_int_equal(ticker_resume(ticker, at(23), registry_snapshot_at(live, ticker_last(ticker, at(23)))), 0);
	go(26);
	expect("c{a=\"later\"} 20=0 25=2\n"
	       "c{a=\"new\"} 10=0 15=1 25=1\n"
	       "c{a=\"old\"} 15=1000 25=1000\n"
	       "i{a=\"x\"} 20=0 25=1\n"
	       "i{a=\"y\"} 15=5 25=end\n"); /* after 22 s, and so after the last tick before the checkpoint */
}

static void an_idle_series_ends(void **state)
{
	(void)state;
	struct metric *c = define("c", METRIC_COUNTER, "a", 12);
	struct metric *h = define("h", METRIC_HISTOGRAM, "a", 12);
	go(0);
	add(c, "x", 1);
	add(c, "y", 1);
	assert_int_equal(metric_observe(h, series(h, "x"), 4, at(0)), 0);
	go(5);
	add(c, "y", 1);
	go(10);
	add(c, "y", 1);
	go(15);
	go(20);
	registry_expire(live);
	expect("c{a=\"x\"} 0=0 5=1 10=1 15=end\n"
	       "c{a=\"y\"} 0=0 5=1 10=2 15=3 20=3\n"
	       "h_bucket{a=\"x\", le=\"+Inf\"} 0=0 5=1 10=1 15=end\n"
	       "h_bucket{a=\"x\", le=\"1.0\"} 0=0 5=0 10=0 15=end\n"
	       "h_bucket{a=\"x\", le=\"10.0\"} 0=0 5=1 10=1 15=end\n"
	       "h_count{a=\"x\"} 0=0 5=1 10=1 15=end\n"
	       "h_sum{a=\"x\"} 0=0 5=4 10=4 15=end\n");
	assert_int_equal(stats().stales, 6);
	assert_int_equal(stats().series, 1);

	/* It comes again, under another's number or its own, and begins anew. */
	add(c, "z", 5);
	add(c, "x", 3);
	go(25);
	go(30);
	struct buf text = text_of(store);
	assert_non_null(strstr(text.ptr, "c{a=\"x\"} 0=0 5=1 10=1 15=end 20=0 25=3 30=3\n"));
	assert_non_null(strstr(text.ptr, "c{a=\"y\"} 0=0 5=1 10=2 15=3 20=3 25=end\n"));
	assert_non_null(strstr(text.ptr, "c{a=\"z\"} 20=0 25=5 30=5\n"));
	buf_free(&text);
	assert_int_equal(stats().conflicts, 0);
}

/* It ends and comes again between two ticks: for the store it goes on. */
static void an_end_that_no_tick_sees(void **state)
{
	(void)state;
	struct metric *c = define("c", METRIC_COUNTER, "a", 2);
	go(0);
	add(c, "x", 8);
	registry_set_now(live, at(3));
	add(c, "y", 1); /* takes no number of x, which has not been removed */
	go(4);
	registry_expire(live);
	add(c, "y", 1);
	add(c, "x", 5);
	go(5);
	registry_set_now(live, at(7));
	registry_expire(live); /* both are gone */
	registry_set_now(live, at(9));
	add(c, "x", 6); /* in the other's place */
	go(10);
	expect("c{a=\"x\"} 0=0 5=5 10=6\n"
	       "c{a=\"y\"} 0=0 5=2 10=end\n");
	assert_int_equal(stats().conflicts, 0);
}

static void a_metric_ends(void **state)
{
	(void)state;
	go(0);
	add(define("gone", METRIC_COUNTER, NULL, 0), NULL, 1);
	add(define("kept", METRIC_COUNTER, "a", 0), "x", 2);
	add(define("anew", METRIC_COUNTER, "a", 0), "x", 3);
	go(5);
	registry_reload_begin(live);
	define("kept", METRIC_COUNTER, "a", 0);
	add(define("anew", METRIC_COUNTER, "b", 0), "x", 4);
	registry_reload_end(live);
	go(10);
	registry_reload_begin(live);
	define("kept", METRIC_COUNTER, "a", 0);
	/* The first form again: its series has the labels of one that has ended. */
	add(define("anew", METRIC_COUNTER, "a", 0), "x", 9);
	registry_reload_end(live);
	go(15);
	go(20);
	expect("anew{a=\"x\"} 0=0 5=3 10=end 15=9 20=9\n"
	       "anew{b=\"x\"} 5=0 10=4 15=end\n"
	       "gone 0=0 5=1 10=end\n"
	       "kept{a=\"x\"} 0=0 5=2 10=2 15=2 20=2\n");
	assert_int_equal(stats().series, 2);
}

/* A family that was made anew without labels that tell it from the old one goes on. */
static void a_metric_begins_anew_with_the_same_labels(void **state)
{
	(void)state;
	go(0);
	add(define("c", METRIC_COUNTER, "a", 0), NULL, 3); /* an empty label is none */
	go(5);
	registry_reload_begin(live);
	add(define("c", METRIC_COUNTER, "b", 0), NULL, 1);
	registry_reload_end(live);
	go(10);
	go(15);
	expect("c 0=0 5=3 10=1 15=1\n");
	assert_int_equal(stats().conflicts + stats().stales, 0);
}

/* Somebody else writes the same series: what was there first stays, and is counted. */
static void a_conflict_is_counted(void **state)
{
	uint32_t number;
	struct buf labels = {0};
	struct error err = {0};
	struct label name[] = {{LABEL_METRIC_NAME, SLICE("c")}};

	(void)state;
	go(0);
	add(define("c", METRIC_COUNTER, NULL, 0), NULL, 3);
	assert_int_equal(labels_canonical(name, 1, &labels, &err), 0);
	assert_int_equal(tsdb_series(store, buf_slice(&labels), labels_hash(buf_slice(&labels)), &number), 0);
	tsdb_batch_begin(store);
	assert_int_equal(tsdb_append(store, number, at(5) / NS_PER_MS, 77), APPEND_STORED);
	tsdb_batch_end(store);
	go(5);
	go(10);
	expect("c 5=77 10=3\n");
	assert_int_equal(stats().conflicts, 1);
	assert_int_equal(stats().samples, 1);
	buf_free(&labels);
}

static void a_full_store(void **state)
{
	(void)state;
	end(NULL);
	begin_with((struct tsdb_options){.max_series = 3});
	struct metric *c = define("c", METRIC_COUNTER, "a", 0);
	go(0);
	for (char name[2] = "a"; name[0] <= 'e'; name[0]++)
		add(c, name, 1);
	go(5);
	go(10);
	expect("c{a=\"a\"} 0=0 5=1 10=1\n"
	       "c{a=\"b\"} 0=0 5=1 10=1\n"
	       "c{a=\"c\"} 0=0 5=1 10=1\n");
	assert_int_equal(stats().no_room, 4);
	registry_reload_begin(live); /* those that had no room need no end */
	registry_reload_end(live);
	go(15);
	assert_int_equal(stats().stales, 3);
	assert_int_equal(stats().series, 0);
}

/* ---- slices ---- */

static uint32_t count_of(const char *text, const char *what)
{
	uint32_t count = 0;

	for (const char *p = text; (p = strstr(p, what)) != NULL; p++)
		count++;
	return count;
}

/* A family below the bound is in one batch, a large one in many; the values of a series are together. */
static void slices(void **state)
{
	char name[16];

	(void)state;
	go(0);
	struct metric *small = define("a_small", METRIC_COUNTER, "n", 0);
	struct metric *large = define("b_large", METRIC_HISTOGRAM, "n", 0);
	struct metric *last = define("c_last", METRIC_COUNTER, "n", 0);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof name, "%d", i);
		add(small, name, 1);
		assert_int_equal(metric_observe(large, series(large, name), 2, at(0)), 0);
	}
	add(last, "x", 1);
	begin_tick(5);
	uint32_t calls = 0;
	for (int more = 1; more == 1; calls++) {
		assert_true(ticker_pending(ticker));
		more = ticker_run(ticker, 7);
		struct buf text = text_of(store);
		assert_int_equal(count_of(text.ptr, "a_small{"), 1000);
		uint32_t buckets = count_of(text.ptr, "b_large_bucket{");
		assert_int_equal(buckets, 3 * count_of(text.ptr, "b_large_sum{"));
		assert_int_equal(buckets, 3 * count_of(text.ptr, "b_large_count{"));
		assert_int_equal(count_of(text.ptr, "5="), 1000 + 5 * (buckets / 3) + count_of(text.ptr, "c_last"));
		assert_true(buckets <= 3 * 2 * (calls + 1));
		buf_free(&text);
		if (calls == 5) /* of the rest it is enough to know the end */
			break;
	}
	while (ticker_run(ticker, 999) == 1)
		calls++;
	assert_true(calls > 8);
	assert_int_equal(stats().samples, 2 * (1000 + 5000 + 1));

	/* What a tick leaves out is left out and counted, and nothing of it has ended. */
	begin_tick(10);
	assert_int_equal(ticker_run(ticker, 7), 1);
	begin_tick(15);
	assert_int_equal(stats().cut, 1);
	while (ticker_run(ticker, 999) == 1)
		;
	assert_int_equal(stats().stales, 0);
	assert_int_equal(stats().samples, 2 * (1000 + 5000 + 1) + 1000 + (1000 + 5000 + 1));

	/* Ends come in slices, too. */
	registry_reload_begin(live);
	registry_reload_end(live);
	begin_tick(20);
	for (calls = 0; ticker_run(ticker, 500) == 1; calls++)
		;
	assert_true(calls >= 11);
	assert_int_equal(stats().stales, 6001);
	assert_int_equal(stats().series, 0);
	assert_true(stats().bytes < 100000);
}

/* ---- a busy life, and the same again ---- */

enum { BUSY_TICKS = 60 };

/* Changes without pattern, the same for the same number. */
static void change(struct metric *const metrics[3], uint64_t n)
{
	char name[16];

	for (uint64_t i = 0; i < 25; i++) {
		uint64_t r = hash_mix(n * 100 + i, 0x5eed);
		snprintf(name, sizeof name, "%u", (unsigned)(r >> 8) % 40);
		struct metric *m = metrics[r % 3];
		struct series_ref s = series(m, name);
		if (metric_type(m) == METRIC_HISTOGRAM)
			assert_int_equal(metric_observe(m, s, (double)(r >> 16 & 15), at(0)), 0);
		else if (metric_type(m) == METRIC_GAUGE)
			assert_int_equal(metric_set(m, s, (double)(r >> 16 & 255)), 0);
		else
			assert_int_equal(metric_add(m, s, (double)(r >> 16 & 255)), 0);
	}
}

/* The newest sample of each series of the store that the registry shows is what it shows. */
static void check_newest(const struct metrics_snapshot *s, int64_t tick_ns)
{
	struct metrics_cursor *c = metrics_cursor_new(s);
	struct metrics_family family;
	struct metrics_sampled sampled;
	struct buf labels = {0};
	uint32_t number;

	while (metrics_cursor_family(c, &family)) {
		while (metrics_cursor_next(c, &sampled)) {
			for (uint32_t i = 0; i < family.value_count; i++) {
				struct sample newest;
				buf_reset(&labels);
				assert_int_equal(metrics_cursor_labels(c, i, &labels), 0);
				struct slice set = buf_slice(&labels);
				assert_int_equal(tsdb_series(store, set, labels_hash(set), &number), 0);
				assert_true(tsdb_newest(store, number, &newest));
				assert_true(newest.time_ms >= tick_ns / NS_PER_MS);
				if (newest.time_ms > tick_ns / NS_PER_MS) { /* it came before this replay */
					assert_int_equal(stats().samples, 0);
					continue;
				}
				assert_memory_equal(&newest.value, &sampled.values[i], sizeof newest.value);
			}
		}
	}
	buf_free(&labels);
	metrics_cursor_free(c);
}

/* `slice` values a call; memory fails every `fail`th time (0: never) and is there again at the next call. */
static struct buf busy(uint32_t slice, uint64_t fail)
{
	struct metric *metrics[] = {define("c", METRIC_COUNTER, "n", 11), define("g", METRIC_GAUGE, "n", 7),
	                            define("h", METRIC_HISTOGRAM, "n", 23)};

	for (uint64_t n = 1; n < BUSY_TICKS * 3; n++) {
		begin_tick((int64_t)n * 2);
		uint64_t calls = 0;
		for (int rc = 1; rc != 0; calls++) {
			if (fail != 0)
				fault_set(FAULT_MALLOC, 1 + hash_mix(n << 20 | calls, fail) % fail, false, ENOMEM);
			rc = ticker_run(ticker, slice);
			fault_clear();
			assert_true(rc == 0 || rc == 1 || (rc == -ENOMEM && fail != 0));
		}
		if (n % 17 == 0) {
			struct metrics_snapshot *s = registry_snapshot(live);
			int64_t tick_ns;
			assert_false(ticker_due(ticker, at((int64_t)n * 2), &tick_ns));
			if (at((int64_t)n * 2) == tick_ns)
				check_newest(s, tick_ns);
			metrics_snapshot_unref(s);
		}
		change(metrics, n);
		if (n % 5 == 0)
			registry_expire(live);
	}
	return text_of(store);
}

static void the_same_whatever_the_slices(void **state)
{
	struct buf whole, again;

	(void)state;
	whole = busy(ALL, 0);
	struct ticker_stats s = stats();
	assert_true(s.stales > 50 && s.zeros > 50);
	assert_int_equal(s.conflicts + s.known + s.refused, 0);
	end(NULL);
	begin(NULL);
	again = busy(1, 0);
	assert_string_equal(whole.ptr, again.ptr);
	assert_int_equal(stats().samples, s.samples);
	buf_free(&again);
	end(NULL);
	begin(NULL);
	again = busy(50, 60); /* memory fails now and then */
	assert_string_equal(whole.ptr, again.ptr);
	assert_int_equal(stats().samples, s.samples);
	buf_free(&again);
	buf_free(&whole);
}

/* A replay brings the same ticks again: all of it is there. */
static void a_replay(void **state)
{
	(void)state;
	struct buf first = busy(ALL, 0);
	ticker_free(ticker);
	registry_free(live);
	live = registry_new(NULL);
	registry_set_now(live, START);
	ticker = ticker_new(store, STEP * NS_PER_S);
	struct buf second = busy(ALL, 0);
	assert_string_equal(first.ptr, second.ptr);
	assert_int_equal(stats().samples, 0);
	assert_true(stats().known > 1000);
	assert_int_equal(stats().conflicts + stats().refused, 0);
	buf_free(&first);
	buf_free(&second);
}

/* A series that has left the head, since nothing came for long, is found anew. */
static void a_series_that_left_the_store(void **state)
{
	struct error err = {0};
	struct sample newest;
	uint32_t number;
	struct buf labels = {0};
	struct label name[] = {{LABEL_METRIC_NAME, SLICE("clock")}};

	(void)state;
	go(0);
	struct metric *c = define("c", METRIC_COUNTER, NULL, 0);
	add(c, NULL, 1);
	go(5);
	assert_int_equal(labels_canonical(name, 1, &labels, &err), 0);
	for (int64_t hour = 1; hour < 12; hour++) {
		assert_int_equal(tsdb_series(store, buf_slice(&labels), labels_hash(buf_slice(&labels)), &number), 0);
		tsdb_batch_begin(store);
		assert_int_equal(tsdb_append(store, number, at(hour * 3600) / NS_PER_MS, 1), APPEND_STORED);
		tsdb_batch_end(store);
		for (int i = 0; i < 8; i++) {
			tsdb_tick(store);
			assert_true(tsdb_maintain(store, &err) >= 0);
		}
	}
	struct tsdb_stats s;
	tsdb_stats(store, &s);
	assert_true(s.expired > 0);
	add(c, NULL, 1);
	go(12 * 3600);
	expect("c 0=0 5=1 43200=2\n"
	       "clock 3600=1 7200=1 10800=1 14400=1 18000=1 21600=1 25200=1 28800=1 32400=1 36000=1 39600=1\n");
	assert_int_equal(stats().zeros, 1);
	assert_true(tsdb_newest(store, number, &newest));
	buf_free(&labels);
}

static bool is_counter(void *ctx, const struct sample_metadata *m)
{
	*(bool *)ctx = m->type == METADATA_COUNTER;
	return true;
}

/* How many exemplars the store has, each as trace and value in `text`. */
static uint32_t exemplars(char text[256])
{
	struct arena arena = {0};
	struct error err = {0};
	const struct exemplar_series *found;
	uint32_t count, all = 0;
	size_t len = 0;

	assert_int_equal(tsdb_exemplars_select(store, NULL, 0, INT64_MIN, INT64_MAX, &arena, &found, &count, &err), 0);
	for (uint32_t i = 0; i < count; i++) {
		all += found[i].count;
		for (uint32_t k = 0; k < found[i].count; k++) {
			struct slice trace = labels_get(found[i].exemplars[k].labels, SLICE("trace_id"));
			struct slice name = labels_get(found[i].labels, LABEL_METRIC_NAME);
			len += (size_t)snprintf(text + len, 256 - len, "%.*s:%.*s=%g ", (int)name.len, name.ptr,
			                        (int)trace.len, trace.ptr, found[i].exemplars[k].value);
		}
	}
	arena_deinit(&arena);
	return all;
}

static void exemplars_and_metadata_come_along(void **state)
{
	struct metric *spent = define("spent_total", METRIC_COUNTER, "who", 0);
	struct metric *took = define("took", METRIC_HISTOGRAM, NULL, 0);
	struct error err = {0};
	char text[256] = "";
	bool counter = false;

	(void)state;
	begin_tick(0);
	registry_set_exemplar(live, SLICE("aa"), SLICE("01"), at(1));
	add(spent, "ann", 2);
	assert_int_equal(metric_observe(took, series(took, NULL), 3, at(1)), 0);
	registry_set_exemplar(live, SLICE(""), SLICE(""), 0);
	go(5);
	assert_int_equal(exemplars(text), 2);
	assert_string_equal(text, "spent_total:aa=2 took_bucket:aa=3 ");
	go(10); /* the same ones again */
	assert_int_equal(exemplars(text), 2);
	registry_set_exemplar(live, SLICE("bb"), SLICE(""), at(11));
	add(spent, "ann", 4);
	registry_set_exemplar(live, SLICE(""), SLICE(""), 0);
	go(15);
	assert_int_equal(exemplars(text), 3);
	assert_int_equal(tsdb_metadata_each(store, SLICE("spent_total"), is_counter, &counter, &err), 0);
	assert_true(counter);
}

static void memory_for_a_ticker(void **state)
{
	(void)state;
	fault_set(FAULT_MALLOC, 1, false, ENOMEM);
	assert_null(ticker_new(store, NS_PER_S));
	fault_clear();
	ticker_free(NULL);
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_tick_is_due_once),
	    TEST(every_series_gets_its_samples),
	    TEST(types_begin_as_they_are),
	    TEST(a_jump_of_the_clock),
	    TEST(a_start_among_old_series),
	    TEST(an_idle_series_ends),
	    TEST(an_end_that_no_tick_sees),
	    TEST(a_metric_ends),
	    TEST(a_metric_begins_anew_with_the_same_labels),
	    TEST(a_conflict_is_counted),
	    TEST(a_full_store),
	    TEST(slices),
	    TEST(the_same_whatever_the_slices),
	    TEST(a_replay),
	    TEST(exemplars_and_metadata_come_along),
	    TEST(a_series_that_left_the_store),
	    TEST(memory_for_a_ticker),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
