/* Series: looked up by label values, made, removed, counted against their limits. What it means for a series to be
 * idle is said in internal.h.
 *
 * The way of a change is metric_series() and then one of change.c: the values' hash, one slot of the table, the
 * series' key, its row. Values are looked up as they come: what is not UTF-8 or too long is never found, because no
 * key has it, and takes the slow way. No key is put together either: bytes that were just written in pieces are slow
 * to read as words. Everything that happens seldom is a function of its own, out of that way. */
#include <errno.h>

#include "base/check.h"
#include "base/hash.h"
#include "metrics/internal.h"
#include "metrics/labels.h"

enum {
	VISITS = 16384, /* rows that registry_expire looks at in a call: some 5 ms when all of them have to go */
	LARGE = 1024 /* series whose index, keys and rows, some 100 bytes each, are no longer sure to be in the cache */
};

static inline bool same_values(const void *ctx, const void *values, uint32_t number)
{
	const struct metric *m = ctx;
	const struct series_key *k = metric_key(m, number);

	return key_is(k->len != KEY_LONG ? k->bytes : metric_labels_of(m, number)->bytes, values, m->label_count);
}

static inline uint32_t look_up(const struct metric *m, const struct slice *values)
{
	for (uint32_t i = 0; i < m->label_count; i++) {
		if (values[i].len > METRIC_LABEL_VALUE_MAX)
			return TABLE_NONE; /* and is not worth hashing */
	}
	uint64_t hash = values_hash(values, m->label_count, m->registry->seed);
	return table_find(index_part(&m->index, hash), hash, same_values, m, values);
}

static uint64_t hash_of_key(const struct metric *m, struct slice key)
{
	struct slice values[METRIC_LABELS_MAX];

	key_values(key, values, m->label_count);
	return values_hash(values, m->label_count, m->registry->seed);
}

static inline struct series_ref ref_of(const struct metric *m, uint32_t number)
{
	return (struct series_ref){number, metric_key(m, number)->generation};
}

/* `found`, unless it is idle: then it is removed. */
static int unless_idle(struct metric *m, uint32_t found, uint32_t *number)
{
	*number = found;
	if (found == NUMBER_NONE || !row_idle(metric_row(m, found), m->idle_s, m->registry->now_s))
		return 0;
	*number = NUMBER_NONE;
	int rc = series_remove(m, found);
	m->registry->stats.expired += rc == 0;
	return rc;
}

int series_find(struct metric *m, const struct slice *values, uint32_t *number)
{
	return unless_idle(m, look_up(m, values), number);
}

uint32_t metric_billed(const struct metric *m)
{
	if (m->type == METRIC_TOPK)
		return m->meta->def.k;
	return m->count - (m->overflow != NUMBER_NONE);
}

/* A number for a new series with a place in the label array. 0 or -ENOMEM. */
static int take_number(struct metric *m, uint32_t *number)
{
	if (m->free != NUMBER_NONE) {
		*number = m->free;
		return metric_labels_writable(m, *number) != NULL ? 0 : -ENOMEM;
	}
	int rc = m->used == m->room ? metric_grow(m) : 0;
	if (rc != 0)
		return rc;
	*number = m->used;
	return metric_labels_writable(m, *number) != NULL ? 0 : -ENOMEM;
}

static void set_key(struct series_key *k, struct slice key, uint64_t birth)
{
	/* A generation comes again after four thousand million series; 0 is left out. */
	k->generation = (uint32_t)birth != 0 ? (uint32_t)birth : 1;
	k->len = key.len <= KEY_INLINE ? (uint16_t)key.len : KEY_LONG;
	if (key.len != 0 && key.len <= KEY_INLINE)
		memcpy(k->bytes, key.ptr, key.len);
}

