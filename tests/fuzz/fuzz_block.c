/* Blocks: whatever stands in one, with checksums that hold (they are put right here, so that what lies behind them is reached), it is refused with a sentence, or read without a step outside. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/hash.h"
#include "tsdb/block.h"
#include "tsdb/block_format.h"

enum { SERIES_READ = 200, BYTES_MAX = 65536 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[64];

static void remove_dir(void)
{
	rmdir(dir);
}

static void make_dir(void)
{
	snprintf(dir, sizeof dir, "/tmp/moongate-fuzz-block-XXXXXX");
	CHECK(mkdtemp(dir) != NULL);
	atexit(remove_dir);
}

static uint64_t load64(const uint8_t *at)
{
	uint64_t v;
	memcpy(&v, at, sizeof v);
	return v;
}

static void put_crc(uint8_t *at, const uint8_t *from, size_t len)
{
	uint32_t crc = crc32c(0, from, len);
	memcpy(at, &crc, sizeof crc);
}

/* Pieces first, then sections, then the header. */
static void mend(uint8_t *bytes, size_t size)
{
	const uint8_t *place = bytes + BLOCK_SECTIONS_AT + BLOCK_PIECES * 24;
	uint64_t offset = load64(place), len = load64(place + 8);
	for (uint64_t i = 0; offset <= size && len <= size - offset && i + sizeof(struct block_piece) <= len;
	     i += sizeof(struct block_piece)) {
		uint64_t piece = load64(bytes + offset + i);
		uint32_t piece_len;
		if (piece > size || size - piece < PIECE_HEADER_BYTES)
			continue;
		memcpy(&piece_len, bytes + piece + 4, sizeof piece_len);
		if (piece_len <= size - piece - PIECE_HEADER_BYTES)
			put_crc(bytes + piece, bytes + piece + 4, piece_len + (size_t)4);
	}
	for (int i = 0; i < BLOCK_SECTIONS; i++) {
		uint8_t *at = bytes + BLOCK_SECTIONS_AT + i * 24;
		offset = load64(at);
		len = load64(at + 8);
		if (offset <= size && len <= size - offset)
			put_crc(at + 16, bytes + offset, len);
	}
	put_crc(bytes + 12, bytes + 16, BLOCK_HEADER_BYTES - 16);
}

static void check_error(int code, const struct error *err)
{
	CHECK(code == 0 || (code == -EBADMSG && err->text[0] != '\0') || code == -EINVAL);
}

static void read_index(struct block_reader *r)
{
	struct postings_source source;
	struct arena arena;
	const struct slice *names, *values;
	uint32_t name_count, value_count;
	arena_init(&arena);
	block_reader_index(r, &source);
	CHECK(block_reader_label_names(r, &arena, &names, &name_count) == 0);
	for (uint32_t i = 0; i < name_count && i < 20; i++) {
		CHECK(source.values(source.ctx, names[i], &arena, &values, &value_count) == 0);
		for (uint32_t k = 0; k < value_count && k < 20; k++) {
			struct postings p = source.equal(source.ctx, names[i], values[k]);
			for (uint32_t n = 1; n < p.count; n++)
				CHECK(p.numbers[n - 1] < p.numbers[n]);
		}
	}
	arena_deinit(&arena);
}

static void read_block(const struct block *b)
{
	const int64_t middle = block_info(b)->from_ms + 1;
	struct block_reader *r = block_reader_new(b);
	struct error err = {0};
	CHECK(r != NULL);
	read_index(r);
	for (uint32_t i = 0; i < block_info(b)->series && i < SERIES_READ; i++) {
		struct buf labels = {0};
		struct column c;
		check_error(block_reader_series(r, i, &labels, NULL, &err), &err);
		int code = block_reader_samples(r, i, INT64_MIN, INT64_MAX, &c, &err);
		check_error(code, &err);
		uint64_t sum = 0;
		for (uint32_t k = 0; code == 0 && k < c.count; k++)
			sum += c.values[k] + (uint64_t)c.times_ms[k];
		(void)sum;
		struct summary_split split;
		split_init(&split, &middle);
		check_error(block_reader_split(r, i, INT64_MIN, INT64_MAX, &split, &err), &err);
		buf_free(&labels);
	}
	block_reader_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t bytes[BYTES_MAX];
	char name[BLOCK_NAME_MAX], path[160];
	struct error err = {0};
	if (size < BLOCK_HEADER_BYTES || size > sizeof bytes)
		return 0;
	if (dir[0] == '\0')
		make_dir();
	memcpy(bytes, data, size);
	mend(bytes, size);
	snprintf(name, sizeof name, "%" PRId64 "-%" PRId64 BLOCK_SUFFIX, (int64_t)load64(bytes + 16),
	         (int64_t)load64(bytes + 24));
	snprintf(path, sizeof path, "%s/%s", dir, name);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
	close(fd);
	struct block *b = block_open(dir, name, &err);
	CHECK(b != NULL || err.text[0] != '\0');
	if (b != NULL)
		read_block(b);
	block_close(b);
	unlink(path);
	return 0;
}
