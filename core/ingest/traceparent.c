/* The header traceparent of W3C's Trace Context: version "-" trace-id "-" parent-id "-" trace-flags, in hexadecimal digits of lower case. */
#include <errno.h>

#include "base/hash.h"
#include "base/hex.h"
#include "ingest/ingest.h"

enum { TRACE_AT = 3, PARENT_AT = 36, FLAGS_AT = 53, LENGTH = 55 };

static bool is_hex(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (hex_digit((unsigned char)s.ptr[i]) < 0 || (s.ptr[i] >= 'A' && s.ptr[i] <= 'F'))
			return false;
	}
	return true;
}

/* Digits that are not all 0. */
static bool is_id(struct slice s)
{
	size_t zeros = 0;

	while (zeros < s.len && s.ptr[zeros] == '0')
		zeros++;
	return zeros < s.len && is_hex(s);
}

bool ingest_traceparent(struct slice header, struct ingest_traceparent *out)
{
	const char *at = header.ptr;

	if (header.len < LENGTH || at[2] != '-' || at[PARENT_AT - 1] != '-' || at[FLAGS_AT - 1] != '-')
		return false;
	struct slice version = slice_new(at, 2);
	if (!is_hex(version) || slice_eq(version, SLICE("ff")))
		return false;
	/* Version 00 has nothing behind the flags; later ones may, behind a hyphen. */
	bool is_first = slice_eq(version, SLICE("00"));
	if (header.len > LENGTH && (is_first || at[LENGTH] != '-'))
		return false;
	out->trace_id = slice_new(at + TRACE_AT, INGEST_TRACE_DIGITS);
	out->parent_id = slice_new(at + PARENT_AT, INGEST_SPAN_DIGITS);
	return is_id(out->trace_id) && is_id(out->parent_id) && is_hex(slice_new(at + FLAGS_AT, 2));
}

static bool has(const struct record *r, struct slice name)
{
	const struct value *v = record_get(r, name, hash_bytes(name.ptr, name.len, hash_seed()));

	return v != NULL && v->type != VALUE_NULL;
}

static int set(struct record *r, struct slice name, struct slice text)
{
	struct value v = {.str = text.ptr, .len = (uint32_t)text.len, .type = VALUE_STRING};

	return record_set(r, name, v);
}

/* Whoever sends its own span's id in the header, as one that reports what it did itself, is not its own parent. */
static bool is_span(const struct record *r, struct slice id)
{
	const struct value *own = record_known(r, KNOWN_SPAN_ID);

	return own != NULL && own->type == VALUE_STRING && slice_eq(slice_new(own->str, own->len), id);
}

int ingest_events_join(struct batch *b, const struct ingest_traceparent *from)
{
	struct slice trace = arena_copy(&b->arena, from->trace_id), parent = arena_copy(&b->arena, from->parent_id);

	if (trace.ptr == NULL || parent.ptr == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < b->count; i++) {
		struct record *r = &b->records[i];
		if (record_known(r, KNOWN_TRACE_ID) != NULL)
			continue;
		int code = set(r, SLICE("trace_id"), trace);
		if (code == 0 && !has(r, SLICE("parent_span_id")) && !is_span(r, parent))
			code = set(r, SLICE("parent_span_id"), parent);
		if (code == -ENOMEM)
			return code;
	}
	return 0;
}
