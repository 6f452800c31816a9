/* What the journal's files share. */
#ifndef MOONGATE_JOURNAL_INTERNAL_H
#define MOONGATE_JOURNAL_INTERNAL_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/thread.h"
#include "journal/journal.h"

enum {
	SEGMENT_HEADER_BYTES = 4096,
	FRAME_HEADER_BYTES = 40,
	SEALED_HEADER_BYTES = 64,
	FRAME_PAYLOAD_MAX = 64 << 20,
	ZERO_AHEAD = 2 << 20, /* a fresh file is zeroed in such steps before it is written */
	GROUPS = 3,
	PATH_BYTES = 1024,
	VALUE_DEPTH_MAX = 128,
	SEALED_KINDS = FRAME_KINDS /* indexed by kind; clock goes with control */
};

/* ---- frame.c: headers and checksums ---- */

struct frame_header {
	uint32_t length, count, raw_length;
	uint8_t kind, compressed;
	uint64_t seq;
	int64_t time_ns;
};

void frame_header_put(char *at, const struct frame_header *h);
/* Sets number and checksum of a frame whose payload follows its header. */
void frame_seal_header(char *at, uint64_t seq, uint64_t generation);
/* The CRC32C of the generation and a header: the beginning of a frame's checksum. */
uint32_t frame_head_sum(const char *at, uint64_t generation);
/* Reads the header at `at` of `left` bytes, and whether it could be one of a frame: all but the checksum. */
bool frame_plausible(const char *at, uint64_t left, struct frame_header *h);
/* Reads and checks the frame at `at`, of which `left` bytes are there. True: it is valid for that generation. */
bool frame_valid(const char *at, uint64_t left, uint64_t generation, struct frame_header *h);
/* Bytes that a frame takes, with its padding. */
static inline uint64_t frame_size(uint32_t length)
{
	return ((uint64_t)FRAME_HEADER_BYTES + length + 7) & ~(uint64_t)7;
}
/* Reads the header alone; false when there is none. */
bool frame_header_get(const char *at, uint64_t left, struct frame_header *h);

