/* POST /api/v1/import/prometheus: metrics as text, pushed. Path and query parameters are those of VictoriaMetrics: `extra_label=name=value` (as often as wanted) puts a label on every series, in the place
 * of one of that name, with an empty value instead of it; `timestamp=<ms>` is the time of samples that have none, else the time of arrival. Exposition text 0.0.4, or OpenMetrics where Content-Type says
 * so; what can be taken is taken, line by line. */
#include <errno.h>
#include <stdlib.h>

#include "api/internal.h"
#include "api/refusals.h"
#include "base/clock.h"
#include "base/header.h"
#include "record/labels.h"

enum { EXTRA_LABELS_MAX = 16 };

static const struct refusals_place place = {"line", 1};

/* ---- parameters ---- */

struct extra {
	struct label labels[EXTRA_LABELS_MAX];
	uint32_t count;
};

/* Of two with the same name the later one holds. */
static void put_label(struct label *labels, uint32_t *count, struct label l)
{
	uint32_t i = 0;
	while (i < *count && !slice_eq(labels[i].name, l.name))
		i++;
	labels[i] = l;
	*count += i == *count;
}

static int read_extra(struct http_request *req, struct extra *out, struct error *err)
{
	struct slice text;
	size_t at = 0;
	int code;

	out->count = 0;
	while ((code = http_request_param_next(req, "extra_label", &at, &text)) == 1) {
		const char *equals = memchr(text.ptr, '=', text.len);
		if (equals == NULL || equals == text.ptr)
			return error_set(err, -EINVAL, "extra_label must be name=value");
		if (out->count == EXTRA_LABELS_MAX)
			return error_set(err, -EINVAL, "more than %d extra_label", EXTRA_LABELS_MAX);
		size_t len = (size_t)(equals - text.ptr);
		put_label(out->labels, &out->count,
		          (struct label){slice_new(text.ptr, len), slice_new(equals + 1, text.len - len - 1)});
	}
	return code;
}

/* The whole of `text`, NUL-terminated, as a decimal number. */
static bool read_number(struct slice text, int64_t *out)
{
	char *end;
	bool begins = text.len > 0 && (text.ptr[0] == '-' || (text.ptr[0] >= '0' && text.ptr[0] <= '9'));
	errno = 0;
	*out = strtoll(text.ptr, &end, 10);
	return begins && errno == 0 && end == text.ptr + text.len;
}

/* The time of samples that have none. */
static int read_time(struct http_request *req, int64_t *out, struct error *err)
{
	struct slice text;
	size_t at = 0;
	int code = http_request_param_next(req, "timestamp", &at, &text);

	*out = clock_wall_ns() / NS_PER_MS;
	if (code <= 0)
		return code;
	return read_number(text, out) ? 0 : error_set(err, -EINVAL, "timestamp must be a number of milliseconds");
}

/* ---- labels ---- */

/* Gives a series the labels besides its own, within *room bytes. 1; 0: they do not go together, and why; -EFBIG, -ENOMEM. */
static int relabel(struct sample_series *s, const struct extra *extra, struct arena *arena, size_t *room,
                   struct error *why)
{
	struct label labels[LABELS_MAX + EXTRA_LABELS_MAX];
	uint32_t count = 0;
	struct slice rest = s->labels;
	for (struct label l; labels_next(&rest, &l);)
		labels[count++] = l;
	for (uint32_t i = 0; i < extra->count; i++)
		put_label(labels, &count, extra->labels[i]);
	if (labels_prepare(labels, &count, false, why) != 0)
		return 0;
	size_t size = labels_size(labels, count);
	if (size > *room)
		return error_set(why, -EFBIG, "the labels of all series and those of extra_label take too much memory");
	*room -= size;
	char *bytes = arena_alloc(arena, size);
	if (bytes == NULL)
		return -ENOMEM;
	labels_write(bytes, labels, count);
	s->labels = slice_new(bytes, size);
	if (labels_get(s->labels, LABEL_METRIC_NAME).len == 0) {
		error_set(why, -EINVAL, "it has no label __name__");
		return 0;
	}
	s->hash = labels_hash(s->labels);
	return 1;
}

static int refuse(struct intake *in, const struct sample_series *s, const char *why)
{
	struct sample_batch *b = in->submission.samples;
	b->sample_count -= s->sample_count;
	b->exemplar_count -= s->exemplar_count;
	in->rejects.samples += s->sample_count;
	in->rejects.exemplars += s->exemplar_count;
	return ingest_reject_add(&in->rejects, &b->arena, s->index, "line %u: %s", s->index + 1, why);
}

/* The labels that the client wants on all of it. 0, -EFBIG with a sentence, -ENOMEM. */
static int add_labels(struct intake *in, const struct extra *extra, struct error *err)
{
	struct sample_batch *b = in->submission.samples;
	size_t room = in->api->sample_limits.label_bytes;
	uint32_t kept = 0;
	for (uint32_t i = 0; extra->count > 0 && i < b->series_count; i++) {
		struct sample_series *s = &b->series[i];
		struct error why = {0};
		int code = relabel(s, extra, &b->arena, &room, &why);
		if (code == 1)
			b->series[kept++] = *s;
		else if (code == 0)
			code = refuse(in, s, why.text);
		if (code < 0)
			return error_set(err, code, "%s", why.text);
	}
	if (extra->count > 0)
		b->series_count = kept;
	return 0;
}

/* ---- the way ---- */

static int decode(struct intake *in, struct slice body, struct error *err)
{
	bool open = media_type_is(http_request_header(in->req, "content-type"), "application/openmetrics-text");
	struct extra extra;
	int64_t arrival_ms;
	int code = read_extra(in->req, &extra, err);
	if (code == 0)
		code = read_time(in->req, &arrival_ms, err);
	if (code == 0)
		code = ingest_prometheus_text(in->submission.samples, body, open ? INGEST_OPENMETRICS : INGEST_TEXT,
		                              arrival_ms, &in->api->sample_limits, &in->rejects, err);
	return code == 0 ? add_labels(in, &extra, err) : code;
}

static void reply_taken(struct intake *in)
{
	if (!refusals_any(in)) {
		http_reply(in->req, &(struct http_reply){.status = 204});
		return;
	}
	refusals_text(in, &place, &in->reply);
	buf_byte(&in->reply, '\0');
	http_reply_error(in->req, 400, 0, "%s", buf_failed(&in->reply) ? "not everything was taken" : in->reply.ptr);
}

static void reply_refused(struct intake *in, int status, const struct error *err)
{
	http_reply_error(in->req, status, 0, NOTHING_TAKEN "%s", err->text);
}

static const struct intake_way way = {
    .kind = INTAKE_SAMPLES,
    .decode = decode,
    .reply = reply_taken,
    .refused = reply_refused,
    .fail = intake_fail,
};

/* Is it text? curl calls what it sends a form unless it is told what it is. */
static bool is_text(struct slice content_type)
{
	return content_type.len == 0 || media_type_is(content_type, "text/plain") ||
	       media_type_is(content_type, "application/openmetrics-text") ||
	       media_type_is(content_type, "application/x-www-form-urlencoded");
}

void api_post_import(void *ctx, struct http_request *req)
{
	if (is_text(http_request_header(req, "content-type")))
		intake_post(ctx, req, &way);
	else
		http_reply_error(req, 415, 0,
		                 NOTHING_TAKEN "Content-Type must be text/plain or application/openmetrics-text");
}
