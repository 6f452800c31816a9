/* OTLP metrics: an ExportMetricsServiceRequest (opentelemetry.proto.collector.metrics.v1), walked from resources to data points.
 *
 * What matters to a point stands in front of it or behind it: writers put the temporality of a sum behind its points, and nobody promises the order of anything. So each message is gone over twice: for its own
 * fields, then for what it holds. Passing over a field costs its tag and length.
 */
#include "ingest/otlp_metrics.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "ingest/otlp_json.h"
#include "ingest/otlp_name.h"

enum { SHOWN_MAX = 64, SCRATCH_KEPT = 64 << 10 };

/* The numbers of fields. */
enum {
	FIELD_RESOURCE = 1, /* of ResourceMetrics */
	FIELD_SCOPES = 2,
	FIELD_SCOPE = 1, /* of ScopeMetrics */
	FIELD_METRICS = 2,
	FIELD_ATTRIBUTES = 1, /* of Resource */
	FIELD_NAME = 1,       /* of Metric */
	FIELD_DESCRIPTION = 2,
	FIELD_UNIT = 3,
	FIELD_GAUGE = 5,
	FIELD_SUM = 7,
	FIELD_HISTOGRAM = 9,
	FIELD_EXPONENTIAL = 10,
	FIELD_SUMMARY = 11,
	FIELD_POINTS = 1, /* of Gauge, Sum, … */
	FIELD_TEMPORALITY = 2,
	FIELD_MONOTONIC = 3,
	TEMPORALITY_DELTA = 1,
	TEMPORALITY_CUMULATIVE = 2
};

enum { AT_RESOURCE, AT_SCOPE, AT_METRIC, AT_POINT };

/* ---- refusals ---- */

int otlp_reject(struct otlp *d, const char *format, ...)
{
	char text[sizeof d->why];
	struct slice name = SLICE("?");
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (utf8_valid(d->metric.sent_name, NULL))
		name = utf8_cut(d->metric.sent_name, SHOWN_MAX);
	return ingest_reject_add(d->rejects, &d->batch->arena, d->index,
	                         "resourceMetrics[%u].scopeMetrics[%u].metrics[%u].dataPoints[%u], %.*s: %s",
	                         d->at[AT_RESOURCE], d->at[AT_SCOPE], d->at[AT_METRIC], d->at[AT_POINT],
	                         SLICE_ARG(name), text);
}

/* ---- metadata ---- */

static enum metadata_type metadata_type(const struct otlp_metric *m)
{
	switch (m->kind) {
	case OTLP_SUM:
		return m->monotonic ? METADATA_COUNTER : METADATA_GAUGE;
	case OTLP_HISTOGRAM:
	case OTLP_EXPONENTIAL:
		return METADATA_HISTOGRAM;
	case OTLP_SUMMARY:
		return METADATA_SUMMARY;
	case OTLP_GAUGE:
		break;
	}
	return METADATA_GAUGE;
}

/* Puts what is known of a metric into the batch, once a point of it is there. Nothing of it points into the body. 1 or negative. */
static int describe(struct otlp *d)
{
	struct sample_batch *b = d->batch;
	struct otlp_metric *m = &d->metric;
	int code;

	m->described = true;
	char *unit = arena_alloc(&b->arena, otlp_metric_name_max(m->name, m->sent_unit));
	if (unit == NULL)
		return -ENOMEM;
	struct sample_metadata known = {.name = m->name, .type = metadata_type(m)};
	known.unit = slice_new(unit, otlp_unit_name(unit, m->sent_unit));
	if (utf8_valid(m->description, NULL)) {
		known.help = arena_copy(&b->arena, m->description);
		code = known.help.ptr == NULL ? -ENOMEM : 0;
	} else {
		code = otlp_reject(d, "its description was left out: it is not UTF-8");
	}
	if (code == 0)
		code = otlp_series_describe(d, &known);
	return code == 0 ? 1 : code;
}

/* ---- points ---- */

/* Takes the point that was read, or lists why not. */
static int take_point(struct otlp *d)
{
	int code = otlp_series_take(d);

	if (code > 0 && !d->metric.described)
		code = describe(d);
	if (code == 0) {
		d->rejects->points++;
		code = otlp_reject(d, "%s", d->why);
	}
	arena_reset(&d->scratch, SCRATCH_KEPT);
	return code < 0 ? code : 0;
}

