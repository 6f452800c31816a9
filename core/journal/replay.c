/* Reading back: the frames of all files in the order of their numbers. Sealed files of different kinds interleave, so they are merged; files are opened
 * when their first number is near and closed behind their last. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "journal/internal.h"

struct source {
	const char *path;
	struct sealed *sealed; /* NULL: a segment, whose damage was kept when the journal was opened */
	uint64_t first_seq, last_seq, void_from, generation;
	uint64_t at, len; /* in the map */
	uint64_t passed;  /* what lies before it has left memory */
	const char *map;
	int fd;
	bool opened, over;
	struct frame_header header; /* of the frame at `at` */
};

struct merge {
	struct journal *journal;
	struct source *sources; /* by first_seq */
	uint32_t count;
	uint32_t first_open; /* those before it are over */
	struct buf inflated;
	struct error *err;
};

static void source_close(struct source *s)
{
	if (s->map != NULL)
		file_unmap(s->map, s->len);
	if (s->fd >= 0)
		file_close(s->fd);
	s->map = NULL;
	s->fd = -1;
	s->over = true;
}

/* Moves to the next valid frame at or behind `at` that counts; the source is over when there is none. */
static void source_settle(struct journal *j, struct source *s)
{
	while (s->at + FRAME_HEADER_BYTES <= s->len) {
		if (!frame_valid(s->map + s->at, s->len - s->at, s->generation, &s->header)) {
			uint64_t found = frame_find(s->generation, s->map, s->at, s->len);
			if (s->sealed != NULL && !s->sealed->looked_through)
				keep_damage(j, s->path, s->at, s->map + s->at, found - s->at);
			s->at = found;
			continue;
		}
		if (s->header.seq < s->void_from)
			return;
		s->at += frame_size(s->header.length);
	}
	if (s->sealed != NULL)
		s->sealed->looked_through = true;
	source_close(s);
}

static int source_open(struct merge *m, struct source *s)
{
	int code = 0;
	s->opened = true;
	s->fd = file_open(s->path, O_RDONLY);
	int64_t size = s->fd < 0 ? s->fd : file_size(s->fd);
	if (size < 0)
		return error_set(m->err, (int)size, "%s: cannot be read: %s", s->path, strerror((int)-size));
	s->len = (uint64_t)size;
	s->map = file_map(s->fd, s->len, &code);
	if (s->map == NULL)
		return error_set(m->err, code, "%s: cannot be mapped: %s", s->path, strerror(-code));
	source_settle(m->journal, s);
	return 0;
}

/* Of one number the sealed frame counts: a segment that came back after its end may hold one that was refused. */
static bool is_better(const struct source *s, const struct source *than)
{
	return s->header.seq == than->header.seq && s->sealed != NULL && than->sealed == NULL;
}

/* The source with the lowest next frame, opening those that could have it. NULL: all are over. */
static int merge_next(struct merge *m, struct source **out)
{
	*out = NULL;
	while (m->first_open < m->count && m->sources[m->first_open].over)
		m->first_open++;
	for (uint32_t i = m->first_open; i < m->count; i++) {
		struct source *s = &m->sources[i];
		if (*out != NULL && s->first_seq > (*out)->header.seq)
			break;
		if (!s->opened) {
			int code = source_open(m, s);
			if (code != 0)
				return code;
		}
		if (!s->over && (*out == NULL || s->header.seq < (*out)->header.seq || is_better(s, *out)))
			*out = s;
	}
	return 0;
}

static int by_first_seq(const void *a, const void *b)
{
	const struct source *x = a, *y = b;
	return (x->first_seq > y->first_seq) - (x->first_seq < y->first_seq);
}

