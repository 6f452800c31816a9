/* The engine's own structures, shared by its files only. Unless said otherwise everything belongs to the engine thread. */
#ifndef MOONGATE_ENGINE_INTERNAL_H
#define MOONGATE_ENGINE_INTERNAL_H

#include <stdatomic.h>

#include "base/clock.h"
#include "base/thread.h"
#include "engine/dedup.h"
#include "engine/deltas.h"
#include "engine/engine.h"
#include "engine/tick.h"

#define GROUP_WAIT_NS (2 * NS_PER_MS) /* a group is committed at the latest so long after its first submission */

#define STORE_TICK_NS NS_PER_S        /* between looks after the store, */
#define STORE_WORK_NS (NS_PER_S / 10) /* and while there is much to let go of */

enum {
	TICK_SERIES = 2000,  /* of a tick that are sampled in one turn of the engine: a quarter of a millisecond */
	SAMPLE_SEGMENTS = 8, /* of the journal, filled with samples: time for a checkpoint */
	GROUP_BYTES =
	    160
	    << 10, /* a group of this size waits no longer; larger ones save no syncs worth it, and their bodies do not stay in the cache */
	QUEUE_MAX = 65536, /* submissions waiting; journal.queue_bytes bounds their memory */
	RETRY_MS = 200     /* between attempts to write again */
};

/* Control records of the journal; the numbers are written to disk (FORMAT.md). */
enum control_type {
	CONTROL_SCRIPTS = 1,    /* from here on these scripts run: a saved bundle */
	CONTROL_CUT = 2,        /* a call was cut off in an earlier frame */
	CONTROL_QUARANTINE = 3, /* a script was quarantined */
	CONTROL_NOT_BOUND = 4,  /* the scripts of an earlier frame were not swapped in: memory was out */
	CONTROL_NUMBERS = 5,    /* what earlier frames have said of numbers of series holds no more */
	CONTROL_TRACES = 6      /* what was decided of traces in an earlier frame */
};

/* One frame of a group, in terms of what was put into it. */
struct frame_part {
	uint32_t first, count; /* in the group's refs; records of an events frame; none of a samples frame */
	int64_t time_ns;
	enum frame_kind kind;
	enum control_type control;
	struct reload *reload; /* CONTROL_SCRIPTS: owned by the group until applied */
};

/* What a journal group holds: the engine's half. */
struct group {
	struct journal_group *journal;
	struct submission *head, **tail; /* to be answered, in order of arrival */
	struct record **refs;            /* records of the frames, in order */
	uint32_t ref_count;
	size_t ref_cap;
	struct frame_part *parts;
	uint32_t part_count;
	size_t part_cap;
	uint64_t *keys; /* added to the dedup window for this group */
	uint32_t key_count;
	size_t key_cap;
	uint32_t *defined; /* numbers of series whose labels stand in this group */
	uint32_t defined_count;
	size_t defined_cap;
	uint64_t ordinal;              /* rising from group to group */
	bool has_samples, has_numbers; /* the latter: the process's CONTROL_NUMBERS */
	uint32_t submissions;
	uint32_t controls; /* pending control records that it holds */
	bool frame_open;   /* the last part's frame still takes records */
	int64_t opened_ns; /* monotonic, when the first submission came in */
	struct group *next;
};

/* A set of scripts on its way in. */
struct reload {
	struct script_set *set; /* loaded, not yet bound */
	struct script_bundle *bundle;
	void (*done)(void *user, int status, const struct error *err);
	void *user;
};

/* A request from another thread: everything that is not records. */
struct request {
	enum { REQUEST_VIEW, REQUEST_RELOAD, REQUEST_CHECKPOINTED } type;
	void (*view_done)(void *user, struct engine_view *view);
	void *user;
	struct reload *reload;
	int status;   /* of a checkpoint */
	uint64_t seq; /* of a checkpoint */
	struct request *next;
};

struct cut_record {
	struct script_cut cut;
	char *script; /* owned copy */
};

struct engine_counters {
	uint64_t accepted, duplicate, refused, failed_groups;
	uint64_t reloads;
	uint64_t checkpoints, checkpoint_failures;
	uint64_t applied_frames, applied_records;
	uint64_t samples[APPEND_OUTCOMES]; /* applied, by outcome */
	uint64_t samples_refused;          /* on the way in: too new, too many series, increments out of order */
	uint64_t exemplars_too_new;
	uint64_t lost_samples;  /* of series that a replayed frame did not know */
	int64_t reload_time_ns; /* of the last one that succeeded */
	double apply_seconds;
};

