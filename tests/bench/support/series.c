#include "bench/support/series.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"

enum {
	MODELS = 2,
	BUCKETS = 11, /* and +Inf */
	HISTOGRAMS = 3,
	REQUESTS = 0, /* the columns of an agent */
	TOKENS = REQUESTS + MODELS * 2,
	COST = TOKENS + MODELS * 2,
	ERRORS = COST + MODELS,
	ACTIVE = ERRORS + 1,
	MEMORY,
	CPU,
	HISTOGRAM,
	COLUMNS = HISTOGRAM + HISTOGRAMS * (BUCKETS + 3)
};

struct agent {
	double rate; /* calls in 15 s */
	bool rounds;
	double latency; /* median, seconds */
	double values[COLUMNS];
	uint64_t *random;
};

static uint64_t random_u64(uint64_t *state)
{
	return hash_mix(++*state, 0x5eed);
}

static double unit(uint64_t *state)
{
	return (double)(random_u64(state) >> 11) / 9007199254740992.0;
}

static double normal(uint64_t *state)
{
	return sqrt(-2 * log(1 - unit(state))) * cos(6.283185307179586 * unit(state));
}

static uint32_t poisson(uint64_t *state, double mean)
{
	double limit = exp(-mean), product = unit(state);
	uint32_t n = 0;

	while (product > limit && n < 100) {
		product *= unit(state);
		n++;
	}
	return n;
}

static double rounded(const struct agent *a, double v, double scale)
{
	return a->rounds ? round(v * scale) / scale : v;
}

