/* Views: a snapshot of the metrics together with moongate's own figures of the same moment, for /metrics; and the process's health. */
#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"
#include "engine/internal.h"

struct engine_view {
	struct metrics_snapshot *metrics;
	struct engine_counters counters;
	struct dedup_stats dedup;
	struct journal_stats journal;
	struct tsdb_stats store;
	struct traces_stats traces;
	struct ticker_stats ticks;
	struct registry_stats registry;
	struct script_totals totals;
	struct script_stats *scripts; /* names and reasons are copies in `names` */
	uint32_t script_count;
	struct arena names;
	uint64_t applied_seq, checkpoint_seq;
	uint64_t reload_failures;
	bool reload_ok; /* the last one */
	bool replay_exact;
	uint32_t queued;
	uint64_t held_bytes;
};

static int copy_scripts(struct engine_view *v, const struct script_set *set)
{
	uint32_t count = script_set_stats(set, NULL, 0);
	if (count == 0)
		return 0;
	v->scripts = mem_zalloc(count, sizeof *v->scripts);
	if (v->scripts == NULL)
		return -ENOMEM;
	v->script_count = count;
	script_set_stats(set, v->scripts, count);
	for (uint32_t i = 0; i < count; i++) {
		struct script_stats *s = &v->scripts[i];
		s->script = arena_copy(&v->names, s->script);
		s->reason = arena_copy(&v->names, s->reason);
		if (s->script.ptr == NULL || s->reason.ptr == NULL)
			return -ENOMEM;
	}
	return 0;
}

struct engine_view *view_make(struct engine *e)
{
	struct engine_view *v = mem_zalloc(1, sizeof *v);
	if (v == NULL)
		return NULL;
	arena_init(&v->names);
	v->metrics = registry_snapshot(e->registry);
	int code = v->metrics == NULL ? -ENOMEM : 0;
	if (code == 0 && e->set != NULL) {
		code = copy_scripts(v, e->set);
		script_set_totals(e->set, &v->totals);
	}
	if (code != 0) {
		engine_view_free(v);
		return NULL;
	}
	v->counters = e->counters;
	dedup_stats(e->dedup, &v->dedup);
	journal_stats(e->journal, &v->journal);
	registry_stats(e->registry, &v->registry);
	tsdb_stats(e->store, &v->store);
	traces_stats(e->traces, &v->traces);
	ticker_stats(e->ticker, &v->ticks);
	v->applied_seq = e->applied_seq;
	v->checkpoint_seq = e->checkpoint_seq;
	v->reload_failures = atomic_load(&e->reload_failures);
	v->reload_ok = !atomic_load(&e->reload_refused);
	v->replay_exact = e->owed_seq == 0;
	mutex_lock(&e->lock);
	v->queued = e->queue_count;
	v->held_bytes = atomic_load(&e->held_bytes);
	mutex_unlock(&e->lock);
	return v;
}

void engine_view_free(struct engine_view *v)
{
	if (v == NULL)
		return;
	metrics_snapshot_unref(v->metrics);
	mem_free(v->scripts);
	arena_deinit(&v->names);
	mem_free(v);
}

struct metrics_snapshot *engine_view_metrics(struct engine_view *v)
{
	return v->metrics;
}

/* ---- rendering ---- */

struct pen {
	struct buf *out;
	enum exposition_format format;
};

static void one(struct pen p, const char *name, enum metric_type type, const char *unit, double v, const char *help)
{
	exposition_family(p.out, p.format, name, type, unit, help);
	exposition_sample(p.out, p.format, name, type, NULL, 0, v);
}

