/* Queries over a store in memory: 20,000 series of agents, 75 minutes, 15 s apart, in the head; 11,200 of them are buckets of histograms. CPU time of each query, beside that of reading its samples and adding them up. No HTTP, no JSON.
 *
 *   bench_promql [expression]     a range query over the last hour, in steps of a minute */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "promql/promql.h"
#include "record/labels.h"
#include "tsdb/tsdb.h"

enum { AGENTS = 800, BUCKETS = 14, COUNTERS = 6000, GAUGES = 2800, SAMPLES = 300, STEP_MS = 15000, RUNS = 15 };
#define BEGIN_MS INT64_C(1700000000000)

static double cpu_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void die(const char *what)
{
	fprintf(stderr, "bench_promql: %s\n", what);
	exit(1);
}

/* ---- the series ---- */

struct filled {
	uint32_t number;
	double value, rate; /* a gauge's rate is 0 */
};

static uint64_t seed = 1;

static double unit(void)
{
	return (double)(hash_mix(++seed, 0x5eed) >> 11) / 9007199254740992.0;
}

static uint32_t add(struct tsdb *t, const char *metric, uint32_t agent, const char *name, const char *value)
{
	static struct buf b;
	char id[24], instance[32];
	uint32_t number;
	struct error err = {0};

	snprintf(id, sizeof id, "agent-%05u", agent);
	snprintf(instance, sizeof instance, "10.0.0.%u:9090", agent % 16);
	struct label labels[] = {{LABEL_METRIC_NAME, slice_cstr(metric)},
	                         {SLICE("agent_id"), slice_cstr(id)},
	                         {SLICE("instance"), slice_cstr(instance)},
	                         {SLICE("job"), SLICE("agents")},
	                         {SLICE("template_id"), agent % 2 == 0 ? SLICE("support") : SLICE("research")},
	                         {slice_cstr(name), slice_cstr(value)}};
	buf_reset(&b);
	if (labels_canonical(labels, sizeof labels / sizeof *labels, &b, &err) != 0)
		die(err.text);
	struct slice set = buf_slice(&b);
	if (tsdb_series(t, set, labels_hash(set), &number) != 0)
		die("no series");
	return number;
}

static uint32_t add_all(struct tsdb *t, struct filled *all)
{
	static const char *const bounds[BUCKETS] = {"0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1",
	                                            "2.5",  "5",     "10",   "30",  "60",   "120", "+Inf"};
	uint32_t count = 0;
	char text[16];

	for (uint32_t i = 0; i < AGENTS; i++) {
		for (uint32_t k = 0; k < BUCKETS; k++)
			all[count++] = (struct filled){add(t, "llm_latency_seconds_bucket", i, "le", bounds[k]), 0,
			                               (k + 1) * 0.3 * (i % 5)};
	}
	for (uint32_t i = 0; i < COUNTERS; i++) {
		snprintf(text, sizeof text, "m%u", i / 1000);
		all[count++] = (struct filled){add(t, "llm_tokens_total", i % 1000, "model", text), 0, 20};
	}
	for (uint32_t i = 0; i < GAUGES; i++) {
		snprintf(text, sizeof text, "g%u", i / 1000);
		all[count++] = (struct filled){add(t, "agent_memory_bytes", i % 1000, "kind", text), 1e6, 0};
	}
	return count;
}

static void fill(struct tsdb *t, struct filled *all, uint32_t count)
{
	for (uint32_t i = 0; i < SAMPLES; i++) {
		tsdb_batch_begin(t);
		for (uint32_t n = 0; n < count; n++) {
			struct filled *f = &all[n];
			int64_t jitter = (int64_t)(unit() * 4);
			f->value = f->rate > 0 ? f->value + (double)(uint32_t)(f->rate * 2 * unit())
			                       : (double)(uint32_t)(1e6 * unit());
			if (tsdb_append(t, f->number, BEGIN_MS + (int64_t)i * STEP_MS + jitter, f->value) !=
			    APPEND_STORED)
				die("a sample was not stored");
		}
		tsdb_batch_end(t);
		tsdb_tick(t);
	}
}

/* ---- a view as a source ---- */

static int source_select(void *ctx, const struct promql_select *what, void **set, struct error *err)
{
	struct series_set *s =
	    tsdb_select((struct tsdb_view *)ctx, what->matchers, what->matcher_count, what->from_ms, what->to_ms, err);
	*set = s;
	return s == NULL ? err->code : 0;
}

static int source_next(void *set, struct slice *labels, struct error *err)
{
	return series_set_next((struct series_set *)set, labels, err);
}

static int source_samples(void *set, struct promql_samples *out, struct error *err)
{
	struct series_samples got;
	int code = series_set_samples((struct series_set *)set, &got, err);
	if (code == 0)
		*out = (struct promql_samples){got.times_ms, (const double *)got.values, got.count};
	return code;
}

