/* Full chunks in files, see spill.h. A file is allocated whole and mapped when it is begun: writes to it go through the kernel, and readers find them in the map, which is of the same pages. */
#include "tsdb/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

enum {
	FILES_MAX = 4096,
	FILE_BYTES_LEAST = 256 * 1024, /* where the size is not given */
	FILE_BYTES_MOST = 16 * 1024 * 1024,
	FILES_HELD = 8, /* so that about so many hold what there is */
	FILE_BYTES_MIN = 64 * 1024,
	UNIT = 8, /* bytes that an offset in a reference counts */
	SLOT = 64 /* no two records begin in the same so many bytes */
};

_Static_assert(sizeof(struct spilled) >= SLOT, "a slot has one record");

struct file {
	char *path; /* owned */
	const char *map;
	size_t size;
	uint32_t number;
	_Atomic int fd;        /* -1 once it is full and synced, and for those of an earlier process */
	_Atomic bool in_doubt; /* a sync has failed: what is in it may or may not be on disk, and no later sync tells */
	int64_t newest_ms;     /* the last sample in it */
	_Atomic uint64_t *whole; /* owned; a bit a slot: the record there was found whole */
};

struct spill {
	char *dir;
	struct epochs *epochs;
	uint32_t file_bytes;                     /* 0: next_bytes() says */
	_Atomic uint32_t first;                  /* number of the oldest file */
	_Atomic uint32_t next;                   /* of the one to be begun */
	size_t end;                              /* bytes used of the last file */
	_Atomic(struct file *) files[FILES_MAX]; /* by number modulo FILES_MAX */
};

static struct file *file_of(const struct spill *s, uint32_t number)
{
	struct file *f = atomic_load_explicit(&s->files[number % FILES_MAX], memory_order_acquire);
	return f != NULL && f->number == number ? f : NULL;
}

static void close_file(struct file *f)
{
	if (f->map != NULL)
		file_unmap(f->map, f->size);
	if (f->fd >= 0)
		file_close(f->fd);
	mem_free(f->whole);
	mem_free(f->path);
	mem_free(f);
}

/* Nobody reads it any more. Where it cannot be removed the next start does it. */
static void remove_file(void *block)
{
	struct file *f = block;
	file_unlink(f->path);
	close_file(f);
}

/* Nobody reads this map of it any more. */
static void drop_file(void *block)
{
	close_file(block);
}

/* Of the file that is to be begun. It is allocated whole, and the last one stays when all before it have gone: of few series a large one would be mostly air. */
static uint32_t next_bytes(const struct spill *s)
{
	uint64_t held = spill_bytes(s);
	uint32_t bytes = FILE_BYTES_LEAST;
	if (s->file_bytes != 0)
		return s->file_bytes;
	while (bytes < FILE_BYTES_MOST && bytes < held / FILES_HELD)
		bytes *= 2;
	return bytes;
}

/* Opens a file, made of `bytes` where `flags` say so, and maps it. NULL with a negative errno in *code. */
static struct file *open_file(const struct spill *s, uint32_t number, int flags, uint32_t bytes, int *code)
{
	char name[32];
	struct file *f = mem_zalloc(1, sizeof *f);
	size_t len = strlen(s->dir) + sizeof name + 1;
	*code = -ENOMEM;
	if (f == NULL)
		return NULL;
	f->fd = -1;
	f->number = number;
	f->newest_ms = INT64_MIN;
	f->path = mem_alloc(len);
	if (f->path == NULL)
		goto out;
	snprintf(f->path, len, "%s/chunks-%010" PRIu32, s->dir, number);
	f->fd = file_open(f->path, flags);
	*code = f->fd < 0 ? f->fd : 0;
	if (*code == 0 && (flags & O_CREAT) != 0)
		*code = file_allocate(f->fd, bytes);
	int64_t size = *code == 0 ? file_size(f->fd) : *code;
	if (size < 0)
		*code = (int)size;
	f->size = size > 0 ? (size_t)size : 0;
	if (*code == 0 && f->size > 0)
		f->map = file_map(f->fd, f->size, code);
	f->whole = mem_zalloc(f->size / SLOT / 64 + 1, sizeof *f->whole);
	if (*code == 0 && f->whole == NULL)
		*code = -ENOMEM;
	if (*code == 0)
		return f;
out:
	if ((flags & O_CREAT) != 0 && f->fd >= 0)
		file_unlink(f->path); /* half made */
	close_file(f);
	return NULL;
}

/* ---- opening ---- */

struct found {
	struct spill *spill;
	struct error *err;
	int code;
	bool any;
};

static bool record_is_whole(const struct file *f, size_t at)
{
	const struct spilled *r = (const struct spilled *)(const void *)(f->map + at);
	if (f->size < at || f->size - at < sizeof *r || r->words == 0 || r->words > CHUNK_WORDS_MAX)
		return false;
	size_t len = sizeof *r + r->words * sizeof r->bits[0];
	return len <= f->size - at && crc32c(0, &r->words, len - sizeof r->crc) == r->crc;
}

