/* The head in a file: what a checkpoint keeps of it. Written by a reader, beside the writer; FORMAT.md has the layout. */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/varint.h"
#include "tsdb/file_out.h"
#include "tsdb/head_file.h"
#include "tsdb/head_series.h"

struct saving {
	const struct head_view *view;
	struct file_out out;
	struct buf series; /* the one at hand */
	struct sample_room room;
	uint32_t crc; /* of the series so far */
	uint32_t count;
};

static void put_sample(struct buf *b, int64_t *last_ms, int64_t time_ms, uint64_t value)
{
	varint_put(b, zigzag((uint64_t)time_ms - (uint64_t)*last_ms));
	bytes_put_u64(b, value);
	*last_ms = time_ms;
}

static void put_late(struct buf *b, const struct series_memory *m, uint64_t until)
{
	uint32_t count = 0;
	int64_t last_ms = 0;
	for (uint32_t i = 0; i < m->late_seen; i++)
		count += m->late->samples[i].batch <= until;
	varint_put(b, count);
	for (uint32_t i = 0; i < m->late_seen; i++) {
		if (m->late->samples[i].batch <= until)
			put_sample(b, &last_ms, m->late->samples[i].time_ms, m->late->samples[i].value);
	}
}

static int put_series(struct saving *s, const struct series *of, struct error *err)
{
	struct series_memory m;
	struct buf *b = &s->series;
	int64_t last_ms = 0;
	int code = series_read_memory(of, s->view->batch, &s->room, &m);
	buf_reset(b);
	varint_put(b, of->number);
	varint_put(b, of->labels_len);
	buf_append(b, of->labels, of->labels_len);
	varint_put(b, m.first);
	bytes_put_u64(b, m.older);
	varint_put(b, s->room.count);
	for (uint32_t i = 0; i < s->room.count; i++)
		put_sample(b, &last_ms, s->room.times_ms[i], s->room.values[i]);
	put_late(b, &m, s->view->batch);
	if (code != 0 || buf_failed(b))
		return error_set(err, -ENOMEM, "out of memory while saving the head");
	s->crc = crc32c(s->crc, b->ptr, b->len);
	s->count++;
	return file_out_write(&s->out, slice_new(b->ptr, b->len), err);
}

/* The header; its checksum goes over itself and the series behind it. 0 or -ENOMEM. */
static int put_header(const struct saving *s, const struct head_state *state, struct buf *out)
{
	struct buf rest = {0};
	bytes_put_u64(&rest, s->out.at - HEAD_HEADER_BYTES);
	bytes_put_u32(&rest, s->count);
	bytes_put_u32(&rest, state->next_number);
	bytes_put_u64(&rest, (uint64_t)state->from_ms);
	bytes_put_u64(&rest, (uint64_t)state->oldest_ms);
	bytes_put_u64(&rest, (uint64_t)state->newest_ms);
	bytes_put_u64(&rest, state->samples);
	buf_append(out, HEAD_MAGIC, 8);
	bytes_put_u32(out, HEAD_VERSION);
	if (!buf_failed(&rest)) {
		uint32_t first = crc32c(0, rest.ptr, rest.len);
		bytes_put_u32(out, crc32c_combine(first, s->crc, s->out.at - HEAD_HEADER_BYTES));
		buf_append(out, rest.ptr, rest.len);
	}
	int code = buf_failed(&rest) || buf_failed(out) ? -ENOMEM : 0;
	buf_free(&rest);
	return code;
}

static int put_all(struct saving *s, const struct head_state *state, struct error *err)
{
	static const char zeros[HEAD_HEADER_BYTES];
	struct postings all = head_index_all(&s->view->head->index);
	int code = file_out_write(&s->out, slice_new(zeros, sizeof zeros), err);
	for (uint32_t i = 0; code == 0 && i < all.count && all.numbers[i] < state->next_number; i++) {
		const struct series *of = head_find(s->view->head, all.numbers[i]);
		if (of != NULL)
			code = put_series(s, of, err);
	}
	return code;
}

int head_save(struct head_view *v, const struct head_state *state, const char *dir, const char *name, struct error *err)
{
	struct saving s = {.view = v};
	struct buf header = {0};
	int code = file_out_open(&s.out, dir, name, err);
	if (code != 0)
		return code;
	code = put_all(&s, state, err);
	if (code == 0 && put_header(&s, state, &header) != 0)
		code = error_set(err, -ENOMEM, "out of memory while saving the head");
	if (code == 0)
		code = file_out_finish(&s.out, slice_new(header.ptr, header.len), err);
	else
		file_out_cancel(&s.out);
	buf_free(&header);
	buf_free(&s.series);
	sample_room_deinit(&s.room);
	return code;
}
