/* Applying: what is durable becomes values. Frames run through the scripts in the order of their sequence numbers, live and at
 * recovery alike. */
#include <errno.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/internal.h"

#define EXPIRE_EVERY_NS (5 * NS_PER_S)

void reload_free(struct reload *reload)
{
	if (reload == NULL)
		return;
	script_set_free(reload->set);
	script_bundle_free(reload->bundle);
	mem_free(reload);
}

int apply_reload(struct engine *e, struct reload *reload, struct error *err)
{
	int code = script_set_bind(reload->set, err);
	if (code != 0) {
		atomic_fetch_add(&e->reload_failures, 1);
		atomic_store(&e->reload_refused, true);
		return code;
	}
	script_set_free(e->set);
	script_bundle_free(e->bundle);
	e->set = reload->set;
	e->bundle = reload->bundle;
	reload->set = NULL;
	reload->bundle = NULL;
	e->counters.reloads++;
	e->counters.reload_time_ns = clock_wall_ns();
	atomic_store(&e->reload_refused, false);
	atomic_store(&e->quarantined, 0);
	stopped_clear(e);
	atomic_store(&e->scripts_loaded, true);
	return 0;
}

static void apply_scripts_part(struct engine *e, struct frame_part *part)
{
	struct reload *reload = part->reload;
	part->reload = NULL;
	struct error err = {0};
	int code = apply_reload(e, reload, &err);
	if (code == 0)
		LOG(LOG_INFO, "scripts loaded", log_int("seq", e->applied_seq), log_int("files", e->bundle->count));
	else
		LOG(LOG_ERROR, "scripts refused", log_str("error", err.text));
	if (code == -ENOMEM)
		control_not_bound(e, e->applied_seq);
	if (reload->done != NULL)
		reload->done(reload->user, code, &err);
	reload_free(reload);
	if (code == 0)
		checkpoint_soon(e);
}

int apply_tick_end(struct engine *e)
{
	int code = 0;
	while (ticker_pending(e->ticker) && code >= 0)
		code = ticker_run(e->ticker, UINT32_MAX);
	return code < 0 ? code : 0;
}

void apply_tick(struct engine *e, int64_t time_ns)
{
	int64_t tick_ns;
	if (!ticker_due(e->ticker, time_ns, &tick_ns))
		return;
	(void)apply_tick_end(e); /* what memory does not suffice for is counted as cut */
	if (tick_ns > e->applied_ns)
		registry_set_now(e->registry, tick_ns);
	struct metrics_snapshot *s = registry_snapshot(e->registry);
	if (s != NULL)
		ticker_begin(e->ticker, s, tick_ns);
	else /* the next frame asks again */
		LOG(LOG_WARN, "the live metrics could not be sampled: out of memory");
}

static void apply_part(struct engine *e, struct group *g, struct frame_part *part, uint64_t seq)
{
	if (part->kind ==
	    FRAME_SAMPLES) { /* stored with the group; the clock of scripts and registry does not follow */
		e->applied_seq = e->content_seq = seq;
		e->counters.applied_frames++;
		return;
	}
	apply_tick(e, part->time_ns);
	if (part->time_ns - e->applied_ns >= EXPIRE_EVERY_NS || e->applied_ns == 0)
		registry_expire(e->registry);
	e->applied_seq = seq;
	e->applied_ns = part->time_ns;
	registry_set_now(e->registry, part->time_ns);
	e->counters.applied_frames++;
	if (part->kind != FRAME_CLOCK)
		e->content_seq = seq;
	if (part->kind == FRAME_CONTROL) {
		if (part->control == CONTROL_SCRIPTS)
			apply_scripts_part(e, part);
		return;
	}
	e->counters.applied_records += part->count;
	traces_apply_frame(e, g->refs + part->first, part->count, seq, part->time_ns);
}

void apply_group(struct engine *e, struct group *g)
{
	CHECK(e->in_flight > 0);
	e->in_flight--;
	if (e->last_committed == g)
		e->last_committed = NULL;
	e->done_ordinal = g->ordinal;
	struct error err = {0};
	int status = journal_group_status(g->journal, &err);
	if (status != 0) {
		if (status != -ECANCELED || e->failure == 0) {
			e->failure = status;
			atomic_store(&e->writable, false);
			LOG(LOG_ERROR, "the journal cannot be written", log_str("error", err.text));
		}
		group_fail(e, g, e->failure);
		return;
	}
	int64_t began = clock_mono_ns();
	uint64_t seq = journal_group_first_seq(g->journal);
	if (g->has_samples)
		samples_apply(e, g);
	for (uint32_t i = 0; i < g->part_count; i++)
		apply_part(e, g, &g->parts[i], seq + i);
	e->counters.apply_seconds += (double)(clock_mono_ns() - began) / 1e9;
	control_forget(e, g->controls);
	submissions_finish(e, g->head, 0);
	group_release(e, g);
}
