/* The head: what an append costs, and a series in memory, with few series and with many; and reading them back. CPU time of this process, prints a line each.
 *
 *   bench_head [series…]     10000, 100000, 1000000 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "record/labels.h"
#include "tsdb/head.h"

enum { STEP_MS = 15000, LABELS = 8 };

static double cpu_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
	fprintf(stderr, "bench_head: %s\n", what);
	exit(1);
}

/* Labels as an agent's metrics have them. */
static void series_labels(uint32_t n, struct buf *out)
{
	char agent[32], user[32], model[32], instance[32];
	snprintf(agent, sizeof agent, "agent-%u", n % 97);
	snprintf(user, sizeof user, "user-%06u", n);
	snprintf(model, sizeof model, "model-%u", n % 7);
	snprintf(instance, sizeof instance, "10.0.%u.%u:9090", n % 5, n % 251);
	struct label labels[LABELS] = {{LABEL_METRIC_NAME, SLICE("agent_cost_usd_total")},
	                               {SLICE("agent_id"), slice_cstr(agent)},
	                               {SLICE("env"), SLICE("production")},
	                               {SLICE("instance"), slice_cstr(instance)},
	                               {SLICE("job"), SLICE("agents")},
	                               {SLICE("model"), slice_cstr(model)},
	                               {SLICE("region"), SLICE("eu-central-1")},
	                               {SLICE("user_id"), slice_cstr(user)}};
	struct error err = {0};
	buf_reset(out);
	if (labels_canonical(labels, LABELS, out, &err) != 0)
		die(err.text);
}

/* Every fourth series stands still, as histogram buckets do; the others count by small steps. */
static double value_of(uint32_t n, uint32_t i)
{
	return n % 4 == 0 ? n : (double)n + i * (double)(n % 13) * 0.25;
}

/* A sample of each series, as the engine appends them: memory is asked for ahead. */
static void append_round(struct head *h, uint32_t count, uint32_t i)
{
	enum { AHEAD = 16, SOON = 8 };
	head_batch_begin(h);
	for (uint32_t n = 0; n < count; n++) {
		if (n + AHEAD < count)
			head_prefetch_series(h, n + AHEAD);
		if (n + SOON < count)
			head_prefetch_chunk(h, n + SOON);
		if (head_append(h, n, (int64_t)i * STEP_MS + n % 10, value_of(n, i)) != APPEND_STORED)
			die("not stored");
	}
	head_batch_end(h);
	head_collect(h);
}

static void run(uint32_t count, uint32_t samples, const char *dir)
{
	struct error err = {0};
	struct head_stats stats;
	struct head *h =
	    head_new(&(struct head_options){.dir = dir, .out_of_order_ms = 600000, .max_series = count}, &err);
	struct buf b = {0};
	if (h == NULL)
		die(err.text);
	double began = cpu_seconds();
	for (uint32_t n = 0; n < count; n++) {
		uint32_t number;
		series_labels(n, &b);
		struct slice labels = slice_new(b.ptr, b.len);
		if (head_series(h, labels, labels_hash(labels), &number) != 0)
			die("no series");
	}
	double made = cpu_seconds() - began;
	began = cpu_seconds();
	for (uint32_t i = 0; i < samples; i++)
		append_round(h, count, i);
	double appended = cpu_seconds() - began;
	int code;
	struct head_view *v = head_view_open(h, &code);
	struct head_samples s;
	uint64_t read = 0;
	began = cpu_seconds();
	for (uint32_t n = 0; n < count; n++) {
		if (head_view_read(v, n, 0, INT64_MAX, &s) != 0)
			die("not read");
		read += s.count;
	}
	double took = cpu_seconds() - began;
	head_view_close(v);
	head_stats(h, &stats);
	if (read != (uint64_t)count * samples)
		die("samples are missing");
	printf("%8u series x %3u: made in %4.0f ns, append %5.1f ns, read %4.1f ns a sample; %4.0f bytes a series in "
	       "memory, %.2f a sample in files\n",
	       count, samples, made / count * 1e9, appended / ((double)count * samples) * 1e9,
	       took / (double)read * 1e9, (double)stats.bytes / count,
	       (double)stats.spill_bytes / ((double)count * samples));
	head_free(h);
	buf_free(&b);
}

int main(int argc, char **argv)
{
	static const char *const standard[] = {"10000", "100000", "1000000"};
	char dir[] = "/tmp/moongate-bench-head-XXXXXX", command[128];
	const char *const *counts = argc > 1 ? (const char *const *)argv + 1 : standard;
	int n = argc > 1 ? argc - 1 : 3;
	for (int i = 0; i < n; i++) {
		uint32_t count = (uint32_t)strtoul(counts[i], NULL, 10);
		snprintf(dir + strlen(dir) - 6, 7, "XXXXXX");
		if (count == 0 || mkdtemp(dir) == NULL)
			die("usage: bench_head [series…]");
		run(count, count >= 1000000 ? 150 : 480, dir);
		snprintf(command, sizeof command, "rm -r '%s'", dir);
		if (system(command) != 0)
			die("cannot remove the directory");
	}
	return 0;
}
