/* The journal's life: opened (which finds out what is there), started, closed. */
#include "journal/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "journal/internal.h"

enum { DAMAGED_FILES_MAX = 1000, SEGMENT_BYTES_MIN = 1 << 20 };

void keep_damage(struct journal *j, const char *path, uint64_t offset, const char *bytes, uint64_t len)
{
	char dir[PATH_BYTES], name[256], to[PATH_BYTES];
	struct error err = {0};
	const char *base = strrchr(path, '/');
	uint64_t n = atomic_fetch_add(&j->damaged, 1);
	LOG(LOG_ERROR, "damage in the journal: bytes that are no frame were passed over", log_str("path", path),
	    log_int("offset", offset), log_int("bytes", len));
	if (n >= DAMAGED_FILES_MAX)
		return;
	journal_path(dir, j->dir, "damaged");
	snprintf(name, sizeof name, "%s-%" PRIu64 ".bin", base != NULL ? base + 1 : path, offset);
	if (snprintf(to, sizeof to, "%s/%s", dir, name) >= (int)sizeof to)
		return;
	if (file_make_dirs(dir, &err) != 0 || file_write_atomic(to, bytes, len, &err) != 0)
		LOG(LOG_WARN, "damaged bytes could not be kept aside", log_str("path", to), log_str("error", err.text));
}

/* ---- opening ---- */

struct opening {
	struct journal *journal;
	struct journal_recovery *found;
	struct segment *current;
};

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);
	return n >= m && strcmp(s + n - m, end) == 0;
}

static void insert_segment(struct journal *j, struct segment *s)
{
	struct segment **at = &j->segments;
	while (*at != NULL && (*at)->generation < s->generation)
		at = &(*at)->next;
	s->next = *at;
	*at = s;
}

/* The header, or, where it is damaged, what the name says. */
static int read_segment_header(struct journal *j, struct segment *s)
{
	char header[SEGMENT_HEADER_BYTES];
	int fd = file_open(s->path, O_RDONLY);
	if (fd < 0)
		return fd;
	ssize_t n = file_pread(fd, header, sizeof header, 0);
	int64_t size = file_size(fd);
	file_close(fd);
	if (n < 0 || size < 0)
		return n < 0 ? (int)n : (int)size;
	uint64_t generation;
	s->size = (uint64_t)size;
	int code = segment_header_read(header, (uint64_t)n, &generation, &s->first_seq, &s->recycled);
	if (code == -ENOTSUP)
		return code;
	/* One of another generation was on its way to become the next segment, and has its old name and frames still. */
	if (code != 0 || generation != s->generation) {
		LOG(LOG_ERROR, "a segment's header is damaged", log_str("path", s->path));
		atomic_fetch_add(&j->damaged, 1);
		s->first_seq = UINT64_MAX; /* it voids nothing */
		s->recycled = true;
	}
	return 0;
}

static int add_segment(struct journal *j, const char *name)
{
	struct segment *s = mem_zalloc(1, sizeof *s);
	if (s == NULL)
		return -ENOMEM;
	journal_path(s->path, j->dir, name);
	s->generation = strtoull(name + strlen("segment-"), NULL, 10);
	s->void_from = UINT64_MAX;
	insert_segment(j, s);
	return read_segment_header(j, s);
}

static int add_sealed(struct journal *j, const char *name)
{
	char path[PATH_BYTES];
	struct sealed *s = mem_zalloc(1, sizeof *s);
	if (s == NULL)
		return -ENOMEM;
	journal_path(path, j->dir, name);
	int code = sealed_read_header(path, s);
	if (code == -EBADMSG) {
		atomic_fetch_add(&j->damaged, 1);
		code = sealed_read_frames(path, s);
		LOG(LOG_ERROR, "a sealed file's header is damaged", log_str("path", path),
		    log_bool("frames_found", code == 0));
	}
	if (code == 0) {
		s->next = NULL;
		sealed_insert(j, s);
		return 0;
	}
	mem_free(s);
	return code == -EBADMSG ? 0 : code;
}

static int add_file(void *ctx, const char *name)
{
	struct journal *j = ctx;
	char path[PATH_BYTES];
	if (ends_with(name, ".tmp")) {
		journal_path(path, j->dir, name);
		return file_unlink(path);
	}
	if (strncmp(name, "segment-", 8) == 0 && ends_with(name, ".open"))
		return add_segment(j, name);
	if (ends_with(name, ".sealed"))
		return add_sealed(j, name);
	return 0;
}

static int count_frame(void *ctx, const struct frame_header *h, const char *payload)
{
	struct opening *o = ctx;
	struct segment *s = o->current;
	(void)payload;
	if (h->seq >= s->void_from) {
		o->found->void_frames++;
		return 0;
	}
	o->found->frames++;
	o->found->bytes += frame_size(h->length);
	s->last_seq = h->seq;
	s->last_time_ns = h->time_ns;
	s->records[h->kind] += h->count;
	return 0;
}

