/* Questions over store and registry, see history.h. Each walks the store's series and, beside them, the live ones: both by their whole labels; what the store does not have yet comes behind it. */
#include "script/history.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "record/labels_sort.h"
#include "script/quantile.h"

/* A bucket's increase, of a histogram. */
struct bucket_part {
	struct bucket bucket;
	struct bucket_part *next;
};

/* A row that is being made. */
struct group {
	struct slice labels;
	double sum, rest; /* Neumaier's: amounts of money add up */
	struct bucket_part *buckets;
	uint32_t bucket_count;
};

struct asking {
	struct history *h;
	const struct history_question *q;
	struct slice name; /* of the series */
	bool buckets;      /* of histograms, for a quantile */
	struct history_progress progress;
	struct matcher *matchers[HISTORY_NAMES_MAX + 1]; /* owned; the name first */
	uint32_t matcher_count;
	int64_t from_ms; /* the window is behind it */
	struct live_metric *live;
	struct table table;   /* of groups, by their labels */
	struct group *groups; /* owned */
	uint32_t count;
	size_t cap;
	struct buf key; /* labels of the row of the series at hand */
	struct history_result *result;
};

/* ---- life ---- */

void history_begin(struct history *h, struct tsdb_view *store, const struct metrics_snapshot *live, int64_t now_ns)
{
	history_end(h);
	h->store = store;
	h->live = live;
	h->now_ms = now_ns / NS_PER_MS;
	h->begun++;
}

void history_end(struct history *h)
{
	while (h->results != NULL)
		history_result_free(h, h->results);
	history_live_free(h);
	h->store = NULL;
	h->live = NULL;
}

static struct history_result *result_new(struct history *h)
{
	struct history_result *r = mem_zalloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	arena_init(&r->arena);
	r->prev = &h->results;
	r->next = h->results;
	if (r->next != NULL)
		r->next->prev = &r->next;
	h->results = r;
	return r;
}

static void count_bytes(struct asking *a, size_t size)
{
	a->result->bytes += size;
	a->h->bytes += size;
}

/* Memory of an answer. */
static void *room(struct asking *a, size_t size)
{
	void *at = arena_alloc(&a->result->arena, size);

	if (at != NULL)
		count_bytes(a, size);
	return at;
}

void history_result_free(struct history *h, struct history_result *r)
{
	*r->prev = r->next;
	if (r->next != NULL)
		r->next->prev = r->prev;
	h->bytes -= r->bytes;
	arena_deinit(&r->arena);
	mem_free(r);
}

/* ---- matchers ---- */

static int add_matcher(struct asking *a, enum matcher_op op, struct slice name, struct slice value, struct error *err)
{
	struct matcher *m = matcher_new(op, name, value, err);

	if (m == NULL)
		return err->code;
	a->matchers[a->matcher_count++] = m;
	return 0;
}

static int add_matchers(struct asking *a, struct error *err)
{
	int code = add_matcher(a, MATCH_EQUAL, LABEL_METRIC_NAME, a->name, err);

	for (uint32_t i = 0; i < a->q->where_count && code == 0; i++) {
		const struct history_matcher *m = &a->q->where[i];
		code = add_matcher(a, m->op, m->name, m->value, err);
	}
	return code;
}

static void free_matchers(struct asking *a)
{
	for (uint32_t i = 0; i < a->matcher_count; i++)
		matcher_free(a->matchers[i]);
}

/* ---- rows ---- */

static bool is_asked_for(const struct history_question *q, struct slice name)
{
	for (uint32_t i = 0; i < q->by_count; i++) {
		if (slice_eq(q->by[i], name))
			return true;
	}
	return false;
}

