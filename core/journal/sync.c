/* The sync thread: numbers the frames, writes the groups, syncs once for all that were waiting, and says so.
 *
 * A group counts as durable when everything up to its end is. On the first failure the thread poisons the journal: the file is closed and never
 * touched again, since what a kernel does with dirty pages after a failed fsync is nobody's promise, and every later group fails until the engine has
 * answered them all and calls journal_resume. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "journal/internal.h"

#define SYNC_EVERY_NS NS_PER_S /* with interval_sync */

void writer_close(struct journal *j)
{
	struct writer *w = &j->writer;
	if (w->segment == NULL)
		return;
	file_close(w->fd);
	mutex_lock(&j->lock);
	w->segment = NULL;
	w->fd = -1;
	condition_signal(&j->wake_maintenance); /* it may be sealed now */
	mutex_unlock(&j->lock);
}

/* After a write or sync that failed: the file is closed for good, and goes once what can be read of it is sealed. */
static void writer_give_up(struct journal *j)
{
	mutex_lock(&j->lock);
	if (j->writer.segment != NULL)
		j->writer.segment->failed = true;
	mutex_unlock(&j->lock);
	writer_close(j);
}

/* Takes the spare file, or makes one on the spot. */
static int take_file(struct journal *j, uint64_t need, char path[PATH_BYTES], bool *recycled, bool *zeroed)
{
	char spare[PATH_BYTES];
	int code = -ENOENT;
	journal_path(spare, j->dir, "spare.tmp");
	journal_path(path, j->dir, "segment.tmp");
	mutex_lock(&j->lock);
	if (j->spare_ready && need <= j->options.segment_bytes) {
		code =
		    file_rename(spare, path); /* out of the way of the next one, which maintenance may begin at once */
		*recycled = j->spare_recycled;
		*zeroed = true;
		j->spare_ready = false;
	}
	j->spare_due = false;
	condition_signal(&j->wake_maintenance);
	mutex_unlock(&j->lock);
	if (code == 0)
		return 0;
	uint64_t size = need > j->options.segment_bytes ? need : j->options.segment_bytes;
	*recycled = *zeroed = false;
	return segment_prepare(path, size, false);
}

/* Frames with numbers from `seq` on in all segments so far are void. */
static void void_from(struct journal *j, uint64_t seq)
{
	for (struct segment *s = j->segments; s != NULL; s = s->next) {
		if (s->void_from > seq)
			s->void_from = seq;
		if (s->last_seq >= seq)
			s->last_seq = seq > s->first_seq ? seq - 1 : 0;
	}
}

static void append_segment(struct journal *j, struct segment *s)
{
	mutex_lock(&j->lock);
	void_from(j, s->first_seq);
	struct segment **at = &j->segments;
	while (*at != NULL)
		at = &(*at)->next;
	*at = s;
	j->writer.segment = s;
	mutex_unlock(&j->lock);
}

/* Begins a segment whose first frame will be `first_seq` and that has room for `need` bytes. */
int writer_open_next(struct journal *j, uint64_t first_seq, uint64_t need)
{
	char path[PATH_BYTES];
	bool recycled, zeroed;
	CHECK(j->writer.segment == NULL);
	struct segment *s = mem_zalloc(1, sizeof *s);
	if (s == NULL)
		return -ENOMEM;
	int code = take_file(j, need + SEGMENT_HEADER_BYTES, path, &recycled, &zeroed);
	s->generation = j->next_generation;
	s->first_seq = first_seq;
	s->void_from = UINT64_MAX;
	s->recycled = recycled;
	s->begun_ns = clock_wall_ns();
	if (code == 0) {
		code = segment_activate(j->dir, path, s, &j->writer.fd);
		j->next_generation++; /* also after a failure: the file may have got its name */
	}
	if (code != 0) {
		mem_free(s);
		return code;
	}
	j->writer.zeroed = zeroed ? s->size : SEGMENT_HEADER_BYTES;
	j->writer.sync_failure = 0;
	append_segment(j, s);
	return 0;
}

/* ---- writing ---- */

