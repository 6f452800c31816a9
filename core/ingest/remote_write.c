/* Prometheus's remote_write, 1.0 and 2.0.
 *
 * The body is walked twice: the first time over its outermost fields alone, to know how many series there are and to refuse too many before memory is taken for them; for 2.0 also to find the symbols,
 * which may stand behind the series. A series is looked through before its samples are read for the same reason: arrays are made to measure, so that a body of the smallest things does not cost more
 * than a body of honest ones.
 *
 * Road not taken: protobuf-c, which allocates each message and string (tests/bench/bench_remote_write.c measures both). */
#include "ingest/remote_write.h"

#include <stdio.h>

#include "base/utf8.h"

enum {
	FIELD_SERIES_1 = 1,
	FIELD_METADATA_1 = 3,
	FIELD_SYMBOLS_2 = 4,
	FIELD_SERIES_2 = 5,
	SERIES_BYTES_MIN_1 = 17, /* a label `__name__` of one byte, and an empty sample */
	SERIES_BYTES_MIN_2 = 6,
	METADATA_BYTES_MIN_1 = 3, /* a name of one byte */
	EXEMPLAR_CHARS_MAX = 128
};

static const struct series_fields fields_1 = {.samples = 2, .exemplars = 3, .histograms = 4};
static const struct series_fields fields_2 = {
    .samples = 2, .histograms = 3, .exemplars = 4, .metadata = 5, .created = 6};

/* ---- samples and exemplars ---- */

static bool read_sample_slowly(struct protobuf *p, struct sample *out, int64_t *start_ms)
{
	for (struct protobuf_field f = {0}; protobuf_next(p, &f);) {
		if (f.number == 1 && protobuf_is(p, &f, PROTOBUF_FIXED64))
			out->value = protobuf_double(&f);
		else if (f.number == 2 && protobuf_is(p, &f, PROTOBUF_VARINT))
			out->time_ms = (int64_t)f.value;
		else if (f.number == 3 && protobuf_is(p, &f, PROTOBUF_VARINT))
			*start_ms = (int64_t)f.value;
	}
	return p->error == NULL;
}

/* A Sample, entered. Mostly it is a value and a time, and nothing else. */
static inline bool read_sample(struct protobuf *p, struct sample *out, int64_t *start_ms)
{
	uint64_t time;

	*out = (struct sample){0};
	if (p->end - p->at > SAMPLE_TIME_AT && p->at[0] == TAG_SAMPLE_VALUE &&
	    p->at[SAMPLE_TIME_AT - 1] == TAG_SAMPLE_TIME) {
		memcpy(&out->value, p->at + 1, sizeof out->value);
		p->at += SAMPLE_TIME_AT;
		if (!protobuf_varint(p, &time))
			return false;
		out->time_ms = (int64_t)time;
	}
	return p->at == p->end || read_sample_slowly(p, out, start_ms);
}

/* OpenMetrics has the bound in characters. */
static bool too_many_chars(struct slice labels)
{
	size_t chars = 0;

	if (labels.len <= EXEMPLAR_CHARS_MAX)
		return false;
	for (struct label l; labels_next(&labels, &l);) {
		utf8_valid(l.name, &chars);
		utf8_valid(l.value, &chars);
	}
	return chars > EXEMPLAR_CHARS_MAX;
}

/* The value and time of an Exemplar. *labels: there are labels among what is left of it. */
static bool read_exemplar_rest(struct protobuf *p, struct sample_exemplar *out, bool *labels)
{
	for (struct protobuf_field f = {0}; protobuf_next(p, &f);) {
		*labels |= f.number == FIELD_LABELS;
		if (f.number == 2 && protobuf_is(p, &f, PROTOBUF_FIXED64))
			out->value = protobuf_double(&f);
		else if (f.number == 3 && protobuf_is(p, &f, PROTOBUF_VARINT))
			out->time_ms = (int64_t)f.value;
	}
	return p->error == NULL;
}

