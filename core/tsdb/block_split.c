/* The samples of a block's series in two, from the summaries of its pieces: block_reader_split. */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "tsdb/block_reader.h"
#include "tsdb/block_summaries.h"

/* ---- summaries of pieces ---- */

/* Takes those of `count` pieces from the frame. 0, -ENOMEM, -EBADMSG with a sentence. */
static int take_parts(struct block_reader *r, struct slice frame, uint32_t count, uint32_t number, struct error *err)
{
	uint32_t series = block_page_series(r->block, number / BLOCK_PAGE_SERIES);
	struct buf bytes = {0};
	struct slice rest = {NULL, 0};
	int code = block_reader_inflate(r, frame, &bytes, &rest, number, err);
	if (code == 0 && rest.len / BLOCK_SUMMARY_BYTES_MIN < (size_t)count * series)
		code = block_reader_damaged(r, "summaries", number, err);
	r->parts = code == 0 ? mem_zalloc((size_t)count * series, sizeof *r->parts) : NULL;
	if (code == 0 && r->parts == NULL)
		code = error_set(err, -ENOMEM, "out of memory while reading %s", r->block->path);
	for (uint32_t i = 0; i < count && code == 0; i++) {
		if (!block_summaries_take(&rest, r->parts + (size_t)i * series, series, r->block->info.from_ms))
			code = block_reader_damaged(r, "summaries", number, err);
	}
	buf_free(&bytes);
	return code;
}

/* Reads those of the series' page into r->parts: NULL where the block has none of it. Errors as above. */
static int read_parts(struct block_reader *r, uint32_t number, struct error *err)
{
	const struct block *b = r->block;
	uint32_t page = number / BLOCK_PAGE_SERIES;
	int code = 0;
	if (r->parts_page == page)
		return 0;
	mem_free(r->parts);
	r->parts = NULL;
	r->parts_page = BLOCK_NO_PAGE;
	if (b->part_ends != NULL && b->part_ends[page] < b->part_ends[page + 1]) {
		uint64_t at = b->part_ends[page];
		code = take_parts(r, slice_new(b->parts.ptr + at, b->part_ends[page + 1] - at),
		                  b->pages[page + 1].first_piece - b->pages[page].first_piece, number, err);
	}
	if (code == 0)
		r->parts_page = page;
	return code;
}

/* What is kept of a piece's series, or NULL; of a page's only piece that is what is kept of the page. Errors as above. */
static int part_of(struct block_reader *r, uint32_t piece, uint32_t number, const struct chunk_summary **out,
                   struct error *err)
{
	const struct block *b = r->block;
	uint32_t page = number / BLOCK_PAGE_SERIES, first = b->pages[page].first_piece;
	*out = NULL;
	if (r->parts != NULL) {
		*out = &r->parts[(size_t)(piece - first) * block_page_series(b, page) + number % BLOCK_PAGE_SERIES];
		return 0;
	}
	if (b->pages[page + 1].first_piece - first > 1)
		return 0;
	*out = &r->summaries[number % BLOCK_PAGE_SERIES];
	return block_reader_series(r, number, NULL, NULL, err);
}

/* ---- the piece that the begin of the time cuts through ---- */

/* The series' column where the time cuts through it. 0, -ENOMEM, -EBADMSG with a sentence. */
static int cut_column(struct block_reader *r, uint32_t piece, uint32_t number, int64_t time_ms,
                      const struct column_cut **out, struct error *err)
{
	struct cut *c = &r->cut;
	uint64_t bit = UINT64_C(1) << number % BLOCK_PAGE_SERIES;
	struct slice bytes;
	if (c->piece != piece || c->time_ms != time_ms) {
		c->piece = piece;
		c->time_ms = time_ms;
		c->have = 0;
	}
	r->asked |= bit;
	if ((c->have & bit) == 0) {
		uint64_t wanted = block_reader_wanted(r, c->have, bit);
		if (!block_piece_bytes(r->block, &r->block->pieces[piece], &bytes))
			return block_reader_damaged(r, "samples", number, err);
		int code = columns_decode_cut(r->coder, bytes, wanted, time_ms, &r->columns, c->columns, err);
		if (code == -EBADMSG)
			return block_reader_damaged(r, "samples", number, err);
		if (code != 0)
			return code;
		c->have |= wanted;
	}
	*out = &c->columns[number % BLOCK_PAGE_SERIES];
	return 0;
}

