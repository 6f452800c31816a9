#include "api/query.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "api/internal.h"
#include "base/clock.h"
#include "base/header.h"
#include "base/mem.h"
#include "tsdb/tsdb.h"

enum { STEPS_BETWEEN_LOOKS = 256, AT_ONCE_TEXT = 1024 /* bytes of parameters */ };
#define AT_ONCE_NS (300 * NS_PER_US)

/* ---- the gateway's end ---- */

void query_queue_stop(struct query_queue *queue, int64_t at_ns)
{
	__atomic_store_n(&queue->stop_ns, at_ns, __ATOMIC_RELAXED);
}

static bool is_stopped(const struct query *q, int64_t now_ns)
{
	return now_ns > __atomic_load_n(&q->api->queries.stop_ns, __ATOMIC_RELAXED);
}

/* Those that units make by hand have no request. */
static bool is_abandoned(const struct query *q)
{
	return q->req != NULL && http_request_is_abandoned(q->req);
}

bool query_is_cancelled(const struct query *q)
{
	int64_t now = clock_mono_ns();

	return now > q->deadline_ns || is_stopped(q, now) || is_abandoned(q);
}

static bool view_is_stopped(const void *ctx)
{
	return query_is_cancelled(ctx);
}

/* ---- errors ---- */

static const struct {
	const char *type;
	int status;
} errors[] = {
    [QUERY_BAD_DATA] = {"bad_data", 400}, [QUERY_EXECUTION] = {"execution", 422},
    [QUERY_TIMEOUT] = {"timeout", 503},   [QUERY_UNAVAILABLE] = {"unavailable", 503},
    [QUERY_CANCELED] = {"canceled", 499}, [QUERY_INTERNAL] = {"internal", 500},
};

const char *query_result_name(int result)
{
	return result == QUERY_ERRORS ? "ok" : errors[result].type;
}

void query_fail(struct query *q, enum query_error why, const char *format, ...)
{
	va_list args;

	if (q->status != 0)
		return;
	q->status = errors[why].status;
	q->why = why;
	va_start(args, format);
	vsnprintf(q->error.text, sizeof q->error.text, format, args);
	va_end(args);
}

/* Sets the error, if the query is cancelled. */
static void check_cancelled(struct query *q)
{
	int64_t now = clock_mono_ns();

	if (now > q->deadline_ns)
		query_fail(q, QUERY_TIMEOUT, "query timed out: it took more than %g s",
		           (double)q->timeout_ns / NS_PER_S);
	else if (is_stopped(q, now))
		query_fail(q, QUERY_UNAVAILABLE, "the gateway is stopping");
	else if (is_abandoned(q))
		query_fail(q, QUERY_CANCELED, "the client has gone");
}

void query_fail_code(struct query *q, int code, const struct error *err)
{
	if (code == -ECANCELED)
		check_cancelled(q);
	enum query_error why = code == -EINVAL || code == -E2BIG    ? QUERY_BAD_DATA
	                       : code == -ENOMEM || code == -EAGAIN ? QUERY_UNAVAILABLE
	                       : code == -EBADMSG                   ? QUERY_EXECUTION
	                                                            : QUERY_INTERNAL;
	query_fail(q, why, "%s", err->text);
}

bool query_goes_on(struct query *q)
{
	if (q->status != 0)
		return false;
	if (buf_failed(&q->out))
		query_fail(q, QUERY_UNAVAILABLE, "out of memory for the answer");
	else if (q->out.len > QUERY_ANSWER_BYTES)
		query_fail(q, QUERY_EXECUTION,
		           "the answer has more than %d MiB: ask for fewer series, a shorter time, or give a limit",
		           QUERY_ANSWER_BYTES >> 20);
	else if (++q->steps % STEPS_BETWEEN_LOOKS == 0)
		check_cancelled(q);
	return q->status == 0;
}

bool query_has_time(struct query *q)
{
	if (q->status == 0)
		check_cancelled(q);
	return query_goes_on(q);
}

