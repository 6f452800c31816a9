/* Recovery: checkpoint, then the frames behind it, through the same scripts and the same code as the first time.
 *
 * The journal is read twice. The first pass looks at what must be known beforehand: which calls were cut off (their records lie behind the
 * frames they speak of), and which ids are within the window. The second applies. */
#include <errno.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/internal.h"

struct replay {
	struct engine *engine;
	struct batch *batch;
	struct samples_replay *samples;
	struct record **refs;
	size_t ref_cap;
	int64_t window_from_ns;
	struct slice stuck_script; /* in stuck_text */
	struct buf stuck_text;
	uint64_t undecodable;
	uint64_t scripts_seq; /* the frame with which the set at hand came in; 0: it is the checkpoint's */
	struct error *err;
};

static bool is_records(enum frame_kind kind)
{
	return kind == FRAME_EVENTS || kind == FRAME_SPANS || kind == FRAME_LOGS || kind == FRAME_AUDIT;
}

/* A frame whose checksum holds but whose payload no writer makes: named, counted, passed over. */
static int frame_is_bad(struct replay *p, const struct frame *f, const struct error *why)
{
	p->undecodable++;
	LOG(LOG_ERROR, "a frame cannot be decoded", log_int("seq", f->seq), log_str("error", why->text));
	return 0;
}

static bool has_ids(enum frame_kind kind)
{
	return kind == FRAME_EVENTS || kind == FRAME_SPANS;
}

static int add_ids(struct replay *p, const struct frame *f)
{
	struct engine *e = p->engine;
	dedup_advance(e->dedup, f->time_ns);
	for (uint32_t i = 0; i < p->batch->count; i++) {
		uint64_t key = intake_key(&p->batch->records[i]);
		if (key != 0 && dedup_add(e->dedup, key) < 0)
			return error_set(p->err, -ENOMEM, "out of memory while rebuilding the window of known ids");
	}
	return 0;
}

static int keep_cut(struct replay *p, struct slice payload)
{
	struct engine *e = p->engine;
	struct script_cut cut;
	struct error why = {0};
	if (control_cut_decode(payload, &cut, &why) != 0) {
		LOG(LOG_ERROR, "a control record cannot be read", log_str("error", why.text));
		return 0;
	}
	if (cut.seq <= e->applied_seq)
		return 0;
	if (e->cut_count == e->cut_cap && mem_grow((void **)&e->cuts, &e->cut_cap, e->cut_count, sizeof *e->cuts) != 0)
		return error_set(p->err, -ENOMEM, "out of memory during recovery");
	char *script = mem_strndup(cut.script.ptr, cut.script.len);
	if (script == NULL)
		return error_set(p->err, -ENOMEM, "out of memory during recovery");
	cut.script = slice_new(script, cut.script.len);
	e->cuts[e->cut_count++] = (struct cut_record){cut, script};
	return 0;
}

static int keep_not_bound(struct replay *p, struct slice payload)
{
	struct engine *e = p->engine;
	struct error why = {0};
	uint64_t seq;
	if (control_not_bound_decode(payload, &seq, &why) != 0) {
		LOG(LOG_ERROR, "a control record cannot be read", log_str("error", why.text));
		return 0;
	}
	if (mem_grow((void **)&e->not_bound, &e->not_bound_cap, e->not_bound_count, sizeof *e->not_bound) != 0)
		return error_set(p->err, -ENOMEM, "out of memory during recovery");
	e->not_bound[e->not_bound_count++] = seq;
	return 0;
}

static bool was_bound(const struct engine *e, uint64_t seq)
{
	for (size_t i = 0; i < e->not_bound_count; i++) {
		if (e->not_bound[i] == seq)
			return false;
	}
	return true;
}

static int look_ahead(void *ctx, const struct frame *f)
{
	struct replay *p = ctx;
	struct error why = {0};
	if (f->kind == FRAME_CONTROL) {
		uint8_t type;
		struct slice payload;
		if (frame_control(f, &type, &payload, &why) != 0)
			return frame_is_bad(p, f, &why);
		if (type == CONTROL_NOT_BOUND)
			return keep_not_bound(p, payload);
		return type == CONTROL_CUT ? keep_cut(p, payload) : 0;
	}
	bool known_by_checkpoint = f->seq <= p->engine->applied_seq;
	if (!has_ids(f->kind) || !known_by_checkpoint || f->time_ns < p->window_from_ns)
		return 0;
	int code = frame_decode(f, p->batch, &why);
	if (code == -ENOMEM)
		return error_set(p->err, code, "out of memory during recovery");
	return code != 0 ? frame_is_bad(p, f, &why) : add_ids(p, f);
}

/* Runs the scripts over the records in refs. A call that ended for want of memory now would have counted the first time. */
static int apply_scripts(struct replay *p, const struct frame *f, uint32_t count)
{
	const struct engine *e = p->engine;
	uint64_t starved = script_host_starved(e->host);
	traces_apply_frame(p->engine, p->refs, count, f->seq, f->time_ns);
	if (script_host_starved(e->host) != starved)
		return error_set(p->err, -ENOMEM, "out of memory for the scripts during recovery");
	return 0;
}