/* A Gauge, Sum, …: its points, the metric's name and what is known of it in d->metric. */
static int read_points(struct otlp *d, struct slice message)
{
	struct protobuf p = protobuf_inside(&d->p, message);
	int code = 0;

	d->at[AT_POINT] = 0;
	for (struct protobuf_field f = {0}; code == 0 && protobuf_next(&p, &f);) {
		if (f.number != FIELD_POINTS || !protobuf_is(&p, &f, PROTOBUF_BYTES))
			continue;
		code = otlp_point_read(d, f.bytes);
		if (code == 0)
			code = take_point(d);
		d->at[AT_POINT]++;
		d->index++;
	}
	return p.error == NULL ? code : otlp_broken(d, &p);
}

/* ---- metrics ---- */

/* What stands in a Gauge, Sum, … beside its points. */
static int read_kind(struct otlp *d, const struct protobuf_field *data)
{
	struct protobuf p = protobuf_inside(&d->p, data->bytes);
	uint64_t temporality = 0;

	d->metric.monotonic = false;
	for (struct protobuf_field f = {0}; protobuf_next(&p, &f);) {
		if (f.number == FIELD_TEMPORALITY && protobuf_is(&p, &f, PROTOBUF_VARINT))
			temporality = f.value;
		else if (f.number == FIELD_MONOTONIC && protobuf_is(&p, &f, PROTOBUF_VARINT))
			d->metric.monotonic = f.value != 0;
	}
	if (p.error != NULL)
		return otlp_broken(d, &p);
	bool has_temporality = d->metric.kind != OTLP_GAUGE && d->metric.kind != OTLP_SUMMARY;
	d->metric.delta = has_temporality && temporality == TEMPORALITY_DELTA;
	if (has_temporality && !d->metric.delta && temporality != TEMPORALITY_CUMULATIVE)
		d->metric.why = "its aggregationTemporality is neither delta nor cumulative";
	return 0;
}

/* Makes the name that series have. */
static int make_name(struct otlp *d)
{
	struct otlp_metric *m = &d->metric;
	size_t max = otlp_metric_name_max(m->sent_name, m->sent_unit);
	enum otlp_name_kind kind = m->kind == OTLP_GAUGE                 ? OTLP_NAME_GAUGE
	                           : m->kind == OTLP_SUM && m->monotonic ? OTLP_NAME_COUNTER
	                                                                 : OTLP_NAME_PLAIN;

	m->name = slice_new(NULL, 0);
	if (max + OTLP_LONGEST_SUFFIX.len > LABEL_VALUE_BYTES_MAX) {
		m->why = "the metric's name and unit have more than 4000 bytes";
		return 0;
	}
	char *to = arena_alloc(&d->batch->arena, max + OTLP_LONGEST_SUFFIX.len);
	if (to == NULL)
		return -ENOMEM;
	m->name = slice_new(to, otlp_metric_name(to, m->sent_name, m->sent_unit, kind));
	memcpy(to + m->name.len, OTLP_LONGEST_SUFFIX.ptr, OTLP_LONGEST_SUFFIX.len);
	if (m->sent_name.len == 0)
		m->why = "the metric has no name";
	else if (m->name.len == 0)
		m->why = "the metric has a name that none of Prometheus can be made of";
	return 0;
}

/* A field of a Metric that holds data points. */
static int read_data(struct otlp *d, const struct protobuf_field *f)
{
	d->metric.kind = f->number == FIELD_GAUGE         ? OTLP_GAUGE
	                 : f->number == FIELD_SUM         ? OTLP_SUM
	                 : f->number == FIELD_HISTOGRAM   ? OTLP_HISTOGRAM
	                 : f->number == FIELD_EXPONENTIAL ? OTLP_EXPONENTIAL
	                                                  : OTLP_SUMMARY;
	d->metric.described = false;
	d->metric.why = d->resource.why;
	int code = read_kind(d, f);
	if (code == 0)
		code = make_name(d);
	return code == 0 ? read_points(d, f->bytes) : code;
}

static bool is_data(uint32_t number)
{
	return number == FIELD_GAUGE || number == FIELD_SUM || (number >= FIELD_HISTOGRAM && number <= FIELD_SUMMARY);
}

static int read_metric(struct otlp *d, struct slice message)
{
	struct protobuf p = protobuf_inside(&d->p, message);
	struct otlp_metric *m = &d->metric;
	int code = 0;

	m->sent_name = m->sent_unit = m->description = slice_new(NULL, 0);
	for (struct protobuf_field f = {0}; protobuf_next(&p, &f);) {
		if (f.number == FIELD_NAME && protobuf_is(&p, &f, PROTOBUF_BYTES))
			m->sent_name = f.bytes;
		else if (f.number == FIELD_DESCRIPTION && protobuf_is(&p, &f, PROTOBUF_BYTES))
			m->description = f.bytes;
		else if (f.number == FIELD_UNIT && protobuf_is(&p, &f, PROTOBUF_BYTES))
			m->sent_unit = f.bytes;
		else if (is_data(f.number))
			protobuf_is(&p, &f, PROTOBUF_BYTES);
	}
	if (p.error != NULL)
		return otlp_broken(d, &p);
	p = protobuf_inside(&d->p, message);
	for (struct protobuf_field f = {0}; code == 0 && protobuf_next(&p, &f);) {
		if (is_data(f.number))
			code = read_data(d, &f);
	}
	return code;
}