struct engine {
	const struct config *config;
	char *data_dir, *journal_dir, *backstop_path;
	int lock_fd;
	struct journal *journal;
	struct registry *registry;
	struct script_host *host;
	struct script_set *set;
	struct script_bundle *bundle; /* what `set` was loaded from */
	struct dedup *dedup;
	struct tsdb *store;
	uint32_t loaded_series; /* numbers below are of series that the checkpoint had */
	bool numbers_said;      /* CONTROL_NUMBERS is on its way, or durable */
	struct deltas *deltas;
	struct ticker *ticker;
	struct keeper *keeper;
	struct traces *traces;

	int64_t now_ns;     /* the engine's clock: of the last frame begun */
	int64_t applied_ns; /* of the last frame applied */
	uint64_t applied_seq;
	bool replaying;

	struct group *open;           /* being filled, or NULL */
	struct group *spare;          /* free ones */
	uint64_t groups;              /* opened so far */
	uint32_t in_flight;           /* committed, not yet done */
	struct group *last_committed; /* the newest in flight: submissions without frames wait on it */
	uint32_t recent;              /* submissions of the last group: how many to expect */
	int failure;                  /* why writing stopped; 0: it did not */
	int64_t retry_ns;             /* monotonic: when to try again */

	struct request *reloads; /* that wait for a group, in order */
	/* Control records, encoded, until they are durable: the first `control_sent` of them are in groups. */
	struct buf *controls;
	enum control_type *control_types;
	uint32_t control_count, control_sent;
	size_t control_cap, control_type_cap;

	int64_t checkpoint_due_ns;   /* monotonic */
	int64_t checkpoint_begun_ns; /* monotonic, of the last one; 0: none */
	bool checkpointing;
	uint32_t checkpoints_failed; /* in a row */
	uint64_t owed_seq;     /* a control record of this frame was lost: a checkpoint stands in for it; 0: none */
	int64_t tick_retry_ns; /* monotonic: memory was out for the tick that is going on; it goes on then */
	int64_t timer_ns;     /* wall clock: the timer for which a frame with the time is on its way; INT64_MIN: none */
	int64_t store_due_ns; /* monotonic: when the store is to be looked after */
	uint64_t trim_ordinal;   /* groups up to here were open or in flight when series may have left the store */
	uint64_t done_ordinal;   /* groups up to here are applied, or have failed */
	bool store_busy;         /* and has more to do then */
	uint64_t sample_bytes;   /* of the journal since the last checkpoint, in groups with samples */
	uint64_t checkpoint_seq; /* of the newest durable one */
	uint64_t floor_seq;      /* of the one before it: what retention may remove */
	uint64_t content_seq;    /* the last frame applied that was more than a time */
	uint64_t stuck_seq;      /* frame in which a script did not return in an earlier run; 0: none */
	struct cut_record *cuts; /* replay: cuts to come */
	uint32_t cut_count;
	size_t cut_cap;
	struct script_cut *expected; /* the same, as the set borrows them */
	uint64_t *not_bound;         /* replay: frames whose scripts were not swapped in */
	size_t not_bound_count, not_bound_cap;
	struct engine_counters counters;

	/* Shared with other threads, under `lock`. */
	struct mutex lock;
	struct condition wake;
	bool waiting; /* the engine thread sleeps on `wake`, and nobody has woken it yet */
	bool stopping;
	struct submission *queue_head, **queue_tail;
	uint32_t queue_count;
	struct request *request_head, **request_tail;
	struct group *done_head, **done_tail; /* from the sync thread */

	struct thread thread;
	bool thread_started;
	struct worker *worker;

	/* Read by any thread. */
	_Atomic bool recovered, scripts_loaded, writable, scripts_ok;
	_Atomic uint32_t quarantined;
	_Atomic uint64_t reload_failures; /* refused by the worker, which loads them, or when they were bound */
	_Atomic bool reload_refused;
	_Atomic uint64_t held_bytes; /* of submissions that are not done; added to under `lock` */
	struct mutex stopped_lock;
	struct stopped *stopped; /* under its lock; owned */
};

/* ---- timers.c: what is due by the clock ---- */

/* Does what is due; a turn of the engine. */
void timers_run(struct engine *e);
/* How long until something is, in nanoseconds; INT64_MAX: nothing will be. */
int64_t timers_next(struct engine *e);

/* Makes sure that a group is open. False: none can be now (all in flight, or writing failed: e->failure says so). */
bool engine_have_open(struct engine *e);

/* ---- intake.c: submissions → groups ---- */

/* Takes a submission into the open group, or answers it. */
void intake_submission(struct engine *e, struct submission *s);
/* The key of a record that has an id, else 0. */
uint64_t intake_key(const struct record *r);
/* Puts pending control records, a reload, or a frame with the time into the open group; the last only where none of its frames says that it is `due_ns`. */
void intake_controls(struct engine *e);
void intake_reload(struct engine *e, struct reload *reload);
void intake_clock(struct engine *e, int64_t due_ns);
/* Commits the open group if it is due; returns how long it may still wait in nanoseconds, INT64_MAX when nothing waits. */
int64_t intake_commit_due(struct engine *e, bool force);
/* Answers every submission of a list; with status 0, on the engine thread, counts what the clients are told. */
void submissions_finish(struct engine *e, struct submission *s, int status);

