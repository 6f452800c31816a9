/* GET /federate: the newest sample of each series that a match[] selects, as text for another Prometheus to scrape. As there, a series without `instance` is written with an empty one, so that the one that scrapes does not add its own. */
#include <errno.h>
#include <stdlib.h>

#include "api/internal.h"
#include "base/clock.h"
#include "base/mem.h"
#include "record/labels.h"
#include "tsdb/tsdb.h"

struct newest {
	struct slice labels, name;
	int64_t time_ms;
	double value;
};

struct federation {
	struct query *q;
	int64_t from_ms, to_ms;
	bool takes_utf8; /* the client reads names in quotes */
	struct newest *items;
	size_t count, cap;
};

static int add(struct federation *f, struct slice labels, int64_t time_ms, double value)
{
	struct slice name = labels_get(labels, LABEL_METRIC_NAME);

	if (name.len == 0 || sample_is_stale(value))
		return 0;
	char *copy = arena_alloc(&f->q->arena, labels.len);
	if (copy == NULL || mem_grow((void **)&f->items, &f->cap, f->count, sizeof *f->items) != 0)
		return -ENOMEM;
	memcpy(copy, labels.ptr, labels.len);
	labels = slice_new(copy, labels.len);
	f->items[f->count++] = (struct newest){labels, labels_get(labels, LABEL_METRIC_NAME), time_ms, value};
	return 0;
}

/* The newest sample of each series, whatever it is: one that has ended is left out by its marker. */
static int add_match(struct federation *f, const struct match *m, struct error *err)
{
	struct series_set *set = tsdb_select(f->q->view, m->matchers, m->count, f->from_ms, f->to_ms, err);
	struct series_samples s;
	struct slice labels;
	int code = set != NULL ? 0 : err->code;

	while (code == 0 && query_goes_on(f->q) && (code = series_set_next(set, &labels, err)) == 1) {
		code = series_set_samples(set, &s, err);
		if (code == 0 && s.count > 0) {
			double v;
			memcpy(&v, &s.values[s.count - 1], sizeof v);
			code = add(f, labels, s.times_ms[s.count - 1], v);
			if (code != 0)
				error_set(err, code, "out of memory for series");
		}
	}
	series_set_free(set);
	return code;
}

/* By name, for a metric's samples stand together; then by labels. */
static int order(const void *a, const void *b)
{
	const struct newest *x = a, *y = b;
	int by_name = slice_compare(x->name, y->name);
	return by_name != 0 ? by_name : labels_compare(x->labels, y->labels);
}

static bool is_plain(char c, bool first, bool colon)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (!first && c >= '0' && c <= '9') ||
	       (colon && c == ':');
}

/* A name for those who know legacy ones only: a scrape of theirs would fail at the first quote. As Prometheus does it, an underscore for each character that it may not have. */
static void put_name(struct buf *out, struct slice name, bool takes_utf8, bool colon)
{
	if (takes_utf8) {
		label_name_text(name, out);
		return;
	}
	for (size_t i = 0; i < name.len; i++) {
		if (is_plain(name.ptr[i], i == 0, colon))
			buf_byte(out, name.ptr[i]);
		else if (((unsigned char)name.ptr[i] & 0xc0) != 0x80)
			buf_byte(out, '_');
	}
}

static void put_label(struct buf *out, struct label l, char between, bool takes_utf8)
{
	buf_byte(out, between);
	put_name(out, l.name, takes_utf8, false);
	buf_byte(out, '=');
	label_value_text(l.value, out);
}

/* Labels in their order, with an empty instance where there is none. */
static void put_sample(struct buf *out, const struct newest *n, bool takes_utf8)
{
	struct slice rest = n->labels;
	struct buf name = {0};
	char between = '{';
	bool has_instance = labels_get(n->labels, SLICE("instance")).len > 0;

	put_name(&name, n->name, takes_utf8, true);
	bool quoted = name.len > 0 && name.ptr[0] == '"'; /* a name beyond the legacy ones stands within the braces */
	if (quoted) {
		buf_byte(out, '{');
		between = ',';
	}
	buf_slice_append(out, buf_slice(&name));
	out->failed |= buf_failed(&name);
	buf_free(&name);
	if (!has_instance) {
		put_label(out, (struct label){SLICE("instance"), SLICE("")}, between, takes_utf8);
		between = ',';
	}
	for (struct label l; labels_next(&rest, &l);) {
		if (slice_eq(l.name, LABEL_METRIC_NAME))
			continue;
		put_label(out, l, between, takes_utf8);
		between = ',';
	}
	buf_str(out, "} ");
	buf_number_go(out, n->value);
	buf_byte(out, ' ');
	buf_int(out, n->time_ms);
	buf_byte(out, '\n');
}

static void put_all(struct query *q, const struct federation *f)
{
	const struct newest *last = NULL;

	for (size_t i = 0; i < f->count && query_goes_on(q); i++) {
		const struct newest *n = &f->items[i];
		if (last != NULL && slice_eq(last->labels, n->labels))
			continue; /* two match[] have it */
		if (last == NULL || !slice_eq(last->name, n->name)) {
			buf_str(&q->out, "# TYPE ");
			put_name(&q->out, n->name, f->takes_utf8, true);
			buf_str(&q->out, " untyped\n");
		}
		put_sample(&q->out, n, f->takes_utf8);
		last = n;
	}
}

static bool takes_utf8(const struct http_request *req)
{
	const struct slice word = SLICE("escaping=allow-utf-8");
	struct slice accept = http_request_header(req, "accept");

	return accept.len > 0 && memmem(accept.ptr, accept.len, word.ptr, word.len) != NULL;
}

static void answer_federate(struct query *q)
{
	int64_t now_ms = clock_wall_ns() / NS_PER_MS;
	struct federation f = {
	    .q = q, .from_ms = now_ms - q->api->config->query.lookback_ns / NS_PER_MS + 1, .to_ms = now_ms};
	struct matches m = {.count = 0};
	struct error err = {0};

	buf_reset(&q->out);
	q->bare = q->plain_errors = true;
	f.takes_utf8 = takes_utf8(q->req);
	q->content_type = f.takes_utf8 ? "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
	                               : "text/plain; version=0.0.4; charset=utf-8";
	int code = params_matches(&q->params, &q->arena, &m, &err);
	for (uint32_t i = 0; i < m.count && code == 0 && query_has_time(q); i++)
		code = add_match(&f, &m.items[i], &err);
	if (code != 0) {
		query_fail_code(q, code, &err);
	} else if (f.count > 0) {
		qsort(f.items, f.count, sizeof *f.items, order);
		put_all(q, &f);
	}
	mem_free(f.items);
	matches_free(&m);
}

void api_federate(void *ctx, struct http_request *req)
{
	query_start(ctx, req, answer_federate);
}
