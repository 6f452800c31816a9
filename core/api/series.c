/* What series there are: /api/v1/series, /api/v1/labels, /api/v1/label/<name>/values. */
#include <errno.h>
#include <stdlib.h>

#include "api/answer_json.h"
#include "api/internal.h"
#include "base/utf8.h"
#include "promql/promql.h"
#include "record/labels.h"
#include "tsdb/tsdb.h"

/* What all three routes take. */
struct wanted {
	struct matches matches;
	int64_t from_ms, to_ms;
	uint32_t limit; /* 0: none */
};

static bool read_wanted(struct query *q, struct wanted *w)
{
	struct error err = {0};

	w->matches.count = 0;
	if (!query_times(q, &w->from_ms, &w->to_ms))
		return false;
	int code = params_limit(&q->params, "limit", 0, &w->limit, &err);
	if (code == 0)
		code = params_matches(&q->params, &q->arena, &w->matches, &err);
	if (code != 0)
		query_fail_code(q, code, &err);
	return code == 0;
}

/* ---- series ---- */

/* The sets of all match[], walked as one: each of them is in the order of labels. */
struct merge {
	struct series_set *sets[MATCHES_MAX];
	struct slice labels[MATCHES_MAX]; /* of the series at hand; ptr NULL: there is none left */
	uint32_t count;
};

static int move_on(struct merge *m, uint32_t i, struct error *err)
{
	int code = series_set_next(m->sets[i], &m->labels[i], err);
	if (code <= 0)
		m->labels[i] = (struct slice){0};
	return code < 0 ? code : 0;
}

static int merge_open(struct query *q, const struct wanted *w, struct merge *m, struct error *err)
{
	m->count = 0;
	for (uint32_t i = 0; i < w->matches.count && query_has_time(q); i++) {
		const struct match *match = &w->matches.items[i];
		m->sets[i] = tsdb_select(q->view, match->matchers, match->count, w->from_ms, w->to_ms, err);
		if (m->sets[i] == NULL)
			return err->code;
		m->count++;
		int code = move_on(m, i, err);
		if (code != 0)
			return code;
	}
	return 0;
}

static void merge_close(struct merge *m)
{
	for (uint32_t i = 0; i < m->count; i++)
		series_set_free(m->sets[i]);
}

/* The set that is at the least series; m->count: none has any. */
static uint32_t least(const struct merge *m)
{
	uint32_t found = m->count;
	for (uint32_t i = 0; i < m->count; i++) {
		if (m->labels[i].ptr != NULL &&
		    (found == m->count || labels_compare(m->labels[i], m->labels[found]) < 0))
			found = i;
	}
	return found;
}

/* All sets that are at this series go on; the one whose bytes these are goes last. */
static int pass(struct merge *m, uint32_t at, struct error *err)
{
	int code = 0;
	for (uint32_t i = 0; i < m->count && code == 0; i++) {
		if (i != at && m->labels[i].ptr != NULL && slice_eq(m->labels[i], m->labels[at]))
			code = move_on(m, i, err);
	}
	return code == 0 ? move_on(m, at, err) : code;
}

static int put_series(struct query *q, const struct wanted *w, struct merge *m, struct error *err)
{
	int code = 0;
	uint32_t count = 0;

	buf_byte(&q->out, '[');
	for (uint32_t at = 0; code == 0 && (at = least(m)) < m->count && query_goes_on(q); count++) {
		if (w->limit > 0 && count == w->limit) {
			query_truncated(q);
			break;
		}
		buf_str(&q->out, count > 0 ? "," : "");
		put_labels(&q->out, m->labels[at]);
		code = pass(m, at, err);
	}
	buf_byte(&q->out, ']');
	return code;
}

static void answer_series(struct query *q)
{
	struct wanted w;
	struct merge m = {0};
	struct error err = {0};
	int code = 0;

	if (read_wanted(q, &w)) {
		if (w.matches.count == 0)
			query_fail(q, QUERY_BAD_DATA, "no match[] parameter provided");
		else if (w.from_ms > w.to_ms)
			buf_str(&q->out, "[]");
		else if ((code = merge_open(q, &w, &m, &err)) == 0)
			code = put_series(q, &w, &m, &err);
		if (code != 0)
			query_fail_code(q, code, &err);
	}
	merge_close(&m);
	matches_free(&w.matches);
}

void api_series(void *ctx, struct http_request *req)
{
	query_start(ctx, req, answer_series);
}

/* ---- names and values of labels ---- */

struct texts {
	struct slice *items;
	uint32_t count;
};

