#include "api/query_params.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/utf8.h"
#include "promql/promql.h"

/* ---- forms ---- */

static int out_of_memory(struct error *err)
{
	return error_set(err, -ENOMEM, "out of memory for the parameters");
}

/* A + is a space, %XX a byte. */
static int decode(struct slice coded, struct arena *arena, struct slice *out, struct error *err)
{
	char *copy = arena_alloc(arena, coded.len + 1), *to = copy;

	if (copy == NULL)
		return out_of_memory(err);
	for (size_t i = 0; i < coded.len; i++) {
		char c = coded.ptr[i];
		if (c == '%') {
			int byte = i + 2 < coded.len ? hex_byte(coded.ptr + i + 1) : -1;
			if (byte < 0)
				return error_set(err, -EINVAL, "error parsing form values: invalid URL escape \"%.*s\"",
				                 (int)(coded.len - i < 3 ? coded.len - i : 3), coded.ptr + i);
			c = (char)byte;
			i += 2;
		}
		*to++ = c == '+' && coded.ptr[i] == '+' ? ' ' : c;
	}
	*out = slice_new(copy, (size_t)(to - copy));
	return 0;
}

static uint32_t count_pairs(struct slice text)
{
	uint32_t count = text.len > 0;
	for (size_t i = 0; i < text.len && count <= PARAMS_MAX; i++)
		count += text.ptr[i] == '&';
	return count;
}

/* Adds the pairs of name=value&name=value. */
static int add_pairs(struct slice text, struct arena *arena, struct param *items, uint32_t *count, struct error *err)
{
	int code = 0;

	while (text.len > 0 && code == 0) {
		const char *and = memchr(text.ptr, '&', text.len);
		struct slice pair = slice_new(text.ptr, and != NULL ? (size_t)(and-text.ptr) : text.len);
		size_t taken = pair.len + (and != NULL);
		text = slice_new(text.ptr + taken, text.len - taken);
		if (pair.len == 0)
			continue;
		const char *equals = memchr(pair.ptr, '=', pair.len);
		struct slice name = slice_new(pair.ptr, equals != NULL ? (size_t)(equals - pair.ptr) : pair.len);
		struct slice value = equals != NULL ? slice_new(equals + 1, pair.len - name.len - 1) : SLICE("");
		struct param *to = &items[*count];
		code = decode(name, arena, &to->name, err);
		if (code == 0)
			code = decode(value, arena, &to->value, err);
		++*count;
	}
	return code;
}

int params_read(struct slice form, struct slice query, struct arena *arena, struct params *out, struct error *err)
{
	uint32_t most = count_pairs(form) + count_pairs(query), count = 0;

	*out = (struct params){0};
	if (most > PARAMS_MAX)
		return error_set(err, -EINVAL, "more than %d parameters", PARAMS_MAX);
	struct param *items = arena_alloc(arena, (most + (size_t)1) * sizeof *items);
	if (items == NULL)
		return out_of_memory(err);
	int code = add_pairs(form, arena, items, &count, err);
	if (code == 0)
		code = add_pairs(query, arena, items, &count, err);
	*out = (struct params){items, count};
	return code;
}

struct slice params_get(const struct params *p, const char *name)
{
	for (uint32_t i = 0; i < p->count; i++) {
		if (slice_eq(p->items[i].name, slice_cstr(name)))
			return p->items[i].value;
	}
	return SLICE("");
}

/* ---- times and numbers ---- */

/* A decimal number as strtod takes one, in a locale that is C. */
static bool read_number(struct slice text, double *out)
{
	char copy[64], *end;

	if (text.len == 0 || text.len >= sizeof copy)
		return false;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	if (copy[strspn(copy, "0123456789.eE+-")] != '\0')
		return false;
	*out = strtod(copy, &end);
	return end == copy + text.len;
}

/* The ends of all time in Prometheus's words, which clients that ask for everything send: their years have more digits than RFC 3339 has. */
static bool read_end_of_time(struct slice text, int64_t *ms)
{
	bool first = slice_eq(text, SLICE("-292273086-05-16T16:47:06Z"));

	*ms = first ? INT64_MIN : INT64_MAX;
	return first || slice_eq(text, SLICE("292277025-08-18T07:12:54.999999999Z"));
}

/* The fraction is rounded to milliseconds by itself, as Prometheus does. */
static int64_t to_ms(double seconds)
{
	double whole;
	double ms = round(modf(seconds, &whole) * 1000);
	if (whole >= 9.2e15)
		return INT64_MAX;
	return whole <= -9.2e15 ? INT64_MIN : (int64_t)whole * 1000 + (int64_t)ms;
}

static int invalid(struct error *err, const char *name)
{
	error_prefix(err, "invalid parameter \"%s\"", name);
	return -EINVAL;
}

/* "text" in the words of Go's %q, cut where it is long. */
static void quote(struct slice text, char *room, size_t size)
{
	struct buf b = {0};
	promql_quote(slice_new(text.ptr, text.len < 200 ? text.len : 200), &b);
	buf_byte(&b, '\0');
	strncpy(room, buf_failed(&b) ? "" : b.ptr, size - 1);
	room[size - 1] = '\0';
	buf_free(&b);
}