int series_create(struct metric *m, struct slice key, int64_t created_ns, uint32_t *number)
{
	struct registry *r = m->registry;
	uint32_t n;
	int rc = take_number(m, &n);

	if (rc != 0)
		return rc;
	struct series_labels *l = labels_new(r, &m->meta->def, key, m->births + 1, created_ns);
	if (l == NULL)
		return -ENOMEM;
	bool overflow = slice_eq(key, OVERFLOW_KEY);
	if (!overflow)
		rc = index_add(&m->index, hash_of_key(m, key), n);
	if (rc != 0) {
		registry_retire(r, l, series_labels_size(l));
		return rc;
	}
	struct series_row *row = metric_row(m, n);
	if (n == m->free) {
		m->free = row->touched;
		m->disordered = true;
	} else {
		m->used++;
	}
	memset(row, 0, m->row_size);
	row->touched = r->now_s;
	m->chunks[n >> CHUNK_BITS].labels->items[n & (CHUNK_SERIES - 1)] = l;
	m->births++;
	set_key(metric_key(m, n), key, m->births);
	m->count++;
	if (overflow)
		m->overflow = n;
	else if (m->type != METRIC_TOPK)
		r->billed++;
	*number = n;
	return 0;
}

int series_remove(struct metric *m, uint32_t number)
{
	struct registry *r = m->registry;
	struct labels_array *labels = metric_labels_writable(m, number);

	if (labels == NULL || exemplars_clear(m, number) != 0)
		return -ENOMEM;
	const struct series_labels *l = metric_labels_of(m, number);
	struct series_row *row = metric_row(m, number);
	if (number != m->overflow)
		CHECK(index_remove(&m->index, hash_of_key(m, series_labels_key(l)), number));
	if (metric_has_state(m->type))
		state_retire(r, m->type, row->cells[CELL_STATE].state);
	labels->items[number & (CHUNK_SERIES - 1)] = NULL;
	metric_key(m, number)->generation = 0;
	row->touched = m->free;
	m->free = number;
	m->count--;
	if (number == m->overflow)
		m->overflow = NUMBER_NONE;
	else if (m->type != METRIC_TOPK)
		r->billed--;
	registry_retire(r, (void *)(uintptr_t)l, series_labels_size(l));
	return 0;
}

/* ---- limits ---- */

/* Removes one idle series to make room. 1, 0 when there is none, or -ENOMEM. Walks on from where the last walk ended,
 * and not again in a second (of engine time) in which a whole round found nothing, so that a flood of new label
 * values costs one round a second. */
static int series_reclaim(struct metric *m)
{
	struct registry *r = m->registry;

	if (m->idle_s == IDLE_NEVER || m->full_until == r->now_s + 1)
		return 0;
	for (uint32_t visited = 0; visited < m->used; visited++) {
		uint32_t n = m->cursor < m->used ? m->cursor : 0;
		m->cursor = n + 1;
		if (!row_idle(metric_row(m, n), m->idle_s, r->now_s) || n == m->overflow ||
		    metric_labels_of(m, n) == NULL)
			continue;
		int rc = series_remove(m, n);
		r->stats.expired += rc == 0;
		return rc == 0 ? 1 : rc;
	}
	m->full_until = r->now_s + 1;
	return 0;
}

static int registry_reclaim(struct registry *r)
{
	if (r->full_until == r->now_s + 1)
		return 0;
	for (size_t i = 0; i < r->metric_count; i++) {
		int rc = series_reclaim(r->metrics[i]);
		if (rc != 0)
			return rc;
	}
	r->full_until = r->now_s + 1;
	return 0;
}

int series_room(struct metric *m)
{
	struct registry *r = m->registry;

	if (metric_billed(m) >= m->meta->def.max_series) {
		int rc = series_reclaim(m);
		if (rc <= 0)
			return rc;
	}
	return r->billed < r->max_series ? 1 : registry_reclaim(r);
}

int series_overflow(struct metric *m, uint32_t *number)
{
	int rc = unless_idle(m, m->overflow, number);

	if (rc != 0 || *number != NUMBER_NONE)
		return rc;
	return series_create(m, OVERFLOW_KEY, m->registry->now_ns, number);
}

/* ---- the public part ---- */

