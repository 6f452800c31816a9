/* Opening a block: its header and index are checked once, so that reading them needs no checks afterwards. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "tsdb/block_map.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the sections of fixed numbers are read where they lie");

static int damaged(const struct block *b, const char *what, struct error *err)
{
	return error_set(err, -EBADMSG, "%s is damaged: %s", b->path, what);
}

/* ---- the name ---- */

static bool parse_number(const char **at, int64_t *out)
{
	char *end;
	if (**at != '-' && (**at < '0' || **at > '9'))
		return false;
	errno = 0;
	*out = strtoll(*at, &end, 10);
	*at = end;
	return errno == 0;
}

bool block_name_parse(const char *name, int64_t *from_ms, int64_t *to_ms)
{
	char again[BLOCK_NAME_MAX];
	const char *at = name;
	if (!parse_number(&at, from_ms) || *at++ != '-' || !parse_number(&at, to_ms) || *from_ms >= *to_ms)
		return false;
	/* Written otherwise (+1, 01) it is none of ours. */
	snprintf(again, sizeof again, "%" PRId64 "-%" PRId64 BLOCK_SUFFIX, *from_ms, *to_ms);
	return strcmp(name, again) == 0;
}

/* ---- the header ---- */

static int read_header(struct block *b, struct error *err)
{
	uint32_t version, crc, series, zero;
	uint64_t from, to;
	if (b->size < BLOCK_HEADER_BYTES || memcmp(b->map, BLOCK_MAGIC, 8) != 0)
		return damaged(b, "it does not begin as a block does", err);
	struct slice rest = slice_new(b->map + 8, BLOCK_HEADER_BYTES - 8);
	if (!bytes_get_u32(&rest, &version) || !bytes_get_u32(&rest, &crc))
		return damaged(b, "it is cut off", err);
	if (version != BLOCK_VERSION)
		return error_set(err, -EPROTO, "%s is of version %u of the format; this program knows %d", b->path,
		                 version, BLOCK_VERSION);
	if (crc32c(0, rest.ptr, rest.len) != crc)
		return damaged(b, "the checksum of its header is wrong", err);
	if (!bytes_get_u64(&rest, &from) || !bytes_get_u64(&rest, &to) || !bytes_get_u64(&rest, &b->info.samples) ||
	    !bytes_get_u32(&rest, &series) || !bytes_get_u32(&rest, &zero))
		return damaged(b, "it is cut off", err);
	if ((int64_t)from != b->info.from_ms || (int64_t)to != b->info.to_ms)
		return damaged(b, "it is of another time than its name says", err);
	b->info.series = series;
	for (int i = 0; i < BLOCK_SECTIONS; i++) {
		uint64_t offset, len;
		if (!bytes_get_u64(&rest, &offset) || !bytes_get_u64(&rest, &len) || !bytes_get_u32(&rest, &crc) ||
		    !bytes_get_u32(&rest, &zero) || offset % 8 != 0 || offset > b->size || len > b->size - offset)
			return damaged(b, "a section lies outside of it", err);
		b->sections[i] = slice_new(b->map + offset, len);
		if (crc32c(0, b->sections[i].ptr, len) != crc) {
			static const char *const names[BLOCK_SECTIONS] = {
			    "symbols", "pages", "page table", "pieces", "labels", "postings", "summaries of pieces"};
			return error_set(err, -EBADMSG, "%s is damaged: the checksum of its %s is wrong", b->path,
			                 names[i]);
		}
	}
	return 0;
}

/* ---- the index ---- */

static int read_symbols(struct block *b, struct error *err)
{
	struct slice rest = b->sections[BLOCK_SYMBOLS], ends;
	uint32_t zero;
	if (!bytes_get_u32(&rest, &b->symbol_count) || !bytes_get_u32(&rest, &zero) ||
	    !bytes_get_bytes(&rest, (uint64_t)b->symbol_count * 4, &ends))
		return damaged(b, "its symbols are cut off", err);
	b->symbol_ends = (const uint32_t *)(const void *)ends.ptr;
	b->symbol_bytes = rest.ptr;
	for (uint32_t i = 0; i < b->symbol_count; i++) {
		if (b->symbol_ends[i] > rest.len || (i > 0 && b->symbol_ends[i] < b->symbol_ends[i - 1]))
			return damaged(b, "its symbols do not follow each other", err);
	}
	bool ascii = utf8_is_ascii(rest.ptr, rest.len);
	for (uint32_t i = 0; i < b->symbol_count && !ascii; i++) {
		if (!utf8_valid(block_symbol_text(b, i), NULL))
			return damaged(b, "one of its symbols is not UTF-8", err);
	}
	return 0;
}

