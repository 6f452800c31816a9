/* Walks the codes of a gzip stream (RFC 1952, RFC 1951) and adds up what they stand for. A match of 258 bytes costs two codes here, and 258 copied bytes when it is
 * inflated: a body of 64 KiB that stands for 64 MiB is counted in half a millisecond, where inflating it up to a limit of 16 MiB takes thirty. That is what
 * makes bombs cheap to refuse; bodies that fit are then inflated by zlib, which alone decides what they hold. */
#include "net/gzip_length.h"

#include <stdbool.h>
#include <string.h>

enum {
	FAST_BITS = 9, /* codes of up to so many bits are found by one look */
	CODE_BITS_MAX = 15,
	LENGTHS = 288, /* literals, end of block, lengths of matches; the last two are never used */
	LENGTHS_USED = 286,
	DISTANCES = 32,
	DISTANCES_USED = 30,
	END_OF_BLOCK = 256,
	ORDER = 19, /* codes of code lengths */
	FIELD_EXTRA = 4,
	FIELD_NAME = 8,
	FIELD_COMMENT = 16,
	FIELD_CRC = 2,
	FIELDS_UNKNOWN = 0xe0
};

/* Bits come from each byte's lowest. */
struct bits {
	const unsigned char *at, *end;
	uint64_t hold;
	unsigned count; /* of bits in `hold` */
};

/* A canonical Huffman code. */
struct code {
	uint16_t fast[1 << FAST_BITS];     /* symbol << 4 | bits; 0: a longer code, or none */
	uint16_t count[CODE_BITS_MAX + 1]; /* codes of so many bits */
	uint16_t symbols[LENGTHS];         /* in the order of their codes */
};

struct counting {
	struct bits bits;
	uint64_t limit;
	uint64_t before; /* bytes of the members before */
	uint64_t member; /* bytes of this one */
	bool over;
	bool has_fixed;
	struct code fixed_lengths, fixed_distances, lengths, distances;
};

/* ---- bits ---- */

static void refill(struct bits *b)
{
	while (b->count <= 56 && b->at < b->end) {
		b->hold |= (uint64_t)*b->at++ << b->count;
		b->count += 8;
	}
}

static void drop(struct bits *b, unsigned n)
{
	b->hold >>= n;
	b->count -= n;
}

/* `n` bits, at most 16. */
static bool take(struct bits *b, unsigned n, unsigned *out)
{
	if (b->count < n)
		refill(b);
	if (b->count < n)
		return false;
	*out = (unsigned)(b->hold & ((1u << n) - 1));
	drop(b, n);
	return true;
}

/* To the next whole byte; none is held behind it. */
static void align(struct bits *b)
{
	b->at -= b->count / 8;
	b->hold = 0;
	b->count = 0;
}

static bool skip(struct bits *b, size_t bytes)
{
	if ((size_t)(b->end - b->at) < bytes)
		return false;
	b->at += bytes;
	return true;
}

static bool skip_text(struct bits *b)
{
	const unsigned char *nul = memchr(b->at, '\0', (size_t)(b->end - b->at));
	if (nul == NULL)
		return false;
	b->at = nul + 1;
	return true;
}

static uint32_t number(const unsigned char *at, unsigned bytes)
{
	uint32_t v = 0;
	for (unsigned i = 0; i < bytes; i++)
		v |= (uint32_t)at[i] << (8 * i);
	return v;
}

/* ---- codes ---- */

static unsigned reverse(unsigned code, unsigned bits)
{
	unsigned out = 0;
	for (; bits > 0; bits--, code >>= 1)
		out = out << 1 | (code & 1);
	return out;
}

static void fill_fast(struct code *c, unsigned symbol, unsigned code, unsigned bits)
{
	for (unsigned i = reverse(code, bits); i < 1 << FAST_BITS; i += 1u << bits)
		c->fast[i] = (uint16_t)(symbol << 4 | bits);
}

/* Are there just as many codes as bits can tell apart? A lone code of one bit may be, as zlib has it, and so may none at all: then there is nothing to decode. */
static bool is_complete(const struct code *c)
{
	int left = 1, codes = 0;
	for (unsigned bits = 1; bits <= CODE_BITS_MAX; bits++) {
		left = left * 2 - c->count[bits];
		codes += c->count[bits];
		if (left < 0)
			return false;
	}
	return left == 0 || codes == 0 || (codes == 1 && c->count[1] == 1);
}