static inline void put_u32(char *at, uint32_t v)
{
	memcpy(at, &v, 4);
}
static inline void put_u64(char *at, uint64_t v)
{
	memcpy(at, &v, 8);
}
static inline uint32_t get_u32(const char *at)
{
	uint32_t v;
	memcpy(&v, at, 4);
	return v;
}
static inline uint64_t get_u64(const char *at)
{
	uint64_t v;
	memcpy(&v, at, 8);
	return v;
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the formats are little-endian and read in place");

/* ---- find.c ---- */

/* The next place at or behind `at` with a valid frame of that generation, or `len`. In a time linear in `len - at`, whatever the bytes are. */
uint64_t frame_find(uint64_t generation, const char *bytes, uint64_t at, uint64_t len);

/* ---- encode.c: records → payload; one frame at a time, one thread ---- */

struct encoder;
struct encoder *encoder_new(void);
void encoder_free(struct encoder *e);
/* Begins a payload at the end of `out`. */
void encoder_begin(struct encoder *e, struct buf *out);
/* Adds a record. 0 or -ENOMEM: the payload is then useless. */
int encoder_add(struct encoder *e, const struct record *r);

/* ---- group.c, for samples.c ---- */

/* Room for `bytes` at the end of the open frame, and for its end behind them, or NULL: memory is out. */
char *group_room(struct journal_group *g, size_t bytes);
/* What was written there ends at `end`, and is so many records. 1: the frame is full, else 0. */
int group_wrote(struct journal_group *g, const char *end, uint32_t records);

/* ---- segment.c ---- */

/* A segment as known in memory. Its file is open only while it is written. */
struct segment {
	char path[PATH_BYTES];
	uint64_t generation, first_seq;
	uint64_t last_seq;  /* 0: no frame */
	uint64_t void_from; /* frames from here on do not count */
	int64_t last_time_ns;
	int64_t begun_ns; /* wall clock, when it was made by this process; else 0 */
	uint64_t records[FRAME_KINDS];
	uint64_t size; /* of the file */
	uint64_t end;  /* where the next frame goes */
	bool recycled;
	bool in_doubt;   /* with interval_sync: closed without a sync that succeeded; holds until it is sealed */
	bool sealed;     /* its sealed files stand; maintenance */
	bool failed;     /* a write or sync of it has failed: the file is not used again */
	uint32_t damage; /* runs of bytes that were no frame when the journal was opened: they are kept aside already */
	struct segment *next; /* by generation, rising */
};

/* A writable segment. */
struct writer {
	struct segment *segment; /* also in the journal's list */
	int fd;
	int sync_failure; /* negative errno: what was written is in doubt, however another sync would end */
	uint64_t zeroed;  /* up to here the file is written through */
};

/* Calls `each` for every valid frame of a mapped segment (file_map) in order, and `damage` for every run of bytes that is none. Returns where the frames end.
 * *torn: bytes of a torn frame there. `each` may stop by returning non-zero (then *stopped is that). Behind it the map leaves memory. */
struct scan {
	int (*each)(void *ctx, const struct frame_header *h, const char *payload);
	void (*damage)(void *ctx, uint64_t offset, const char *bytes, uint64_t len);
	void *ctx;
	uint64_t torn;
	int stopped;
};

/* A map that is read from front to back: after each so many bytes what was read leaves memory. */
enum { MAP_PASS_BYTES = 1 << 20 };
static inline void map_pass(const char *map, uint64_t *passed, uint64_t at)
{
	if (at - *passed < MAP_PASS_BYTES)
		return;
	file_map_pass(map, *passed, at);
	*passed = at;
}

uint64_t segment_scan(const struct segment *s, const char *bytes, uint64_t len, struct scan *scan);

int segment_header_read(const char *bytes, uint64_t len, uint64_t *generation, uint64_t *first_seq, bool *recycled);
/* A new file of that name, open for writing: a descriptor or a negative errno. What has the name goes, rather than being emptied and used again: it may be a
 * file whose sync failed. */
int journal_make_file(const char *path);
/* Makes a file of `size` bytes ready at `path`, zeroed through when `zero`. */
int segment_prepare(const char *path, uint64_t size, bool zero);
/* Writes the header into the file at `from`, renames it to its name. */
int segment_activate(const char *dir, const char *from, struct segment *s, int *out);
/* Makes what can be read of a segment's frames durable. It is written anew: that a page is clean does not say that it is on disk, since a sync that
 * failed in an earlier process has called it so. */
int segment_secure(const struct segment *s);

/* ---- sealed.c ---- */

struct sealed {
	char path[PATH_BYTES];
	enum frame_kind kind;
	uint64_t first_seq, last_seq, records, size;
	int64_t first_time_ns, last_time_ns;
	bool looked_through; /* its damage was kept aside */
	struct sealed *next; /* by first_seq, rising */
};

/* Rewrites a segment by kind; the new files are returned as a list. Damage that was not kept aside before is, and s->damage counts it. 0 or a
 * negative errno (nothing is returned then; files that were finished stay and are replaced by the next try). */
int segment_seal(struct journal *j, struct segment *s, struct sealed **out);
/* 0; -EBADMSG: it is damaged; -ENOTSUP: it is of a newer version; or what reading failed with. */
int sealed_read_header(const char *path, struct sealed *out);
/* The same from its name and its frames, where the header is damaged. -EBADMSG: there is no frame. */
int sealed_read_frames(const char *path, struct sealed *out);
/* Undoes the compression into `out` (reset). 0, -EBADMSG, -ENOMEM. The context is made once for many frames: making one asks the processor what it is,
 * which under a hypervisor takes four times as long as a small frame. */
struct ZSTD_DCtx_s;
int frame_inflate(struct ZSTD_DCtx_s *zstd, const struct frame_header *h, const char *payload, struct buf *out);

/* ---- the journal ---- */

struct journal_group {
	struct journal *journal;
	struct buf bytes;
	uint32_t frames;
	size_t frame_start; /* of the open frame */
	bool frame_open, busy;
	struct frame_header header; /* of the open frame */
	uint32_t last_number;       /* of samples in it: series and time of the one before */
	int64_t last_ms;
	int status;
	uint64_t first_seq;
	struct error err;
	void *user;
	struct journal_group *next;
};

struct journal {
	struct journal_options options;
	char *dir;
	struct encoder *encoder; /* engine thread */
	struct journal_group groups[GROUPS];
	bool started;

	struct mutex lock; /* everything below, unless it says otherwise */
	struct condition wake_sync, wake_maintenance, synced;
	struct journal_group *queue, **queue_tail;
	bool stopping;
	bool sync_wanted;         /* with interval_sync: somebody waits on `synced` */
	uint64_t synced_seq;      /* likewise: what was done is synced up to here, but for segments in doubt */
	int poisoned;             /* negative errno since a failure; 0: none */
	struct segment *segments; /* all that are not sealed yet; the last may be the one being written */
	struct sealed *sealed;
	bool spare_due; /* the segment that is written is half full */
	bool spare_ready, spare_recycled;
	bool rotate;      /* the sync thread is to begin another segment */
	int64_t retry_ns; /* monotonic: maintenance failed, and tries again then */
	bool floor_moved; /* maintenance has not looked since */

	struct writer writer;         /* sync thread; the engine thread while poisoned or not started */
	uint64_t next_generation;     /* likewise */
	_Atomic uint64_t durable_seq; /* written by whom the writer belongs to */
	int64_t last_sync_ns;
	bool unsynced;

	bool sealing_fails; /* the last try did; maintenance thread */

	_Atomic uint64_t floor;
	_Atomic uint64_t commits, commit_failures, frames, bytes, sealed_total, removed_total, damaged, torn, sync_ns;
	struct thread sync_thread, maintenance_thread;
};

int writer_open_next(struct journal *j, uint64_t first_seq, uint64_t need);
void writer_close(struct journal *j);
void *journal_sync_run(void *arg);
void *journal_maintenance_run(void *arg);
/* After `worked_ns` of sealing, on the thread that seals: rests, unless there is a reason to hurry. */
void maintenance_rest(struct journal *j, int64_t worked_ns);
/* Puts a list of sealed files into the journal's, by first number; one that was made again takes the place of the first. Under the lock. */
void sealed_insert(struct journal *j, struct sealed *list);
/* Keeps bytes that are no frame aside, as far as the disk lets it, and counts them. */
void keep_damage(struct journal *j, const char *path, uint64_t offset, const char *bytes, uint64_t len);
void journal_path(char out[PATH_BYTES], const char *dir, const char *name);

#endif