/* An Exemplar. 1: it is in *out; 0: it was refused; negative: the body is. */
static int read_exemplar(struct decoder *d, struct slice message, struct sample_exemplar *out)
{
	struct slice rest = message;
	struct labels_found set = {0};
	bool labels = false; /* that were not taken at the front */

	*out = (struct sample_exemplar){0};
	if (d->version == INGEST_REMOTE_WRITE_1)
		labels_take(&rest, &set);
	struct protobuf p = protobuf_inside(&d->p, rest);
	if (!read_exemplar_rest(&p, out, &labels))
		return remote_write_broken(d, &p);
	int code = labels ? remote_write_collect(d, message, &set) : 1;
	if (code > 0 && too_many_chars(set.labels)) {
		snprintf(d->why, sizeof d->why, "its labels have more than %d characters", EXEMPLAR_CHARS_MAX);
		code = 0;
	}
	out->labels = set.labels;
	if (code != 0)
		return code;
	d->rejects->exemplars++;
	return ingest_reject_add(d->rejects, &d->batch->arena, d->index, "series %u: an exemplar was left out: %s",
	                         d->index, d->why);
}

/* ---- metadata ---- */

static bool ends_in(struct slice name, struct slice suffix)
{
	return name.len > suffix.len && memcmp(name.ptr + name.len - suffix.len, suffix.ptr, suffix.len) == 0;
}

/* The name of the family that a series belongs to, which is what metadata is known by. */
static struct slice family_name(struct slice name, enum metadata_type type)
{
	static const struct slice suffixes[] = {SLICE("_bucket"), SLICE("_count"), SLICE("_sum"), SLICE("_gcount"),
	                                        SLICE("_gsum")};
	size_t from = 0, to = 0;

	if (type == METADATA_HISTOGRAM)
		to = 3;
	else if (type == METADATA_SUMMARY)
		from = 1, to = 3;
	else if (type == METADATA_GAUGE_HISTOGRAM)
		to = 5;
	for (size_t i = from; i < to; i++) {
		if (ends_in(name, suffixes[i]))
			return slice_new(name.ptr, name.len - suffixes[i].len);
	}
	return name;
}

/* Types that are not known yet are unknown. */
static enum metadata_type type_of(uint64_t number)
{
	return number <= METADATA_STATESET ? (enum metadata_type)number : METADATA_UNKNOWN;
}

static bool same_metadata(const struct sample_metadata *a, const struct sample_metadata *b)
{
	return a->type == b->type && slice_eq(a->name, b->name) && slice_eq(a->help, b->help) &&
	       slice_eq(a->unit, b->unit);
}

static int add_metadata(struct decoder *d, const struct sample_metadata *m)
{
	struct sample_batch *b = d->batch;

	if (b->metadata_count > 0 && same_metadata(&b->metadata[b->metadata_count - 1], m))
		return 0;
	if (b->metadata_count == d->limits->metadata)
		return error_set(d->err, -EFBIG, "the body has metadata of more than %u metrics", d->limits->metadata);
	struct sample_metadata *to = sample_batch_add_metadata(b);
	if (to == NULL)
		return error_set(d->err, -ENOMEM, "no memory for metadata");
	*to = *m;
	return 0;
}

/* A MetricMetadata of 1.0. */
static int read_metadata_1(struct decoder *d, struct slice message)
{
	struct protobuf p = protobuf_inside(&d->p, message);
	struct sample_metadata m = {0};
	uint32_t index = d->metadata_index++;

	for (struct protobuf_field f = {0}; protobuf_next(&p, &f);) {
		if (f.number == 1 && protobuf_is(&p, &f, PROTOBUF_VARINT))
			m.type = type_of(f.value);
		else if (f.number == 2 && protobuf_is(&p, &f, PROTOBUF_BYTES))
			m.name = f.bytes;
		else if (f.number == 4 && protobuf_is(&p, &f, PROTOBUF_BYTES))
			m.help = f.bytes;
		else if (f.number == 5 && protobuf_is(&p, &f, PROTOBUF_BYTES))
			m.unit = f.bytes;
	}
	if (p.error != NULL)
		return remote_write_broken(d, &p);
	const char *why = NULL;
	if (m.name.len == 0)
		why = "it has no metric_family_name";
	else if (m.name.len > LABEL_VALUE_BYTES_MAX)
		why = "its metric_family_name has more than 4096 bytes";
	else if (!utf8_valid(m.name, NULL) || !utf8_valid(m.help, NULL) || !utf8_valid(m.unit, NULL))
		why = "it is not UTF-8";
	if (why == NULL)
		return add_metadata(d, &m);
	return ingest_reject_add(d->rejects, &d->batch->arena, index, "metadata %u: %s", index, why);
}

