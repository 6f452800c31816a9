/* Prometheus's text exposition, 0.0.4 and OpenMetrics 1.0, as Prometheus 3 reads them.
 *
 * A cursor goes over the body once; a line that is none refuses the body, as it does a scrape of Prometheus. Label sets are written out anew, so that nothing of a series points into the body. */
#include "ingest/prometheus_text.h"

#include <errno.h>
#include <math.h>

#include "base/utf8.h"
#include "ingest/number.h"

enum { EXEMPLAR_CHARS_MAX = 128, SERIES_LINE_MIN = 3 /* `a 1` */ };

/* The bits of the NaN that says that there is no number, whatever NaN was meant: the stale marker cannot be written as text. */
static const uint64_t nan_bits = UINT64_C(0x7ff8000000000001);

/* ---- tokens ---- */

/* What stands until the next space or line end; the older format has tabs, too. */
static struct slice token(struct text *t)
{
	const char *begin = t->at;

	while (t->at < t->end && *t->at != ' ' && *t->at != '\n' && (t->open || *t->at != '\t'))
		t->at++;
	return slice_new(begin, (size_t)(t->at - begin));
}

static bool read_value(struct text *t, double *out)
{
	struct slice text = token(t);
	const char *wrong = number_go(text, out);

	if (wrong != NULL) {
		t->at = text.ptr;
		return text_fail(t, wrong);
	}
	if (isnan(*out))
		memcpy(out, &nan_bits, sizeof *out);
	return true;
}

/* Seconds as a double, of which milliseconds are made as Prometheus does: cut off. */
static bool read_seconds(struct text *t, int64_t *out_ms)
{
	const char *begin = t->at;
	double seconds;

	if (!read_value(t, &seconds))
		return false;
	if (!(seconds * 1000 > -0x1p63 && seconds * 1000 < 0x1p63)) {
		t->at = begin;
		return text_fail(t, "a time was wanted, in seconds");
	}
	*out_ms = (int64_t)(seconds * 1000);
	return true;
}

static bool read_milliseconds(struct text *t, int64_t *out)
{
	struct slice text = token(t);
	bool sign = text.len > 0 && (*text.ptr == '-' || *text.ptr == '+');
	bool fits = text.len > sign;
	int64_t v = 0;

	for (size_t i = sign; i < text.len && fits; i++) {
		int digit = text.ptr[i] - '0';
		fits = digit >= 0 && digit <= 9 && !__builtin_mul_overflow(v, 10, &v) &&
		       !__builtin_sub_overflow(v, digit, &v); /* below zero there is room for one more */
	}
	if (fits && *text.ptr != '-')
		fits = !__builtin_sub_overflow(0, v, &v);
	*out = v;
	if (!fits)
		t->at = text.ptr;
	return fits || text_fail(t, "a time was wanted, in milliseconds");
}

/* ---- metadata ---- */

/* The entry of a metric whose lines follow each other, or a new one. */
static struct sample_metadata *metadata_of(struct text *t, struct slice name)
{
	struct sample_batch *b = t->batch;

	if (b->metadata_count > 0 && slice_eq(b->metadata[b->metadata_count - 1].name, name))
		return &b->metadata[b->metadata_count - 1];
	if (b->metadata_count == t->limits->metadata) {
		error_set(t->err, -EFBIG, "the body has metadata of more than %u metrics", t->limits->metadata);
		return NULL;
	}
	struct sample_metadata *m = sample_batch_add_metadata(b);
	if (m == NULL)
		error_set(t->err, -ENOMEM, "no memory for metadata");
	else
		m->name = name;
	return m;
}

static bool type_of(struct slice word, bool open, enum metadata_type *out)
{
	static const struct {
		struct slice word;
		enum metadata_type type;
		bool old, open;
	} types[] = {
	    {SLICE("counter"), METADATA_COUNTER, true, true},
	    {SLICE("gauge"), METADATA_GAUGE, true, true},
	    {SLICE("histogram"), METADATA_HISTOGRAM, true, true},
	    {SLICE("summary"), METADATA_SUMMARY, true, true},
	    {SLICE("untyped"), METADATA_UNKNOWN, true, false},
	    {SLICE("unknown"), METADATA_UNKNOWN, false, true},
	    {SLICE("gaugehistogram"), METADATA_GAUGE_HISTOGRAM, false, true},
	    {SLICE("info"), METADATA_INFO, false, true},
	    {SLICE("stateset"), METADATA_STATESET, false, true},
	};
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		if ((open ? types[i].open : types[i].old) && slice_eq(types[i].word, word)) {
			*out = types[i].type;
			return true;
		}
	}
	return false;
}

