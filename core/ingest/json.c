/* The pieces of strict JSON.
 *
 * Strings are scanned sixteen bytes at a time for the four things that matter: the closing quote, a backslash, a control character, a byte of
 * a longer UTF-8 sequence. Only strings that have the latter are validated. Short numbers are read here, others by number.h.
 *
 * Road not taken: simdjson's On-Demand interface, whose values must all be walked to be strict; see tests/bench/README.md for both. */
#include "ingest/json.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/hex.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "ingest/number.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* ---- strings ---- */

/* Moves over plain bytes to the first of: quote, backslash, control character, end. *high: a byte above 0x7f was passed. */
static const char *scan_plain(const char *at, const char *end, bool *high)
{
#if defined(__SSE2__)
	const __m128i quote = _mm_set1_epi8('"');
	const __m128i backslash = _mm_set1_epi8('\\');
	const __m128i control = _mm_set1_epi8(0x1f);
	while (at < end) { /* may read up to 15 bytes of the padding */
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)at);
		__m128i stop = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)),
		                            _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
		unsigned mask = (unsigned)_mm_movemask_epi8(stop);
		unsigned tops = (unsigned)_mm_movemask_epi8(v);
		if (mask != 0) {
			unsigned n = (unsigned)__builtin_ctz(mask);
			*high |= (tops & ((1u << n) - 1)) != 0;
			at += n;
			return at < end ? at : end;
		}
		*high |= tops != 0; /* bytes of the padding only make for a needless check */
		at += 16;
	}
	return end;
#else
	for (; at < end; at++) {
		unsigned char c = (unsigned char)*at;
		if (c == '"' || c == '\\' || c < 0x20)
			return at;
		*high |= c >= 0x80;
	}
	return end;
#endif
}