/* The open frame of the group takes records or samples of this kind afterwards. 0 or a negative errno: the group is to be abandoned. */
int intake_frame(struct engine *e, struct group *g, enum frame_kind kind);
/* Adds a frame with a control record that needs nothing kept. 0 or a negative errno: the group is to be abandoned. */
int intake_control(struct engine *e, struct group *g, enum control_type type);
/* What the journal said to an addition: 1: the frame is full, and is ended. 0 or a negative errno, as intake_frame. */
int intake_added(struct group *g, int code);

/* ---- samples.c ---- */

/* Frames a submission's samples. 0 or a negative errno: the group is to be abandoned. */
int samples_intake(struct engine *e, struct group *g, struct submission *s);
/* Stores the samples of a durable group; each submission learns what became of them. */
void samples_apply(struct engine *e, struct group *g);
/* The group failed: what it would have defined is to be defined again. */
void samples_failed(struct engine *e, const struct group *g);
/* Which number a series has that the journal calls by another: filled by the definitions that a replay meets. */
struct samples_replay;
struct samples_replay *samples_replay_new(struct engine *e);
void samples_replay_free(struct samples_replay *r);
/* Another process begins: it says of each number what it is. */
void samples_replay_anew(struct samples_replay *r);
/* Stores what a frame holds. 0; -EBADMSG with a sentence: it is none; -ENOMEM. */
int samples_replay_frame(struct samples_replay *r, const struct frame *f, struct error *err);

/* ---- traces.c ---- */

/* Opens the empty buffer. 0, or -ENOMEM with a sentence. */
int traces_start(struct engine *e, struct error *err);
/* A frame of records, or with the time alone, live and in a replay: scripts' timers, the traces that close, the records, and those that are spans. */
void traces_apply_frame(struct engine *e, struct record *const *records, uint32_t count, uint64_t seq, int64_t time_ns);
/* What a checkpoint keeps of it. 0, -ENOMEM. */
int traces_save_section(const struct engine *e, struct buf *out);
/* And back. 0; -EBADMSG with a sentence; -ENOMEM. After a failure it is empty. */
int traces_load_section(struct engine *e, struct slice saved, struct error *err);
/* Reads what the checkpoint speaks of from the journal. 0, or a negative errno with a sentence. */
int traces_recover(struct engine *e, struct error *err);

/* ---- history.c: the store's life ---- */

/* Opens it, empty but for its blocks. 0 or a negative errno with a sentence. */
int history_open(struct engine *e, struct error *err);
/* Loads what a checkpoint kept of it; after a failure the store is as it was opened. */
struct checkpoint_parts;
int history_load(struct engine *e, const struct checkpoint_parts *parts, struct error *err);
/* What was loaded goes, since the checkpoint cannot be used: an older one may be taken. 0; -ENOMEM with a sentence: there is no store any more. */
int history_reopen(struct engine *e, struct error *err);
/* The name under which a checkpoint keeps the head. */
void history_name(char out[64], uint64_t seq);
/* Removes what checkpoints that are gone have kept of it; `keep` says of which ones it stays. */
void history_clean(struct tsdb *store, const char *data_dir, bool (*keep)(const void *ctx, uint64_t seq),
                   const void *ctx);

/* ---- keeper.c: the thread that seals, merges and removes blocks ---- */

struct keeper *keeper_new(struct tsdb *store);
int keeper_start(struct keeper *k);
void keeper_stop(struct keeper *k);
void keeper_free(struct keeper *k);

/* ---- group.c ---- */

struct group *group_open(struct engine *e, int *code);
void group_release(struct engine *e, struct group *g);
void group_free(struct group *g);
int group_add_ref(struct group *g, struct record *r);
int group_add_part(struct group *g, const struct frame_part *part);
int group_add_key(struct group *g, uint64_t key);
int group_add_defined(struct group *g, uint32_t number);
void group_add_submission(struct group *g, struct submission *s);
/* Takes back what the group added to the window, lets its control records wait for the next one, and answers everything in it with `status`. */
void group_fail(struct engine *e, struct group *g, int status);

/* ---- apply.c ---- */

/* Applies a durable group or fails it, answers its submissions, gives it back. */
void apply_group(struct engine *e, struct group *g);
/* Swaps a set in; between frames. 0 or a negative errno with the sentence. Takes the reload's set and bundle on success. */
int apply_reload(struct engine *e, struct reload *reload, struct error *err);
void reload_free(struct reload *reload);
/* Before a frame of this time is applied: begins the tick of the history that is due, with the values as they are. */
void apply_tick(struct engine *e, int64_t time_ns);
/* Runs the tick that is going on to its end. 0 or -ENOMEM. */
int apply_tick_end(struct engine *e);