/* `seconds` is the unit of x_seconds only. */
static bool is_unit_of(struct slice unit, struct slice name)
{
	return unit.len == 0 || (name.len > unit.len && name.ptr[name.len - unit.len - 1] == '_' &&
	                         memcmp(name.ptr + name.len - unit.len, unit.ptr, unit.len) == 0);
}

static int refuse(struct text *t, uint32_t line, const char *why)
{
	return ingest_reject_add(t->rejects, &t->batch->arena, line - 1, "line %u: %s", line, why);
}

/* What a line of metadata says of a metric; the cursor is behind it. */
static int use_metadata(struct text *t, char kind, struct slice name, struct slice text)
{
	enum metadata_type type = METADATA_UNKNOWN;

	if (kind == 'T' && !type_of(text, t->open, &type)) {
		t->at = text.ptr;
		text_fail(
		    t,
		    "a type of metric was wanted: counter, gauge, histogram, summary or untyped (OpenMetrics: unknown, "
		    "gaugehistogram, info, stateset)");
		return -EINVAL;
	}
	if (kind == 'U' && !is_unit_of(text, name)) {
		t->at = text.ptr;
		text_fail(t, "the unit is not what the metric's name ends in");
		return -EINVAL;
	}
	if (name.len > LABEL_VALUE_BYTES_MAX)
		return refuse(t, t->line, "the metric's name has more than 4096 bytes");
	if (!utf8_valid(name, NULL) || !utf8_valid(text, NULL))
		return refuse(t, t->line, "it is not UTF-8");
	struct slice help = kind == 'H' ? text_unescape(t, text, t->open) : slice_new("", 0);
	if (help.ptr == NULL)
		return -ENOMEM;
	struct sample_metadata *m = metadata_of(t, name);
	if (m == NULL)
		return t->batch->metadata_count == t->limits->metadata ? -EFBIG : -ENOMEM;
	if (kind == 'H')
		m->help = help;
	else if (kind == 'U')
		m->unit = text;
	else
		m->type = t->type = type;
	return 0;
}