static void count_damage(void *ctx, uint64_t offset, const char *bytes, uint64_t len)
{
	struct opening *o = ctx;
	o->found->bad_frames++;
	o->current->damage++;
	keep_damage(o->journal, o->current->path, offset, bytes, len);
}

/* Are frames of [from, to) in sealed files? */
static bool is_sealed(const struct journal *j, uint64_t from, uint64_t to)
{
	for (const struct sealed *s = j->sealed; s != NULL; s = s->next) {
		if (s->first_seq < to && s->last_seq >= from)
			return true;
	}
	return false;
}

/* Behind the last frame of the newest segment stands what was torn. In an older one all frames up to the next one's first were synced: if there are
 * fewer, what stands there is damage. (One that was begun in vain stays empty while its frames are written and sealed elsewhere.) */
static void read_end(struct opening *o, const char *map, uint64_t torn)
{
	const struct segment *s = o->current;
	uint64_t next_seq = s->last_seq != 0 ? s->last_seq + 1 : s->first_seq;
	uint64_t left = s->size - s->end;
	bool missing = s->void_from != UINT64_MAX && next_seq < s->void_from && (torn > 0 || s->recycled);
	if (!missing || left == 0 || is_sealed(o->journal, next_seq, s->void_from)) {
		o->found->torn_bytes += torn;
		return;
	}
	if (torn == 0) /* old bytes: how long the frame was is not known */
		torn = left < JOURNAL_FRAME_BYTES ? left : JOURNAL_FRAME_BYTES;
	count_damage(o, s->end, map + s->end, torn);
}

static int read_segment(struct opening *o, struct segment *s)
{
	int code = 0;
	int fd = file_open(s->path, O_RDONLY);
	if (fd < 0)
		return fd;
	const char *map = s->size > 0 ? file_map(fd, s->size, &code) : NULL;
	if (map != NULL) {
		struct scan scan = {.each = count_frame, .damage = count_damage, .ctx = o};
		o->current = s;
		s->end = segment_scan(s, map, s->size, &scan);
		read_end(o, map, scan.torn);
		file_unmap(map, s->size);
	}
	file_close(fd);
	return code;
}

/* From the newest generation back: what each voids in those before it; then what each holds. */
static int read_segments(struct opening *o)
{
	struct journal *j = o->journal;
	for (struct segment *s = j->segments; s != NULL; s = s->next) {
		for (struct segment *later = s->next; later != NULL; later = later->next) {
			if (later->first_seq < s->void_from)
				s->void_from = later->first_seq;
		}
	}
	for (struct segment *s = j->segments; s != NULL; s = s->next) {
		int code = read_segment(o, s);
		if (code != 0)
			return code;
		if (s->first_seq == UINT64_MAX)
			s->first_seq = 1; /* its header was damaged: merged from the start */
		j->next_generation = s->generation + 1;
	}
	return 0;
}

/* Where numbering goes on. Retention may have removed the frames that had the last numbers: the segment begun behind them remembers. */
static void find_end(struct journal *j, struct journal_recovery *found)
{
	for (const struct segment *s = j->segments; s != NULL; s = s->next) {
		if (s->first_seq > found->last_seq + 1) {
			found->last_seq = s->first_seq - 1;
			found->last_time_ns = 0;
		}
		if (s->last_seq > found->last_seq) {
			found->last_seq = s->last_seq;
			found->last_time_ns = s->last_time_ns;
		}
	}
	for (const struct sealed *s = j->sealed; s != NULL; s = s->next) {
		if (s->last_seq > found->last_seq) {
			found->last_seq = s->last_seq;
			found->last_time_ns = s->last_time_ns;
		}
	}
	j->durable_seq = found->last_seq;
}

static int open_files(struct journal *j, struct journal_recovery *found, struct error *err)
{
	struct opening o = {.journal = j, .found = found};
	int code = file_make_dirs(j->dir, err);
	if (code != 0)
		return code;
	code = file_list(j->dir, add_file, j, err);
	if (code == -ENOTSUP)
		return error_set(err, code, "%s: a file there has a newer format than this moongate reads", j->dir);
	if (code == 0)
		code = read_segments(&o);
	if (code != 0)
		return error_set(err, code, "%s: the journal cannot be read: %s", j->dir, strerror(-code));
	find_end(j, found);
	atomic_store(&j->torn, found->torn_bytes);
	return 0;
}

static void set_options(struct journal *j, const struct journal_options *options)
{
	j->options = *options;
	if (j->options.segment_bytes < SEGMENT_BYTES_MIN)
		j->options.segment_bytes = SEGMENT_BYTES_MIN;
	j->options.segment_bytes = (j->options.segment_bytes + 4095) & ~UINT64_C(4095);
	j->options.dir = j->dir;
}