/* The code unit of \uXXXX, `at` on its first digit; −1 when there are not four digits. */
static int code_unit(const char *at, const char *end)
{
	int unit = 0;
	if (end - at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = hex_digit((unsigned char)at[i]);
		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

static bool is_high_surrogate(int unit)
{
	return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low_surrogate(int unit)
{
	return unit >= 0xdc00 && unit <= 0xdfff;
}

/* Checks one escape, `at` on its backslash. */
static bool check_escape(struct json *j)
{
	if (j->end - j->at < 2)
		return json_fail(j, "the string has no end");
	char c = j->at[1];
	if (c != 'u') {
		if (c == '\0' || strchr("\"\\/bfnrt", c) == NULL)
			return json_fail(j, "unknown escape in a string");
		j->at += 2;
		return true;
	}
	int unit = code_unit(j->at + 2, j->end);
	if (unit < 0)
		return json_fail(j, "\\u wants four hexadecimal digits");
	if (is_low_surrogate(unit))
		return json_fail(j, "lone surrogate in a string");
	if (is_high_surrogate(unit)) {
		bool paired = j->end - j->at >= 12 && j->at[6] == '\\' && j->at[7] == 'u' &&
		              is_low_surrogate(code_unit(j->at + 8, j->end));
		if (!paired)
			return json_fail(j, "lone surrogate in a string");
		j->at += 6;
	}
	j->at += 6;
	return true;
}

bool json_string_raw(struct json *j, struct slice *raw, bool *escaped)
{
	const char *start = j->at + 1;
	bool high = false;
	*escaped = false;
	j->at = start;
	for (;;) {
		j->at = scan_plain(j->at, j->end, &high);
		if (j->at >= j->end)
			return json_fail(j, "the string has no end");
		if (*j->at == '"')
			break;
		if (*j->at != '\\')
			return json_fail(j, "raw control character in a string");
		*escaped = true;
		if (!check_escape(j))
			return false;
	}
	*raw = slice_new(start, (size_t)(j->at - start));
	j->at++;
	if (high && !utf8_valid(*raw, NULL))
		return json_fail(j, "a string is not valid UTF-8");
	return true;
}

static char *put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	}
	return to;
}

static char unescaped(char c)
{
	switch (c) {
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return c;
	}
}

struct slice json_unescape(struct arena *a, struct slice raw)
{
	char *out = arena_alloc(a, raw.len + 1); /* escapes only shrink */
	const char *at = raw.ptr;
	const char *end = raw.ptr + raw.len;
	if (out == NULL)
		return slice_new(NULL, 0);
	char *to = out;
	while (at < end) {
		if (*at != '\\') {
			*to++ = *at++;
		} else if (at[1] != 'u') {
			*to++ = unescaped(at[1]);
			at += 2;
		} else {
			uint32_t c = (uint32_t)code_unit(at + 2, end);
			at += 6;
			if (is_high_surrogate((int)c)) {
				c = 0x10000 + ((c - 0xd800) << 10) + ((uint32_t)code_unit(at + 2, end) - 0xdc00);
				at += 6;
			}
			to = put_utf8(to, c);
		}
	}
	return slice_new(out, (size_t)(to - out));
}

/* ---- numbers ---- */

static inline bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* What the grammar pass of a number found. */
struct digits {
	const char *start;
	uint64_t mantissa; /* of the first 19 significant digits */
	int32_t significant;
	int32_t exponent; /* decimal, of the mantissa */
	bool negative, fractional;
};

static inline void add_digit(struct digits *d, char c)
{
	if (d->significant == 0 && c == '0')
		return;
	if (d->significant < 19)
		d->mantissa = d->mantissa * 10 + (uint64_t)(c - '0');
	d->significant++;
}

static bool read_exponent(struct json *j, struct digits *d)
{
	int32_t exponent = 0;
	bool negative = false;
	j->at++;
	if (j->at < j->end && (*j->at == '+' || *j->at == '-'))
		negative = *j->at++ == '-';
	if (j->at >= j->end || !is_digit(*j->at))
		return json_fail(j, "an exponent wants a digit");
	for (; j->at < j->end && is_digit(*j->at); j->at++) {
		if (exponent < 100000)
			exponent = exponent * 10 + (*j->at - '0');
	}
	d->exponent += negative ? -exponent : exponent;
	d->fractional = true;
	return true;
}

static bool read_digits(struct json *j, struct digits *d)
{
	*d = (struct digits){.start = j->at};
	if (*j->at == '-') {
		d->negative = true;
		j->at++;
	}
	if (j->at >= j->end || !is_digit(*j->at))
		return json_fail(j, "a number wants a digit");
	if (*j->at == '0' && j->at + 1 < j->end && is_digit(j->at[1]))
		return json_fail(j, "a number has a leading zero");
	for (; j->at < j->end && is_digit(*j->at); j->at++)
		add_digit(d, *j->at);
	if (j->at < j->end && *j->at == '.') {
		const char *point = ++j->at;
		d->fractional = true;
		for (; j->at < j->end && is_digit(*j->at); j->at++)
			add_digit(d, *j->at);
		if (j->at == point)
			return json_fail(j, "a decimal point wants a digit behind it");
		d->exponent -= (int32_t)(j->at - point);
	}
	if (j->at < j->end && (*j->at | 0x20) == 'e')
		return read_exponent(j, d);
	return true;
}

bool json_number(struct json *j, struct value *out, const char **unfit)
{
	struct digits d;
	double number = 0;
	*unfit = NULL;
	const char *behind = json_plain_number(j->at, j->end, out);
	if (behind != NULL) {
		j->at = behind;
		return true;
	}
	if (!read_digits(j, &d))
		return false;
	bool is_integer =
	    !d.fractional && d.significant <= 19 && d.mantissa <= INT64_MAX && !(d.negative && d.mantissa == 0);
	if (is_integer) {
		int64_t integer = d.negative ? -(int64_t)d.mantissa : (int64_t)d.mantissa;
		*out = (struct value){.integer = integer, .type = VALUE_INT};
		return true;
	}
	if (!d.fractional && d.negative && d.significant == 19 && d.mantissa == (uint64_t)1 << 63) {
		*out = (struct value){.integer = INT64_MIN, .type = VALUE_INT};
		return true;
	}
	bool exact = d.significant <= 19 && number_exact(d.mantissa, d.exponent, &number);
	if (exact)
		number = d.negative ? -number : number;
	else if (!number_slow(slice_new(d.start, (size_t)(j->at - d.start)), &number))
		*unfit = "the number has more than 1024 bytes";
	if (isinf(number))
		*unfit = "the number is beyond the range of a double";
	*out = (struct value){.number = number, .type = VALUE_DOUBLE};
	return true;
}

/* ---- literals ---- */

static bool literal(struct json *j, const char *text, size_t len)
{
	if ((size_t)(j->end - j->at) < len || memcmp(j->at, text, len) != 0)
		return json_fail(j, "a value was wanted");
	j->at += len;
	return true;
}

bool json_literal(struct json *j, struct value *out)
{
	if (*j->at == 't') {
		*out = (struct value){.boolean = true, .type = VALUE_BOOL};
		return literal(j, "true", 4);
	}
	if (*j->at == 'f') {
		*out = (struct value){.boolean = false, .type = VALUE_BOOL};
		return literal(j, "false", 5);
	}
	*out = (struct value){.type = VALUE_NULL};
	return literal(j, "null", 4);
}

/* ---- passing over ---- */

/* The open brackets, a bit each: 1 is an object. */
struct nesting {
	uint8_t *bits;
	size_t cap, depth;
};

static int nest(struct nesting *n, bool is_object)
{
	size_t byte = n->depth / 8;
	if (byte == n->cap) {
		void *bits = n->bits;
		int code = mem_grow(&bits, &n->cap, byte, 1);
		if (code != 0)
			return code;
		n->bits = bits;
	}
	uint8_t bit = (uint8_t)(1u << (n->depth % 8));
	n->bits[byte] = (uint8_t)(is_object ? n->bits[byte] | bit : n->bits[byte] & ~bit);
	n->depth++;
	return 0;
}

static bool in_object(const struct nesting *n)
{
	return n->bits[(n->depth - 1) / 8] >> ((n->depth - 1) % 8) & 1;
}

static bool skip_scalar(struct json *j)
{
	struct value v;
	struct slice raw;
	bool escaped;
	const char *unfit;
	if (*j->at == '"')
		return json_string_raw(j, &raw, &escaped);
	if (*j->at == '-' || is_digit(*j->at))
		return json_number(j, &v, &unfit);
	return json_literal(j, &v);
}

static bool skip_key(struct json *j)
{
	struct slice raw;
	bool escaped;
	json_space(j);
	if (j->at >= j->end || *j->at != '"')
		return json_fail(j, "a field name in quotes was wanted");
	return json_string_raw(j, &raw, &escaped) && json_take(j, ':', "':' was wanted after a field name");
}

/* After a value: closes what ends here and moves to the next value. 1: another value follows; 0: all is closed; −1: an error. */
static int skip_to_next(struct json *j, struct nesting *n)
{
	while (n->depth > 0) {
		bool object = in_object(n);
		json_space(j);
		if (j->at >= j->end) {
			json_fail(j, "the text ends inside an array or object");
			return -1;
		}
		char c = *j->at++;
		if (c == ',')
			return object && !skip_key(j) ? -1 : 1;
		if (c != (object ? '}' : ']')) {
			j->at--;
			json_fail(j, object ? "',' or '}' was wanted" : "',' or ']' was wanted");
			return -1;
		}
		n->depth--;
	}
	return 0;
}

/* Opens an array or object, `at` on its bracket. 1: it is empty and closed again; 0: its first value follows. */
static int skip_open(struct json *j, struct nesting *n)
{
	bool object = *j->at++ == '{';
	json_space(j);
	if (j->at < j->end && *j->at == (object ? '}' : ']')) {
		j->at++;
		return 1;
	}
	int code = nest(n, object);
	if (code != 0)
		return code;
	return object && !skip_key(j) ? -EINVAL : 0;
}

int json_skip(struct json *j)
{
	struct nesting n = {0};
	int code = 0;
	for (int more = 1; more == 1 && code == 0;) {
		json_space(j);
		if (j->at >= j->end) {
			json_fail(j, "a value was wanted");
			code = -EINVAL;
			break;
		}
		if (*j->at == '{' || *j->at == '[') {
			int opened = skip_open(j, &n);
			if (opened == 0)
				continue;
			code = opened < 0 ? opened : 0;
		} else if (!skip_scalar(j)) {
			code = -EINVAL;
		}
		more = code == 0 ? skip_to_next(j, &n) : 0;
		code = more < 0 ? -EINVAL : code;
	}
	mem_free(n.bits);
	return code;
}
