/* What the registry costs: a change by label values, a snapshot, an exposition, a checkpoint.
 *
 *   bench_registry            counters, all sizes up to a million series; then each type with a thousand
 *   bench_registry 100000     counters up to that many
 *
 * Times are CPU time of this thread (CLOCK_THREAD_CPUTIME_ID), so that they hold on a busy machine. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "base/hash.h"
#include "metrics/metrics.h"

enum { CALLS = 2000000, USER_LEN = 12 };

static const struct slice models[] = {{"gpt-4o", 6}, {"gpt-4o-mini", 11}, {"claude-sonnet-4-5", 17}, {"gpt-4.1", 7}};

static double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* The label values of series `i`: user_id and one of the models. */
static void values_of(uint32_t i, char user[USER_LEN], struct slice values[2])
{
	int len = snprintf(user, USER_LEN, "u%07u", i);

	values[0] = slice_new(user, (size_t)len);
	values[1] = models[i % 4];
}

static struct metric *define(struct registry *r, const char *name, enum metric_type type)
{
	static const struct slice labels[] = {{"user_id", 7}, {"model", 5}};
	static const double quantiles[] = {0.5, 0.9, 0.95, 0.99};
	static const double buckets[] = {0.1, 0.5, 1, 2, 5, 10, 30};
	struct metric_def def = {
	    .type = type,
	    .name = slice_cstr(name),
	    .help = SLICE("Money spent on model calls"),
	    .labels = labels,
	    .label_count = 2,
	    .buckets = buckets,
	    .bucket_count = 7,
	    .max_series = 2000000,
	    .idle_ns = METRIC_IDLE_DEFAULT,
	    .quantiles = quantiles,
	    .quantile_count = 4,
	    .window_ns = 600 * NS_PER_S,
	    .k = 100,
	};
	struct metric *m = NULL;
	struct error err = {0};

	CHECK(registry_define(r, &def, &m, NULL, &err) == 0);
	return m;
}

/* The label values of one call, as an event brings them: near at hand. */
struct call {
	struct slice values[2];
	char user[USER_LEN];
};

/* Calls for all series in turn, and for series at random. */
struct calls {
	struct call *all;
	struct call *random;
};

static void make_calls(struct calls *c, uint32_t series)
{
	c->all = malloc(series * sizeof *c->all);
	c->random = malloc(CALLS * sizeof *c->random);
	CHECK(c->all != NULL && c->random != NULL);
	for (uint32_t i = 0; i < series; i++)
		values_of(i, c->all[i].user, c->all[i].values);
	for (uint32_t i = 0; i < CALLS; i++)
		values_of((uint32_t)(hash_mix(i, 7) % series), c->random[i].user, c->random[i].values);
}

static void free_calls(struct calls *c)
{
	free(c->all);
	free(c->random);
}

static double bench_changes(struct metric *m, const struct calls *c)
{
	double start = cpu_ms();

	for (uint32_t i = 0; i < CALLS; i++) {
		struct series_ref s;
		CHECK(metric_series(m, c->random[i].values, &s) == 0);
		CHECK(metric_add(m, s, 0.00123 * (i & 1023)) == 0);
	}
	return (cpu_ms() - start) * 1e6 / CALLS;
}

/* A walk over all values, of which a sum is made. Milliseconds. */
static double bench_walk(const struct metrics_snapshot *snap)
{
	double start = cpu_ms(), sum = 0;
	struct metrics_cursor *c = metrics_cursor_new(snap);
	struct metrics_family family;
	struct metrics_sampled series;

	CHECK(c != NULL);
	while (metrics_cursor_family(c, &family)) {
		while (metrics_cursor_next(c, &series))
			sum += series.values[0] + (double)series.birth;
	}
	metrics_cursor_free(c);
	CHECK(sum > 0);
	return cpu_ms() - start;
}