static void render_intake(struct pen p, const struct engine_view *v)
{
	const struct engine_counters *c = &v->counters;
	one(p, "moongate_records_accepted", METRIC_COUNTER, "", (double)c->accepted, "Records taken as new.");
	one(p, "moongate_records_duplicate", METRIC_COUNTER, "", (double)c->duplicate,
	    "Records whose id was known already.");
	one(p, "moongate_records_refused", METRIC_COUNTER, "", (double)c->refused,
	    "Records refused because a filter failed on them.");
	one(p, "moongate_records_filtered", METRIC_COUNTER, "", (double)v->totals.filtered,
	    "Records dropped by filters.");
	one(p, "moongate_records_applied", METRIC_COUNTER, "", (double)c->applied_records,
	    "Records run through the scripts, replay included.");
	one(p, "moongate_frames_applied", METRIC_COUNTER, "", (double)c->applied_frames,
	    "Frames applied, replay included.");
	one(p, "moongate_groups_failed", METRIC_COUNTER, "", (double)c->failed_groups,
	    "Groups that were not made durable; their clients were told.");
	one(p, "moongate_apply_seconds", METRIC_COUNTER, "seconds", c->apply_seconds, "Time spent applying groups.");
	one(p, "moongate_queue_length", METRIC_GAUGE, "", v->queued, "Submissions that wait for the engine.");
	one(p, "moongate_queue_bytes", METRIC_GAUGE, "bytes", (double)v->held_bytes,
	    "Decoded records that are not durable and applied yet; journal.queue_bytes bounds them.");
	one(p, "moongate_events_emitted", METRIC_COUNTER, "", (double)v->totals.emitted,
	    "Events made by emit in scripts.");
	one(p, "moongate_emits_refused", METRIC_COUNTER, "", (double)v->totals.emit_refused, "Emits nested too deep.");
	one(p, "moongate_dedup_keys", METRIC_GAUGE, "", (double)v->dedup.keys, "Ids in the window.");
	one(p, "moongate_dedup_evicted", METRIC_COUNTER, "", (double)v->dedup.evicted,
	    "Ids forgotten before the window's end for lack of room.");
	one(p, "moongate_dedup_memory_bytes", METRIC_GAUGE, "bytes", (double)v->dedup.bytes, "Memory of the window.");
}

static void render_samples(struct pen p, const struct engine_counters *c)
{
	static const struct {
		const char *name;
		enum append_outcome outcome;
	} outcomes[] = {{"stored", APPEND_STORED},
	                {"duplicate", APPEND_DUPLICATE},
	                {"conflict", APPEND_CONFLICT},
	                {"too_old", APPEND_TOO_OLD},
	                {"too_late", APPEND_TOO_LATE}};
	const char *name = "moongate_store_samples";
	exposition_family(p.out, p.format, name, METRIC_COUNTER, "",
	                  "Samples from the wire by what became of them, replay included.");
	for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++)
		exposition_sample(p.out, p.format, name, METRIC_COUNTER,
		                  &(struct exposition_label){"outcome", slice_cstr(outcomes[i].name)}, 1,
		                  (double)c->samples[outcomes[i].outcome]);
	one(p, "moongate_store_samples_refused", METRIC_COUNTER, "", (double)c->samples_refused,
	    "Samples refused before they were journaled: too new, of too many series, increments out of order.");
	one(p, "moongate_store_samples_lost", METRIC_COUNTER, "", (double)c->lost_samples,
	    "Samples that recovery found in the journal, of series that it did not know.");
}

static void render_ticks(struct pen p, const struct ticker_stats *t)
{
	one(p, "moongate_ticks", METRIC_COUNTER, "", (double)t->ticks,
	    "Samplings of the live metrics, replay included.");
	one(p, "moongate_ticks_cut", METRIC_COUNTER, "", (double)t->cut, "Samplings that did not come to their end.");
	one(p, "moongate_tick_samples", METRIC_COUNTER, "", (double)t->samples, "Samples of live metrics stored.");
	one(p, "moongate_tick_samples_refused", METRIC_COUNTER, "", (double)(t->conflicts + t->refused + t->no_room),
	    "Samples of live metrics not stored: no room for more series, or another sample was there.");
	one(p, "moongate_tick_memory_bytes", METRIC_GAUGE, "bytes", (double)t->bytes,
	    "Memory that finds the series of live metrics in the store.");
}

