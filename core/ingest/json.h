/* Strict JSON (RFC 8259) over bytes in memory: the pieces that decoders are made of. Nothing here knows of events.
 *
 * A cursor may read up to INGEST_PADDING bytes behind its end and never takes them for input. Private to ingest/. */
#ifndef MOONGATE_INGEST_JSON_H
#define MOONGATE_INGEST_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "record/record.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

struct json {
	const char *at;
	const char *end;
	const char *error; /* what was wanted at `at`; set by whatever returned false or a negative errno */
};

static inline bool json_is_space(char c)
{
	return (unsigned char)c <= ' ' && (c == ' ' || c == '\n' || c == '\r' || c == '\t'); /* mostly it is none */
}

static inline void json_space(struct json *j)
{
	while (j->at < j->end && json_is_space(*j->at))
		j->at++;
}

/* Remembers what was wrong; returns false. */
static inline bool json_fail(struct json *j, const char *error)
{
	j->error = error;
	return false;
}

/* Takes one byte and the space before it. */
static inline bool json_take(struct json *j, char c, const char *error)
{
	json_space(j);
	if (j->at >= j->end || *j->at != c)
		return json_fail(j, error);
	j->at++;
	return true;
}

/* A string, `at` on its opening quote: the bytes between the quotes, escapes not undone; UTF-8 and escapes are checked. */
bool json_string_raw(struct json *j, struct slice *raw, bool *escaped);

/* Undoes the escapes of a checked raw string into the arena; its ptr is NULL when memory is out. */
struct slice json_unescape(struct arena *a, struct slice raw);

/* A number, `at` on its first byte. VALUE_INT where it fits, else VALUE_DOUBLE. *unfit says why a well-formed number is not taken all the same (beyond double's range, of
 * more than 1024 bytes; the value is then unspecified), else it is NULL. */
bool json_number(struct json *j, struct value *out, const char **unfit);

/* ---- what most values are ---- */

/* The closing quote of a string of plain ASCII without escapes, `at` behind the opening one; NULL for all others, also the malformed. */
static inline const char *json_plain_string(const char *at, const char *end)
{
#if defined(__SSE2__)
	const __m128i quote = _mm_set1_epi8('"');
	const __m128i backslash = _mm_set1_epi8('\\');
	const __m128i space = _mm_set1_epi8(' ');
	for (; at < end; at += 16) { /* may read up to 15 bytes of the padding */
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)at);
		__m128i low = _mm_cmplt_epi8(v, space); /* control characters, and what is above 0x7f */
		__m128i stop = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)), low);
		unsigned mask = (unsigned)_mm_movemask_epi8(stop);
		if (mask == 0)
			continue;
		at += __builtin_ctz(mask);
		return at < end && *at == '"' ? at : NULL;
	}
	return NULL;
#else
	while (at < end && *at >= ' ' && *at != '"' && *at != '\\' && *at < 0x7f)
		at++;
	return at < end && *at == '"' ? at : NULL;
#endif
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte of a text is the lowest of a word");

/* How many of the eight bytes at `at` are digits before the first that is none, and the number that they make. */
static inline unsigned json_eight_digits(const char *at, uint64_t *number)
{
	uint64_t v;
	memcpy(&v, at, 8);
	/* A digit plus 0x46 or minus 0x30 has no top bit and makes no carry; any other byte has one in either. Carries only reach bytes behind it. */
	uint64_t others =
	    ((v + UINT64_C(0x4646464646464646)) | (v - UINT64_C(0x3030303030303030))) & UINT64_C(0x8080808080808080);
	unsigned count = others == 0 ? 8 : (unsigned)__builtin_ctzll(others) / 8;
	/* The digits to the high end, so that zeros lead them; then neighbours are put together: bytes, pairs, fours. */
	v = count == 0 ? 0 : v << (64 - 8 * count) & UINT64_C(0x0f0f0f0f0f0f0f0f);
	v = (v * 10 + (v >> 8)) & UINT64_C(0x00ff00ff00ff00ff);
	v = (v * 100 + (v >> 16)) & UINT64_C(0x0000ffff0000ffff);
	*number = (v * 10000 + (v >> 32)) & UINT64_C(0xffffffff);
	return count;
}

/* Reads a number of the form "1234" or "930.5" with at most 15 digits, seven of them behind the point: below 10^15 both the digits and the power of ten are exact
 * doubles, so their quotient is rounded correctly. Its end; NULL for all others, also the malformed, and where the text ends with it. */
static inline const char *json_plain_number(const char *at, const char *end, struct value *out)
{
	static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7};
	static const int64_t scales[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
	uint64_t v, more;
	unsigned count = json_eight_digits(at, &v); /* reads at most 25 bytes, which the padding has */
	if (count == 0 || (*at == '0' && count > 1))
		return NULL;
	at += count;
	if (count == 8) {
		unsigned rest = json_eight_digits(at, &more);
		if (rest == 8)
			return NULL;
		v = v * (uint64_t)scales[rest] + more;
		count += rest;
		at += rest;
	}
	unsigned decimals = 0;
	if (*at == '.') {
		decimals = json_eight_digits(at + 1, &more);
		if (decimals == 0 || decimals == 8 || count + decimals > 15)
			return NULL;
		v = v * (uint64_t)scales[decimals] + more;
		at += 1 + decimals;
	}
	if (at >= end || (*at | 0x20) == 'e')
		return NULL;
	*out = decimals == 0 ? (struct value){.integer = (int64_t)v, .type = VALUE_INT}
	                     : (struct value){.number = (double)(int64_t)v / powers[decimals], .type = VALUE_DOUBLE};
	return at;
}

/* true, false, null. */
bool json_literal(struct json *j, struct value *out);

/* Passes over one value of any depth, checking its syntax, without recursion. 0, -EINVAL with `error`, -ENOMEM. Memory: one bit a level. */
int json_skip(struct json *j);

#endif
