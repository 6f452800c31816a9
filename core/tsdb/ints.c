#include "tsdb/ints.h"
#include "base/varint.h"

#include <string.h>

/* Tokens: FORMAT.md has the table. */
enum {
	ONE_BYTE = 128,  /* from here on a byte follows */
	TWO_BYTES = 192, /* two do */
	WHOLE = 208,     /* three to eight do, and they are the number */
	RUN = 214,       /* zeros: 2 and more of them */
	LONG_RUN = 246,  /* the same, a byte follows */
	RUN_MIN = 2,
	LONG_RUN_MIN = RUN_MIN + LONG_RUN - RUN,
	LONG_RUN_END = LONG_RUN_MIN + (256 - LONG_RUN) * 256, /* longer ones are cut */
	ONE_BYTE_END = ONE_BYTE + ((TWO_BYTES - ONE_BYTE) << 8),
	TWO_BYTES_END = ONE_BYTE_END + ((WHOLE - TWO_BYTES) << 16)
};

/* What is coded for number i. */
static inline uint64_t coded(const uint64_t *n, const uint64_t *beside, uint32_t i, enum ints_order order)
{
	uint64_t before = i > 0 ? n[i - 1] : 0, before2 = i > 1 ? n[i - 2] : before;

	switch (order) {
	case INTS_PLAIN:
		return zigzag(n[i]);
	case INTS_DELTA:
		return zigzag(n[i] - before);
	case INTS_DELTA2:
		return zigzag(n[i] - before - (before - before2));
	case INTS_RISE:
		return n[i] - before;
	case INTS_BESIDE:
		return zigzag(n[i] - before - (beside[i] - (i > 0 ? beside[i - 1] : 0)));
	}
	return 0;
}

/* ---- writing ---- */

struct writer {
	unsigned char *tokens, *rest;
};

static void put_rest(struct writer *w, uint64_t v, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++)
		*w->rest++ = (unsigned char)(v >> (8 * i));
}

static void put_zeros(struct writer *w, uint32_t count)
{
	while (count >= LONG_RUN_MIN) {
		uint32_t run = count < LONG_RUN_END ? count : LONG_RUN_END - 1;
		uint32_t over = run - LONG_RUN_MIN;
		*w->tokens++ = (unsigned char)(LONG_RUN + over / 256);
		put_rest(w, over % 256, 1);
		count -= run;
	}
	if (count >= RUN_MIN)
		*w->tokens++ = (unsigned char)(RUN + count - RUN_MIN);
	else if (count == 1)
		*w->tokens++ = 0;
}

static void put_large(struct writer *w, uint64_t v)
{
	if (v < ONE_BYTE_END) {
		*w->tokens++ = (unsigned char)(ONE_BYTE + ((v - ONE_BYTE) >> 8));
		put_rest(w, v - ONE_BYTE, 1);
	} else if (v < TWO_BYTES_END) {
		*w->tokens++ = (unsigned char)(TWO_BYTES + ((v - ONE_BYTE_END) >> 16));
		put_rest(w, v - ONE_BYTE_END, 2);
	} else {
		uint32_t bytes = (64 - (uint32_t)__builtin_clzll(v) + 7) / 8;
		*w->tokens++ = (unsigned char)(WHOLE + bytes - 3);
		put_rest(w, v, bytes);
	}
}

/* Of one order, so that the compiler makes a loop for each. */
static inline void encode(struct writer *w, const uint64_t *numbers, const uint64_t *beside, uint32_t count,
                          enum ints_order order)
{
	uint32_t zeros = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t v = coded(numbers, beside, i, order);
		if (v == 0) {
			zeros++;
			continue;
		}
		if (zeros > 0) {
			put_zeros(w, zeros);
			zeros = 0;
		}
		if (v < ONE_BYTE)
			*w->tokens++ = (unsigned char)v;
		else
			put_large(w, v);
	}
	put_zeros(w, zeros);
}

void ints_encode(const uint64_t *numbers, const uint64_t *beside, uint32_t count, enum ints_order order,
                 struct buf *tokens, struct buf *rest)
{
	struct writer w = {
	    .tokens = (unsigned char *)buf_room(tokens, count),
	    .rest = (unsigned char *)buf_room(rest, (size_t)count * INTS_REST_MAX),
	};

	if (w.tokens == NULL || w.rest == NULL)
		return;
	switch (order) {
	case INTS_PLAIN:
		encode(&w, numbers, beside, count, INTS_PLAIN);
		break;
	case INTS_DELTA:
		encode(&w, numbers, beside, count, INTS_DELTA);
		break;
	case INTS_DELTA2:
		encode(&w, numbers, beside, count, INTS_DELTA2);
		break;
	case INTS_RISE:
		encode(&w, numbers, beside, count, INTS_RISE);
		break;
	case INTS_BESIDE:
		encode(&w, numbers, beside, count, INTS_BESIDE);
		break;
	}
	tokens->len = (size_t)((char *)w.tokens - tokens->ptr);
	rest->len = (size_t)((char *)w.rest - rest->ptr);
}

