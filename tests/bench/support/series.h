/* Series as a fleet of agents has them, from a seed: what bench_chunk and bench_tsdb measure on. */
#ifndef MOONGATE_BENCH_SUPPORT_SERIES_H
#define MOONGATE_BENCH_SUPPORT_SERIES_H

#include <stdint.h>

struct series {
	int64_t *times_ms;
	uint64_t *values; /* bits of doubles */
	uint32_t count;
};

/* All series of some agents, in the order of their labels: metric by metric, agent by agent, bucket by bucket. Freed by fleet_free. */
struct fleet {
	struct series *series;
	uint32_t count;
	uint64_t samples;
};

/* `samples` of each series, 15 s apart, with up to `jitter_ms` of jitter (the same for all series of an agent). An agent has 55 series: counters of requests, tokens, costs and errors, gauges, three histograms of eleven buckets. Half of the agents add up their
 * costs and durations in doubles, as a registry does, so that these are no short decimals; the others round them. A fifth is idle. */
struct fleet fleet_make(uint32_t agents, uint32_t samples, uint32_t jitter_ms, uint64_t seed);

/* What series `i` of a fleet would be called. */
struct fleet_name {
	uint32_t agent;
	const char *metric;
	const char *labels[2][2]; /* beside agent_id: name and value; NULL: there is none */
};
struct fleet_name fleet_name(uint32_t i, uint32_t agents);

void fleet_free(struct fleet *f);

#endif