/* Makes the code from the number of bits of each symbol; 0: the symbol is not used. */
static bool make(struct code *c, const uint8_t *bits, unsigned n)
{
	uint16_t at[CODE_BITS_MAX + 2] = {0}, next[CODE_BITS_MAX + 2] = {0};

	memset(c->count, 0, sizeof c->count);
	memset(c->fast, 0, sizeof c->fast);
	for (unsigned i = 0; i < n; i++)
		c->count[bits[i]]++;
	c->count[0] = 0;
	if (!is_complete(c))
		return false;
	for (unsigned k = 1; k <= CODE_BITS_MAX; k++) {
		at[k + 1] = (uint16_t)(at[k] + c->count[k]);
		next[k + 1] = (uint16_t)((next[k] + c->count[k]) << 1);
	}
	for (unsigned i = 0; i < n; i++) {
		if (bits[i] == 0)
			continue;
		c->symbols[at[bits[i]]++] = (uint16_t)i;
		unsigned code = next[bits[i]]++;
		if (bits[i] <= FAST_BITS)
			fill_fast(c, i, code, bits[i]);
	}
	return true;
}

/* A code of more than FAST_BITS bits, bit by bit. */
static int decode_slowly(const struct code *c, struct bits *b)
{
	int code = 0, first = 0, index = 0;
	for (unsigned n = 1; n <= CODE_BITS_MAX && n <= b->count; n++) {
		int count = c->count[n];
		code |= (int)(b->hold >> (n - 1) & 1);
		if (code - count < first) {
			drop(b, n);
			return c->symbols[index + (code - first)];
		}
		index += count;
		first = (first + count) << 1;
		code <<= 1;
	}
	return -1;
}

/* The next symbol, or −1. The caller has refilled. */
static int decode(const struct code *c, struct bits *b)
{
	unsigned entry = c->fast[b->hold & ((1u << FAST_BITS) - 1)];
	unsigned n = entry & 15;
	if (n == 0)
		return decode_slowly(c, b);
	if (n > b->count)
		return -1;
	drop(b, n);
	return (int)(entry >> 4);
}

/* ---- blocks ---- */

/* The length of the match that a symbol begins, 3 to 258. */
static bool match_length(struct bits *b, unsigned symbol, unsigned *length)
{
	unsigned k = symbol - END_OF_BLOCK - 1, extra = k < 8 ? 0 : k / 4 - 1, more = 0;
	if (symbol >= LENGTHS_USED)
		return false;
	*length = k < 8 ? 3 + k : 3 + ((4 + k % 4) << extra);
	if (symbol == LENGTHS_USED - 1) {
		*length = 258;
		return true;
	}
	bool ok = take(b, extra, &more);
	*length += more;
	return ok;
}

static bool match_distance(struct bits *b, unsigned symbol, unsigned *distance)
{
	unsigned extra = symbol < 4 ? 0 : symbol / 2 - 1, more = 0;
	if (symbol >= DISTANCES_USED)
		return false;
	*distance = symbol < 4 ? 1 + symbol : 1 + ((2 + symbol % 2) << extra);
	bool ok = take(b, extra, &more);
	*distance += more;
	return ok;
}

static bool count_codes(struct counting *c, const struct code *lengths, const struct code *distances)
{
	struct bits *b = &c->bits;
	while (c->member <= c->limit - c->before) {
		unsigned length = 0, distance = 0;
		refill(b); /* enough for a match: 15 + 5 + 15 + 13 bits */
		int symbol = decode(lengths, b);
		if (symbol < 0)
			return false;
		if (symbol == END_OF_BLOCK)
			return true;
		if (symbol < END_OF_BLOCK) {
			c->member++;
			continue;
		}
		if (!match_length(b, (unsigned)symbol, &length))
			return false;
		symbol = decode(distances, b);
		if (symbol < 0 || !match_distance(b, (unsigned)symbol, &distance) || distance > c->member)
			return false;
		c->member += length;
	}
	c->over = true;
	return true;
}

static bool count_stored(struct counting *c)
{
	struct bits *b = &c->bits;
	align(b);
	if (b->end - b->at < 4)
		return false;
	uint32_t length = number(b->at, 2);
	if ((length ^ 0xffff) != number(b->at + 2, 2) || !skip(b, 4 + length))
		return false;
	c->member += length;
	c->over = c->member > c->limit - c->before;
	return true;
}

