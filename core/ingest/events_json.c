/* Bodies of JSON events (the contract is in ingest.h): one object, an array, or lines; each event is read by events_record.c. */
#include <errno.h>

#include "base/mem.h"
#include "ingest/events.h"

static int syntax_error(const struct decoder *d, const char *start, struct error *err)
{
	return error_set(err, -EINVAL, "byte %zu: %s", (size_t)(d->j.at - start), d->j.error);
}

static int too_many(const struct decoder *d, struct error *err)
{
	return error_set(err, -EFBIG, "the body has more than %u events", d->limits->events);
}

/* Reading an event failed, and with it the body. */
static int fail(const struct decoder *d, int code, const char *start, struct error *err)
{
	if (code != -EINVAL)
		return error_set(err, code, "out of memory");
	d->rejects->in_event = d->event < d->j.end; /* at the end none had begun */
	d->rejects->event = d->index;
	return syntax_error(d, start, err);
}

static int read_array_body(struct decoder *d, const char *start, struct error *err)
{
	d->j.at++;
	json_space(&d->j);
	if (d->j.at < d->j.end && *d->j.at == ']') {
		d->j.at++;
	} else {
		for (;; d->index++) {
			if (d->index == d->limits->events)
				return too_many(d, err);
			json_space(&d->j);
			int code = events_read_event(d);
			if (code != 0)
				return fail(d, code, start, err);
			json_space(&d->j);
			if (d->j.at < d->j.end && *d->j.at == ',') {
				d->j.at++;
				continue;
			}
			if (!json_take(&d->j, ']', "',' or ']' was wanted"))
				return syntax_error(d, start, err);
			break;
		}
	}
	json_space(&d->j);
	if (d->j.at == d->j.end)
		return 0;
	json_fail(&d->j, "nothing more was wanted after the array");
	return syntax_error(d, start, err);
}

/* A line of NDJSON that is no JSON is refused alone, with what it had begun. */
static int refuse_line(struct decoder *d, const char *line, uint32_t records)
{
	d->batch->count = records;
	arena_rewind(&d->batch->arena, d->mark);
	return ingest_reject_add(d->rejects, &d->batch->names, d->index, "byte %zu of the line: %s",
	                         (size_t)(d->j.at - line), d->j.error);
}

/* To what the list was before. */
static void take_back(struct ingest_rejects *r, const struct ingest_rejects *before)
{
	r->count = before->count;
	r->unlisted = before->unlisted;
	r->room = before->room;
}

static int read_line(struct decoder *d, const char *line, const char *line_end)
{
	uint32_t records = d->batch->count;
	struct ingest_rejects before = *d->rejects;
	d->j.at = line;
	d->j.end = line_end;
	int code = events_read_event(d);
	if (code == -EINVAL)
		return refuse_line(d, line, records);
	if (code != 0)
		return code;
	json_space(&d->j);
	if (d->j.at == line_end)
		return 0;
	take_back(d->rejects, &before);
	json_fail(&d->j, "nothing more was wanted after the event");
	return refuse_line(d, line, records);
}

static int read_lines(struct decoder *d, const char *at, const char *end, struct error *err)
{
	while (at < end) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		if (line_end == NULL)
			line_end = end;
		while (at < line_end && json_is_space(*at))
			at++;
		if (at < line_end) {
			if (d->index == d->limits->events)
				return too_many(d, err);
			int code = read_line(d, at, line_end);
			if (code != 0)
				return error_set(err, code, "out of memory");
			d->index++;
		}
		at = line_end + 1;
	}
	return 0;
}

/* Does a later line begin with an object? Then the body may be NDJSON with a bad first line. */
static bool looks_like_lines(const char *at, const char *end)
{
	for (const char *eol = memchr(at, '\n', (size_t)(end - at)); eol != NULL && eol + 1 < end;
	     eol = memchr(eol + 1, '\n', (size_t)(end - eol - 1))) {
		if (eol[1] == '{')
			return true;
	}
	return false;
}

/* One object is tried first, however it is spread over lines: only what is none can be lines. */
static int read_object_body(struct decoder *d, const char *start, struct error *err)
{
	const char *first = d->j.at;
	const char *end = d->j.end;
	struct ingest_rejects before = *d->rejects;
	int code = events_read_event(d);
	if (code != 0 && (code != -EINVAL || !looks_like_lines(first, end)))
		return fail(d, code, start, err);
	if (code == 0)
		json_space(&d->j);
	if (code == 0 && d->j.at == end)
		return 0;
	d->batch->count = 0;
	arena_rewind(&d->batch->arena, d->mark);
	take_back(d->rejects, &before);
	return read_lines(d, first, end, err);
}

static int read_body(struct decoder *d, struct slice body, struct error *err)
{
	if (body.len >= 3 && memcmp(body.ptr, "\xef\xbb\xbf", 3) == 0)
		d->j.at += 3; /* a byte order mark, which RFC 8259 lets parsers ignore */
	json_space(&d->j);
	if (d->j.at == d->j.end)
		return error_set(err, -EINVAL,
		                 "the body is empty; an event, an array of events, or one event a line was wanted");
	if (*d->j.at == '[')
		return read_array_body(d, body.ptr, err);
	if (*d->j.at == '{')
		return read_object_body(d, body.ptr, err);
	json_fail(&d->j, "'{' or '[' was wanted");
	return syntax_error(d, body.ptr, err);
}

int ingest_events_json(struct batch *b, struct slice body, int64_t arrival_ns, const struct ingest_limits *limits,
                       struct ingest_rejects *rejects, struct error *err)
{
	struct decoder d = {
	    .j = {.at = body.ptr, .end = body.ptr + body.len},
	    .batch = b,
	    .limits = limits,
	    .rejects = rejects,
	    .arrival_ns = arrival_ns,
	};
	rejects->room = ingest_rejects_room(body.len);
	rejects->in_event = false;
	int code = read_body(&d, body, err);
	mem_free(d.names);
	mem_free(d.stack);
	mem_free(d.seen);
	mem_free(d.keys);
	return code;
}
