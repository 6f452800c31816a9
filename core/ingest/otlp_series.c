/* Data points of OpenTelemetry as series and samples: a gauge or sum is one series, a histogram one for each bound and three more, a summary one for each quantile and two more. */
#include <math.h>

#include "base/hash.h"
#include "base/mem.h"
#include "ingest/otlp_metrics.h"

static const struct slice no_suffix = SLICE(""), no_bound = SLICE(""), infinite = SLICE("+Inf");

/* Nanoseconds are cut off to milliseconds, as Prometheus does. */
static int64_t milliseconds(uint64_t ns)
{
	return (int64_t)(ns / 1000000);
}

static bool is_stale(const struct otlp *d)
{
	return (d->point.flags & OTLP_NO_RECORDED_VALUE) != 0;
}

static double double_of(uint64_t bits)
{
	double v;

	memcpy(&v, &bits, sizeof v);
	return v;
}

/* ---- one series ---- */

static int check_room(const struct otlp *d)
{
	const struct sample_batch *b = d->batch;

	if (b->series_count >= d->limits->series || b->sample_count >= d->limits->samples)
		return error_set(d->err, -EFBIG, "the body's data points make more series than are taken at once (%u)",
		                 d->limits->series < d->limits->samples ? d->limits->series : d->limits->samples);
	return 0;
}

/* The metric's name with a suffix. The longest one stands behind the name anyway (otlp_metrics.h). */
static struct slice with_suffix(struct otlp *d, struct slice suffix)
{
	struct slice name = d->metric.name;

	if (suffix.len == 0 || slice_eq(suffix, OTLP_LONGEST_SUFFIX))
		return slice_new(name.ptr, name.len + suffix.len);
	char *to = arena_alloc(&d->scratch, name.len + suffix.len);
	if (to == NULL)
		return slice_new(NULL, 0);
	memcpy(to, name.ptr, name.len);
	memcpy(to + name.len, suffix.ptr, suffix.len);
	return slice_new(to, name.len + suffix.len);
}

static int64_t created_ms(const struct otlp *d)
{
	return d->metric.kind == OTLP_GAUGE ? 0 : milliseconds(d->point.start_ns);
}

/* An increment of the point at hand. */
struct increment {
	struct slice labels;
	int64_t time_ms;
};

static bool same_increment(const void *ctx, const void *key, uint32_t item)
{
	const struct sample_series *s = &((const struct sample_batch *)ctx)->series[item];
	const struct increment *i = key;

	return s->samples[0].time_ms == i->time_ms && slice_eq(s->labels, i->labels);
}

/* Two scopes may count under one name, and become one series: what they count at one time is added up here, since whoever takes the batch in would take the second for the first one come again. 1: the
 * increment is in a series that is there; 0: it is to be the next one of the batch; -ENOMEM. */
static int join_increments(struct otlp *d, struct slice labels, uint64_t hash, double value, uint32_t exemplar_count)
{
	struct sample_batch *b = d->batch;
	const struct increment key = {labels, milliseconds(d->point.time_ns)};
	uint64_t mixed = hash_mix(hash, (uint64_t)key.time_ms);
	uint32_t at = table_find(&d->increments, mixed, same_increment, b, &key);

	if (at == TABLE_NONE)
		return table_add(&d->increments, mixed, b->series_count);
	struct sample_series *s = &b->series[at];
	struct sample *sum = arena_alloc(&b->arena, sizeof *sum);
	if (sum == NULL)
		return -ENOMEM;
	*sum = (struct sample){key.time_ms, s->samples[0].value + value};
	s->samples = sum;
	if (created_ms(d) < s->created_ms)
		s->created_ms = created_ms(d);
	d->rejects->exemplars += exemplar_count;
	if (exemplar_count > 0 &&
	    otlp_reject(d, "%u exemplars were left out: they are of a second point of one series", exemplar_count) != 0)
		return -ENOMEM;
	return 1;
}

int otlp_series_add(struct otlp *d, struct slice suffix, struct slice bound, double value,
                    const struct sample_exemplar *exemplars, uint32_t exemplar_count)
{
	struct sample_batch *b = d->batch;
	struct slice name = with_suffix(d, suffix), labels;
	int code = check_room(d);

	if (code != 0)
		return code;
	code = name.ptr == NULL ? -ENOMEM : otlp_labels_write(d, name, bound, &labels);
	if (code < 0)
		return code;
	uint64_t hash = labels_hash(labels);
	if (d->metric.delta && !is_stale(d)) {
		code = join_increments(d, labels, hash, value, exemplar_count);
		if (code != 0)
			return code < 0 ? code : 0;
	}
	struct sample *sample = arena_alloc(&b->arena, sizeof *sample);
	struct sample_series *s = sample_batch_add(b);
	if (sample == NULL || s == NULL)
		return -ENOMEM;
	sample->time_ms = milliseconds(d->point.time_ns);
	sample->value = is_stale(d) ? sample_stale() : value;
	s->labels = labels;
	s->hash = hash;
	s->samples = sample;
	s->exemplars = exemplars;
	s->sample_count = 1;
	s->exemplar_count = exemplar_count;
	s->created_ms = created_ms(d);
	s->delta = d->metric.delta && !is_stale(d);
	s->index = d->index;
	b->sample_count++;
	b->exemplar_count += exemplar_count;
	return 0;
}

