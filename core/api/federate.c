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

static void put_label(struct buf *out, struct label l, char between)
{
	buf_byte(out, between);
	label_name_text(l.name, out);
	buf_byte(out, '=');
	label_value_text(l.value, out);
}

/* Labels in their order, with an empty instance where there is none. */
static void put_sample(struct buf *out, const struct newest *n)
{
	struct slice rest = n->labels;
	struct buf name = {0};
	char between = '{';
	bool has_instance = labels_get(n->labels, SLICE("instance")).len > 0;

	label_name_text(n->name, &name);
	bool quoted = name.len > 0 && name.ptr[0] == '"'; /* a name beyond the legacy ones stands within the braces */
	if (quoted) {
		buf_byte(out, '{');
		between = ',';
	}
	buf_slice_append(out, buf_slice(&name));
	out->failed |= buf_failed(&name);
	buf_free(&name);
	if (!has_instance) {
		put_label(out, (struct label){SLICE("instance"), SLICE("")}, between);
		between = ',';
	}
	for (struct label l; labels_next(&rest, &l);) {
		if (slice_eq(l.name, LABEL_METRIC_NAME))
			continue;
		put_label(out, l, between);
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
			label_name_text(n->name, &q->out);
			buf_str(&q->out, " untyped\n");
		}
		put_sample(&q->out, n);
		last = n;
	}
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
	q->content_type = "text/plain; version=0.0.4; charset=utf-8";
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
