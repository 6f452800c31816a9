/* Writing a block, see block.h and FORMAT.md. Series come in the order of their labels and are kept until a page of them is full; then their samples go to the file in pieces, and what the index needs is kept. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <zstd.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/varint.h"
#include "record/labels.h"
#include "tsdb/block.h"
#include "tsdb/block_summaries.h"
#include "tsdb/block_symbols.h"
#include "tsdb/file_out.h"

enum { ZSTD_LEVEL = 1, PAGE_LEVEL = 3 };

/* A series of the page at hand. */
struct waiting {
	struct column samples; /* in the arena */
	uint32_t at;           /* samples that pieces have taken */
};

struct block_writer {
	struct file_out out;
	char name[BLOCK_NAME_MAX];
	int64_t from_ms, to_ms;
	uint64_t samples;
	struct block_symbols symbols;
	struct buf last; /* labels of the last series */

	struct waiting page[BLOCK_PAGE_SERIES];
	struct chunk_summary summaries[BLOCK_PAGE_SERIES]; /* of the page */
	uint32_t page_count;
	struct buf page_labels;
	struct buf page_parts; /* summaries of the page's pieces */
	struct arena arena;    /* of the page's samples */

	struct buf pages, page_table, pieces, part_table; /* sections; part_table's rest: */
	struct buf parts;
	uint32_t piece_count;
	struct columns_coder *coder;
	struct buf scratch;
};

static void free_writer(struct block_writer *w)
{
	block_symbols_deinit(&w->symbols);
	buf_free(&w->last);
	buf_free(&w->page_labels);
	buf_free(&w->pages);
	buf_free(&w->page_table);
	buf_free(&w->pieces);
	buf_free(&w->page_parts);
	buf_free(&w->part_table);
	buf_free(&w->parts);
	buf_free(&w->scratch);
	arena_deinit(&w->arena);
	columns_coder_free(w->coder);
	mem_free(w);
}

static int out_of_memory(const struct block_writer *w, struct error *err)
{
	return error_set(err, -ENOMEM, "out of memory while writing %s", w->name);
}

struct block_writer *block_writer_new(const char *dir, int64_t from_ms, int64_t to_ms, struct error *err)
{
	CHECK(from_ms < to_ms);
	struct block_writer *w = mem_zalloc(1, sizeof *w);
	if (w == NULL) {
		error_set(err, -ENOMEM, "out of memory for a block in %s", dir);
		return NULL;
	}
	snprintf(w->name, sizeof w->name, "%" PRId64 "-%" PRId64 BLOCK_SUFFIX, from_ms, to_ms);
	w->from_ms = from_ms;
	w->to_ms = to_ms;
	block_symbols_init(&w->symbols);
	arena_init(&w->arena);
	w->coder = columns_coder_new(ZSTD_LEVEL);
	int code = w->coder == NULL ? out_of_memory(w, err) : file_out_open(&w->out, dir, w->name, err);
	if (code != 0) {
		free_writer(w);
		return NULL;
	}
	static const char zeros[BLOCK_HEADER_BYTES];
	if (file_out_write(&w->out, slice_new(zeros, sizeof zeros), err) == 0)
		return w;
	block_writer_cancel(w);
	return NULL;
}

void block_writer_cancel(struct block_writer *w)
{
	if (w == NULL)
		return;
	file_out_cancel(&w->out);
	free_writer(w);
}

/* ---- a page's samples ---- */

/* The time before which the next piece's samples lie: no series has more than BLOCK_PIECE_SAMPLES of them. */
static int64_t piece_end(const struct block_writer *w)
{
	int64_t end = w->to_ms;
	for (uint32_t i = 0; i < w->page_count; i++) {
		const struct waiting *s = &w->page[i];
		if (s->samples.count - s->at > BLOCK_PIECE_SAMPLES &&
		    s->samples.times_ms[s->at + BLOCK_PIECE_SAMPLES] < end)
			end = s->samples.times_ms[s->at + BLOCK_PIECE_SAMPLES];
	}
	return end;
}

static uint32_t count_before(const struct waiting *s, int64_t end_ms)
{
	uint32_t left = s->samples.count - s->at, count = 0;
	const int64_t *times = s->samples.times_ms + s->at;
	if (left > 0 && times[left - 1] < end_ms)
		return left;
	while (count < left && times[count] < end_ms)
		count++;
	return count;
}