static int replay_records(struct replay *p, const struct frame *f)
{
	struct error why = {0};
	int code = frame_decode(f, p->batch, &why);
	if (code == -ENOMEM)
		return error_set(p->err, code, "out of memory during recovery");
	if (code != 0)
		return frame_is_bad(p, f, &why);
	while (p->ref_cap < p->batch->count) {
		if (mem_grow((void **)&p->refs, &p->ref_cap, p->ref_cap, sizeof *p->refs) != 0)
			return error_set(p->err, -ENOMEM, "out of memory during recovery");
	}
	for (uint32_t i = 0; i < p->batch->count; i++)
		p->refs[i] = &p->batch->records[i];
	if (has_ids(f->kind) && add_ids(p, f) != 0)
		return -ENOMEM;
	return apply_scripts(p, f, p->batch->count);
}

static int expect_cuts(struct replay *p)
{
	struct engine *e = p->engine;
	if (e->set == NULL)
		return 0;
	script_set_replaying(e->set, true);
	struct script_cut *cuts = mem_zalloc(e->cut_count + 1, sizeof *cuts);
	if (cuts == NULL)
		return error_set(p->err, -ENOMEM, "out of memory during recovery");
	for (uint32_t i = 0; i < e->cut_count; i++)
		cuts[i] = e->cuts[i].cut;
	int code = script_set_expect_cuts(e->set, cuts, e->cut_count);
	mem_free(e->expected);
	e->expected = cuts;
	return code == 0 ? 0 : error_set(p->err, code, "out of memory during recovery");
}

static int replay_scripts(struct replay *p, const struct frame *f, struct slice payload)
{
	struct engine *e = p->engine;
	struct reload *reload = mem_zalloc(1, sizeof *reload);
	if (reload == NULL)
		return error_set(p->err, -ENOMEM, "out of memory during recovery");
	struct error why = {0};
	int code = script_bundle_load(payload, &reload->bundle, &why);
	if (code == 0)
		code = script_set_load(e->host, reload->bundle, &reload->set, &why);
	if (code == 0)
		code = apply_reload(e, reload, &why);
	if (code != 0)
		LOG(LOG_WARN, "scripts of the journal do not load", log_int("seq", f->seq), log_str("error", why.text));
	reload_free(reload);
	if (code == -ENOMEM)
		return error_set(p->err, code, "out of memory for the scripts during recovery");
	if (code != 0)
		return 0;
	p->scripts_seq = f->seq;
	return expect_cuts(p);
}

/* The record lies behind the frame that it speaks of. A checkpoint in between has the quarantine already, and a set that came in between is another one, which
 * runs. (Otherwise the cuts have led to it again by now, in the same call as the first time.) */
static int replay_quarantine(struct replay *p, const struct frame *f, struct slice payload)
{
	struct engine *e = p->engine;
	struct quarantine q;
	struct error why = {0};
	if (control_quarantine_decode(payload, &q, &why) != 0)
		return frame_is_bad(p, f, &why);
	if (q.seq != 0 && (q.seq <= e->checkpoint_seq || q.seq <= p->scripts_seq))
		return 0;
	if (e->set != NULL)
		script_set_quarantine(e->set, q.script, q.reason);
	return 0;
}

static int replay_control(struct replay *p, const struct frame *f)
{
	uint8_t type;
	struct slice payload;
	struct error why = {0};
	if (frame_control(f, &type, &payload, &why) != 0)
		return frame_is_bad(p, f, &why);
	if (type == CONTROL_SCRIPTS)
		return was_bound(p->engine, f->seq) ? replay_scripts(p, f, payload) : 0;
	if (type == CONTROL_NUMBERS)
		samples_replay_anew(p->samples);
	return type == CONTROL_QUARANTINE ? replay_quarantine(p, f, payload) : 0;
}

static int replay_samples(struct replay *p, const struct frame *f)
{
	struct engine *e = p->engine;
	struct error why = {0};
	e->content_seq = f->seq;
	e->counters.applied_frames++;
	int code = samples_replay_frame(p->samples, f, &why);
	if (code == -EBADMSG)
		return frame_is_bad(p, f, &why);
	return code == 0 ? 0 : error_set(p->err, code, "out of memory for samples during recovery");
}