/* The Metadata of a series of 2.0. */
static int read_metadata_2(struct decoder *d, struct slice message, struct slice name)
{
	struct protobuf p = protobuf_inside(&d->p, message);
	struct sample_metadata m = {0};
	uint64_t help = 0, unit = 0;

	for (struct protobuf_field f = {0}; protobuf_next(&p, &f);) {
		if (f.number == 1 && protobuf_is(&p, &f, PROTOBUF_VARINT))
			m.type = type_of(f.value);
		else if (f.number == 3 && protobuf_is(&p, &f, PROTOBUF_VARINT))
			help = f.value;
		else if (f.number == 4 && protobuf_is(&p, &f, PROTOBUF_VARINT))
			unit = f.value;
	}
	if (p.error != NULL)
		return remote_write_broken(d, &p);
	if ((help != 0 && !remote_write_symbol(d, help, "the help", &m.help)) ||
	    (unit != 0 && !remote_write_symbol(d, unit, "the unit", &m.unit)))
		return ingest_reject_add(d->rejects, &d->batch->arena, d->index, "series %u: metadata was left out: %s",
		                         d->index, d->why);
	if (m.type == METADATA_UNKNOWN && m.help.len == 0 && m.unit.len == 0)
		return 0;
	m.name = family_name(name, m.type);
	return add_metadata(d, &m);
}

/* ---- series ---- */

/* What a series holds. */
struct holds {
	uint32_t labels, samples, exemplars, histograms;
};

static bool look_through(struct decoder *d, struct slice message, struct holds *out)
{
	struct protobuf p = protobuf_inside(&d->p, message);
	const struct series_fields *fields = d->fields;

	*out = (struct holds){0};
	for (struct protobuf_field f = {0}; protobuf_next(&p, &f);) {
		if (f.number == fields->samples && protobuf_is(&p, &f, PROTOBUF_BYTES))
			out->samples++;
		else if (f.number == fields->exemplars && protobuf_is(&p, &f, PROTOBUF_BYTES))
			out->exemplars++;
		else if (f.number == fields->histograms && protobuf_is(&p, &f, PROTOBUF_BYTES))
			out->histograms++;
		else if (f.number == FIELD_LABELS)
			out->labels++;
	}
	if (p.error != NULL)
		d->p = p;
	return p.error == NULL;
}

static int refuse_series(struct decoder *d, const struct holds *h)
{
	d->rejects->samples += h->samples;
	d->rejects->exemplars += h->exemplars;
	d->rejects->histograms += h->histograms;
	return ingest_reject_add(d->rejects, &d->batch->arena, d->index, "series %u: %s", d->index, d->why);
}

static int check_room(struct decoder *d, const struct holds *h)
{
	const struct sample_batch *b = d->batch;

	if (b->sample_count + d->rejects->samples + h->samples > d->limits->samples)
		return error_set(d->err, -EFBIG, "the body has more than %u samples", d->limits->samples);
	if (b->exemplar_count + d->rejects->exemplars + h->exemplars > d->limits->exemplars)
		return error_set(d->err, -EFBIG, "the body has more than %u exemplars", d->limits->exemplars);
	return 0;
}

/* Reads what stands beside the labels into arrays that are long enough. */
static int read_values(struct decoder *d, struct slice message, struct slice metric_name, struct sample_series *s,
                       struct sample *samples, struct sample_exemplar *exemplars)
{
	struct protobuf p = protobuf_inside(&d->p, message);
	const struct series_fields *fields = d->fields;
	int64_t start_ms = 0;
	int code = 0;