/* The same, looked at once: what was whole stays so, unless the kernel may have thrown it away. */
static bool record_was_whole(const struct file *f, size_t at)
{
	if (at >= f->size)
		return false;
	_Atomic uint64_t *word = &f->whole[at / SLOT / 64];
	uint64_t bit = UINT64_C(1) << at / SLOT % 64;
	if ((atomic_load_explicit(word, memory_order_relaxed) & bit) != 0 && !f->in_doubt)
		return true;
	if (!record_is_whole(f, at))
		return false;
	atomic_fetch_or_explicit(word, bit, memory_order_relaxed);
	return true;
}

static size_t record_bytes(const struct spilled *r)
{
	return sizeof *r + r->words * sizeof r->bits[0];
}

/* The time of a file's newest sample. Behind what is damaged the next whole record is sought. */
static void walk_file(struct file *f)
{
	for (size_t at = UNIT; at < f->size;) {
		if (!record_is_whole(f, at)) {
			at += UNIT;
			continue;
		}
		const struct spilled *r = (const struct spilled *)(const void *)(f->map + at);
		if (r->summary.last_ms > f->newest_ms)
			f->newest_ms = r->summary.last_ms;
		at += record_bytes(r);
	}
}

/* What a checkpoint refers to was synced before it; the rest comes again from the journal. So files of an earlier process are only read, and new chunks go to a new one. */
static int find_file(void *ctx, const char *name)
{
	struct found *found = ctx;
	struct spill *s = found->spill;
	if (strncmp(name, "chunks-", 7) != 0)
		return 0;
	char *end;
	unsigned long number = strtoul(name + 7, &end, 10);
	if (*end != '\0' || number > UINT32_MAX)
		return 0;
	if (found->any && number - s->first >= FILES_MAX) {
		found->code = error_set(found->err, -EFBIG, "%s has more than %d files of chunks", s->dir, FILES_MAX);
		return found->code;
	}
	struct file *f = open_file(s, (uint32_t)number, O_RDONLY, 0, &found->code);
	if (f == NULL) {
		error_set(found->err, found->code, "%s/%s cannot be opened: %s", s->dir, name, strerror(-found->code));
		return found->code;
	}
	if (!found->any)
		s->first = (uint32_t)number;
	found->any = true;
	s->next = (uint32_t)number + 1;
	walk_file(f);
	file_close(f->fd);
	f->fd = -1;
	atomic_store_explicit(&s->files[number % FILES_MAX], f, memory_order_relaxed);
	return 0;
}

struct spill *spill_open(const struct spill_options *o, struct error *err)
{
	CHECK(o->file_bytes == 0 || (o->file_bytes >= FILE_BYTES_MIN && o->file_bytes % UNIT == 0));
	struct spill *s = mem_zalloc(1, sizeof *s);
	if (s == NULL || (s->dir = mem_strndup(o->dir, strlen(o->dir))) == NULL) {
		error_set(err, -ENOMEM, "out of memory while opening %s", o->dir);
		mem_free(s);
		return NULL;
	}
	s->epochs = o->epochs;
	s->file_bytes = o->file_bytes;
	struct found found = {.spill = s, .err = err};
	int code = file_make_dirs(s->dir, err);
	if (code == 0)
		code = file_list(s->dir, find_file, &found, err);
	if (code != 0) {
		spill_close(s);
		return NULL;
	}
	return s;
}

void spill_close(struct spill *s)
{
	if (s == NULL)
		return;
	for (uint32_t i = 0; i < FILES_MAX; i++) {
		struct file *f = atomic_load(&s->files[i]);
		if (f != NULL)
			close_file(f);
	}
	mem_free(s->dir);
	mem_free(s);
}

/* ---- writing ---- */

/* Begins another file; NULL with a negative errno in *code. */
static struct file *begin_file(struct spill *s, uint32_t bytes, int *code)
{
	*code = -EFBIG;
	if (s->next - s->first >= FILES_MAX)
		return NULL;
	struct file *f = open_file(s, s->next, O_RDWR | O_CREAT | O_TRUNC, bytes, code);
	if (f == NULL)
		return NULL;
	atomic_store_explicit(&s->files[s->next % FILES_MAX], f, memory_order_release);
	s->next++;
	s->end = UNIT;
	return f;
}

/* The file that has room for `len` more bytes, begun where none has; NULL with a negative errno in *code. */
static struct file *writable(struct spill *s, size_t len, int *code)
{
	struct file *f = s->next == s->first ? NULL : file_of(s, s->next - 1);
	if (f != NULL && f->fd >= 0 && !f->in_doubt && f->size >= s->end && f->size - s->end >= len)
		return f;
	return begin_file(s, next_bytes(s), code);
}