/* ---- choosing ---- */

/* Roughly the bits that zstd leaves of them: a zero among zeros next to nothing, a number its digits and where they are. */
static inline uint32_t cost(const uint64_t *numbers, const uint64_t *beside, uint32_t count, enum ints_order order)
{
	uint32_t sum = 0, last = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t v = coded(numbers, beside, i, order);
		uint32_t length = v == 0 ? 0 : 64 - (uint32_t)__builtin_clzll(v);
		sum += length + (length != 0 || last != 0);
		last = length;
	}
	return sum;
}

enum ints_order ints_choose(const uint64_t *numbers, uint32_t count, uint32_t *least)
{
	const uint32_t costs[] = {
	    [INTS_PLAIN] = cost(numbers, NULL, count, INTS_PLAIN),
	    [INTS_DELTA] = cost(numbers, NULL, count, INTS_DELTA),
	    [INTS_DELTA2] = cost(numbers, NULL, count, INTS_DELTA2),
	    [INTS_RISE] = cost(numbers, NULL, count, INTS_RISE),
	};
	uint32_t best = INTS_DELTA;

	for (uint32_t i = 0; i < sizeof costs / sizeof *costs; i++) {
		if (costs[i] < costs[best])
			best = i;
	}
	if (least != NULL)
		*least = costs[best];
	return (enum ints_order)best;
}

uint32_t ints_cost_beside(const uint64_t *numbers, const uint64_t *beside, uint32_t count)
{
	return cost(numbers, beside, count, INTS_BESIDE);
}

/* ---- reading ---- */

static bool get_rest(struct ints_reader *r, uint32_t bytes, uint64_t *v)
{
	*v = 0;
	if ((size_t)(r->end - r->at) < bytes)
		return false;
	for (uint32_t i = 0; i < bytes; i++)
		*v |= (uint64_t)r->at[i] << (8 * i);
	r->at += bytes;
	return true;
}

/* A token that is no number of its own, at numbers[0] of `left`. How many numbers it stands for; 0: it is not valid here. */
static uint32_t decode_token(unsigned char token, struct ints_reader *rest, uint64_t *numbers, uint32_t left)
{
	uint64_t v;

	if (token < RUN) {
		uint32_t bytes = token < TWO_BYTES ? 1 : token < WHOLE ? 2 : (uint32_t)token - WHOLE + 3;
		if (!get_rest(rest, bytes, &v))
			return 0;
		if (token < TWO_BYTES)
			v += ONE_BYTE + ((uint64_t)(token - ONE_BYTE) << 8);
		else if (token < WHOLE)
			v += ONE_BYTE_END + ((uint64_t)(token - TWO_BYTES) << 16);
		numbers[0] = v;
		return 1;
	}
	uint32_t run = RUN_MIN + token - RUN;
	if (token >= LONG_RUN) {
		if (!get_rest(rest, 1, &v))
			return 0;
		run = LONG_RUN_MIN + ((uint32_t)(token - LONG_RUN) << 8) + (uint32_t)v;
	}
	if (run > left)
		return 0;
	memset(numbers, 0, run * sizeof *numbers);
	return run;
}

static bool decode_tokens(struct ints_reader t, struct ints_reader *rest, uint32_t count, uint64_t *numbers)
{
	uint32_t i = 0;

	while (t.at < t.end && i < count) {
		unsigned char token = *t.at++;
		if (token < ONE_BYTE) {
			numbers[i++] = token;
			continue;
		}
		uint32_t stands_for = decode_token(token, rest, numbers + i, count - i);
		if (stands_for == 0)
			return false;
		i += stands_for;
	}
	return t.at == t.end && i == count;
}

bool ints_decode(struct ints_reader tokens, struct ints_reader *rest, const uint64_t *beside, uint32_t count,
                 enum ints_order order, uint64_t *numbers)
{
	uint64_t last = 0, delta = 0;

	if (!decode_tokens(tokens, rest, count, numbers))
		return false;
	switch (order) {
	case INTS_PLAIN:
		for (uint32_t i = 0; i < count; i++)
			numbers[i] = unzigzag(numbers[i]);
		break;
	case INTS_DELTA:
		for (uint32_t i = 0; i < count; i++)
			numbers[i] = last += unzigzag(numbers[i]);
		break;
	case INTS_DELTA2:
		for (uint32_t i = 0; i < count; i++) {
			delta += unzigzag(numbers[i]);
			numbers[i] = last += delta;
			if (i == 0)
				delta = 0;
		}
		break;
	case INTS_RISE:
		for (uint32_t i = 0; i < count; i++)
			numbers[i] = last += numbers[i];
		break;
	case INTS_BESIDE: /* the distance from what stands beside it is what is summed up */
		for (uint32_t i = 0; i < count; i++) {
			last += unzigzag(numbers[i]);
			numbers[i] = beside[i] + last;
		}
		break;
	}
	return true;
}