	for (struct protobuf_field f = {0}; code >= 0 && protobuf_next(&p, &f);) {
		if (f.number == fields->samples) {
			const char *outer = protobuf_enter(&p, &f);
			if (read_sample(&p, &samples[s->sample_count], &start_ms))
				s->sample_count++;
			protobuf_leave(&p, outer);
		} else if (f.number == fields->exemplars) {
			code = read_exemplar(d, f.bytes, &exemplars[s->exemplar_count]);
			s->exemplar_count += code > 0;
		} else if (fields->created != 0 && f.number == fields->created &&
		           protobuf_is(&p, &f, PROTOBUF_VARINT)) {
			s->created_ms = (int64_t)f.value;
		} else if (fields->metadata != 0 && f.number == fields->metadata &&
		           protobuf_is(&p, &f, PROTOBUF_BYTES)) {
			code = read_metadata_2(d, f.bytes, metric_name);
		}
	}
	if (p.error != NULL)
		return remote_write_broken(d, &p);
	if (s->created_ms == 0 && d->version == INGEST_REMOTE_WRITE_2)
		s->created_ms = start_ms;
	return code < 0 ? code : 0;
}

/* A series whose labels are fine. */
static int take_series(struct decoder *d, struct slice message, const struct labels_found *set, const struct holds *h)
{
	struct sample_batch *b = d->batch;
	struct sample_series s = {.labels = set->labels, .index = d->index};
	struct sample *samples = arena_alloc(&b->arena, h->samples * sizeof *samples);
	struct sample_exemplar *exemplars = arena_alloc(&b->arena, h->exemplars * sizeof *exemplars);

	if (samples == NULL || exemplars == NULL)
		return error_set(d->err, -ENOMEM, "no memory for samples");
	int code = read_values(d, message, set->metric_name, &s, samples, exemplars);
	if (code == 0 && h->histograms > 0) {
		d->rejects->histograms += h->histograms;
		code = ingest_reject_add(d->rejects, &b->arena, d->index,
		                         "series %u: native histograms are not taken (%u)", d->index, h->histograms);
	}
	if (code != 0 || s.sample_count + s.exemplar_count == 0)
		return code;
	struct sample_series *to = sample_batch_add(b);
	if (to == NULL)
		return error_set(d->err, -ENOMEM, "no memory for series");
	s.hash = labels_hash(s.labels);
	s.samples = samples;
	s.exemplars = exemplars;
	*to = s;
	b->sample_count += s.sample_count;
	b->exemplar_count += s.exemplar_count;
	return 0;
}

static int read_series(struct decoder *d, struct slice message)
{
	struct slice rest = message;
	struct labels_found set = {0};
	struct holds h;
	struct arena_mark mark = arena_mark(&d->batch->arena);
	bool taken = d->version == INGEST_REMOTE_WRITE_1 && labels_take(&rest, &set);
	int plain = taken ? remote_write_plain(d, &set, rest) : 0;

	if (plain != 0)
		return plain < 0 ? plain : 0;
	if (!look_through(d, rest, &h))
		return -EINVAL;
	int code = check_room(d, &h);
	if (code != 0)
		return code;
	code = taken && h.labels == 0 ? 1 : remote_write_collect(d, message, &set);
	if (code > 0 && set.metric_name.len == 0) {
		snprintf(d->why, sizeof d->why, "it has no label __name__");
		code = 0;
	}
	if (code == 0) {
		arena_rewind(&d->batch->arena, mark);
		code = refuse_series(d, &h);
	} else if (code > 0) {
		code = take_series(d, rest, &set, &h);
	}
	d->index++;
	return code;
}

/* ---- the body ---- */

/* How many of what the outermost message has. */
struct outline {
	uint32_t series, metadata, symbols;
	uint32_t series_worth, metadata_worth; /* those that are long enough to be taken: room is made for no others */
};