static int write_piece(struct block_writer *w, const struct column *columns, struct error *err)
{
	buf_reset(&w->scratch);
	bytes_put_u64(&w->scratch, 0);
	int code = columns_encode(w->coder, columns, w->page_count, &w->scratch);
	if (code != 0 || buf_failed(&w->scratch))
		return out_of_memory(w, err);
	size_t len = w->scratch.len - PIECE_HEADER_BYTES;
	CHECK(len <= UINT32_MAX);
	struct buf head = {0};
	bytes_put_u32(&head, (uint32_t)len);
	if (buf_failed(&head))
		return out_of_memory(w, err);
	memcpy(w->scratch.ptr + 4, head.ptr, 4);
	uint32_t crc = crc32c(0, w->scratch.ptr + 4, w->scratch.len - 4);
	buf_reset(&head);
	bytes_put_u32(&head, crc);
	memcpy(w->scratch.ptr, head.ptr, 4);
	buf_free(&head);
	return file_out_write(&w->out, slice_new(w->scratch.ptr, w->scratch.len), err);
}

/* Keeps the summaries of a piece. */
static void put_parts(struct block_writer *w, const struct column *columns)
{
	struct chunk_summary parts[BLOCK_PAGE_SERIES];
	for (uint32_t i = 0; i < w->page_count; i++) {
		summary_init(&parts[i]);
		summary_add_all(&parts[i], columns[i].times_ms, columns[i].values, columns[i].count);
	}
	block_summaries_put(&w->page_parts, parts, w->page_count, w->from_ms);
}

/* Writes the samples before the next end; false: there are none left. */
static int next_piece(struct block_writer *w, bool *more, struct error *err)
{
	struct column columns[BLOCK_PAGE_SERIES];
	int64_t end = piece_end(w), first = INT64_MAX, last = INT64_MIN;
	for (uint32_t i = 0; i < w->page_count; i++) {
		struct waiting *s = &w->page[i];
		uint32_t count = count_before(s, end);
		columns[i] = (struct column){s->samples.times_ms + s->at, s->samples.values + s->at, count};
		s->at += count;
		if (count == 0)
			continue;
		first = columns[i].times_ms[0] < first ? columns[i].times_ms[0] : first;
		last = columns[i].times_ms[count - 1] > last ? columns[i].times_ms[count - 1] : last;
	}
	*more = last != INT64_MIN;
	if (!*more)
		return 0;
	bytes_put_u64(&w->pieces, w->out.at);
	bytes_put_u64(&w->pieces, (uint64_t)first);
	bytes_put_u64(&w->pieces, (uint64_t)last);
	w->piece_count++;
	put_parts(w, columns);
	return write_piece(w, columns, err);
}

/* ---- a page of the index ---- */

/* Appends a zstd frame of the bytes. 0 or -ENOMEM. */
static int compress(struct buf *out, const struct buf *bytes)
{
	size_t room = ZSTD_compressBound(bytes->len);
	if (buf_failed(bytes) || buf_grow(out, room) != 0)
		return -ENOMEM;
	size_t len = ZSTD_compress(out->ptr + out->len, room, bytes->ptr, bytes->len, PAGE_LEVEL);
	if (ZSTD_isError(len))
		return -ENOMEM;
	out->len += len;
	return 0;
}

/* Keeps the summaries of the page's pieces, of which there were `pieces`: where there is but one, they are the page's. */
static int flush_parts(struct block_writer *w, uint32_t pieces)
{
	int code = pieces > 1 && w->page_parts.len <= BLOCK_PAGE_BYTES_MAX ? compress(&w->parts, &w->page_parts) : 0;
	buf_reset(&w->page_parts);
	return code;
}

static void put_page_entry(struct block_writer *w)
{
	bytes_put_u64(&w->part_table, w->parts.len);
	bytes_put_u64(&w->page_table, w->pages.len);
	bytes_put_u32(&w->page_table, w->piece_count);
	bytes_put_u32(&w->page_table, 0);
}

static int flush_page(struct block_writer *w, struct error *err)
{
	uint32_t first_piece = w->piece_count;
	put_page_entry(w);
	block_summaries_put(&w->page_labels, w->summaries, w->page_count, w->from_ms);
	if (compress(&w->pages, &w->page_labels) != 0)
		return out_of_memory(w, err);
	for (bool more = true; more;) {
		int code = next_piece(w, &more, err);
		if (code != 0)
			return code;
	}
	if (flush_parts(w, w->piece_count - first_piece) != 0)
		return out_of_memory(w, err);
	w->page_count = 0;
	buf_reset(&w->page_labels);
	arena_reset(&w->arena, SIZE_MAX);
	return buf_failed(&w->page_table) || buf_failed(&w->pieces) ? out_of_memory(w, err) : 0;
}

/* ---- adding ---- */

static int keep_samples(struct block_writer *w, const struct column *samples)
{
	struct waiting *s = &w->page[w->page_count];
	int64_t *times = arena_alloc(&w->arena, samples->count * sizeof *times);
	uint64_t *values = arena_alloc(&w->arena, samples->count * sizeof *values);
	if (times == NULL || values == NULL)
		return -ENOMEM;
	memcpy(times, samples->times_ms, samples->count * sizeof *times);
	memcpy(values, samples->values, samples->count * sizeof *values);
	s->samples = (struct column){times, values, samples->count};
	s->at = 0;
	struct chunk_summary *summary = &w->summaries[w->page_count];
	summary_init(summary);
	summary_add_all(summary, times, values, samples->count);
	return 0;
}