/* ---- control.c ---- */

int control_push(struct engine *e, enum control_type type, const struct buf *payload);
/* The first `count` are durable. */
void control_forget(struct engine *e, uint32_t count);
void control_cut(void *ctx, const struct script_cut *cut);
/* The scripts of frame `seq` were refused for want of memory, which a replay may have. */
void control_not_bound(struct engine *e, uint64_t seq);
/* What was decided of traces in frame `seq`: outcomes (traces/FORMAT.md). */
void control_traces(struct engine *e, uint64_t seq, struct slice outcomes);
/* A part of it was lost: memory was out. */
void control_traces_lost(struct engine *e);
int control_traces_decode(struct slice payload, uint64_t *seq, struct slice *outcomes, struct error *err);
void control_quarantine(void *ctx, struct slice script, struct slice reason);
/* Not journaled: filters run on the way in, and replay runs none. */
void control_filters_stopped(void *ctx, struct slice script, struct slice reason);
int control_cut_decode(struct slice payload, struct script_cut *out, struct error *err);
int control_not_bound_decode(struct slice payload, uint64_t *seq, struct error *err);

/* A quarantine record; its texts are borrowed from the payload. */
struct quarantine {
	struct slice script, reason;
	uint64_t seq; /* the frame in which it happened; 0: the record does not say, as those of early journals */
};
int control_quarantine_decode(struct slice payload, struct quarantine *out, struct error *err);

/* ---- stopped.c ---- */

/* Notes that something of a script was stopped. True: it is new; else the reason takes the place of the one before. Engine thread, or the one that recovers. */
bool stopped_note(struct engine *e, enum engine_stop what, struct slice script, struct slice reason);
/* A new set runs: nothing is stopped. */
void stopped_clear(struct engine *e);

/* ---- recover.c ---- */

/* Reads the newest good checkpoint, rebuilds the window, replays the frames behind it. */
int engine_recover(struct engine *e, struct error *err);

/* ---- checkpoint.c ---- */

/* Is one due, other than by the clock: nothing was applied since the last one, but retention still waits for another? */
bool checkpoint_is_owed(const struct engine *e);
/* A control record of the frame that is being applied was lost: a checkpoint is to stand in for it, at once unless the last ones have failed. */
void checkpoint_owe(struct engine *e);
/* Cuts a checkpoint at the last applied frame and has the worker write it. */
void checkpoint_begin(struct engine *e);
/* New scripts run: a recovery from before them takes longer, so the next checkpoint is brought forward. */
void checkpoint_soon(struct engine *e);
/* Writes one now; for the orderly end. */
int checkpoint_write_now(struct engine *e, struct error *err);
void checkpoint_done(struct engine *e, uint64_t seq, int status);

struct checkpoint_cut; /* what a checkpoint consists of, taken on the engine thread */
int checkpoint_cut_write(struct checkpoint_cut *c, struct error *err); /* any thread */
uint64_t checkpoint_cut_seq(const struct checkpoint_cut *c);
void checkpoint_cut_free(struct checkpoint_cut *c);
enum checkpoint_section {
	SECTION_SCRIPTS = 1,
	SECTION_QUARANTINE = 2,
	SECTION_METRICS = 3,
	SECTION_STATES = 4,
	SECTION_EXTRAS = 5,
	SECTION_TRACES = 6,
	SECTIONS
};

/* A checkpoint's bytes taken apart; the sections point into them, and are not looked into. */
struct checkpoint_parts {
	uint64_t seq;
	int64_t now_ns;
	bool has_history; /* a saved head stands beside it */
	bool has_traces;
	struct slice sections[SECTIONS]; /* by enum checkpoint_section */
};
/* 0, or -EBADMSG with a sentence. */
int checkpoint_parse(struct slice bytes, struct checkpoint_parts *out, struct error *err);
/* The newest readable checkpoint: fills registry, states, bundle, clock, seq. 0; -ENOENT: none; or another negative errno. */
int checkpoint_load(struct engine *e, struct error *err);

/* ---- worker.c: one thread for what would stop the writer ---- */

struct worker *worker_new(struct engine *e);
int worker_start(struct worker *w);
void worker_stop(struct worker *w); /* finishes what is queued */
void worker_free(struct worker *w);
int worker_checkpoint(struct worker *w, struct checkpoint_cut *c);
int worker_load(struct worker *w, struct reload *reload);

/* ---- view.c ---- */

struct engine_view *view_make(struct engine *e);

/* Hands a request to the engine thread. Any thread. */
void engine_post(struct engine *e, struct request *r);

#endif
