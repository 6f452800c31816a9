/* What the files of the OTLP traces decoder share. From the outside in:
 *
 *   otlp_json.c         JSON to Protocol Buffers
 *   otlp_traces.c       the walk over Protocol Buffers: resources, scopes, spans
 *   otlp_span.c         a span with its events and links → a record
 *   otlp_attributes.c   attributes → objects and their values
 *
 * A function that returns false has met the end of the body: d->p has the error, or d->no_memory says that it is none of the body's. What refuses a span alone sets d->refused, and reading goes on: the rest of the
 * span has to be well-formed all the same. Private to ingest/. */
#ifndef MOONGATE_INGEST_OTLP_TRACES_H
#define MOONGATE_INGEST_OTLP_TRACES_H

#include "ingest/ingest.h"
#include "ingest/otlp_value.h"

/* Where names begin: of each kind of object other names come first. */
enum otlp_root { OTLP_ROOT_SPAN, OTLP_ROOT_EVENT, OTLP_ROOT_LINK, OTLP_ROOT_RESOURCE, OTLP_ROOT_NESTED, OTLP_ROOTS };

/* A name of the batch, at its number + OTLP_ROOTS; before them the roots. Names follow each other in the same order in object after object, so that each remembers what came behind it last. */
struct otlp_name {
	uint32_t next[2]; /* places here, the newest first; 0: none */
	uint32_t object;  /* the last object in which it was looked for twice, */
	uint32_t at;      /* and where it stands there */
};

enum { OTLP_SHAPE_BITS = 8, OTLP_SHAPES = 1 << OTLP_SHAPE_BITS };

/* The shape that a row of names makes. */
struct otlp_shape {
	uint64_t hash; /* of the names' places in order */
	uint32_t shape;
	bool used;
};

enum { OTLP_FORM_FIELDS = 20, OTLP_FORM_BITS = 3, OTLP_FORM_SHAPES = 1 << OTLP_FORM_BITS };

/* Objects whose names are ours: which of them there are tells the shape. */
struct otlp_form {
	const struct slice *names;
	uint32_t count;
	uint32_t keys[OTLP_FORM_FIELDS];
	bool has_keys;
	struct {
		uint32_t mask; /* 0: none */
		uint32_t shape;
	} shapes[OTLP_FORM_SHAPES];
};

/* Values of such an object, put in rising order of their fields. */
struct otlp_fields {
	struct value values[OTLP_FORM_FIELDS];
	uint32_t count, mask;
};

/* Attributes of an object that is being read: they lie on d->values and d->keys from `base` on. */
struct otlp_open {
	uint32_t base;
	uint32_t last; /* the place of the last name, or the root */
	uint64_t hash; /* of the places so far */
};

enum { OTLP_WHY_BYTES = 200 };

struct otlp_traces {
	struct protobuf p;
	struct batch *batch;
	const struct ingest_span_limits *limits;
	struct ingest_rejects *rejects;

	uint32_t at[3];                    /* the place at hand: positions of resourceSpans, scopeSpans, spans */
	uint32_t index;                    /* the running number of the span at hand */
	uint32_t type;                     /* SPAN_TYPE in the batch */
	bool no_memory;                    /* that is the error of `p` */
	bool refused;                      /* what is at hand is; `why` says why */
	char why[OTLP_WHY_BYTES];          /* good UTF-8 */
	char resource_why[OTLP_WHY_BYTES]; /* all spans of the resource are refused; empty: they are not */
	char scope_why[OTLP_WHY_BYTES];    /* likewise */
	struct value resource;             /* VALUE_NULL: it has none */
	struct value scope;                /* likewise */
	struct slice resource_schema, scope_schema;
	uint32_t count; /* values of the span at hand */

	/* Of the span before: the spans of a trace come together. */
	char trace_id[16];
	const char *trace_text; /* its digits; NULL: none */

	struct value *values; /* what is being read, objects within each other */
	uint32_t *keys;       /* places in `names` beside them */
	size_t value_cap, key_cap;
	uint32_t used; /* of both */

	struct otlp_name *names;
	uint32_t name_count;
	size_t name_cap;
	uint32_t object; /* number of the last object in which a name was looked for twice */
	struct otlp_shape shapes[OTLP_SHAPES];
	struct otlp_form span, event, link, scope_form;
};

/* What is at hand is refused with this sentence; the first one stays. Returns true: reading goes on. */
bool otlp_traces_refuse(struct otlp_traces *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Memory ran out. Returns false. */
bool otlp_traces_no_memory(struct otlp_traces *d, struct protobuf *p);

/* ---- otlp_attributes.c ---- */

/* Makes room for the roots; once, before all else. False: no memory. */
bool otlp_traces_start(struct otlp_traces *d);

struct otlp_open otlp_attributes_open(const struct otlp_traces *d, enum otlp_root root);
/* Reads a KeyValue. Of what is refused it is only looked through. */
bool otlp_attributes_add(struct otlp_traces *d, struct protobuf *p, struct otlp_open *o, struct slice message);
/* Has any been read? */
static inline bool otlp_attributes_any(const struct otlp_traces *d, const struct otlp_open *o)
{
	return d->used > o->base;
}
/* Makes them an object; VALUE_NULL where they are refused. */
bool otlp_attributes_close(struct otlp_traces *d, struct protobuf *p, const struct otlp_open *o, struct value *out);

/* A string as a value: refused where it is too long or not UTF-8. `what` is for the sentence. */
void otlp_traces_string(struct otlp_traces *d, struct slice s, const char *what, struct value *out);

/* Puts a value on top of d->values. */
bool otlp_traces_push(struct otlp_traces *d, struct protobuf *p, uint32_t place, const struct value *v);
/* Takes those from `base` on off into an array. */
bool otlp_traces_array(struct otlp_traces *d, struct protobuf *p, uint32_t base, struct value *out);
/* Counts a value of the span at hand. False: there are too many, and the span is refused. */
bool otlp_traces_count(struct otlp_traces *d);

/* ---- otlp_span.c ---- */

void otlp_span_forms(struct otlp_traces *d);

static inline void otlp_put(struct otlp_fields *f, uint32_t field, struct value v)
{
	f->values[f->count++] = v;
	f->mask |= UINT32_C(1) << field;
}

/* The shape of the fields that a mask names. */
bool otlp_form_shape(struct otlp_traces *d, struct protobuf *p, struct otlp_form *form, uint32_t mask, uint32_t *shape);
/* An object of these fields; VALUE_NULL where there are none. */
bool otlp_form_object(struct otlp_traces *d, struct protobuf *p, struct otlp_form *form, const struct otlp_fields *f,
                      struct value *out);

/* A Span: a record of the batch, or d->refused. */
bool otlp_span_read(struct otlp_traces *d, struct protobuf *p, struct slice message);

#endif
