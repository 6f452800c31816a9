/* POST /v1/events: JSON events, answered with what became of each. */
#include <stdio.h>

#include "api/internal.h"
#include "base/clock.h"

static void put_rejected(struct buf *b, uint32_t n, uint32_t index, struct slice why)
{
	if (n > 0)
		buf_byte(b, ',');
	buf_str(b, "{\"index\":");
	buf_int(b, index);
	buf_str(b, ",\"error\":");
	buf_json_string(b, why);
	buf_byte(b, '}');
}

/* The decoder's and the filters' refusals, each in rising order of index, as one list of at most `room` bytes. Returns how many it names. */
static uint32_t put_rejects(struct buf *b, const struct ingest_rejects *r, const struct submission *s, size_t room)
{
	uint32_t i = 0, j = 0, n = 0;
	size_t start = b->len;
	while ((i < r->count || j < s->failed) && b->len - start < room) {
		bool decoder = j >= s->failed || (i < r->count && r->items[i].index < s->failures[j].index);
		if (decoder)
			put_rejected(b, n, r->items[i].index, r->items[i].text);
		else
			put_rejected(b, n, s->failures[j].index, s->failures[j].why);
		i += decoder;
		j += !decoder;
		n++;
	}
	return n;
}

/* Counts and refusals, in braces; of an answer that is no 200 behind the error. */
static void put_counts(struct intake *in, const struct ingest_rejects *r, int status, const char *why)
{
	const struct submission *s = &in->submission;
	struct buf *b = &in->reply;
	buf_byte(b, '{');
	if (status != 200) {
		http_error_member(b, status, slice_cstr(why));
		buf_byte(b, ',');
	}
	buf_str(b, "\"accepted\":");
	buf_int(b, s->accepted);
	buf_str(b, ",\"duplicate\":");
	buf_int(b, s->duplicate);
	buf_str(b, ",\"rejected\":[");
	uint32_t listed = put_rejects(b, r, s, ingest_rejects_room(in->body_len));
	buf_byte(b, ']');
	uint32_t unlisted = r->count + r->unlisted + s->failed - listed;
	if (unlisted > 0) {
		buf_str(b, ",\"unlisted\":");
		buf_int(b, unlisted);
	}
	buf_byte(b, '}');
}

static const char *why_nothing(const struct intake *in)
{
	return in->rejects.count + in->rejects.unlisted + in->submission.failed > 0
	           ? NOTHING_TAKEN "every event was refused"
	           : NOTHING_TAKEN "the body has no events";
}

static void reply_counts(struct intake *in)
{
	const struct submission *s = &in->submission;
	int status = s->accepted + s->duplicate > 0 ? 200 : 400;
	struct buf *b = &in->reply;
	put_counts(in, &in->rejects, status, why_nothing(in));
	if (buf_failed(b)) {
		/* The records are in all the same; a client that repeats them because of this answer is recognised by their ids. */
		http_reply_error(in->req, 503, 1, "out of memory for the answer");
		return;
	}
	struct http_reply reply = {
	    .status = status,
	    .body = buf_slice(b),
	};
	http_reply(in->req, &reply);
}

static int decode(struct intake *in, struct slice body, struct error *err)
{
	struct batch *b = in->submission.batch;
	struct slice header = http_request_header(in->req, "traceparent");
	struct ingest_traceparent from;
	int code = ingest_events_json(b, body, clock_wall_ns(), &in->api->limits, &in->rejects, err);
	if (code != 0 || header.len == 0)
		return code;
	if (ingest_traceparent(header, &from))
		return ingest_events_join(b, &from);
	intake_count_refused(in->api, REFUSED_TRACEPARENTS, 1);
	return 0;
}

/* The body was refused as a whole: the answer has the shape of every other, and names the event in which the error lies, where it lies in one. */
static void reply_refused(struct intake *in, int status, const struct error *err)
{
	struct ingest_rejects *r = &in->rejects;
	char why[sizeof err->text + sizeof NOTHING_TAKEN];
	snprintf(why, sizeof why, NOTHING_TAKEN "%s", err->text);
	struct ingest_reject broken = {r->event, slice_cstr(err->text)};
	struct ingest_rejects only = {.items = &broken, .count = status == 400 && r->in_event};
	struct http_reply reply = {.status = status};
	put_counts(in, &only, status, why);
	reply.body = buf_slice(&in->reply);
	if (buf_failed(&in->reply))
		http_reply_error(in->req, 503, 1, NOTHING_TAKEN "out of memory");
	else
		http_reply(in->req, &reply);
}

static const struct intake_way way = {
    .kind = INTAKE_RECORDS,
    .records = REFUSED_EVENTS,
    .decode = decode,
    .reply = reply_counts,
    .refused = reply_refused,
    .fail = intake_fail,
};

void api_post_events(void *ctx, struct http_request *req)
{
	intake_post(ctx, req, &way);
}