void query_set_timeout(struct query *q, int64_t timeout_ns)
{
	if (timeout_ns >= q->timeout_ns)
		return;
	q->deadline_ns += timeout_ns - q->timeout_ns;
	q->timeout_ns = timeout_ns;
}

/* ---- notes ---- */

void query_note(struct query *q, enum query_note kind, struct slice text)
{
	struct buf *b = &q->notes[kind];

	buf_str(b, b->len > 0 ? "," : "");
	buf_json_string(b, text);
}

void query_truncated(struct query *q)
{
	query_note(q, NOTE_WARNING, SLICE("results truncated due to limit"));
}

static void put_notes(const struct query *q, struct buf *out)
{
	static const char *const members[] = {[NOTE_WARNING] = ",\"warnings\":[", [NOTE_INFO] = ",\"infos\":["};

	for (int kind = NOTE_WARNING; kind <= NOTE_INFO; kind++) {
		out->failed |= buf_failed(&q->notes[kind]);
		if (q->notes[kind].len == 0)
			continue;
		buf_str(out, members[kind]);
		buf_slice_append(out, buf_slice(&q->notes[kind]));
		buf_byte(out, ']');
	}
	buf_byte(out, '}');
}

bool query_times(struct query *q, int64_t *from_ms, int64_t *to_ms)
{
	struct error err = {0};
	int code = params_time(&q->params, "start", INT64_MIN, from_ms, &err);

	if (code == 0)
		code = params_time(&q->params, "end", INT64_MAX, to_ms, &err);
	if (code != 0)
		query_fail_code(q, code, &err);
	return code == 0;
}

/* ---- a query's life ---- */

static void query_free(struct query *q)
{
	if (q == NULL)
		return;
	tsdb_view_close(q->view);
	arena_deinit(&q->arena);
	buf_free(&q->out);
	if (q->rest != NULL)
		q->free_rest(q->rest);
	buf_free(&q->notes[NOTE_WARNING]);
	buf_free(&q->notes[NOTE_INFO]);
	mem_free(q);
}

static void release(void *owner)
{
	query_free(owner);
}

static void put_error(struct query *q)
{
	buf_reset(&q->out);
	if (q->plain_errors) {
		buf_str(&q->out, q->error.text);
		buf_byte(&q->out, '\n');
		return;
	}
	buf_str(&q->out, "{\"status\":\"error\",\"errorType\":\"");
	buf_str(&q->out, errors[q->why].type);
	buf_str(&q->out, "\",\"error\":");
	buf_json_string(&q->out, slice_cstr(q->error.text));
	buf_byte(&q->out, '}');
}

/* The next part of an answer that streams, and what belongs behind the last one. */
static bool produce(void *owner, struct buf *out)
{
	const struct query *q = owner;

	if (q->more(q->rest, out))
		return true;
	put_notes(q, out);
	return false;
}

/* The answer as it goes out; the query goes with it. */
static void reply(struct query *q)
{
	bool streams = q->status == 0 && q->more != NULL;
	if (q->status == 0 && !q->bare && !streams)
		put_notes(q, &q->out);
	if (q->status == 0)
		query_goes_on(q); /* is it small enough, and whole? */
	if (q->status != 0)
		put_error(q);
	__atomic_add_fetch(&q->api->queries.answered[q->status != 0 ? (int)q->why : QUERY_ERRORS], 1, __ATOMIC_RELAXED);
	if (buf_failed(&q->out)) {
		http_reply_error(q->req, 503, 1, "out of memory for the answer");
		query_free(q);
		return;
	}
	bool fine = q->status == 0;
	struct http_header header = {0};
	if (fine && q->encoding != NULL)
		header = (struct http_header){"Content-Encoding", slice_cstr(q->encoding)};
	else if (!fine && q->why == QUERY_UNAVAILABLE)
		header = (struct http_header){"Retry-After", SLICE("1")};
	struct http_reply r = {
	    .status = fine ? 200 : q->status,
	    .headers = &header,
	    .header_count = header.name != NULL,
	    .content_type = fine              ? q->content_type
	                    : q->plain_errors ? "text/plain; charset=utf-8"
	                                      : NULL,
	    .body = buf_slice(&q->out),
	    .gzip = !fine || q->encoding == NULL,
	    .release = release,
	    .owner = q,
	    .produce = streams ? produce : NULL,
	    .owner_bytes = q->rest_bytes,
	};
	http_reply(q->req, &r);
}

