/* The maintenance thread: makes a spare file ready when it will be wanted, seals closed segments, removes what is too old. Nothing waits for it: without a spare the
 * sync thread makes a file itself, and an unsealed segment is read as it is. */
#include <errno.h>
#include <stdio.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "journal/internal.h"

#define RETRY_AFTER_NS (2 * NS_PER_S)
#define LOOK_EVERY_NS (10 * NS_PER_S)

enum {
	AGE_PARTS = 8, /* what is to go at an age goes at most so much of it late */
	SEGMENTS_WAITING_MAX =
	    20 /* for a checkpoint that covers their samples: twice what lies between two (SAMPLE_SEGMENTS of the engine), and some */
};

void sealed_insert(struct journal *j, struct sealed *list)
{
	while (list != NULL) {
		struct sealed *s = list;
		list = s->next;
		struct sealed **at = &j->sealed;
		while (*at != NULL && (*at)->first_seq < s->first_seq)
			at = &(*at)->next;
		struct sealed *same = *at != NULL && strcmp((*at)->path, s->path) == 0 ? *at : NULL;
		s->next = same != NULL ? same->next : *at;
		*at = s;
		mem_free(same);
	}
}

static void failed(struct journal *j, const char *what, const char *path, int code)
{
	LOG(LOG_WARN, "journal maintenance failed, and is tried again", log_str("what", what), log_str("path", path),
	    log_str("error", strerror(-code)));
	mutex_lock(&j->lock);
	j->retry_ns = clock_mono_ns() + RETRY_AFTER_NS;
	mutex_unlock(&j->lock);
}

/* ---- sealing ---- */

/* Does no more than one segment wait to be sealed? Under the lock. */
static bool one_closed(const struct journal *j)
{
	return j->segments == NULL || j->segments == j->writer.segment || j->segments->next == j->writer.segment;
}

/* A segment takes a third of a second of compressing. In one go, where processors are short, clients would feel it: so it is done frame by frame with rests
 * of three times as long between them, unless another segment waits already or the journal is being closed. */
void maintenance_rest(struct journal *j, int64_t worked_ns)
{
	int64_t until = clock_mono_ns() + 3 * worked_ns;
	mutex_lock(&j->lock);
	for (int64_t left = 3 * worked_ns; !j->stopping && left > 0 && one_closed(j); left = until - clock_mono_ns())
		condition_wait_for(&j->wake_maintenance, &j->lock, left);
	mutex_unlock(&j->lock);
}

/* Are segments to be sealed without waiting for a checkpoint? There are many; or one is in doubt, and no checkpoint is written before it is sealed (journal_sync). */
static bool is_pressed(const struct journal *j)
{
	uint32_t count = 0;
	for (const struct segment *s = j->segments; s != NULL && s != j->writer.segment; s = s->next) {
		if (s->in_doubt && !s->sealed)
			return true;
		count++;
	}
	return count > SEGMENTS_WAITING_MAX;
}

/* Samples are kept until checkpoints cover them, which they will soon: a segment with some waits for that, so that they need not be compressed to be removed a minute later. */
static bool waits_for_checkpoint(const struct journal *j, const struct segment *s)
{
	return s->records[FRAME_SAMPLES] > 0 && s->last_seq > atomic_load(&j->floor) && !is_pressed(j);
}

/* The oldest segment that is not being written and holds nothing that may still fail: a group can begin in a segment that is closed by now and
 * end in the next one. NULL also where it is better sealed later. Under the lock. */
static struct segment *closed_segment(struct journal *j)
{
	struct segment *s = j->segments;
	if (s == NULL || s == j->writer.segment || s->last_seq > atomic_load(&j->durable_seq))
		return NULL;
	return waits_for_checkpoint(j, s) ? NULL : s;
}

/* The sealed files stand: the segment's file becomes the spare, or goes; one whose sync failed always goes, since it would be synced again. Under the lock.
 * Where that fails it stays the oldest segment, and is tried again: those behind it may say which of its frames were refused, so none of them goes before
 * it. (What was removed is certain before the next one is, since sealing that one syncs the directory.) */
