/* The cursor over a snapshot's values. What it gives is what render.c writes; a unit holds the two together. */
#include <errno.h>

#include "base/check.h"
#include "base/mem.h"
#include "metrics/exposition.h"
#include "metrics/labels.h"
#include "metrics/snapshot.h"
#include "record/labels.h"

enum {
	AHEAD = 12, /* series whose label blocks are on their way from memory: each is a cache miss of its own */
};

/* The bits of the NaN that the decoders of text give: no script can make the one that ends a series. */
static const uint64_t nan_bits = UINT64_C(0x7ff8000000000001);

struct metrics_cursor {
	const struct metrics_snapshot *snapshot;
	size_t next; /* family */
	struct series_walk walk;
	struct series_view series;
	double values[METRIC_VALUES_MAX];
};

struct metrics_cursor *metrics_cursor_new(const struct metrics_snapshot *s)
{
	struct metrics_cursor *c = mem_zalloc(1, sizeof *c);

	if (c != NULL)
		c->snapshot = s;
	return c;
}

void metrics_cursor_free(struct metrics_cursor *c)
{
	mem_free(c); /* a walk by numbers owns nothing */
}

/* The values of each series, and the first of them that only rises. */
static void count_values(const struct metric_def *def, struct metrics_family *out)
{
	out->value_count = 1;
	out->cumulative = 0;
	switch (def->type) {
	case METRIC_COUNTER:
		return;
	case METRIC_HISTOGRAM:
		out->value_count = def->bucket_count + 3;
		return;
	case METRIC_SUMMARY:
		out->value_count = def->quantile_count + 2;
		out->cumulative = def->quantile_count;
		return;
	case METRIC_GAUGE:
	case METRIC_DISTINCT:
	case METRIC_TOPK:
	case METRIC_RATIO:
	case METRIC_MEAN:
		out->cumulative = 1;
		return;
	}
}

bool metrics_cursor_family(struct metrics_cursor *c, struct metrics_family *out)
{
	if (c->next == c->snapshot->family_count)
		return false;
	const struct family_view *f = &c->snapshot->families[c->next++];
	walk_begin_numbers(&c->walk, c->snapshot, f);
	*out = (struct metrics_family){
	    .identity = f->identity,
	    .name = f->meta->def.name,
	    .help = f->meta->def.help,
	    .unit = f->meta->def.unit,
	    .type = f->meta->def.type,
	    .numbers = f->used,
	};
	count_values(&f->meta->def, out);
	return true;
}

/* ---- values ---- */

static void histogram_values(struct metrics_cursor *c)
{
	const struct series_row *row = c->series.row;
	uint32_t buckets = c->walk.family->meta->def.bucket_count;
	uint64_t count = 0;

	for (uint32_t i = 0; i <= buckets; i++) {
		count += row->cells[i].count;
		c->values[i] = (double)count;
	}
	c->values[buckets + 1] = (double)count;
	c->values[buckets + 2] = row->value;
}

static double one_nan(double v)
{
	if (isnan(v))
		memcpy(&v, &nan_bits, sizeof v);
	return v;
}

static void summary_values(struct metrics_cursor *c)
{
	const struct series_row *row = c->series.row;
	uint32_t quantiles = c->walk.family->meta->def.quantile_count;

	series_quantiles(c->walk.family, &c->series, c->snapshot->now_ns, c->values);
	for (uint32_t i = 0; i < quantiles; i++)
		c->values[i] = one_nan(c->values[i]);
	c->values[quantiles] = (double)row->cells[CELL_SUMMARY_COUNT].count;
	c->values[quantiles + 1] = row->value;
}

static void read_values(struct metrics_cursor *c)
{
	switch (c->walk.family->meta->def.type) {
	case METRIC_COUNTER:
		c->values[0] = c->series.row->value;
		return;
	case METRIC_HISTOGRAM:
		histogram_values(c);
		return;
	case METRIC_SUMMARY:
		summary_values(c);
		return;
	case METRIC_GAUGE:
	case METRIC_DISTINCT:
	case METRIC_TOPK:
	case METRIC_RATIO:
	case METRIC_MEAN:
		c->values[0] = one_nan(series_value(c->walk.family, &c->series, c->snapshot->now_ns));
		return;
	}
}

/* A family of a million has a million label blocks, one after the other in memory at best. */
static void prefetch(const struct series_walk *w)
{
	uint32_t ahead = w->at + AHEAD;

	if (ahead < w->count)
		__builtin_prefetch(w->family->chunks[ahead >> CHUNK_BITS].labels->items[ahead & (CHUNK_SERIES - 1)]);
}

