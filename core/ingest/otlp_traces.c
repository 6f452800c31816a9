/* OTLP traces: an ExportTraceServiceRequest (opentelemetry.proto.collector.trace.v1), walked from resources to spans.
 *
 * Resource and scope may stand behind the spans that are theirs: nobody promises the order of anything. So each message is gone over twice: for its own fields, then for what it holds. */
#include "ingest/otlp_traces.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "ingest/otlp_json.h"
#include "record/span.h"

enum { SHOWN_MAX = 64 };
enum { AT_RESOURCE, AT_SCOPE, AT_SPAN };

/* The numbers of fields. */
enum {
	FIELD_RESOURCE_SPANS = 1,
	FIELD_RESOURCE = 1, /* of ResourceSpans */
	FIELD_SCOPES = 2,
	FIELD_SCOPE = 1, /* of ScopeSpans */
	FIELD_SPANS = 2,
	FIELD_SCHEMA = 3,     /* of both */
	FIELD_ATTRIBUTES = 1, /* of Resource */
	FIELD_SCOPE_NAME = 1, /* of InstrumentationScope */
	FIELD_SCOPE_VERSION = 2,
	FIELD_SCOPE_ATTRIBUTES = 3,
	FIELD_SPAN_NAME = 5
};
enum { IN_SCOPE_NAME, IN_SCOPE_VERSION, IN_SCOPE_ATTRIBUTES };

bool otlp_traces_refuse(struct otlp_traces *d, const char *format, ...)
{
	va_list args;

	if (d->refused)
		return true;
	d->refused = true;
	va_start(args, format);
	vsnprintf(d->why, sizeof d->why, format, args);
	va_end(args);
	return true;
}

bool otlp_traces_no_memory(struct otlp_traces *d, struct protobuf *p)
{
	d->no_memory = true;
	return protobuf_fail(p, "no memory");
}

/* Keeps the error of a reader of a part. */
static int broken(struct otlp_traces *d, const struct protobuf *p)
{
	d->p = *p;
	return d->no_memory ? -ENOMEM : -EINVAL;
}

/* What refuses a resource or scope refuses all its spans. */
static void keep_why(const struct otlp_traces *d, char to[OTLP_WHY_BYTES], const char *whose)
{
	to[0] = '\0';
	if (d->refused)
		snprintf(to, OTLP_WHY_BYTES, "%s%.*s", whose, OTLP_WHY_BYTES - 32, d->why);
}

/* ---- spans ---- */

/* The span's name for a sentence: what the span is refused for may be that it has none that can be shown. */
static struct slice shown_name(struct otlp_traces *d, struct slice message)
{
	struct protobuf in = protobuf_inside(&d->p, message);
	struct slice name = SLICE("?");

	for (struct protobuf_field f = {0}; protobuf_next(&in, &f);) {
		if (f.number == FIELD_SPAN_NAME && f.type == PROTOBUF_BYTES)
			name = f.bytes;
	}
	return utf8_valid(name, NULL) ? utf8_cut(name, SHOWN_MAX) : SLICE("?");
}

static int reject(struct otlp_traces *d, struct slice message)
{
	struct slice name = shown_name(d, message);

	return ingest_reject_add(d->rejects, &d->batch->arena, d->index,
	                         "resourceSpans[%u].scopeSpans[%u].spans[%u], %.*s: %s", d->at[AT_RESOURCE],
	                         d->at[AT_SCOPE], d->at[AT_SPAN], SLICE_ARG(name), d->why);
}

/* A span becomes a record or is refused; what was taken for a refused one is given back. */
static int read_span(struct otlp_traces *d, struct protobuf *p, struct slice message)
{
	struct arena_mark mark = arena_mark(&d->batch->arena);

	d->refused = false;
	if (d->resource_why[0] != '\0' || d->scope_why[0] != '\0')
		otlp_traces_refuse(d, "%s", d->resource_why[0] != '\0' ? d->resource_why : d->scope_why);
	else if (message.len > d->limits->span_bytes)
		otlp_traces_refuse(d, "it has more than %u bytes", d->limits->span_bytes);
	if (!otlp_span_read(d, p, message))
		return broken(d, p);
	if (!d->refused)
		return 0;
	arena_rewind(&d->batch->arena, mark);
	d->used = 0;
	d->trace_text = NULL;
	return reject(d, message);
}

/* ---- scopes ---- */

/* A string that all spans of a resource or scope have. */
static void take_text(struct otlp_traces *d, struct protobuf *p, const struct protobuf_field *f, const char *what,
                      struct slice *out)
{
	struct value v;

	if (!protobuf_is(p, f, PROTOBUF_BYTES))
		return;
	otlp_traces_string(d, f->bytes, what, &v);
	*out = f->bytes;
}

