/* Label sets of attributes.
 *
 * The points of a metric have the same keys in the same order, one after the other. So what became of the last point's keys is remembered: their names as labels and the order of those. A point whose keys
 * are the same bytes costs a comparison of each; any other is sorted, and looked through for names that have become the same. */
#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/utf8.h"
#include "ingest/otlp_metrics.h"
#include "ingest/otlp_name.h"

enum { SHOWN_MAX = 64 };

_Static_assert(OTLP_LABELS_MAX <= UINT8_MAX, "an order has bytes");

int otlp_refuse(struct otlp *d, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(d->why, sizeof d->why, format, args);
	va_end(args);
	return 0;
}

/* ---- values and names ---- */

static int refuse_attribute(struct otlp *d, const struct otlp_attribute *a, const char *why)
{
	if (!utf8_valid(a->key, NULL))
		return otlp_refuse(d, "an attribute whose key is not UTF-8 %s", why);
	return otlp_refuse(d, "the attribute \"%.*s\" %s", SLICE_ARG(utf8_cut(a->key, SHOWN_MAX)), why);
}

/* What is no string. */
static int value_text(struct otlp *d, const struct otlp_attribute *a, struct slice *out)
{
	buf_reset(&d->text);
	if (!otlp_value_text(&d->text, &a->value))
		return refuse_attribute(d, a, "is nested too deeply");
	if (buf_failed(&d->text))
		return -ENOMEM;
	*out = arena_copy(&d->scratch, buf_slice(&d->text));
	return out->ptr == NULL ? -ENOMEM : 1;
}

int otlp_labels_value(struct otlp *d, const struct otlp_attribute *a, struct slice *out)
{
	*out = a->value.bytes;
	if (a->value.type == OTLP_STRING) {
		bool fine = utf8_is_ascii(out->ptr, out->len) || utf8_valid(*out, NULL);
		return fine ? 1 : refuse_attribute(d, a, "has a value that is not UTF-8");
	}
	if (a->value.type != OTLP_BOOL)
		return value_text(d, a, out);
	*out = a->value.integer != 0 ? SLICE("true") : SLICE("false");
	return 1;
}

/* The name that a key becomes, in the body or `names`. 1, 0 (refused) or -ENOMEM. */
static int clean_name(struct otlp *d, const struct otlp_attribute *a, struct arena *names, struct slice *out)
{
	*out = a->key;
	if (otlp_label_name_fine(a->key))
		return 1;
	if (a->key.len > LABEL_NAME_BYTES_MAX)
		return refuse_attribute(d, a, "has a key of more than 1024 bytes");
	char *name = arena_alloc(names, a->key.len + 4);
	if (name == NULL)
		return -ENOMEM;
	*out = slice_new(name, otlp_label_name(name, a->key));
	return out->len > 0 ? 1 : refuse_attribute(d, a, "has a key that no label's name can be made of");
}

/* ---- the fixed labels ---- */

static const struct slice longest_bound = SLICE("0123456789abcdef0123456789abcdef");

_Static_assert(OTLP_BOUND_TEXT_MAX == sizeof "0123456789abcdef0123456789abcdef" - 1, "the longest text of a bound");

/* Which there are, and their names; the values are as long as they may become. Returns the bits. */
static uint32_t fixed_labels(struct otlp *d, struct slice bound, struct label *out)
{
	uint32_t bits = 1u << OTLP_FIXED_NAME;

	struct slice name = slice_new(d->metric.name.ptr, d->metric.name.len + OTLP_LONGEST_SUFFIX.len);
	out[OTLP_FIXED_NAME] = (struct label){LABEL_METRIC_NAME, name};
	out[OTLP_FIXED_JOB] = (struct label){SLICE("job"), d->resource.job};
	out[OTLP_FIXED_INSTANCE] = (struct label){SLICE("instance"), d->resource.instance};
	out[OTLP_FIXED_BOUND] = (struct label){bound, longest_bound};
	bits |= (uint32_t)(d->resource.job.len > 0) << OTLP_FIXED_JOB;
	bits |= (uint32_t)(d->resource.instance.len > 0) << OTLP_FIXED_INSTANCE;
	bits |= (uint32_t)(bound.len > 0) << OTLP_FIXED_BOUND;
	return bits;
}

/* ---- keys that are new ---- */