int otlp_series_describe(struct otlp *d, const struct sample_metadata *m)
{
	if (d->batch->metadata_count == d->limits->metadata)
		return error_set(d->err, -EFBIG, "the body has metadata of more than %u metrics", d->limits->metadata);
	struct sample_metadata *to = sample_batch_add_metadata(d->batch);
	if (to == NULL)
		return -ENOMEM;
	*to = *m;
	return 0;
}

/* ---- gauges and sums ---- */

static uint32_t only_bucket(const struct otlp *d, double value)
{
	(void)d;
	(void)value;
	return 0;
}

static int take_number(struct otlp *d)
{
	const struct sample_exemplar *exemplars = NULL;
	uint32_t count = 0;

	if (!d->point.has_value && !is_stale(d))
		return otlp_refuse(d, "it has no value");
	int code = otlp_labels_make(d, no_bound);
	if (code <= 0)
		return code;
	if (d->exemplar_message_count > 0) {
		code = otlp_exemplars_read(d, only_bucket);
		if (code == 0)
			code = otlp_exemplars_of(d, 0, &exemplars, &count);
		if (code < 0)
			return code;
	}
	code = otlp_series_add(d, no_suffix, no_bound, d->point.value, exemplars, count);
	return code < 0 ? code : 1;
}

/* ---- histograms ---- */

/* The text of a bound, remembered by its position. */
static int bound_text(struct otlp *d, size_t at, uint64_t bits, struct slice *out)
{
	while (at >= d->bound_count) {
		if (d->bound_count == d->bound_cap &&
		    mem_grow((void **)&d->bounds, &d->bound_cap, d->bound_count, sizeof *d->bounds) != 0)
			return -ENOMEM;
		d->bounds[d->bound_count++].len = 0;
	}
	struct otlp_bound *b = &d->bounds[at];
	if (b->len == 0 || b->bits != bits) {
		buf_reset(&d->text);
		buf_number(&d->text, double_of(bits));
		if (buf_failed(&d->text))
			return -ENOMEM;
		b->bits = bits;
		b->len = (uint32_t)d->text.len;
		memcpy(b->text, d->text.ptr, d->text.len);
	}
	*out = slice_new(b->text, b->len);
	return 0;
}

int otlp_series_bucket(struct otlp *d, uint32_t bucket, struct slice bound, uint64_t count)
{
	const struct sample_exemplar *exemplars;
	uint32_t exemplar_count;
	int code = otlp_exemplars_of(d, bucket, &exemplars, &exemplar_count);

	if (code < 0)
		return code;
	return otlp_series_add(d, OTLP_LONGEST_SUFFIX, bound, (double)count, exemplars, exemplar_count);
}

/* The sum is not there where it would mean nothing, such as with negative values; one that ends has none either, but its series may have had. */
int otlp_series_finish_histogram(struct otlp *d)
{
	int code = otlp_series_bucket(d, UINT32_MAX, infinite, d->point.count);

	if (code == 0)
		code = otlp_series_add(d, SLICE("_count"), no_bound, (double)d->point.count, NULL, 0);
	if (code == 0 && (d->point.has_sum || is_stale(d)))
		code = otlp_series_add(d, SLICE("_sum"), no_bound, d->point.sum, NULL, 0);
	return code;
}

/* Bounds without counts are allowed and mean nothing: nobody says what is in the buckets. */
static int check_bounds(struct otlp *d)
{
	const struct otlp_numbers *bounds = &d->point.bounds, *counts = &d->point.counts;

	if (counts->count != 0 && counts->count != bounds->count + 1)
		return otlp_refuse(d, "it has %zu explicitBounds and %zu bucketCounts, one more was wanted",
		                   bounds->count, counts->count);
	for (size_t i = 0; i < bounds->count; i++) {
		double bound = double_of(bounds->items[i]);
		if (isnan(bound) || (i > 0 && !(double_of(bounds->items[i - 1]) < bound)))
			return otlp_refuse(d, "its explicitBounds do not rise");
	}
	return 1;
}

