/* XXH64 after its specification (xxHash fast digest algorithm, 0.1.1). The hashes of base/ are faster on such short texts, but which series limit_ratio takes is to be the same in Prometheus. */
#include "promql/place.h"

#include "base/hash.h"
#include "record/labels.h"

#define PRIME_1 UINT64_C(11400714785074694791)
#define PRIME_2 UINT64_C(14029467366897019727)
#define PRIME_3 UINT64_C(1609587929392839161)
#define PRIME_4 UINT64_C(9650029242287828579)
#define PRIME_5 UINT64_C(2870177450012600261)

static inline uint64_t rotate(uint64_t v, int by)
{
	return v << by | v >> (64 - by);
}

static inline uint64_t take(uint64_t lane, uint64_t word)
{
	return rotate(lane + word * PRIME_2, 31) * PRIME_1;
}

/* Stripes of 32 bytes, a word to each lane. Moves *at behind them. */
static uint64_t take_stripes(const unsigned char **at, size_t len)
{
	uint64_t lanes[4] = {PRIME_1 + PRIME_2, PRIME_2, 0, UINT64_C(0) - PRIME_1};
	static const int turns[4] = {1, 7, 12, 18};
	uint64_t hash = 0;

	for (; len >= 32; len -= 32) {
		for (int i = 0; i < 4; i++, *at += 8)
			lanes[i] = take(lanes[i], hash_load64(*at));
	}
	for (int i = 0; i < 4; i++)
		hash += rotate(lanes[i], turns[i]);
	for (int i = 0; i < 4; i++)
		hash = (hash ^ take(0, lanes[i])) * PRIME_1 + PRIME_4;
	return hash;
}

uint64_t place_hash(const void *bytes, size_t len)
{
	const unsigned char *at = bytes, *end = len == 0 ? at : at + len;
	uint64_t hash = len >= 32 ? take_stripes(&at, len) : PRIME_5;

	hash += len;
	for (; end - at >= 8; at += 8)
		hash = rotate(hash ^ take(0, hash_load64(at)), 27) * PRIME_1 + PRIME_4;
	if (end - at >= 4) {
		hash = rotate(hash ^ hash_load32(at) * PRIME_1, 23) * PRIME_2 + PRIME_3;
		at += 4;
	}
	for (; at < end; at++)
		hash = rotate(hash ^ *at * PRIME_5, 11) * PRIME_1;
	hash = (hash ^ hash >> 33) * PRIME_2;
	hash = (hash ^ hash >> 29) * PRIME_3;
	return hash ^ hash >> 32;
}

static void put_text(struct buf *out, struct slice text)
{
	enum { SHORT_MAX = 254 };
	buf_byte(out, (char)(text.len > SHORT_MAX ? SHORT_MAX + 1 : text.len));
	for (int i = 0; i < 24 && text.len > SHORT_MAX; i += 8)
		buf_byte(out, (char)(text.len >> i));
	buf_slice_append(out, text);
}

double place_of(struct slice labels, struct buf *room)
{
	buf_reset(room);
	for (struct label l; labels_next(&labels, &l);) {
		put_text(room, l.name);
		put_text(room, l.value);
	}
	return buf_failed(room) ? -1 : (double)place_hash(room->ptr, room->len) / 0x1p64;
}