static void source_close(void *set)
{
	series_set_free((struct series_set *)set);
}

static const struct promql_source_ops source_ops = {source_select, source_next, source_samples, source_close};

/* ---- queries ---- */

struct question {
	const char *name, *text;
	bool range;
};

/* The least of some runs: what else the machine does only adds. */
static void ask(struct tsdb_view *v, const struct question *q)
{
	struct promql_source source = {&source_ops, v};
	struct promql_result r = {0};
	struct promql_expr *e;
	struct error err = {0};
	struct arena arena;
	double least = 1e9;
	int64_t end = BEGIN_MS + (int64_t)(SAMPLES - 1) * STEP_MS + 1000;

	arena_init(&arena);
	if (promql_parse(slice_cstr(q->text), &arena, &e, &err) != 0)
		die(err.text);
	struct promql_query query = {.expr = e, .text = slice_cstr(q->text), .end_ms = end};
	query.start_ms = q->range ? end - 59 * INT64_C(60000) : end;
	query.step_ms = q->range ? 60000 : 0;
	for (int i = 0; i < RUNS; i++) {
		double began = cpu_ms();
		if (promql_eval(&query, &source, &r, &err) != 0)
			die(err.text);
		double took = cpu_ms() - began;
		least = took < least ? took : least;
		if (i + 1 < RUNS)
			promql_result_free(&r);
	}
	printf("%-44s %8.2f ms %9.2f M samples %7u series\n", q->name, least, (double)r.samples_read / 1e6,
	       r.series_count);
	promql_result_free(&r);
	arena_deinit(&arena);
}

/* Reading the buckets' samples and adding them up. */
static void read_floor(struct tsdb_view *v)
{
	struct error err = {0};
	struct matcher *m = matcher_new(MATCH_EQUAL, LABEL_METRIC_NAME, SLICE("llm_latency_seconds_bucket"), &err);
	double least = 1e9, sum = 0;
	uint64_t samples = 0;

	for (int i = 0; i < RUNS; i++) {
		double began = cpu_ms();
		struct slice labels;
		struct series_set *s = tsdb_select(v, &m, 1, INT64_MIN, INT64_MAX, &err);
		samples = 0;
		while (s != NULL && series_set_next(s, &labels, &err) == 1) {
			struct series_samples got;
			if (series_set_samples(s, &got, &err) != 0)
				die(err.text);
			const double *values = (const double *)got.values;
			for (uint32_t k = 0; k < got.count; k++)
				sum += values[k];
			samples += got.count;
		}
		series_set_free(s);
		double took = cpu_ms() - began;
		least = took < least ? took : least;
	}
	matcher_free(m);
	printf("%-44s %8.2f ms %9.2f M samples (sum %g)\n", "reading all buckets and adding them up", least,
	       (double)samples / 1e6, sum);
}

int main(int argc, char **argv)
{
	static const struct question questions[] = {
	    {"sum by (agent_id) (rate(bucket[5m])), range", "sum by (agent_id) (rate(llm_latency_seconds_bucket[5m]))",
	     true},
	    {"rate(bucket[5m]), range", "rate(llm_latency_seconds_bucket[5m])", true},
	    {"sum(bucket), range", "sum(llm_latency_seconds_bucket)", true},
	    {"sum by (model) (rate(counter[5m])), range", "sum by (model) (rate(llm_tokens_total[5m]))", true},
	    {"counter, range", "llm_tokens_total", true},
	    {"histogram_quantile(… rate(bucket[5m])), instant",
	     "histogram_quantile(0.95, sum by (le) (rate(llm_latency_seconds_bucket[5m])))", false},
	    {"topk(10, counter), instant", "topk(10, llm_tokens_total)", false},
	    {"bucket, instant", "llm_latency_seconds_bucket", false},
	    {"one series, range", "llm_tokens_total{agent_id=\"agent-00007\", model=\"m1\"}", true},
	};
	char dir[] = "/tmp/moongate-bench-promql-XXXXXX", command[128];
	struct error err = {0};
	int code;

	if (mkdtemp(dir) == NULL)
		die("no directory");
	struct tsdb *t = tsdb_open(&(struct tsdb_options){.dir = dir}, NULL, NULL, &err);
	struct filled *all = calloc((size_t)AGENTS * BUCKETS + COUNTERS + GAUGES, sizeof *all);
	if (t == NULL || all == NULL)
		die(err.text);
	fill(t, all, add_all(t, all));
	struct tsdb_view *v = tsdb_view_open(t, &code);
	if (v == NULL)
		die("no view");
	if (argc > 1) {
		ask(v, &(struct question){argv[1], argv[1], true});
	} else {
		read_floor(v);
		for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
			ask(v, &questions[i]);
	}
	tsdb_view_close(v);
	tsdb_close(t);
	free(all);
	snprintf(command, sizeof command, "rm -r '%s'", dir);
	return system(command) != 0;
}
