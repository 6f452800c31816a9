/* Attributes of OpenTelemetry, and their values as text. */
#include "ingest/otlp_value.h"

#include <math.h>

enum { FIELD_KEY = 1, FIELD_VALUE = 2, FIELD_VALUES = 1 };

/* An AnyValue, over what was read of it before. The last of its fields counts, as for any oneof. */
static bool read_value(struct protobuf *p, struct slice message, struct otlp_value *out)
{
	struct protobuf in = protobuf_inside(p, message);

	for (struct protobuf_field f = {0}; protobuf_next(&in, &f);) {
		bool fine = true;
		if (f.number == OTLP_STRING || (f.number >= OTLP_ARRAY && f.number <= OTLP_BYTES))
			fine = protobuf_is(&in, &f, PROTOBUF_BYTES);
		else if (f.number == OTLP_BOOL || f.number == OTLP_INT)
			fine = protobuf_is(&in, &f, PROTOBUF_VARINT);
		else if (f.number == OTLP_DOUBLE)
			fine = protobuf_is(&in, &f, PROTOBUF_FIXED64);
		else
			continue;
		if (!fine)
			break;
		out->type = (enum otlp_type)f.number;
		out->bytes = f.bytes;
		out->integer = f.number == OTLP_BOOL ? f.value != 0 : (int64_t)f.value;
		out->number = f.number == OTLP_DOUBLE ? protobuf_double(&f) : 0;
	}
	if (in.error != NULL)
		*p = in;
	return in.error == NULL;
}

/* A KeyValue; lists and maps in it are not looked into. */
static bool read_pair(struct protobuf *p, struct slice message, struct otlp_attribute *out)
{
	struct protobuf in = protobuf_inside(p, message);

	*out = (struct otlp_attribute){0};
	for (struct protobuf_field f = {0}; protobuf_next(&in, &f);) {
		if (f.number == FIELD_KEY && protobuf_is(&in, &f, PROTOBUF_BYTES))
			out->key = f.bytes;
		else if (f.number == FIELD_VALUE && protobuf_is(&in, &f, PROTOBUF_BYTES))
			read_value(&in, f.bytes, &out->value);
	}
	if (in.error != NULL)
		*p = in;
	return in.error == NULL;
}

/* The lists and maps within each other that are being read. */
struct levels {
	struct protobuf at[OTLP_VALUE_DEPTH_MAX + 1];
	enum otlp_type type[OTLP_VALUE_DEPTH_MAX + 1];
	uint32_t depth;
};

static bool is_nested(const struct otlp_value *v)
{
	return v->type == OTLP_ARRAY || v->type == OTLP_MAP;
}

static void push(struct levels *l, const struct protobuf *p, const struct otlp_value *v)
{
	l->type[l->depth] = v->type;
	l->at[l->depth++] = protobuf_inside(p, v->bytes);
}

/* The next item of the innermost list or map. 1: there it is; 0: there is none; −1: an error, in the level's reader. */
static int next_item(struct levels *l, struct otlp_attribute *out)
{
	struct protobuf *p = &l->at[l->depth - 1];
	bool map = l->type[l->depth - 1] == OTLP_MAP;

	for (struct protobuf_field f = {0}; protobuf_next(p, &f);) {
		if (f.number != FIELD_VALUES)
			continue;
		if (!protobuf_is(p, &f, PROTOBUF_BYTES))
			break;
		*out = (struct otlp_attribute){0};
		bool fine = map ? read_pair(p, f.bytes, out) : read_value(p, f.bytes, &out->value);
		return fine ? 1 : -1;
	}
	return p->error == NULL ? 0 : -1;
}

/* Goes over a list or map to its end. */
static bool check_nested(struct protobuf *p, const struct otlp_value *v)
{
	struct levels l;
	struct otlp_attribute item;

	l.depth = 0;
	push(&l, p, v);
	while (l.depth > 0) {
		int more = next_item(&l, &item);
		if (more < 0) {
			*p = l.at[l.depth - 1];
			return false;
		}
		if (more == 0)
			l.depth--;
		else if (is_nested(&item.value) && l.depth <= OTLP_VALUE_DEPTH_MAX)
			push(&l, p, &item.value);
	}
	return true;
}