/* The way of new, idle and overlong keys. */
static __attribute__((noinline)) int find_or_make(struct metric *m, const struct slice *values, struct series_ref *out)
{
	struct registry *r = m->registry;
	char bytes[KEY_MAX];
	struct slice clean[METRIC_LABELS_MAX];
	uint32_t number;
	struct slice key = slice_new(bytes, key_clean(bytes, values, m->label_count, &r->stats.values_cut));

	key_values(key, clean, m->label_count);
	int rc = series_find(m, clean, &number);
	if (rc == 0 && number == NUMBER_NONE) {
		rc = series_room(m);
		if (rc >= 0)
			rc = rc == 1 ? series_create(m, key, r->now_ns, &number) : series_overflow(m, &number);
	}
	if (rc == 0)
		*out = ref_of(m, number);
	return rc;
}

int metric_series(struct metric *m, const struct slice *values, struct series_ref *out)
{
	CHECK(m->type != METRIC_TOPK);
	uint32_t number = look_up(m, values);
	if (number == TABLE_NONE || row_idle(metric_row(m, number), m->idle_s, m->registry->now_s))
		return find_or_make(m, values, out);
	*out = ref_of(m, number);
	return 0;
}

bool metric_is_large(const struct metric *m)
{
	return m->count >= LARGE;
}

uint64_t metric_prefetch_index(const struct metric *m, const struct slice *values)
{
	for (uint32_t i = 0; i < m->label_count; i++) {
		if (values[i].len > METRIC_LABEL_VALUE_MAX)
			return 0;
	}
	uint64_t hash = values_hash(values, m->label_count, m->registry->seed);
	table_prefetch(index_part(&m->index, hash), hash);
	return hash;
}

void metric_prefetch_series(const struct metric *m, uint64_t hash)
{
	uint32_t number = table_peek(index_part(&m->index, hash), hash);

	if (number == TABLE_NONE)
		return;
	__builtin_prefetch(metric_key(m, number));
	__builtin_prefetch(metric_row(m, number), 1);
}

void metric_series_forget(struct metric *m, struct series_ref s)
{
	const struct series_row *row = metric_row(m, s.number);

	if (!metric_has_state(m->type) || row->cells[CELL_STATE].state != NULL || row->value != 0 ||
	    (m->type == METRIC_SUMMARY && row->cells[CELL_SUMMARY_COUNT].count != 0))
		return;
	/* No snapshot came in between, so nothing has to be copied. */
	CHECK(series_remove(m, s.number) == 0);
}

bool metric_series_valid(const struct metric *m, struct series_ref s)
{
	if (s.number >= m->used)
		return false;
	return metric_key(m, s.number)->generation == s.generation && s.generation != 0 &&
	       !row_idle(metric_row(m, s.number), m->idle_s, m->registry->now_s);
}

bool metric_is_overflow(const struct metric *m, struct series_ref s)
{
	return s.number == m->overflow;
}

/* Visits the rows of a family from its cursor to its end, at most `visits`; how many are left of them. */
static uint32_t expire_family(struct metric *m, uint32_t visits)
{
	struct registry *r = m->registry;

	if (m->idle_s == IDLE_NEVER || m->cursor >= m->used)
		m->cursor = m->used;
	for (; m->cursor < m->used && visits > 0; m->cursor++, visits--) {
		if (!row_idle(metric_row(m, m->cursor), m->idle_s, r->now_s) || metric_labels_of(m, m->cursor) == NULL)
			continue;
		if (series_remove(m, m->cursor) != 0)
			return 0; /* memory is out: the next call comes back to it */
		r->stats.expired++;
	}
	return visits;
}

void registry_expire(struct registry *r)
{
	uint32_t visits = VISITS;

	metric_free_dying(r, VISITS >> CHUNK_BITS);
	for (size_t i = 0; i < r->metric_count && visits > 0; i++) {
		if (r->expire_at >= r->metric_count)
			r->expire_at = 0;
		struct metric *m = r->metrics[r->expire_at];
		visits = expire_family(m, visits);
		if (m->cursor < m->used)
			return;
		m->cursor = 0;
		r->expire_at++;
	}
}
