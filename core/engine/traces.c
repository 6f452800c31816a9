/* The buffer of traces in the engine: what a frame does to it, and its way through checkpoint and journal. */
#include <errno.h>

#include "base/bytes.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/internal.h"

int traces_start(struct engine *e, struct error *err)
{
	const struct config *c = e->config;
	struct traces_options o = {.settle_ns = c->traces.settle_ns,
	                           .max_age_ns = c->traces.max_age_ns,
	                           .max_bytes = c->traces.max_bytes,
	                           .max_spans = c->traces.max_spans};

	traces_free(e->traces);
	e->traces = traces_new(&o);
	return e->traces != NULL ? 0 : error_set(err, -ENOMEM, "out of memory for traces");
}

struct traces *engine_traces(struct engine *e)
{
	return e->traces;
}

/* ---- frames ---- */

static enum trace_verdict decide(void *ctx, const struct trace *trace)
{
	struct engine *e = ctx;

	return e->set != NULL ? script_set_trace(e->set, e->traces, trace) : TRACE_KEEP;
}

/* What the frame has decided goes to the journal; behind a restart it is decided again, or is there already. */
static void journal_outcomes(struct engine *e, uint64_t seq)
{
	struct buf outcomes = {0};
	int code = traces_outcomes(e->traces, &outcomes);

	if (!e->replaying && code != 0)
		control_traces_lost(e);
	else if (!e->replaying && outcomes.len > 0)
		control_traces(e, seq, buf_slice(&outcomes));
	buf_free(&outcomes);
}

void traces_apply_frame(struct engine *e, struct record *const *records, uint32_t count, uint64_t seq, int64_t time_ns)
{
	if (e->set != NULL)
		script_set_begin(e->set, seq, time_ns, e->traces);
	int code = traces_close_due(e->traces, time_ns, decide, e);
	if (e->set != NULL)
		script_set_records(e->set, records, count);
	int added = traces_add(e->traces, records, count, seq, time_ns);
	if (code != 0 || added != 0)
		LOG(LOG_WARN, added != 0 ? "spans were left out of their traces: out of memory"
		                         : "traces could not be closed and will be later: out of memory");
	journal_outcomes(e, seq);
}

/* ---- checkpoints: the saved buffer, then the outcomes that are not durable yet, each as the control record has it ---- */

int traces_save_section(const struct engine *e, struct buf *out)
{
	struct buf saved = {0};
	int code = traces_save(e->traces, &saved);

	if (code == 0) {
		bytes_put_slice(out, buf_slice(&saved));
		for (uint32_t i = 0; i < e->control_count; i++) {
			if (e->control_types[i] == CONTROL_TRACES)
				bytes_put_slice(out, buf_slice(&e->controls[i]));
		}
	}
	buf_free(&saved);
	return code == 0 && buf_failed(out) ? -ENOMEM : code;
}

static int load_outcomes(struct engine *e, struct slice payload, struct error *err)
{
	struct slice outcomes;
	uint64_t seq;
	int code = control_traces_decode(payload, &seq, &outcomes, err);

	return code == 0 ? traces_refill_outcomes(e->traces, outcomes, err) : code;
}

int traces_load_section(struct engine *e, struct slice saved, struct error *err)
{
	struct slice part;
	int code = bytes_get_slice(&saved, &part) ? traces_load(e->traces, part, err)
	                                          : error_set(err, -EBADMSG, "its section of traces ends early");

	while (code == 0 && saved.len > 0) {
		code = bytes_get_slice(&saved, &part) ? load_outcomes(e, part, err)
		                                      : error_set(err, -EBADMSG, "its section of traces ends early");
	}
	struct error again = {0};
	if (code != 0 && traces_start(e, &again) != 0)
		return error_set(err, -ENOMEM, "out of memory for traces");
	return code;
}

/* ---- recovery ---- */

struct reading {
	struct engine *engine;
	struct batch *batch;
	struct record **refs;
	size_t ref_cap;
	struct error *err;
};

/* Of frames behind the checkpoint the replay decides again. What cannot be read is named by the replay. */
static int read_outcomes(void *ctx, const struct frame *f)
{
	struct reading *r = ctx;
	struct error why = {0};
	uint8_t type;
	struct slice payload, outcomes;
	uint64_t seq;

	if (f->kind != FRAME_CONTROL || frame_control(f, &type, &payload, &why) != 0 || type != CONTROL_TRACES)
		return 0;
	int code = control_traces_decode(payload, &seq, &outcomes, &why);
	if (code == 0 && seq <= r->engine->applied_seq)
		code = traces_refill_outcomes(r->engine->traces, outcomes, &why);
	if (code == -EBADMSG)
		LOG(LOG_ERROR, "a control record cannot be read", log_str("error", why.text));
	return code == -ENOMEM ? error_set(r->err, code, "out of memory for traces during recovery") : 0;
}

static int refill(struct reading *r, const struct frame *f)
{
	const struct batch *b = r->batch;

	while (r->ref_cap < b->count) {
		if (mem_grow((void **)&r->refs, &r->ref_cap, r->ref_cap, sizeof *r->refs) != 0)
			return -ENOMEM;
	}
	for (uint32_t i = 0; i < b->count; i++)
		r->refs[i] = &b->records[i];
	return traces_refill(r->engine->traces, r->refs, b->count, f->seq, f->time_ns);
}

static int read_spans(void *ctx, const struct frame *f)
{
	struct reading *r = ctx;
	struct error why = {0};

	if (f->seq > r->engine->applied_seq)
		return 1;
	if (f->kind != FRAME_SPANS && f->kind != FRAME_EVENTS)
		return 0;
	int code = frame_decode(f, r->batch, &why);
	if (code == 0)
		code = refill(r, f);
	else if (code == -EBADMSG)
		LOG(LOG_ERROR, "a frame cannot be decoded", log_int("seq", f->seq), log_str("error", why.text));
	return code == -ENOMEM ? error_set(r->err, code, "out of memory for traces during recovery") : 0;
}

int traces_recover(struct engine *e, struct error *err)
{
	uint64_t oldest = traces_oldest_seq(e->traces);
	struct reading r = {.engine = e, .err = err};
	int code = 0;

	if (oldest <= e->applied_seq && oldest > 0) {
		r.batch = batch_new();
		code = r.batch != NULL ? journal_replay(e->journal, oldest - 1, 0, read_outcomes, &r, err) : -ENOMEM;
		if (code == 0)
			code = journal_replay(e->journal, oldest - 1, 0, read_spans, &r, err);
	}
	batch_free(r.batch);
	mem_free(r.refs);
	if (code >= 0)
		code = traces_refill_end(e->traces);
	return code == -ENOMEM ? error_set(err, code, "out of memory for traces during recovery") : code;
}