/* All files that may hold frames behind `after_seq` and at or after `from_ns`. */
static int merge_collect(struct merge *m, const struct journal *j, uint64_t after_seq, int64_t from_ns)
{
	uint32_t n = 0;
	for (const struct segment *s = j->segments; s != NULL; s = s->next)
		n++;
	for (const struct sealed *s = j->sealed; s != NULL; s = s->next)
		n++;
	m->sources = mem_zalloc(n + 1, sizeof *m->sources);
	if (m->sources == NULL)
		return -ENOMEM;
	for (struct sealed *s = j->sealed; s != NULL; s = s->next) {
		if (s->last_seq > after_seq && s->last_time_ns >= from_ns)
			m->sources[m->count++] = (struct source){.path = s->path,
			                                         .sealed = s,
			                                         .first_seq = s->first_seq,
			                                         .last_seq = s->last_seq,
			                                         .void_from = UINT64_MAX,
			                                         .at = SEALED_HEADER_BYTES,
			                                         .fd = -1};
	}
	for (const struct segment *s = j->segments; s != NULL; s = s->next) {
		if (s->last_seq > after_seq && s->last_time_ns >= from_ns)
			m->sources[m->count++] = (struct source){.path = s->path,
			                                         .first_seq = s->first_seq,
			                                         .last_seq = s->last_seq,
			                                         .void_from = s->void_from,
			                                         .generation = s->generation,
			                                         .at = SEGMENT_HEADER_BYTES,
			                                         .fd = -1};
	}
	qsort(m->sources, m->count, sizeof *m->sources, by_first_seq);
	return 0;
}

static int deliver(struct merge *m, const struct source *s, int (*each)(void *ctx, const struct frame *f), void *ctx)
{
	const struct frame_header *h = &s->header;
	struct slice payload = slice_new(s->map + s->at + FRAME_HEADER_BYTES, h->length);
	if (h->compressed) {
		int code = frame_inflate(h, payload.ptr, &m->inflated);
		if (code == -ENOMEM)
			return error_set(m->err, code, "out of memory for frame %llu of %s", (unsigned long long)h->seq,
			                 s->path);
		if (code != 0) {
			keep_damage(m->journal, s->path, s->at, s->map + s->at, frame_size(h->length));
			return 0;
		}
		payload = buf_slice(&m->inflated);
	}
	const struct frame f = {.seq = h->seq,
	                        .time_ns = h->time_ns,
	                        .kind = (enum frame_kind)h->kind,
	                        .count = h->count,
	                        .payload = payload};
	return each(ctx, &f);
}

int journal_replay(struct journal *j, uint64_t after_seq, int64_t from_ns,
                   int (*each)(void *ctx, const struct frame *f), void *ctx, struct error *err)
{
	struct merge m = {.journal = j, .err = err};
	uint64_t last = after_seq;
	int code = merge_collect(&m, j, after_seq, from_ns);
	if (code != 0)
		return error_set(err, code, "out of memory while reading the journal");
	for (;;) {
		struct source *s;
		code = merge_next(&m, &s);
		if (code != 0 || s == NULL)
			break;
		if (s->header.seq >
		    last) { /* a frame that stands twice (sealed, and in its segment) is delivered once */
			last = s->header.seq;
			code = s->header.time_ns >= from_ns ? deliver(&m, s, each, ctx) : 0;
			if (code != 0)
				break;
		}
		s->at += frame_size(s->header.length);
		map_pass(s->map, &s->passed, s->at);
		source_settle(j, s);
	}
	for (uint32_t i = 0; i < m.count; i++) {
		if (!m.sources[i].over)
			source_close(&m.sources[i]);
	}
	mem_free(m.sources);
	buf_free(&m.inflated);
	return code;
}

uint64_t journal_count_since(struct journal *j, enum frame_kind kind, int64_t from_ns)
{
	uint64_t n = 0;
	for (const struct segment *s = j->segments; s != NULL; s = s->next)
		n += s->last_time_ns >= from_ns ? s->records[kind] : 0;
	for (const struct sealed *s = j->sealed; s != NULL; s = s->next)
		n += s->kind == kind && s->last_time_ns >= from_ns ? s->records : 0;
	return n;
}
