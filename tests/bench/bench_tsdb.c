/* The store on series of agents: six hours of some 10,000 series, 15 s apart, come in, are sealed, merged; what that costs, what is on disk for a sample with its index, and what reading all of it back costs. CPU time of this process.
 *
 *   bench_tsdb [agents]     178 agents of 56 series */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/support/series.h"
#include "record/labels.h"
#include "tsdb/head.h"
#include "tsdb/tsdb.h"

enum { SAMPLES = 1440, JITTER_MS = 3 };

static double cpu_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
	fprintf(stderr, "bench_tsdb: %s\n", what);
	exit(1);
}

/* Labels of the fleet's series `i`, so that their order is the fleet's. */
static void series_labels(uint32_t i, uint32_t agents, struct buf *out)
{
	char name[48], agent[24], instance[32];
	uint32_t number = i % agents;
	snprintf(name, sizeof name, "agent_metric_%02u_total", i / agents);
	snprintf(agent, sizeof agent, "agent-%05u", number);
	snprintf(instance, sizeof instance, "10.0.0.%u:9090", number % 16);
	struct label labels[] = {{LABEL_METRIC_NAME, slice_cstr(name)},
	                         {SLICE("agent_id"), slice_cstr(agent)},
	                         {SLICE("instance"), slice_cstr(instance)},
	                         {SLICE("job"), SLICE("agents")},
	                         {SLICE("template_id"), number % 2 == 0 ? SLICE("support") : SLICE("research")}};
	struct error err = {0};
	buf_reset(out);
	if (labels_canonical(labels, sizeof labels / sizeof *labels, out, &err) != 0)
		die(err.text);
}

static void maintain(struct tsdb *t, double *seconds)
{
	struct error err = {0};
	int code;
	do {
		tsdb_tick(t);
		double began = cpu_seconds();
		code = tsdb_maintain(t, &err);
		*seconds += cpu_seconds() - began;
		if (code < 0)
			die(err.text);
	} while (code == 1);
}

/* One sample of each series a batch, as scrapes come. */
static double fill(struct tsdb *t, const struct fleet *f, const uint32_t *numbers, double *maintaining)
{
	double appending = 0;
	for (uint32_t i = 0; i < SAMPLES; i++) {
		double began = cpu_seconds();
		tsdb_batch_begin(t);
		for (uint32_t n = 0; n < f->count; n++) {
			double value;
			memcpy(&value, &f->series[n].values[i], sizeof value);
			if (tsdb_append(t, numbers[n], f->series[n].times_ms[i], value) != APPEND_STORED)
				die("a sample was not stored");
		}
		tsdb_batch_end(t);
		tsdb_tick(t);
		appending += cpu_seconds() - began;
		if (i % 120 == 119)
			maintain(t, maintaining);
	}
	return appending;
}

static void read_back(struct tsdb *t, const struct fleet *f)
{
	int code;
	struct error err = {0};
	double began = cpu_seconds(), sum = 0;
	uint64_t samples = 0;
	struct tsdb_view *v = tsdb_view_open(t, &code);
	struct series_set *s = tsdb_select(v, NULL, 0, INT64_MIN, INT64_MAX, &err);
	struct slice labels;
	while (s != NULL && series_set_next(s, &labels, &err) == 1) {
		struct series_samples got;
		if (series_set_samples(s, &got, &err) != 0)
			die(err.text);
		for (uint32_t i = 0; i < got.count; i++) {
			double value;
			memcpy(&value, &got.values[i], sizeof value);
			sum += value;
		}
		samples += got.count;
	}
	series_set_free(s);
	tsdb_view_close(v);
	if (samples != f->samples)
		die("samples are missing");
	printf("reading all of it   %6.1f ns a sample (sum %g)\n", (cpu_seconds() - began) / (double)samples * 1e9,
	       sum);
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/moongate-bench-tsdb-XXXXXX", command[128];
	uint32_t agents = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 178;
	struct error err = {0};
	if (agents == 0 || mkdtemp(dir) == NULL)
		die("usage: bench_tsdb [agents]");
	struct fleet f = fleet_make(agents, SAMPLES, JITTER_MS, 1);
	struct tsdb *t = tsdb_open(&(struct tsdb_options){.dir = dir, .max_series = f.count}, NULL, NULL, &err);
	uint32_t *numbers = calloc(f.count, sizeof *numbers);
	struct buf b = {0};
	if (t == NULL || numbers == NULL)
		die(err.text);
	for (uint32_t n = 0; n < f.count; n++) {
		series_labels(n, agents, &b);
		struct slice labels = slice_new(b.ptr, b.len);
		if (tsdb_series(t, labels, labels_hash(labels), &numbers[n]) != 0)
			die("no series");
	}
	double maintaining = 0;
	double appending = fill(t, &f, numbers, &maintaining);
	struct tsdb_stats s;
	tsdb_stats(t, &s);
	printf("%u series, %llu samples\n", f.count, (unsigned long long)f.samples);
	printf("appending           %6.1f ns a sample\n", appending / (double)f.samples * 1e9);
	printf("sealing, merging    %6.1f ns a sample\n", maintaining / (double)f.samples * 1e9);
	printf("head                %6.1f MiB in memory, %.1f MiB in files\n", (double)s.head_bytes / 1048576,
	       (double)s.head_file_bytes / 1048576);
	read_back(t, &f);

	/* Beyond the end, so that all six hours are sealed. */
	tsdb_batch_begin(t);
	if (tsdb_append(t, numbers[0], f.series[0].times_ms[SAMPLES - 1] + 4 * 3600000, 1) != APPEND_STORED)
		die("a sample was not stored");
	tsdb_batch_end(t);
	maintain(t, &maintaining);
	tsdb_stats(t, &s);
	printf("blocks              %llu of %.2f MiB in all: %.3f bytes a sample, the index included\n",
	       (unsigned long long)s.blocks, (double)s.block_bytes / 1048576,
	       (double)s.block_bytes / (double)f.samples);
	tsdb_close(t);
	fleet_free(&f);
	free(numbers);
	buf_free(&b);
	snprintf(command, sizeof command, "rm -r '%s'", dir);
	return system(command) != 0;
}
