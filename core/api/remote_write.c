/* POST /api/v1/write: Prometheus's remote_write, 1.0 and 2.0, told apart by Content-Type. What can be taken is taken.
 *
 * Answers as the specification of 2.0 has them, and as senders act on them: 204; 400 when something was refused for good, with the rest taken (a sender drops the body and logs the sentence); 415 (it
 * may try the other version); 5xx with Retry-After (it sends the same body again). What was written is counted in three headers, which senders of 2.0 ask for and those of 1.0 pass over. */
#include <errno.h>
#include <stdio.h>

#include "api/internal.h"
#include "api/refusals.h"
#include "base/header.h"

static const struct refusals_place place = {"series", 0};

/* What the three headers say; native histograms are not taken yet. */
struct written {
	uint64_t samples, exemplars;
};

static void reply(struct http_request *req, int status, int retry_after_s, const struct written *written,
                  struct slice message)
{
	char texts[3][24];
	struct buf body = {0};
	snprintf(texts[0], sizeof texts[0], "%llu", (unsigned long long)written->samples);
	snprintf(texts[1], sizeof texts[1], "%llu", (unsigned long long)written->exemplars);
	snprintf(texts[2], sizeof texts[2], "%d", retry_after_s);
	struct http_header headers[] = {
	    {"X-Prometheus-Remote-Write-Samples-Written", slice_cstr(texts[0])},
	    {"X-Prometheus-Remote-Write-Histograms-Written", SLICE("0")},
	    {"X-Prometheus-Remote-Write-Exemplars-Written", slice_cstr(texts[1])},
	    {"Retry-After", slice_cstr(texts[2])},
	};
	if (status != 204) {
		buf_byte(&body, '{');
		http_error_member(&body, status, message);
		buf_byte(&body, '}');
	}
	http_reply(req, &(struct http_reply){
	                    .status = status,
	                    .headers = headers,
	                    .header_count = retry_after_s > 0 ? 4 : 3,
	                    .body = buf_failed(&body) ? SLICE("") : buf_slice(&body),
	                });
	buf_free(&body);
}

static void reply_taken(struct intake *in)
{
	struct written written = {refusals_taken(in), in->submission.results.exemplars};
	if (!refusals_any(in)) {
		reply(in->req, 204, 0, &written, SLICE(""));
		return;
	}
	refusals_text(in, &place, &in->reply);
	/* Without memory for the reasons the answer is the same, but for them. */
	reply(in->req, 400, 0, &written,
	      buf_failed(&in->reply) ? SLICE("not everything was taken") : buf_slice(&in->reply));
}

static void reply_refused(struct intake *in, int status, const struct error *err)
{
	buf_str(&in->reply, NOTHING_TAKEN);
	buf_str(&in->reply, err->text);
	reply(in->req, status, 0, &(struct written){0}, buf_slice(&in->reply));
}

static void reply_failed(struct http_request *req, const struct intake_failure *f)
{
	reply(req, f->status, f->retry_after_s, &(struct written){0}, slice_cstr(f->why));
}

static int decode_1(struct intake *in, struct slice body, struct error *err)
{
	return ingest_remote_write(in->submission.samples, body, INGEST_REMOTE_WRITE_1, &in->api->sample_limits,
	                           &in->rejects, err);
}

static int decode_2(struct intake *in, struct slice body, struct error *err)
{
	return ingest_remote_write(in->submission.samples, body, INGEST_REMOTE_WRITE_2, &in->api->sample_limits,
	                           &in->rejects, err);
}

static const struct intake_way way_1 = {
    .kind = INTAKE_SAMPLES,
    .decode = decode_1,
    .reply = reply_taken,
    .refused = reply_refused,
    .fail = reply_failed,
};

static const struct intake_way way_2 = {
    .kind = INTAKE_SAMPLES,
    .decode = decode_2,
    .reply = reply_taken,
    .refused = reply_refused,
    .fail = reply_failed,
};

/* The way for a Content-Type; NULL: there is none. Senders that do not say what they send came before 2.0. */
static const struct intake_way *way_for(struct slice content_type)
{
	if (content_type.len == 0)
		return &way_1;
	if (!media_type_is(content_type, "application/x-protobuf"))
		return NULL;
	struct slice proto = media_type_parameter(content_type, "proto");
	if (proto.len == 0 || slice_eq(proto, SLICE("prometheus.WriteRequest")))
		return &way_1;
	return slice_eq(proto, SLICE("io.prometheus.write.v2.Request")) ? &way_2 : NULL;
}

void api_post_write(void *ctx, struct http_request *req)
{
	const struct intake_way *way = way_for(http_request_header(req, "content-type"));
	if (way != NULL)
		intake_post(ctx, req, way);
	else
		reply(req, 415, 0, &(struct written){0},
		      SLICE(NOTHING_TAKEN
		            "Content-Type must be application/x-protobuf, with proto=prometheus.WriteRequest, "
		            "proto=io.prometheus.write.v2.Request, or without it"));
}