static bool count_fixed(struct counting *c)
{
	uint8_t bits[LENGTHS + DISTANCES];
	if (!c->has_fixed) {
		memset(bits, 8, 144);
		memset(bits + 144, 9, 112);
		memset(bits + 256, 7, 24);
		memset(bits + 280, 8, 8);
		memset(bits + LENGTHS, 5, DISTANCES);
		c->has_fixed =
		    make(&c->fixed_lengths, bits, LENGTHS) && make(&c->fixed_distances, bits + LENGTHS, DISTANCES);
	}
	return c->has_fixed && count_codes(c, &c->fixed_lengths, &c->fixed_distances);
}

/* Reads `n` numbers of bits, which are themselves coded, with runs. */
static bool read_lengths(struct bits *b, const struct code *code, uint8_t *bits, unsigned n)
{
	static const struct {
		uint8_t extra, least;
	} runs[] = {{2, 3}, {3, 3}, {7, 11}};
	for (unsigned i = 0; i < n;) {
		unsigned more = 0;
		refill(b);
		int symbol = decode(code, b);
		if (symbol < 0 || (symbol == 16 && i == 0))
			return false;
		if (symbol < 16) {
			bits[i++] = (uint8_t)symbol;
			continue;
		}
		if (!take(b, runs[symbol - 16].extra, &more))
			return false;
		more += runs[symbol - 16].least;
		if (more > n - i)
			return false;
		memset(bits + i, symbol == 16 ? bits[i - 1] : 0, more);
		i += more;
	}
	return true;
}

static bool count_dynamic(struct counting *c)
{
	static const uint8_t order[ORDER] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
	uint8_t bits[LENGTHS + DISTANCES] = {0};
	unsigned lengths, distances, codes;
	struct bits *b = &c->bits;

	if (!take(b, 5, &lengths) || !take(b, 5, &distances) || !take(b, 4, &codes))
		return false;
	lengths += 257;
	distances += 1;
	if (lengths > LENGTHS_USED || distances > DISTANCES_USED)
		return false;
	for (unsigned i = 0; i < codes + 4; i++) {
		unsigned n;
		if (!take(b, 3, &n))
			return false;
		bits[order[i]] = (uint8_t)n;
	}
	if (!make(&c->lengths, bits, ORDER) || !read_lengths(b, &c->lengths, bits, lengths + distances))
		return false;
	if (bits[END_OF_BLOCK] == 0)
		return false;
	return make(&c->lengths, bits, lengths) && make(&c->distances, bits + lengths, distances) &&
	       count_codes(c, &c->lengths, &c->distances);
}

static bool count_block(struct counting *c, bool *last)
{
	unsigned final, kind;
	if (!take(&c->bits, 1, &final) || !take(&c->bits, 2, &kind))
		return false;
	*last = final == 1;
	switch (kind) {
	case 0:
		return count_stored(c);
	case 1:
		return count_fixed(c);
	case 2:
		return count_dynamic(c);
	default:
		return false;
	}
}

/* ---- members ---- */

static bool skip_header(struct bits *b)
{
	const unsigned char *h = b->at;
	if (!skip(b, 10) || h[0] != 0x1f || h[1] != 0x8b || h[2] != 8 || (h[3] & FIELDS_UNKNOWN) != 0)
		return false;
	unsigned fields = h[3];
	if ((fields & FIELD_EXTRA) != 0 && (b->end - b->at < 2 || !skip(b, 2 + (size_t)number(b->at, 2))))
		return false;
	if ((fields & FIELD_NAME) != 0 && !skip_text(b))
		return false;
	if ((fields & FIELD_COMMENT) != 0 && !skip_text(b))
		return false;
	return (fields & FIELD_CRC) == 0 || skip(b, 2);
}

static bool count_member(struct counting *c)
{
	struct bits *b = &c->bits;
	bool last = false;

	c->member = 0;
	if (!skip_header(b))
		return false;
	while (!last && !c->over) {
		if (!count_block(c, &last))
			return false;
	}
	if (c->over)
		return true;
	align(b);
	const unsigned char *trailer = b->at;
	if (!skip(b, 8) || number(trailer + 4, 4) != (uint32_t)c->member)
		return false;
	c->before += c->member;
	return true;
}

enum gzip_length gzip_length(struct slice in, uint64_t limit, uint64_t *length)
{
	struct counting c;
	const unsigned char *at = (const unsigned char *)in.ptr;

	c.bits = (struct bits){.at = at, .end = at + in.len};
	c.limit = limit;
	c.before = 0;
	c.over = c.has_fixed = false;
	do {
		if (!count_member(&c))
			return GZIP_BROKEN;
	} while (!c.over && c.bits.at < c.bits.end);
	*length = c.before;
	return c.over ? GZIP_OVER : GZIP_FITS;
}
