/* Intake: submissions become frames of the open group. Filters run first, so that nothing they remove is ever written; then the
 * window of known ids; what is left is framed.
 *
 * A group is committed when the sync thread is idle and about as many submissions have come as the last group had (those clients
 * have been answered and have sent again), else after 2 ms, or at 160 KiB. A lone client thus never waits for company, and
 * sixty-four of them share one sync. */
#include <errno.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/log.h"
#include "engine/internal.h"

enum { TRACE_DIGITS = 32, SPAN_DIGITS = 16 };

static void advance_clock(struct engine *e)
{
	int64_t now = clock_wall_ns();
	if (now > e->now_ns)
		e->now_ns = now;
}

static void end_frame(struct group *g)
{
	if (!g->frame_open)
		return;
	journal_frame_end(g->journal);
	g->frame_open = false;
}

static int begin_frame(struct engine *e, struct group *g, enum frame_kind kind)
{
	end_frame(g);
	struct frame_part part = {.first = g->ref_count, .kind = kind, .time_ns = e->now_ns};
	int code = journal_frame_begin(g->journal, kind, e->now_ns);
	if (code != 0)
		return code;
	g->frame_open = true;
	return group_add_part(g, &part);
}

int intake_frame(struct engine *e, struct group *g, enum frame_kind kind)
{
	if (g->frame_open && g->parts[g->part_count - 1].kind == kind)
		return 0;
	return begin_frame(e, g, kind);
}

int intake_added(struct group *g, int code)
{
	if (code == 1)
		end_frame(g);
	return code < 0 ? code : 0;
}

static int add_record(struct engine *e, struct group *g, struct record *r)
{
	int code = intake_frame(e, g, (enum frame_kind)r->kind);
	if (code == 0)
		code = group_add_ref(g, r);
	if (code != 0)
		return code;
	struct frame_part *part = &g->parts[g->part_count - 1];
	code = journal_frame_add(g->journal, r);
	if (code >= 0)
		part->count++;
	return intake_added(g, code);
}

/* A span is known by its ids and its end: SDKs repeat a body to the byte, and what has the same ids but another end is another span, as of a process that was forked. No tenant is called as the word here: it is
 * no UTF-8. */
static uint64_t span_key(const struct record *r)
{
	const struct value *trace = record_known(r, KNOWN_TRACE_ID), *span = record_known(r, KNOWN_SPAN_ID);
	const struct value *duration = record_get(r, SLICE("duration_ns"), hash_bytes("duration_ns", 11, hash_seed()));
	char key[TRACE_DIGITS + SPAN_DIGITS + sizeof(int64_t)];

	if (trace == NULL || span == NULL || trace->type != VALUE_STRING || span->type != VALUE_STRING ||
	    trace->len != TRACE_DIGITS || span->len != SPAN_DIGITS)
		return 0;
	uint64_t end = (uint64_t)r->time_ns;
	if (duration != NULL && duration->type == VALUE_INT)
		end += (uint64_t)duration->integer;
	memcpy(key, trace->str, TRACE_DIGITS);
	memcpy(key + TRACE_DIGITS, span->str, SPAN_DIGITS);
	memcpy(key + TRACE_DIGITS + SPAN_DIGITS, &end, sizeof end);
	return dedup_key(SLICE("\xffspan"), slice_new(key, sizeof key));
}

uint64_t intake_key(const struct record *r)
{
	if (r->kind == RECORD_SPAN)
		return span_key(r);
	const struct value *id = record_known(r, KNOWN_ID);
	if (id == NULL || id->type != VALUE_STRING)
		return 0;
	const struct value *tenant = record_known(r, KNOWN_TENANT_ID);
	struct slice of = {NULL, 0};
	if (tenant != NULL && tenant->type == VALUE_STRING)
		of = slice_new(tenant->str, tenant->len);
	return dedup_key(of, slice_new(id->str, id->len));
}