/* A fresh file is zeroed a little ahead, so that syncing a group writes data alone. */
static int zero_ahead(struct writer *w, uint64_t end)
{
	struct segment *s = w->segment;
	if (end <= w->zeroed || w->zeroed >= s->size)
		return 0;
	uint64_t to = end + ZERO_AHEAD < s->size ? end + ZERO_AHEAD : s->size;
	char *zeros = mem_zalloc(1, to - w->zeroed);
	if (zeros == NULL)
		return -ENOMEM;
	int code = file_pwrite(w->fd, zeros, to - w->zeroed, (int64_t)w->zeroed);
	mem_free(zeros);
	w->zeroed = to;
	return code;
}

static int write_bytes(struct journal *j, const char *bytes, uint64_t len)
{
	struct writer *w = &j->writer;
	int code = zero_ahead(w, w->segment->end + len);
	if (code == 0)
		code = file_pwrite(w->fd, bytes, len, (int64_t)w->segment->end);
	if (code == 0)
		w->segment->end += len;
	return code;
}

/* Never tried again on a file for which it failed: the kernel reports a lost write once, and then calls the file clean. */
static int sync_now(struct journal *j)
{
	struct writer *w = &j->writer;
	int64_t began = clock_mono_ns();
	int code = w->segment == NULL ? 0 : w->sync_failure;
	if (code == 0 && w->segment != NULL)
		code = w->sync_failure = file_datasync(w->fd);
	j->last_sync_ns = clock_mono_ns();
	atomic_fetch_add(&j->sync_ns, (uint64_t)(j->last_sync_ns - began));
	if (code == 0)
		j->unsynced = false;
	return code;
}

/* Sees to it that `len` bytes, beginning with frame `seq`, fit the segment at hand. */
static int make_room(struct journal *j, uint64_t seq, uint64_t len)
{
	struct writer *w = &j->writer;
	if (w->segment != NULL) {
		if (w->segment->end + len <= w->segment->size)
			return 0;
		int code = sync_now(j); /* of the groups that were written before */
		if (code != 0)
			return code;
		writer_close(j);
	}
	return writer_open_next(j, seq, len);
}

/* Writes frames [from, to) of the buffer, which lie in one segment. */
static int write_run(struct journal *j, struct journal_group *g, size_t from, size_t to, uint64_t seq)
{
	if (from == to)
		return 0;
	struct segment *s = j->writer.segment;
	for (size_t at = from; at < to;) {
		struct frame_header h;
		CHECK(frame_header_get(g->bytes.ptr + at, to - at, &h));
		frame_seal_header(g->bytes.ptr + at, seq, s->generation);
		s->last_seq = seq++;
		s->last_time_ns = h.time_ns;
		s->records[h.kind] += h.count;
		at += frame_size(h.length);
	}
	return write_bytes(j, g->bytes.ptr + from, to - from);
}

/* Numbers and writes a group; it may span segments at frame boundaries. */
static int write_group(struct journal *j, struct journal_group *g, uint64_t seq)
{
	g->first_seq = seq;
	size_t from = 0, at = 0;
	uint64_t from_seq = seq;
	while (at < g->bytes.len) {
		struct frame_header h;
		CHECK(frame_header_get(g->bytes.ptr + at, g->bytes.len - at, &h));
		uint64_t size = frame_size(h.length);
		struct segment *s = j->writer.segment;
		if (s == NULL || s->end + (at - from) + size > s->size) {
			int code = s != NULL ? write_run(j, g, from, at, from_seq) : 0;
			if (code == 0)
				code = make_room(j, seq, size);
			if (code != 0)
				return code;
			from = at;
			from_seq = seq;
		}
		at += size;
		seq++;
	}
	return write_run(j, g, from, at, from_seq);
}

static void fail_group(struct journal *j, struct journal_group *g, int code, const char *what)
{
	g->status = code;
	error_set(&g->err, code, "%s: %s: %s", j->writer.segment != NULL ? j->writer.segment->path : j->dir, what,
	          strerror(-code));
}

/* The file is given up with what was done and not synced in it. */
static void leave_in_doubt(struct journal *j)
{
	mutex_lock(&j->lock);
	if (j->writer.segment != NULL && j->options.interval_sync)
		j->writer.segment->in_doubt = true;
	mutex_unlock(&j->lock);
}

