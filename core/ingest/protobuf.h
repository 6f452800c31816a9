/* A pull reader of Protocol Buffers' wire format: takes one field after the other off bytes in memory. Nothing is copied or allocated, nothing is recursive: a message within a message is entered by
 * the caller, whose own structure bounds the depth. Private to ingest/.
 *
 *   struct protobuf p = protobuf_begin(body);
 *   for (struct protobuf_field f = {0}; protobuf_next(&p, &f);) {
 *           if (f.number == 1 && protobuf_is(&p, &f, PROTOBUF_BYTES)) {
 *                   const char *outer = protobuf_enter(&p, &f);
 *                   while (protobuf_next(&p, &g)) …
 *                   protobuf_leave(&p, outer);
 *           }
 *   }
 *   if (p.error != NULL)    at byte protobuf_offset(&p) …
 *
 * Unknown fields are passed over by not being looked at. Refused are: groups, field number 0, a known field of another wire type than it has, a varint of more than 64 bits, whatever ends too early. The
 * first error stays: from then on there is no next field, at any depth. */
#ifndef MOONGATE_INGEST_PROTOBUF_H
#define MOONGATE_INGEST_PROTOBUF_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/slice.h"

/* The numbers are those of the wire. */
enum protobuf_type { PROTOBUF_VARINT = 0, PROTOBUF_FIXED64 = 1, PROTOBUF_BYTES = 2, PROTOBUF_FIXED32 = 5 };

struct protobuf {
	const char *begin; /* of the whole body */
	const char *at;    /* the next field, or where the error is */
	const char *end;   /* of the message at hand */
	const char *error; /* what is wrong, without its place; NULL: nothing */
};

struct protobuf_field {
	uint32_t number;
	uint32_t type;      /* enum protobuf_type */
	uint64_t value;     /* of a varint or a fixed number, its bits */
	struct slice bytes; /* of PROTOBUF_BYTES, in the body */
};

static inline struct protobuf protobuf_begin(struct slice body)
{
	const char *end = body.len == 0 ? body.ptr : body.ptr + body.len;
	return (struct protobuf){body.ptr, body.ptr, end, NULL};
}

/* A reader of its own over some of p's bytes, for what is read by itself or more than once. Its offsets are those of the whole body. */
static inline struct protobuf protobuf_inside(const struct protobuf *p, struct slice bytes)
{
	const char *end = bytes.len == 0 ? bytes.ptr : bytes.ptr + bytes.len;
	return (struct protobuf){p->begin, bytes.ptr, end, NULL};
}

static inline size_t protobuf_offset(const struct protobuf *p)
{
	return (size_t)(p->at - p->begin);
}

/* Remembers the first error; returns false. */
static inline bool protobuf_fail(struct protobuf *p, const char *error)
{
	if (p->error == NULL)
		p->error = error;
	return false;
}

/* Private to protobuf_varint: any varint. */
static inline bool protobuf_long_varint(struct protobuf *p, uint64_t *out)
{
	const char *at = p->at;
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		if (at >= p->end)
			return protobuf_fail(p, "a number is cut off");
		uint64_t byte = (unsigned char)*at++;
		if (shift == 63 && byte > 1)
			break;
		v |= (byte & 0x7f) << shift;
		if (byte < 0x80) {
			p->at = at;
			*out = v;
			return true;
		}
	}
	return protobuf_fail(p, "a number has more than 64 bits");
}

/* A varint. Within an entered field: the next of a packed list, as long as at < end. Most have one byte or two. */
static inline bool protobuf_varint(struct protobuf *p, uint64_t *out)
{
	if (p->at < p->end && (unsigned char)*p->at < 0x80) {
		*out = (unsigned char)*p->at++;
		return true;
	}
	if (p->end - p->at >= 2 && (unsigned char)p->at[1] < 0x80) {
		*out = ((unsigned char)p->at[0] & 0x7fU) | (uint64_t)(unsigned char)p->at[1] << 7;
		p->at += 2;
		return true;
	}
	return protobuf_long_varint(p, out);
}

/* A little-endian number of 4 or 8 bytes. Within an entered field as protobuf_varint. */
static inline bool protobuf_fixed(struct protobuf *p, size_t width, uint64_t *out)
{
	if ((size_t)(p->end - p->at) < width)
		return protobuf_fail(p, "a number is cut off");
	*out = 0;
	memcpy(out, p->at, width);
	if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
		*out = __builtin_bswap64(*out) >> (64 - 8 * width);
	p->at += width;
	return true;
}

/* A length and so many bytes. The length is compared with what is there before anything else is done with it. */
static inline bool protobuf_bytes(struct protobuf *p, struct slice *out)
{
	uint64_t len = 0;

	if (!protobuf_varint(p, &len))
		return false;
	if (len > (uint64_t)(p->end - p->at))
		return protobuf_fail(p, "a field is longer than what it stands in");
	*out = slice_new(p->at, len);
	p->at += len;
	return true;
}

/* The next field of the message at hand. False: there is none, or an error. */
static inline bool protobuf_next(struct protobuf *p, struct protobuf_field *f)
{
	uint64_t tag = 0;

	if (p->at >= p->end || p->error != NULL)
		return false;
	const char *begin = p->at;
	if (!protobuf_varint(p, &tag))
		return false;
	f->number = (uint32_t)(tag >> 3);
	f->type = (uint32_t)tag & 7;
	if (f->number != 0 && tag <= UINT32_MAX) {
		switch (f->type) {
		case PROTOBUF_VARINT:
			return protobuf_varint(p, &f->value);
		case PROTOBUF_FIXED64:
			return protobuf_fixed(p, 8, &f->value);
		case PROTOBUF_BYTES:
			return protobuf_bytes(p, &f->bytes);
		case PROTOBUF_FIXED32:
			return protobuf_fixed(p, 4, &f->value);
		default:
			break;
		}
	}
	p->at = begin;
	return protobuf_fail(p, f->number == 0 || tag > UINT32_MAX ? "a field has a number that none can have"
	                        : f->type == 3 || f->type == 4     ? "groups are not taken"
	                                                           : "a field has a wire type that there is not");
}

/* Has this field, which is known, the type that it should have? Else it is an error. */
static inline bool protobuf_is(struct protobuf *p, const struct protobuf_field *f, enum protobuf_type type)
{
	return f->type == (uint32_t)type || protobuf_fail(p, "a field has another wire type than it should have");
}

/* Makes the bytes of a field (a message, a packed list) what is read next; protobuf_leave goes back behind it, once they are read or an error was met. */
static inline const char *protobuf_enter(struct protobuf *p, const struct protobuf_field *f)
{
	const char *outer = p->end;

	p->at = f->bytes.ptr;
	p->end = f->bytes.ptr + f->bytes.len;
	return outer;
}

static inline void protobuf_leave(struct protobuf *p, const char *outer)
{
	if (p->error == NULL)
		p->at = p->end;
	p->end = outer;
}

static inline double protobuf_double(const struct protobuf_field *f)
{
	double v;

	memcpy(&v, &f->value, sizeof v);
	return v;
}

#endif
