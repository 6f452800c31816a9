/* See rehearse.h. */
#include "cli/rehearse.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "cli/demo_events.h"
#include "ingest/ingest.h"

enum {
	FRAME_EVENTS = 100,
	DEMO_EVENTS = 2000,
	DEMO_USERS = 50,
	FILE_MAX = 256 << 20,
	FAULTS_MAX = sizeof((struct rehearsal *)0)->known / sizeof(uint64_t)
};

#define STEP_NS (30 * NS_PER_S)               /* from frame to frame: short timers run in between */
#define LAST_STEP_NS (366 * 86400 * NS_PER_S) /* the longest interval of a timer */

/* ---- what is wrong ---- */

static void note(void *ctx, struct slice text)
{
	struct rehearsal *r = ctx;
	uint64_t hash = hash_bytes(text.ptr, text.len, 0);

	for (uint32_t i = 0; i < r->faults; i++) {
		if (r->known[i] == hash)
			return;
	}
	if (r->faults == FAULTS_MAX)
		return; /* enough to mend for once */
	r->known[r->faults++] = hash;
	fprintf(stderr, "%.*s\n", SLICE_ARG(text));
}

void rehearsal_options(struct rehearsal *r, struct script_options *options)
{
	options->strict_events = true;
	options->on_misuse = note;
	options->on_failure = r->events != NULL ? note : NULL;
	options->ctx = r;
}

static void filter_failed(void *ctx, struct record *record, const char *why)
{
	const struct rehearsal *r = ctx;

	(void)record;
	if (r->events != NULL)
		note(ctx, slice_cstr(why));
}

/* ---- events ---- */

static int read_events(const struct rehearsal *r, struct buf *out, struct error *err)
{
	if (r->events != NULL)
		return file_read_all(r->events, FILE_MAX, out, err);
	struct demo *demo = demo_new(1, DEMO_USERS, clock_wall_ns());
	if (demo == NULL)
		return error_set(err, -ENOMEM, "out of memory for events");
	for (int i = 0; i < DEMO_EVENTS; i++)
		demo_next(demo, clock_wall_ns(), out);
	demo_free(demo);
	return buf_failed(out) ? error_set(err, -ENOMEM, "out of memory for events") : 0;
}

static int decode(struct rehearsal *r, struct buf *body, struct batch *b, struct error *err)
{
	const struct config *c = r->config;
	const struct ingest_limits limits = {
	    .depth = c->events.depth,
	    .fields = c->events.fields,
	    .key_bytes = c->events.key_bytes,
	    .string_bytes = c->events.string_bytes,
	    .event_bytes = c->events.event_bytes,
	    .events = UINT32_MAX,
	};
	struct ingest_rejects rejects = {0};
	char text[512];

	if (buf_room(body, INGEST_PADDING) == NULL)
		return error_set(err, -ENOMEM, "out of memory for events");
	int rc = ingest_events_json(b, buf_slice(body), clock_wall_ns(), &limits, &rejects, err);
	if (rc != 0)
		error_prefix(err, "%s", r->events != NULL ? r->events : "demo");
	for (uint32_t i = 0; i < rejects.count && rc == 0; i++) {
		snprintf(text, sizeof text, "%s: event %u: %.*s", r->events, rejects.items[i].index,
		         SLICE_ARG(rejects.items[i].text));
		note(r, slice_cstr(text));
	}
	ingest_rejects_free(&rejects);
	return rc;
}

/* ---- running ---- */

struct clock_and_seq {
	int64_t now_ns;
	uint64_t seq;
};

static void frame(struct script_set *set, struct registry *registry, struct clock_and_seq *at, int64_t step_ns,
                  struct record **records, uint32_t count)
{
	struct record *kept[FRAME_EVENTS];
	uint32_t n = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (!records[i]->dropped)
			kept[n++] = records[i];
	}
	at->now_ns += step_ns;
	registry_set_now(registry, at->now_ns);
	script_set_apply(set, kept, n, ++at->seq, at->now_ns);
}

static void run(struct script_set *set, struct registry *registry, struct batch *b)
{
	struct clock_and_seq at = {.now_ns = clock_wall_ns()};
	struct record *records[FRAME_EVENTS];

	for (uint32_t from = 0; from < b->count; from += FRAME_EVENTS) {
		uint32_t n = b->count - from < FRAME_EVENTS ? b->count - from : FRAME_EVENTS;
		for (uint32_t i = 0; i < n; i++)
			records[i] = &b->records[from + i];
		frame(set, registry, &at, STEP_NS, records, n);
	}
	frame(set, registry, &at, LAST_STEP_NS, records, 0);
}

int rehearsal_run(struct rehearsal *r, struct script_set *set, struct registry *registry, struct error *err)
{
	struct buf body = {0};
	struct batch *b = batch_new();

	int rc = b == NULL ? error_set(err, -ENOMEM, "out of memory for events") : read_events(r, &body, err);
	if (rc == 0)
		rc = decode(r, &body, b, err);
	if (rc == 0) {
		if (script_set_has_filters(set))
			script_set_filter(set, b, filter_failed, r);
		run(set, registry, b);
		r->count = b->count;
	}
	batch_free(b);
	buf_free(&body);
	return rc;
}