static int give_up(struct journal *j, struct segment *s)
{
	char spare[PATH_BYTES];
	journal_path(spare, j->dir, "spare.tmp");
	bool reuse = !j->spare_ready && !s->failed && s->size == j->options.segment_bytes;
	reuse = reuse && file_rename(s->path, spare) == 0;
	int code = reuse ? 0 : file_unlink(s->path);
	if (code != 0)
		return code;
	j->segments = s->next;
	if (reuse)
		j->spare_ready = j->spare_recycled = true;
	return 0;
}

static int seal(struct journal *j, struct segment *s)
{
	struct sealed *list = NULL;
	mutex_lock(&j->lock);
	struct segment copy =
	    *s; /* later failures write to the list's segments, though nothing there that concerns this one */
	mutex_unlock(&j->lock);
	int code = copy.last_seq != 0 ? segment_seal(j, &copy, &list) : 0;
	s->damage = copy.damage;
	if (code != 0)
		return code;
	mutex_lock(&j->lock);
	sealed_insert(j, list);
	s->sealed = true;
	mutex_unlock(&j->lock);
	if (list != NULL)
		atomic_fetch_add(&j->sealed_total, 1);
	return 0;
}

static void seal_one(struct journal *j, struct segment *s)
{
	int code = s->sealed ? 0 : seal(j, s);
	if (code != 0) {
		failed(j, "seal", s->path, code);
		j->sealing_fails = true;
		return;
	}
	j->sealing_fails = false;
	mutex_lock(&j->lock);
	code = give_up(j, s);
	mutex_unlock(&j->lock);
	if (code != 0)
		failed(j, "remove a sealed segment", s->path, code);
	else
		mem_free(s);
}

/* ---- the spare ---- */

/* Is a file to be made? Not before it will be wanted soon, nor while a closed segment is about to become the spare: writing a whole file of zeros beside a load costs more than all its
 * syncs. Under the lock. */
static bool spare_is_wanted(struct journal *j)
{
	const struct segment *s = j->segments;
	return j->spare_due && !j->spare_ready && (s == NULL || s == j->writer.segment || waits_for_checkpoint(j, s));
}

static void prepare_spare(struct journal *j)
{
	char path[PATH_BYTES];
	journal_path(path, j->dir, "spare.tmp");
	int code = segment_prepare(path, j->options.segment_bytes, true);
	if (code != 0) {
		failed(j, "prepare a segment", path, code);
		return;
	}
	mutex_lock(&j->lock);
	j->spare_ready = true;
	j->spare_recycled = false;
	mutex_unlock(&j->lock);
}

/* ---- retention ----
 *
 * It is of sealed files, which is what closed segments become within seconds. While they cannot (sealing takes room, and the disk is full), they count
 * too: first sealed files go for them, then, where those are not enough, the oldest of themselves. Else a disk that has filled up would stay full. */

static uint64_t sealed_bytes(const struct journal *j)
{
	uint64_t bytes = 0;
	for (const struct sealed *s = j->sealed; s != NULL; s = s->next)
		bytes += s->kind == FRAME_AUDIT ? 0 : s->size;
	return bytes;
}

/* Of segments that are not written any more. Under the lock. */
static uint64_t closed_bytes(const struct journal *j)
{
	uint64_t bytes = 0;
	for (const struct segment *s = j->segments; s != NULL; s = s->next)
		bytes += s == j->writer.segment ? 0 : s->size;
	return bytes;
}

static bool is_due(const struct journal *j, const struct sealed *s, int64_t now_ns, uint64_t bytes)
{
	int64_t age = j->options.retention_ns[s->kind];
	if (s->last_seq > atomic_load(&j->floor))
		return false;
	if (s->kind == FRAME_SAMPLES)
		return true; /* the store has them */
	if (age > 0 && s->last_time_ns < now_ns - age)
		return true;
	return s->kind != FRAME_AUDIT && bytes > j->options.retention_bytes;
}

