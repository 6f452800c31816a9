/* See block_summaries.h. */
#include "tsdb/block_summaries.h"

#include <stddef.h>
#include <string.h>

#include "base/bytes.h"
#include "base/varint.h"
#include "tsdb/block_format.h"

static const size_t doubles[BLOCK_DOUBLES] = {
    offsetof(struct chunk_summary, first), offsetof(struct chunk_summary, last),   offsetof(struct chunk_summary, min),
    offsetof(struct chunk_summary, max),   offsetof(struct chunk_summary, fallen),
};

/* The bytes of one weight of all behind each other. */
static void put_doubles(struct buf *out, const struct chunk_summary *summaries, uint32_t count, size_t offset)
{
	for (int byte = 0; byte < 8; byte++) {
		for (uint32_t i = 0; i < count; i++) {
			uint64_t bits;
			memcpy(&bits, (const char *)&summaries[i] + offset, sizeof bits);
			buf_byte(out, (char)(bits >> (8 * byte)));
		}
	}
}

void block_summaries_put(struct buf *out, const struct chunk_summary *summaries, uint32_t count, int64_t from_ms)
{
	for (uint32_t i = 0; i < count; i++)
		varint_put(out, summaries[i].count);
	for (uint32_t i = 0; i < count; i++)
		varint_put(out, summaries[i].stale);
	for (uint32_t i = 0; i < count; i++)
		varint_put(out, summaries[i].count == 0 ? 0 : (uint64_t)(summaries[i].first_ms - from_ms));
	for (uint32_t i = 0; i < count; i++)
		varint_put(out, (uint64_t)(summaries[i].last_ms - summaries[i].first_ms));
	for (int i = 0; i < BLOCK_DOUBLES; i++)
		put_doubles(out, summaries, count, doubles[i]);
}

static bool take_doubles(struct slice *from, struct chunk_summary *out, uint32_t count, size_t offset)
{
	struct slice bytes;
	if (!bytes_get_bytes(from, (uint64_t)count * 8, &bytes))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t bits = 0;
		for (int byte = 0; byte < 8; byte++)
			bits |= (uint64_t)(uint8_t)bytes.ptr[(size_t)byte * count + i] << (8 * byte);
		memcpy((char *)&out[i] + offset, &bits, sizeof bits);
	}
	return true;
}

bool block_summaries_take(struct slice *from, struct chunk_summary *out, uint32_t count, int64_t from_ms)
{
	bool there = true;
	uint64_t v = 0;
	for (uint32_t i = 0; i < count && there; i++)
		there = varint_get_u32(from, &out[i].count);
	for (uint32_t i = 0; i < count && there; i++)
		there = varint_get_u32(from, &out[i].stale);
	for (uint32_t i = 0; i < count && there; i++) {
		there = varint_get(from, &v);
		out[i].first_ms = out[i].count == 0 ? 0 : (int64_t)((uint64_t)from_ms + v);
	}
	for (uint32_t i = 0; i < count && there; i++) {
		there = varint_get(from, &v);
		out[i].last_ms = (int64_t)((uint64_t)out[i].first_ms + v);
	}
	for (int i = 0; i < BLOCK_DOUBLES && there; i++)
		there = take_doubles(from, out, count, doubles[i]);
	return there;
}
