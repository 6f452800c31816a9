/* Data points of all kinds, off Protocol Buffers. The kinds number the same fields differently, so that a table says what each is. */
#include "base/mem.h"
#include "ingest/otlp_metrics.h"

/* ---- fields ---- */

bool otlp_read_number(struct protobuf *p, const struct protobuf_field *f, bool integer, double *out)
{
	if (!protobuf_is(p, f, PROTOBUF_FIXED64))
		return false;
	*out = integer ? (double)(int64_t)f->value : protobuf_double(f);
	return true;
}

bool otlp_read_attribute(struct otlp *d, struct protobuf *p, const struct protobuf_field *f)
{
	struct otlp_attribute past;
	bool fits = d->attribute_count < LABELS_MAX;

	if (!protobuf_is(p, f, PROTOBUF_BYTES) ||
	    !otlp_attribute_read(p, f->bytes, fits ? &d->attributes[d->attribute_count] : &past))
		return false;
	d->attribute_count++;
	return true;
}

static bool add_number(struct otlp *d, struct protobuf *p, struct otlp_numbers *to, uint64_t v)
{
	if (to->count == to->cap && mem_grow((void **)&to->items, &to->cap, to->count, sizeof *to->items) != 0) {
		d->no_memory = true;
		return protobuf_fail(p, "no memory");
	}
	to->items[to->count++] = v;
	return true;
}

/* A list of numbers, packed or one a field. */
static bool read_numbers(struct otlp *d, struct protobuf *p, const struct protobuf_field *f, enum protobuf_type type,
                         struct otlp_numbers *to)
{
	uint64_t v;

	if (f->type != PROTOBUF_BYTES)
		return protobuf_is(p, f, type) && add_number(d, p, to, f->value);
	const char *outer = protobuf_enter(p, f);
	while (p->at < p->end && (type == PROTOBUF_VARINT ? protobuf_varint(p, &v) : protobuf_fixed(p, 8, &v)) &&
	       add_number(d, p, to, v))
		;
	protobuf_leave(p, outer);
	return p->error == NULL;
}

/* Numbers that are signed and small are sent in zigzag. */
static int32_t signed_number(uint64_t v)
{
	return (int32_t)((uint32_t)v >> 1 ^ (0 - ((uint32_t)v & 1)));
}

static bool read_buckets(struct otlp *d, struct protobuf *p, const struct protobuf_field *outer_field,
                         struct otlp_buckets *to)
{
	if (!protobuf_is(p, outer_field, PROTOBUF_BYTES))
		return false;
	const char *outer = protobuf_enter(p, outer_field);
	for (struct protobuf_field f = {0}; protobuf_next(p, &f);) {
		if (f.number == 1 && protobuf_is(p, &f, PROTOBUF_VARINT))
			to->offset = signed_number(f.value);
		else if (f.number == 2)
			read_numbers(d, p, &f, PROTOBUF_VARINT, &to->counts);
	}
	protobuf_leave(p, outer);
	return p->error == NULL;
}

/* A quantile and its value, which become two of the point's bounds. */
static bool read_quantile(struct otlp *d, struct protobuf *p, const struct protobuf_field *outer_field)
{
	uint64_t quantile = 0, value = 0;

	if (!protobuf_is(p, outer_field, PROTOBUF_BYTES))
		return false;
	const char *outer = protobuf_enter(p, outer_field);
	for (struct protobuf_field f = {0}; protobuf_next(p, &f);) {
		if (f.number == 1 && protobuf_is(p, &f, PROTOBUF_FIXED64))
			quantile = f.value;
		else if (f.number == 2 && protobuf_is(p, &f, PROTOBUF_FIXED64))
			value = f.value;
	}
	protobuf_leave(p, outer);
	return p->error == NULL && add_number(d, p, &d->point.bounds, quantile) &&
	       add_number(d, p, &d->point.bounds, value);
}

/* Exemplars are read when the point is taken. */
static bool keep_exemplar(struct otlp *d, struct protobuf *p, const struct protobuf_field *f)
{
	if (!protobuf_is(p, f, PROTOBUF_BYTES))
		return false;
	if (d->exemplar_message_count == d->exemplar_message_cap &&
	    mem_grow((void **)&d->exemplar_messages, &d->exemplar_message_cap, d->exemplar_message_count,
	             sizeof *d->exemplar_messages) != 0) {
		d->no_memory = true;
		return protobuf_fail(p, "no memory");
	}
	d->exemplar_messages[d->exemplar_message_count++] = f->bytes;
	return true;
}

/* ---- data points ---- */