static int replay_frame(void *ctx, const struct frame *f)
{
	struct replay *p = ctx;
	struct engine *e = p->engine;
	if (e->stuck_seq == f->seq && e->set != NULL)
		script_set_quarantine(e->set, p->stuck_script, SLICE("a call did not return in an earlier run"));
	e->applied_seq = f->seq;
	e->now_ns = f->time_ns;
	if (f->kind == FRAME_SAMPLES)
		return replay_samples(p, f);
	apply_tick(e, f->time_ns);
	if (apply_tick_end(e) != 0)
		return error_set(p->err, -ENOMEM, "out of memory for the history during recovery");
	e->applied_ns = f->time_ns;
	registry_set_now(e->registry, f->time_ns);
	e->counters.applied_frames++;
	if (f->kind != FRAME_CLOCK)
		e->content_seq = f->seq;
	if (is_records(f->kind))
		return replay_records(p, f);
	if (f->kind == FRAME_CONTROL)
		return replay_control(p, f);
	return f->kind == FRAME_CLOCK ? apply_scripts(p, f, 0) : 0;
}

/* The watchdog's note of an earlier run: "<seq> <script>\n". */
static void read_stuck(struct replay *p)
{
	struct engine *e = p->engine;
	struct error why = {0};
	if (file_read_all(e->backstop_path, 4096, &p->stuck_text, &why) != 0)
		return;
	buf_byte(&p->stuck_text, '\0');
	if (buf_failed(&p->stuck_text))
		return;
	char *end;
	e->stuck_seq = strtoull(p->stuck_text.ptr, &end, 10);
	while (*end == ' ')
		end++;
	p->stuck_script = slice_new(end, strcspn(end, "\n"));
	if (e->stuck_seq != 0)
		LOG(LOG_WARN, "a script did not return in the last run: it is quarantined at that frame",
		    log_slice("script", p->stuck_script), log_int("seq", e->stuck_seq));
}

static int replay_all(struct replay *p, const struct engine *e, struct error *err)
{
	int64_t window = e->config->dedup.window_ns;
	p->window_from_ns = e->applied_ns > window ? e->applied_ns - window : 0;
	int code = journal_replay(e->journal, 0, e->applied_seq == 0 ? 0 : p->window_from_ns, look_ahead, p, err);
	if (code != 0)
		return code;
	code = expect_cuts(p);
	if (code == 0)
		code = traces_recover(p->engine, err);
	if (code != 0)
		return code;
	tsdb_replay_begin(e->store);
	code = journal_replay(e->journal, e->applied_seq, 0, replay_frame, p, err);
	tsdb_replay_end(e->store);
	return code;
}

static void forget_cuts(struct engine *e)
{
	if (e->set != NULL) {
		script_set_expect_cuts(e->set, NULL, 0);
		script_set_replaying(e->set, false);
	}
	for (uint32_t i = 0; i < e->cut_count; i++)
		mem_free(e->cuts[i].script);
	mem_free(e->cuts);
	mem_free(e->expected);
	mem_free(e->not_bound);
	e->not_bound = NULL;
	e->not_bound_count = e->not_bound_cap = 0;
	e->cuts = NULL;
	e->expected = NULL;
	e->cut_count = 0;
	e->cut_cap = 0;
}

/* Behind a checkpoint: what it has and the next tick does not see has ended. */
static void resume_ticks(struct engine *e)
{
	struct metrics_snapshot *s = registry_snapshot_at(e->registry, ticker_last(e->ticker, e->applied_ns));

	if (ticker_resume(e->ticker, e->applied_ns, s) != 0 || s == NULL)
		LOG(LOG_WARN, "the ends of some live series will not be seen: out of memory");
}

int engine_recover(struct engine *e, struct error *err)
{
	int64_t began = clock_mono_ns();
	struct replay p = {.engine = e, .err = err};
	e->replaying = true;
	int code = checkpoint_load(e, err);
	if (code != 0 && code != -ENOENT)
		return code;
	e->ticker = ticker_new(e->store, e->config->store.resolution_ns / NS_PER_MS * NS_PER_MS);
	if (e->ticker == NULL)
		return error_set(err, -ENOMEM, "out of memory during recovery");
	if (code == 0)
		resume_ticks(e);
	uint64_t from = e->applied_seq;
	journal_skip_to(e->journal, from);
	p.batch = batch_new();
	p.samples = samples_replay_new(e);
	if (p.batch == NULL || p.samples == NULL) {
		code = error_set(err, -ENOMEM, "out of memory during recovery");
	} else {
		read_stuck(&p);
		code = replay_all(&p, e, err);
		forget_cuts(e);
	}
	batch_free(p.batch);
	samples_replay_free(p.samples);
	mem_free(p.refs);
	buf_free(&p.stuck_text);
	e->replaying = false;
	if (code != 0)
		return code;
	/* The floor stays at nothing until the next checkpoint: the one that was loaded is then the older of two. */
	atomic_store(&e->recovered, true);
	if (e->counters.lost_samples > 0)
		LOG(LOG_ERROR, "samples are lost: what says whose they are was damaged",
		    log_int("samples", e->counters.lost_samples));
	LOG(LOG_INFO, "recovered", log_int("checkpoint_seq", from), log_int("seq", e->applied_seq),
	    log_int("undecodable_frames", p.undecodable), log_num("seconds", (double)(clock_mono_ns() - began) / 1e9));
	return 0;
}
