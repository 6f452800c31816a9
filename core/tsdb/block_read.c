/* Reading a block, see block.h. What was checked when it was opened is relied on; pages and pieces have checksums of their own kind and are looked at as they are read. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/varint.h"
#include "record/labels.h"
#include "tsdb/block_reader.h"
#include "tsdb/block_summaries.h"

struct block_reader *block_reader_new(const struct block *b)
{
	struct block_reader *r = mem_zalloc(1, sizeof *r);
	if (r == NULL)
		return NULL;
	r->block = b;
	r->page = r->pieces_page = r->parts_page = BLOCK_NO_PAGE;
	r->cut.piece = BLOCK_NO_PIECE;
	arena_init(&r->index);
	arena_init(&r->columns);
	r->coder = columns_coder_new(1);
	r->inflate = ZSTD_createDCtx();
	if (r->coder != NULL && r->inflate != NULL)
		return r;
	block_reader_free(r);
	return NULL;
}

void block_reader_free(struct block_reader *r)
{
	if (r == NULL)
		return;
	arena_deinit(&r->index);
	arena_deinit(&r->columns);
	columns_coder_free(r->coder);
	ZSTD_freeDCtx(r->inflate);
	buf_free(&r->page_bytes);
	buf_free(&r->labels);
	mem_free(r->symbols);
	mem_free(r->parts);
	sample_room_deinit(&r->room);
	mem_free(r);
}

int block_reader_damaged(const struct block_reader *r, const char *what, uint32_t number, struct error *err)
{
	return error_set(err, -EBADMSG, "%s is damaged: the %s of its series %u to %u", r->block->path, what,
	                 number / BLOCK_PAGE_SERIES * BLOCK_PAGE_SERIES,
	                 (number / BLOCK_PAGE_SERIES + 1) * BLOCK_PAGE_SERIES - 1);
}

/* ---- the index ---- */

/* The label's number among the names, or -1. */
static int64_t find_name(const struct block *b, struct slice name)
{
	uint32_t low = 0, high = b->name_count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = slice_compare(block_symbol_text(b, b->names[middle].symbol), name);
		if (order == 0)
			return middle;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return -1;
}

