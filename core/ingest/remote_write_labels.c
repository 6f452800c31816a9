/* Label sets of remote_write. Those of 1.0 mostly are canonical as they stand and cost one look; others, and those of 2.0, which are numbers of strings, are put in order and written into the batch. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "ingest/remote_write.h"

__attribute__((format(printf, 2, 3))) static int refuse(struct decoder *d, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(d->why, sizeof d->why, format, args);
	va_end(args);
	return 0;
}

bool remote_write_symbol(struct decoder *d, uint64_t ref, const char *what, struct slice *out)
{
	if (ref >= d->symbol_count)
		return refuse(d, "%s is symbol %llu, and there are %u", what, (unsigned long long)ref, d->symbol_count);
	*out = d->symbols[ref];
	if (out->ptr == NULL && out->len > 0)
		return refuse(d, "%s is symbol %llu, which is not UTF-8", what, (unsigned long long)ref);
	return true;
}

/* A label with an empty value is the same as none; more than fit are counted once. */
static inline void add(struct decoder *d, struct slice name, struct slice value)
{
	if ((value.len > 0 || name.len == 0) && d->label_count <= LABELS_MAX)
		d->labels[d->label_count++] = (struct label){name, value};
}

/* A Label of 1.0, entered. */
static void read_label(struct decoder *d, struct protobuf *p)
{
	struct label l = {0};

	for (struct protobuf_field f = {0}; protobuf_next(p, &f);) {
		if (f.number == 1 && protobuf_is(p, &f, PROTOBUF_BYTES))
			l.name = f.bytes;
		else if (f.number == 2 && protobuf_is(p, &f, PROTOBUF_BYTES))
			l.value = f.bytes;
	}
	add(d, l.name, l.value);
}

/* The references of a set of 2.0: names and values in turn. */
struct references {
	struct slice name; /* that waits for its value */
	bool waits, fine;
};

static inline void take_reference(struct decoder *d, uint64_t ref, struct references *r)
{
	struct slice text = {0};

	if (!r->fine)
		return;
	if (ref < d->symbol_count && d->symbols[ref].ptr != NULL)
		text = d->symbols[ref];
	else if (!remote_write_symbol(d, ref, r->waits ? "the value of a label" : "the name of a label", &text))
		r->fine = false;
	if (!r->fine)
		return;
	if (r->waits)
		add(d, r->name, text);
	else
		r->name = text;
	r->waits = !r->waits;
}

/* Collects the labels of 1.0. */
static int collect_1(struct decoder *d, struct slice message)
{
	struct protobuf p = protobuf_inside(&d->p, message);

	for (struct protobuf_field f = {0}; protobuf_next(&p, &f);) {
		if (f.number != FIELD_LABELS || !protobuf_is(&p, &f, PROTOBUF_BYTES))
			continue;
		const char *outer = protobuf_enter(&p, &f);
		read_label(d, &p);
		protobuf_leave(&p, outer);
	}
	return p.error == NULL ? 1 : remote_write_broken(d, &p);
}

/* Collects the labels of 2.0: packed references or one a field, which may be mixed. A wrong one matters only where the message is well-formed: reading goes on to its end. */
static int collect_2(struct decoder *d, struct slice message)
{
	struct protobuf p = protobuf_inside(&d->p, message);
	struct references r = {.fine = true};
	uint64_t ref;

	for (struct protobuf_field f = {0}; protobuf_next(&p, &f);) {
		if (f.number != FIELD_LABELS)
			continue;
		if (f.type == PROTOBUF_VARINT) {
			take_reference(d, f.value, &r);
		} else if (protobuf_is(&p, &f, PROTOBUF_BYTES)) {
			const char *outer = protobuf_enter(&p, &f);
			while (p.at < p.end && protobuf_varint(&p, &ref))
				take_reference(d, ref, &r);
			protobuf_leave(&p, outer);
		}
	}
	if (p.error != NULL)
		return remote_write_broken(d, &p);
	if (r.fine && r.waits)
		return refuse(d, "its labels_refs have an odd length");
	return r.fine;
}

/* Puts the collected labels in order and writes them into the arena. */
static int write_set(struct decoder *d, struct labels_found *out)
{
	struct error why = {0};

	if (labels_prepare(d->labels, &d->label_count, d->version == INGEST_REMOTE_WRITE_2, &why) != 0)
		return refuse(d, "%s", why.text);
	size_t size = labels_size(d->labels, d->label_count);
	d->label_bytes += size;
	if (d->label_bytes > d->limits->label_bytes)
		return error_set(d->err, -EFBIG, "the labels of the body have more than %zu bytes written out",
		                 d->limits->label_bytes);
	char *set = arena_alloc(&d->batch->arena, size);
	if (set == NULL)
		return error_set(d->err, -ENOMEM, "no memory for labels");
	labels_write(set, d->labels, d->label_count);
	*out = (struct labels_found){.labels = slice_new(set, size), .count = d->label_count};
	out->metric_name = labels_get(out->labels, LABEL_METRIC_NAME);
	return 1;
}

int remote_write_collect(struct decoder *d, struct slice message, struct labels_found *out)
{
	d->label_count = 0;
	int code = d->version == INGEST_REMOTE_WRITE_1 ? collect_1(d, message) : collect_2(d, message);
	return code > 0 ? write_set(d, out) : code;
}