/* The labels of the row that a series belongs to, into a->key. 0 or -ENOMEM. */
static int row_labels(struct asking *a, struct slice labels)
{
	struct label kept[LABELS_MAX];
	uint32_t count = 0;

	for (struct label l; count < LABELS_MAX && labels_next(&labels, &l);) {
		bool keep = a->q->grouped ? is_asked_for(a->q, l.name)
		                          : !slice_eq(l.name, LABEL_METRIC_NAME) &&
		                                !(a->buckets && slice_eq(l.name, SLICE("le")));
		if (keep)
			kept[count++] = l;
	}
	buf_reset(&a->key);
	size_t size = labels_size(kept, count);
	char *to = buf_room(&a->key, size + 1);
	if (to == NULL)
		return -ENOMEM;
	labels_write(to, kept, count);
	a->key.len = size;
	return 0;
}

static bool same_group(const void *ctx, const void *key, uint32_t item)
{
	const struct asking *a = ctx;

	return slice_eq(a->groups[item].labels, *(const struct slice *)key);
}

/* The row of these labels, which is made where there is none. NULL: memory is out. */
static struct group *group_of(struct asking *a, struct slice labels)
{
	if (row_labels(a, labels) != 0)
		return NULL;
	struct slice key = buf_slice(&a->key);
	uint64_t hash = labels_hash(key);
	uint32_t at = table_find(&a->table, hash, same_group, a, &key);
	if (at != TABLE_NONE)
		return &a->groups[at];
	void *groups = a->groups;
	if (mem_grow(&groups, &a->cap, a->count, sizeof *a->groups) != 0)
		return NULL;
	a->groups = groups;
	char *copy = room(a, key.len + 1);
	if (copy == NULL || table_add(&a->table, hash, a->count) != 0)
		return NULL;
	count_bytes(a, sizeof(struct history_row)); /* of finish() */
	memcpy(copy, key.ptr, key.len);
	a->groups[a->count] = (struct group){.labels = slice_new(copy, key.len)};
	return &a->groups[a->count++];
}

static void add_to_sum(struct group *g, double v)
{
	double sum = g->sum + v;

	if (isfinite(sum))
		g->rest += fabs(g->sum) >= fabs(v) ? (g->sum - sum) + v : (v - sum) + g->sum;
	g->sum = sum;
}

/* The bound of a bucket, from its label `le`. */
static bool read_bound(struct slice labels, double *out)
{
	struct slice le = labels_get(labels, SLICE("le"));
	char text[64], *end;

	if (le.len == 0 || le.len >= sizeof text)
		return false;
	memcpy(text, le.ptr, le.len);
	text[le.len] = '\0';
	*out = strtod(text, &end);
	return *end == '\0' && !isnan(*out);
}

/* Adds what a series has come to. 0 or -ENOMEM. */
static int add_to_row(struct asking *a, struct slice labels, double increase)
{
	double bound = 0;

	if (a->buckets && !read_bound(labels, &bound))
		return 0; /* no bucket: histogram_quantile() leaves it out, too */
	struct group *g = group_of(a, labels);
	if (g == NULL)
		return -ENOMEM;
	if (!a->buckets) {
		add_to_sum(g, increase);
		return 0;
	}
	struct bucket_part *part = room(a, sizeof *part);
	if (part == NULL)
		return -ENOMEM;
	*part = (struct bucket_part){{bound, increase}, g->buckets};
	g->buckets = part;
	g->bucket_count++;
	return 0;
}

/* ---- series ---- */

static uint64_t bits_of(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	return bits;
}

/* The increase of a series: what the store has of it, and its live value where there is one. False: it had no value in the window. */
static bool increase_of(const struct asking *a, const struct series_newest *before, const struct chunk_summary *after,
                        const struct live_series *live, double *out)
{
	struct chunk_summary all;

	if (after->count == after->stale && live == NULL)
		return false;
	summary_init(&all);
	if (before->there && before->value != SAMPLE_STALE_BITS)
		summary_add(&all, before->time_ms, before->value);
	summary_join(&all, after);
	int64_t newest_ms = after->count > 0 ? after->last_ms : before->there ? before->time_ms : INT64_MIN;
	if (live != NULL && a->live->cumulative && live->created_ms > newest_ms && live->created_ms >= a->from_ms)
		summary_add(&all, live->created_ms, bits_of(0.0));
	if (live != NULL)
		summary_add(&all, a->h->now_ms, bits_of(live->value));
	*out = summary_increase(&all);
	return true;
}

