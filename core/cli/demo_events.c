/* The generator behind `moongate demo`. Each event belongs to one of a few dozen sessions under way; a session walks through start, rounds of model call and
 * tool calls, and stop. Who opens the next session is drawn by Zipf's law, so that a few users make most of the bill, as in life. */
#include "cli/demo_events.h"

#include <math.h>

#include "base/clock.h"
#include "base/mem.h"

enum { SESSIONS = 48, RETRIES_MAX = 2, POOL_EVERY = 200, ACTIVE_EVERY = 37 };

struct session {
	uint32_t user, agent, template_id, model, rounds;
	uint32_t tools;   /* calls to come in this round */
	uint32_t retries; /* of the tool that failed */
	uint32_t tool;
	uint64_t trace[2];
	bool running, failed_hard;
};

struct demo {
	uint64_t random;
	uint32_t users;
	uint64_t number; /* events so far */
	struct session sessions[SESSIONS];
	uint32_t running;
	struct demo_totals totals;
};

static const char *const templates[] = {"support", "research", "coder", "triage", "sales"};
static const char *const models[] = {"gpt-4o-mini", "gpt-4o", "gpt-4.1", "claude-sonnet-4-5", "claude-haiku-4-5"};
static const double appetites[] = {0.35, 0.2, 0.1, 0.2, 0.15}; /* share of each model */
static const char *const tools[] = {"search", "browser", "sql", "calculator", "email", "calendar"};
static const char *const tool_errors[] = {"timeout", "not_found", "permission_denied"};
static const char *const model_errors[] = {"rate_limit", "overloaded", "context_length"};
static const char *const type_names[] = {
    [DEMO_START] = "agent.start", [DEMO_STOP] = "agent.stop",  [DEMO_MODEL] = "model.call",   [DEMO_TOOL] = "tool.call",
    [DEMO_ERROR] = "agent.error", [DEMO_POOL] = "pool.status", [DEMO_ACTIVE] = "user.active",
};

const char *demo_type_name(enum demo_type type)
{
	return type_names[type];
}

/* xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016). */
static uint64_t draw(struct demo *d)
{
	d->random ^= d->random >> 12;
	d->random ^= d->random << 25;
	d->random ^= d->random >> 27;
	return d->random * UINT64_C(2685821657736338717);
}

/* In [0, 1). */
static double draw_unit(struct demo *d)
{
	return (double)(draw(d) >> 11) * 0x1p-53;
}

static uint32_t draw_below(struct demo *d, uint32_t n)
{
	return (uint32_t)(draw_unit(d) * n);
}

static bool chance(struct demo *d, double p)
{
	return draw_unit(d) < p;
}

/* A log-normal value around `median`: the exponential of a sum of uniforms, which is near enough to a normal one and the same on every machine. */
static double draw_skewed(struct demo *d, double median, double spread)
{
	double sum = -6;
	for (int i = 0; i < 12; i++)
		sum += draw_unit(d);
	return median * exp(spread * sum);
}

/* Zipf's law with exponent 1: the inverse of its distribution function, continuous. */
static uint32_t draw_user(struct demo *d)
{
	uint32_t rank = (uint32_t)pow((double)d->users + 1, draw_unit(d)) - 1;
	return rank < d->users ? rank : d->users - 1;
}

static uint32_t draw_model(struct demo *d)
{
	double at = draw_unit(d);
	uint32_t m = 0;
	while (m + 1 < sizeof models / sizeof *models && at >= appetites[m])
		at -= appetites[m++];
	return m;
}

struct demo *demo_new(uint64_t seed, uint32_t users, int64_t start_ns)
{
	struct demo *d = mem_zalloc(1, sizeof *d);
	if (d == NULL)
		return NULL;
	/* The start belongs to the seed: two runs at different times then have different ids, and none is taken for a retry of the other. */
	d->random = (seed * UINT64_C(0x9e3779b97f4a7c15)) ^ (uint64_t)start_ns;
	if (d->random == 0)
		d->random = 1; /* the generator's only dead end */
	d->users = users > 0 ? users : 1;
	for (int i = 0; i < 8; i++)
		draw(d);
	return d;
}

void demo_free(struct demo *d)
{
	mem_free(d);
}

void demo_totals(const struct demo *d, struct demo_totals *out)
{
	*out = d->totals;
}

/* ---- lines ---- */

static void begin(struct demo *d, struct buf *out, enum demo_type type, int64_t now_ns)
{
	char time[32];
	clock_format_rfc3339(now_ns, time);
	d->totals.by_type[type]++;
	d->number++;
	buf_printf(out, "{\"type\":\"%s\",\"time\":\"%s\",\"id\":\"demo-%016llx\"", type_names[type], time,
	           (unsigned long long)draw(d));
}

static void put_session(struct demo *d, struct buf *out, const struct session *s)
{
	buf_printf(out,
	           ",\"agent_id\":\"agent-%u\",\"user_id\":\"user-%u\",\"tenant_id\":\"acme\",\"trace_id\":\"%016llx%"
	           "016llx\",\"span_id\":\"%016llx\"",
	           s->agent, s->user + 1, (unsigned long long)s->trace[0], (unsigned long long)s->trace[1],
	           (unsigned long long)draw(d));
}

static void end(struct buf *out)
{
	buf_str(out, "}\n");
}