/* What most attributes are: a key and a short string, in order and with nothing else, each length one byte. False for all others, also the malformed. */
static inline bool read_plain(struct slice message, struct otlp_attribute *out)
{
	enum { TAG_KEY = 0x0a, TAG_VALUE = 0x12, TAG_STRING = 0x0a, SHORT = 0x80, HEADS = 6 };
	const unsigned char *at = (const unsigned char *)message.ptr;

	if (message.len < HEADS || at[0] != TAG_KEY || at[1] >= SHORT || at[1] > message.len - HEADS)
		return false;
	size_t key = at[1], text = message.len - key - HEADS;
	const unsigned char *value = at + 2 + key;
	if (value[0] != TAG_VALUE || value[1] != text + 2 || value[1] >= SHORT || value[2] != TAG_STRING ||
	    value[3] != text)
		return false;
	out->key = slice_new(message.ptr + 2, key);
	out->value = (struct otlp_value){.type = OTLP_STRING, .bytes = slice_new((const char *)value + 4, text)};
	return true;
}

bool otlp_attribute_read(struct protobuf *p, struct slice message, struct otlp_attribute *out)
{
	if (read_plain(message, out))
		return true;
	return read_pair(p, message, out) && (!is_nested(&out->value) || check_nested(p, &out->value));
}

bool otlp_attribute_peek(struct protobuf *p, struct slice message, struct otlp_attribute *out)
{
	return read_plain(message, out) || read_pair(p, message, out);
}

bool otlp_value_peek(struct protobuf *p, struct slice message, struct otlp_value *out)
{
	*out = (struct otlp_value){0};
	return read_value(p, message, out);
}

/* ---- as text ---- */

void otlp_append_base64(struct buf *to, struct slice s)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < s.len; i += 3) {
		uint32_t three = (uint32_t)(unsigned char)s.ptr[i] << 16;
		if (i + 1 < s.len)
			three |= (uint32_t)(unsigned char)s.ptr[i + 1] << 8;
		if (i + 2 < s.len)
			three |= (unsigned char)s.ptr[i + 2];
		buf_byte(to, digits[three >> 18]);
		buf_byte(to, digits[three >> 12 & 63]);
		buf_byte(to, i + 1 < s.len ? digits[three >> 6 & 63] : '=');
		buf_byte(to, i + 2 < s.len ? digits[three & 63] : '=');
	}
}

static void append_double(struct buf *to, double v)
{
	if (isfinite(v))
		buf_json_number(to, v);
	else
		buf_str(to, isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
}

/* What is neither a list nor a map. In JSON, texts and what JSON has no number for are quoted. */
static void append_plain(struct buf *to, const struct otlp_value *v, bool json)
{
	bool quoted = json && (v->type == OTLP_BYTES || (v->type == OTLP_DOUBLE && !isfinite(v->number)));

	if (quoted)
		buf_byte(to, '"');
	if (v->type == OTLP_STRING && json)
		buf_json_string(to, v->bytes);
	else if (v->type == OTLP_STRING)
		buf_slice_append(to, v->bytes);
	else if (v->type == OTLP_BOOL)
		buf_str(to, v->integer != 0 ? "true" : "false");
	else if (v->type == OTLP_INT)
		buf_int(to, v->integer);
	else if (v->type == OTLP_DOUBLE)
		append_double(to, v->number);
	else if (v->type == OTLP_BYTES)
		otlp_append_base64(to, v->bytes);
	else if (json)
		buf_str(to, "null");
	if (quoted)
		buf_byte(to, '"');
}

bool otlp_value_text(struct buf *to, const struct otlp_value *v)
{
	const struct protobuf nowhere = {0};
	struct levels l;
	struct otlp_attribute item;

	if (!is_nested(v)) {
		append_plain(to, v, false);
		return true;
	}
	l.depth = 0;
	push(&l, &nowhere, v);
	buf_byte(to, v->type == OTLP_MAP ? '{' : '[');
	for (bool first = true; l.depth > 0;) {
		enum otlp_type type = l.type[l.depth - 1];
		bool comma = !first;
		first = false;
		if (next_item(&l, &item) <= 0) {
			buf_byte(to, type == OTLP_MAP ? '}' : ']');
			l.depth--;
			continue;
		}
		if (comma)
			buf_byte(to, ',');
		if (type == OTLP_MAP) {
			buf_json_string(to, item.key);
			buf_byte(to, ':');
		}
		if (!is_nested(&item.value)) {
			append_plain(to, &item.value, true);
			continue;
		}
		if (l.depth == OTLP_VALUE_DEPTH_MAX)
			return false;
		push(&l, &nowhere, &item.value);
		buf_byte(to, item.value.type == OTLP_MAP ? '{' : '[');
		first = true;
	}
	return true;
}