static void render_store(struct pen p, const struct engine_view *v)
{
	const struct tsdb_stats *s = &v->store;
	render_samples(p, &v->counters);
	render_ticks(p, &v->ticks);
	one(p, "moongate_store_series", METRIC_GAUGE, "", (double)s->series, "Series in memory.");
	one(p, "moongate_store_series_created", METRIC_COUNTER, "", (double)s->created, "Series made.");
	one(p, "moongate_store_series_expired", METRIC_COUNTER, "", (double)s->expired,
	    "Series that left memory, having had no new sample.");
	one(p, "moongate_store_exemplars", METRIC_GAUGE, "", (double)s->exemplars, "Exemplars kept.");
	one(p, "moongate_store_exemplars_evicted", METRIC_COUNTER, "", (double)s->exemplars_evicted,
	    "Exemplars that went to make room for newer ones.");
	one(p, "moongate_store_exemplars_refused", METRIC_COUNTER, "",
	    (double)(s->exemplar_outcomes[EXEMPLAR_TOO_OLD] + v->counters.exemplars_too_new),
	    "Exemplars refused: older than the newest one of their series, or in the future.");
	one(p, "moongate_store_metadata", METRIC_GAUGE, "", (double)s->metadata,
	    "Metrics of which type, help or unit is known.");
	one(p, "moongate_store_metadata_refused", METRIC_COUNTER, "", (double)s->metadata_refused,
	    "Metadata refused: too much of it.");
	one(p, "moongate_store_head_bytes", METRIC_GAUGE, "bytes", (double)s->head_bytes, "Memory of the head.");
	one(p, "moongate_store_head_disk_bytes", METRIC_GAUGE, "bytes", (double)s->head_file_bytes,
	    "Size of the head's files of full chunks.");
	one(p, "moongate_store_blocks", METRIC_GAUGE, "", (double)s->blocks, "Blocks on disk.");
	one(p, "moongate_store_block_bytes", METRIC_GAUGE, "bytes", (double)s->block_bytes, "Size of all blocks.");
	one(p, "moongate_store_blocks_sealed", METRIC_COUNTER, "", (double)s->sealed,
	    "Blocks made of the head's part.");
	one(p, "moongate_store_blocks_merged", METRIC_COUNTER, "", (double)s->merged,
	    "Blocks merged into larger ones.");
	one(p, "moongate_store_blocks_removed", METRIC_COUNTER, "", (double)s->removed, "Blocks removed by retention.");
	one(p, "moongate_store_blocks_refused", METRIC_COUNTER, "", (double)s->refused,
	    "Blocks that were damaged, and set aside.");
	one(p, "moongate_store_chunks_lost", METRIC_COUNTER, "", (double)s->lost,
	    "Chunks of the head that were damaged on disk when they were to be sealed.");
}

static void render_traces(struct pen p, const struct traces_stats *t)
{
	one(p, "moongate_traces_open", METRIC_GAUGE, "", (double)t->open, "Traces that have not closed.");
	one(p, "moongate_traces_closed", METRIC_GAUGE, "", (double)t->closed, "Closed traces in the buffer.");
	one(p, "moongate_traces_spans", METRIC_GAUGE, "", (double)t->spans, "Spans in the buffer.");
	one(p, "moongate_traces_memory_bytes", METRIC_GAUGE, "bytes", (double)t->bytes, "Memory of the buffer.");
	one(p, "moongate_traces_spans_added", METRIC_COUNTER, "", (double)t->spans_total,
	    "Spans that came into the buffer, replay included.");
	one(p, "moongate_traces_ended", METRIC_COUNTER, "", (double)t->closed_total, "Times that a trace closed.");
	one(p, "moongate_traces_late", METRIC_COUNTER, "", (double)t->late_total,
	    "Times that a trace closed again, since spans of it came late.");
	one(p, "moongate_traces_expired", METRIC_COUNTER, "", (double)t->expired_total,
	    "Traces that closed by their age.");
	one(p, "moongate_traces_dropped", METRIC_COUNTER, "", (double)t->dropped_traces,
	    "Traces that scripts have dropped.");
	one(p, "moongate_traces_dropped_spans", METRIC_COUNTER, "", (double)t->dropped_spans, "Spans of those.");
	one(p, "moongate_traces_evicted", METRIC_COUNTER, "", (double)t->evicted_traces,
	    "Traces that went to make room for newer ones.");
	one(p, "moongate_traces_evicted_spans", METRIC_COUNTER, "", (double)t->evicted_spans, "Spans of those.");
	one(p, "moongate_traces_left_out_spans", METRIC_COUNTER, "", (double)t->left_out_spans,
	    "Spans that are in no trace: over traces.max_spans, without ids, or memory was out.");
	one(p, "moongate_traces_invalid_events", METRIC_COUNTER, "", (double)t->invalid_events,
	    "Events with a duration whose trace_id, span_id or parent_span_id is none.");
}

