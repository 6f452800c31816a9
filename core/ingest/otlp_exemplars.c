/* Exemplars of a data point: the ids of a trace and what the sender left out of the attributes, with the bucket that each belongs to. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "ingest/otlp_metrics.h"

enum { EXEMPLAR_CHARS_MAX = 128, TRACE_ID_BYTES = 16, SPAN_ID_BYTES = 8 };

/* An Exemplar as it was sent. */
struct sent {
	uint64_t time_ns;
	double value;
	bool has_value;
	struct slice trace_id, span_id;
};

static bool read_sent(struct otlp *d, struct protobuf *p, struct sent *out)
{
	*out = (struct sent){0};
	d->attribute_count = 0;
	for (struct protobuf_field f = {0}; protobuf_next(p, &f);) {
		switch (f.number) {
		case 2:
			if (protobuf_is(p, &f, PROTOBUF_FIXED64))
				out->time_ns = f.value;
			break;
		case 3:
		case 6:
			out->has_value |= otlp_read_number(p, &f, f.number == 6, &out->value);
			break;
		case 4:
			if (protobuf_is(p, &f, PROTOBUF_BYTES))
				out->span_id = f.bytes;
			break;
		case 5:
			if (protobuf_is(p, &f, PROTOBUF_BYTES))
				out->trace_id = f.bytes;
			break;
		case 7:
			otlp_read_attribute(d, p, &f);
			break;
		default:
			break;
		}
	}
	return p->error == NULL;
}

/* An id in hexadecimal; one of another length, or of zeros alone, is none, as the specification has it. */
static struct slice hexadecimal(struct slice id, size_t want, char *to)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char any = 0;

	if (id.len != want)
		return slice_new(NULL, 0);
	for (size_t i = 0; i < id.len; i++) {
		unsigned char byte = (unsigned char)id.ptr[i];
		any |= byte;
		to[2 * i] = digits[byte >> 4];
		to[2 * i + 1] = digits[byte & 15];
	}
	return any == 0 ? slice_new(NULL, 0) : slice_new(to, 2 * id.len);
}

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

/* The labels; without the attributes where these are at fault or too long. The ids alone always fit. 1 or negative. */
static int make_labels(struct otlp *d, const struct sent *sent, struct slice *out)
{
	char trace[2 * TRACE_ID_BYTES], span[2 * SPAN_ID_BYTES];
	struct slice trace_id = hexadecimal(sent->trace_id, TRACE_ID_BYTES, trace);
	struct slice span_id = hexadecimal(sent->span_id, SPAN_ID_BYTES, span);
	int code = otlp_labels_exemplar(d, trace_id, span_id, out);

	if (code < 0 || (code > 0 && !too_many_chars(*out)))
		return code;
	d->attribute_count = 0;
	return otlp_labels_exemplar(d, trace_id, span_id, out);
}

static int add(struct otlp *d, const struct sent *sent, struct slice labels, uint32_t bucket)
{
	if (d->exemplar_count == d->exemplar_cap &&
	    mem_grow((void **)&d->exemplars, &d->exemplar_cap, d->exemplar_count, sizeof *d->exemplars) != 0)
		return -ENOMEM;
	uint64_t time_ns = sent->time_ns != 0 ? sent->time_ns : d->point.time_ns;
	d->exemplars[d->exemplar_count] = (struct otlp_exemplar){
	    .exemplar = {.labels = labels, .value = sent->value, .time_ms = (int64_t)(time_ns / 1000000)},
	    .bucket = bucket,
	    .order = (uint32_t)d->exemplar_count};
	d->exemplar_count++;
	return 0;
}

/* By bucket, within one as they were sent. */
static int by_bucket(const void *a, const void *b)
{
	const struct otlp_exemplar *x = a, *y = b;

	if (x->bucket != y->bucket)
		return x->bucket < y->bucket ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

int otlp_exemplars_read(struct otlp *d, uint32_t (*bucket_of)(const struct otlp *d, double value))
{
	d->exemplar_count = d->exemplar_next = 0;
	for (size_t i = 0; i < d->exemplar_message_count; i++) {
		struct protobuf p = protobuf_inside(&d->p, d->exemplar_messages[i]);
		struct sent sent;
		struct slice labels;
		if (!read_sent(d, &p, &sent))
			return otlp_broken(d, &p);
		if (!sent.has_value) {
			d->rejects->exemplars++;
			int code = otlp_reject(d, "an exemplar was left out: it has no value");
			if (code != 0)
				return code;
			continue;
		}
		int code = make_labels(d, &sent, &labels);
		if (code > 0)
			code = add(d, &sent, labels, bucket_of(d, sent.value));
		if (code < 0)
			return code;
	}
	if (d->exemplar_count > 1)
		qsort(d->exemplars, d->exemplar_count, sizeof *d->exemplars, by_bucket);
	return 0;
}

int otlp_exemplars_of(struct otlp *d, uint32_t bucket, const struct sample_exemplar **out, uint32_t *count)
{
	size_t from = d->exemplar_next, to = from;

	*out = NULL;
	*count = 0;
	while (to < d->exemplar_count && d->exemplars[to].bucket <= bucket)
		to++;
	if (to == from)
		return 0;
	struct sample_exemplar *list = arena_alloc(&d->batch->arena, (to - from) * sizeof *list);
	if (list == NULL)
		return -ENOMEM;
	for (size_t i = from; i < to; i++)
		list[i - from] = d->exemplars[i].exemplar;
	d->exemplar_next = to;
	*out = list;
	*count = (uint32_t)(to - from);
	return 0;
}
