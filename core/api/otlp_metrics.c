/* POST /v1/metrics: OTLP/HTTP, metrics. Protocol Buffers or JSON by Content-Type, and the answer in the same.
 *
 * Answers as the specification has them: 200, with a partial success where something was refused; 400 or 413 for a body that cannot be taken and is not to be sent again; 415; 503 with Retry-After when it is
 * (a full disk too: senders do not try again after 507). All but 200 have a google.rpc.Status. */
#include "api/internal.h"
#include "api/otlp_reply.h"
#include "api/refusals.h"

static const struct refusals_place place = {"data point", 0};
static const char rejected_name[] = "rejectedDataPoints";

/* How many data points the series of a batch are of: their indices do not fall. */
static uint64_t count_points(const struct sample_batch *b)
{
	uint64_t count = b->series_count > 0;

	for (uint32_t i = 1; i < b->series_count; i++)
		count += b->series[i].index != b->series[i - 1].index;
	return count;
}

/* The data points of which the store refused samples. It names the first refusals alone; each that it does not name may be of a point of its own, so that many refused histograms count as more than they
 * are, but never as more than came. */
static uint64_t refused_by_store(const struct intake *in)
{
	const struct sample_results *r = &in->submission.results;
	const struct sample_batch *b = in->submission.samples;
	uint64_t named = 0;

	if (r->refused_total == 0)
		return 0;
	for (uint32_t i = 0; i < r->refusal_count; i++) {
		uint32_t point = b->series[r->refusals[i].series].index;
		bool again = false;
		for (uint32_t j = 0; j < i && !again; j++)
			again = b->series[r->refusals[j].series].index == point;
		named += !again;
	}
	uint64_t most = named + (r->refused_total - r->refusal_count);
	uint64_t came = count_points(b);
	return most < came ? most : came;
}

static void reply_taken(struct intake *in)
{
	uint64_t rejected = in->rejects.points;

	if (!refusals_any(in)) {
		otlp_reply_taken(in->req, rejected_name, 0, SLICE(""));
		return;
	}
	rejected += refused_by_store(in);
	if (rejected > 0)
		buf_printf(&in->reply, "%llu data point%s refused", (unsigned long long)rejected,
		           rejected == 1 ? " was" : "s were");
	else
		buf_str(&in->reply, "all data points were taken, but not all that came with them");
	refusals_list(in, &place, &in->reply);
	otlp_reply_taken(in->req, rejected_name, rejected,
	                 buf_failed(&in->reply) ? SLICE("not everything was taken") : buf_slice(&in->reply));
}

static void reply_refused(struct intake *in, int status, const struct error *err)
{
	buf_str(&in->reply, NOTHING_TAKEN);
	buf_str(&in->reply, err->text);
	otlp_reply_error(in->req, status, 0, buf_slice(&in->reply));
}

static void reply_failed(struct http_request *req, const struct intake_failure *f)
{
	otlp_reply_error(req, 503, f->retry_after_s, slice_cstr(f->why));
}

static int decode(struct intake *in, struct slice body, struct error *err)
{
	struct sample_batch *b = in->submission.samples;

	if (otlp_encoding_of(in->req) == OTLP_PROTOBUF)
		return ingest_otlp_metrics_protobuf(b, body, &in->api->sample_limits, &in->rejects, err);
	return ingest_otlp_metrics_json(b, body, &in->api->sample_limits, &in->rejects, err);
}

static const struct intake_way way = {
    .kind = INTAKE_SAMPLES,
    .decode = decode,
    .reply = reply_taken,
    .refused = reply_refused,
    .fail = reply_failed,
};

void api_post_otlp_metrics(void *ctx, struct http_request *req)
{
	if (otlp_encoding_of(req) != OTLP_NEITHER)
		intake_post(ctx, req, &way);
	else
		otlp_reply_unsupported(req);
}
