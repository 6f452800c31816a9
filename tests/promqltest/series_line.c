/* Series and their values. */
#include <errno.h>
#include <strings.h>

#include "line.h"
#include "list.h"
#include "promql/promql.h"
#include "record/labels.h"
#include "record/samples.h"

/* ---- the series ---- */

static bool is_word(char c)
{
	return c == '_' || c == ':' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Bytes of a name and of the braces behind it, up to the end of the line where they are not closed. */
static size_t series_length(struct slice text)
{
	size_t i = 0;
	char quote = 0;

	while (i < text.len && is_word(text.ptr[i]))
		i++;
	if (i == text.len || text.ptr[i] != '{')
		return i;
	for (; i < text.len; i++) {
		char c = text.ptr[i];
		if (quote != 0 && c == '\\' && quote != '`')
			i++;
		else if (quote != 0)
			quote = c == quote ? 0 : quote;
		else if (c == '"' || c == '\'' || c == '`')
			quote = c;
		else if (c == '}')
			return i + 1;
	}
	return text.len;
}

int line_labels(struct slice text, struct arena *arena, struct slice *out, struct error *err)
{
	struct buf encoded = {0};
	struct promql_expr *e;
	int rc = promql_parse_selector(text, arena, &e, err);
	if (rc != 0)
		return rc;
	uint32_t count = e->selector.matcher_count;
	struct label *labels = arena_alloc(arena, (count + (size_t)1) * sizeof *labels);
	if (labels == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	for (uint32_t i = 0; i < count; i++) {
		const struct promql_matcher *m = &e->selector.matchers[i];
		if (m->op != MATCH_EQUAL)
			return error_set(err, -EINVAL, "a label of a series is given with =, as in {%.*s=\"value\"}",
			                 SLICE_ARG(m->name));
		labels[i] = (struct label){m->name, m->value};
	}
	rc = labels_canonical(labels, count, &encoded, err);
	if (rc == 0)
		*out = encoded.len > 0 ? arena_copy(arena, buf_slice(&encoded)) : SLICE("");
	buf_free(&encoded);
	if (rc == 0 && out->ptr == NULL)
		rc = error_set(err, -ENOMEM, "out of memory");
	return rc;
}

/* ---- values ---- */

struct values {
	struct arena *arena;
	struct script_value *items;
	uint32_t count;
	struct slice rest; /* of the line */
	struct error *err;
};

static int wrong(const struct values *v, const char *wanted)
{
	return error_set(v->err, -EINVAL, "wanted %s, got \"%.*s\"", wanted, SLICE_ARG(v->rest));
}

static bool next_is(const struct values *v, char c)
{
	return v->rest.len > 0 && v->rest.ptr[0] == c;
}

static bool accept(struct values *v, char c)
{
	if (!next_is(v, c))
		return false;
	v->rest = line_skip(v->rest, 1);
	return true;
}

static int add(struct values *v, struct script_value value)
{
	if (v->count == SCRIPT_VALUES_MAX)
		return error_set(v->err, -EINVAL, "a line has at most %d values", SCRIPT_VALUES_MAX);
	struct script_value *items = list_room(v->arena, v->items, v->count, sizeof *items);
	if (items == NULL)
		return error_set(v->err, -ENOMEM, "out of memory");
	v->items = items;
	items[v->count++] = value;
	return 0;
}

/* `times` of them, each greater than the one before by `step`. */
static int add_many(struct values *v, struct script_value value, double step, uint32_t times)
{
	int rc = 0;
	for (uint32_t i = 0; i < times && rc == 0; i++) {
		rc = add(v, value);
		value.value += step;
	}
	return rc;
}

/* x and a whole number. */
static int take_repeat(struct values *v, uint32_t *times)
{
	size_t len = 0;

	if (!accept(v, 'x'))
		return wrong(v, "x and how often");
	while (len < v->rest.len && v->rest.ptr[len] >= '0' && v->rest.ptr[len] <= '9')
		len++;
	struct slice digits = slice_new(v->rest.ptr, len);
	v->rest = line_skip(v->rest, len);
	return line_repeat(digits, times, v->err);
}

static size_t number_length(struct slice s)
{
	size_t i = 0;
	for (; i < s.len; i++) {
		char c = s.ptr[i];
		bool exponent = c == 'e' || c == 'E';
		if (!exponent && c != '.' && c != '_' && (c < '0' || c > '9'))
			break;
		if (exponent && i + 1 < s.len && (s.ptr[i + 1] == '+' || s.ptr[i + 1] == '-'))
			i++;
	}
	return i;
}

static size_t word_length(struct slice s)
{
	size_t i = 0;
	while (i < s.len && is_word(s.ptr[i]))
		i++;
	return i;
}

static bool same_word(struct slice s, const char *word)
{
	return s.len == strlen(word) && strncasecmp(s.ptr, word, s.len) == 0;
}

/* Without a sign, or NaN, Inf. */
static int take_unsigned(struct values *v, double *out)
{
	size_t len = number_length(v->rest), word = word_length(v->rest);
	if (len == 0 &&
	    (same_word(slice_new(v->rest.ptr, word), "nan") || same_word(slice_new(v->rest.ptr, word), "inf")))
		len = word;
	if (len == 0 || !line_number(slice_new(v->rest.ptr, len), v->arena, out))
		return wrong(v, "a number, _, stale or a histogram {{…}}");
	v->rest = line_skip(v->rest, len);
	return 0;
}

static int take_number(struct values *v, double *out)
{
	bool negative = accept(v, '-');
	if (!negative)
		accept(v, '+');
	int rc = take_unsigned(v, out);
	if (rc == 0 && negative)
		*out = -*out;
	return rc;
}

/* 5, 5x3 (four times 5), 5+1x3 (5 6 7 8), 5-1x3. */
static int take_floats(struct values *v)
{
	struct script_value value = {0};
	double step = 0;
	uint32_t times = 0;
	size_t word = word_length(v->rest);
	int rc = 0;

	if (slice_eq(slice_new(v->rest.ptr, word), SLICE("stale"))) {
		value.value = sample_stale();
		v->rest = line_skip(v->rest, word);
	} else {
		rc = take_number(v, &value.value);
	}
	if (rc != 0)
		return rc;
	if (next_is(v, '+') || next_is(v, '-')) {
		rc = take_number(v, &step);
		if (rc == 0)
			rc = take_repeat(v, &times);
	} else if (next_is(v, 'x')) {
		rc = take_repeat(v, &times);
	}
	if (rc != 0)
		return rc;
	return add_many(v, value, step, times + 1);
}

static int take_omitted(struct values *v)
{
	uint32_t times = 1;
	int rc = accept(v, '_') && next_is(v, 'x') ? take_repeat(v, &times) : 0;
	return rc != 0 ? rc : add_many(v, (struct script_value){.omitted = true}, 0, times);
}

/* ---- native histograms: read over ---- */

static const char *const hints[] = {"unknown", "reset", "not_reset", "gauge"};
static const struct field {
	const char *name;
	enum { FIELD_NUMBER, FIELD_LIST, FIELD_HINT } type;
} fields[] = {
    {"schema", FIELD_NUMBER},
    {"sum", FIELD_NUMBER},
    {"count", FIELD_NUMBER},
    {"offset", FIELD_NUMBER},
    {"n_offset", FIELD_NUMBER},
    {"z_bucket", FIELD_NUMBER},
    {"buckets", FIELD_LIST},
    {"n_buckets", FIELD_LIST},
    {"z_bucket_w", FIELD_NUMBER},
    {"custom_values", FIELD_LIST},
    {"counter_reset_hint", FIELD_HINT},
};
enum { FIELDS = sizeof fields / sizeof *fields, HINTS = sizeof hints / sizeof *hints };

static bool skip_blanks(struct values *v)
{
	size_t before = v->rest.len;
	while (v->rest.len > 0 && line_blank(v->rest.ptr[0]))
		v->rest = line_skip(v->rest, 1);
	return v->rest.len != before;
}

static int take_list(struct values *v)
{
	double number;
	int rc = 0;

	if (!accept(v, '['))
		return wrong(v, "[ and numbers");
	skip_blanks(v);
	while (rc == 0 && !accept(v, ']')) {
		rc = take_number(v, &number);
		if (rc == 0 && !skip_blanks(v) && !next_is(v, ']'))
			rc = wrong(v, "] or another number");
	}
	return rc;
}

static int take_hint(struct values *v)
{
	struct slice word = slice_new(v->rest.ptr, word_length(v->rest));
	for (int i = 0; i < HINTS; i++) {
		if (same_word(word, hints[i])) {
			v->rest = line_skip(v->rest, word.len);
			return 0;
		}
	}
	return wrong(v, "unknown, reset, not_reset or gauge");
}

static int take_field(struct values *v)
{
	double number;
	size_t len = 0;

	while (len < v->rest.len && is_word(v->rest.ptr[len]) && v->rest.ptr[len] != ':')
		len++;
	struct slice name = slice_new(v->rest.ptr, len);
	for (int i = 0; i < FIELDS; i++) {
		if (!same_word(name, fields[i].name))
			continue;
		v->rest = line_skip(v->rest, len);
		if (!accept(v, ':'))
			return wrong(v, "a colon");
		return fields[i].type == FIELD_LIST   ? take_list(v)
		       : fields[i].type == FIELD_HINT ? take_hint(v)
		                                      : take_number(v, &number);
	}
	return wrong(v, "what a histogram has (sum, count, schema, buckets, …) or }}");
}

static int take_histogram(struct values *v)
{
	v->rest = line_skip(v->rest, 2);
	skip_blanks(v);
	for (;;) {
		if (line_starts(v->rest, SLICE("}}"))) {
			v->rest = line_skip(v->rest, 2);
			return 0;
		}
		int rc = take_field(v);
		if (rc != 0)
			return rc;
		if (!skip_blanks(v) && !next_is(v, '}'))
			return wrong(v, "a blank or }}");
	}
}

/* {{…}}, {{…}}x3, {{…}}+{{…}}x3. */
static int take_histograms(struct values *v)
{
	uint32_t times = 0;
	int rc = take_histogram(v);

	if (rc == 0 && (next_is(v, '+') || next_is(v, '-'))) {
		v->rest = line_skip(v->rest, 1);
		rc = line_starts(v->rest, SLICE("{{")) ? take_histogram(v) : wrong(v, "a histogram");
		if (rc == 0)
			rc = take_repeat(v, &times);
	} else if (rc == 0 && next_is(v, 'x')) {
		rc = take_repeat(v, &times);
	}
	return rc != 0 ? rc : add_many(v, (struct script_value){.native = true}, 0, times + 1);
}

/* ---- lines ---- */

static int take_item(struct values *v)
{
	int rc = next_is(v, '_')                     ? take_omitted(v)
	         : line_starts(v->rest, SLICE("{{")) ? take_histograms(v)
	                                             : take_floats(v);
	if (rc == 0 && v->rest.len > 0 && !line_blank(v->rest.ptr[0]))
		return wrong(v, "a blank behind a value");
	return rc;
}

int line_series(struct slice text, struct arena *arena, struct script_series *out, struct error *err)
{
	size_t len = series_length(text);
	struct values v = {.arena = arena, .rest = line_skip(text, len), .err = err};

	if (len == 0)
		return error_set(err, -EINVAL,
		                 "wanted a series and its values, as in name{label=\"value\"} 1 2+3x4, got \"%.*s\"",
		                 SLICE_ARG(text));
	int rc = line_labels(slice_new(text.ptr, len), arena, &out->labels, err);
	if (rc != 0)
		return rc;
	if (v.rest.len > 0 && !line_blank(v.rest.ptr[0]))
		return wrong(&v, "a blank behind the series");
	for (skip_blanks(&v); v.rest.len > 0; skip_blanks(&v)) {
		rc = take_item(&v);
		if (rc != 0)
			return rc;
	}
	out->values = v.items;
	out->count = v.count;
	return 0;
}