/* ---- reading two of them ---- */

/* Where a walk over tokens is. */
struct spot {
	struct ints_reader tokens, rest;
	uint32_t passed;      /* numbers */
	uint64_t last, delta; /* of those */
};

/* The next token: how many numbers it stands for, and what is coded for each. 0: it is none. */
static inline uint32_t next_token(struct spot *s, uint64_t *v)
{
	if (s->tokens.at == s->tokens.end)
		return 0;
	unsigned char token = *s->tokens.at++;
	*v = token;
	if (token < ONE_BYTE)
		return 1;
	if (token < TWO_BYTES && s->rest.at < s->rest.end) {
		*v = ONE_BYTE + ((uint64_t)(token - ONE_BYTE) << 8) + *s->rest.at++;
		return 1;
	}
	if (token < RUN)
		return decode_token(token, &s->rest, v, 1);
	*v = 0;
	if (token < LONG_RUN)
		return RUN_MIN + (uint32_t)token - RUN;
	uint64_t low;
	return get_rest(&s->rest, 1, &low) ? LONG_RUN_MIN + ((uint32_t)(token - LONG_RUN) << 8) + (uint32_t)low : 0;
}

/* Passes over numbers that are coded alike. */
static inline void pass(struct spot *s, uint64_t v, uint32_t count, enum ints_order order)
{
	switch (order) {
	case INTS_PLAIN:
		s->last = unzigzag(v);
		break;
	case INTS_DELTA:
	case INTS_BESIDE:
		s->last += unzigzag(v); /* several are zeros */
		break;
	case INTS_DELTA2:
		s->delta += unzigzag(v);
		s->last += s->passed == 0 ? s->delta : s->delta * count;
		s->delta = s->passed == 0 ? 0 : s->delta;
		break;
	case INTS_RISE:
		s->last += v;
		break;
	}
	s->passed += count;
}

/* Of one order, so that the compiler makes a loop for each. */
static inline bool walk(struct spot *s, uint32_t count, uint32_t index, enum ints_order order, struct ints_pair *out)
{
	uint32_t left = 0; /* of a run */
	uint64_t v = 0;

	while (s->passed < index) {
		uint32_t alike = next_token(s, &v);
		if (alike == 0)
			return false;
		left = alike <= index - s->passed ? 0 : alike - (index - s->passed);
		pass(s, v, alike - left, order);
	}
	out->before = s->last;
	out->at = 0;
	if (index == count)
		return left == 0;
	if (left == 0 && next_token(s, &v) == 0)
		return false;
	pass(s, v, 1, order);
	out->at = s->last;
	return true;
}

static bool walk_in_order(struct spot *s, uint32_t count, uint32_t index, enum ints_order order, struct ints_pair *out)
{
	switch (order) {
	case INTS_PLAIN:
		return walk(s, count, index, INTS_PLAIN, out);
	case INTS_DELTA:
	case INTS_BESIDE:
		return walk(s, count, index, INTS_DELTA, out);
	case INTS_DELTA2:
		return walk(s, count, index, INTS_DELTA2, out);
	case INTS_RISE:
		return walk(s, count, index, INTS_RISE, out);
	}
	return false;
}

bool ints_at(struct ints_reader *tokens, struct ints_reader *rest, uint32_t count, uint32_t index,
             enum ints_order order, struct ints_pair *out)
{
	struct spot s = {.tokens = *tokens, .rest = *rest};

	if (!walk_in_order(&s, count, index, order, out))
		return false;
	*tokens = s.tokens;
	*rest = s.rest;
	return true;
}

bool ints_skip(struct ints_reader tokens, struct ints_reader *rest)
{
	static const unsigned char wants[256] = {[ONE_BYTE... TWO_BYTES - 1] = 1,
	                                         [TWO_BYTES... WHOLE - 1] = 2,
	                                         [WHOLE] = 3,
	                                         [WHOLE + 1] = 4,
	                                         [WHOLE + 2] = 5,
	                                         [WHOLE + 3] = 6,
	                                         [WHOLE + 4] = 7,
	                                         [RUN - 1] = 8,
	                                         [LONG_RUN... 255] = 1};
	size_t bytes = 0;

	for (const unsigned char *at = tokens.at; at < tokens.end; at++)
		bytes += wants[*at];
	if (bytes > (size_t)(rest->end - rest->at))
		return false;
	rest->at += bytes;
	return true;
}

bool ints_has_widest(struct ints_reader tokens)
{
	return tokens.at != tokens.end && memchr(tokens.at, RUN - 1, (size_t)(tokens.end - tokens.at)) != NULL;
}