static void poison(struct journal *j, int code)
{
	atomic_fetch_add(&j->commit_failures, 1);
	/* Groups of the last second were acknowledged: nobody will sync this file later. */
	bool owed = j->options.interval_sync && j->unsynced;
	int synced = owed ? sync_now(j) : j->writer.sync_failure;
	if (synced != 0)
		leave_in_doubt(j);
	if (owed && synced != 0)
		LOG(LOG_ERROR, "a sync failed: up to a second of acknowledged records may be lost",
		    log_str("error", strerror(-synced)));
	/* Before maintenance may look at the file: what was refused must not be sealed. */
	mutex_lock(&j->lock);
	void_from(j, j->durable_seq + 1);
	mutex_unlock(&j->lock);
	writer_give_up(j);
	j->unsynced = false;
	mutex_lock(&j->lock);
	j->poisoned = code;
	mutex_unlock(&j->lock);
}

/* Writes and syncs a list of groups as one; from the first that fails on all are failed. */
static void commit(struct journal *j, struct journal_group *list)
{
	int64_t began = clock_mono_ns();
	uint64_t seq = j->durable_seq + 1;
	int code = j->poisoned;
	struct journal_group *failed = code != 0 ? list : NULL;
	for (struct journal_group *g = list; g != NULL && failed == NULL; g = g->next) {
		code = write_group(j, g, seq);
		if (code != 0)
			failed = g;
		seq += g->frames;
		atomic_fetch_add(&j->bytes, g->bytes.len);
		atomic_fetch_add(&j->frames, g->frames);
	}
	atomic_fetch_add(&j->sync_ns, (uint64_t)(clock_mono_ns() - began));
	if (failed != list)
		j->unsynced = true;
	bool sync_due = !j->options.interval_sync || clock_mono_ns() - j->last_sync_ns >= SYNC_EVERY_NS;
	if (failed != list && sync_due && j->poisoned == 0) {
		/* Also when a later group failed to be written: the earlier ones stand in a file whose writes succeeded. */
		int synced = sync_now(j);
		if (synced != 0) {
			failed = list;
			code = synced;
		}
	}
	for (struct journal_group *g = list; g != failed; g = g->next)
		j->durable_seq += g->frames;
	for (struct journal_group *g = failed; g != NULL; g = g->next)
		fail_group(j, g, g == failed && j->poisoned == 0 ? code : -ECANCELED, "the journal cannot be written");
	if (failed != NULL && j->poisoned == 0)
		poison(j, code);
	else if (failed == NULL)
		atomic_fetch_add(&j->commits, 1);
}

static void hand_back(struct journal *j, struct journal_group *list)
{
	while (list != NULL) {
		struct journal_group *next = list->next;
		j->options.on_commit(j->options.ctx, list);
		list = next;
	}
}

/* With interval_sync: what was acknowledged is synced each second, or when somebody wants it to be. When that fails, nobody waits for an answer that could say so: the file is given up, and the
 * next group begins another. Sealing reads what can be read of this one and writes it anew. */
static void sync_interval(struct journal *j, bool wanted)
{
	if (!j->unsynced || (!wanted && clock_mono_ns() - j->last_sync_ns < SYNC_EVERY_NS))
		return;
	int code = sync_now(j);
	if (code == 0)
		return;
	LOG(LOG_ERROR, "a sync failed: up to a second of acknowledged records may be lost",
	    log_str("error", strerror(-code)));
	atomic_fetch_add(&j->commit_failures, 1);
	leave_in_doubt(j);
	writer_give_up(j);
}

static void note_synced(struct journal *j)
{
	mutex_lock(&j->lock);
	if (!j->unsynced) {
		j->synced_seq = j->durable_seq;
		condition_signal(&j->synced);
	}
	mutex_unlock(&j->lock);
}

static void wait_for_groups(struct journal *j)
{
	if (!j->options.interval_sync || !j->unsynced) {
		condition_wait(&j->wake_sync, &j->lock);
		return;
	}
	condition_wait_for(&j->wake_sync, &j->lock, j->last_sync_ns + SYNC_EVERY_NS - clock_mono_ns());
}

