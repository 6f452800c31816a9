/* Prometheus's remote read: the request (prometheus.ReadRequest). */
#include <errno.h>

#include "ingest/ingest.h"
#include "ingest/protobuf.h"

enum {
	FIELD_QUERIES = 1,
	FIELD_ANSWERS = 2,
	FIELD_START = 1,
	FIELD_END = 2,
	FIELD_MATCHERS = 3,
	FIELD_TYPE = 1,
	FIELD_NAME = 2,
	FIELD_VALUE = 3
};

enum { ANSWER_SAMPLES = 0 }; /* of ReadRequest.ResponseType */

static bool read_matcher(struct protobuf *p, struct ingest_read_matcher *out)
{
	uint64_t type = 0;

	*out = (struct ingest_read_matcher){.op = MATCH_EQUAL, .name = SLICE(""), .value = SLICE("")};
	for (struct protobuf_field f = {0}; protobuf_next(p, &f);) {
		if (f.number == FIELD_TYPE && protobuf_is(p, &f, PROTOBUF_VARINT))
			type = f.value;
		else if (f.number == FIELD_NAME && protobuf_is(p, &f, PROTOBUF_BYTES))
			out->name = f.bytes;
		else if (f.number == FIELD_VALUE && protobuf_is(p, &f, PROTOBUF_BYTES))
			out->value = f.bytes;
	}
	if (type > MATCH_NOT_REGEX)
		return protobuf_fail(p, "a matcher has a type that is none");
	out->op = (enum matcher_op)type;
	return p->error == NULL;
}

/* How many fields of this number a message has. */
static uint32_t count_fields(struct protobuf p, uint32_t number)
{
	uint32_t count = 0;
	for (struct protobuf_field f = {0}; protobuf_next(&p, &f);)
		count += f.number == number && f.type == PROTOBUF_BYTES;
	return count;
}

static bool read_query(struct protobuf *p, struct arena *arena, struct ingest_read_query *out)
{
	uint32_t room = count_fields(*p, FIELD_MATCHERS);

	*out = (struct ingest_read_query){0};
	if (room > INGEST_READ_MATCHERS)
		return protobuf_fail(p, "a query has too many matchers");
	out->matchers = arena_alloc(arena, (room + (size_t)1) * sizeof *out->matchers);
	if (out->matchers == NULL)
		return false;
	for (struct protobuf_field f = {0}; protobuf_next(p, &f);) {
		if (f.number == FIELD_START && protobuf_is(p, &f, PROTOBUF_VARINT)) {
			out->start_ms = (int64_t)f.value;
		} else if (f.number == FIELD_END && protobuf_is(p, &f, PROTOBUF_VARINT)) {
			out->end_ms = (int64_t)f.value;
		} else if (f.number == FIELD_MATCHERS && protobuf_is(p, &f, PROTOBUF_BYTES)) {
			const char *outer = protobuf_enter(p, &f);
			if (!read_matcher(p, &out->matchers[out->matcher_count]))
				return false;
			out->matcher_count++;
			protobuf_leave(p, outer);
		}
	}
	return p->error == NULL;
}

/* Adds a type of answers that the client takes, or a packed list of them. */
static void read_answers(struct protobuf *p, const struct protobuf_field *f, bool *any, bool *samples)
{
	uint64_t type;

	if (f->type == PROTOBUF_VARINT) {
		*any = true;
		*samples |= f->value == ANSWER_SAMPLES;
		return;
	}
	if (!protobuf_is(p, f, PROTOBUF_BYTES))
		return;
	const char *outer = protobuf_enter(p, f);
	while (p->at < p->end && protobuf_varint(p, &type)) {
		*any = true;
		*samples |= type == ANSWER_SAMPLES;
	}
	protobuf_leave(p, outer);
}

int ingest_remote_read(struct slice body, struct arena *arena, struct ingest_read *out, struct error *err)
{
	struct protobuf p = protobuf_begin(body);
	uint32_t room = count_fields(p, FIELD_QUERIES);

	*out = (struct ingest_read){0};
	if (room > INGEST_READ_QUERIES)
		return error_set(err, -EINVAL, "more than %d queries", INGEST_READ_QUERIES);
	out->queries = arena_alloc(arena, (room + (size_t)1) * sizeof *out->queries);
	bool fine = out->queries != NULL, any = false, samples = false;
	for (struct protobuf_field f = {0}; fine && protobuf_next(&p, &f);) {
		if (f.number == FIELD_ANSWERS)
			read_answers(&p, &f, &any, &samples);
		if (f.number != FIELD_QUERIES || !protobuf_is(&p, &f, PROTOBUF_BYTES))
			continue;
		const char *outer = protobuf_enter(&p, &f);
		fine = read_query(&p, arena, &out->queries[out->count]);
		if (fine) {
			out->count++;
			protobuf_leave(&p, outer);
		}
	}
	if (p.error != NULL)
		return error_set(err, -EINVAL, "body at byte %zu: %s", protobuf_offset(&p), p.error);
	if (!fine)
		return error_set(err, -ENOMEM, "out of memory for the request");
	if (any && !samples)
		return error_set(err, -EINVAL, "there are answers of samples only, which the client does not take");
	return 0;
}
