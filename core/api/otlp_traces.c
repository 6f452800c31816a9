/* POST /v1/traces: OTLP/HTTP, traces. Protocol Buffers or JSON by Content-Type, and the answer in the same.
 *
 * Answers as those of POST /v1/metrics (otlp_metrics.c). Rejected spans are those that the decoder or a filter refused; what a filter dropped was taken, and so was a span that is known. */
#include "api/internal.h"
#include "api/otlp_reply.h"
#include "base/utf8.h"

enum {
	LISTED_BYTES = 900, /* no further refusal is begun behind so many bytes: senders log the beginning */
	REASON_BYTES = 300
};

static const char rejected_name[] = "rejectedSpans";

static void put_reason(struct buf *out, uint32_t listed, struct slice text)
{
	struct slice cut = utf8_cut(text, REASON_BYTES);

	buf_str(out, listed == 0 ? ": " : "; ");
	buf_slice_append(out, cut);
	if (cut.len < text.len)
		buf_str(out, "…");
}

/* What a filter says of a span has to be told which one it is. */
static void put_failure(struct buf *out, uint32_t listed, const struct submission_failure *f)
{
	buf_printf(out, "%sspan %u: ", listed == 0 ? ": " : "; ", f->index);
	buf_slice_append(out, utf8_cut(f->why, REASON_BYTES));
}

static void put_rejects(struct intake *in, uint64_t rejected)
{
	const struct ingest_rejects *r = &in->rejects;
	const struct submission *s = &in->submission;
	struct buf *out = &in->reply;
	uint32_t listed = 0;

	buf_printf(out, "%llu span%s refused", (unsigned long long)rejected, rejected == 1 ? " was" : "s were");
	size_t begin = out->len;
	for (uint32_t i = 0; i < r->count && out->len - begin < LISTED_BYTES; i++)
		put_reason(out, listed++, r->items[i].text);
	for (uint32_t i = 0; i < s->failed && out->len - begin < LISTED_BYTES; i++)
		put_failure(out, listed++, &s->failures[i]);
	if (listed < rejected)
		buf_str(out, "; and more");
}

static void reply_taken(struct intake *in)
{
	const struct ingest_rejects *r = &in->rejects;
	uint64_t rejected = (uint64_t)r->count + r->unlisted + in->submission.failed;

	if (rejected == 0) {
		otlp_reply_taken(in->req, rejected_name, 0, SLICE(""));
		return;
	}
	put_rejects(in, rejected);
	otlp_reply_taken(in->req, rejected_name, rejected,
	                 buf_failed(&in->reply) ? SLICE("not everything was taken") : buf_slice(&in->reply));
}

static void reply_refused(struct intake *in, int status, const struct error *err)
{
	buf_str(&in->reply, NOTHING_TAKEN);
	buf_str(&in->reply, err->text);
	otlp_reply_error(in->req, status, 0, buf_slice(&in->reply));
}

/* A full disk too: senders do not try again after 507. */
static void reply_failed(struct http_request *req, const struct intake_failure *f)
{
	otlp_reply_error(req, 503, f->retry_after_s, slice_cstr(f->why));
}

static int decode(struct intake *in, struct slice body, struct error *err)
{
	struct batch *b = in->submission.batch;

	if (otlp_encoding_of(in->req) == OTLP_PROTOBUF)
		return ingest_otlp_traces_protobuf(b, body, &in->api->span_limits, &in->rejects, err);
	return ingest_otlp_traces_json(b, body, &in->api->span_limits, &in->rejects, err);
}

static const struct intake_way way = {
    .kind = INTAKE_RECORDS,
    .records = REFUSED_SPANS,
    .decode = decode,
    .reply = reply_taken,
    .refused = reply_refused,
    .fail = reply_failed,
};

void api_post_otlp_traces(void *ctx, struct http_request *req)
{
	if (otlp_encoding_of(req) != OTLP_NEITHER)
		intake_post(ctx, req, &way);
	else
		otlp_reply_unsupported(req);
}