/* Rises, from a value that is at least 0, and has nothing else among its values: then two of them say what those from any of them on come to. Whether there is a NaN, or a -0, only its column tells. */
static bool rises(const struct chunk_summary *k)
{
	return k->stale == 0 && k->fallen == 0 && k->min >= 0 && k->max < 9007199254740992.0;
}

static double double_of(uint64_t bits)
{
	double v;

	memcpy(&v, &bits, sizeof v);
	return v;
}

/* Adds what lies behind from_ms of a piece all of whose series `known` is the summary of, and which ends within the time. *added: whether that is so; it has to be decoded otherwise. Errors as above. */
static int add_cut(struct block_reader *r, uint32_t piece, uint32_t number, const struct chunk_summary *known,
                   int64_t from_ms, struct summary_split *out, bool *added, struct error *err)
{
	const struct column_cut *c = NULL;
	int64_t last_before = from_ms > INT64_MIN ? from_ms - 1 : INT64_MIN;
	if (out->halves && out->at_ms > last_before)
		last_before = out->at_ms;
	*added = false;
	if (!rises(known) || known->last_ms <= last_before)
		return 0;
	int code = cut_column(r, piece, number, last_before, &c, err);
	if (code != 0 || !c->plain || c->count != known->count || c->index == c->count)
		return code;
	*added = true;
	if (out->halves && c->index > 0 && c->times_ms[c->index - 1] >= from_ms)
		out->before = (struct series_newest){true, c->times_ms[c->index - 1], c->before};
	double first = double_of(c->at);
	summary_join(&out->after, &(struct chunk_summary){.first_ms = c->times_ms[c->index],
	                                                  .last_ms = known->last_ms,
	                                                  .first = first,
	                                                  .last = known->last,
	                                                  .min = first,
	                                                  .max = known->last,
	                                                  .count = c->count - c->index});
	return 0;
}

/* Adds what the time has of a piece, by decoding it. */
static int add_decoded(struct block_reader *r, uint32_t piece, uint32_t number, int64_t from_ms, int64_t to_ms,
                       struct summary_split *out, struct error *err)
{
	struct column c;
	int code = block_reader_column(r, piece, number, &c, err);
	if (code != 0)
		return code;
	c = column_within(c, from_ms, to_ms);
	split_add_all(out, c.times_ms, c.values, c.count);
	return 0;
}

static int add_piece(struct block_reader *r, uint32_t piece, uint32_t number, int64_t from_ms, int64_t to_ms,
                     struct summary_split *out, struct error *err)
{
	const struct chunk_summary *k;
	bool added = false;
	int code = part_of(r, piece, number, &k, err);
	if (code != 0)
		return code;
	if (k != NULL && (k->count == 0 || (k->first_ms >= from_ms && k->last_ms <= to_ms && split_join(out, k))))
		return 0;
	if (k != NULL && k->last_ms <= to_ms)
		code = add_cut(r, piece, number, k, from_ms, out, &added, err);
	return code != 0 || added ? code : add_decoded(r, piece, number, from_ms, to_ms, out, err);
}

int block_reader_split(struct block_reader *r, uint32_t number, int64_t from_ms, int64_t to_ms,
                       struct summary_split *out, struct error *err)
{
	const struct block *b = r->block;
	CHECK(number < b->info.series);
	uint32_t page = number / BLOCK_PAGE_SERIES;
	int code =
	    block_reader_begin(r, page) == 0 ? 0 : error_set(err, -ENOMEM, "out of memory while reading %s", b->path);
	if (code == 0)
		code = read_parts(r, number, err);
	for (uint32_t i = b->pages[page].first_piece; code == 0 && i < b->pages[page + 1].first_piece; i++) {
		if (b->pieces[i].last_ms >= from_ms && b->pieces[i].first_ms <= to_ms)
			code = add_piece(r, i, number, from_ms, to_ms, out, err);
	}
	return code;
}
