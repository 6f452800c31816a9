/* Ids of traces and spans as text. */
#include <string.h>

#include "traces/trace.h"

static const char digits[] = "0123456789abcdef";

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void trace_id_text(const uint8_t id[16], char out[33])
{
	for (int i = 0; i < 16; i++) {
		out[2 * i] = digits[id[i] >> 4];
		out[2 * i + 1] = digits[id[i] & 15];
	}
	out[32] = '\0';
}

void trace_span_id_text(uint64_t id, char out[17])
{
	for (int i = 0; i < 16; i++)
		out[i] = digits[id >> (60 - 4 * i) & 15];
	out[16] = '\0';
}

bool trace_id_read(struct slice text, uint8_t out[16])
{
	bool any = false;

	if (text.len == 0 || text.len > 32)
		return false;
	memset(out, 0, 16);
	for (size_t i = 0; i < text.len; i++) {
		int value = digit(text.ptr[i]);
		size_t place = 32 - text.len + i; /* of 32 digits */
		if (value < 0)
			return false;
		out[place / 2] |= (uint8_t)(place % 2 == 0 ? value << 4 : value);
		any = any || value != 0;
	}
	return any;
}

bool trace_span_id_read(struct slice text, uint64_t *out)
{
	uint64_t id = 0;

	if (text.len == 0 || text.len > 16)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		int value = digit(text.ptr[i]);
		if (value < 0)
			return false;
		id = id << 4 | (uint64_t)value;
	}
	*out = id;
	return id != 0;
}