/* Names, or with `name` its values, for one match[] or none: in the arena. */
static int ask(struct query *q, const struct wanted *w, const struct match *match, const struct slice *name,
               struct texts *out, struct error *err)
{
	const struct slice *items;
	struct matcher *const *matchers = match != NULL ? match->matchers : NULL;
	uint32_t count = match != NULL ? match->count : 0;
	int code = name != NULL ? tsdb_label_values(q->view, *name, matchers, count, w->from_ms, w->to_ms, &q->arena,
	                                            &items, &out->count, err)
	                        : tsdb_label_names(q->view, matchers, count, w->from_ms, w->to_ms, &q->arena, &items,
	                                           &out->count, err);
	out->items = (struct slice *)items; /* the arena is ours */
	return code;
}

/* Those of both, each once, rising. */
static int unite(struct query *q, struct texts *all, const struct texts *more, struct error *err)
{
	size_t room = all->count + (size_t)more->count + 1;
	struct slice *items = arena_alloc(&q->arena, room * sizeof *items);
	uint32_t a = 0, b = 0, count = 0;

	if (items == NULL)
		return error_set(err, -ENOMEM, "out of memory for labels");
	while (a < all->count || b < more->count) {
		int order = a == all->count ? 1 : b == more->count ? -1 : slice_compare(all->items[a], more->items[b]);
		items[count++] = order <= 0 ? all->items[a] : more->items[b];
		a += order <= 0;
		b += order >= 0;
	}
	*all = (struct texts){items, count};
	return 0;
}

static int ask_all(struct query *q, const struct wanted *w, const struct slice *name, struct texts *all,
                   struct error *err)
{
	int code = 0;

	*all = (struct texts){0};
	if (w->from_ms > w->to_ms)
		return 0;
	if (w->matches.count == 0)
		return ask(q, w, NULL, name, all, err);
	for (uint32_t i = 0; i < w->matches.count && code == 0 && query_has_time(q); i++) {
		struct texts more;
		code = ask(q, w, &w->matches.items[i], name, &more, err);
		if (code == 0)
			code = unite(q, all, &more, err);
	}
	return code;
}

static void put_texts(struct query *q, const struct wanted *w, const struct texts *all)
{
	bool truncated = w->limit > 0 && all->count > w->limit;
	uint32_t count = truncated ? w->limit : all->count;

	if (truncated)
		query_truncated(q);
	buf_byte(&q->out, '[');
	for (uint32_t i = 0; i < count && query_goes_on(q); i++) {
		buf_str(&q->out, i > 0 ? "," : "");
		buf_json_string(&q->out, all->items[i]);
	}
	buf_byte(&q->out, ']');
}

static void answer_texts(struct query *q, const struct slice *name)
{
	struct wanted w;
	struct texts all;
	struct error err = {0};

	if (read_wanted(q, &w)) {
		int code = ask_all(q, &w, name, &all, &err);
		if (code != 0)
			query_fail_code(q, code, &err);
		else
			put_texts(q, &w, &all);
	}
	matches_free(&w.matches);
}

static void answer_labels(struct query *q)
{
	answer_texts(q, NULL);
}

void api_labels(void *ctx, struct http_request *req)
{
	query_start(ctx, req, answer_labels);
}

/* The name in /api/v1/label/<name>/values. */
static struct slice name_of(struct slice path)
{
	const size_t before = sizeof "/api/v1/label/" - 1, behind = sizeof "/values" - 1;
	return slice_new(path.ptr + before, path.len - before - behind);
}

static void answer_label_values(struct query *q)
{
	struct slice given = name_of(http_request_path(q->req));
	struct slice name = label_name_unescape(given, &q->arena);
	struct buf quoted = {0};

	if (name.ptr == NULL) {
		query_fail(q, QUERY_UNAVAILABLE, "out of memory for the name of a label");
	} else if (name.len == 0 || !utf8_valid(name, NULL)) {
		promql_quote(name, &quoted);
		query_fail(q, QUERY_BAD_DATA, "invalid label name: %.*s", SLICE_ARG(quoted));
	} else {
		answer_texts(q, &name);
	}
	buf_free(&quoted);
}

void api_get_label(void *ctx, struct http_request *req)
{
	static const char prefix[] = "/api/v1/label/", suffix[] = "/values";
	struct slice path = http_request_path(req);

	if (path.len < sizeof prefix + sizeof suffix - 2 ||
	    memcmp(path.ptr + path.len - (sizeof suffix - 1), suffix, sizeof suffix - 1) != 0)
		http_reply_error(req, 404, 0, "there is /api/v1/label/<name>/values");
	else
		query_start(ctx, req, answer_label_values);
}