/* Takes the first file that is due out of the list. */
static struct sealed *take_due(struct journal *j)
{
	int64_t now = clock_wall_ns();
	struct sealed *due = NULL;
	mutex_lock(&j->lock);
	uint64_t bytes = sealed_bytes(j) + (j->sealing_fails ? closed_bytes(j) : 0);
	for (struct sealed **at = &j->sealed; *at != NULL && due == NULL;) {
		if (is_due(j, *at, now, bytes)) {
			due = *at;
			*at = due->next;
		} else {
			at = &(*at)->next;
		}
	}
	mutex_unlock(&j->lock);
	return due;
}

static void retain(struct journal *j)
{
	for (struct sealed *s = take_due(j); s != NULL; s = take_due(j)) {
		int code = file_unlink(s->path);
		if (code != 0)
			LOG(LOG_WARN, "an old sealed file could not be removed", log_str("path", s->path),
			    log_str("error", strerror(-code)));
		atomic_fetch_add(&j->removed_total, 1);
		mem_free(s);
	}
}

/* The oldest segment, where it is closed, covered by a checkpoint and one too many. Audit logs stay. */
static struct segment *take_due_segment(struct journal *j)
{
	mutex_lock(&j->lock);
	struct segment *s = closed_segment(j);
	if (s != NULL && (s->last_seq > atomic_load(&j->floor) || s->records[FRAME_AUDIT] > 0 ||
	                  closed_bytes(j) <= j->options.retention_bytes))
		s = NULL;
	int code = s != NULL ? give_up(j, s) : 0;
	mutex_unlock(&j->lock);
	if (code == 0)
		return s;
	LOG(LOG_WARN, "an old segment could not be removed", log_str("path", s->path),
	    log_str("error", strerror(-code)));
	return NULL;
}

static void retain_unsealed(struct journal *j)
{
	for (struct segment *s = j->sealing_fails ? take_due_segment(j) : NULL; s != NULL; s = take_due_segment(j)) {
		LOG(LOG_WARN, "an old segment went before it could be sealed", log_str("path", s->path));
		atomic_fetch_add(&j->removed_total, 1);
		mem_free(s);
	}
}

/* The shortest age at which something goes, INT64_MAX when nothing does for its age. */
static int64_t shortest_age(const struct journal *j)
{
	int64_t shortest = INT64_MAX;
	for (int kind = 0; kind < FRAME_KINDS; kind++) {
		int64_t age = j->options.retention_ns[kind];
		shortest = age > 0 && age < shortest ? age : shortest;
	}
	return shortest;
}

/* What is being written goes with its segment alone: where it takes long to fill, another is begun. Under the lock. */
static void rotate_old(struct journal *j)
{
	const struct segment *s = j->writer.segment;
	if (s == NULL || s->begun_ns == 0 || clock_wall_ns() - s->begun_ns < shortest_age(j) / AGE_PARTS)
		return;
	j->rotate = true;
	condition_signal(&j->wake_sync);
}

/* How long to rest when there is nothing to do. */
static int64_t look_every(const struct journal *j)
{
	int64_t part = shortest_age(j) / AGE_PARTS;
	return part < LOOK_EVERY_NS ? part : LOOK_EVERY_NS;
}

/* ---- the thread ---- */

void *journal_maintenance_run(void *arg)
{
	struct journal *j = arg;
	thread_give_way(); /* a segment takes half a second of compressing, in which clients wait for the engine */
	for (;;) {
		mutex_lock(&j->lock);
		struct segment *closed = closed_segment(j);
		bool want_spare = spare_is_wanted(j);
		bool resting = clock_mono_ns() < j->retry_ns;
		if (!j->stopping && (resting || (closed == NULL && !want_spare && !j->floor_moved)))
			condition_wait_for(&j->wake_maintenance, &j->lock,
			                   resting ? j->retry_ns - clock_mono_ns() : look_every(j));
		j->floor_moved = false;
		rotate_old(j);
		bool stopping = j->stopping;
		resting = clock_mono_ns() < j->retry_ns;
		closed = closed_segment(j);
		want_spare = spare_is_wanted(j);
		mutex_unlock(&j->lock);
		if (stopping)
			return NULL;
		if (!resting && closed != NULL)
			seal_one(j, closed);
		else if (!resting && want_spare)
			prepare_spare(j);
		retain(j);
		retain_unsealed(j);
	}
}