/* An InstrumentationScope, whose attributes are added to *o. */
static void read_scope_fields(struct otlp_traces *d, struct protobuf *p, struct slice message, struct otlp_open *o,
                              struct slice *name, struct slice *version)
{
	struct protobuf in = protobuf_inside(p, message);

	for (struct protobuf_field f = {0}; protobuf_next(&in, &f);) {
		if (f.number == FIELD_SCOPE_NAME)
			take_text(d, &in, &f, "its name", name);
		else if (f.number == FIELD_SCOPE_VERSION)
			take_text(d, &in, &f, "its version", version);
		else if (f.number == FIELD_SCOPE_ATTRIBUTES && protobuf_is(&in, &f, PROTOBUF_BYTES))
			otlp_attributes_add(d, &in, o, f.bytes);
	}
	if (in.error != NULL)
		*p = in;
}

static void put_text(struct otlp_fields *f, uint32_t field, struct slice text)
{
	if (text.len > 0)
		otlp_put(f, field, (struct value){.str = text.ptr, .len = (uint32_t)text.len, .type = VALUE_STRING});
}

/* The scope of a ScopeSpans, and what its own schema is. */
static int read_scope(struct otlp_traces *d, struct slice message)
{
	struct protobuf p = protobuf_inside(&d->p, message);
	struct otlp_open o = otlp_attributes_open(d, OTLP_ROOT_RESOURCE);
	struct otlp_fields fields = {.count = 0};
	struct slice name = {0}, version = {0};
	struct value attributes;

	d->refused = false;
	d->count = 0;
	d->scope_schema = slice_new(NULL, 0);
	for (struct protobuf_field f = {0}; protobuf_next(&p, &f);) {
		if (f.number == FIELD_SCOPE && protobuf_is(&p, &f, PROTOBUF_BYTES))
			read_scope_fields(d, &p, f.bytes, &o, &name, &version);
		else if (f.number == FIELD_SCHEMA)
			take_text(d, &p, &f, "its schemaUrl", &d->scope_schema);
	}
	if (p.error != NULL)
		return broken(d, &p);
	put_text(&fields, IN_SCOPE_NAME, name);
	put_text(&fields, IN_SCOPE_VERSION, version);
	bool fine = true;
	if (otlp_attributes_any(d, &o)) {
		fine = otlp_attributes_close(d, &p, &o, &attributes);
		otlp_put(&fields, IN_SCOPE_ATTRIBUTES, attributes);
	}
	d->scope = (struct value){.type = VALUE_NULL};
	if (fine && fields.count > 0)
		fine = otlp_form_object(d, &p, &d->scope_form, &fields, &d->scope);
	keep_why(d, d->scope_why, "its scope: ");
	return fine ? 0 : broken(d, &p);
}

static int read_scope_spans(struct otlp_traces *d, struct slice message)
{
	int code = read_scope(d, message);
	struct protobuf p = protobuf_inside(&d->p, message);

	d->at[AT_SPAN] = 0;
	for (struct protobuf_field f = {0}; code == 0 && protobuf_next(&p, &f);) {
		if (f.number != FIELD_SPANS || !protobuf_is(&p, &f, PROTOBUF_BYTES))
			continue;
		if (d->index == d->limits->spans)
			return -EFBIG;
		code = read_span(d, &p, f.bytes);
		d->at[AT_SPAN]++;
		d->index++;
	}
	return code != 0 || p.error == NULL ? code : broken(d, &p);
}

/* ---- resources ---- */

static void read_resource_fields(struct otlp_traces *d, struct protobuf *p, struct slice message, struct otlp_open *o)
{
	struct protobuf in = protobuf_inside(p, message);

	for (struct protobuf_field f = {0}; protobuf_next(&in, &f);) {
		if (f.number == FIELD_ATTRIBUTES && protobuf_is(&in, &f, PROTOBUF_BYTES))
			otlp_attributes_add(d, &in, o, f.bytes);
	}
	if (in.error != NULL)
		*p = in;
}

/* The resource of a ResourceSpans, and what its schema is. */
static int read_resource(struct otlp_traces *d, struct slice message)
{
	struct protobuf p = protobuf_inside(&d->p, message);
	struct otlp_open o = otlp_attributes_open(d, OTLP_ROOT_RESOURCE);

	d->refused = false;
	d->count = 0;
	d->resource = (struct value){.type = VALUE_NULL};
	d->resource_schema = slice_new(NULL, 0);
	for (struct protobuf_field f = {0}; protobuf_next(&p, &f);) {
		if (f.number == FIELD_RESOURCE && protobuf_is(&p, &f, PROTOBUF_BYTES))
			read_resource_fields(d, &p, f.bytes, &o);
		else if (f.number == FIELD_SCHEMA)
			take_text(d, &p, &f, "its schemaUrl", &d->resource_schema);
	}
	if (p.error != NULL)
		return broken(d, &p);
	bool fine = !otlp_attributes_any(d, &o) || otlp_attributes_close(d, &p, &o, &d->resource);
	d->used = 0;
	keep_why(d, d->resource_why, "its resource: ");
	return fine ? 0 : broken(d, &p);
}