/* By the name, then by the key as sent; a fixed label is behind all attributes of its name. */
static bool comes_before(const struct otlp *d, uint32_t a, uint32_t b)
{
	int order = slice_compare(d->keys.clean[a], d->keys.clean[b]);

	if (order != 0)
		return order < 0;
	if (a >= LABELS_MAX || b >= LABELS_MAX)
		return a < b;
	order = slice_compare(d->attributes[a].key, d->attributes[b].key);
	return order != 0 ? order < 0 : a < b;
}

/* By insertion: the numbers that are moved are bytes. */
static void sort_keys(struct otlp *d)
{
	uint8_t *order = d->keys.order;

	for (uint32_t i = 1; i < d->keys.all; i++) {
		uint8_t item = order[i];
		uint32_t low = 0, high = i;
		if (comes_before(d, order[i - 1], item))
			continue; /* as mostly */
		while (low < high) {
			uint32_t middle = (low + high) / 2;
			if (comes_before(d, item, order[middle]))
				high = middle;
			else
				low = middle + 1;
		}
		memmove(order + low + 1, order + low, i - low);
		order[low] = item;
	}
}

/* Fills d->keys for the attributes at hand. 1, 0 (refused) or -ENOMEM. */
static int learn_keys(struct otlp *d, uint32_t fixed, const struct label *labels)
{
	int code = 1;

	d->keys.valid = false;
	d->keys.count = d->keys.all = d->attribute_count;
	d->keys.fixed = fixed;
	for (uint32_t i = 0; i < d->attribute_count && code > 0; i++) {
		d->keys.raw[i] = d->attributes[i].key;
		d->keys.order[i] = (uint8_t)i;
		code = clean_name(d, &d->attributes[i], &d->batch->arena, &d->keys.clean[i]);
	}
	for (uint32_t i = 0; i < OTLP_FIXED_COUNT; i++) {
		d->keys.clean[LABELS_MAX + i] = labels[i].name;
		if (fixed >> i & 1)
			d->keys.order[d->keys.all++] = (uint8_t)(LABELS_MAX + i);
	}
	if (code <= 0)
		return code;
	sort_keys(d);
	d->keys.valid = true;
	for (uint32_t i = 1; i < d->keys.all; i++) {
		if (slice_eq(d->keys.clean[d->keys.order[i - 1]], d->keys.clean[d->keys.order[i]]))
			d->keys.valid = false;
	}
	return 1;
}

static bool same_keys(const struct otlp *d, uint32_t fixed)
{
	if (!d->keys.valid || d->keys.count != d->attribute_count || d->keys.fixed != fixed)
		return false;
	for (uint32_t i = 0; i < d->keys.count; i++) {
		struct slice a = d->keys.raw[i], b = d->attributes[i].key;
		if (a.len != b.len || !bytes_same(a.ptr, b.ptr, a.len))
			return false;
	}
	return true;
}

/* ---- sets ---- */

/* Joins the values of labels that have one name, which follow each other, with ';' between them. */
static int join(struct otlp *d, struct label *first, struct slice second)
{
	char *to = arena_alloc(&d->scratch, first->value.len + 1 + second.len);

	if (to == NULL)
		return -ENOMEM;
	if (first->value.len > 0)
		memcpy(to, first->value.ptr, first->value.len);
	to[first->value.len] = ';';
	if (second.len > 0)
		memcpy(to + first->value.len + 1, second.ptr, second.len);
	first->value = slice_new(to, first->value.len + 1 + second.len);
	return 1;
}

/* Adds one label behind the others, which come before it or have its name. */
static int add_label(struct otlp *d, uint32_t item, struct slice value)
{
	struct otlp_set *set = &d->set;
	struct slice name = d->keys.clean[item];
	bool fixed = item >= LABELS_MAX;
	bool again = !d->keys.valid && set->count > 0 && slice_eq(set->labels[set->count - 1].name, name);

	if (again && !fixed)
		return join(d, &set->labels[set->count - 1], value);
	set->count -= again;
	if (fixed)
		set->at[item - LABELS_MAX] = (int32_t)set->count;
	set->labels[set->count++] = (struct label){name, value};
	return 1;
}

