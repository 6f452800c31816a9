/* What the parts of base cost that run several times an event or a million times a scrape. Prints ns a call (GB/s for
 * CRC32C). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/table.h"

static volatile uint64_t sink; /* keeps results alive */
static int64_t began;

static void begin(void)
{
	began = clock_mono_ns();
}

static void end(const char *what, double calls)
{
	printf("%-28s %8.1f ns\n", what, (double)(clock_mono_ns() - began) / calls);
}

static void hashes(void)
{
	static const size_t lengths[] = {8, 16, 24, 32, 48, 64, 256, 1024};
	char bytes[1024] = {1};
	char what[32];

	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		uint64_t h = 0;
		snprintf(what, sizeof what, "hash of %zu bytes", lengths[i]);
		begin();
		for (int n = 0; n < 5000000; n++) {
			memcpy(bytes, &h, sizeof h); /* each waits for the one before */
			h = hash_bytes(bytes, lengths[i], 1);
		}
		end(what, 5e6);
		sink += h;
	}
}

static void checksums(void)
{
	static const size_t lengths[] = {64, 512, 4096, 37000, 262144};
	unsigned char *bytes = calloc(1, 262144);

	if (bytes == NULL)
		return;
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		size_t rounds = 400000000 / lengths[i];
		begin();
		for (size_t n = 0; n < rounds; n++)
			sink += crc32c((uint32_t)n, bytes, lengths[i]);
		double ns = (double)(clock_mono_ns() - began);
		printf("crc32c of %-18zu %8.1f GB/s\n", lengths[i], (double)(rounds * lengths[i]) / ns);
	}
	free(bytes);
}

static void numbers(void)
{
	static const struct {
		const char *what;
		double step;
	} kinds[] = {{"number, a small integer", 7},
	             {"number, a big integer", 1234567891},
	             {"number, thousandths", 0.001},
	             {"number, 17 digits", 1 / 3.0}};
	struct buf b = {0};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		begin();
		for (int n = 0; n < 5000000; n++) {
			if (n % 1000 == 0)
				buf_reset(&b);
			buf_number(&b, kinds[i].step * n);
		}
		end(kinds[i].what, 5e6);
	}
	buf_free(&b);
}

static void strings(void)
{
	static const char text[] =
	    "The quick brown fox jumps over the lazy dog and then, since nobody looks, sleeps until the evening.";
	struct buf b = {0};

	begin();
	for (int n = 0; n < 2000000; n++) {
		buf_reset(&b);
		buf_json_string(&b, SLICE(text));
	}
	end("JSON string of 100 bytes", 2e6);
	buf_free(&b);
}

static void times(void)
{
	char out[32];
	int64_t ns, start, next;

	begin();
	for (int n = 0; n < 5000000; n++) {
		clock_format_rfc3339(INT64_C(1767323045678) * NS_PER_MS + n * NS_PER_MS, out);
		sink += (uint64_t)out[20];
	}
	end("write RFC 3339", 5e6);
	begin();
	for (int n = 0; n < 5000000; n++) {
		out[20] = (char)('0' + n % 10);
		sink += clock_parse_rfc3339(slice_new(out, 24), &ns);
	}
	end("read RFC 3339", 5e6);
	if (clock_set_timezone("Europe/Berlin", NULL) != 0)
		return;
	begin();
	for (int n = 0; n < 5000000; n++) {
		clock_calendar(CALENDAR_DAY, ns + n, &start, &next);
		sink += (uint64_t)start;
	}
	end("calendar day, the same", 5e6);
	begin();
	for (int n = 0; n < 100000; n++) {
		clock_calendar(CALENDAR_DAY, ns + n % 2 * 86400 * NS_PER_S, &start, &next);
		sink += (uint64_t)start;
	}
	end("calendar day, another", 1e5);
}

static bool same(const void *ctx, const void *key, uint32_t item)
{
	return ((const uint64_t *)ctx)[item] == *(const uint64_t *)key;
}

static void tables(void)
{
	enum { COUNT = 1000000 };
	uint64_t *keys = malloc(COUNT * sizeof *keys);
	struct table t;

	if (keys == NULL)
		return;
	table_init(&t);
	begin();
	for (uint32_t i = 0; i < COUNT; i++) {
		keys[i] = i * UINT64_C(0x9e3779b97f4a7c15);
		if (table_add(&t, hash_bytes(&keys[i], 8, 1), i) != 0)
			break;
	}
	end("table of 1e6, add", COUNT);
	begin();
	for (uint32_t i = 0; i < COUNT; i++) {
		uint64_t key = keys[(uint64_t)i * 7919 % COUNT];
		sink += table_find(&t, hash_bytes(&key, 8, 1), same, keys, &key);
	}
	end("table of 1e6, find", COUNT);
	table_deinit(&t);
	free(keys);
}

int main(void)
{
	hashes();
	checksums();
	numbers();
	strings();
	times();
	tables();
	return 0;
}
