/* Names, strings and label sets of Prometheus's text formats. */
#include <errno.h>
#include <math.h>

#include "ingest/number.h"
#include "ingest/prometheus_text.h"

bool text_line_end(struct text *t)
{
	if (t->at == t->end && !t->open)
		return true;
	if (!text_is(t, '\n'))
		return text_fail(t, "the end of the line was wanted");
	t->line_begin = ++t->at;
	t->line++;
	return true;
}

static inline bool in_name(char c, bool first, bool metric)
{
	char letter = (char)(c | 0x20);
	return (letter >= 'a' && letter <= 'z') || c == '_' || (metric && c == ':') || (!first && c >= '0' && c <= '9');
}

struct slice text_name(struct text *t, bool metric)
{
	const char *begin = t->at;

	while (t->at < t->end && in_name(*t->at, t->at == begin, metric))
		t->at++;
	return slice_new(begin, (size_t)(t->at - begin));
}

struct slice text_unescape(struct text *t, struct slice raw, bool quotes)
{
	if (raw.len == 0 || memchr(raw.ptr, '\\', raw.len) == NULL)
		return raw;
	char *out = arena_alloc(&t->batch->arena, raw.len); /* escapes only shrink */
	if (out == NULL)
		return slice_new(NULL, 0);
	char *to = out;
	for (size_t i = 0; i < raw.len; i++) {
		char next = i + 1 < raw.len ? raw.ptr[i + 1] : '\0';
		bool escape = raw.ptr[i] == '\\' && (next == '\\' || next == 'n' || (quotes && next == '"'));
		i += escape;
		*to++ = (char)(!escape ? raw.ptr[i] : next == 'n' ? '\n' : next);
	}
	return slice_new(out, (size_t)(to - out));
}

/* Moves behind the closing quote of a string. Line ends within one are counted; OpenMetrics takes none. */
static bool pass_string(struct text *t)
{
	for (; t->at < t->end && *t->at != '"'; t->at++) {
		bool escaped = *t->at == '\\' && t->at + 1 < t->end;
		t->at += escaped;
		if (*t->at != '\n')
			continue;
		if (t->open || escaped)
			return text_fail(t, "a string ends before its line does");
		t->line++;
		t->line_begin = t->at + 1;
	}
	return text_take(t, '"', "a string has no end");
}

bool text_quoted(struct text *t, struct slice *out)
{
	if (!text_take(t, '"', "a quoted string was wanted"))
		return false;
	const char *begin = t->at;
	if (!pass_string(t))
		return false;
	*out = text_unescape(t, slice_new(begin, (size_t)(t->at - 1 - begin)), true);
	return out->ptr != NULL || text_out_of_memory(t);
}

/* The bounds of a histogram's buckets and a summary's quantiles in one form, as Prometheus 3 has them: that of OpenMetrics, "1.0" and not "1". What is no number stays. */
static bool canonical_bound(struct text *t, struct slice name, struct slice *value)
{
	bool bound = (t->type == METADATA_HISTOGRAM && slice_eq(name, SLICE("le"))) ||
	             (t->type == METADATA_SUMMARY && slice_eq(name, SLICE("quantile")));
	double v;

	if (!bound || number_go(*value, &v) != NULL)
		return true;
	buf_reset(&t->number);
	buf_number_go(&t->number, v == 0 ? 0.0 : v); /* no -0.0 */
	if (!buf_failed(&t->number) && isfinite(v) && memchr(t->number.ptr, 'e', t->number.len) == NULL &&
	    memchr(t->number.ptr, '.', t->number.len) == NULL)
		buf_str(&t->number, ".0");
	if (buf_failed(&t->number))
		return text_out_of_memory(t);
	if (!slice_eq(buf_slice(&t->number), *value))
		*value = arena_copy(&t->batch->arena, buf_slice(&t->number));
	return value->ptr != NULL || text_out_of_memory(t);
}

/* A label behind its name. One with an empty value is the same as none; more than fit are counted once. */
static bool read_value(struct text *t, struct slice name)
{
	struct slice value;

	if (!text_take(t, '=', "'=' was wanted behind a label's name"))
		return false;
	text_blanks(t);
	if (!text_quoted(t, &value) || !canonical_bound(t, name, &value))
		return false;
	if ((value.len > 0 || t->limits->keep_empty) && t->label_count <= LABELS_MAX)
		t->labels[t->label_count++] = (struct label){name, value};
	text_blanks(t);
	return true;
}

/* One label, or the metric's name in quotes. */
static bool read_label(struct text *t, struct slice *metric_name)
{
	bool quoted = text_is(t, '"');
	struct slice name;

	if (!quoted)
		name = text_name(t, false);
	else if (!text_quoted(t, &name))
		return false;
	if (name.len == 0)
		return text_fail(t, "the name of a label was wanted");
	text_blanks(t);
	if (!quoted || (!text_is(t, ',') && !text_is(t, '}')))
		return read_value(t, name);
	if (metric_name == NULL)
		return text_fail(t, "'=' was wanted behind a label's name");
	if (metric_name->len > 0)
		return text_fail(t, "the metric has a second name");
	*metric_name = name;
	return true;
}

/* The older format does without commas, too. */
bool text_labels(struct text *t, struct slice *metric_name)
{
	text_blanks(t);
	while (!text_is(t, '}')) {
		if (!read_label(t, metric_name))
			return false;
		if (text_is(t, ','))
			t->at++;
		else if (t->open && !text_is(t, '}'))
			return text_fail(t, "',' or '}' was wanted behind a label");
		text_blanks(t);
	}
	t->at++;
	return true;
}

int text_set(struct text *t, bool keep_empty, struct slice *out, struct error *why)
{
	int (*prepare)(struct label *, uint32_t *, bool, struct error *) =
	    keep_empty ? labels_prepare_all : labels_prepare;

	if (prepare(t->labels, &t->label_count, false, why) != 0)
		return 0;
	size_t size = labels_size(t->labels, t->label_count);
	char *set = arena_alloc(&t->batch->arena, size);
	if (set == NULL)
		return error_set(t->err, -ENOMEM, "no memory for labels");
	labels_write(set, t->labels, t->label_count);
	*out = slice_new(set, size);
	return 1;
}