int block_writer_add(struct block_writer *w, struct slice labels, const struct column *samples, struct error *err)
{
	CHECK(samples->count > 0 && samples->times_ms[0] >= w->from_ms &&
	      samples->times_ms[samples->count - 1] < w->to_ms);
	CHECK(w->symbols.series == 0 || labels_compare(slice_new(w->last.ptr, w->last.len), labels) < 0);
	if (w->page_count == BLOCK_PAGE_SERIES) {
		int code = flush_page(w, err);
		if (code != 0)
			return code;
	}
	buf_reset(&w->last);
	buf_slice_append(&w->last, labels);
	int code = buf_failed(&w->last) ? -ENOMEM : keep_samples(w, samples);
	if (code == 0)
		code = block_symbols_add(&w->symbols, labels, &w->page_labels);
	if (code == -E2BIG)
		return error_set(err, code, "%s would have more than 4 GiB of label names and values", w->name);
	if (code != 0)
		return out_of_memory(w, err);
	w->page_count++;
	w->samples += samples->count;
	return 0;
}

/* ---- the end ---- */

/* Writes a section, and its place and checksum into the header. Empties it. */
static int write_section(struct block_writer *w, struct buf *section, struct buf *header, struct error *err)
{
	if (buf_failed(section))
		return out_of_memory(w, err);
	int code = file_out_align(&w->out, err);
	if (code != 0)
		return code;
	bytes_put_u64(header, w->out.at);
	bytes_put_u64(header, section->len);
	bytes_put_u32(header, crc32c(0, section->ptr, section->len));
	bytes_put_u32(header, 0);
	code = file_out_write(&w->out, slice_new(section->ptr, section->len), err);
	buf_free(section);
	return code;
}

static int write_index(struct block_writer *w, struct buf *header, struct error *err)
{
	struct buf symbols = {0}, labels = {0}, postings = {0};
	put_page_entry(w);
	block_symbols_section(&w->symbols, &symbols);
	int code = block_symbols_postings(&w->symbols, &labels, &postings);
	if (code != 0)
		out_of_memory(w, err);
	buf_slice_append(&w->part_table, buf_slice(&w->parts));
	struct buf *sections[BLOCK_SECTIONS] = {&symbols, &w->pages, &w->page_table, &w->pieces,
	                                        &labels,  &postings, &w->part_table};
	for (int i = 0; i < BLOCK_SECTIONS && code == 0; i++)
		code = write_section(w, sections[i], header, err);
	buf_free(&symbols);
	buf_free(&labels);
	buf_free(&postings);
	return code;
}

/* What lies before the sections' places, with the checksum of all of it. */
static int complete_header(const struct block_writer *w, const struct buf *places, struct buf *out)
{
	struct buf rest = {0};
	bytes_put_u64(&rest, (uint64_t)w->from_ms);
	bytes_put_u64(&rest, (uint64_t)w->to_ms);
	bytes_put_u64(&rest, w->samples);
	bytes_put_u32(&rest, w->symbols.series);
	bytes_put_u32(&rest, 0);
	buf_append(&rest, places->ptr, places->len);
	while (!buf_failed(&rest) && rest.len < BLOCK_HEADER_BYTES - 16)
		buf_byte(&rest, '\0');
	buf_append(out, BLOCK_MAGIC, 8);
	bytes_put_u32(out, BLOCK_VERSION);
	bytes_put_u32(out, buf_failed(&rest) ? 0 : crc32c(0, rest.ptr, rest.len));
	buf_append(out, rest.ptr, rest.len);
	int code = buf_failed(&rest) || buf_failed(out) ? -ENOMEM : 0;
	buf_free(&rest);
	return code;
}

int block_writer_finish(struct block_writer *w, char name[BLOCK_NAME_MAX], struct error *err)
{
	struct buf places = {0}, header = {0};
	int code = w->symbols.series == 0 ? error_set(err, -ENODATA, "%s has no series", w->name) : flush_page(w, err);
	if (code == 0)
		code = write_index(w, &places, err);
	if (code == 0 && (buf_failed(&places) || complete_header(w, &places, &header) != 0))
		code = out_of_memory(w, err);
	if (code == 0) {
		code = file_out_finish(&w->out, slice_new(header.ptr, header.len), err);
		memcpy(name, w->name, BLOCK_NAME_MAX);
		free_writer(w);
	} else {
		block_writer_cancel(w);
	}
	buf_free(&places);
	buf_free(&header);
	return code;
}
