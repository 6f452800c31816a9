/* Sealing: a closed segment is rewritten by kind, each frame compressed by itself, so that a reader of one kind reads nothing else and each
 * kind has its own retention. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "journal/internal.h"

#define SEALED_MAGIC "MOONSEAL"

enum {
	SEALED_VERSION = 1,
	FLUSH_BYTES = 1 << 20, /* written while they are in the cache: at 4 MiB the copy cost 1 % of all CPU */
	SHORT_RECORD = 128,    /* bytes: what repeats in such records is in the frame's dictionary */
	SHORT_HASH_LOG = 11,   /* of zstd's table of positions; its own choice for a frame is 13 or 14 */
	DEFAULT_HASH_LOG = 0
};

static const char *const kind_names[FRAME_KINDS] = {
    [FRAME_EVENTS] = "events", [FRAME_SPANS] = "spans",     [FRAME_LOGS] = "logs",
    [FRAME_AUDIT] = "audit",   [FRAME_CONTROL] = "control", [FRAME_SAMPLES] = "samples",
};

/* One file being written. */
struct target {
	struct sealed *sealed; /* NULL: no frame of this kind yet */
	char tmp[PATH_BYTES];
	int fd;
	uint64_t written; /* bytes of the file so far; the rest is in `pending` */
	struct buf pending;
	uint32_t frames;
};

struct sealing {
	struct journal *journal;
	const char *dir;
	struct segment *segment;
	uint64_t floor;    /* as it was at the beginning */
	uint64_t last_seq; /* of the frames seen */
	uint32_t damage;   /* runs of bytes that are no frame */
	struct target targets[FRAME_KINDS];
	struct buf packed;
	ZSTD_CCtx *zstd;
	int level;
};

static int flush(struct target *t)
{
	int code = file_pwrite(t->fd, t->pending.ptr, t->pending.len, (int64_t)t->written);
	t->written += t->pending.len;
	t->pending.len = 0;
	return code;
}

static int target_open(struct sealing *s, struct target *t, enum frame_kind kind, const struct frame_header *h)
{
	char name[64];
	t->sealed = mem_zalloc(1, sizeof *t->sealed);
	if (t->sealed == NULL)
		return -ENOMEM;
	t->sealed->kind = kind;
	t->sealed->first_seq = h->seq;
	t->sealed->first_time_ns = h->time_ns;
	snprintf(name, sizeof name, "%s-%020" PRIu64 ".tmp", kind_names[kind], h->seq);
	journal_path(t->tmp, s->dir, name);
	t->fd = journal_make_file(t->tmp);
	if (t->fd < 0)
		return t->fd;
	t->written = SEALED_HEADER_BYTES;
	return 0;
}

/* How zstd looks for what repeats. What the dictionary has left over in short records repeats nearby or not at all, so a table of 8 KiB, which stays in the nearest cache, finds
 * as much: 87 instead of 115 ns an event of 52 bytes, and the same size (texts of 370 bytes would grow by an eighth). Other levels have tables of their own. */
static int hash_log(const struct sealing *s, const struct frame_header *h)
{
	bool is_short = h->length / SHORT_RECORD < h->count;
	return is_short && s->level == 1 ? SHORT_HASH_LOG : DEFAULT_HASH_LOG;
}

/* The payload as it is to be stored: compressed where that pays. */
static int pack(struct sealing *s, struct frame_header *h, const char **payload)
{
	size_t bound = ZSTD_compressBound(h->length);
	buf_reset(&s->packed);
	char *to = buf_room(&s->packed, bound);
	if (to == NULL)
		return -ENOMEM;
	h->raw_length = h->length;
	ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_compressionLevel, s->level);
	ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_hashLog, hash_log(s, h));
	size_t n = ZSTD_compress2(s->zstd, to, bound, *payload, h->length);
	if (ZSTD_isError(n) || n >= h->length)
		return 0;
	h->compressed = 1;
	h->length = (uint32_t)n;
	*payload = to;
	return 0;
}

static int put_frame(struct target *t, const struct frame_header *h, const char *payload)
{
	static const char zeros[8];
	uint64_t size = frame_size(h->length);
	char *at = buf_room(&t->pending, size);
	if (at == NULL)
		return -ENOMEM;
	frame_header_put(at, h);
	memcpy(at + FRAME_HEADER_BYTES, payload, h->length);
	memcpy(at + FRAME_HEADER_BYTES + h->length, zeros, size - FRAME_HEADER_BYTES - h->length);
	frame_seal_header(at, h->seq, 0);
	t->pending.len += size;
	t->frames++;
	t->sealed->last_seq = h->seq;
	t->sealed->last_time_ns = h->time_ns;
	t->sealed->records += h->count;
	return t->pending.len >= FLUSH_BYTES ? flush(t) : 0;
}

