/* What a range query pays before it computes: selecting series, walking over them, and their samples, by kind of series; in a young head, and sealed in a block. CPU time of this process, the best of some runs.
 *
 *   bench_select [agents]     312 agents of 56 series each, 75 minutes, 15 s apart: 11,232 buckets of histograms among 17,472 series; once at regular times, once with jitter */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/support/series.h"
#include "record/labels.h"
#include "tsdb/tsdb.h"

enum { SAMPLES = 300, RUNS = 9, BUCKETS = 12, HISTOGRAMS = 3, COLUMNS = 56, PLAIN = COLUMNS - HISTOGRAMS * 14 };

#define QUARTER_MS INT64_C(900000)

static double cpu_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
	fprintf(stderr, "bench_select: %s\n", what);
	exit(1);
}

/* ---- the store ---- */

/* What a series of the fleet is called (bench/support/series.c): all buckets have one name, and so have all counters, and all gauges. */
struct name {
	const char *metric, *of, *le;
	uint32_t agent;
};

static struct name name_of(uint32_t i, uint32_t agents)
{
	static const char *const plain[PLAIN] = {
	    "requests", "failures", "requests-mini", "failures-mini", "in",     "out", "in-mini",
	    "out-mini", "usd",      "usd-mini",      "errors",        "active", "rss", "cpu"};
	static const char *const histograms[HISTOGRAMS] = {"request", "tool", "first-token"};
	/* In the order of the text. */
	static const char *const bounds[BUCKETS] = {"+Inf", "0.01", "0.025", "0.05", "0.1", "0.25",
	                                            "0.5",  "1",    "10",    "2.5",  "30",  "5"};
	if (i < PLAIN * agents) {
		uint32_t column = i / agents;
		return (struct name){column < 11 ? "agent_work_total" : "agent_level", plain[column], NULL, i % agents};
	}
	uint32_t at = i - PLAIN * agents, histogram = at / (14 * agents);
	at -= histogram * 14 * agents;
	if (at < BUCKETS * agents)
		return (struct name){"agent_seconds_bucket", histograms[histogram], bounds[at % BUCKETS], at / BUCKETS};
	at -= BUCKETS * agents;
	return (struct name){at < agents ? "agent_seconds_count" : "agent_seconds_sum", histograms[histogram], NULL,
	                     at % agents};
}

static void series_labels(uint32_t i, uint32_t agents, struct buf *out)
{
	struct name n = name_of(i, agents);
	char agent[24], instance[32];
	struct error err = {0};
	snprintf(agent, sizeof agent, "agent-%05u", n.agent);
	snprintf(instance, sizeof instance, "10.0.0.%u:9090", n.agent % 16);
	struct label labels[] = {{LABEL_METRIC_NAME, slice_cstr(n.metric)}, {SLICE("agent_id"), slice_cstr(agent)},
	                         {SLICE("instance"), slice_cstr(instance)}, {SLICE("job"), SLICE("agents")},
	                         {SLICE("of"), slice_cstr(n.of)},           {SLICE("le"), SLICE("")}};
	if (n.le != NULL)
		labels[5].value = slice_cstr(n.le);
	buf_reset(out);
	if (labels_canonical(labels, n.le != NULL ? 6 : 5, out, &err) != 0)
		die(err.text);
}

struct filled {
	char dir[40];
	struct fleet fleet;
	struct tsdb *store;
	uint32_t *numbers;
};

/* One sample of each series a batch, as scrapes come. */
static void append(const struct filled *f)
{
	for (uint32_t i = 0; i < SAMPLES; i++) {
		tsdb_batch_begin(f->store);
		for (uint32_t n = 0; n < f->fleet.count; n++) {
			double value;
			memcpy(&value, &f->fleet.series[n].values[i], sizeof value);
			if (tsdb_append(f->store, f->numbers[n], f->fleet.series[n].times_ms[i], value) !=
			    APPEND_STORED)
				die("a sample was not stored");
		}
		tsdb_batch_end(f->store);
	}
}

static void fill(struct filled *f, uint32_t agents, uint32_t jitter_ms)
{
	struct error err = {0};
	struct buf b = {0};
	*f = (struct filled){.dir = "/tmp/moongate-bench-select-XXXXXX"};
	if (mkdtemp(f->dir) == NULL)
		die("no directory");
	f->fleet = fleet_make(agents, SAMPLES, jitter_ms, 1);
	f->store = tsdb_open(&(struct tsdb_options){.dir = f->dir, .block_ms = QUARTER_MS}, NULL, NULL, &err);
	f->numbers = calloc(f->fleet.count, sizeof *f->numbers);
	if (f->store == NULL || f->numbers == NULL || f->fleet.count != COLUMNS * agents)
		die("no store");
	for (uint32_t n = 0; n < f->fleet.count; n++) {
		series_labels(n, agents, &b);
		if (tsdb_series(f->store, buf_slice(&b), labels_hash(buf_slice(&b)), &f->numbers[n]) != 0)
			die("no series");
	}
	buf_free(&b);
	append(f);
}