static int add_stored(struct asking *a, struct series_set *s, struct slice labels, struct error *err)
{
	struct series_newest before;
	struct chunk_summary after;
	double increase;

	int code = series_set_summary_after(s, a->from_ms, &before, &after, err);
	if (code != 0)
		return code;
	struct live_series *live = history_live_find(a->live, labels);
	if (live != NULL)
		live->asked = a->h->asked;
	return increase_of(a, &before, &after, live, &increase) ? add_to_row(a, labels, increase) : 0;
}

static int walk_store(struct asking *a, struct error *err)
{
	struct slice labels;
	struct series_set *s = tsdb_select(a->h->store, a->matchers, a->matcher_count,
	                                   a->from_ms - HISTORY_LOOKBACK_MS + 1, a->h->now_ms, err);
	int code = s == NULL ? err->code : 0;

	while (code == 0 && (code = series_set_next(s, &labels, err)) == 1) {
		code = history_tick(a->h, &a->progress, err);
		if (code == 0)
			code = add_stored(a, s, labels, err);
	}
	series_set_free(s);
	return code;
}

/* The live series that the walk over the store has not met. */
static int walk_live(struct asking *a, struct error *err)
{
	const struct series_newest before = {0};
	struct chunk_summary after;
	int code = 0;
	double increase;

	summary_init(&after);
	for (uint32_t i = 0; i < a->live->count && code == 0; i++) {
		const struct live_series *l = &a->live->items[i];
		code = history_tick(a->h, &a->progress, err);
		if (code != 0 || l->asked == a->h->asked)
			continue;
		int matches = matchers_match(a->matchers, a->matcher_count, l->labels);
		if (matches < 0)
			code = matches;
		else if (matches == 1 && increase_of(a, &before, &after, l, &increase))
			code = add_to_row(a, l->labels, increase);
	}
	return code;
}

/* ---- answers ---- */

static int quantile_of(const struct asking *a, const struct group *g, double *out)
{
	struct bucket *buckets = mem_alloc(g->bucket_count * sizeof *buckets);
	uint32_t count = 0;

	if (buckets == NULL)
		return -ENOMEM;
	for (const struct bucket_part *p = g->buckets; p != NULL; p = p->next)
		buckets[count++] = p->bucket;
	*out = bucket_quantile(a->q->quantile, buckets, count);
	mem_free(buckets);
	return 0;
}

/* The groups in the order of their labels; owned by the caller. NULL: memory is out. */
static struct labels_item *sorted(const struct asking *a)
{
	struct labels_item *items = mem_alloc((a->count + (size_t)1) * sizeof *items);

	if (items == NULL)
		return NULL;
	for (uint32_t i = 0; i < a->count; i++)
		items[i] = (struct labels_item){.labels = a->groups[i].labels, .number = i};
	labels_sort(items, a->count);
	return items;
}

/* The groups as rows. 0 or -ENOMEM. */
static int finish(struct asking *a)
{
	struct history_result *r = a->result;
	double divisor = a->q->per_second ? (double)a->q->window_ms / 1000 : 1;
	int code = 0;

	struct labels_item *order = sorted(a);
	r->rows = arena_alloc(&r->arena, (a->count + (size_t)1) * sizeof *r->rows); /* counted with each group */
	if (r->rows == NULL || order == NULL)
		code = -ENOMEM;
	for (uint32_t i = 0; i < a->count && code == 0; i++) {
		const struct group *g = &a->groups[order[i].number];
		struct history_row *row = &r->rows[r->count++];
		*row = (struct history_row){g->labels, (g->sum + g->rest) / divisor};
		if (a->buckets)
			code = quantile_of(a, g, &row->value);
	}
	mem_free(order);
	return code;
}

