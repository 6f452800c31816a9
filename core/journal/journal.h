/* The journal: the source of truth. Frames of records in prewritten, recycled segment files, made durable in groups; sealed segments are rewritten
 * compressed and split by kind. The layout is in FORMAT.md beside this file.
 *
 * Life of a group:
 *
 *   engine thread                        sync thread                          engine thread
 *   group_begin                          assigns sequence numbers, CRCs,      reads status and first_seq,
 *   frame_begin / add / end, control  →  one pwrite + one fdatasync        →  applies, group_free
 *   group_commit                         on_commit()
 *
 * Three groups exist, so that one fills while one is written and one is applied.
 *
 * A group is durable as a whole or failed as a whole. After a failed write or fsync nothing is written to that file again; its frames from the failed
 * group on are void (the next segment's header says so), and every later group fails with -ECANCELED until the engine, having answered
 * them all, calls journal_resume. */
#ifndef MOONGATE_JOURNAL_JOURNAL_H
#define MOONGATE_JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "record/record.h"
#include "record/samples.h"

enum { JOURNAL_FRAME_BYTES = 256 * 1024 }; /* a frame is closed once its payload reaches this */

/* What a frame holds. The numbers are written to disk; the first four are record kinds. */
enum frame_kind {
	FRAME_EVENTS = RECORD_EVENT,
	FRAME_SPANS = RECORD_SPAN,
	FRAME_LOGS = RECORD_LOG,
	FRAME_AUDIT = RECORD_AUDIT,
	FRAME_CONTROL = 5, /* one control record: type byte and payload; meaning belongs to the engine */
	FRAME_SAMPLES = 6,
	FRAME_CLOCK = 7, /* nothing but the time: the engine's clock moved on without records */
	FRAME_KINDS = 8
};

struct journal;
struct journal_group;

struct journal_options {
	const char *dir;                   /* made where missing; the caller holds the data directory's lock */
	uint64_t segment_bytes;            /* size of an active segment. Default 16 MiB, at least 1 MiB */
	uint64_t retention_bytes;          /* sealed segments of all kinds together; oldest go first. Default 10 GiB */
	int64_t retention_ns[FRAME_KINDS]; /* age by kind, by the newest frame's time; 0: by bytes alone */
	bool interval_sync; /* durability = "interval": a group counts as done when written; fsync every second */
	int zstd_level;     /* of sealed frames. Default 1 */
	/* A group is done (durable or failed). Called on the sync thread, in the order of commits. */
	void (*on_commit)(void *ctx, struct journal_group *group);
	void *ctx;
};

/* What recovery found, for the log and the metrics. */
struct journal_recovery {
	uint64_t frames;      /* valid frames read */
	uint64_t bytes;       /* of them */
	uint64_t torn_bytes;  /* cut from the tail */
	uint64_t bad_frames;  /* damaged in the middle: skipped, copied to <dir>/damaged/, counted */
	uint64_t void_frames; /* of groups that had failed */
	uint64_t last_seq;    /* given so far; 0: the journal is empty */
	int64_t last_time_ns; /* of that frame; 0: retention has removed it */
};

/* A frame as read back. Everything is borrowed for the duration of the callback. */
struct frame {
	uint64_t seq;    /* 1, 2, 3 … over all kinds, none given twice */
	int64_t time_ns; /* the engine's clock */
	enum frame_kind kind;
	uint32_t count;       /* records */
	struct slice payload; /* uncompressed */
};

/* Opens the journal of a directory: reads the segment headers, finds the end, cuts a torn tail, keeps damaged frames aside. No thread is started. Owned by
 * the caller: journal_close. NULL with a sentence. */
struct journal *journal_open(const struct journal_options *options, struct journal_recovery *found, struct error *err);

/* Stops the threads (syncing what was committed), closes the files. NULL is allowed. */
void journal_close(struct journal *j);

/* Calls `each` for every valid frame with seq > after_seq and time ≥ from_ns, in the order of seq, until it returns non-zero, which is returned. Only
 * before journal_start. Negative errno with a sentence when a file cannot be read at all. */
int journal_replay(struct journal *j, uint64_t after_seq, int64_t from_ns,
                   int (*each)(void *ctx, const struct frame *f), void *ctx, struct error *err);

/* How many records of `kind` lie in segments whose newest frame is at or after `from_ns`: an upper bound, from headers alone. */
uint64_t journal_count_since(struct journal *j, enum frame_kind kind, int64_t from_ns);

/* Decodes a frame of records into a batch (which is reset first). Strings point into the payload where they can: the batch must not outlive it.
 * 0, -EBADMSG with a sentence for a payload that no writer makes, -ENOMEM. */
int frame_decode(const struct frame *f, struct batch *out, struct error *err);

/* The control record of a FRAME_CONTROL frame: its type and payload (borrowed). */
int frame_control(const struct frame *f, uint8_t *type, struct slice *payload, struct error *err);

/* Reads a frame of samples item by item. What it gives points into the payload. */
struct samples_reader {
	struct slice rest;
	uint32_t number; /* of the item before */
	uint32_t left;   /* samples of the item at hand that were not read */
	int64_t time_ms; /* of the sample or exemplar before */
};

