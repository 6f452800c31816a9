/* What the engine does by the clock: the time for scripts and the history, looking after the store, checkpoints. */
#include "engine/internal.h"

/* So long a checkpoint that is due waits for a tick to come to its end by itself. */
#define TICK_PATIENCE_NS (5 * NS_PER_S)

/* When scripts' timers, the next trace or the history's next tick are due, by the wall clock. */
static int64_t clock_due(const struct engine *e)
{
	int64_t due = traces_next_due(e->traces);
	if (e->set == NULL)
		return due;
	int64_t timer = script_set_next_due(e->set);
	due = timer < due ? timer : due;
	int64_t resolution = e->config->store.resolution_ns;
	int64_t tick = (e->applied_ns / resolution + 1) * resolution;
	return due < tick ? due : tick;
}

/* How long until the scripts' timers or a checkpoint want the engine, in nanoseconds. */
int64_t timers_next(struct engine *e)
{
	int64_t wait = INT64_MAX;
	int64_t due = clock_due(e);
	if (ticker_pending(e->ticker)) {
		int64_t retry = e->tick_retry_ns - clock_mono_ns();
		return retry > 0 ? retry : 0;
	}
	if (due != INT64_MAX) {
		int64_t left = due - clock_wall_ns();
		wait = left < 0 ? 0 : left;
	}
	if (e->store_busy && e->store_due_ns - clock_mono_ns() < wait)
		wait = e->store_due_ns < clock_mono_ns() ? 0 : e->store_due_ns - clock_mono_ns();
	int64_t left = e->checkpoint_due_ns - clock_mono_ns();
	bool wanted = (!e->checkpointing && e->applied_seq != e->checkpoint_seq) || checkpoint_is_owed(e);
	if (wanted && left < wait)
		wait = left < 0 ? 0 : left;
	return wait;
}

/* The newest group under way that may use a number of a series without saying what it is. */
static uint64_t newest_with_samples(const struct engine *e)
{
	if (e->open != NULL && e->open->has_samples)
		return e->open->ordinal;
	return e->last_committed != NULL ? e->last_committed->ordinal : 0;
}

/* The store wants to be looked after now and then, and while something of it is to be let go, again and again. */
static void look_after_store(struct engine *e)
{
	if (clock_mono_ns() < e->store_due_ns)
		return;
	tsdb_set_now(e->store, e->now_ns / NS_PER_MS); /* also where live metrics alone are stored */
	e->store_busy = tsdb_tick(e->store);
	e->trim_ordinal = newest_with_samples(e);
	e->store_due_ns = clock_mono_ns() + (e->store_busy ? STORE_WORK_NS : STORE_TICK_NS);
}

/* Samples lie in the journal until two checkpoints have them: where many come, these come sooner. */
static void keep_journal_short(struct engine *e)
{
	if (e->sample_bytes > SAMPLE_SEGMENTS * e->config->journal.segment_bytes)
		checkpoint_soon(e);
}

/* A frame with the time, for what is due: one, also while samples keep groups in flight. */
static void run_clock(struct engine *e)
{
	int64_t due = clock_due(e);
	if (due > clock_wall_ns() || due == e->timer_ns || !engine_have_open(e))
		return;
	e->timer_ns = due;
	intake_clock(e, due);
}

/* A checkpoint is cut between ticks. Where they take longer than they lie apart there is no such moment, unless one is made. */
static bool tick_lets_cut(struct engine *e)
{
	if (!ticker_pending(e->ticker))
		return true;
	bool wanted = !e->checkpointing && e->applied_seq != e->checkpoint_seq;
	return wanted && clock_mono_ns() - e->checkpoint_due_ns >= TICK_PATIENCE_NS && apply_tick_end(e) == 0;
}

/* What memory does not suffice for comes again, but not at once. */
static void go_on_ticking(struct engine *e)
{
	if (clock_mono_ns() >= e->tick_retry_ns && ticker_run(e->ticker, TICK_SERIES) < 0)
		e->tick_retry_ns = clock_mono_ns() + RETRY_MS * NS_PER_MS;
}

void timers_run(struct engine *e)
{
	look_after_store(e);
	keep_journal_short(e);
	run_clock(e);
	go_on_ticking(e);
	/* A series that left while a group with its number was under way is none of the checkpoint's: the group is to be in it. */
	if (clock_mono_ns() < e->checkpoint_due_ns || !tick_lets_cut(e) || e->done_ordinal < e->trim_ordinal)
		return;
	if (!e->checkpointing && e->applied_seq != e->checkpoint_seq)
		checkpoint_begin(e);
	if (!checkpoint_is_owed(e) || e->in_flight > 0 || !engine_have_open(e))
		return;
	intake_clock(e, INT64_MIN); /* a frame for it to stand behind */
	e->checkpoint_due_ns = clock_mono_ns() + RETRY_MS * NS_PER_MS;
}