static int outline(struct decoder *d, struct outline *out)
{
	struct protobuf p = d->p;
	bool first = d->version == INGEST_REMOTE_WRITE_1;
	uint32_t series = first ? FIELD_SERIES_1 : FIELD_SERIES_2;
	size_t least = first ? SERIES_BYTES_MIN_1 : SERIES_BYTES_MIN_2;

	*out = (struct outline){0};
	for (struct protobuf_field f = {0}; protobuf_next(&p, &f);) {
		if (f.number == series && protobuf_is(&p, &f, PROTOBUF_BYTES)) {
			out->series++;
			out->series_worth += f.bytes.len >= least;
		} else if (first && f.number == FIELD_METADATA_1 && protobuf_is(&p, &f, PROTOBUF_BYTES)) {
			out->metadata++;
			out->metadata_worth += f.bytes.len >= METADATA_BYTES_MIN_1;
		} else if (!first && f.number == FIELD_SYMBOLS_2 && protobuf_is(&p, &f, PROTOBUF_BYTES)) {
			out->symbols++;
		}
	}
	if (p.error != NULL)
		return remote_write_broken(d, &p);
	if (out->series > d->limits->series)
		return error_set(d->err, -EFBIG, "the body has %u series, more than the %u that are taken", out->series,
		                 d->limits->series);
	if (out->metadata > d->limits->metadata)
		return error_set(d->err, -EFBIG, "the body has metadata of %u metrics, more than the %u that are taken",
		                 out->metadata, d->limits->metadata);
	return 0;
}

/* The table of 2.0: as many symbols as outline() counted. */
static bool take_symbols(struct decoder *d, uint32_t count)
{
	struct protobuf p = d->p;

	if (count == 0)
		return true;
	d->symbols = arena_alloc(&d->batch->arena, count * sizeof *d->symbols);
	if (d->symbols == NULL)
		return false;
	for (struct protobuf_field f = {0}; d->symbol_count < count && protobuf_next(&p, &f);) {
		if (f.number == FIELD_SYMBOLS_2) {
			if (!utf8_valid(f.bytes, NULL))
				f.bytes.ptr = NULL;
			d->symbols[d->symbol_count++] = f.bytes;
		}
	}
	return true;
}

static int read_body(struct decoder *d)
{
	bool first = d->version == INGEST_REMOTE_WRITE_1;
	uint32_t series = first ? FIELD_SERIES_1 : FIELD_SERIES_2;
	struct outline has;
	int code = outline(d, &has);

	if (code != 0)
		return code;
	if (sample_batch_reserve(d->batch, has.series_worth, has.metadata_worth) != 0 || !take_symbols(d, has.symbols))
		return error_set(d->err, -ENOMEM, "no memory for %u series", has.series);
	for (struct protobuf_field f = {0}; code == 0 && protobuf_next(&d->p, &f);) {
		if (f.number == series)
			code = read_series(d, f.bytes);
		else if (first && f.number == FIELD_METADATA_1)
			code = read_metadata_1(d, f.bytes);
	}
	return code;
}

int ingest_remote_write(struct sample_batch *b, struct slice body, enum ingest_remote_write version,
                        const struct ingest_sample_limits *limits, struct ingest_rejects *rejects, struct error *err)
{
	struct decoder d;

	d.p = protobuf_begin(body);
	d.version = version;
	d.fields = version == INGEST_REMOTE_WRITE_1 ? &fields_1 : &fields_2;
	d.batch = b;
	d.limits = limits;
	d.rejects = rejects;
	d.err = err;
	d.symbols = NULL;
	d.symbol_count = d.index = d.metadata_index = d.label_count = 0;
	d.label_bytes = 0;
	d.why[0] = '\0';
	rejects->room = ingest_rejects_room(body.len);
	int code = read_body(&d);
	if (d.p.error != NULL)
		return error_set(err, -EINVAL, "byte %zu: %s", protobuf_offset(&d.p), d.p.error);
	return code == -ENOMEM ? error_set(err, code, "no memory for the body") : code;
}
