/* What chunks and columns cost, and how small they are, on series of agents (support/series.h).
 *
 * Times are CPU time of this thread (CLOCK_THREAD_CPUTIME_ID), the best of some rounds, so that they hold on a busy machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "bench/support/series.h"
#include "tsdb/chunk.h"
#include "tsdb/columns.h"

enum { AGENTS = 64, SAMPLES = 480, ROUNDS = 9 };

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double least(double a, double b)
{
	return a == 0 || b < a ? b : a;
}

struct chunks {
	struct chunk_writer *writers;
	uint32_t count;
};

static struct chunks make_chunks(const struct fleet *f)
{
	struct chunks c = {.count = f->count * (SAMPLES / CHUNK_SAMPLES)};

	c.writers = calloc(c.count, sizeof *c.writers);
	CHECK(c.writers != NULL);
	return c;
}

/* As the head does it: a chunk has little more memory than it needs. */
static void append(struct chunk_writer *w, int64_t time_ms, uint64_t value)
{
	while (!chunk_append(w, time_ms, value)) {
		w->capacity = (uint16_t)chunk_room(w);
		w->words = realloc((void *)w->words, w->capacity * sizeof *w->words);
		CHECK(w->words != NULL);
	}
}

/* In the first round they grow, in the others they have their size. */
static void fill(struct chunks *c, const struct fleet *f)
{
	uint32_t each = SAMPLES / CHUNK_SAMPLES;

	for (uint32_t i = 0; i < c->count; i++) {
		const struct series *s = &f->series[i / each];
		uint32_t from = i % each * CHUNK_SAMPLES;
		c->writers[i].count = 0;
		for (uint32_t k = from; k < from + CHUNK_SAMPLES; k++)
			append(&c->writers[i], s->times_ms[k], s->values[k]);
	}
}

static void read_chunks(const struct chunks *c, const struct fleet *f, bool check)
{
	uint32_t each = SAMPLES / CHUNK_SAMPLES;
	int64_t times[CHUNK_SAMPLES];
	uint64_t values[CHUNK_SAMPLES];

	for (uint32_t i = 0; i < c->count; i++) {
		const struct chunk_writer *w = &c->writers[i];
		CHECK(chunk_read(w->words, chunk_words(w), CHUNK_SAMPLES, times, values) == CHUNK_SAMPLES);
		const struct series *s = &f->series[i / each];
		uint32_t from = i % each * CHUNK_SAMPLES;
		if (check) {
			CHECK(memcmp(times, s->times_ms + from, sizeof times) == 0);
			CHECK(memcmp(values, s->values + from, sizeof values) == 0);
		}
	}
}

static void bench_chunks(const struct fleet *f)
{
	struct chunks c = make_chunks(f);
	double append = 0, read = 0;
	uint64_t bits = 0;

	for (int round = 0; round < ROUNDS; round++) {
		double start = cpu_ns();
		fill(&c, f);
		append = least(append, cpu_ns() - start);
		read_chunks(&c, f, true);
		start = cpu_ns();
		read_chunks(&c, f, false);
		read = least(read, cpu_ns() - start);
	}
	for (uint32_t i = 0; i < c.count; i++) {
		bits += c.writers[i].bits;
		free((void *)c.writers[i].words);
	}
	free(c.writers);
	double n = (double)f->samples;
	printf("  chunks    append %5.1f ns  read %5.2f ns  %.3f bytes a sample\n", append / n, read / n,
	       (double)bits / 8 / n);
}

/* ---- columns ---- */

struct groups {
	struct column *columns;
	struct buf *encoded; /* a group each */
	uint32_t series, count;
};

static struct column *group_of(const struct groups *g, uint32_t i, uint32_t *count)
{
	uint32_t from = i * COLUMNS_SERIES;

	*count = g->series - from < COLUMNS_SERIES ? g->series - from : COLUMNS_SERIES;
	return g->columns + from;
}

static void encode(struct groups *g, struct columns_coder *c)
{
	uint32_t count;

	for (uint32_t i = 0; i < g->count; i++) {
		const struct column *columns = group_of(g, i, &count);
		buf_reset(&g->encoded[i]);
		CHECK(columns_encode(c, columns, count, &g->encoded[i]) == 0);
	}
}

/* `one`: of each group a column of its middle, else all. */
static void decode(struct groups *g, struct columns_coder *c, struct arena *arena, bool one, bool check)
{
	struct column out[COLUMNS_SERIES];
	struct error err = {0};
	uint32_t count;

	for (uint32_t i = 0; i < g->count; i++) {
		const struct column *columns = group_of(g, i, &count);
		arena_reset(arena, 1 << 24);
		CHECK(columns_decode(c, buf_slice(&g->encoded[i]), one ? UINT64_C(1) << (count / 2) : UINT64_MAX, arena,
		                     out, &err) == 0);
		for (uint32_t k = 0; check && k < count; k++) {
			CHECK(out[k].count == columns[k].count);
			CHECK(memcmp(out[k].times_ms, columns[k].times_ms, columns[k].count * 8) == 0);
			CHECK(memcmp(out[k].values, columns[k].values, columns[k].count * 8) == 0);
		}
	}
}

static void bench_columns(const struct fleet *f, int level)
{
	struct groups g = {.series = f->count, .count = (f->count + COLUMNS_SERIES - 1) / COLUMNS_SERIES};
	struct columns_coder *c = columns_coder_new(level);
	struct arena arena;
	double encoding = 0, all = 0, one = 0;
	size_t bytes = 0;

	arena_init(&arena);
	g.columns = calloc(f->count, sizeof *g.columns);
	g.encoded = calloc(g.count, sizeof *g.encoded);
	CHECK(c != NULL && g.columns != NULL && g.encoded != NULL);
	for (uint32_t i = 0; i < f->count; i++)
		g.columns[i] = (struct column){f->series[i].times_ms, f->series[i].values, f->series[i].count};
	for (int round = 0; round < ROUNDS; round++) {
		double start = cpu_ns();
		encode(&g, c);
		encoding = least(encoding, cpu_ns() - start);
		decode(&g, c, &arena, false, true);
		start = cpu_ns();
		decode(&g, c, &arena, false, false);
		all = least(all, cpu_ns() - start);
		start = cpu_ns();
		decode(&g, c, &arena, true, false);
		one = least(one, cpu_ns() - start);
	}
	for (uint32_t i = 0; i < g.count; i++) {
		bytes += g.encoded[i].len;
		buf_free(&g.encoded[i]);
	}
	double n = (double)f->samples;
	printf(
	    "  columns   encode %5.1f ns  decode %5.2f ns  %.3f bytes a sample  zstd %d; one column %.0f us a group\n",
	    encoding / n, all / n, (double)bytes / n, level, one / 1e3 / g.count);
	free(g.columns);
	free(g.encoded);
	arena_deinit(&arena);
	columns_coder_free(c);
}

int main(void)
{
	static const uint32_t jitters[] = {0, 3};

	for (size_t i = 0; i < sizeof jitters / sizeof *jitters; i++) {
		struct fleet f = fleet_make(AGENTS, SAMPLES, jitters[i], 1);
		printf("%u series of %u samples, jitter of %u ms\n", f.count, (uint32_t)SAMPLES, jitters[i]);
		bench_chunks(&f);
		bench_columns(&f, 1);
		bench_columns(&f, 3);
		fleet_free(&f);
	}
	return 0;
}
