/* Series in memory. */
#include "memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "record/labels.h"

struct memory_series {
	char *labels; /* owned */
	size_t labels_len;
	/* Floats, owned, their times rising. */
	int64_t *times;
	double *values;
	size_t count, times_cap, values_cap;
	/* Times of native histograms, owned, rising. */
	int64_t *native;
	size_t native_count, native_cap;
};

void memory_init(struct memory *m)
{
	*m = (struct memory){0};
}

static void series_free(struct memory_series *s)
{
	mem_free(s->labels);
	mem_free(s->times);
	mem_free(s->values);
	mem_free(s->native);
	mem_free(s);
}

void memory_deinit(struct memory *m)
{
	for (size_t i = 0; i < m->count; i++)
		series_free(m->series[i]);
	mem_free((void *)m->series);
	memory_init(m);
}

static struct slice labels_of(const struct memory_series *s)
{
	return slice_new(s->labels, s->labels_len);
}

/* ---- loading ---- */

/* The first time that is not before `t`. */
static size_t find_time(const int64_t *times, size_t count, int64_t t)
{
	size_t from = 0;
	while (count > 0) {
		size_t half = count / 2;
		if (times[from + half] < t) {
			from += half + 1;
			count -= half + 1;
		} else {
			count = half;
		}
	}
	return from;
}

static struct memory_series *series_new(struct slice labels)
{
	struct memory_series *s = mem_zalloc(1, sizeof *s);
	if (s == NULL)
		return NULL;
	s->labels = mem_strndup(labels.len > 0 ? labels.ptr : "", labels.len);
	s->labels_len = labels.len;
	if (s->labels == NULL) {
		series_free(s);
		return NULL;
	}
	return s;
}

/* The series with these labels, which is made where there is none. NULL: memory is out. */
static struct memory_series *find_series(struct memory *m, struct slice labels)
{
	size_t at = 0;

	while (at < m->count && labels_compare(labels_of(m->series[at]), labels) < 0)
		at++;
	if (at < m->count && slice_eq(labels_of(m->series[at]), labels))
		return m->series[at];
	if (mem_grow((void **)&m->series, &m->cap, m->count, sizeof *m->series) != 0)
		return NULL;
	struct memory_series *made = series_new(labels);
	if (made == NULL)
		return NULL;
	memmove((void *)&m->series[at + 1], (void *)&m->series[at], (m->count - at) * sizeof *m->series);
	m->series[at] = made;
	m->count++;
	return made;
}

static int out_of_memory(struct error *err)
{
	return error_set(err, -ENOMEM, "out of memory");
}

/* A stale marker is another value than any other NaN. */
static bool same_bits(double a, double b)
{
	uint64_t x, y;

	memcpy(&x, &a, sizeof x);
	memcpy(&y, &b, sizeof y);
	return x == y;
}

static int add_float(struct memory_series *s, int64_t t, double value, struct error *err)
{
	size_t at = find_time(s->times, s->count, t);

	if (at < s->count && s->times[at] == t) {
		if (same_bits(s->values[at], value))
			return 0;
		return error_set(err, -EINVAL, "a series has two values at %lld ms", (long long)t);
	}
	if (mem_grow((void **)&s->times, &s->times_cap, s->count, sizeof *s->times) != 0 ||
	    mem_grow((void **)&s->values, &s->values_cap, s->count, sizeof *s->values) != 0)
		return out_of_memory(err);
	memmove(&s->times[at + 1], &s->times[at], (s->count - at) * sizeof *s->times);
	memmove(&s->values[at + 1], &s->values[at], (s->count - at) * sizeof *s->values);
	s->times[at] = t;
	s->values[at] = value;
	s->count++;
	return 0;
}

static int add_native(struct memory_series *s, int64_t t, struct error *err)
{
	size_t at = find_time(s->native, s->native_count, t);

	if (at < s->native_count && s->native[at] == t)
		return 0;
	if (mem_grow((void **)&s->native, &s->native_cap, s->native_count, sizeof *s->native) != 0)
		return out_of_memory(err);
	memmove(&s->native[at + 1], &s->native[at], (s->native_count - at) * sizeof *s->native);
	s->native[at] = t;
	s->native_count++;
	return 0;
}

/* Adds the values of a line; `all_native`: as a native histogram each. */
static int add_values(struct memory *m, struct slice labels, const struct script_series *line, int64_t step_ms,
                      bool all_native, struct error *err)
{
	struct memory_series *s = find_series(m, labels);
	int rc = 0;

	if (s == NULL)
		return out_of_memory(err);
	for (uint32_t i = 0; i < line->count && rc == 0; i++) {
		const struct script_value *v = &line->values[i];
		int64_t t = (int64_t)i * step_ms;
		if (v->omitted || (all_native && v->native))
			continue;
		rc = all_native || v->native ? add_native(s, t, err) : add_float(s, t, v->value, err);
	}
	return rc;
}

/* ---- classic histograms that become native ones ---- */

/* The name without _bucket, _sum or _count; the whole: it has none of them. */
static struct slice histogram_name(struct slice name, bool *is_bucket)
{
	static const char *const suffixes[] = {"_bucket", "_sum", "_count"};