/* A line of metadata, the cursor behind its first word and a space. The name may be quoted. */
static int read_metadata(struct text *t, char kind)
{
	struct slice name;

	text_blanks(t);
	if (!text_is(t, '"'))
		name = text_name(t, true);
	else if (!text_quoted(t, &name))
		return t->no_memory ? -ENOMEM : -EINVAL;
	if (name.len == 0) {
		text_fail(t, "the name of a metric was wanted");
		return -EINVAL;
	}
	bool ends = t->at == t->end || *t->at == '\n';
	if (ends ? t->open : *t->at != ' ' && (t->open || *t->at != '\t')) {
		text_fail(t, "a space was wanted behind the metric's name");
		return -EINVAL;
	}
	t->at += !ends;
	if (kind == 'T')
		text_blanks(t);
	const char *begin = t->at, *stop = memchr(begin, '\n', (size_t)(t->end - begin));
	t->at = stop != NULL ? stop : t->end;
	struct slice text = slice_new(begin, (size_t)(t->at - begin));
	while (kind == 'T' && !t->open && text.len > 0 &&
	       (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
		text.len--;
	int code = use_metadata(t, kind, name, text);
	return code != 0 || text_line_end(t) ? code : -EINVAL;
}

/* Behind the '#': is it this word and a space? Takes both. */
static bool take_word(struct text *t, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(t->end - t->at) <= len || memcmp(t->at, word, len) != 0)
		return false;
	if (t->at[len] != ' ' && (t->open || t->at[len] != '\t'))
		return false;
	t->at += len + 1;
	return true;
}

/* A line that begins with '#'. In the older format what is no metadata is a comment; OpenMetrics has none, but an end. *ended: that was it. */
static int read_hash(struct text *t, bool *ended)
{
	bool space = t->at + 1 < t->end && (t->at[1] == ' ' || (!t->open && t->at[1] == '\t'));

	t->at++;
	if (space) {
		t->at++;
		text_blanks(t);
		if (take_word(t, "HELP"))
			return read_metadata(t, 'H');
		if (take_word(t, "TYPE"))
			return read_metadata(t, 'T');
		if (t->open && take_word(t, "UNIT"))
			return read_metadata(t, 'U');
	}
	if (!t->open) {
		const char *stop = memchr(t->at, '\n', (size_t)(t->end - t->at));
		t->at = stop != NULL ? stop : t->end;
		return text_line_end(t) ? 0 : -EINVAL;
	}
	if (space && t->end - t->at >= 3 && memcmp(t->at, "EOF", 3) == 0) {
		t->at += 3;
		t->at += text_is(t, '\n');
		*ended = true;
		return t->at == t->end || text_fail(t, "nothing was wanted behind # EOF") ? 0 : -EINVAL;
	}
	text_fail(t, "HELP, TYPE, UNIT or EOF was wanted behind '#' and a space");
	return -EINVAL;
}

/* ---- samples ---- */

static bool too_many_chars(const struct text *t)
{
	size_t chars = 0;

	for (uint32_t i = 0; i < t->label_count; i++) {
		utf8_valid(t->labels[i].name, &chars);
		utf8_valid(t->labels[i].value, &chars);
	}
	return chars > EXEMPLAR_CHARS_MAX;
}

/* `# {labels} value [time]` behind a sample of OpenMetrics, the cursor behind the brace. 1: it is in *out; 0: its labels are refused; negative: the body is. */
static int read_exemplar(struct text *t, int64_t sample_ms, struct sample_exemplar *out, struct error *why)
{
	*out = (struct sample_exemplar){.time_ms = sample_ms};
	t->label_count = 0;
	if (!text_labels(t, NULL) || !text_take(t, ' ', "a space was wanted in front of the exemplar's value") ||
	    !read_value(t, &out->value))
		return t->no_memory ? -ENOMEM : -EINVAL;
	if (text_is(t, ' ')) {
		t->at++;
		if (!read_seconds(t, &out->time_ms))
			return -EINVAL;
	}
	int code = text_set(t, false, &out->labels, why);
	if (code > 0 && too_many_chars(t))
		return error_set(why, 0, "its labels have more than %d characters", EXEMPLAR_CHARS_MAX);
	return code;
}

/* A sample as a line has it. */
struct sampled {
	struct slice labels;
	struct sample sample;
	struct sample_exemplar exemplar;
	bool has_exemplar, named;
	uint32_t line;
	struct error why; /* text empty: it is taken */
	struct error exemplar_why;
};

/* The time and the exemplar behind a value. */
static int read_tail(struct text *t, struct sampled *s)
{
	int code = 0;

	text_blanks(t);
	s->sample.time_ms = t->arrival_ms;
	if (!t->open) {
		if (t->at < t->end && *t->at != '\n' && !read_milliseconds(t, &s->sample.time_ms))
			return -EINVAL;
		text_blanks(t);
		return text_line_end(t) ? 0 : -EINVAL;
	}
	if (t->end - t->at >= 2 && t->at[0] == ' ' && t->at[1] != '#') {
		t->at++;
		if (!read_seconds(t, &s->sample.time_ms))
			return -EINVAL;
	}
	if (t->end - t->at >= 4 && memcmp(t->at, " # {", 4) == 0) {
		t->at += 4;
		code = read_exemplar(t, s->sample.time_ms, &s->exemplar, &s->exemplar_why);
		s->has_exemplar = code > 0;
	}
	if (code < 0)
		return code;
	return text_line_end(t) ? 0 : -EINVAL;
}

/* Name, labels and value. */
static int read_head(struct text *t, struct sampled *s)
{
	struct slice name = text_name(t, true);

	t->label_count = 0;
	text_blanks(t);
	if (text_is(t, '{')) {
		t->at++;
		if (!text_labels(t, &name))
			return t->no_memory ? -ENOMEM : -EINVAL;
	}
	if (name.len == 0) {
		text_fail(t, "the name of a metric was wanted");
		return -EINVAL;
	}
	if (t->label_count <= LABELS_MAX)
		t->labels[t->label_count++] = (struct label){LABEL_METRIC_NAME, name};
	text_blanks(t);
	if (t->open && !text_take(t, ' ', "a space was wanted in front of the value"))
		return -EINVAL;
	if (!read_value(t, &s->sample.value))
		return -EINVAL;
	return text_set(t, t->limits->keep_empty, &s->labels, &s->why);
}

static int add_sample(struct text *t, const struct sampled *from)
{
	struct sample_batch *b = t->batch;
	struct sample *sample = arena_alloc(&b->arena, sizeof *sample);
	struct sample_exemplar *exemplar = from->has_exemplar ? arena_alloc(&b->arena, sizeof *exemplar) : NULL;
	struct sample_series *s = sample_batch_add(b);

	if (sample == NULL || s == NULL || (from->has_exemplar && exemplar == NULL))
		return error_set(t->err, -ENOMEM, "no memory for samples");
	*sample = from->sample;
	if (exemplar != NULL)
		*exemplar = from->exemplar;
	*s = (struct sample_series){.labels = from->labels,
	                            .hash = labels_hash(from->labels),
	                            .samples = sample,
	                            .exemplars = exemplar,
	                            .sample_count = 1,
	                            .exemplar_count = from->has_exemplar,
	                            .index = from->line - 1};
	b->sample_count++;
	b->exemplar_count += from->has_exemplar;
	return 0;
}

static int check_room(const struct text *t, const struct sampled *s)
{
	const struct sample_batch *b = t->batch;

	if (b->series_count + t->rejects->samples == t->limits->series ||
	    b->sample_count + t->rejects->samples == t->limits->samples)
		return error_set(t->err, -EFBIG, "line %u is one sample more than are taken at once", s->line);
	if (s->has_exemplar && b->exemplar_count + t->rejects->exemplars == t->limits->exemplars)
		return error_set(t->err, -EFBIG, "line %u has one exemplar more than are taken at once", s->line);
	return 0;
}

static int read_sample(struct text *t)
{
	struct sampled s;
	struct arena_mark mark = arena_mark(&t->batch->arena);

	s.labels = slice_new(NULL, 0);
	s.has_exemplar = false;
	s.why.text[0] = s.exemplar_why.text[0] = '\0';
	s.line = t->line;
	int code = read_head(t, &s);
	bool fine = code > 0;
	if (code >= 0)
		code = read_tail(t, &s);
	if (code == 0)
		code = check_room(t, &s);
	if (code < 0)
		return code;
	if (!fine) {
		arena_rewind(&t->batch->arena, mark);
		t->rejects->samples++;
		t->rejects->exemplars += s.has_exemplar;
		return refuse(t, s.line, s.why.text);
	}
	if (s.exemplar_why.text[0] != '\0') {
		t->rejects->exemplars++;
		code = ingest_reject_add(t->rejects, &t->batch->arena, s.line - 1,
		                         "line %u: an exemplar was left out: %s", s.line, s.exemplar_why.text);
	}
	return code == 0 ? add_sample(t, &s) : code;
}

/* ---- the body ---- */

/* How many lines may be series: room is made for no more. */
static uint32_t count_series(struct slice body, uint32_t most)
{
	const char *at = body.ptr, *end = body.ptr + body.len;
	uint32_t count = 0;

	while (at < end && count < most) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		stop = stop != NULL ? stop : end;
		count += *at != '#' && stop - at >= SERIES_LINE_MIN;
		at = stop + 1;
	}
	return count;
}