static int seal_frame(void *ctx, const struct frame_header *frame, const char *payload)
{
	struct sealing *s = ctx;
	struct frame_header h = *frame;
	if (h.seq >= s->segment->void_from)
		return 0;
	s->last_seq = h.seq;
	if (h.kind == FRAME_SAMPLES && h.seq <= s->floor)
		return 0; /* the store has them */
	enum frame_kind kind = h.kind == FRAME_CLOCK ? FRAME_CONTROL : (enum frame_kind)h.kind;
	struct target *t = &s->targets[kind];
	int code = t->sealed == NULL ? target_open(s, t, kind, &h) : 0;
	int64_t began = clock_mono_ns();
	if (code == 0)
		code = pack(s, &h, &payload);
	if (code == 0)
		code = put_frame(t, &h, payload);
	if (code == 0)
		maintenance_rest(s->journal, clock_mono_ns() - began);
	return code;
}

static uint32_t header_checksum(const char *at)
{
	return crc32c(crc32c(0, at + 8, 4), at + 16, SEALED_HEADER_BYTES - 16);
}

/* What was damaged when the journal was opened is met again, in the same order. */
static void seal_damage(void *ctx, uint64_t offset, const char *bytes, uint64_t len)
{
	struct sealing *s = ctx;
	if (++s->damage <= s->segment->damage)
		return;
	s->segment->damage = s->damage;
	keep_damage(s->journal, s->segment->path, offset, bytes, len);
}

static void header_put(char *at, const struct target *t)
{
	const struct sealed *s = t->sealed;
	memset(at, 0, SEALED_HEADER_BYTES);
	memcpy(at, SEALED_MAGIC, 8);
	put_u32(at + 8, SEALED_VERSION);
	put_u64(at + 16, s->first_seq);
	put_u64(at + 24, s->last_seq);
	put_u64(at + 32, (uint64_t)s->first_time_ns);
	put_u64(at + 40, (uint64_t)s->last_time_ns);
	put_u64(at + 48, s->records);
	put_u32(at + 56, t->frames);
	put_u32(at + 60, s->kind);
	put_u32(at + 12, header_checksum(at));
}

/* Has the segment been sealed before, and come back? Then what stands was made of it when it was whole, and is the better one: what was never synced comes
 * back in part. (The maintenance thread alone changes the list, and it is this one.) */
static bool stands(const struct sealing *s, const struct sealed *mine)
{
	for (const struct sealed *other = s->journal->sealed; other != NULL; other = other->next) {
		if (other->kind == mine->kind && other->first_seq <= mine->first_seq &&
		    other->last_seq >= mine->last_seq && other->records >= mine->records)
			return true;
	}
	return false;
}

/* Nothing of it stays. */
static void target_drop(struct target *t)
{
	file_close(t->fd);
	file_unlink(t->tmp);
	buf_free(&t->pending);
	mem_free(t->sealed);
	t->sealed = NULL;
	t->fd = -1;
}

static int target_finish(struct sealing *s, struct target *t)
{
	char header[SEALED_HEADER_BYTES], name[96];
	int code = flush(t);
	header_put(header, t);
	if (code == 0)
		code = file_pwrite(t->fd, header, sizeof header, 0);
	if (code == 0)
		code = file_sync(t->fd);
	if (code != 0)
		return code;
	t->sealed->size = t->written;
	snprintf(name, sizeof name, "%s-%020" PRIu64 "-%020" PRIu64 ".sealed", kind_names[t->sealed->kind],
	         t->sealed->first_seq, t->sealed->last_seq);
	journal_path(t->sealed->path, s->dir, name);
	return file_rename(t->tmp, t->sealed->path);
}

static void targets_free(struct sealing *s, bool keep)
{
	for (int kind = 0; kind < FRAME_KINDS; kind++) {
		struct target *t = &s->targets[kind];
		if (t->sealed == NULL)
			continue;
		if (t->fd >= 0)
			file_close(t->fd);
		buf_free(&t->pending);
		if (!keep) {
			file_unlink(t->tmp); /* gone already where it was renamed */
			mem_free(t->sealed);
		}
	}
	buf_free(&s->packed);
	ZSTD_freeCCtx(s->zstd);
}

static int seal_mapped(struct sealing *s, const char *bytes, uint64_t len, struct sealed **out)
{
	struct scan scan = {.each = seal_frame, .damage = seal_damage, .ctx = s};
	uint64_t end = segment_scan(s->segment, bytes, len, &scan);
	if (scan.stopped != 0)
		return scan.stopped;
	if (end < len && s->last_seq < s->segment->last_seq)
		seal_damage(s, end, bytes + end, len - end);
	for (int kind = 0; kind < FRAME_KINDS; kind++) {
		struct target *t = &s->targets[kind];
		if (t->sealed == NULL)
			continue;
		if (stands(s, t->sealed)) {
			target_drop(t);
			continue;
		}
		int code = target_finish(s, t);
		if (code != 0)
			return code;
	}
	int code = file_sync_dir(s->dir);
	if (code != 0)
		return code;
	for (int kind = 0; kind < FRAME_KINDS; kind++) {
		struct sealed *sealed = s->targets[kind].sealed;
		if (sealed == NULL)
			continue;
		sealed->next = *out;
		*out = sealed;
	}
	return 0;
}

