/* The exposition of a snapshot: which lines there are. What is the same in every series of a family (names, bounds)
 * is written once beforehand, labels were written when the series was made, so that a series is two copies and its
 * number. */
#include <errno.h>

#include "base/check.h"
#include "metrics/exposition.h"
#include "metrics/snapshot.h"

enum {
	NUMBER_ROOM = 64,
	PREPARED_MAX = 8192 /* five names of at most 264 bytes, 129 bounds of at most 48 */
};

/* The writing of one family. */
struct pen {
	struct buf *out;
	enum exposition_format format;
	const struct family_view *family;
	int64_t now_ns;
	struct slice sample;                         /* name of the plain sample */
	struct slice sum, count, bucket, created;    /* names with their suffix */
	struct slice bounds[METRIC_BUCKETS_MAX + 1]; /* le="0.1"} or quantile="0.5"} */
	struct buf *text;                            /* what the slices above point into */
};

static struct slice name_text(struct pen *p, struct slice base, const char *suffix)
{
	size_t from = p->text->len;

	buf_slice_append(p->text, base);
	buf_str(p->text, suffix);
	return slice_new(p->text->ptr + from, p->text->len - from);
}

static struct slice bound_text(struct pen *p, const char *label, double bound)
{
	size_t from = p->text->len;

	buf_str(p->text, label);
	buf_append(p->text, "=\"", 2);
	exposition_bound(p->text, p->format, bound);
	buf_append(p->text, "\"} ", 3);
	return slice_new(p->text->ptr + from, p->text->len - from);
}

/* Writes what all series of the family share. */
static void prepare(struct pen *p)
{
	const struct metric_def *def = &p->family->meta->def;
	const char *begin = p->text->ptr;
	bool open = p->format == EXPOSITION_OPENMETRICS;
	uint32_t bounds = 0;

	buf_reset(p->text);
	p->sample = open ? name_text(p, p->family->meta->base, def->type == METRIC_COUNTER ? "_total" : "")
	                 : name_text(p, def->name, "");
	p->sum = name_text(p, def->name, "_sum");
	p->count = name_text(p, def->name, "_count");
	p->bucket = name_text(p, def->name, "_bucket");
	p->created = name_text(p, p->family->meta->base, "_created");
	for (uint32_t i = 0; i < def->bucket_count; i++)
		p->bounds[bounds++] = bound_text(p, "le", def->buckets[i]);
	for (uint32_t i = 0; i < def->quantile_count; i++)
		p->bounds[bounds++] = bound_text(p, "quantile", def->quantiles[i]);
	if (def->type == METRIC_HISTOGRAM)
		p->bounds[bounds++] = bound_text(p, "le", INFINITY);
	CHECK(p->text->ptr == begin); /* PREPARED_MAX was enough, so the slices are good */
}

/* name{labels} and a space; false when memory is out. */
static bool begin(struct pen *p, struct slice name, struct slice labels)
{
	char *to = buf_room(p->out, name.len + labels.len + NUMBER_ROOM);

	if (to == NULL)
		return false;
	memcpy(to, name.ptr, name.len);
	memcpy(to + name.len, labels.ptr, labels.len);
	to[name.len + labels.len] = ' ';
	p->out->len += name.len + labels.len + 1;
	return true;
}

/* name{labels,bound} and a space; the bound brings the closing brace and the space. */
static void begin_bound(struct pen *p, struct slice name, struct slice labels, struct slice bound)
{
	buf_slice_append(p->out, name);
	if (labels.len == 0) {
		buf_byte(p->out, '{');
	} else {
		buf_append(p->out, labels.ptr, labels.len - 1);
		buf_byte(p->out, ',');
	}
	buf_slice_append(p->out, bound);
}

static void number_line(struct pen *p, struct slice name, struct slice labels, double v)
{
	if (!begin(p, name, labels))
		return;
	buf_number(p->out, v);
	buf_byte(p->out, '\n');
}

static void count_line(struct pen *p, struct slice name, struct slice labels, uint64_t count)
{
	if (!begin(p, name, labels))
		return;
	buf_int(p->out, (int64_t)count);
	buf_byte(p->out, '\n');
}

static void created_line(struct pen *p, const struct series_labels *labels)
{
	if (p->format != EXPOSITION_OPENMETRICS || !begin(p, p->created, series_labels_text(labels)))
		return;
	exposition_seconds(p->out, labels->created_ns);
	buf_byte(p->out, '\n');
}

