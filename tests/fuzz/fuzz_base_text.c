/* The texts that base reads and writes: times, durations, JSON strings and numbers. What is read is written and read again; what
 * is written as JSON is a closed string without anything that must not stand in one. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/clock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void times(struct slice s)
{
	static struct clock_minute near; /* whatever the inputs before have left there */
	char out[32];
	int64_t ns, again, by_memory;

	CHECK(clock_parse_rfc3339_near(&near, s, &by_memory) == clock_parse_rfc3339(s, &ns));
	if (!clock_parse_rfc3339(s, &ns))
		return;
	CHECK(ns >= 0 && by_memory == ns);
	int len = clock_format_rfc3339(ns, out);
	CHECK(clock_parse_rfc3339(slice_new(out, (size_t)len), &again));
	CHECK(again == ns - ns % NS_PER_MS);
}

static void durations(struct slice s)
{
	struct error err = {0};
	int64_t ns = -1;
	int rc = clock_parse_duration(s, &ns, &err);

	CHECK(rc == 0 ? ns >= 0 : err.code == rc && err.text[0] != '\0');
}

static void json(struct slice s)
{
	struct buf b = {0};
	struct buf again = {0};

	buf_json_string(&b, s);
	CHECK(!buf_failed(&b) && b.len >= 2 && b.ptr[0] == '"' && b.ptr[b.len - 1] == '"');
	for (size_t i = 1; i + 1 < b.len; i++) {
		CHECK((unsigned char)b.ptr[i] >= 0x20 && b.ptr[i] != '<' && b.ptr[i] != '"');
		if (b.ptr[i] == '\\')
			i++;
	}
	/* Nothing is left that is not UTF-8: only quotes and backslashes change the second time. */
	buf_json_string(&again, buf_slice(&b));
	size_t more = 0;
	for (size_t i = 0; i < b.len; i++)
		more += b.ptr[i] == '"' || b.ptr[i] == '\\';
	CHECK(again.len == b.len + more + 2);
	buf_free(&b);
	buf_free(&again);
}

static void numbers(struct slice s)
{
	struct buf b = {0};
	double v;

	if (s.len < sizeof v)
		return;
	memcpy(&v, s.ptr, sizeof v);
	buf_number(&b, v);
	CHECK(b.len <= 32);
	buf_byte(&b, '\0');
	CHECK(v != v || strtod(b.ptr, NULL) == v);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice s = slice_new((const char *)data, size);

	times(s);
	durations(s);
	json(s);
	numbers(s);
	return 0;
}