/* ---- scopes and resources ---- */

/* Nothing of a scope becomes a label, as with Prometheus's default (promote_scope_metadata: false); it has to be well-formed all the same. */
static int check_scope(struct otlp *d, struct slice message)
{
	struct protobuf p = protobuf_inside(&d->p, message);
	struct otlp_attribute attribute;

	for (struct protobuf_field f = {0}; protobuf_next(&p, &f);) {
		if (f.number <= 3 && protobuf_is(&p, &f, PROTOBUF_BYTES) && f.number == 3)
			otlp_attribute_read(&p, f.bytes, &attribute);
	}
	return p.error == NULL ? 0 : otlp_broken(d, &p);
}

static int read_scope(struct otlp *d, struct slice message)
{
	struct protobuf p = protobuf_inside(&d->p, message);
	int code = 0;

	d->at[AT_METRIC] = 0;
	for (struct protobuf_field f = {0}; code == 0 && protobuf_next(&p, &f);) {
		if (f.number == FIELD_SCOPE && protobuf_is(&p, &f, PROTOBUF_BYTES)) {
			code = check_scope(d, f.bytes);
		} else if (f.number == FIELD_METRICS && protobuf_is(&p, &f, PROTOBUF_BYTES)) {
			code = read_metric(d, f.bytes);
			d->at[AT_METRIC]++;
		}
	}
	return p.error == NULL ? code : otlp_broken(d, &p);
}

/* The attributes that make a resource's identity. */
struct identity {
	struct slice space, name, instance;
	bool has_space, has_name;
};

/* Keeps an attribute that is part of the identity. 1: it is; 0: it is not; negative: as for the body. */
static int take_identity(struct otlp *d, const struct otlp_attribute *a, struct identity *id)
{
	struct slice *to;

	if (slice_eq(a->key, SLICE("service.name")))
		to = &id->name, id->has_name = true;
	else if (slice_eq(a->key, SLICE("service.namespace")))
		to = &id->space, id->has_space = true;
	else if (slice_eq(a->key, SLICE("service.instance.id")))
		to = &id->instance;
	else
		return 0;
	int code = otlp_labels_value(d, a, to);
	if (code == 0)
		d->resource.why = "its resource has a service.name, service.namespace or service.instance.id that can "
		                  "be no label's value";
	return code < 0 ? code : 1;
}

/* Reads the attributes of all Resources among the fields of a ResourceMetrics; those that are no part of the identity stay in d->attributes. */
static int read_resource(struct otlp *d, struct slice message, struct identity *id)
{
	struct protobuf p = protobuf_inside(&d->p, message);
	int code = 0;

	d->attribute_count = 0;
	for (struct protobuf_field f = {0}; code >= 0 && protobuf_next(&p, &f);) {
		if (f.number != FIELD_RESOURCE || !protobuf_is(&p, &f, PROTOBUF_BYTES))
			continue;
		const char *outer = protobuf_enter(&p, &f);
		while (code >= 0 && protobuf_next(&p, &f)) {
			struct otlp_attribute a;
			if (f.number != FIELD_ATTRIBUTES || !protobuf_is(&p, &f, PROTOBUF_BYTES) ||
			    !otlp_attribute_read(&p, f.bytes, &a))
				continue;
			code = take_identity(d, &a, id);
			if (code == 0 && d->attribute_count < LABELS_MAX)
				d->attributes[d->attribute_count] = a;
			d->attribute_count += code == 0;
		}
		protobuf_leave(&p, outer);
	}
	if (p.error != NULL)
		return otlp_broken(d, &p);
	return code < 0 ? code : 0;
}

