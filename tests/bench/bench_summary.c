/* What `increase` over the last 24 hours of a counter of many users costs: selecting the series, and their summaries. CPU time of this process, the best of five.
 *
 *   bench_summary [users] [seconds]     50,000 users; 27 hours of a sample each minute, and of one each 5 seconds. They lie in a block of 18 h, one of 6 h, and in the head */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "record/labels.h"
#include "tsdb/tsdb.h"

#define HOUR_MS INT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)

enum { HOURS = 27, RUNS = 5, MAINTAINED_EACH = 120 }; /* so many ticks */

static double cpu_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
	fprintf(stderr, "bench_summary: %s\n", what);
	exit(1);
}

static uint32_t draw(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static uint32_t make_series(struct tsdb *t, uint32_t user)
{
	struct buf b = {0};
	struct error err = {0};
	char id[24];
	uint32_t number = 0;
	/* Not in the order of the labels, as users do not come in it. */
	snprintf(id, sizeof id, "user-%08x", user * 2654435761u);
	struct label labels[] = {{LABEL_METRIC_NAME, SLICE("agent_cost_usd_total")},
	                         {SLICE("model"), user % 3 == 0 ? SLICE("gpt-4o") : SLICE("claude-sonnet-4")},
	                         {SLICE("user_id"), slice_cstr(id)}};
	if (labels_canonical(labels, 3, &b, &err) != 0 ||
	    tsdb_series(t, buf_slice(&b), labels_hash(buf_slice(&b)), &number) != 0)
		die("no series");
	buf_free(&b);
	return number;
}

static void maintain(struct tsdb *t)
{
	struct error err = {0};
	int code;
	do {
		while (tsdb_tick(t))
			;
		code = tsdb_maintain(t, &err);
		if (code < 0)
			die(err.text);
	} while (code == 1);
}

/* One user in ten is active at a tick: money is spent in bursts. */
static void fill(struct tsdb *t, const uint32_t *numbers, uint32_t users, int64_t step_ms)
{
	double *values = calloc(users, sizeof *values);
	uint32_t seed = 1;
	if (values == NULL)
		die("no memory");
	for (int64_t now = 0; now < HOURS * HOUR_MS; now += step_ms) {
		tsdb_batch_begin(t);
		for (uint32_t i = 0; i < users; i++) {
			uint32_t drawn = draw(&seed);
			if (drawn % 10 == 0)
				values[i] += drawn % 1000 * 1e-4;
			if (tsdb_append(t, numbers[i], now, values[i]) != APPEND_STORED)
				die("a sample was not stored");
		}
		tsdb_batch_end(t);
		if (now / step_ms % MAINTAINED_EACH == 0)
			maintain(t);
	}
	maintain(t);
	free(values);
}

struct cost {
	double select, walk, summaries, samples;
};

static void least(double *best, double seconds)
{
	if (*best == 0 || seconds < *best)
		*best = seconds;
}

/* The series alone, then with summaries, or with samples. */
static double walk(struct tsdb_view *v, int64_t from_ms, int64_t to_ms, int what, double *selecting)
{
	struct error err = {0};
	struct matcher *m = matcher_new(MATCH_EQUAL, LABEL_METRIC_NAME, SLICE("agent_cost_usd_total"), &err);
	double began = cpu_seconds(), sum = 0;
	struct series_set *s = tsdb_select(v, &m, 1, from_ms, to_ms, &err);
	struct slice labels;
	int code;
	if (s == NULL)
		die(err.text);
	*selecting = cpu_seconds() - began;
	while ((code = series_set_next(s, &labels, &err)) == 1) {
		struct chunk_summary c;
		struct series_samples all;
		if (what == 1 && series_set_summary(s, &c, &err) != 0)
			die(err.text);
		if (what == 2 && series_set_samples(s, &all, &err) != 0)
			die(err.text);
		sum += what == 1 ? summary_increase(&c) : what == 2 ? all.count : 1;
	}
	if (code != 0 || sum <= 0)
		die("nothing was selected");
	series_set_free(s);
	matcher_free(m);
	return cpu_seconds() - began - *selecting;
}

static struct cost measure(struct tsdb *t, int64_t from_ms, int64_t to_ms, int runs)
{
	struct cost best = {0};
	for (int i = 0; i < runs; i++) {
		int code;
		double selecting;
		struct tsdb_view *v = tsdb_view_open(t, &code);
		if (v == NULL)
			die("no view");
		least(&best.walk, walk(v, from_ms, to_ms, 0, &selecting));
		least(&best.select, selecting);
		least(&best.summaries, walk(v, from_ms, to_ms, 1, &selecting));
		if (i == 0)
			least(&best.samples, walk(v, from_ms, to_ms, 2, &selecting));
		tsdb_view_close(v);
	}
	return best;
}

static void print(const char *what, struct cost c)
{
	printf("  %-28s %7.1f ms to select, %7.1f to walk, %7.1f more for summaries (%7.1f for samples)\n", what,
	       c.select * 1e3, c.walk * 1e3, (c.summaries - c.walk) * 1e3, (c.samples - c.walk) * 1e3);
}

static void bench(uint32_t users, int64_t step_ms)
{
	char dir[] = "/tmp/moongate-bench-summary-XXXXXX", command[128];
	struct error err = {0};
	struct tsdb_stats stats;
	if (mkdtemp(dir) == NULL)
		die("no directory");
	struct tsdb *t = tsdb_open(&(struct tsdb_options){.dir = dir}, NULL, NULL, &err);
	uint32_t *numbers = calloc(users, sizeof *numbers);
	if (t == NULL || numbers == NULL)
		die(err.text);
	for (uint32_t i = 0; i < users; i++)
		numbers[i] = make_series(t, i);
	fill(t, numbers, users, step_ms);
	tsdb_stats(t, &stats);
	printf("%u users, a sample each %lld s, %llu blocks\n", users, (long long)step_ms / 1000,
	       (unsigned long long)stats.blocks);
	int64_t now = stats.newest_ms;
	print("24 h, cutting a block", measure(t, now - DAY_MS + 1, now, RUNS));
	print("9 h, from a block's start", measure(t, 18 * HOUR_MS, now, RUNS));
	print("1 h, of the head", measure(t, now - HOUR_MS + 1, now, RUNS));
	tsdb_close(t);
	free(numbers);
	snprintf(command, sizeof command, "rm -r '%s'", dir);
	if (system(command) != 0)
		die("the directory stays");
}

int main(int argc, char **argv)
{
	uint32_t users = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 50000;
	if (users == 0)
		die("usage: bench_summary [users] [seconds between two samples]");
	if (argc > 2) {
		bench(users, (int64_t)strtoul(argv[2], NULL, 10) * 1000);
		return 0;
	}
	bench(users, 60000);
	bench(users, 5000);
	return 0;
}