	for (int i = 0; i < 3; i++) {
		size_t len = strlen(suffixes[i]);
		*is_bucket = i == 0;
		if (name.len >= len && memcmp(name.ptr + name.len - len, suffixes[i], len) == 0)
			return slice_new(name.ptr, name.len - len);
	}
	return name;
}

/* The labels of the histogram that a series is a part of: without the suffix of its name, and without `le`. */
static int histogram_labels(struct slice labels, struct slice name, struct buf *out, struct error *err)
{
	struct label all[LABELS_MAX];
	uint32_t count = 0;

	for (struct label l; labels_next(&labels, &l);) {
		if (slice_eq(l.name, LABEL_METRIC_NAME))
			l.value = name;
		else if (slice_eq(l.name, SLICE("le")))
			continue;
		all[count++] = l;
	}
	return labels_canonical(all, count, out, err);
}

/* A bucket's bound is a number; of what is none nothing is made. */
static bool is_bound(struct slice text)
{
	char room[64], *end;

	if (text.len == 0 || text.len >= sizeof room)
		return false;
	memcpy(room, text.ptr, text.len);
	room[text.len] = '\0';
	double bound = strtod(room, &end);
	return *end == '\0' && bound == bound;
}

static int load_native(struct memory *m, const struct script_series *line, int64_t step_ms, struct error *err)
{
	struct slice name = labels_get(line->labels, LABEL_METRIC_NAME);
	struct buf labels = {0};
	bool is_bucket;
	struct slice base = histogram_name(name, &is_bucket);

	if (base.len == name.len || (is_bucket && !is_bound(labels_get(line->labels, SLICE("le")))))
		return 0;
	int rc = histogram_labels(line->labels, base, &labels, err);
	if (rc == 0)
		rc = add_values(m, buf_slice(&labels), line, step_ms, true, err);
	buf_free(&labels);
	return rc;
}

/* Of the same labels the last line holds. */
static bool is_overwritten(const struct script_load *load, uint32_t at)
{
	for (uint32_t i = at + 1; i < load->series_count; i++) {
		if (slice_eq(load->series[i].labels, load->series[at].labels))
			return true;
	}
	return false;
}

int memory_load(struct memory *m, const struct script_load *load, struct error *err)
{
	for (uint32_t i = 0; i < load->series_count; i++) {
		const struct script_series *line = &load->series[i];
		if (is_overwritten(load, i))
			continue;
		int rc = add_values(m, line->labels, line, load->step_ms, false, err);
		if (rc == 0 && load->with_nhcb)
			rc = load_native(m, line, load->step_ms, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* ---- the source ---- */

struct memory_set {
	struct memory_series **series; /* owned; they themselves are the memory's */
	size_t count, cap;
	size_t next; /* of `series` */
	int64_t from_ms, to_ms;
};

static void set_close(void *set)
{
	struct memory_set *s = set;
	mem_free((void *)s->series);
	mem_free(s);
}

static bool native_between(const struct memory_series *s, int64_t from, int64_t to)
{
	size_t at = find_time(s->native, s->native_count, from);
	return at < s->native_count && s->native[at] <= to;
}

static int fill(struct memory *m, const struct promql_select *what, struct memory_set *set, struct error *err)
{
	for (size_t i = 0; i < m->count; i++) {
		struct memory_series *s = m->series[i];
		int matches = matchers_match(what->matchers, what->matcher_count, labels_of(s));
		if (matches < 0)
			return out_of_memory(err);
		if (matches == 0)
			continue;
		m->native_selected |= native_between(s, what->from_ms, what->to_ms);
		if (mem_grow((void **)&set->series, &set->cap, set->count, sizeof *set->series) != 0)
			return out_of_memory(err);
		set->series[set->count++] = s;
	}
	return 0;
}

static int memory_select(void *ctx, const struct promql_select *what, void **set, struct error *err)
{
	struct memory_set *s = mem_zalloc(1, sizeof *s);
	if (s == NULL)
		return out_of_memory(err);
	s->from_ms = what->from_ms;
	s->to_ms = what->to_ms;
	int rc = fill(ctx, what, s, err);
	if (rc != 0)
		set_close(s);
	else
		*set = s;
	return rc;
}

static int set_next(void *set, struct slice *labels, struct error *err)
{
	struct memory_set *s = set;

	(void)err;
	if (s->next == s->count)
		return 0;
	*labels = labels_of(s->series[s->next++]);
	return 1;
}

static int set_samples(void *set, struct promql_samples *out, struct error *err)
{
	const struct memory_set *set_ = set;
	const struct memory_series *s = set_->series[set_->next - 1];
	size_t from = find_time(s->times, s->count, set_->from_ms), to = from;

	(void)err;
	while (to < s->count && s->times[to] <= set_->to_ms)
		to++;
	*out = (struct promql_samples){s->times + from, s->values + from, (uint32_t)(to - from)};
	return 0;
}

struct promql_source memory_source(struct memory *m)
{
	static const struct promql_source_ops ops = {memory_select, set_next, set_samples, set_close};
	return (struct promql_source){&ops, m};
}