/* 1: the record is new; 0: it is known; negative: memory is out. */
static int admit(struct engine *e, struct group *g, uint64_t key)
{
	if (key == 0)
		return 1;
	int code = dedup_add(e->dedup, key);
	if (code != 1)
		return code;
	code = group_add_key(g, key);
	if (code != 0) {
		dedup_remove(e->dedup, key);
		return code;
	}
	return 1;
}

enum { AHEAD = 32 }; /* keys looked up together, so that their cache misses overlap */

static int add_records(struct engine *e, struct group *g, struct submission *s)
{
	struct batch *b = s->batch;
	uint64_t keys[AHEAD];
	for (uint32_t from = 0; from < b->count; from += AHEAD) {
		uint32_t n = b->count - from < AHEAD ? b->count - from : AHEAD;
		for (uint32_t i = 0; i < n; i++) {
			keys[i] = b->records[from + i].dropped ? 0 : intake_key(&b->records[from + i]);
			if (keys[i] != 0)
				dedup_prefetch(e->dedup, keys[i]);
		}
		for (uint32_t i = 0; i < n; i++) {
			struct record *r = &b->records[from + i];
			if (r->dropped)
				continue;
			int code = admit(e, g, keys[i]);
			if (code < 0)
				return code;
			if (code == 0) {
				s->duplicate++;
				continue;
			}
			code = add_record(e, g, r);
			if (code != 0)
				return code;
		}
	}
	return 0;
}

/* A filter failed on a record: it is refused, and the client is told. */
static void filter_failed(void *ctx, struct record *r, const char *why)
{
	struct submission *s = ctx;
	struct batch *b = s->batch;
	if (s->failures == NULL)
		s->failures = arena_alloc(&b->arena, (size_t)b->count * sizeof *s->failures);
	struct slice text = slice_cstr(why);
	/* A filter that fails does so for many records with the same words: one copy does. */
	if (s->failed > 0 && slice_eq(s->failures[s->failed - 1].why, text))
		text = s->failures[s->failed - 1].why;
	else
		text = arena_copy(&b->arena, text);
	if (s->failures == NULL || text.ptr == NULL) {
		s->status = -ENOMEM; /* of the whole: a record that is not named would pass for accepted */
		return;
	}
	CHECK(s->failed < b->count);
	s->failures[s->failed++] = (struct submission_failure){r->index, text};
}

/* Nothing of the open group can be trusted any more (memory ran out half-way): all of it is refused. */
static void abandon_open(struct engine *e, int status)
{
	struct group *g = e->open;
	e->open = NULL;
	group_fail(e, g, status);
}

void intake_submission(struct engine *e, struct submission *s)
{
	s->status = 0;
	s->accepted = s->duplicate = s->failed = 0;
	s->failures = NULL;
	s->results = (struct sample_results){0};
	if (s->batch != NULL && e->set != NULL && script_set_has_filters(e->set))
		script_set_filter(e->set, s->batch, filter_failed, s);
	if (s->status != 0) {
		submissions_finish(e, s, s->status);
		return;
	}

	struct group *g = e->open;
	CHECK(g != NULL);
	advance_clock(e);
	if (g->submissions == 0) {
		g->opened_ns = clock_mono_ns();
		dedup_advance(e->dedup, e->now_ns);
	}
	group_add_submission(g, s);
	int code = s->batch != NULL ? add_records(e, g, s) : samples_intake(e, g, s);
	if (code != 0)
		abandon_open(e, code);
	else if (s->batch != NULL)
		s->accepted = s->batch->count - s->duplicate - s->failed;
}

/* A frame for a control record. 0 and its part, which takes over a reload that the record stands for; or a negative errno: then the group is to be abandoned. */
static int add_control(struct engine *e, struct group *g, enum control_type type, struct slice payload,
                       struct frame_part **part)
{
	end_frame(g);
	struct frame_part new = {.kind = FRAME_CONTROL, .control = type, .time_ns = e->now_ns, .first = g->ref_count};
	int code = group_add_part(g, &new);
	if (code != 0)
		return code;
	code = journal_control_add(g->journal, e->now_ns, (uint8_t)type, payload);
	if (code != 0)
		return code;
	*part = &g->parts[g->part_count - 1];
	return 0;
}