static struct slice form_of(const struct http_request *req)
{
	bool form = http_request_method(req) == HTTP_POST_ &&
	            media_type_is(http_request_header(req, "content-type"), "application/x-www-form-urlencoded");
	return form ? http_request_body(req) : SLICE("");
}

static void refuse(struct query *q, const char *why)
{
	query_fail(q, QUERY_UNAVAILABLE, "%s", why);
	reply(q);
}

/* A list of them. */
static void refuse_all(struct query *first, enum query_error error, const char *why)
{
	for (struct query *q = first, *next; q != NULL; q = next) {
		next = q->next;
		query_fail(q, error, "%s", why);
		reply(q);
	}
}

/* Makes the answer, or the error. What is kept then, until a slow client has read, is the text alone. */
static void make_answer(struct query *q, int64_t timeout_ns)
{
	struct error err = {0};

	q->timeout_ns = timeout_ns;
	q->deadline_ns = clock_mono_ns() + timeout_ns;
	if (!query_has_time(q))
		return;
	int code = params_read(form_of(q->req), http_request_query(q->req), &q->arena, &q->params, &err);
	if (code == 0) {
		q->history = engine_history(q->api->engine);
		q->view = tsdb_view_open(q->history, &code);
		if (q->view == NULL)
			error_set(&err, code, "too many queries look at the history at the same time");
	}
	if (code != 0) {
		query_fail_code(q, code, &err);
	} else {
		tsdb_view_stop_when(q->view, view_is_stopped, q);
		buf_str(&q->out, "{\"status\":\"success\",\"data\":");
		q->answer(q);
	}
	tsdb_view_close(q->view);
	q->view = NULL;
	arena_deinit(&q->arena);
}

/* On a worker. */
static void answer(struct query *q)
{
	make_answer(q, q->api->config->query.timeout_ns);
	reply(q);
}

/* ---- on the loop ---- */

void query_not_at_once(struct query *q)
{
	query_fail(q, QUERY_TIMEOUT, "the query goes to a worker");
}

/* Is it so small that it is likely to be answered at once? A regular expression may have to be matched with each value of a label, and its compilation cannot be stopped. */
static bool looks_small(const struct http_request *req)
{
	const struct slice texts[] = {http_request_query(req), form_of(req)};
	size_t bytes = texts[0].len + texts[1].len;

	for (int i = 0; i < 2 && bytes <= AT_ONCE_TEXT; i++) {
		for (size_t k = 0; k < texts[i].len; k++) {
			const char *at = texts[i].ptr + k;
			if (*at == '~' || (*at == '%' && k + 2 < texts[i].len && at[1] == '7' && (at[2] | 0x20) == 'e'))
				return false;
		}
	}
	return bytes <= AT_ONCE_TEXT;
}

/* As if it had not been tried. */
static void begin_anew(struct query *q)
{
	if (q->rest != NULL)
		q->free_rest(q->rest);
	buf_reset(&q->out);
	buf_reset(&q->notes[NOTE_WARNING]);
	buf_reset(&q->notes[NOTE_INFO]);
	q->more = NULL;
	q->rest = NULL;
	q->rest_bytes = 0;
	q->status = 0;
	q->steps = 0;
	q->at_once = false;
}

/* True: it is replied to. */
static bool answered_at_once(struct query *q)
{
	if (!looks_small(q->req))
		return false;
	q->at_once = true;
	make_answer(q, AT_ONCE_NS);
	if (q->status == 0 || q->why != QUERY_TIMEOUT) {
		reply(q);
		return true;
	}
	begin_anew(q);
	return false;
}

/* ---- the queue ---- */

uint64_t query_queue_answered(const struct query_queue *queue, int result)
{
	return __atomic_load_n(&queue->answered[result], __ATOMIC_RELAXED);
}

