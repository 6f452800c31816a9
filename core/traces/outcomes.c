/* What was decided and is not in the spans themselves, as bytes (FORMAT.md). */
#include <errno.h>

#include "base/bytes.h"
#include "base/varint.h"
#include "traces/internal.h"

static void put_value(struct buf *out, const struct value *v)
{
	buf_byte(out, (char)v->type);
	if (v->type == VALUE_BOOL)
		buf_byte(out, v->boolean);
	else if (v->type == VALUE_INT || v->type == VALUE_DOUBLE)
		bytes_put_u64(out, (uint64_t)v->integer); /* of a double its bits */
	else if (v->type == VALUE_STRING)
		bytes_put_slice(out, slice_new(v->str, v->len));
}

void outcome_put(struct traces *t, const struct outcome *o)
{
	struct buf *out = &t->outcomes;

	buf_byte(out, (char)o->kind);
	buf_append(out, o->id, sizeof o->id);
	if (o->kind != OUTCOME_ANNOTATED)
		return;
	bytes_put_u32(out, o->span);
	bytes_put_u64(out, o->span_id);
	bytes_put_slice(out, o->name);
	put_value(out, &o->value);
}

static bool get_value(struct slice *from, struct value *out)
{
	uint8_t type, boolean;
	struct slice text;
	uint64_t bits;

	*out = (struct value){.integer = 0};
	if (!bytes_get_u8(from, &type))
		return false;
	out->type = type;
	if (type == VALUE_BOOL) {
		if (!bytes_get_u8(from, &boolean) || boolean > 1)
			return false;
		out->boolean = boolean != 0;
		return true;
	}
	if (type == VALUE_INT || type == VALUE_DOUBLE) {
		if (!bytes_get_u64(from, &bits))
			return false;
		out->integer = (int64_t)bits;
		return true;
	}
	if (type != VALUE_STRING || !bytes_get_slice(from, &text))
		return false;
	out->str = text.ptr;
	out->len = (uint32_t)text.len;
	return true;
}

bool outcome_get(struct slice *from, struct outcome *out)
{
	uint8_t kind;
	struct slice id;

	*out = (struct outcome){.span = 0};
	if (!bytes_get_u8(from, &kind) || kind < OUTCOME_DROPPED || kind > OUTCOME_ANNOTATED ||
	    !bytes_get_bytes(from, sizeof out->id, &id))
		return false;
	out->kind = kind;
	memcpy(out->id, id.ptr, sizeof out->id);
	return kind != OUTCOME_ANNOTATED ||
	       (bytes_get_u32(from, &out->span) && bytes_get_u64(from, &out->span_id) &&
	        bytes_get_slice(from, &out->name) && out->name.len > 0 && get_value(from, &out->value));
}

int traces_outcomes(struct traces *t, struct buf *out)
{
	bool lost = buf_failed(&t->outcomes);

	buf_slice_append(out, lost ? SLICE("") : buf_slice(&t->outcomes));
	buf_reset(&t->outcomes);
	return lost || buf_failed(out) ? -ENOMEM : 0;
}
