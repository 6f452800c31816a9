/* Looking for the next frame where none stands.
 *
 * Every eighth byte may begin one, and only the checksum over the payload tells. Clients write what lies here: strings full of headers that reach
 * far would each cost a pass over all that they reach, and a recycled segment is searched to its end at each start. So once that has become dear, checksums
 * of payloads are put together from sums of all bytes up to each block, which cost one pass. */
#include "base/hash.h"
#include "base/mem.h"
#include "journal/internal.h"

enum { BLOCK_BYTES = 512 };

/* sums[i]: CRC32C of the bytes from `from` to the i-th block. */
struct sums {
	const char *bytes;
	uint64_t from;
	uint32_t *sums; /* owned; NULL: not made yet */
};

static bool sums_make(struct sums *s, uint64_t len)
{
	uint64_t blocks = (len - s->from) / BLOCK_BYTES;
	s->sums = mem_alloc((blocks + 1) * sizeof *s->sums);
	if (s->sums == NULL)
		return false;
	s->sums[0] = 0;
	for (uint64_t i = 0; i < blocks; i++)
		s->sums[i + 1] = crc32c(s->sums[i], s->bytes + s->from + i * BLOCK_BYTES, BLOCK_BYTES);
	return true;
}

/* The CRC of the bytes from s->from to `to`. */
static uint32_t sum_to(const struct sums *s, uint64_t to)
{
	uint64_t block = (to - s->from) / BLOCK_BYTES;
	uint64_t at = s->from + block * BLOCK_BYTES;
	return crc32c(s->sums[block], s->bytes + at, to - at);
}

/* Does the checksum of the frame at `at`, whose header is `h`, hold? CRC(head · payload) = CRC(head) · x^n + CRC(payload), and CRC(payload) is what the
 * bytes up to its end have more than those up to its beginning: crc32c_combine is linear, so both go through it at once. */
static bool sum_holds(const struct sums *s, uint64_t at, const struct frame_header *h, uint64_t generation)
{
	uint64_t payload = at + FRAME_HEADER_BYTES;
	uint32_t head = frame_head_sum(s->bytes + at, generation);
	uint32_t sum = crc32c_combine(head ^ sum_to(s, payload), sum_to(s, payload + h->length), h->length);
	return sum == get_u32(s->bytes + at + 36);
}

uint64_t frame_find(uint64_t generation, const char *bytes, uint64_t at, uint64_t len)
{
	struct sums sums = {.bytes = bytes, .from = at};
	struct frame_header h;
	uint64_t spent = 0; /* bytes that checksums were made of */
	bool no_sums = false;
	for (; at + FRAME_HEADER_BYTES <= len; at += 8) {
		if (bytes[at] != 'M' || !frame_plausible(bytes + at, len - at, &h))
			continue;
		if (spent > len - sums.from && sums.sums == NULL && !no_sums)
			no_sums = !sums_make(&sums, len);
		spent += FRAME_HEADER_BYTES + h.length;
		if (sums.sums != NULL ? sum_holds(&sums, at, &h, generation)
		                      : frame_valid(bytes + at, len - at, generation, &h))
			break;
	}
	mem_free(sums.sums);
	return at + FRAME_HEADER_BYTES <= len ? at : len;
}