struct samples_item {
	enum samples_item_kind { SAMPLES_ITEM_SAMPLES, SAMPLES_ITEM_EXEMPLAR, SAMPLES_ITEM_METADATA } kind;
	uint32_t number;     /* of its series; of metadata without meaning */
	struct slice labels; /* of the series, where it is defined here: not checked; else empty */
	uint32_t count;      /* samples */
	struct sample_exemplar exemplar;
	struct sample_metadata metadata;
};

/* From the front of a frame of samples. */
void samples_reader_init(struct samples_reader *r, const struct frame *f);
/* The next item: 1; 0: there is none; -EBADMSG with a sentence for a payload that no writer makes. */
int samples_reader_next(struct samples_reader *r, struct samples_item *out, struct error *err);
/* The next sample of that item: 1; 0: there is none; -EBADMSG likewise. Those that are not asked for are passed over. */
int samples_reader_sample(struct samples_reader *r, struct sample *out, struct error *err);

/* The numbers up to `seq` are taken: a checkpoint knows of frames that are not here any more. Before journal_start. */
void journal_skip_to(struct journal *j, uint64_t seq);

/* Makes what was read durable, then starts the sync thread and the maintenance thread (prewriting, sealing, retention). 0 or a negative errno. */
int journal_start(struct journal *j, struct error *err);

/* ---- writing: engine thread ---- */

/* An empty group, or NULL: all three are in flight (*code 0), or the journal cannot write now (*code a negative errno such as -ENOSPC). */
struct journal_group *journal_group_begin(struct journal *j, int *code);

/* Begins a frame of `kind` at the engine's time. 0; -ENOMEM: the group is useless and is to be given back as it is. */
int journal_frame_begin(struct journal_group *g, enum frame_kind kind, int64_t time_ns);

/* Adds a record to the open frame; its batch stays as it is until the frame ends. 0; 1: added, and the frame has reached JOURNAL_FRAME_BYTES: end it; -ENOMEM: the group is useless and is to be given
 * back as it is. */
int journal_frame_add(struct journal_group *g, const struct record *r);

/* To an open frame of samples: samples of a series, by the number that the caller has given it. `labels`: its canonical labels, where this is the first time that a frame uses the number; else empty. Returns as journal_frame_add does, like the next two. */
int journal_samples_add(struct journal_group *g, uint32_t number, struct slice labels, const struct sample *samples,
                        uint32_t count);
/* An exemplar of a series. */
int journal_exemplar_add(struct journal_group *g, uint32_t number, struct slice labels,
                         const struct sample_exemplar *x);
/* What is known of a metric. */
int journal_metadata_add(struct journal_group *g, const struct sample_metadata *m);

/* Ends the frame, whose last call succeeded. */
void journal_frame_end(struct journal_group *g);

/* Adds a frame with one control record. 0; -E2BIG: over 64 MiB; -ENOMEM: the group is useless and is to be given back as it is. */
int journal_control_add(struct journal_group *g, int64_t time_ns, uint8_t type, struct slice payload);

/* Bytes and frames of the group so far. */
size_t journal_group_bytes(const struct journal_group *g);
/* Frames of the group so far. */
uint32_t journal_group_frames(const struct journal_group *g);

/* Hands the group to the sync thread. It must not be touched until on_commit. */
void journal_group_commit(struct journal_group *g);

/* Of a done group: 0 durable, else a negative errno; and the sequence number of its first frame. */
int journal_group_status(const struct journal_group *g, struct error *err);
/* Of a done group: the sequence number of its first frame. */
uint64_t journal_group_first_seq(const struct journal_group *g);

/* The engine's own word on the group (what it holds); set before commit, read after. */
void journal_group_set_user(struct journal_group *g, void *user);
/* What journal_group_set_user was given. */
void *journal_group_user(const struct journal_group *g);

/* Gives the group back, also one that was begun and not committed. */
void journal_group_free(struct journal_group *g);

/* After failures: all failed groups were given back; writing may be tried again on a new segment. 0, or a negative errno while it still cannot (-ENOSPC). */
int journal_resume(struct journal *j, struct error *err);

/* Waits until the frames up to `seq`, whose groups are done, outlive a power loss: at once unless interval_sync is set. What stands on them (a checkpoint) may
 * be written then. 0, or a negative errno: a sync has failed, and some of them are in doubt until their segment is sealed. Any thread but the journal's
 * and the engine's, between journal_start and journal_close. */
int journal_sync(struct journal *j, uint64_t seq);

/* Frames up to `seq` are covered by a durable checkpoint: retention may remove them. Any thread. */
void journal_set_floor(struct journal *j, uint64_t seq);

struct journal_stats {
	uint64_t commits, commit_failures, frames, bytes; /* since the start; bytes as written */
	uint64_t segments, sealed_segments;               /* files now */
	uint64_t disk_bytes;                              /* of all files now */
	uint64_t sealed_total, removed_total;             /* segments sealed, sealed files removed by retention */
	uint64_t damaged_frames, torn_bytes;              /* found since the start */
	double sync_seconds;                              /* time spent in write and fsync */
	bool writable;                                    /* false after a failure until resumed */
};

/* Any thread. */
void journal_stats(struct journal *j, struct journal_stats *out);

#endif