/* ` # {trace_id="…",span_id="…"} value time`, where there is one. */
static void exemplar_text(struct pen *p, uint32_t number, uint32_t slot)
{
	if (p->format != EXPOSITION_OPENMETRICS)
		return;
	const struct exemplar *e = view_exemplar(p->family, number, slot);
	if (e == NULL)
		return;
	buf_str(p->out, " # {trace_id=\"");
	exposition_escape(p->out, slice_new(e->ids, e->trace_len));
	if (e->span_len != 0) {
		buf_str(p->out, "\",span_id=\"");
		exposition_escape(p->out, slice_new(e->ids + e->trace_len, e->span_len));
	}
	buf_str(p->out, "\"} ");
	buf_number(p->out, e->value);
	buf_byte(p->out, ' ');
	exposition_seconds(p->out, e->time_ns);
}

static void render_counter(struct pen *p, const struct series_view *v)
{
	if (!begin(p, p->sample, series_labels_text(v->labels)))
		return;
	buf_number(p->out, v->row->value);
	exemplar_text(p, v->number, 0);
	buf_byte(p->out, '\n');
	created_line(p, v->labels);
}

static void render_histogram(struct pen *p, const struct series_view *v)
{
	const struct metric_def *def = &p->family->meta->def;
	struct slice labels = series_labels_text(v->labels);
	uint64_t count = 0;

	for (uint32_t i = 0; i <= def->bucket_count; i++) {
		count += v->row->cells[i].count;
		begin_bound(p, p->bucket, labels, p->bounds[i]);
		buf_int(p->out, (int64_t)count);
		exemplar_text(p, v->number, i);
		buf_byte(p->out, '\n');
	}
	/* In OpenMetrics sum and count are counters: none where values below zero may make the sum fall. */
	if (p->format == EXPOSITION_TEXT || (def->buckets[0] >= 0 && v->row->value >= 0)) {
		count_line(p, p->count, labels, count);
		number_line(p, p->sum, labels, v->row->value);
	}
	created_line(p, v->labels);
}

static void render_summary(struct pen *p, const struct series_view *v)
{
	const struct metric_def *def = &p->family->meta->def;
	struct slice labels = series_labels_text(v->labels);
	double values[METRIC_QUANTILES_MAX];

	series_quantiles(p->family, v, p->now_ns, values);
	for (uint32_t i = 0; i < def->quantile_count; i++) {
		begin_bound(p, p->sample, labels, p->bounds[i]);
		buf_number(p->out, values[i]);
		buf_byte(p->out, '\n');
	}
	count_line(p, p->count, labels, v->row->cells[CELL_SUMMARY_COUNT].count);
	if (p->format == EXPOSITION_TEXT || v->row->value >= 0)
		number_line(p, p->sum, labels, v->row->value);
	created_line(p, v->labels);
}

static void render_series(struct pen *p, const struct series_view *v)
{
	switch (p->family->meta->def.type) {
	case METRIC_COUNTER:
		render_counter(p, v);
		return;
	case METRIC_HISTOGRAM:
		render_histogram(p, v);
		return;
	case METRIC_SUMMARY:
		render_summary(p, v);
		return;
	case METRIC_GAUGE:
	case METRIC_DISTINCT:
	case METRIC_TOPK:
	case METRIC_RATIO:
	case METRIC_MEAN:
		break;
	}
	number_line(p, p->sample, series_labels_text(v->labels), series_value(p->family, v, p->now_ns));
}

static int render_family(struct pen *p, const struct metrics_snapshot *s)
{
	const struct metric_meta *meta = p->family->meta;
	bool open = p->format == EXPOSITION_OPENMETRICS;
	struct series_walk walk;
	struct series_view v;

	prepare(p);
	int rc = walk_begin(&walk, s, p->family);
	bool any = walk_next(&walk, &v);
	if (any) /* a family without series says nothing */
		exposition_comments(p->out, p->format, open ? meta->base : meta->def.name, meta->def.type,
		                    meta->def.unit, meta->def.help);
	for (; any && !buf_failed(p->out); any = walk_next(&walk, &v))
		render_series(p, &v);
	walk_end(&walk);
	return rc != 0 || buf_failed(p->out) ? -ENOMEM : 0;
}

int exposition_render(const struct metrics_snapshot *s, enum exposition_format format, int64_t now_ns, struct buf *out)
{
	struct buf text = {0};
	int rc = buf_grow(&text, PREPARED_MAX);

	for (size_t i = 0; i < s->family_count && rc == 0; i++) {
		struct pen pen = {
		    .out = out,
		    .format = format,
		    .family = &s->families[i],
		    .now_ns = now_ns > s->now_ns ? now_ns : s->now_ns,
		    .text = &text,
		};
		rc = render_family(&pen, s);
	}
	buf_free(&text);
	return rc;
}