/* Answers a question about the series of a->name. */
static int ask(struct asking *a, struct history_result **out, struct error *err)
{
	a->h->asked++;
	a->progress.question = a->q;
	a->from_ms = a->h->now_ms - a->q->window_ms;
	table_init(&a->table);
	a->result = result_new(a->h);
	int code = a->result == NULL ? -ENOMEM : add_matchers(a, err);
	if (code == 0)
		code = history_live(a->h, a->name, &a->progress, &a->live, err);
	if (code == 0)
		code = walk_store(a, err);
	if (code == 0)
		code = walk_live(a, err);
	if (code == 0)
		code = finish(a);
	free_matchers(a);
	table_deinit(&a->table);
	mem_free(a->groups);
	buf_free(&a->key);
	if (code == 0)
		*out = a->result;
	else if (a->result != NULL)
		history_result_free(a->h, a->result);
	return code;
}

int history_increase(struct history *h, const struct history_question *q, struct history_result **out,
                     struct error *err)
{
	struct asking a = {.h = h, .q = q, .name = q->name};

	return ask(&a, out, err);
}

int history_quantile(struct history *h, const struct history_question *q, struct history_result **out,
                     struct error *err)
{
	struct buf name = {0};

	buf_slice_append(&name, q->name);
	buf_str(&name, "_bucket");
	struct asking a = {.h = h, .q = q, .name = buf_slice(&name), .buckets = true};
	int code = buf_failed(&name) ? -ENOMEM : ask(&a, out, err);
	buf_free(&name);
	return code;
}

/* ---- one value ---- */

/* The newest sample of the series with these labels, unless it is a stale marker. */
static int find_stored(struct asking *a, struct slice wanted, double *out, bool *there, struct error *err)
{
	struct slice labels;
	struct series_newest newest;
	struct chunk_summary after;
	struct series_set *s = tsdb_select(a->h->store, a->matchers, a->matcher_count,
	                                   a->h->now_ms - HISTORY_LOOKBACK_MS + 1, a->h->now_ms, err);
	int code = s == NULL ? err->code : 0;

	while (code == 0 && (code = series_set_next(s, &labels, err)) == 1) {
		code = history_tick(a->h, &a->progress, err);
		if (code != 0 || !slice_eq(labels, wanted))
			continue;
		code = series_set_summary_after(s, a->h->now_ms, &newest, &after, err);
		*there = code == 0 && newest.there && newest.value != SAMPLE_STALE_BITS;
		if (*there)
			memcpy(out, &newest.value, sizeof *out);
		break;
	}
	series_set_free(s);
	return code;
}

int history_value(struct history *h, const struct history_question *q, const struct label *labels, uint32_t count,
                  double *out, bool *there, struct error *err)
{
	struct asking a = {.h = h, .q = q, .name = q->name, .progress = {.question = q}};
	struct label set[HISTORY_NAMES_MAX + 1] = {{LABEL_METRIC_NAME, q->name}};
	struct buf wanted = {0};

	*there = false;
	for (uint32_t i = 0; i < count; i++)
		set[i + 1] = labels[i];
	int code = labels_canonical(set, count + 1, &wanted, err);
	if (code == 0)
		code = add_matchers(&a, err);
	for (uint32_t i = 0; i < count && code == 0; i++)
		code = add_matcher(&a, MATCH_EQUAL, labels[i].name, labels[i].value, err);
	if (code == 0)
		code = history_live(h, q->name, &a.progress, &a.live, err);
	const struct live_series *live = code == 0 ? history_live_find(a.live, buf_slice(&wanted)) : NULL;
	if (live != NULL) {
		*out = live->value;
		*there = true;
	} else if (code == 0) {
		code = find_stored(&a, buf_slice(&wanted), out, there, err);
	}
	free_matchers(&a);
	buf_free(&wanted);
	return code;
}