int params_time(const struct params *p, const char *name, int64_t otherwise, int64_t *ms, struct error *err)
{
	struct slice text = params_get(p, name);
	char quoted[900];
	double seconds;
	int64_t read_ms;

	*ms = otherwise;
	if (text.len == 0)
		return 0;
	if (read_number(text, &seconds) && isfinite(seconds)) {
		*ms = to_ms(seconds);
		return 0;
	}
	if (clock_parse_rfc3339_ms(text, &read_ms) || read_end_of_time(text, &read_ms)) {
		*ms = read_ms;
		return 0;
	}
	quote(text, quoted, sizeof quoted);
	error_set(err, -EINVAL, "cannot parse %s to a valid timestamp", quoted);
	return invalid(err, name);
}

int params_duration(const struct params *p, const char *name, int64_t otherwise, int64_t *ms, struct arena *arena,
                    struct error *err)
{
	struct slice text = params_get(p, name);
	struct promql_expr *e;
	struct error why = {0};
	char quoted[900];
	double seconds;

	*ms = otherwise;
	if (text.len == 0)
		return 0;
	if (!read_number(text, &seconds)) {
		int code = promql_parse(text, arena, &e, &why);
		if (code == -ENOMEM)
			return out_of_memory(err);
		bool is_duration = code == 0 && e->kind == PROMQL_NUMBER && e->number.duration;
		seconds = is_duration ? e->number.value : NAN;
	}
	if (isfinite(seconds) && fabs(seconds) < 9.2e15) {
		*ms = (int64_t)round(seconds * 1000);
		return 0;
	}
	quote(text, quoted, sizeof quoted);
	error_set(err, -EINVAL, "cannot parse %s to a valid duration", quoted);
	return invalid(err, name);
}

int params_limit(const struct params *p, const char *name, uint32_t otherwise, uint32_t *out, struct error *err)
{
	struct slice text = params_get(p, name);
	char quoted[900];
	bool negative = text.len > 1 && text.ptr[0] == '-';
	size_t first = text.len > 1 && (negative || text.ptr[0] == '+');
	uint64_t v = 0;

	*out = otherwise;
	if (text.len == 0)
		return 0;
	for (size_t i = first; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9') {
			quote(text, quoted, sizeof quoted);
			error_set(err, -EINVAL, "strconv.Atoi: parsing %s: invalid syntax", quoted);
			return invalid(err, name);
		}
		v = v * 10 + (uint64_t)(text.ptr[i] - '0');
		v = v < UINT32_MAX ? v : UINT32_MAX; /* more than there can be of anything */
	}
	if (negative && v > 0) {
		error_set(err, -EINVAL, "%s must be non-negative", name);
		return invalid(err, name);
	}
	*out = (uint32_t)v;
	return 0;
}

/* ---- match[] ---- */

static int add_match(struct slice text, struct arena *arena, struct matches *out, struct error *err)
{
	struct promql_expr *e;
	bool any = false;
	int code = promql_parse_selector(text, arena, &e, err);

	if (code != 0)
		return code == -ENOMEM ? code : invalid(err, "match[]");
	for (uint32_t i = 0; i < e->selector.matcher_count; i++)
		any |= !e->selector.matchers[i].matches_empty;
	if (!any) {
		error_set(err, -EINVAL, "match[] must contain at least one non-empty matcher");
		return invalid(err, "match[]");
	}
	struct match *m = &out->items[out->count];
	code = promql_matchers(e, arena, &m->matchers, err);
	if (code == 0) {
		m->count = e->selector.matcher_count;
		out->count++;
	}
	return code;
}

int params_matches(const struct params *p, struct arena *arena, struct matches *out, struct error *err)
{
	int code = 0;

	out->count = 0;
	for (uint32_t i = 0; i < p->count && code == 0; i++) {
		if (!slice_eq(p->items[i].name, SLICE("match[]")))
			continue;
		if (out->count == MATCHES_MAX)
			return error_set(err, -EINVAL, "more than %d match[]", MATCHES_MAX);
		code = add_match(p->items[i].value, arena, out, err);
	}
	return code;
}

void matches_free(struct matches *m)
{
	for (uint32_t i = 0; i < m->count; i++)
		promql_matchers_free(m->items[i].matchers, m->items[i].count);
	m->count = 0;
}

/* ---- label names in paths ---- */

/* Behind an underscore: another one stands for one, hexadecimal digits and one for a character. Returns the bytes written, 0: it is neither. */
static size_t unescape_one(const char **at, const char *end, char *to)
{
	uint32_t r = 0;
	int digits = 0;

	if (*at < end && **at == '_') {
		++*at;
		*to = '_';
		return 1;
	}
	for (; *at < end && hex_digit((unsigned char)**at) >= 0 && digits < 6; ++*at, digits++)
		r = r * 16 + (uint32_t)hex_digit((unsigned char)**at);
	if (*at == end || **at != '_' || r > 0x10ffff || (r >= 0xd800 && r < 0xe000))
		return 0;
	++*at;
	return utf8_encode(r, to);
}

struct slice label_name_unescape(struct slice name, struct arena *arena)
{
	if (name.len < 3 || memcmp(name.ptr, "U__", 3) != 0)
		return name;
	const char *at = name.ptr + 3, *end = name.ptr + name.len;
	char *copy = arena_alloc(arena, name.len), *to = copy;
	if (copy == NULL)
		return (struct slice){0};
	while (at < end) {
		if (*at != '_') {
			*to++ = *at++;
			continue;
		}
		at++;
		size_t written = unescape_one(&at, end, to);
		if (written == 0)
			return name; /* it is no escaped one */
		to += written;
	}
	return slice_new(copy, (size_t)(to - copy));
}