int spill_add(struct spill *s, struct spilled *record, const _Atomic uint64_t *words, spill_ref *out)
{
	CHECK(record->words > 0 && record->words <= CHUNK_WORDS_MAX);
	uint64_t bytes[(sizeof *record) / 8 + CHUNK_WORDS_MAX];
	_Static_assert(sizeof *record % UNIT == 0, "records follow each other aligned");
	size_t len = record_bytes(record);
	for (uint32_t i = 0; i < record->words; i++)
		bytes[sizeof *record / 8 + i] = atomic_load_explicit(&words[i], memory_order_relaxed);
	memcpy(bytes, record, sizeof *record);
	record->crc = crc32c(0, (const char *)bytes + sizeof record->crc, len - sizeof record->crc);
	memcpy(bytes, &record->crc, sizeof record->crc);

	int code = 0;
	struct file *f = writable(s, len, &code);
	if (f == NULL)
		return code;
	code = file_pwrite(f->fd, bytes, len, (int64_t)s->end);
	if (code != 0)
		return code;
	*out = (spill_ref)f->number << 32 | s->end / UNIT;
	s->end += len;
	if (record->summary.last_ms > f->newest_ms)
		f->newest_ms = record->summary.last_ms;
	return 0;
}

/* In place of a file whose sync has failed: a new one with the same bytes, so that all references hold. What was written is still in the map or, where the kernel has thrown it away, is found damaged when it is read. */
static int renew_file(struct spill *s, struct file *old)
{
	struct buf path = {0};
	int code = epoch_reserve(s->epochs, 1);
	if (code != 0)
		return code;
	buf_printf(&path, "%s", old->path);
	buf_byte(&path, '\0');
	if (buf_failed(&path)) {
		buf_free(&path);
		return -ENOMEM;
	}
	struct error err = {0};
	code = file_write_atomic(path.ptr, old->map, old->size, &err);
	buf_free(&path);
	if (code != 0)
		return code;
	struct file *f = open_file(s, old->number, O_RDWR, 0, &code);
	if (f == NULL)
		return code;
	f->newest_ms = old->newest_ms;
	atomic_store_explicit(&s->files[old->number % FILES_MAX], f, memory_order_release);
	epoch_retire(s->epochs, old, drop_file);
	return 0;
}

int spill_sync(struct spill *s)
{
	uint32_t first = s->first,
	         next = s->next; /* the writer may begin another one meanwhile: that is of later samples */
	for (uint32_t n = first; n != next; n++) {
		struct file *f = file_of(s, n);
		if (f == NULL || f->fd < 0)
			continue;
		int code = f->in_doubt ? -EIO : file_datasync(f->fd);
		if (code != 0) {
			f->in_doubt = true;
			return code;
		}
		if (n + 1 != next) { /* nothing is added to it any more */
			file_close(f->fd);
			f->fd = -1;
		}
	}
	return next == first ? 0 : file_sync_dir(s->dir);
}

int spill_mend(struct spill *s)
{
	for (uint32_t n = s->first; n != s->next; n++) {
		struct file *f = file_of(s, n);
		int code = f == NULL || !f->in_doubt ? 0 : renew_file(s, f);
		if (code != 0)
			return code;
	}
	return 0;
}

/* Where nothing in a large last file is asked for either, a small one becomes the last: one stays, since numbers go on from it after a start. Without room for it all stays as it is. */
static void replace_last(struct spill *s, int64_t time_ms)
{
	const struct file *last = s->next == s->first ? NULL : file_of(s, s->next - 1);
	int code;
	if (last != NULL && last->newest_ms < time_ms && last->size > FILE_BYTES_LEAST)
		(void)begin_file(s, FILE_BYTES_LEAST, &code);
}

int spill_release(struct spill *s, int64_t time_ms)
{
	replace_last(s, time_ms);
	while (s->next - s->first > 1) {
		struct file *f = file_of(s, s->first);
		if (f != NULL && f->newest_ms >= time_ms)
			return 0;
		int code = epoch_reserve(s->epochs, 1);
		if (code != 0)
			return code;
		if (f != NULL) {
			atomic_store_explicit(&s->files[s->first % FILES_MAX], NULL, memory_order_release);
			epoch_retire(s->epochs, f, remove_file);
		}
		s->first++;
	}
	return 0;
}

/* ---- reading ---- */

int spill_at(const struct spill *s, spill_ref ref, const struct spilled **out)
{
	uint32_t number = (uint32_t)(ref >> 32);
	size_t at = (size_t)(ref & UINT32_MAX) * UNIT;
	const struct file *f = file_of(s, number);
	/* First the file, then whether it was let go: it is while there is a reader, but not in the map any more. */
	if (f == NULL)
		return number < atomic_load_explicit(&s->first, memory_order_acquire) ? -ENOENT : -EBADMSG;
	if (at == 0 || !record_was_whole(f, at))
		return -EBADMSG;
	*out = (const struct spilled *)(const void *)(f->map + at);
	return 0;
}

void spill_prefetch(const struct spill *s, spill_ref ref)
{
	const struct file *f = file_of(s, (uint32_t)(ref >> 32));
	size_t at = (size_t)(ref & UINT32_MAX) * UNIT;
	if (f == NULL || at >= f->size)
		return;
	__builtin_prefetch(f->map + at);
	__builtin_prefetch(f->map + at + SLOT);
}

uint64_t spill_bytes(const struct spill *s)
{
	uint64_t bytes = 0;
	for (uint32_t n = s->first; n != s->next; n++) {
		const struct file *f = file_of(s, n);
		bytes += f == NULL ? 0 : f->size;
	}
	return bytes;
}
