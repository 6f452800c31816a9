/* Frame headers and checksums (FORMAT.md), and journal_frame's unpacking. */
#include <errno.h>
#include <zstd.h>

#include "base/hash.h"
#include "journal/internal.h"

#define FRAME_MAGIC UINT32_C(0x5246474d) /* "MGFR" */

void frame_header_put(char *at, const struct frame_header *h)
{
	put_u32(at, FRAME_MAGIC);
	put_u32(at + 4, h->length);
	put_u32(at + 8, h->count);
	at[12] = (char)h->kind;
	at[13] = (char)h->compressed;
	at[14] = at[15] = 0;
	put_u64(at + 16, h->seq);
	put_u64(at + 24, (uint64_t)h->time_ns);
	put_u32(at + 32, h->raw_length);
	put_u32(at + 36, 0);
}

uint32_t frame_head_sum(const char *at, uint64_t generation)
{
	char bytes[8];
	put_u64(bytes, generation);
	return crc32c(crc32c(0, bytes, sizeof bytes), at, 36);
}

static uint32_t checksum(const char *at, uint32_t length, uint64_t generation)
{
	return crc32c(frame_head_sum(at, generation), at + FRAME_HEADER_BYTES, length);
}

void frame_seal_header(char *at, uint64_t seq, uint64_t generation)
{
	put_u64(at + 16, seq);
	put_u32(at + 36, checksum(at, get_u32(at + 4), generation));
}

bool frame_header_get(const char *at, uint64_t left, struct frame_header *h)
{
	if (left < FRAME_HEADER_BYTES || get_u32(at) != FRAME_MAGIC)
		return false;
	*h = (struct frame_header){
	    .length = get_u32(at + 4),
	    .count = get_u32(at + 8),
	    .kind = (uint8_t)at[12],
	    .compressed = (uint8_t)at[13],
	    .seq = get_u64(at + 16),
	    .time_ns = (int64_t)get_u64(at + 24),
	    .raw_length = get_u32(at + 32),
	};
	return true;
}

bool frame_plausible(const char *at, uint64_t left, struct frame_header *h)
{
	if (!frame_header_get(at, left, h))
		return false;
	if (h->length > FRAME_PAYLOAD_MAX || h->raw_length > FRAME_PAYLOAD_MAX || h->length > left - FRAME_HEADER_BYTES)
		return false;
	return h->kind != 0 && h->kind < FRAME_KINDS && h->compressed <= 1 && h->seq != 0;
}

bool frame_valid(const char *at, uint64_t left, uint64_t generation, struct frame_header *h)
{
	return frame_plausible(at, left, h) && checksum(at, h->length, generation) == get_u32(at + 36);
}

int frame_inflate(struct ZSTD_DCtx_s *zstd, const struct frame_header *h, const char *payload, struct buf *out)
{
	buf_reset(out);
	char *to = buf_room(out, (size_t)h->raw_length + 1);
	if (to == NULL)
		return -ENOMEM;
	size_t n = ZSTD_decompressDCtx(zstd, to, h->raw_length, payload, h->length);
	if (ZSTD_isError(n) || n != h->raw_length)
		return -EBADMSG;
	out->len = n;
	return 0;
}

int frame_control(const struct frame *f, uint8_t *type, struct slice *payload, struct error *err)
{
	if (f->kind != FRAME_CONTROL || f->payload.len == 0)
		return error_set(err, -EBADMSG, "frame %llu is no control record", (unsigned long long)f->seq);
	*type = (uint8_t)f->payload.ptr[0];
	*payload = slice_new(f->payload.ptr + 1, f->payload.len - 1);
	return 0;
}