/* service.namespace/service.name is the job, service.instance.id the instance. */
static int identify(struct otlp *d, struct slice message)
{
	struct identity id = {0};
	struct otlp_resource *r = &d->resource;

	*r = (struct otlp_resource){.newest_ms = INT64_MIN};
	int code = read_resource(d, message, &id);
	r->others = d->attribute_count;
	if (code == 0 && id.has_name) {
		size_t space = id.has_space ? id.space.len + 1 : 0;
		char *job = arena_alloc(&d->batch->arena, space + id.name.len);
		if (job == NULL)
			return -ENOMEM;
		if (id.has_space) {
			memcpy(job, id.space.ptr == NULL ? "" : id.space.ptr, id.space.len);
			job[id.space.len] = '/';
		}
		memcpy(job + space, id.name.ptr == NULL ? "" : id.name.ptr, id.name.len);
		r->job = slice_new(job, space + id.name.len);
	}
	if (code == 0 && id.instance.len > 0) {
		r->instance = arena_copy(&d->batch->arena, id.instance);
		if (r->instance.ptr == NULL)
			return -ENOMEM;
	}
	arena_reset(&d->scratch, SCRATCH_KEPT);
	return code;
}

/* What else is known of the resource, once a body and resource, at the time of its newest point. */
static int add_target_info(struct otlp *d, struct slice message)
{
	const struct otlp_resource *r = &d->resource;
	struct identity id = {0};

	if (r->newest_ms == INT64_MIN || r->others == 0 || (r->job.len == 0 && r->instance.len == 0))
		return 0;
	int code = read_resource(d, message, &id);
	if (code == 0)
		code = otlp_series_target_info(d);
	if (code == 0)
		code = ingest_reject_add(d->rejects, &d->batch->arena, d->index,
		                         "resourceMetrics[%u].resource: target_info was left out: %s",
		                         d->at[AT_RESOURCE], d->why);
	arena_reset(&d->scratch, SCRATCH_KEPT);
	return code < 0 ? code : 0;
}

static int read_resource_metrics(struct otlp *d, struct slice message)
{
	int code = identify(d, message);
	struct protobuf p = protobuf_inside(&d->p, message);

	d->at[AT_SCOPE] = 0;
	for (struct protobuf_field f = {0}; code == 0 && protobuf_next(&p, &f);) {
		if (f.number != FIELD_SCOPES || !protobuf_is(&p, &f, PROTOBUF_BYTES))
			continue;
		code = read_scope(d, f.bytes);
		d->at[AT_SCOPE]++;
	}
	if (p.error != NULL)
		return otlp_broken(d, &p);
	return code == 0 ? add_target_info(d, message) : code;
}

/* ---- the body ---- */

static int read_body(struct otlp *d)
{
	struct protobuf p = d->p;
	int code = 0;

	for (struct protobuf_field f = {0}; code == 0 && protobuf_next(&p, &f);) {
		if (f.number != 1 || !protobuf_is(&p, &f, PROTOBUF_BYTES))
			continue;
		code = read_resource_metrics(d, f.bytes);
		d->at[AT_RESOURCE]++;
	}
	return p.error == NULL ? code : otlp_broken(d, &p);
}

static void free_decoder(struct otlp *d)
{
	arena_deinit(&d->scratch);
	buf_free(&d->text);
	mem_free(d->point.bounds.items);
	mem_free(d->point.counts.items);
	mem_free(d->point.positive.counts.items);
	mem_free(d->point.negative.counts.items);
	table_deinit(&d->increments);
	mem_free(d->bounds);
	mem_free(d->grid);
	mem_free(d->exemplar_messages);
	mem_free(d->exemplars);
	mem_free(d);
}

int ingest_otlp_metrics_protobuf(struct sample_batch *b, struct slice body, const struct ingest_sample_limits *limits,
                                 struct ingest_rejects *rejects, struct error *err)
{
	struct otlp *d = mem_zalloc(1, sizeof *d);

	if (d == NULL)
		return error_set(err, -ENOMEM, "no memory for the body");
	d->p = protobuf_begin(body);
	d->batch = b;
	d->limits = limits;
	d->rejects = rejects;
	d->err = err;
	arena_init(&d->scratch);
	table_init(&d->increments);
	rejects->room = ingest_rejects_room(body.len);
	int code = read_body(d);
	if (code == -EINVAL && !d->no_memory)
		error_set(err, code, "byte %zu: %s", protobuf_offset(&d->p), d->p.error);
	else if (code == -ENOMEM || d->no_memory)
		code = error_set(err, -ENOMEM, "no memory for the body");
	free_decoder(d);
	return code;
}

int ingest_otlp_metrics_json(struct sample_batch *b, struct slice body, const struct ingest_sample_limits *limits,
                             struct ingest_rejects *rejects, struct error *err)
{
	struct buf wire = {0};
	int code = otlp_json_to_protobuf(body, &otlp_json_metrics, &wire, err);

	if (code == 0) {
		code = ingest_otlp_metrics_protobuf(b, buf_slice(&wire), limits, rejects, err);
		CHECK(code != -EINVAL); /* what we wrote is well-formed */
	}
	buf_free(&wire);
	return code;
}
