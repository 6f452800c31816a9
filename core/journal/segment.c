/* Segment files: made ready, begun, read. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "journal/internal.h"

#define SEGMENT_MAGIC "MOONSEGM"

enum { SEGMENT_VERSION = 1, HEADER_USED = 48 };

void journal_path(char out[PATH_BYTES], const char *dir, const char *name)
{
	snprintf(out, PATH_BYTES, "%s/%s", dir, name);
}

/* The version is within it: a flipped bit there is damage, not a newer format that would keep the journal from opening. */
static uint32_t header_checksum(const char *at)
{
	return crc32c(crc32c(0, at + 8, 4), at + 16, HEADER_USED - 16);
}

static void header_put(char *at, const struct segment *s)
{
	memset(at, 0, SEGMENT_HEADER_BYTES);
	memcpy(at, SEGMENT_MAGIC, 8);
	put_u32(at + 8, SEGMENT_VERSION);
	put_u64(at + 16, s->generation);
	put_u64(at + 24, s->first_seq);
	put_u64(at + 32, (uint64_t)clock_wall_ns());
	put_u64(at + 40, s->recycled);
	put_u32(at + 12, header_checksum(at));
}

int segment_header_read(const char *bytes, uint64_t len, uint64_t *generation, uint64_t *first_seq, bool *recycled)
{
	if (len < SEGMENT_HEADER_BYTES || memcmp(bytes, SEGMENT_MAGIC, 8) != 0)
		return -EBADMSG;
	if (get_u32(bytes + 12) != header_checksum(bytes))
		return -EBADMSG;
	if (get_u32(bytes + 8) != SEGMENT_VERSION)
		return -ENOTSUP;
	*generation = get_u64(bytes + 16);
	*first_seq = get_u64(bytes + 24);
	*recycled = get_u64(bytes + 40) != 0;
	return 0;
}

static int write_zeros(int fd, uint64_t from, uint64_t to)
{
	char *zeros = mem_zalloc(1, ZERO_AHEAD);
	if (zeros == NULL)
		return -ENOMEM;
	int code = 0;
	for (uint64_t at = from; code == 0 && at < to; at += ZERO_AHEAD)
		code = file_pwrite(fd, zeros, to - at < ZERO_AHEAD ? to - at : ZERO_AHEAD, (int64_t)at);
	mem_free(zeros);
	return code;
}

int journal_make_file(const char *path)
{
	int fd = file_open(path, O_RDWR | O_CREAT | O_EXCL);
	if (fd != -EEXIST)
		return fd;
	int code = file_unlink(path);
	return code == 0 ? file_open(path, O_RDWR | O_CREAT | O_EXCL) : code;
}

int segment_prepare(const char *path, uint64_t size, bool zero)
{
	int fd = journal_make_file(path);
	if (fd < 0)
		return fd;
	int code = file_allocate(fd, (int64_t)size);
	if (code == 0 && zero)
		code = write_zeros(fd, 0, size);
	if (code == 0 && zero)
		code = file_sync(fd);
	file_close(fd);
	if (code != 0)
		file_unlink(path);
	return code;
}

int segment_activate(const char *dir, const char *from, struct segment *s, int *out)
{
	char header[SEGMENT_HEADER_BYTES];
	char name[64];
	header_put(header, s);
	snprintf(name, sizeof name, "segment-%020" PRIu64 ".open", s->generation);
	journal_path(s->path, dir, name);
	int fd = file_open(from, O_RDWR);
	if (fd < 0)
		return fd;
	int64_t size = file_size(fd);
	int code = size < 0 ? (int)size : file_pwrite(fd, header, sizeof header, 0);
	if (code == 0)
		code = file_sync(fd);
	if (code == 0)
		code = file_rename(from, s->path);
	if (code == 0)
		code = file_sync_dir(dir);
	if (code != 0) {
		file_close(fd);
		return code;
	}
	s->size = (uint64_t)size;
	s->end = SEGMENT_HEADER_BYTES;
	*out = fd;
	return 0;
}

int segment_secure(const struct segment *s)
{
	enum { STEP = 1 << 20 };
	int fd = file_open(s->path, O_RDWR);
	if (fd < 0)
		return fd;
	char *bytes = mem_alloc(STEP);
	int code = bytes == NULL ? -ENOMEM : 0;
	for (uint64_t at = SEGMENT_HEADER_BYTES; code == 0 && at < s->end;) {
		ssize_t n = file_pread(fd, bytes, s->end - at < STEP ? s->end - at : STEP, (int64_t)at);
		if (n <= 0)
			code = n < 0 ? (int)n : -EIO;
		else
			code = file_pwrite(fd, bytes, (size_t)n, (int64_t)at);
		at += n > 0 ? (uint64_t)n : 0;
	}
	if (code == 0)
		code = file_sync(fd);
	mem_free(bytes);
	file_close(fd);
	return code;
}

/* ---- reading ---- */

/* How much of a frame that was not finished stands at the end. In a file that was zero before: all that is not zero. In a recycled one only a header
 * with the next number tells new bytes from old. */
static uint64_t torn_bytes(const struct segment *s, const char *bytes, uint64_t at, uint64_t len, uint64_t next_seq)
{
	struct frame_header h;
	if (s->recycled) {
		if (!frame_header_get(bytes + at, len - at, &h) || h.seq != next_seq)
			return 0;
		uint64_t size = frame_size(h.length);
		return size < len - at ? size : len - at;
	}
	uint64_t end = len;
	while (end > at && bytes[end - 1] == 0)
		end--;
	return end - at;
}

uint64_t segment_scan(const struct segment *s, const char *bytes, uint64_t len, struct scan *scan)
{
	uint64_t at = SEGMENT_HEADER_BYTES;
	uint64_t next_seq = s->first_seq;
	uint64_t passed = 0;
	scan->torn = 0;
	scan->stopped = 0;
	for (; at + FRAME_HEADER_BYTES <= len; map_pass(bytes, &passed, at)) {
		struct frame_header h;
		if (!frame_valid(bytes + at, len - at, s->generation, &h)) {
			uint64_t found = frame_find(s->generation, bytes, at, len);
			if (found >= len)
				break;
			if (scan->damage != NULL)
				scan->damage(scan->ctx, at, bytes + at, found - at);
			at = found;
			continue;
		}
		scan->stopped = scan->each(scan->ctx, &h, bytes + at + FRAME_HEADER_BYTES);
		if (scan->stopped != 0)
			return at;
		next_seq = h.seq + 1;
		at += frame_size(h.length);
	}
	if (at >= len)
		return len; /* the last frame's padding may be cut off */
	scan->torn = torn_bytes(s, bytes, at, len, next_seq);
	return at;
}