bool metrics_cursor_next(struct metrics_cursor *c, struct metrics_sampled *out)
{
	CHECK(c->next > 0);
	prefetch(&c->walk);
	if (!walk_next(&c->walk, &c->series)) {
		c->series.labels = NULL;
		return false;
	}
	read_values(c);
	*out = (struct metrics_sampled){
	    .number = c->series.number,
	    .birth = c->series.labels->birth,
	    .created_ns = c->series.labels->created_ns,
	    .values = c->values,
	};
	return true;
}

/* ---- labels ---- */

/* What a definition and a key may hold fits into a label set, so that making one fails for want of memory alone: the
 * labels with __name__ and le, their names and values, each with at most 8 bytes around them. */
_Static_assert((int)METRIC_LABELS_MAX + 2 <= (int)LABELS_MAX &&
                   (int)METRIC_LABEL_VALUE_MAX <= (int)LABEL_VALUE_BYTES_MAX &&
                   METRIC_LABELS_MAX * (128 + METRIC_LABEL_VALUE_MAX + 8) + 1024 <= LABELS_BYTES_MAX,
               "the labels of every series are a label set");

/* What value `i` adds to the family's name, and the bound that it is of. False: none. */
static bool suffix_of(const struct metric_def *def, uint32_t i, const char **suffix, double *bound)
{
	bool histogram = def->type == METRIC_HISTOGRAM;
	uint32_t bounded = histogram ? def->bucket_count + 1 : def->type == METRIC_SUMMARY ? def->quantile_count : 0;

	*suffix = "";
	if (i < bounded) {
		*suffix = histogram ? "_bucket" : "";
		*bound = !histogram ? def->quantiles[i] : i < def->bucket_count ? def->buckets[i] : INFINITY;
		return true;
	}
	if (histogram || def->type == METRIC_SUMMARY)
		*suffix = i == bounded ? "_count" : "_sum";
	return false;
}

/* The labels of a series by its key; how many they are. */
static uint32_t key_labels(const struct metric_def *def, struct slice key, struct label *out)
{
	struct slice values[METRIC_LABELS_MAX];

	if (slice_eq(key, OVERFLOW_KEY)) {
		*out = (struct label){SLICE("moongate_overflow"), SLICE("true")};
		return 1;
	}
	key_values(key, values, def->label_count);
	for (uint32_t i = 0; i < def->label_count; i++)
		out[i] = (struct label){def->labels[i], values[i]}; /* empty ones are left out with the rest */
	return def->label_count;
}

int metrics_cursor_labels(const struct metrics_cursor *c, uint32_t i, struct buf *out)
{
	CHECK(c->series.labels != NULL);
	const struct metric_def *def = &c->walk.family->meta->def;
	struct label labels[METRIC_LABELS_MAX + 2];
	struct buf name = {0}, bound_text = {0};
	struct error err = {0};
	const char *suffix;
	double bound;

	uint32_t count = key_labels(def, series_labels_key(c->series.labels), labels);
	bool bounded = suffix_of(def, i, &suffix, &bound);
	buf_slice_append(&name, def->name);
	buf_str(&name, suffix);
	if (bounded) /* no -0.0, as the decoders have it */
		exposition_bound(&bound_text, EXPOSITION_OPENMETRICS, bound == 0 ? 0.0 : bound);
	int code = buf_failed(&name) || buf_failed(&bound_text) ? -ENOMEM : 0;
	if (code == 0) {
		labels[count++] = (struct label){LABEL_METRIC_NAME, buf_slice(&name)};
		if (bounded)
			labels[count++] = (struct label){
			    def->type == METRIC_HISTOGRAM ? SLICE("le") : SLICE("quantile"), buf_slice(&bound_text)};
		code = labels_canonical(labels, count, out, &err);
		CHECK(code == 0 || code == -ENOMEM);
	}
	buf_free(&name);
	buf_free(&bound_text);
	return code;
}

bool metrics_cursor_exemplar(const struct metrics_cursor *c, uint32_t i, struct metrics_exemplar *out)
{
	const struct family_view *f = c->walk.family;
	const struct exemplar *e = i < f->exemplar_slots ? view_exemplar(f, c->series.number, i) : NULL;

	if (e == NULL)
		return false;
	*out = (struct metrics_exemplar){
	    .trace_id = slice_new(e->ids, e->trace_len),
	    .span_id = slice_new(e->ids + e->trace_len, e->span_len),
	    .value = e->value,
	    .time_ns = e->time_ns,
	};
	return true;
}