static void render_journal(struct pen p, const struct engine_view *v)
{
	const struct journal_stats *j = &v->journal;
	one(p, "moongate_journal_commits", METRIC_COUNTER, "", (double)j->commits, "Groups made durable.");
	one(p, "moongate_journal_commit_failures", METRIC_COUNTER, "", (double)j->commit_failures,
	    "Writes or syncs that failed.");
	one(p, "moongate_journal_written_bytes", METRIC_COUNTER, "bytes", (double)j->bytes, "Bytes of frames written.");
	one(p, "moongate_journal_sync_seconds", METRIC_COUNTER, "seconds", j->sync_seconds,
	    "Time spent in write and sync.");
	one(p, "moongate_journal_segments", METRIC_GAUGE, "", (double)j->segments, "Active segment files.");
	one(p, "moongate_journal_sealed_segments", METRIC_GAUGE, "", (double)j->sealed_segments, "Sealed files.");
	one(p, "moongate_journal_disk_bytes", METRIC_GAUGE, "bytes", (double)j->disk_bytes,
	    "Size of all journal files.");
	one(p, "moongate_journal_removed_segments", METRIC_COUNTER, "", (double)j->removed_total,
	    "Sealed files removed by retention.");
	one(p, "moongate_journal_damaged_frames", METRIC_COUNTER, "", (double)j->damaged_frames,
	    "Damaged frames found; kept aside in damaged/.");
	one(p, "moongate_journal_torn_bytes", METRIC_COUNTER, "bytes", (double)j->torn_bytes,
	    "Bytes of torn tails cut.");
	one(p, "moongate_journal_writable", METRIC_GAUGE, "", j->writable, "1 while the journal can be written.");
	one(p, "moongate_checkpoints", METRIC_COUNTER, "", (double)v->counters.checkpoints, "Checkpoints written.");
	one(p, "moongate_checkpoint_failures", METRIC_COUNTER, "", (double)v->counters.checkpoint_failures,
	    "Checkpoints that could not be written.");
	one(p, "moongate_checkpoint_lag_frames", METRIC_GAUGE, "", (double)(v->applied_seq - v->checkpoint_seq),
	    "Frames that a restart would replay.");
	one(p, "moongate_replay_exact", METRIC_GAUGE, "", v->replay_exact,
	    "0 from when a control record was lost, since memory was out, until a checkpoint stands in for it.");
}

static void render_registry(struct pen p, const struct engine_view *v)
{
	const struct registry_stats *r = &v->registry;
	one(p, "moongate_metric_families", METRIC_GAUGE, "", (double)r->families, "Metrics that scripts define.");
	one(p, "moongate_metric_series", METRIC_GAUGE, "", (double)r->series, "Live series.");
	one(p, "moongate_metric_memory_bytes", METRIC_GAUGE, "bytes", (double)r->bytes,
	    "Estimated memory of the registry.");
	one(p, "moongate_metric_overflows", METRIC_COUNTER, "", (double)r->overflowed,
	    "Changes that went to an overflow series.");
	one(p, "moongate_metric_series_expired", METRIC_COUNTER, "", (double)r->expired, "Series removed as idle.");
	one(p, "moongate_metric_late_observations", METRIC_COUNTER, "", (double)r->late,
	    "Observations older than their window.");
	one(p, "moongate_label_values_cut", METRIC_COUNTER, "", (double)r->values_cut,
	    "Label values longer than 1024 bytes, cut.");
}

typedef double script_figure(const struct script_stats *s);

static double calls(const struct script_stats *s)
{
	return (double)s->calls;
}
static double errors(const struct script_stats *s)
{
	return (double)s->errors;
}
static double cuts(const struct script_stats *s)
{
	return (double)s->cuts;
}
static double cpu(const struct script_stats *s)
{
	return s->cpu_seconds;
}
static double memory(const struct script_stats *s)
{
	return (double)s->memory_bytes;
}
static double quarantined(const struct script_stats *s)
{
	return s->quarantined;
}
static double filters_stopped(const struct script_stats *s)
{
	return s->filters_stopped;
}