void query_queue_init(struct query_queue *queue, uint32_t running_max)
{
	mutex_init(&queue->lock);
	queue->last = &queue->first;
	queue->running_max = running_max;
	queue->stop_ns = INT64_MAX;
}

void query_queue_deinit(struct query_queue *queue)
{
	while (queue->first != NULL) {
		struct query *q = queue->first;
		queue->first = q->next;
		query_free(q);
	}
	mutex_deinit(&queue->lock);
}

/* A worker goes on with who waits, so that none is idle while somebody does. */
static void work(void *ctx, struct http_request *req)
{
	struct query *q = ctx;
	struct query_queue *queue = &q->api->queries;

	(void)req;
	while (q != NULL) {
		answer(q);
		mutex_lock(&queue->lock);
		q = queue->first;
		if (q != NULL) {
			queue->first = q->next;
			queue->last = queue->first != NULL ? queue->last : &queue->first;
			queue->waiting--;
		} else {
			queue->running--;
		}
		mutex_unlock(&queue->lock);
	}
}

/* Takes those out of a full queue whose clients have gone: they keep nobody else out. */
static struct query *take_abandoned(struct query_queue *queue)
{
	struct query *abandoned = NULL, **at = &queue->first;

	while (*at != NULL) {
		struct query *q = *at;
		if (!is_abandoned(q)) {
			at = &q->next;
			continue;
		}
		*at = q->next;
		q->next = abandoned;
		abandoned = q;
		queue->waiting--;
	}
	queue->last = at;
	return abandoned;
}

enum turn { TURN_NOW, TURN_LATER, TURN_NEVER };

static enum turn enter(struct query_queue *queue, struct query *q)
{
	enum turn turn = TURN_NEVER;
	struct query *abandoned = NULL;

	mutex_lock(&queue->lock);
	if (queue->waiting == QUERIES_WAITING)
		abandoned = take_abandoned(queue);
	if (queue->running < queue->running_max) {
		queue->running++;
		turn = TURN_NOW;
	} else if (queue->waiting < QUERIES_WAITING) {
		*queue->last = q;
		queue->last = &q->next;
		queue->waiting++;
		turn = TURN_LATER;
	}
	mutex_unlock(&queue->lock);
	refuse_all(abandoned, QUERY_CANCELED, "the client has gone");
	return turn;
}

/* No worker could be had. If none runs either, nobody will come for those who wait. */
static void leave(struct query_queue *queue, const char *why)
{
	struct query *orphans = NULL;

	mutex_lock(&queue->lock);
	if (--queue->running == 0) {
		orphans = queue->first;
		queue->first = NULL;
		queue->last = &queue->first;
		queue->waiting = 0;
	}
	mutex_unlock(&queue->lock);
	refuse_all(orphans, QUERY_UNAVAILABLE, why);
}

static struct query *query_new(struct api *a, struct http_request *req, void (*answer_it)(struct query *q))
{
	struct query *q = mem_zalloc(1, sizeof *q);

	if (q == NULL) {
		http_reply_error(req, 503, 1, "out of memory for a query");
		return NULL;
	}
	q->api = a;
	q->req = req;
	q->answer = answer_it;
	arena_init(&q->arena);
	return q;
}

static void take_turn(struct api *a, struct http_request *req, struct query *q)
{
	enum turn turn = enter(&a->queries, q);
	if (turn == TURN_NEVER) {
		refuse(q, "too many queries wait already");
	} else if (turn == TURN_NOW && http_request_offload(req, work, q) != 0) {
		leave(&a->queries, "no worker can be had");
		refuse(q, "no worker can be had");
	}
}

void query_start(struct api *a, struct http_request *req, void (*answer_it)(struct query *q))
{
	struct query *q = query_new(a, req, answer_it);
	if (q != NULL)
		take_turn(a, req, q);
}

void query_start_at_once(struct api *a, struct http_request *req, void (*answer_it)(struct query *q))
{
	struct query *q = query_new(a, req, answer_it);
	if (q != NULL && !answered_at_once(q))
		take_turn(a, req, q);
}