static void empty(struct filled *f)
{
	char command[128];
	tsdb_close(f->store);
	fleet_free(&f->fleet);
	free(f->numbers);
	snprintf(command, sizeof command, "rm -r '%s'", f->dir);
	if (system(command) != 0)
		die("the directory stays");
}

/* A sample from far behind, so that all others are sealed, and merged. */
static void seal(const struct filled *f)
{
	struct error err = {0};
	int code;
	tsdb_batch_begin(f->store);
	if (tsdb_append(f->store, f->numbers[0], f->fleet.series[0].times_ms[SAMPLES - 1] + 40 * QUARTER_MS, 1) !=
	    APPEND_STORED)
		die("a sample was not stored");
	tsdb_batch_end(f->store);
	do {
		while (tsdb_tick(f->store))
			;
		code = tsdb_maintain(f->store, &err);
		if (code < 0)
			die(err.text);
	} while (code == 1);
}

/* ---- measuring ---- */

struct cost {
	double select, walk, samples;
	uint32_t series;
	uint64_t count;
};

static void least(double *best, double seconds)
{
	if (*best == 0 || seconds < *best)
		*best = seconds;
}

/* Samples are looked at, but for their values' arithmetic. */
static void walk(struct series_set *s, bool samples, struct cost *out)
{
	struct error err = {0};
	struct slice labels;
	int code;
	uint64_t sum = 0;
	out->series = 0;
	out->count = 0;
	while ((code = series_set_next(s, &labels, &err)) == 1) {
		struct series_samples all = {0};
		if (samples && series_set_samples(s, &all, &err) != 0)
			die(err.text);
		if (all.count > 0)
			sum += (uint64_t)all.times_ms[all.count - 1] + all.values[all.count - 1];
		out->series++;
		out->count += all.count;
	}
	if (code != 0 || (samples && sum == 0))
		die("nothing was selected");
}

static struct cost measure(const struct filled *f, struct matcher *const *matchers, uint32_t count)
{
	struct cost best = {0}, got = {0};
	int64_t from = INT64_MAX, to = f->fleet.series[0].times_ms[SAMPLES - 1] + QUARTER_MS / 2;
	for (uint32_t n = 0; n < f->fleet.count; n++)
		from = f->fleet.series[n].times_ms[0] < from ? f->fleet.series[n].times_ms[0] : from;
	for (int i = 0; i < 2 * RUNS; i++) {
		struct error err = {0};
		int code;
		struct tsdb_view *v = tsdb_view_open(f->store, &code);
		double began = cpu_seconds();
		struct series_set *s = v == NULL ? NULL : tsdb_select(v, matchers, count, from, to, &err);
		if (s == NULL)
			die("no view, or no set");
		least(&best.select, cpu_seconds() - began);
		began = cpu_seconds();
		walk(s, i % 2 == 1, &got);
		least(i % 2 == 1 ? &best.samples : &best.walk, cpu_seconds() - began);
		series_set_free(s);
		tsdb_view_close(v);
	}
	best.series = got.series;
	best.count = got.count;
	return best;
}

struct asked {
	const char *what, *metric, *agents, *job;
};

static void bench(const struct filled *f, const char *where)
{
	static const struct asked asked[] = {
	    {"buckets", "agent_seconds_bucket", NULL, NULL},
	    {"counters", "agent_work_total", NULL, NULL},
	    {"gauges", "agent_level", NULL, NULL},
	    {"buckets, 3 matchers", "agent_seconds_bucket", "agent-00.*[0-4]", "agents"},
	};
	printf("%s\n", where);
	for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
		struct error err = {0};
		struct matcher *m[3] = {matcher_new(MATCH_EQUAL, LABEL_METRIC_NAME, slice_cstr(asked[i].metric), &err)};
		uint32_t count = 1;
		if (asked[i].agents != NULL) {
			m[1] = matcher_new(MATCH_REGEX, SLICE("agent_id"), slice_cstr(asked[i].agents), &err);
			m[2] = matcher_new(MATCH_EQUAL, SLICE("job"), slice_cstr(asked[i].job), &err);
			count = 3;
		}
		struct cost c = measure(f, m, count);
		printf("  %-20s %6u series: %6.2f ms to select, %6.2f to walk, %7.2f with samples: %5.2f ns a sample\n",
		       asked[i].what, c.series, c.select * 1e3, c.walk * 1e3, c.samples * 1e3,
		       (c.select + c.samples) * 1e9 / (double)c.count);
		for (uint32_t k = 0; k < count; k++)
			matcher_free(m[k]);
	}
}

int main(int argc, char **argv)
{
	static const uint32_t jitters[] = {0, 3};
	uint32_t agents = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 312;
	if (agents == 0)
		die("usage: bench_select [agents]");
	for (size_t i = 0; i < sizeof jitters / sizeof *jitters; i++) {
		struct filled f;
		fill(&f, agents, jitters[i]);
		printf("%u series of %d samples, up to %u ms of jitter\n", f.fleet.count, SAMPLES, jitters[i]);
		bench(&f, "in the head");
		seal(&f);
		bench(&f, "in blocks");
		empty(&f);
	}
	return 0;
}
