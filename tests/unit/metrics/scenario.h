/* A busy registry: one family of each type, and changes without pattern that are the same in every run. */
#ifndef MOONGATE_TESTS_METRICS_SCENARIO_H
#define MOONGATE_TESTS_METRICS_SCENARIO_H

#include "support.h"

enum { SCENARIO_METRICS = METRIC_MEAN, SCENARIO_SERIES = 60 };

struct scenario {
	struct registry *r;
	struct metric *metrics[SCENARIO_METRICS];
	uint64_t random;
	int64_t now;
};

/* Defines the families; 0, or -ENOMEM under faults. */
static inline int scenario_define(struct scenario *s)
{
	static const char *const names[] = {
	    "a_cost_usd_total", "b_active", "c_latency_seconds", "d_duration_seconds", "e_users",
	    "f_top_users",      "g_rate",   "h_average"};
	int rc = 0;

	for (int i = 0; i < SCENARIO_METRICS && rc == 0; i++) {
		struct metric_def def = def_of(names[i], (enum metric_type)(i + 1), "user", "model");
		def.max_series = 40;
		def.idle_ns = 300 * NS_PER_S;
		def.k = 20;
		rc = registry_define(s->r, &def, &s->metrics[i], NULL, NULL);
	}
	return rc;
}

/* One change; 0 or what the registry said. */
static inline int scenario_change(struct scenario *s)
{
	static const char *const models[] = {"gpt-4o", "claude-\"sonnet\"", "", "m\xff"};
	char user[96], seen[16];
	int type = (int)(random_u64(&s->random) % SCENARIO_METRICS) + 1;
	uint64_t who = random_u64(&s->random) % SCENARIO_SERIES;
	struct slice values[] = {
	    slice_new(user, (size_t)snprintf(user, sizeof user, "user-%0*d", who % 9 == 0 ? 70 : 3, (int)who)),
	    slice_cstr(models[who % 4])};
	double v = floor(random_unit(&s->random) * 1e5) / 1e3;
	int64_t time = s->now - (int64_t)(random_u64(&s->random) % (700 * (uint64_t)NS_PER_S));
	struct metric *m = s->metrics[type - 1];
	struct series_ref ref;

	if (random_u64(&s->random) % 4 != 0)
		time = s->now;
	registry_set_exemplar(s->r, who % 3 == 0 ? SLICE("0af7651916cd43dd8448eb211c80319c") : SLICE(""),
	                      who % 2 == 0 ? SLICE("b7ad6b7169203331") : SLICE(""), time);
	if (type == METRIC_TOPK)
		return metric_topk_add(m, values, v);
	int rc = metric_series(m, values, &ref);
	if (rc != 0)
		return rc;
	switch ((enum metric_type)type) {
	case METRIC_COUNTER:
		return metric_add(m, ref, v);
	case METRIC_GAUGE:
		return who % 2 == 0 ? metric_set(m, ref, -v) : metric_add(m, ref, v - 50);
	case METRIC_DISTINCT:
		return metric_see(
		    m, ref, slice_new(seen, (size_t)snprintf(seen, sizeof seen, "%d", (int)(v * 1000) % 9000)), time);
	case METRIC_RATIO:
		return metric_hit(m, ref, v < 80, time);
	default:
		return metric_observe(m, ref, who % 5 == 0 ? -v : v, time);
	}
}

/* Time goes on, now and then by much. */
static inline void scenario_tick(struct scenario *s)
{
	s->now += (int64_t)(random_u64(&s->random) % 50) * NS_PER_S;
	if (random_u64(&s->random) % 40 == 0)
		s->now += 400 * NS_PER_S;
	registry_set_now(s->r, s->now);
	registry_expire(s->r);
}

static inline void scenario_start(struct scenario *s, uint64_t seed)
{
	*s = (struct scenario){.r = new_registry(0), .random = seed, .now = START};
	assert_int_equal(scenario_define(s), 0);
}

static inline void scenario_run(struct scenario *s, int changes)
{
	for (int i = 0; i < changes; i++) {
		assert_int_equal(scenario_change(s), 0);
		if (i % 200 == 0)
			scenario_tick(s);
	}
}

#endif