static const struct block_value *find_value(const struct block *b, uint32_t name, struct slice value)
{
	uint32_t low = b->names[name].first_value, high = b->names[name + 1].first_value;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = slice_compare(block_symbol_text(b, b->values[middle].symbol), value);
		if (order == 0)
			return &b->values[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* All series from 0 on. */
static struct postings every_series(struct block_reader *r)
{
	uint32_t count = r->block->info.series;
	uint32_t *numbers = arena_alloc(&r->index, count * sizeof *numbers);
	if (numbers == NULL) {
		r->index_failed = true;
		return (struct postings){NULL, 0};
	}
	for (uint32_t i = 0; i < count; i++)
		numbers[i] = i;
	return (struct postings){numbers, count};
}

static struct postings all(void *ctx)
{
	return every_series(ctx);
}

/* A list that does not rise within the block is damaged in a way that its checksum did not tell: it ends there. */
static struct postings equal(void *ctx, struct slice name, struct slice value)
{
	struct block_reader *r = ctx;
	const struct block *b = r->block;
	int64_t at = find_name(b, name);
	const struct block_value *v = at < 0 ? NULL : find_value(b, (uint32_t)at, value);
	if (v == NULL)
		return (struct postings){NULL, 0};
	if (v->series == b->info.series)
		return every_series(r);
	uint32_t *numbers = arena_alloc(&r->index, v->series * sizeof *numbers);
	r->index_failed = r->index_failed || numbers == NULL;
	struct slice rest = b->sections[BLOCK_POSTINGS];
	rest = slice_new(rest.ptr + v->offset, rest.len - v->offset);
	uint32_t count = 0;
	for (uint64_t number = 0, distance; numbers != NULL && count < v->series && varint_get(&rest, &distance);) {
		number = count == 0 ? distance : number + 1 + distance;
		if (number >= b->info.series)
			break;
		numbers[count++] = (uint32_t)number;
	}
	return (struct postings){numbers, count};
}

static int values_of(void *ctx, struct slice name, struct arena *arena, const struct slice **values, uint32_t *count)
{
	struct block_reader *r = ctx;
	const struct block *b = r->block;
	int64_t at = find_name(b, name);
	uint32_t first = at < 0 ? 0 : b->names[at].first_value, end = at < 0 ? 0 : b->names[at + 1].first_value;
	struct slice *out = arena_alloc(arena, (end - first + (size_t)1) * sizeof *out);
	if (out == NULL)
		return -ENOMEM;
	for (uint32_t i = first; i < end; i++)
		out[i - first] = block_symbol_text(b, b->values[i].symbol);
	*values = out;
	*count = end - first;
	return 0;
}

void block_reader_index(struct block_reader *r, struct postings_source *out)
{
	*out = (struct postings_source){.equal = equal, .values = values_of, .all = all, .ctx = r};
}

bool block_reader_index_failed(const struct block_reader *r)
{
	return r->index_failed;
}

int block_reader_label_names(struct block_reader *r, struct arena *arena, const struct slice **names, uint32_t *count)
{
	const struct block *b = r->block;
	struct slice *out = arena_alloc(arena, (b->name_count + (size_t)1) * sizeof *out);
	if (out == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < b->name_count; i++)
		out[i] = block_symbol_text(b, b->names[i].symbol);
	*names = out;
	*count = b->name_count;
	return 0;
}

/* ---- a page: labels and summaries ---- */

/* Room for a page's symbols: each takes a byte of it and more. 0 or -ENOMEM. */
static int symbols_room(struct block_reader *r, size_t count)
{
	if (count <= r->symbols_cap)
		return 0;
	mem_free(r->symbols);
	r->symbols = mem_alloc(count * sizeof *r->symbols);
	r->symbols_cap = r->symbols == NULL ? 0 : count;
	return r->symbols == NULL ? -ENOMEM : 0;
}

static bool take_labels(struct block_reader *r, struct slice *rest, uint32_t count)
{
	uint32_t used = 0;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t labels, symbol;
		if (!varint_get_u32(rest, &labels) || labels > LABELS_MAX)
			return false;
		for (uint32_t k = 0; k < 2 * labels; k++) {
			if (!varint_get_u32(rest, &symbol) || symbol >= r->block->symbol_count)
				return false;
			r->symbols[used++] = symbol;
		}
		r->symbol_ends[i] = used;
	}
	return true;
}

/* The bytes of a frame of the page of series `number`, in a buffer of the reader's. */
int block_reader_inflate(const struct block_reader *r, struct slice frame, struct buf *to, struct slice *out,
                         uint32_t number, struct error *err)
{
	unsigned long long size = ZSTD_getFrameContentSize(frame.ptr, frame.len);
	if (size > BLOCK_PAGE_BYTES_MAX) /* the codes for "unknown" and "error" are the largest numbers */
		return block_reader_damaged(r, "labels", number, err);
	buf_reset(to);
	if (buf_grow(to, size + 1) != 0)
		return error_set(err, -ENOMEM, "out of memory while reading %s", r->block->path);
	size_t got = ZSTD_decompressDCtx(r->inflate, to->ptr, size, frame.ptr, frame.len);
	if (ZSTD_isError(got) || got != size)
		return block_reader_damaged(r, "labels", number, err);
	*out = slice_new(to->ptr, got);
	return 0;
}

static int read_page(struct block_reader *r, uint32_t number, struct error *err)
{
	const struct block *b = r->block;
	uint32_t page = number / BLOCK_PAGE_SERIES;
	if (r->page == page)
		return 0;
	r->page = BLOCK_NO_PAGE;
	const char *from = b->sections[BLOCK_PAGES].ptr + b->pages[page].offset;
	size_t len = b->pages[page + 1].offset - b->pages[page].offset;
	struct slice rest = {NULL, 0};
	int code = block_reader_inflate(r, slice_new(from, len), &r->page_bytes, &rest, number, err);
	if (code != 0)
		return code;
	if (symbols_room(r, rest.len) != 0)
		return error_set(err, -ENOMEM, "out of memory while reading %s", b->path);
	uint32_t count = block_page_series(b, page);
	if (!take_labels(r, &rest, count) || !block_summaries_take(&rest, r->summaries, count, b->info.from_ms) ||
	    rest.len != 0)
		return block_reader_damaged(r, "labels", number, err);
	r->page = page;
	return 0;
}

/* Appends a label to those that were made. False: none that is canonical behind them. */
static bool make_label(struct block_reader *r, uint32_t at, uint32_t name, uint32_t value)
{
	struct label l = {block_symbol_text(r->block, name), block_symbol_text(r->block, value)};
	if (l.name.len == 0 || l.name.len > LABEL_NAME_BYTES_MAX || l.value.len == 0 ||
	    l.value.len > LABEL_VALUE_BYTES_MAX)
		return false;
	if (at > 0 && slice_compare(block_symbol_text(r->block, r->label_symbols[2 * at - 2]), l.name) >= 0)
		return false;
	size_t size = labels_size(&l, 1);
	char *to = buf_room(&r->labels, size);
	if (to == NULL)
		return true; /* the buffer says so */
	labels_write(to, &l, 1);
	r->labels.len += size;
	r->label_symbols[2 * at] = name;
	r->label_symbols[2 * at + 1] = value;
	r->label_ends[at] = r->labels.len;
	return r->labels.len <= LABELS_BYTES_MAX;
}

int block_reader_labels(struct block_reader *r, uint32_t number, struct slice *out, struct error *err)
{
	CHECK(number < r->block->info.series);
	int code = read_page(r, number, err);
	if (code != 0)
		return code;
	uint32_t i = number % BLOCK_PAGE_SERIES, begin = i == 0 ? 0 : r->symbol_ends[i - 1], same = 0;
	const uint32_t *wanted = r->symbols + begin;
	uint32_t count = (r->symbol_ends[i] - begin) / 2;
	while (same < count && same < r->label_count && wanted[2 * same] == r->label_symbols[2 * same] &&
	       wanted[2 * same + 1] == r->label_symbols[2 * same + 1])
		same++;
	r->labels.len = same == 0 ? 0 : r->label_ends[same - 1];
	bool made = true;
	for (uint32_t k = same; k < count && made; k++)
		made = make_label(r, k, wanted[2 * k], wanted[2 * k + 1]);
	made = made && !buf_failed(&r->labels);
	r->label_count = made ? count : 0;
	*out = slice_new(r->labels.ptr, r->labels.len);
	if (made)
		return 0;
	if (!buf_failed(&r->labels))
		return block_reader_damaged(r, "labels", number, err);
	buf_reset(&r->labels);
	return error_set(err, -ENOMEM, "out of memory while reading %s", r->block->path);
}

int block_reader_series(struct block_reader *r, uint32_t number, struct buf *labels, struct chunk_summary *summary,
                        struct error *err)
{
	CHECK(number < r->block->info.series);
	struct slice made;
	int code = read_page(r, number, err);
	if (code == 0 && summary != NULL)
		*summary = r->summaries[number % BLOCK_PAGE_SERIES];
	if (code != 0 || labels == NULL)
		return code;
	code = block_reader_labels(r, number, &made, err);
	if (code != 0)
		return code;
	buf_slice_append(labels, made);
	return buf_failed(labels) ? error_set(err, -ENOMEM, "out of memory while reading %s", r->block->path) : 0;
}

/* ---- samples ---- */

/* The bytes of a piece's group, once its checksum holds. */
bool block_piece_bytes(const struct block *b, const struct block_piece *p, struct slice *out)
{
	struct slice rest = slice_new(b->map + p->offset, b->size - p->offset);
	uint32_t crc, len;
	if (!bytes_get_u32(&rest, &crc))
		return false;
	const char *covered = rest.ptr;
	return bytes_get_u32(&rest, &len) && bytes_get_bytes(&rest, len, out) &&
	       crc32c(0, covered, len + (size_t)4) == crc;
}

/* Place for the pieces of a page that none was read of lately. 0 or -ENOMEM. */
int block_reader_begin(struct block_reader *r, uint32_t page)
{
	if (r->pieces_page == page)
		return 0;
	uint32_t count = r->block->pages[page + 1].first_piece - r->block->pages[page].first_piece;
	arena_reset(&r->columns, SIZE_MAX);
	r->pieces_page = BLOCK_NO_PAGE;
	r->cut.piece = BLOCK_NO_PIECE;
	r->eager = (r->asked & (r->asked - 1)) != 0;
	r->asked = 0;
	r->pieces = arena_alloc(&r->columns, (count + (size_t)1) * sizeof *r->pieces);
	if (r->pieces == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		r->pieces[i].have = 0;
	r->pieces_page = page;
	return 0;
}

/* Who asks for a second column of a page asks for the others next: they are decoded at once, and so are those of the next page, when its first one is asked for. */
uint64_t block_reader_wanted(struct block_reader *r, uint64_t have, uint64_t bit)
{
	return have == 0 && !r->eager && r->asked == bit ? bit : ~have;
}

/* The series' column of a piece. */
int block_reader_column(struct block_reader *r, uint32_t piece, uint32_t number, struct column *out, struct error *err)
{
	const struct block *b = r->block;
	struct decoded *d = &r->pieces[piece - b->pages[number / BLOCK_PAGE_SERIES].first_piece];
	uint64_t bit = UINT64_C(1) << number % BLOCK_PAGE_SERIES;
	struct slice bytes;
	r->asked |= bit;
	if ((d->have & bit) == 0) {
		uint64_t wanted = block_reader_wanted(r, d->have, bit);
		if (d->have == 0)
			memset(d->columns, 0, sizeof d->columns);
		if (!block_piece_bytes(b, &b->pieces[piece], &bytes))
			return block_reader_damaged(r, "samples", number, err);
		int code = columns_decode(r->coder, bytes, wanted, &r->columns, d->columns, err);
		if (code == -EBADMSG)
			return block_reader_damaged(r, "samples", number, err);
		if (code != 0)
			return code;
		d->have |= wanted;
	}
	*out = d->columns[number % BLOCK_PAGE_SERIES];
	return 0;
}

/* What lies in from_ms..to_ms. */
struct column column_within(struct column c, int64_t from_ms, int64_t to_ms)
{
	uint32_t first = 0, end = c.count;
	if (end == 0)
		return c;
	while (first < end && c.times_ms[first] < from_ms)
		first++;
	while (end > first && c.times_ms[end - 1] > to_ms)
		end--;
	return (struct column){c.times_ms + first, c.values + first, end - first};
}

int block_reader_samples(struct block_reader *r, uint32_t number, int64_t from_ms, int64_t to_ms, struct column *out,
                         struct error *err)
{
	const struct block *b = r->block;
	CHECK(number < b->info.series);
	uint32_t page = number / BLOCK_PAGE_SERIES;
	*out = (struct column){0};
	r->room.count = 0;
	if (block_reader_begin(r, page) != 0)
		return error_set(err, -ENOMEM, "out of memory while reading %s", b->path);
	for (uint32_t i = b->pages[page].first_piece; i < b->pages[page + 1].first_piece; i++) {
		if (b->pieces[i].last_ms < from_ms || b->pieces[i].first_ms > to_ms)
			continue;
		struct column c;
		int code = block_reader_column(r, i, number, &c, err);
		if (code != 0)
			return code;
		c = column_within(c, from_ms, to_ms);
		if (sample_room_add(&r->room, c.times_ms, c.values, c.count) != 0)
			return error_set(err, -ENOMEM, "out of memory while reading %s", b->path);
	}
	*out = (struct column){r->room.times_ms, r->room.values, r->room.count};
	return 0;
}
