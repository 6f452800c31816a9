/* What a tick of the live metrics costs: a snapshot of counters, and their samples into the store's head.
 *
 *   bench_tick [SERIES]       a million by default; the first tick makes the series of the store
 *
 * Times are CPU time of this thread; the store is in /tmp, and removed. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "engine/tick.h"

enum { TICKS = 6, SLICE_SERIES = 4000 };

static double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static struct metric *define(struct registry *r)
{
	static const struct slice labels[] = {{"user_id", 7}, {"model", 5}};
	struct metric_def def = {
	    .type = METRIC_COUNTER,
	    .name = SLICE("agent_cost_usd_total"),
	    .labels = labels,
	    .label_count = 2,
	    .max_series = 4000000,
	};
	struct metric *m = NULL;
	struct error err = {0};

	CHECK(registry_define(r, &def, &m, NULL, &err) == 0);
	return m;
}

/* Every fourth series rises. */
static void change(struct metric *m, uint32_t series, uint32_t tick)
{
	for (uint32_t i = tick % 4; i < series; i += tick == 0 ? 1 : 4) {
		char user[16];
		int len = snprintf(user, sizeof user, "u%07u", i);
		struct slice values[] = {slice_new(user, (size_t)len), SLICE("gpt-4o-mini")};
		struct series_ref s;
		CHECK(metric_series(m, values, &s) == 0 && metric_add(m, s, 0.00123 * (i & 1023)) == 0);
	}
}

static void tick(struct registry *r, struct ticker *tk, int64_t now_ns, uint32_t series)
{
	double start = cpu_ms(), slowest = 0;
	struct metrics_snapshot *snap = registry_snapshot(r);

	CHECK(snap != NULL);
	ticker_begin(tk, snap, now_ns);
	for (int more = 1; more == 1;) {
		double before = cpu_ms();
		more = ticker_run(tk, SLICE_SERIES);
		CHECK(more >= 0);
		double took = cpu_ms() - before;
		slowest = took > slowest ? took : slowest;
	}
	printf("%8u series: %6.0f ns a series, slowest slice of %d: %.2f ms\n", series,
	       (cpu_ms() - start) * 1e6 / series, SLICE_SERIES, slowest);
}

int main(int argc, char **argv)
{
	uint32_t series = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000;
	char dir[] = "/tmp/moongate-bench-XXXXXX", command[64];
	int64_t now_ns = INT64_C(1767225600) * NS_PER_S;
	struct error err = {0};

	CHECK(mkdtemp(dir) != NULL);
	struct tsdb *t = tsdb_open(&(struct tsdb_options){.dir = dir, .max_series = 4000000}, NULL, NULL, &err);
	struct registry *r = registry_new(&(struct registry_options){.max_series = 4000000});
	struct ticker *tk = ticker_new(t, 5 * NS_PER_S);
	CHECK(t != NULL && r != NULL && tk != NULL);
	registry_set_now(r, now_ns);
	struct metric *m = define(r);
	for (uint32_t i = 0; i < TICKS; i++, now_ns += 5 * NS_PER_S) {
		registry_set_now(r, now_ns);
		change(m, series, i);
		tick(r, tk, now_ns, series);
	}
	struct ticker_stats s;
	ticker_stats(tk, &s);
	printf("%8u series: %.1f B of the ticker's memory a series\n", series, (double)s.bytes / series);
	ticker_free(tk);
	registry_free(r);
	tsdb_close(t);
	snprintf(command, sizeof command, "rm -r '%s'", dir);
	return system(command) == 0 ? 0 : 1;
}