static void bench_size(uint32_t series)
{
	struct registry *r = registry_new(&(struct registry_options){.max_series = 4000000});
	struct calls c;
	struct registry_stats stats;
	struct series_ref s;
	struct buf text = {0};
	double slowest = 0;

	CHECK(r != NULL);
	make_calls(&c, series);
	registry_set_now(r, INT64_C(1767225600) * NS_PER_S);
	struct metric *m = define(r, "agent_cost_usd_total", METRIC_COUNTER);
	double start = cpu_ms();
	for (uint32_t i = 0; i < series; i++) {
		double before = cpu_ms();
		CHECK(metric_series(m, c.all[i].values, &s) == 0);
		double took = cpu_ms() - before;
		slowest = took > slowest ? took : slowest;
	}
	double create = (cpu_ms() - start) * 1e6 / series;
	double first = bench_changes(m, &c);
	double change = bench_changes(m, &c);
	start = cpu_ms();
	struct metrics_snapshot *snap = registry_snapshot(r);
	double first_snapshot = cpu_ms() - start;
	CHECK(snap != NULL);
	for (int i = 0; i < 3; i++) {
		metrics_snapshot_unref(snap);
		bench_changes(m, &c);
		start = cpu_ms();
		snap = registry_snapshot(r);
		CHECK(snap != NULL);
	}
	double snapshot = cpu_ms() - start;
	double walk = bench_walk(snap);
	start = cpu_ms();
	CHECK(exposition_render(snap, EXPOSITION_TEXT, 0, &text) == 0);
	double render = cpu_ms() - start;
	size_t text_len = text.len;
	buf_reset(&text);
	start = cpu_ms();
	CHECK(metrics_snapshot_save(snap, &text) == 0);
	double save = cpu_ms() - start;
	registry_stats(r, &stats);
	metrics_snapshot_unref(snap);
	registry_free(r);
	r = registry_new(NULL);
	CHECK(r != NULL);
	start = cpu_ms();
	CHECK(registry_load(r, buf_slice(&text), NULL) == 0);
	double load = cpu_ms() - start;
	registry_free(r);
	printf("%8u series: create %4.0f ns (slowest %5.2f ms), change %5.1f ns (first %5.1f), snapshot %6.2f ms "
	       "(first %6.2f), walk %5.1f ns, text %7.2f ms "
	       "(%.1f MB), save %6.2f ms (%.1f MB), load %7.2f ms, %.0f B a series\n",
	       series, create, slowest, change, first, snapshot, first_snapshot, walk * 1e6 / series, render,
	       (double)text_len / 1e6, save, (double)text.len / 1e6, load, (double)stats.bytes / series);
	buf_free(&text);
	free_calls(&c);
}

/* ---- the other types, a thousand series each ---- */

static int change(struct metric *m, struct series_ref s, const struct call *c, uint32_t i, int64_t now)
{
	double v = 0.001 * (double)(hash_mix(i, 3) % 30000);

	switch (metric_type(m)) {
	case METRIC_DISTINCT:
		return metric_see(m, s, c->values[0], now);
	case METRIC_RATIO:
		return metric_hit(m, s, v < 29, now);
	case METRIC_COUNTER:
	case METRIC_GAUGE:
		return metric_add(m, s, v);
	default:
		return metric_observe(m, s, v, now);
	}
}

/* A million changes, a snapshot held beside every 100,000 of them if asked. Nanoseconds each. */
static double bench_type_changes(struct registry *r, struct metric *m, const struct calls *c, bool snapshots)
{
	int64_t now = INT64_C(1767225600) * NS_PER_S;
	struct metrics_snapshot *snap = NULL;
	double start = cpu_ms();

	for (uint32_t i = 0; i < 1000000; i++) {
		struct series_ref s;
		if (i % 100000 == 0) {
			registry_set_now(r, now += 7 * NS_PER_S);
			metrics_snapshot_unref(snap);
			snap = snapshots ? registry_snapshot(r) : NULL;
		}
		if (metric_type(m) == METRIC_TOPK) {
			CHECK(metric_topk_add(m, c->random[i].values, i % 100) == 0);
			continue;
		}
		CHECK(metric_series(m, c->random[i].values, &s) == 0);
		CHECK(change(m, s, &c->random[i ^ 1], i, now) == 0);
	}
	metrics_snapshot_unref(snap);
	return (cpu_ms() - start) * 1e6 / 1000000;
}

static void bench_type(enum metric_type type, const char *name, const struct calls *c)
{
	struct registry *r = registry_new(NULL);
	struct registry_stats stats;
	struct buf text = {0};

	CHECK(r != NULL);
	registry_set_now(r, INT64_C(1767225600) * NS_PER_S);
	struct metric *m = define(r, name, type);
	double alone = bench_type_changes(r, m, c, false);
	double shared = bench_type_changes(r, m, c, true);
	double start = cpu_ms();
	struct metrics_snapshot *snap = registry_snapshot(r);
	double snapshot = cpu_ms() - start;
	CHECK(snap != NULL);
	start = cpu_ms();
	CHECK(exposition_render(snap, EXPOSITION_TEXT, 0, &text) == 0);
	double render = cpu_ms() - start;
	registry_stats(r, &stats);
	printf("%-9s change %6.1f ns, with snapshots %6.1f ns, snapshot %5.2f ms, text %6.2f ms, %6.0f B a series\n",
	       name, alone, shared, snapshot, render, (double)stats.bytes / (double)stats.series);
	metrics_snapshot_unref(snap);
	buf_free(&text);
	registry_free(r);
}

static void bench_types(void)
{
	static const char *const names[] = {"",         "counter", "gauge", "histogram", "summary",
	                                    "distinct", "topk",    "ratio", "mean"};
	struct calls c;

	make_calls(&c, 1000);
	for (int type = METRIC_COUNTER; type <= METRIC_MEAN; type++)
		bench_type((enum metric_type)type, names[type], &c);
	free_calls(&c);
}

int main(int argc, char **argv)
{
	uint32_t most = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000;

	for (uint32_t series = 100; series <= most; series *= 10)
		bench_size(series);
	bench_types();
	return 0;
}
