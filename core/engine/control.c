/* Control records: what happened to the engine besides records. They are pushed while a frame is being applied and journaled with the
 * next group. */
#include <errno.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/internal.h"

int control_push(struct engine *e, enum control_type type, const struct buf *payload)
{
	if (buf_failed(payload))
		return -ENOMEM;
	if (e->control_count == e->control_cap) {
		int code = mem_grow((void **)&e->controls, &e->control_cap, e->control_count, sizeof *e->controls);
		if (code != 0)
			return code;
	}
	if (e->control_count == e->control_type_cap) {
		int code = mem_grow((void **)&e->control_types, &e->control_type_cap, e->control_count,
		                    sizeof *e->control_types);
		if (code != 0)
			return code;
	}
	e->controls[e->control_count] = *payload;
	e->control_types[e->control_count++] = type;
	return 0;
}

static void owe(struct engine *e, int code)
{
	checkpoint_owe(e);
	LOG(LOG_WARN, "a control record was lost: until the next checkpoint a replay may differ",
	    log_str("error", strerror(-code)));
}

/* Without memory for the record, a checkpoint has to make it needless. */
static void push_or_owe(struct engine *e, enum control_type type, struct buf *payload)
{
	int code = control_push(e, type, payload);
	if (code == 0)
		return;
	buf_free(payload);
	owe(e, code);
}

void control_forget(struct engine *e, uint32_t count)
{
	CHECK(count <= e->control_sent);
	if (count == 0)
		return;
	for (uint32_t i = 0; i < count; i++)
		buf_free(&e->controls[i]);
	uint32_t left = e->control_count - count;
	memmove(e->controls, e->controls + count, left * sizeof *e->controls);
	memmove(e->control_types, e->control_types + count, left * sizeof *e->control_types);
	e->control_count = left;
	e->control_sent -= count;
}

void control_cut(void *ctx, const struct script_cut *cut)
{
	struct engine *e = ctx;
	if (e->replaying)
		return; /* the journal has it already */
	struct buf b = {0};
	bytes_put_u64(&b, cut->seq);
	bytes_put_u32(&b, cut->call);
	bytes_put_u32(&b, cut->effects);
	bytes_put_slice(&b, cut->script);
	buf_byte(&b, cut->starved);
	push_or_owe(e, CONTROL_CUT, &b);
}

void control_not_bound(struct engine *e, uint64_t seq)
{
	struct buf b = {0};
	bytes_put_u64(&b, seq);
	push_or_owe(e, CONTROL_NOT_BOUND, &b);
}

void control_traces(struct engine *e, uint64_t seq, struct slice outcomes)
{
	struct buf b = {0};
	bytes_put_u64(&b, seq);
	buf_slice_append(&b, outcomes);
	push_or_owe(e, CONTROL_TRACES, &b);
}

void control_traces_lost(struct engine *e)
{
	owe(e, -ENOMEM);
}

int control_traces_decode(struct slice payload, uint64_t *seq, struct slice *outcomes, struct error *err)
{
	*outcomes = payload;
	return bytes_get_u64(outcomes, seq) ? 0 : error_set(err, -EBADMSG, "a record of traces ends early");
}

void control_quarantine(void *ctx, struct slice script, struct slice reason)
{
	struct engine *e = ctx;
	if (stopped_note(e, ENGINE_STOP_HANDLERS, script, reason)) {
		atomic_fetch_add(&e->quarantined, 1);
		LOG(LOG_ERROR, "script quarantined", log_slice("script", script), log_slice("reason", reason));
	}
	if (e->replaying)
		return;
	struct buf b = {0};
	bytes_put_slice(&b, script);
	bytes_put_slice(&b, reason);
	bytes_put_u64(&b, e->applied_seq);
	push_or_owe(e, CONTROL_QUARANTINE, &b);
}

void control_filters_stopped(void *ctx, struct slice script, struct slice reason)
{
	struct engine *e = ctx;
	stopped_note(e, ENGINE_STOP_FILTERS, script, reason);
}

int control_cut_decode(struct slice payload, struct script_cut *out, struct error *err)
{
	uint8_t starved = 0;
	*out = (struct script_cut){0};
	if (!bytes_get_u64(&payload, &out->seq) || !bytes_get_u32(&payload, &out->call) ||
	    !bytes_get_u32(&payload, &out->effects) || !bytes_get_slice(&payload, &out->script))
		return error_set(err, -EBADMSG, "a cut record of the journal ends early");
	if (payload.len > 0 && bytes_get_u8(&payload, &starved))
		out->starved = starved != 0;
	return 0;
}

int control_not_bound_decode(struct slice payload, uint64_t *seq, struct error *err)
{
	return bytes_get_u64(&payload, seq) ? 0 : error_set(err, -EBADMSG, "a record of refused scripts ends early");
}

int control_quarantine_decode(struct slice payload, struct quarantine *out, struct error *err)
{
	*out = (struct quarantine){0};
	if (!bytes_get_slice(&payload, &out->script) || !bytes_get_slice(&payload, &out->reason))
		return error_set(err, -EBADMSG, "a quarantine record of the journal ends early");
	if (payload.len == 0)
		return 0;
	if (!bytes_get_u64(&payload, &out->seq))
		return error_set(err, -EBADMSG, "a quarantine record of the journal ends early");
	return 0;
}