static void open_session(struct demo *d, struct session *s, int64_t now_ns, struct buf *out)
{
	*s = (struct session){
	    .user = draw_user(d),
	    .agent = draw_below(d, 200) + 1,
	    .template_id = draw_below(d, 5),
	    .model = draw_model(d),
	    .rounds = 1 + draw_below(d, 6),
	    .trace = {draw(d), draw(d)},
	    .running = true,
	};
	d->running++;
	begin(d, out, DEMO_START, now_ns);
	put_session(d, out, s);
	buf_printf(out, ",\"template_id\":\"%s\"", templates[s->template_id]);
	end(out);
}

static void close_session(struct demo *d, struct session *s, int64_t now_ns, struct buf *out)
{
	begin(d, out, DEMO_STOP, now_ns);
	put_session(d, out, s);
	buf_printf(out, ",\"template_id\":\"%s\"", templates[s->template_id]);
	end(out);
	s->running = false;
	d->running--;
}

static void put_tokens(struct demo *d, struct buf *out)
{
	uint64_t input = (uint64_t)draw_skewed(d, 1400, 0.9) + 20;
	uint64_t output = (uint64_t)draw_skewed(d, 260, 0.8) + 1;
	uint64_t cached = chance(d, 0.4) ? (uint64_t)((double)input * 0.8 * draw_unit(d)) : 0;
	uint64_t reasoning = chance(d, 0.2) ? (uint64_t)((double)output * draw_unit(d)) : 0;
	d->totals.input_tokens += input;
	d->totals.output_tokens += output;
	buf_printf(
	    out, ",\"input_tokens\":%llu,\"output_tokens\":%llu,\"cached_input_tokens\":%llu,\"reasoning_tokens\":%llu",
	    (unsigned long long)input, (unsigned long long)output, (unsigned long long)cached,
	    (unsigned long long)reasoning);
}

static void model_call(struct demo *d, struct session *s, int64_t now_ns, struct buf *out)
{
	bool failed = chance(d, 0.03);
	begin(d, out, DEMO_MODEL, now_ns);
	put_session(d, out, s);
	buf_printf(out, ",\"template_id\":\"%s\",\"model\":\"%s\"", templates[s->template_id], models[s->model]);
	if (!failed)
		put_tokens(d, out);
	buf_printf(out, ",\"duration_ms\":%.1f,\"status\":\"%s\"", draw_skewed(d, failed ? 400 : 1900, 0.7),
	           failed ? "failed" : "success");
	if (failed) {
		buf_printf(out, ",\"error_type\":\"%s\"", model_errors[draw_below(d, 3)]);
	} else {
		s->rounds--;
		s->tools = s->rounds > 0 ? draw_below(d, 4) : 0;
		s->tool = draw_below(d, 6);
		buf_printf(out, ",\"stop_reason\":\"%s\"", s->tools > 0 ? "tool_use" : "end_turn");
	}
	end(out);
}

static void tool_call(struct demo *d, struct session *s, int64_t now_ns, struct buf *out)
{
	bool failed = chance(d, 0.08);
	begin(d, out, DEMO_TOOL, now_ns);
	put_session(d, out, s);
	buf_printf(out, ",\"tool_name\":\"%s\",\"status\":\"%s\",\"duration_ms\":%.1f", tools[s->tool],
	           failed ? "failed" : "success", draw_skewed(d, 180, 1.0));
	if (failed)
		buf_printf(out, ",\"error_type\":\"%s\"", tool_errors[draw_below(d, 3)]);
	end(out);
	if (failed && s->retries < RETRIES_MAX) {
		s->retries++; /* the same tool once more */
		return;
	}
	s->failed_hard = failed;
	s->retries = 0;
	s->tools--;
	if (!failed)
		s->tool = draw_below(d, 6);
}

static void agent_error(struct demo *d, struct session *s, int64_t now_ns, struct buf *out)
{
	begin(d, out, DEMO_ERROR, now_ns);
	put_session(d, out, s);
	buf_printf(out, ",\"error_type\":\"tool_failed\",\"message\":\"%s failed %d times\"", tools[s->tool],
	           RETRIES_MAX + 1);
	end(out);
	s->failed_hard = false;
	s->tool = draw_below(d, 6);
}

static void pool_status(struct demo *d, int64_t now_ns, struct buf *out)
{
	begin(d, out, DEMO_POOL, now_ns);
	buf_printf(out, ",\"size\":%u,\"max_size\":%d,\"queue_length\":%u,\"memory_bytes\":%u", d->running, SESSIONS,
	           draw_below(d, 12), (40 + 6 * d->running + draw_below(d, 20)) << 20);
	end(out);
}

static void user_active(struct demo *d, int64_t now_ns, struct buf *out)
{
	begin(d, out, DEMO_ACTIVE, now_ns);
	buf_printf(out, ",\"user_id\":\"user-%u\",\"tenant_id\":\"acme\"", draw_user(d) + 1);
	end(out);
}

void demo_next(struct demo *d, int64_t now_ns, struct buf *out)
{
	if (d->number % POOL_EVERY == 0) {
		pool_status(d, now_ns, out);
		return;
	}
	if (d->number % ACTIVE_EVERY == 0) {
		user_active(d, now_ns, out);
		return;
	}
	struct session *s = &d->sessions[draw_below(d, SESSIONS)];
	if (!s->running)
		open_session(d, s, now_ns, out);
	else if (s->failed_hard)
		agent_error(d, s, now_ns, out);
	else if (s->tools > 0)
		tool_call(d, s, now_ns, out);
	else if (s->rounds > 0)
		model_call(d, s, now_ns, out);
	else
		close_session(d, s, now_ns, out);
}