/* Takes out what has no value, which is the same as a label that is not there. */
static void drop_empty(struct otlp_set *set)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < set->count; i++) {
		if (set->labels[i].value.len == 0)
			continue;
		for (uint32_t k = 0; k < OTLP_FIXED_COUNT; k++) {
			if (set->at[k] == (int32_t)i)
				set->at[k] = (int32_t)kept;
		}
		set->labels[kept++] = set->labels[i];
	}
	set->count = kept;
}

static int fill_set(struct otlp *d, const struct label *fixed)
{
	bool empty = false;

	d->set.count = 0;
	memset(d->set.at, 0xff, sizeof d->set.at);
	for (uint32_t i = 0; i < d->keys.all; i++) {
		uint32_t item = d->keys.order[i];
		struct slice value;
		int code = 1;
		if (item >= LABELS_MAX)
			value = fixed[item - LABELS_MAX].value;
		else
			code = otlp_labels_value(d, &d->attributes[item], &value);
		if (code > 0)
			code = add_label(d, item, value);
		if (code <= 0)
			return code;
		empty |= value.len == 0;
	}
	if (empty)
		drop_empty(&d->set);
	return 1;
}

int otlp_labels_make(struct otlp *d, struct slice bound)
{
	struct label fixed[OTLP_FIXED_COUNT];
	struct error why = {0};
	int code = 1;

	if (d->attribute_count > LABELS_MAX)
		return otlp_refuse(d, "it has %u attributes, more than the %d that are taken", d->attribute_count,
		                   LABELS_MAX);
	uint32_t bits = fixed_labels(d, bound, fixed);
	if (!same_keys(d, bits))
		code = learn_keys(d, bits, fixed);
	if (code > 0)
		code = fill_set(d, fixed);
	if (code <= 0)
		return code;
	uint32_t count = d->set.count;
	if (labels_prepare(d->set.labels, &d->set.count, true, &why) != 0)
		return otlp_refuse(d, "%s", why.text);
	CHECK(count == d->set.count);
	return 1;
}

/* Writes labels in order into the arena. */
static int write_labels(struct otlp *d, const struct label *labels, uint32_t count, struct slice *out)
{
	size_t size = labels_size(labels, count);

	d->label_bytes += size;
	if (d->label_bytes > d->limits->label_bytes)
		return error_set(d->err, -EFBIG, "the labels of the body have more than %zu bytes written out",
		                 d->limits->label_bytes);
	char *to = arena_alloc(&d->batch->arena, size);
	if (to == NULL)
		return -ENOMEM;
	labels_write(to, labels, count);
	*out = slice_new(to, size);
	return 1;
}

int otlp_labels_write(struct otlp *d, struct slice name, struct slice bound, struct slice *out)
{
	struct otlp_set *set = &d->set;
	int32_t hole = set->at[OTLP_FIXED_BOUND];

	set->labels[set->at[OTLP_FIXED_NAME]].value = name;
	if (hole < 0 || bound.len > 0) {
		if (hole >= 0)
			set->labels[hole].value = bound;
		return write_labels(d, set->labels, set->count, out);
	}
	/* The label is taken out for this once. */
	struct label kept = set->labels[hole];
	size_t behind = set->count - (uint32_t)hole - 1;
	memmove(set->labels + hole, set->labels + hole + 1, behind * sizeof kept);
	int code = write_labels(d, set->labels, set->count - 1, out);
	memmove(set->labels + hole + 1, set->labels + hole, behind * sizeof kept);
	set->labels[hole] = kept;
	return code;
}

int otlp_labels_exemplar(struct otlp *d, struct slice trace_id, struct slice span_id, struct slice *out)
{
	struct label labels[LABELS_MAX + 2];
	uint32_t count = 0;
	struct error why = {0};
	int code = 1;

	if (d->attribute_count > LABELS_MAX)
		return otlp_refuse(d, "it has %u attributes", d->attribute_count);
	for (uint32_t i = 0; i < d->attribute_count && code > 0; i++) {
		struct label *l = &labels[count++];
		code = clean_name(d, &d->attributes[i], &d->scratch, &l->name);
		if (code > 0)
			code = otlp_labels_value(d, &d->attributes[i], &l->value);
	}
	if (code <= 0)
		return code;
	labels[count++] = (struct label){SLICE("trace_id"), trace_id};
	labels[count++] = (struct label){SLICE("span_id"), span_id};
	if (labels_prepare(labels, &count, true, &why) != 0)
		return otlp_refuse(d, "%s", why.text);
	return write_labels(d, labels, count, out);
}