int intake_control(struct engine *e, struct group *g, enum control_type type)
{
	struct frame_part *part;
	return add_control(e, g, type, SLICE(""), &part);
}

void intake_controls(struct engine *e)
{
	CHECK(e->open != NULL);
	advance_clock(e);
	while (e->control_sent < e->control_count) {
		uint32_t i = e->control_sent;
		struct frame_part *part;
		int code = add_control(e, e->open, e->control_types[i], buf_slice(&e->controls[i]), &part);
		if (code != 0) { /* all of them come again with the next group */
			abandon_open(e, code);
			return;
		}
		e->open->controls++;
		e->control_sent++;
	}
}

void intake_reload(struct engine *e, struct reload *reload)
{
	CHECK(e->open != NULL);
	advance_clock(e);
	struct buf bytes = {0};
	struct frame_part *part;
	int code = script_bundle_save(reload->bundle, &bytes);
	if (code == 0) {
		code = add_control(e, e->open, CONTROL_SCRIPTS, buf_slice(&bytes), &part);
		if (code != 0)
			abandon_open(e, code);
	}
	buf_free(&bytes);
	if (code == 0) {
		part->reload = reload;
		return;
	}
	struct error err;
	error_set(&err, code, "the scripts could not be journaled: %s", strerror(-code));
	if (reload->done != NULL)
		reload->done(reload->user, code, &err);
	reload_free(reload);
}

/* Does one of its frames tell the scripts that it is so late? Those of samples do not: they go once they are stored, and a replay without them is to be the same. Nor do control records. */
static bool carries_time(const struct group *g, int64_t time_ns)
{
	for (uint32_t i = 0; i < g->part_count; i++) {
		enum frame_kind kind = g->parts[i].kind;
		if (kind != FRAME_SAMPLES && kind != FRAME_CONTROL && g->parts[i].time_ns >= time_ns)
			return true;
	}
	return false;
}

void intake_clock(struct engine *e, int64_t due_ns)
{
	CHECK(e->open != NULL);
	advance_clock(e);
	if (carries_time(e->open, due_ns))
		return;
	int code = begin_frame(e, e->open, FRAME_CLOCK);
	if (code != 0) {
		abandon_open(e, code);
		return;
	}
	end_frame(e->open);
}

static bool commit_is_due(const struct engine *e, const struct group *g, int64_t waited_ns)
{
	if (journal_group_bytes(g->journal) >= GROUP_BYTES)
		return true;
	if (e->in_flight > 0)
		return false; /* the next sync takes all that gathers meanwhile */
	if (g->submissions == 0)
		return g->part_count > 0;
	return g->submissions >= e->recent - e->recent / 8 || waited_ns >= GROUP_WAIT_NS;
}

int64_t intake_commit_due(struct engine *e, bool force)
{
	struct group *g = e->open;
	if (g == NULL || (g->submissions == 0 && g->part_count == 0))
		return INT64_MAX;
	int64_t waited = clock_mono_ns() - g->opened_ns;
	if (!force && !commit_is_due(e, g, waited))
		return e->in_flight > 0 ? INT64_MAX : GROUP_WAIT_NS - waited;
	end_frame(g);
	e->open = NULL;
	if (g->submissions > 0)
		e->recent = g->submissions;
	if (g->part_count > 0) {
		if (g->has_samples)
			e->sample_bytes += journal_group_bytes(g->journal);
		e->in_flight++;
		e->last_committed = g;
		journal_group_commit(g->journal);
		return INT64_MAX;
	}
	/* Duplicates only, or samples that were all refused: they are answered when what they repeat is. */
	if (e->last_committed != NULL) {
		*e->last_committed->tail = g->head;
		e->last_committed->tail = g->tail;
	} else {
		submissions_finish(e, g->head, 0);
	}
	group_release(e, g);
	return INT64_MAX;
}