static int read_lines(struct text *t)
{
	bool ended = false;
	int code = 0;

	while (code == 0 && t->at < t->end && !ended) {
		text_blanks(t);
		if (text_is(t, '#'))
			code = read_hash(t, &ended);
		else if (!t->open && (t->at == t->end || *t->at == '\n'))
			code = text_line_end(t) ? 0 : -EINVAL;
		else
			code = read_sample(t);
	}
	if (code == 0 && t->open && !ended) {
		text_fail(t, "the text does not end in # EOF");
		return -EINVAL;
	}
	return code;
}

int ingest_prometheus_text(struct sample_batch *b, struct slice body, enum ingest_text format, int64_t arrival_ms,
                           const struct ingest_sample_limits *limits, struct ingest_rejects *rejects, struct error *err)
{
	struct text t;

	if (body.len == 0)
		body = SLICE("");
	t.at = t.line_begin = body.ptr;
	t.end = body.ptr + body.len;
	t.line = 1;
	t.wrong = NULL;
	t.no_memory = false;
	t.open = format == INGEST_OPENMETRICS;
	t.arrival_ms = arrival_ms;
	t.batch = b;
	t.limits = limits;
	t.rejects = rejects;
	t.err = err;
	t.type = METADATA_UNKNOWN;
	t.number = (struct buf){0};
	t.label_count = 0;
	rejects->room = ingest_rejects_room(body.len);
	int code = -ENOMEM;
	if (sample_batch_reserve(b, count_series(body, limits->series), 0) == 0)
		code = read_lines(&t);
	buf_free(&t.number);
	if (code == -EINVAL)
		error_set(err, code, "line %u, byte %zu of it: %s", t.line, (size_t)(t.at - t.line_begin) + 1, t.wrong);
	else if (code == -ENOMEM)
		error_set(err, code, "no memory for the body");
	return code;
}