struct journal *journal_open(const struct journal_options *options, struct journal_recovery *found, struct error *err)
{
	struct journal *j = mem_zalloc(1, sizeof *j);
	if (j == NULL) {
		error_set(err, -ENOMEM, "out of memory for the journal");
		return NULL;
	}
	mutex_init(&j->lock);
	condition_init(&j->wake_sync);
	condition_init(&j->wake_maintenance);
	condition_init(&j->synced);
	j->queue_tail = &j->queue;
	j->writer.fd = -1;
	j->next_generation = 1;
	for (int i = 0; i < GROUPS; i++)
		j->groups[i].journal = j;
	j->dir = mem_strndup(options->dir, strlen(options->dir));
	j->encoder = encoder_new();
	set_options(j, options);
	*found = (struct journal_recovery){0};
	if (j->dir == NULL || j->encoder == NULL) {
		error_set(err, -ENOMEM, "out of memory for the journal");
		journal_close(j);
		return NULL;
	}
	if (open_files(j, found, err) != 0) {
		journal_close(j);
		return NULL;
	}
	return j;
}

void journal_skip_to(struct journal *j, uint64_t seq)
{
	CHECK(!j->started);
	if (j->durable_seq < seq)
		j->durable_seq = seq;
}

/* What was read and will be answered for has to be on disk: the process before may have been killed between writing and syncing, and then a power loss
 * would still take it. Where each group is synced that concerns the newest segment alone, since none is begun before what counts in the others was synced; but a run
 * with interval_sync may have given one up without. There are one or two at a start. */
static int secure_segments(struct journal *j, struct error *err)
{
	for (const struct segment *s = j->segments; s != NULL; s = s->next) {
		if (s->last_seq == 0)
			continue;
		int code = segment_secure(s);
		if (code != 0)
			return error_set(err, code, "%s: what was read cannot be made durable: %s", s->path,
			                 strerror(-code));
	}
	return 0;
}

int journal_start(struct journal *j, struct error *err)
{
	int code = secure_segments(j, err);
	if (code != 0)
		return code;
	code = writer_open_next(j, j->durable_seq + 1, 0);
	if (code != 0)
		return error_set(err, code, "%s: no segment can be begun: %s", j->dir, strerror(-code));
	j->last_sync_ns = clock_mono_ns();
	j->synced_seq = j->durable_seq; /* what was found has just been made sure of */
	code = thread_start(&j->sync_thread, "sync", journal_sync_run, j);
	if (code != 0)
		return error_set(err, code, "the sync thread could not be started: %s", strerror(-code));
	code = thread_start(&j->maintenance_thread, "maintenance", journal_maintenance_run, j);
	if (code == 0) {
		j->started = true;
		return 0;
	}
	mutex_lock(&j->lock);
	j->stopping = true;
	condition_signal(&j->wake_sync);
	mutex_unlock(&j->lock);
	thread_join(&j->sync_thread);
	return error_set(err, code, "the maintenance thread could not be started: %s", strerror(-code));
}

static void stop(struct journal *j)
{
	mutex_lock(&j->lock);
	j->stopping = true;
	condition_signal(&j->wake_sync);
	condition_signal(&j->wake_maintenance);
	mutex_unlock(&j->lock);
	thread_join(&j->sync_thread);
	thread_join(&j->maintenance_thread);
	j->started = false;
}

void journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	if (j->started)
		stop(j);
	if (j->writer.fd >= 0)
		file_close(j->writer.fd);
	for (int i = 0; i < GROUPS; i++)
		buf_free(&j->groups[i].bytes);
	while (j->segments != NULL) {
		struct segment *s = j->segments;
		j->segments = s->next;
		mem_free(s);
	}
	while (j->sealed != NULL) {
		struct sealed *s = j->sealed;
		j->sealed = s->next;
		mem_free(s);
	}
	encoder_free(j->encoder);
	condition_deinit(&j->wake_sync);
	condition_deinit(&j->wake_maintenance);
	condition_deinit(&j->synced);
	mutex_deinit(&j->lock);
	mem_free(j->dir);
	mem_free(j);
}

void journal_set_floor(struct journal *j, uint64_t seq)
{
	mutex_lock(&j->lock);
	atomic_store(&j->floor, seq);
	j->floor_moved = true;
	condition_signal(&j->wake_maintenance);
	mutex_unlock(&j->lock);
}

void journal_stats(struct journal *j, struct journal_stats *out)
{
	*out = (struct journal_stats){
	    .commits = atomic_load(&j->commits),
	    .commit_failures = atomic_load(&j->commit_failures),
	    .frames = atomic_load(&j->frames),
	    .bytes = atomic_load(&j->bytes),
	    .sealed_total = atomic_load(&j->sealed_total),
	    .removed_total = atomic_load(&j->removed_total),
	    .damaged_frames = atomic_load(&j->damaged),
	    .torn_bytes = atomic_load(&j->torn),
	    .sync_seconds = (double)atomic_load(&j->sync_ns) / 1e9,
	};
	mutex_lock(&j->lock);
	for (const struct segment *s = j->segments; s != NULL; s = s->next) {
		out->segments++;
		out->disk_bytes += s->size;
	}
	for (const struct sealed *s = j->sealed; s != NULL; s = s->next) {
		out->sealed_segments++;
		out->disk_bytes += s->size;
	}
	out->writable = j->poisoned == 0;
	mutex_unlock(&j->lock);
}