static int read_pages(struct block *b, struct error *err)
{
	struct slice table = b->sections[BLOCK_PAGE_TABLE], pieces = b->sections[BLOCK_PIECES];
	b->page_count = b->info.series / BLOCK_PAGE_SERIES + (b->info.series % BLOCK_PAGE_SERIES != 0);
	if (b->info.series == 0 || table.len != (b->page_count + (size_t)1) * sizeof *b->pages ||
	    pieces.len % sizeof *b->pieces != 0 || pieces.len / sizeof *b->pieces > UINT32_MAX)
		return damaged(b, "its pages are not those of its series", err);
	b->pages = (const struct block_page *)(const void *)table.ptr;
	b->pieces = (const struct block_piece *)(const void *)pieces.ptr;
	b->piece_count = (uint32_t)(pieces.len / sizeof *b->pieces);
	for (uint32_t i = 0; i <= b->page_count; i++) {
		const struct block_page *p = &b->pages[i];
		if (p->offset > b->sections[BLOCK_PAGES].len || p->first_piece > b->piece_count ||
		    (i > 0 && (p->offset < p[-1].offset || p->first_piece < p[-1].first_piece)))
			return damaged(b, "its pages do not follow each other", err);
	}
	for (uint32_t i = 0; i < b->piece_count; i++) {
		if (b->pieces[i].offset > b->size || b->size - b->pieces[i].offset < PIECE_HEADER_BYTES)
			return damaged(b, "a piece lies outside of it", err);
	}
	return 0;
}

static int read_parts(struct block *b, struct error *err)
{
	struct slice rest = b->sections[BLOCK_PARTS], table;
	if (rest.len == 0)
		return 0;
	if (!bytes_get_bytes(&rest, (b->page_count + (uint64_t)1) * sizeof *b->part_ends, &table))
		return damaged(b, "its summaries of pieces are cut off", err);
	b->part_ends = (const uint64_t *)(const void *)table.ptr;
	b->parts = rest;
	for (uint32_t i = 0; i <= b->page_count; i++) {
		if (b->part_ends[i] > rest.len || (i > 0 && b->part_ends[i] < b->part_ends[i - 1]))
			return damaged(b, "its summaries of pieces do not follow each other", err);
	}
	return 0;
}

static int read_labels(struct block *b, struct error *err)
{
	struct slice rest = b->sections[BLOCK_LABELS], names;
	uint32_t zero;
	if (!bytes_get_u32(&rest, &b->name_count) || !bytes_get_u32(&rest, &zero) ||
	    !bytes_get_bytes(&rest, ((uint64_t)b->name_count + 1) * sizeof *b->names, &names))
		return damaged(b, "its labels are cut off", err);
	b->names = (const struct block_name *)(const void *)names.ptr;
	b->values = (const struct block_value *)(const void *)rest.ptr;
	b->value_count = b->names[b->name_count].first_value;
	if (rest.len != (size_t)b->value_count * sizeof *b->values)
		return damaged(b, "its labels are cut off", err);
	for (uint32_t i = 0; i < b->name_count; i++) {
		if (b->names[i].symbol >= b->symbol_count || b->names[i].first_value >= b->names[i + 1].first_value)
			return damaged(b, "a label's name is none of its symbols", err);
	}
	for (uint32_t i = 0; i < b->value_count; i++) {
		if (b->values[i].symbol >= b->symbol_count || b->values[i].series > b->info.series ||
		    b->values[i].offset > b->sections[BLOCK_POSTINGS].len)
			return damaged(b, "a label's value is none of its symbols", err);
	}
	return 0;
}

/* ---- life ---- */

static int map_file(struct block *b, struct error *err)
{
	int fd = file_open(b->path, O_RDONLY);
	int64_t size = fd < 0 ? fd : file_size(fd);
	int code = size < 0 ? (int)size : size == 0 ? -EBADMSG : 0;
	if (code == 0) {
		b->size = (size_t)size;
		b->map = file_map(fd, b->size, &code);
	}
	if (fd >= 0)
		file_close(fd);
	if (code == -EBADMSG)
		return damaged(b, "it is empty", err);
	return code == 0 ? 0 : error_set(err, code, "%s cannot be read: %s", b->path, strerror(-code));
}

struct block *block_open(const char *dir, const char *name, struct error *err)
{
	struct buf path = {0};
	struct block *b = mem_zalloc(1, sizeof *b);
	buf_printf(&path, "%s/%s", dir, name);
	buf_byte(&path, '\0');
	if (b == NULL || buf_failed(&path)) {
		mem_free(b);
		buf_free(&path);
		error_set(err, -ENOMEM, "out of memory for the block %s/%s", dir, name);
		return NULL;
	}
	b->path = path.ptr;
	int code = 0;
	if (strlen(name) >= sizeof b->name || !block_name_parse(name, &b->info.from_ms, &b->info.to_ms))
		code = error_set(err, -EINVAL, "%s: not the name of a block", b->path);
	else
		memcpy(b->name, name, strlen(name) + 1);
	if (code == 0)
		code = map_file(b, err);
	if (code == 0)
		code = read_header(b, err);
	if (code == 0)
		code = read_symbols(b, err);
	if (code == 0)
		code = read_pages(b, err);
	if (code == 0)
		code = read_parts(b, err);
	if (code == 0)
		code = read_labels(b, err);
	b->info.bytes = b->size;
	if (code == 0)
		return b;
	block_close(b);
	return NULL;
}

void block_close(struct block *b)
{
	if (b == NULL)
		return;
	if (b->map != NULL)
		file_unmap(b->map, b->size);
	mem_free(b->path);
	mem_free(b);
}

const struct block_info *block_info(const struct block *b)
{
	return &b->info;
}

const char *block_name(const struct block *b)
{
	return b->name;
}
