/* The head out of a file, see head_save.c. The checksum is looked at first; what the bytes say is checked all the same. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/varint.h"
#include "record/labels.h"
#include "tsdb/head_file.h"
#include "tsdb/head_series.h"

struct loading {
	struct head *head;
	const char *path;
	struct slice rest;
	struct head_state state;
	uint32_t series;
	struct error *err;
};

static int damaged(const struct loading *l, const char *what)
{
	return error_set(l->err, -EBADMSG, "%s is damaged: %s", l->path, what);
}

static int no_memory(const struct loading *l)
{
	return error_set(l->err, -ENOMEM, "out of memory while loading %s", l->path);
}

static int take_header(struct loading *l)
{
	uint32_t version, crc;
	uint64_t len, from, oldest, newest;
	struct slice magic, rest = l->rest;
	if (!bytes_get_bytes(&rest, 8, &magic) || !slice_eq(magic, SLICE(HEAD_MAGIC)))
		return damaged(l, "it does not begin as a saved head does");
	if (!bytes_get_u32(&rest, &version) || !bytes_get_u32(&rest, &crc))
		return damaged(l, "it is cut off");
	if (version != HEAD_VERSION)
		return error_set(l->err, -EPROTO, "%s is of version %u of the format; this program knows %d", l->path,
		                 version, HEAD_VERSION);
	if (crc32c(0, rest.ptr, rest.len) != crc)
		return damaged(l, "its checksum is wrong");
	if (!bytes_get_u64(&rest, &len) || !bytes_get_u32(&rest, &l->series) ||
	    !bytes_get_u32(&rest, &l->state.next_number) || !bytes_get_u64(&rest, &from) ||
	    !bytes_get_u64(&rest, &oldest) || !bytes_get_u64(&rest, &newest) ||
	    !bytes_get_u64(&rest, &l->state.samples) || len != rest.len)
		return damaged(l, "it is cut off");
	l->state.from_ms = (int64_t)from;
	l->state.oldest_ms = (int64_t)oldest;
	l->state.newest_ms = (int64_t)newest;
	l->rest = rest;
	return 0;
}

static bool take_sample(struct slice *rest, int64_t *time_ms, uint64_t *value)
{
	uint64_t distance;
	if (!varint_get(rest, &distance) || !bytes_get_u64(rest, value))
		return false;
	*time_ms = (int64_t)((uint64_t)*time_ms + unzigzag(distance));
	return true;
}

/* Where all samples are in files the writer goes on behind the last of those. */
static int take_up_spilled(struct loading *l, struct series *s, uint32_t first, spill_ref older)
{
	const struct spilled *r;
	int64_t times[CHUNK_SAMPLES];
	uint64_t values[CHUNK_SAMPLES];
	int code = spill_at(l->head->spill, older, &r);
	if (code == -ENOENT)
		return 0; /* let go since it was saved, being sealed: what comes now is newer */
	if (code != 0 || r->summary.count == 0 || r->summary.count > CHUNK_SAMPLES ||
	    chunk_read((const _Atomic uint64_t *)r->bits, r->words, r->summary.count, times, values) !=
	        r->summary.count)
		return damaged(l, "a series' last chunk is not to be found in its files");
	/* Its last sample again, under the ordinal that it has, so that the writer knows it; readers read it once. */
	if (head_series_begin(l->head, s, first - 1, older) != 0 ||
	    head_series_push(l->head, s, times[r->summary.count - 1], values[r->summary.count - 1]) != 0)
		return no_memory(l);
	return 0;
}

static int take_in_order(struct loading *l, struct series *s)
{
	uint32_t first, count;
	uint64_t older, value;
	int64_t time_ms = 0, last_ms = 0;
	if (!varint_get_u32(&l->rest, &first) || !bytes_get_u64(&l->rest, &older) || !varint_get_u32(&l->rest, &count))
		return damaged(l, "a series is cut off");
	if (count == 0)
		return older == 0 ? 0 : take_up_spilled(l, s, first, older);
	if (head_series_begin(l->head, s, first, older) != 0)
		return no_memory(l);
	for (uint32_t i = 0; i < count; i++, last_ms = time_ms) {
		if (!take_sample(&l->rest, &time_ms, &value) || (i > 0 && time_ms <= last_ms))
			return damaged(l, "the samples of a series do not follow each other");
		if (head_series_push(l->head, s, time_ms, value) != 0)
			return no_memory(l);
	}
	return 0;
}

static int take_late(struct loading *l, struct series *s)
{
	uint32_t count;
	struct late_sample sample = {0};
	if (!varint_get_u32(&l->rest, &count) || count > HEAD_LATE_MAX)
		return damaged(l, "a series is cut off");
	for (uint32_t i = 0; i < count; i++) {
		if (!take_sample(&l->rest, &sample.time_ms, &sample.value))
			return damaged(l, "a series is cut off");
		if (head_series_push_late(l->head, s, &sample) != 0)
			return no_memory(l);
	}
	return 0;
}

static int take_series(struct loading *l)
{
	uint32_t number, len;
	struct slice labels;
	struct series *s;
	struct error why = {0};
	if (!varint_get_u32(&l->rest, &number) || !varint_get_u32(&l->rest, &len) ||
	    !bytes_get_bytes(&l->rest, len, &labels) || number < l->head->next_number ||
	    number >= l->state.next_number || labels_check(labels, NULL, &why) != 0)
		return damaged(l, "a series is none");
	int code = head_series_make(l->head, number, labels, labels_hash(labels), &s);
	if (code != 0)
		return no_memory(l);
	code = take_in_order(l, s);
	return code != 0 ? code : take_late(l, s);
}

static int take_all(struct loading *l)
{
	int code = take_header(l);
	for (uint32_t i = 0; code == 0 && i < l->series; i++)
		code = take_series(l);
	if (code == 0 && l->rest.len > 0)
		code = damaged(l, "there is more than its series");
	if (code != 0)
		return code;
	struct head *h = l->head;
	h->next_number = l->state.next_number;
	h->from_ms = l->state.from_ms;
	h->stats.oldest_ms = l->state.oldest_ms;
	h->stats.newest_ms = l->state.newest_ms;
	h->stats.samples = l->state.samples;
	return 0;
}

int head_load(struct head *h, const char *dir, const char *name, struct error *err)
{
	struct buf path = {0};
	buf_printf(&path, "%s/%s", dir, name);
	buf_byte(&path, '\0');
	if (buf_failed(&path)) {
		buf_free(&path);
		return error_set(err, -ENOMEM, "out of memory while loading %s/%s", dir, name);
	}
	struct loading l = {.head = h, .path = path.ptr, .err = err};
	int fd = file_open(path.ptr, O_RDONLY);
	int64_t size = fd < 0 ? fd : file_size(fd);
	int code = size < 0 ? (int)size : 0;
	const char *map = size > 0 ? file_map(fd, (size_t)size, &code) : NULL;
	if (fd >= 0)
		file_close(fd);
	if (code != 0)
		error_set(err, code, "%s cannot be read: %s", path.ptr, strerror(-code));
	else {
		l.rest = slice_new(map, (size_t)size);
		code = take_all(&l);
	}
	if (map != NULL)
		file_unmap(map, (size_t)size);
	buf_free(&path);
	return code;
}