/* Begins another segment, so that this one can be sealed. Where that fails the next group tries again, and says so. */
static void rotate(struct journal *j)
{
	mutex_lock(&j->lock); /* while the journal is poisoned the writer belongs to the engine */
	bool own = j->poisoned == 0;
	mutex_unlock(&j->lock);
	if (!own || j->writer.segment == NULL)
		return;
	if (j->writer.segment->last_seq == 0) { /* it holds nothing that could be too old: its age begins anew */
		mutex_lock(&j->lock);
		j->writer.segment->begun_ns = clock_wall_ns();
		mutex_unlock(&j->lock);
		return;
	}
	int code = j->unsynced ? sync_now(j) : 0;
	if (code != 0) {
		poison(j, code);
		return;
	}
	writer_close(j);
	code = writer_open_next(j, j->durable_seq + 1, 0);
	if (code != 0)
		LOG(LOG_WARN, "no segment can be begun", log_str("path", j->dir), log_str("error", strerror(-code)));
}

/* Is it time to make the next segment's file ready? Where little comes none lies about unused. Under the lock. */
static bool is_half_full(const struct writer *w)
{
	return w->segment != NULL && w->segment->end >= w->segment->size / 2;
}

void *journal_sync_run(void *arg)
{
	struct journal *j = arg;
	for (;;) {
		mutex_lock(&j->lock);
		if (j->segments != j->writer.segment)
			condition_signal(&j->wake_maintenance); /* what a closed segment holds may be durable by now */
		if (!j->spare_due && is_half_full(&j->writer)) {
			j->spare_due = true;
			condition_signal(&j->wake_maintenance);
		}
		if (j->queue == NULL && !j->stopping && !j->rotate && !j->sync_wanted)
			wait_for_groups(j);
		bool rotates = j->rotate, wanted = j->sync_wanted;
		j->rotate = j->sync_wanted = false;
		struct journal_group *list = j->queue;
		bool over = list == NULL && j->stopping;
		j->queue = NULL;
		j->queue_tail = &j->queue;
		mutex_unlock(&j->lock);
		if (list != NULL) {
			commit(j, list);
			hand_back(j, list);
		}
		if (j->options.interval_sync) {
			sync_interval(j, wanted);
			note_synced(j);
		}
		if (rotates)
			rotate(j);
		if (over)
			break;
	}
	if (j->unsynced && j->poisoned == 0) {
		int code = sync_now(j);
		if (code != 0)
			LOG(LOG_ERROR, "the last sync failed", log_str("error", strerror(-code)));
	}
	return NULL;
}

/* Under the lock. */
static bool some_in_doubt(const struct journal *j, uint64_t seq)
{
	for (const struct segment *s = j->segments; s != NULL; s = s->next) {
		if (s->in_doubt && !s->sealed && s->first_seq <= seq)
			return true;
	}
	return false;
}

int journal_sync(struct journal *j, uint64_t seq)
{
	int code = 0;
	if (!j->options.interval_sync)
		return 0; /* done means durable */
	mutex_lock(&j->lock);
	while (j->synced_seq < seq && !j->stopping) {
		j->sync_wanted = true;
		condition_signal(&j->wake_sync);
		condition_wait(&j->synced, &j->lock);
	}
	if (j->synced_seq < seq)
		code = -ESHUTDOWN;
	else if (some_in_doubt(j, seq))
		code = -EIO;
	mutex_unlock(&j->lock);
	return code;
}

int journal_resume(struct journal *j, struct error *err)
{
	mutex_lock(&j->lock);
	int was = j->poisoned;
	mutex_unlock(&j->lock);
	if (was == 0)
		return 0;
	/* The sync thread touches nothing while the journal is poisoned and no group is in flight. */
	int code = writer_open_next(j, j->durable_seq + 1, 0);
	if (code != 0)
		return error_set(err, code, "%s: no new segment can be begun: %s", j->dir, strerror(-code));
	mutex_lock(&j->lock);
	j->poisoned = 0;
	mutex_unlock(&j->lock);
	return 0;
}