static int read_resource_spans(struct otlp_traces *d, struct slice message)
{
	int code = read_resource(d, message);
	struct protobuf p = protobuf_inside(&d->p, message);

	d->at[AT_SCOPE] = 0;
	for (struct protobuf_field f = {0}; code == 0 && protobuf_next(&p, &f);) {
		if (f.number != FIELD_SCOPES || !protobuf_is(&p, &f, PROTOBUF_BYTES))
			continue;
		code = read_scope_spans(d, f.bytes);
		d->at[AT_SCOPE]++;
	}
	return code != 0 || p.error == NULL ? code : broken(d, &p);
}

/* ---- the body ---- */

static int read_body(struct otlp_traces *d)
{
	struct protobuf p = d->p;
	int64_t type = batch_type(d->batch, SLICE(SPAN_TYPE));
	int code = type < 0 ? -ENOMEM : 0;

	d->type = (uint32_t)type;
	for (struct protobuf_field f = {0}; code == 0 && protobuf_next(&p, &f);) {
		if (f.number != FIELD_RESOURCE_SPANS || !protobuf_is(&p, &f, PROTOBUF_BYTES))
			continue;
		code = read_resource_spans(d, f.bytes);
		d->at[AT_RESOURCE]++;
	}
	return code != 0 || p.error == NULL ? code : broken(d, &p);
}

static struct otlp_traces *decoder_new(struct batch *b, struct slice body, const struct ingest_span_limits *limits,
                                       struct ingest_rejects *rejects)
{
	struct otlp_traces *d = mem_zalloc(1, sizeof *d);

	if (d == NULL)
		return NULL;
	d->p = protobuf_begin(body);
	d->batch = b;
	d->limits = limits;
	d->rejects = rejects;
	otlp_span_forms(d);
	if (otlp_traces_start(d))
		return d;
	mem_free(d);
	return NULL;
}

static void decoder_free(struct otlp_traces *d)
{
	mem_free(d->values);
	mem_free(d->keys);
	mem_free(d->names);
	mem_free(d);
}

int ingest_otlp_traces_protobuf(struct batch *b, struct slice body, const struct ingest_span_limits *limits,
                                struct ingest_rejects *rejects, struct error *err)
{
	struct otlp_traces *d = decoder_new(b, body, limits, rejects);

	if (d == NULL)
		return error_set(err, -ENOMEM, "no memory for the body");
	rejects->room = ingest_rejects_room(body.len);
	int code = read_body(d);
	if (code == -EINVAL)
		error_set(err, code, "byte %zu: %s", protobuf_offset(&d->p), d->p.error);
	else if (code == -EFBIG)
		error_set(err, code, "the body has more than %u spans", limits->spans);
	else if (code != 0)
		error_set(err, code, "no memory for the body");
	decoder_free(d);
	return code;
}

/* Into memory of the batch, which spans point into. */
static struct slice keep_wire(struct batch *b, const struct buf *wire)
{
	char *copy = arena_alloc(&b->arena, wire->len + INGEST_PADDING);

	if (copy == NULL)
		return slice_new(NULL, 0);
	if (wire->len > 0)
		memcpy(copy, wire->ptr, wire->len);
	memset(copy + wire->len, 0, INGEST_PADDING);
	return slice_new(copy, wire->len);
}

int ingest_otlp_traces_json(struct batch *b, struct slice body, const struct ingest_span_limits *limits,
                            struct ingest_rejects *rejects, struct error *err)
{
	struct buf wire = {0};
	int code = otlp_json_to_protobuf(body, &otlp_json_traces, &wire, err);
	struct slice kept = code == 0 ? keep_wire(b, &wire) : slice_new(NULL, 0);

	buf_free(&wire);
	if (code != 0)
		return code;
	if (kept.ptr == NULL)
		return error_set(err, -ENOMEM, "no memory for the body");
	code = ingest_otlp_traces_protobuf(b, kept, limits, rejects, err);
	CHECK(code != -EINVAL); /* what we wrote is well-formed */
	return code;
}

void ingest_span_limits_default(struct ingest_span_limits *limits)
{
	*limits = (struct ingest_span_limits){
	    .depth = 32,
	    .values = 4096,
	    .key_bytes = 256,
	    .string_bytes = 1 << 20,
	    .span_bytes = 4 << 20,
	    .spans = 100000,
	};
}