static void per_script(struct pen p, const struct engine_view *v, const char *name, enum metric_type type,
                       const char *unit, script_figure *figure, const char *help)
{
	exposition_family(p.out, p.format, name, type, unit, help);
	for (uint32_t i = 0; i < v->script_count; i++) {
		const struct exposition_label label = {"script", v->scripts[i].script};
		exposition_sample(p.out, p.format, name, type, &label, 1, figure(&v->scripts[i]));
	}
}

static void render_scripts(struct pen p, const struct engine_view *v)
{
	const struct engine_counters *c = &v->counters;
	per_script(p, v, "moongate_script_calls", METRIC_COUNTER, "", calls, "Calls of handlers and timers.");
	per_script(p, v, "moongate_script_errors", METRIC_COUNTER, "", errors, "Calls that ended in an error.");
	per_script(p, v, "moongate_script_cuts", METRIC_COUNTER, "", cuts, "Calls cut off for time or memory.");
	per_script(p, v, "moongate_script_cpu_seconds", METRIC_COUNTER, "seconds", cpu, "CPU time.");
	per_script(p, v, "moongate_script_memory_bytes", METRIC_GAUGE, "bytes", memory,
	           "Memory of the script's Lua state.");
	per_script(p, v, "moongate_script_quarantined", METRIC_GAUGE, "", quarantined,
	           "1 while the script does not run.");
	per_script(p, v, "moongate_script_filters_stopped", METRIC_GAUGE, "", filters_stopped,
	           "1 while the script's filters do not run and their records are refused.");
	one(p, "moongate_reloads", METRIC_COUNTER, "", (double)c->reloads, "Script sets swapped in.");
	one(p, "moongate_reload_failures", METRIC_COUNTER, "", (double)v->reload_failures,
	    "Reloads that were refused: the scripts that ran went on.");
	one(p, "moongate_reload_successful", METRIC_GAUGE, "", v->reload_ok,
	    "1 if the last reload was taken, 0 if it was refused.");
	one(p, "moongate_reload_success_timestamp_seconds", METRIC_GAUGE, "seconds", (double)c->reload_time_ns / 1e9,
	    "When scripts were last swapped in.");
	one(p, "moongate_filter_failures", METRIC_COUNTER, "", (double)v->totals.filter_failed,
	    "Filters that failed; their records were refused.");
}

void engine_view_render(const struct engine_view *v, enum exposition_format format, struct buf *out)
{
	struct pen p = {out, format};
	render_intake(p, v);
	render_journal(p, v);
	render_store(p, v);
	render_traces(p, &v->traces);
	render_registry(p, v);
	render_scripts(p, v);
}

/* ---- health ---- */

static void reason(struct engine_health *h, bool fine, const char *text)
{
	if (fine)
		return;
	size_t used = strlen(h->reasons);
	snprintf(h->reasons + used, sizeof h->reasons - used, "%s%s", used > 0 ? "; " : "", text);
}

void engine_health(struct engine *e, struct engine_health *out)
{
	const struct config *c = e->config;
	*out = (struct engine_health){0};
	out->recovered = atomic_load(&e->recovered);
	out->scripts_loaded = atomic_load(&e->scripts_loaded);
	out->journal_writable = atomic_load(&e->writable);
	int64_t free_bytes = file_free_bytes(e->data_dir);
	out->disk_ok = free_bytes >= 0 && (uint64_t)free_bytes >= c->health.min_free_bytes;
	out->memory_ok = c->health.max_memory_bytes == 0 || process_resident_bytes() <= c->health.max_memory_bytes;
	out->scripts_ok = atomic_load(&e->quarantined) == 0 && !atomic_load(&e->reload_refused);
	reason(out, out->recovered, "recovery is not over");
	reason(out, out->scripts_loaded, "no scripts are loaded");
	reason(out, out->journal_writable, "the journal cannot be written");
	reason(out, out->disk_ok, "the disk is nearly full");
	reason(out, out->memory_ok, "the process uses more memory than health.max_memory_bytes");
	reason(out, atomic_load(&e->quarantined) == 0, "a script is quarantined");
	reason(out, !atomic_load(&e->reload_refused), "the scripts on disk were refused");
}
