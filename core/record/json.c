/* Records and values as compact JSON. */
#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "record/record.h"

static void put_fields(struct buf *out, const struct batch *b, uint32_t shape, const struct value *values, bool comma)
{
	const struct shape *s = &b->shapes[shape];
	for (uint32_t i = 0; i < s->count; i++) {
		if (comma || i > 0)
			buf_byte(out, ',');
		buf_json_string(out, b->keys[s->keys[i]].name);
		buf_byte(out, ':');
		value_json(out, b, &values[i]);
	}
}

static void put_array(struct buf *out, const struct batch *b, const struct value *v)
{
	buf_byte(out, '[');
	for (uint32_t i = 0; i < v->len; i++) {
		if (i > 0)
			buf_byte(out, ',');
		value_json(out, b, &v->items[i]);
	}
	buf_byte(out, ']');
}

/* A double keeps its kind: 3.0 is not written as 3, so that reading it back gives a double again. */
static void put_double(struct buf *out, double d)
{
	size_t start = out->len;
	buf_json_number(out, d);
	if (buf_failed(out))
		return;
	for (size_t i = start; i < out->len; i++) {
		char c = out->ptr[i];
		if (c == '.' || c == 'e' || c == 'n')
			return;
	}
	buf_str(out, ".0");
}

void value_json(struct buf *out, const struct batch *b, const struct value *v)
{
	switch ((enum value_type)v->type) {
	case VALUE_NULL:
		buf_str(out, "null");
		return;
	case VALUE_BOOL:
		buf_str(out, v->boolean ? "true" : "false");
		return;
	case VALUE_INT:
		buf_int(out, v->integer);
		return;
	case VALUE_DOUBLE:
		put_double(out, v->number);
		return;
	case VALUE_STRING:
		buf_json_string(out, slice_new(v->str, v->len));
		return;
	case VALUE_ARRAY:
		put_array(out, b, v);
		return;
	case VALUE_OBJECT:
		buf_byte(out, '{');
		put_fields(out, b, v->object->shape, v->object->values, false);
		buf_byte(out, '}');
		return;
	}
}

/* RFC 3339 with as many digits of the second as it takes: milliseconds, else nanoseconds. */
static void put_time(struct buf *out, int64_t ns)
{
	char text[32];
	int len = clock_format_rfc3339(ns, text);
	int64_t fraction = ns % NS_PER_S;
	buf_byte(out, '"');
	if (fraction % NS_PER_MS == 0) {
		buf_append(out, text, (size_t)len);
	} else {
		buf_append(out, text, 20); /* up to and with the point */
		buf_printf(out, "%09lldZ", (long long)fraction);
	}
	buf_byte(out, '"');
}

void record_json(struct buf *out, const struct record *r)
{
	buf_str(out, "{\"type\":");
	buf_json_string(out, record_type_name(r));
	buf_str(out, ",\"time\":");
	put_time(out, r->time_ns);
	put_fields(out, r->batch, r->shape, r->values, true);
	buf_byte(out, '}');
}