static void observe(struct agent *a, uint32_t histogram, double seconds)
{
	static const double bounds[BUCKETS] = {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
	double *v = a->values + HISTOGRAM + (size_t)histogram * (BUCKETS + 3);

	for (uint32_t i = 0; i < BUCKETS; i++)
		v[i] += seconds <= bounds[i];
	v[BUCKETS]++;
	v[BUCKETS + 1]++;
	v[BUCKETS + 2] = rounded(a, v[BUCKETS + 2] + seconds, 1e3);
}

static void call(struct agent *a)
{
	uint32_t model = unit(a->random) < 0.3, failed = unit(a->random) < 0.04;
	double in = floor(exp(6.5 + normal(a->random))), out = floor(exp(5 + 0.8 * normal(a->random)));
	double seconds = round(a->latency * exp(0.7 * normal(a->random)) * 1e3) / 1e3;

	a->values[REQUESTS + model * 2 + failed]++;
	a->values[ERRORS] += failed;
	observe(a, 0, seconds);
	if (failed)
		return;
	a->values[TOKENS + model * 2] += in;
	a->values[TOKENS + model * 2 + 1] += out;
	double usd = model == 0 ? in * 2.5e-6 + out * 1e-5 : in * 1.5e-7 + out * 6e-7;
	a->values[COST + model] = rounded(a, a->values[COST + model] + usd, 1e6);
	for (uint32_t tools = poisson(a->random, 0.8); tools > 0; tools--)
		observe(a, 1, round(0.2 * exp(normal(a->random)) * 1e3) / 1e3);
	observe(a, 2, round(0.02 * exp(0.5 * normal(a->random)) * 1e3) / 1e3);
}

static void tick(struct agent *a)
{
	for (uint32_t calls = poisson(a->random, a->rate); calls > 0; calls--)
		call(a);
	a->values[ACTIVE] = fmax(0, a->values[ACTIVE] + (double)poisson(a->random, a->rate / 3) -
	                                (double)poisson(a->random, a->rate / 3));
	if (unit(a->random) < 0.5)
		a->values[MEMORY] =
		    4096 * floor(50000 + 0.98 * (a->values[MEMORY] / 4096 - 50000) + 300 * normal(a->random));
	a->values[CPU] = round(100 * fmax(0, 2 * a->rate + normal(a->random))) / 100;
}

/* Where an agent's column stands: metric by metric, but a histogram's buckets by agent, in the order of `le` as text. */
static uint32_t place(uint32_t column, uint32_t agent, uint32_t agents)
{
	if (column < HISTOGRAM)
		return column * agents + agent;
	uint32_t histogram = (column - HISTOGRAM) / (BUCKETS + 3), part = (column - HISTOGRAM) % (BUCKETS + 3);
	uint32_t base = (HISTOGRAM + histogram * (BUCKETS + 3)) * agents;
	/* 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 30 +Inf */
	static const uint32_t by_text[BUCKETS + 1] = {1, 2, 3, 4, 5, 6, 7, 9, 11, 8, 10, 0};
	if (part <= BUCKETS)
		return base + agent * (BUCKETS + 1) + by_text[part];
	return base + (BUCKETS + 1) * agents + (part - BUCKETS - 1) * agents + agent;
}

static void run(struct fleet *f, uint32_t number, uint32_t agents, uint32_t samples, uint32_t jitter_ms, uint64_t seed)
{
	uint64_t state = hash_mix(number, seed);
	struct agent a = {.random = &state};
	int64_t start = INT64_C(1767225600000) + (int64_t)(random_u64(&state) % 15000);

	a.rounds = number % 2 == 0;
	a.rate = unit(&state) < 0.2 ? 0 : exp(1.2 * normal(&state));
	a.latency = exp(0.3 * normal(&state));
	a.values[MEMORY] = 4096.0 * 50000;
	for (uint32_t warm = 0; warm < 2000; warm++)
		tick(&a);
	for (uint32_t i = 0; i < samples; i++) {
		int64_t jitter = jitter_ms == 0 ? 0 : (int64_t)(random_u64(&state) % (2 * jitter_ms + 1)) - jitter_ms;
		tick(&a);
		for (uint32_t c = 0; c < COLUMNS; c++) {
			struct series *s = &f->series[place(c, number, agents)];
			s->times_ms[i] = start + (int64_t)i * 15000 + jitter;
			memcpy(&s->values[i], &a.values[c], sizeof *s->values);
		}
	}
}

struct fleet fleet_make(uint32_t agents, uint32_t samples, uint32_t jitter_ms, uint64_t seed)
{
	struct fleet f = {.count = agents * COLUMNS, .samples = (uint64_t)agents * COLUMNS * samples};

	f.series = calloc(f.count, sizeof *f.series);
	CHECK(f.series != NULL);
	for (uint32_t i = 0; i < f.count; i++) {
		f.series[i].count = samples;
		f.series[i].times_ms = malloc(samples * sizeof *f.series[i].times_ms);
		f.series[i].values = malloc(samples * sizeof *f.series[i].values);
		CHECK(f.series[i].times_ms != NULL && f.series[i].values != NULL);
	}
	for (uint32_t i = 0; i < agents; i++)
		run(&f, i, agents, samples, jitter_ms, seed);
	return f;
}

struct fleet_name fleet_name(uint32_t i, uint32_t agents)
{
	static const struct fleet_name single[HISTOGRAM] = {
	    {0, "agent_model_calls_total", {{"model", "large"}, {"outcome", "ok"}}},
	    {0, "agent_model_calls_total", {{"model", "large"}, {"outcome", "error"}}},
	    {0, "agent_model_calls_total", {{"model", "small"}, {"outcome", "ok"}}},
	    {0, "agent_model_calls_total", {{"model", "small"}, {"outcome", "error"}}},
	    {0, "agent_tokens_total", {{"direction", "input"}, {"model", "large"}}},
	    {0, "agent_tokens_total", {{"direction", "output"}, {"model", "large"}}},
	    {0, "agent_tokens_total", {{"direction", "input"}, {"model", "small"}}},
	    {0, "agent_tokens_total", {{"direction", "output"}, {"model", "small"}}},
	    {0, "agent_cost_usd_total", {{"model", "large"}}},
	    {0, "agent_cost_usd_total", {{"model", "small"}}},
	    {0, "agent_errors_total", {{NULL}}},
	    {0, "agent_active_count", {{NULL}}},
	    {0, "agent_memory_bytes", {{NULL}}},
	    {0, "agent_cpu_ratio", {{NULL}}},
	};
	static const char *const steps[HISTOGRAMS] = {"model", "tool", "queue"};
	static const char *const bounds[BUCKETS + 1] = {"+Inf", "0.01", "0.025", "0.05", "0.1", "0.25",
	                                                "0.5",  "1",    "10",    "2.5",  "30",  "5"};
	if (i < HISTOGRAM * agents) {
		struct fleet_name name = single[i / agents];
		name.agent = i % agents;
		return name;
	}
	uint32_t rest = i - HISTOGRAM * agents, size = (BUCKETS + 3) * agents;
	const char *step = steps[rest / size];
	rest %= size;
	if (rest < (BUCKETS + 1) * agents)
		return (struct fleet_name){rest / (BUCKETS + 1),
		                           "agent_step_seconds_bucket",
		                           {{"le", bounds[rest % (BUCKETS + 1)]}, {"step", step}}};
	rest -= (BUCKETS + 1) * agents;
	return (struct fleet_name){
	    rest % agents, rest < agents ? "agent_step_seconds_count" : "agent_step_seconds_sum", {{"step", step}}};
}

void fleet_free(struct fleet *f)
{
	for (uint32_t i = 0; i < f->count; i++) {
		free(f->series[i].times_ms);
		free(f->series[i].values);
	}
	free(f->series);
	*f = (struct fleet){0};
}