/* The first bound that is not below the value; behind all of them is +Inf, where a NaN is too. */
static uint32_t explicit_bucket(const struct otlp *d, double value)
{
	size_t low = 0, high = d->point.bounds.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (value <= double_of(d->point.bounds.items[middle]))
			high = middle;
		else
			low = middle + 1;
	}
	return (uint32_t)low;
}

static int take_histogram(struct otlp *d)
{
	const struct otlp_numbers *bounds = &d->point.bounds, *counts = &d->point.counts;
	uint64_t below = 0;
	int code = check_bounds(d);

	if (code > 0)
		code = otlp_labels_make(d, SLICE("le"));
	if (code <= 0)
		return code;
	code = otlp_exemplars_read(d, explicit_bucket);
	for (size_t i = 0; i < bounds->count && code == 0; i++) {
		struct slice text;
		if (counts->count == 0 && !is_stale(d))
			break;
		if (isinf(double_of(bounds->items[i])) && i + 1 == bounds->count)
			break; /* +Inf is there anyway */
		below += counts->count > 0 ? counts->items[i] : 0;
		code = bound_text(d, i, bounds->items[i], &text);
		if (code == 0)
			code = otlp_series_bucket(d, (uint32_t)i, text, below);
	}
	if (code == 0)
		code = otlp_series_finish_histogram(d);
	return code < 0 ? code : 1;
}

/* ---- summaries ---- */

static int take_summary(struct otlp *d)
{
	const struct otlp_numbers *pairs = &d->point.bounds;
	int code = otlp_labels_make(d, SLICE("quantile"));

	if (code <= 0)
		return code;
	code = 0;
	for (size_t i = 0; i + 1 < pairs->count && code == 0; i += 2) {
		struct slice text;
		code = bound_text(d, i / 2, pairs->items[i], &text);
		if (code == 0)
			code = otlp_series_add(d, no_suffix, text, double_of(pairs->items[i + 1]), NULL, 0);
	}
	if (code == 0)
		code = otlp_series_add(d, SLICE("_count"), no_bound, (double)d->point.count, NULL, 0);
	if (code == 0)
		code = otlp_series_add(d, SLICE("_sum"), no_bound, d->point.sum, NULL, 0);
	return code < 0 ? code : 1;
}

/* ---- points ---- */

static int check_exemplar_room(const struct otlp *d)
{
	if (d->batch->exemplar_count + d->rejects->exemplars + d->exemplar_message_count > d->limits->exemplars)
		return error_set(d->err, -EFBIG, "the body has more than %u exemplars", d->limits->exemplars);
	return 0;
}

int otlp_series_take(struct otlp *d)
{
	int code = check_exemplar_room(d);

	if (code != 0)
		return code;
	d->exemplar_count = d->exemplar_next = 0;
	if (d->metric.why != NULL)
		return otlp_refuse(d, "%s", d->metric.why);
	if (d->point.time_ns == 0)
		return otlp_refuse(d, "it has no time");
	if (d->metric.delta && !is_stale(d) && !(isfinite(d->point.value) && isfinite(d->point.sum)))
		return otlp_refuse(d, "it is an increment that is no finite number");
	switch (d->metric.kind) {
	case OTLP_GAUGE:
	case OTLP_SUM:
		code = take_number(d);
		break;
	case OTLP_HISTOGRAM:
		code = take_histogram(d);
		break;
	case OTLP_EXPONENTIAL:
		code = otlp_exponential_take(d);
		break;
	case OTLP_SUMMARY:
		code = take_summary(d);
		break;
	}
	int64_t time_ms = milliseconds(d->point.time_ns);
	if (code > 0 && time_ms > d->resource.newest_ms)
		d->resource.newest_ms = time_ms;
	if (code > 0)
		d->resource.last_index = d->index;
	return code;
}

int otlp_series_target_info(struct otlp *d)
{
	static const char name[] = "target_info_bucket"; /* the longest suffix behind it */
	uint32_t next = d->index;

	d->metric = (struct otlp_metric){.kind = OTLP_GAUGE, .name = slice_new(name, sizeof "target_info" - 1)};
	d->point.flags = 0;
	d->point.time_ns = (uint64_t)d->resource.newest_ms * 1000000;
	int code = otlp_labels_make(d, no_bound);
	if (code <= 0)
		return code;
	d->index = d->resource.last_index; /* which it stands and falls with */
	code = otlp_series_add(d, no_suffix, no_bound, 1, NULL, 0);
	d->index = next;
	if (code == 0 && !d->target_info) {
		d->target_info = true;
		code = otlp_series_describe(d, &(struct sample_metadata){.name = d->metric.name,
		                                                         .help = SLICE("Target metadata"),
		                                                         .type = METADATA_GAUGE});
	}
	return code < 0 ? code : 1;
}
