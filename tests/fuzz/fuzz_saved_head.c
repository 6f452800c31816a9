/* The saved head: whatever stands in one, with a checksum that holds (it is put right here), it is refused with a sentence, or gives a head that can be read and appended to. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/hash.h"
#include "tsdb/head.h"

enum { BYTES_MAX = 65536, HEADER = 64, NUMBERS_MAX = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[64], spill[96];

static void remove_dir(void)
{
	rmdir(spill);
	rmdir(dir);
}

static void make_dir(void)
{
	snprintf(dir, sizeof dir, "/tmp/moongate-fuzz-head-XXXXXX");
	CHECK(mkdtemp(dir) != NULL);
	snprintf(spill, sizeof spill, "%s/chunks", dir);
	atexit(remove_dir);
}

/* The length, a bound for the numbers (the table of pages goes by the largest), and the checksum. */
static void mend(uint8_t *bytes, size_t size)
{
	uint64_t len = size - HEADER;
	uint32_t next, crc;
	memcpy(bytes + 16, &len, sizeof len);
	memcpy(&next, bytes + 28, sizeof next);
	next %= NUMBERS_MAX;
	memcpy(bytes + 28, &next, sizeof next);
	crc = crc32c(0, bytes + 16, size - 16);
	memcpy(bytes + 12, &crc, sizeof crc);
}

static void use(struct head *h)
{
	struct postings_source source;
	int code;
	struct head_view *v = head_view_open(h, &code);
	CHECK(v != NULL);
	head_view_index(v, &source);
	struct postings all = source.all(source.ctx);
	head_batch_begin(h);
	for (uint32_t i = 0; i < all.count && i < 100; i++) {
		struct head_samples s;
		CHECK(head_view_read(v, all.numbers[i], INT64_MIN, INT64_MAX, &s) == 0);
		code = head_append(h, all.numbers[i], 1700000000000, 1);
		CHECK(code >= APPEND_STORED && code <= APPEND_TOO_LATE);
	}
	head_batch_end(h);
	head_view_close(v);
	head_collect(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t bytes[BYTES_MAX];
	char path[96];
	struct error err = {0};
	if (size < HEADER || size > sizeof bytes)
		return 0;
	if (dir[0] == '\0')
		make_dir();
	memcpy(bytes, data, size);
	mend(bytes, size);
	snprintf(path, sizeof path, "%s/head", dir);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
	close(fd);
	struct head *h = head_new(
	    &(struct head_options){
	        .dir = spill, .out_of_order_ms = 600000, .max_series = 1000, .spill_file_bytes = 64 * 1024},
	    &err);
	CHECK(h != NULL);
	int code = head_load(h, dir, "head", &err);
	CHECK(code == 0 || ((code == -EBADMSG || code == -EPROTO) && err.text[0] != '\0'));
	if (code == 0)
		use(h);
	head_free(h);
	unlink(path);
	return 0;
}