/* What a field of a data point is. */
enum role {
	UNKNOWN,
	START,
	TIME,
	FLAGS,
	AS_DOUBLE,
	AS_INT,
	COUNT,
	SUM,
	SCALE,
	ZERO_COUNT,
	ZERO_THRESHOLD,
	ATTRIBUTE, /* from here on messages and lists */
	EXEMPLAR,
	BUCKET_COUNTS,
	BOUNDS,
	POSITIVE,
	NEGATIVE,
	QUANTILE
};

enum { FIELDS_MAX = 15 };

/* By kind of metric and number of the field. */
static const uint8_t roles[][FIELDS_MAX] = {
    [OTLP_GAUGE] = {[2] = START, TIME, AS_DOUBLE, EXEMPLAR, AS_INT, ATTRIBUTE, FLAGS},
    [OTLP_SUM] = {[2] = START, TIME, AS_DOUBLE, EXEMPLAR, AS_INT, ATTRIBUTE, FLAGS},
    [OTLP_HISTOGRAM] = {[2] = START, TIME, COUNT, SUM, BUCKET_COUNTS, BOUNDS, EXEMPLAR, ATTRIBUTE, FLAGS},
    [OTLP_EXPONENTIAL] = {[1] = ATTRIBUTE,
                          START,
                          TIME,
                          COUNT,
                          SUM,
                          SCALE,
                          ZERO_COUNT,
                          POSITIVE,
                          NEGATIVE,
                          FLAGS,
                          EXEMPLAR,
                          [14] = ZERO_THRESHOLD},
    [OTLP_SUMMARY] = {[2] = START, TIME, COUNT, SUM, QUANTILE, ATTRIBUTE, FLAGS},
};

/* A field that is a message or a list. */
static void read_long(struct otlp *d, struct protobuf *p, const struct protobuf_field *f, enum role role)
{
	struct otlp_point *pt = &d->point;

	if (role == ATTRIBUTE)
		otlp_read_attribute(d, p, f);
	else if (role == EXEMPLAR)
		keep_exemplar(d, p, f);
	else if (role == BUCKET_COUNTS)
		read_numbers(d, p, f, PROTOBUF_FIXED64, &pt->counts);
	else if (role == BOUNDS)
		read_numbers(d, p, f, PROTOBUF_FIXED64, &pt->bounds);
	else if (role == POSITIVE)
		read_buckets(d, p, f, &pt->positive);
	else if (role == NEGATIVE)
		read_buckets(d, p, f, &pt->negative);
	else if (role == QUANTILE)
		read_quantile(d, p, f);
}

static void use_number(struct otlp_point *pt, const struct protobuf_field *f, enum role role)
{
	if (role == START)
		pt->start_ns = f->value;
	else if (role == TIME)
		pt->time_ns = f->value;
	else if (role == FLAGS)
		pt->flags = f->value;
	else if (role == COUNT)
		pt->count = f->value;
	else if (role == SCALE)
		pt->scale = signed_number(f->value);
	else if (role == ZERO_COUNT)
		pt->zero_count = f->value;
	else if (role == ZERO_THRESHOLD)
		pt->zero_threshold = protobuf_double(f);
	else if (role == SUM) {
		pt->has_sum = true;
		pt->sum = protobuf_double(f);
	} else if (role == AS_DOUBLE || role == AS_INT) {
		pt->has_value = true;
		pt->value = role == AS_INT ? (double)(int64_t)f->value : protobuf_double(f);
	}
}

/* Makes the point empty, but for the memory of its lists. */
static void clear_point(struct otlp_point *pt)
{
	pt->start_ns = pt->time_ns = pt->flags = pt->count = pt->zero_count = 0;
	pt->has_value = pt->has_sum = false;
	pt->value = pt->sum = pt->zero_threshold = 0;
	pt->scale = pt->positive.offset = pt->negative.offset = 0;
	pt->positive.counts.count = pt->negative.counts.count = pt->bounds.count = pt->counts.count = 0;
}

int otlp_point_read(struct otlp *d, struct slice message)
{
	struct protobuf p = protobuf_inside(&d->p, message);

	clear_point(&d->point);
	d->attribute_count = 0;
	d->exemplar_message_count = 0;
	for (struct protobuf_field f = {0}; protobuf_next(&p, &f);) {
		enum role role = f.number < FIELDS_MAX ? (enum role)roles[d->metric.kind][f.number] : UNKNOWN;
		if (role >= ATTRIBUTE)
			read_long(d, &p, &f, role);
		else if (role != UNKNOWN &&
		         protobuf_is(&p, &f, role == FLAGS || role == SCALE ? PROTOBUF_VARINT : PROTOBUF_FIXED64))
			use_number(&d->point, &f, role);
	}
	return p.error == NULL ? 0 : otlp_broken(d, &p);
}
