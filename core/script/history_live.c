/* The live values of a metric by their labels, from the snapshot, for questions that ask for it again and again. */
#include <errno.h>

#include "base/mem.h"
#include "script/history.h"

int history_tick(const struct history *h, struct history_progress *p, struct error *err)
{
	const struct history_question *q = p->question;

	if (++p->series > HISTORY_SERIES_MAX)
		return error_set(err, -E2BIG, "more than %d series", HISTORY_SERIES_MAX);
	if (h->bytes > HISTORY_BYTES_MAX)
		return error_set(err, -E2BIG, "the answers hold more than %d MiB", HISTORY_BYTES_MAX >> 20);
	if (p->series % HISTORY_TICKS == 0 && q->stopped != NULL && q->stopped(q->ctx))
		return -EINTR;
	return 0;
}

/* ---- names ---- */

/* Which values of each series of the family are shown under the name. None: *first is *end. */
static void values_named(const struct metrics_family *f, struct slice name, uint32_t *first, uint32_t *end)
{
	bool histogram = f->type == METRIC_HISTOGRAM, summary = f->type == METRIC_SUMMARY;

	*first = *end = 0;
	if (name.len < f->name.len || memcmp(name.ptr, f->name.ptr, f->name.len) != 0)
		return;
	struct slice suffix = slice_new(name.ptr + f->name.len, name.len - f->name.len);
	uint32_t count =
	    f->value_count - 2; /* of a histogram and a summary: where their count is, and behind it the sum */
	if (!histogram && !summary) {
		*end = suffix.len == 0;
	} else if (slice_eq(suffix, histogram ? SLICE("_bucket") : SLICE(""))) {
		*end = count;
	} else if (slice_eq(suffix, SLICE("_count"))) {
		*first = count;
		*end = count + 1;
	} else if (slice_eq(suffix, SLICE("_sum"))) {
		*first = count + 1;
		*end = count + 2;
	}
}

/* ---- series ---- */

static bool same_labels(const void *ctx, const void *key, uint32_t item)
{
	const struct live_metric *m = ctx;

	return slice_eq(m->items[item].labels, *(const struct slice *)key);
}

static int add_series(struct history *h, struct live_metric *m, struct slice labels, double value, int64_t created_ms)
{
	struct slice copy = arena_copy(&m->arena, labels);
	void *items = m->items;

	if (copy.ptr == NULL || mem_grow(&items, &m->cap, m->count, sizeof *m->items) != 0)
		return -ENOMEM;
	m->items = items;
	uint64_t hash = labels_hash(copy);
	if (table_add(&m->table, hash, m->count) != 0)
		return -ENOMEM;
	m->items[m->count++] = (struct live_series){copy, hash, value, created_ms, 0};
	h->bytes += copy.len + sizeof *m->items + sizeof(struct table_slot);
	return 0;
}

static int add_family(struct history *h, struct live_metric *m, struct metrics_cursor *c,
                      const struct metrics_family *f, struct history_progress *p, struct error *err)
{
	struct metrics_sampled s;
	struct buf labels = {0};
	uint32_t first, end;
	int code = 0;

	values_named(f, m->name, &first, &end);
	m->cumulative = m->cumulative || (first < end && first >= f->cumulative);
	while (first < end && code == 0 && metrics_cursor_next(c, &s)) {
		for (uint32_t i = first; i < end && code == 0; i++) {
			buf_reset(&labels);
			code = history_tick(h, p, err);
			if (code == 0)
				code = metrics_cursor_labels(c, i, &labels);
			if (code == 0)
				code = add_series(h, m, buf_slice(&labels), s.values[i], s.created_ns / NS_PER_MS);
		}
	}
	buf_free(&labels);
	return code;
}

static int add_families(struct history *h, struct live_metric *m, struct history_progress *p, struct error *err)
{
	struct metrics_cursor *c = metrics_cursor_new(h->live);
	struct metrics_family f;
	int code = c == NULL ? -ENOMEM : 0;

	while (code == 0 && metrics_cursor_family(c, &f))
		code = add_family(h, m, c, &f, p, err);
	metrics_cursor_free(c);
	return code;
}

/* ---- metrics ---- */

static size_t bytes_of(const struct live_metric *m)
{
	size_t bytes = sizeof *m + m->name.len;

	for (uint32_t i = 0; i < m->count; i++)
		bytes += m->items[i].labels.len + sizeof *m->items + sizeof(struct table_slot);
	return bytes;
}

static void metric_free(struct history *h, struct live_metric *m)
{
	h->bytes -= bytes_of(m);
	table_deinit(&m->table);
	arena_deinit(&m->arena);
	mem_free(m->items);
	mem_free(m);
}

static struct live_metric *metric_new(struct history *h, struct slice name)
{
	struct live_metric *m = mem_zalloc(1, sizeof *m);

	if (m == NULL)
		return NULL;
	table_init(&m->table);
	arena_init(&m->arena);
	m->name = arena_copy(&m->arena, name);
	if (m->name.ptr != NULL) {
		h->bytes += sizeof *m + name.len;
		return m;
	}
	mem_free(m);
	return NULL;
}

int history_live(struct history *h, struct slice name, struct history_progress *p, struct live_metric **out,
                 struct error *err)
{
	for (*out = h->metrics; *out != NULL; *out = (*out)->next) {
		if (slice_eq((*out)->name, name))
			return 0;
	}
	struct live_metric *m = metric_new(h, name);
	if (m == NULL)
		return -ENOMEM;
	int code = add_families(h, m, p, err);
	if (code != 0) {
		metric_free(h, m);
		return code;
	}
	m->next = h->metrics;
	h->metrics = *out = m;
	return 0;
}

struct live_series *history_live_find(const struct live_metric *m, struct slice labels)
{
	uint32_t at = table_find(&m->table, labels_hash(labels), same_labels, m, &labels);

	return at == TABLE_NONE ? NULL : &m->items[at];
}

void history_live_free(struct history *h)
{
	while (h->metrics != NULL) {
		struct live_metric *m = h->metrics;
		h->metrics = m->next;
		metric_free(h, m);
	}
}