int segment_seal(struct journal *j, struct segment *segment, struct sealed **out)
{
	struct sealing s = {.journal = j,
	                    .dir = j->dir,
	                    .segment = segment,
	                    .floor = atomic_load(&j->floor),
	                    .level = j->options.zstd_level,
	                    .zstd = ZSTD_createCCtx()};
	*out = NULL;
	for (int kind = 0; kind < FRAME_KINDS; kind++)
		s.targets[kind].fd = -1;
	int code = s.zstd == NULL ? -ENOMEM : 0;
	int fd = code == 0 ? file_open(segment->path, O_RDONLY) : code;
	if (fd >= 0) {
		uint64_t len = segment->end; /* behind it is nothing that counts */
		const void *map = file_map(fd, len, &code);
		if (map != NULL) {
			code = seal_mapped(&s, map, len, out);
			file_unmap(map, len);
		}
		file_close(fd);
	} else {
		code = fd;
	}
	targets_free(&s, code == 0);
	return code;
}

int sealed_read_header(const char *path, struct sealed *out)
{
	char h[SEALED_HEADER_BYTES];
	int fd = file_open(path, O_RDONLY);
	if (fd < 0)
		return fd;
	ssize_t n = file_pread(fd, h, sizeof h, 0);
	int64_t size = file_size(fd);
	file_close(fd);
	if (n < 0 || size < 0)
		return n < 0 ? (int)n : (int)size;
	if (n != sizeof h || memcmp(h, SEALED_MAGIC, 8) != 0 || get_u32(h + 12) != header_checksum(h))
		return -EBADMSG;
	if (get_u32(h + 8) != SEALED_VERSION)
		return -ENOTSUP;
	snprintf(out->path, sizeof out->path, "%s", path);
	out->first_seq = get_u64(h + 16);
	out->last_seq = get_u64(h + 24);
	out->first_time_ns = (int64_t)get_u64(h + 32);
	out->last_time_ns = (int64_t)get_u64(h + 40);
	out->records = get_u64(h + 48);
	out->kind = (enum frame_kind)get_u32(h + 60);
	out->size = (uint64_t)size;
	return out->kind < FRAME_KINDS && out->kind != 0 ? 0 : -EBADMSG;
}

/* "<kind>-<first>-<last>.sealed" */
static bool read_name(const char *path, struct sealed *out)
{
	const char *name = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
	for (int kind = 1; kind < FRAME_KINDS; kind++) {
		size_t len = kind_names[kind] != NULL ? strlen(kind_names[kind]) : 0;
		char *end;
		if (len == 0 || strncmp(name, kind_names[kind], len) != 0 || name[len] != '-')
			continue;
		out->kind = (enum frame_kind)kind;
		out->first_seq = strtoull(name + len + 1, &end, 10);
		if (*end != '-')
			return false;
		out->last_seq = strtoull(end + 1, &end, 10);
		return strcmp(end, ".sealed") == 0;
	}
	return false;
}

/* Fills in what the frames of a mapped file say. */
static int sum_frames(const char *map, struct sealed *out)
{
	struct frame_header h;
	bool found = false;
	for (uint64_t at = frame_find(0, map, SEALED_HEADER_BYTES, out->size); at < out->size;
	     at = frame_find(0, map, at, out->size)) {
		if (!frame_valid(map + at, out->size - at, 0, &h))
			break;
		out->first_time_ns = found ? out->first_time_ns : h.time_ns;
		out->last_time_ns = h.time_ns;
		out->records += h.count;
		found = true;
		at += frame_size(h.length);
	}
	return found ? 0 : -EBADMSG;
}

int sealed_read_frames(const char *path, struct sealed *out)
{
	*out = (struct sealed){0};
	snprintf(out->path, sizeof out->path, "%s", path);
	if (!read_name(path, out))
		return -EBADMSG;
	int fd = file_open(path, O_RDONLY);
	if (fd < 0)
		return fd;
	int64_t size = file_size(fd);
	int code = size < 0 ? (int)size : size <= SEALED_HEADER_BYTES ? -EBADMSG : 0;
	out->size = code == 0 ? (uint64_t)size : 0;
	const char *map = code == 0 ? file_map(fd, out->size, &code) : NULL;
	if (map != NULL) {
		code = sum_frames(map, out);
		file_unmap(map, out->size);
	}
	file_close(fd);
	return code;
}
