/* Where the head puts chunks that are full: files of records that are written once, behind each other, and read through maps. What a record holds never changes, so readers need nothing but its address.
 *
 * A chunk is spilled so that it takes no memory, not so that it is safe: that it is when the journal's frames, or a checkpoint before which spill_sync was called, are on disk. After a start the files hold what the checkpoint
 * refers to, and perhaps more, which nobody asks for.
 *
 * One writer (engine thread); spill_at may be called by any thread that was given the reference. The format is in FORMAT.md. */
#ifndef MOONGATE_TSDB_SPILL_H
#define MOONGATE_TSDB_SPILL_H

#include <stdint.h>

#include "base/epoch.h"
#include "base/error.h"
#include "tsdb/chunk.h"

struct spill;

/* Where a chunk lies: the number of its file << 32 | byte offset / 8. 0: nowhere. */
typedef uint64_t spill_ref;

/* A chunk as it lies in a file; 8-aligned. */
struct spilled {
	uint32_t crc;   /* CRC32C of all that follows */
	uint32_t words; /* of the chunk */
	uint32_t series;
	uint32_t first;  /* ordinal of its first sample in the series (head.h) */
	spill_ref older; /* the series' chunk before this one; 0: none */
	struct chunk_summary summary;
	uint64_t bits[]; /* `words` of them */
};

struct spill_options {
	const char *dir;       /* made where missing */
	struct epochs *epochs; /* borrowed: files that go are retired there */
	uint32_t
	    file_bytes; /* of each file, at least 64 KiB. Default (0): an eighth of what there is, 256 KiB to 16 MiB */
};

/* Opens the files of a directory. NULL with a sentence. Owned by the caller: spill_close; no reader is left then. */
struct spill *spill_open(const struct spill_options *o, struct error *err);
void spill_close(struct spill *s);

/* Writes a chunk behind the others. The record's crc is set here. 0 and its reference, or a negative errno with nothing changed: the caller keeps the chunk in memory. */
int spill_add(struct spill *s, struct spilled *record, const _Atomic uint64_t *words, spill_ref *out);

/* The record, for a reader between epoch_enter and epoch_leave (or the writer). 0; -ENOENT: its file was let go; -EBADMSG: what lies there is not what was written (its checksum says so, which is looked at when it is first read). */
int spill_at(const struct spill *s, spill_ref ref, const struct spilled **out);

/* Asks the processor for the head of the record. Whoever may call spill_at. */
void spill_prefetch(const struct spill *s, spill_ref ref);

/* What was added until now outlives a power loss. 0, or a negative errno: then it does not until spill_mend and another call have succeeded. By one thread at a time, which may be another than the writer's: a reader, between epoch_enter and epoch_leave. */
int spill_sync(struct spill *s);

/* Writes files that could not be synced anew, under the same references: a sync that failed is not tried again on its file. 0 also where there is nothing to mend. The writer's, while no spill_sync runs. */
int spill_mend(struct spill *s);

/* Lets go of files all of whose chunks end before `time_ms`: they are removed once no reader is left. The one that is being filled stays, or a small one in its place. 0 or -ENOMEM with nothing changed. */
int spill_release(struct spill *s, int64_t time_ms);

/* Bytes of all files, for moongate's own metrics. */
uint64_t spill_bytes(const struct spill *s);

#endif
