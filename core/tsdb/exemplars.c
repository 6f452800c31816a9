/* See exemplars.h. Reading is in exemplars_read.c. */
#include "tsdb/exemplars.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "record/labels.h"

enum {
	BYTES_EACH = 512,        /* what an exemplar may have on an average, its part of its series' labels included */
	BYTES_MIN = 1024 * 1024, /* so that any one fits */
	ALLOCATION_BYTES = 16    /* what an allocation costs beside what was asked for */
};

void exemplars_init(struct exemplars *x, struct epochs *epochs, uint32_t max)
{
	CHECK(max > 0 && max <= INT32_MAX);
	*x = (struct exemplars){.epochs = epochs, .max = max, .free_slot = TABLE_NONE};
	x->max_bytes = (uint64_t)max * BYTES_EACH > BYTES_MIN ? (uint64_t)max * BYTES_EACH : BYTES_MIN;
	mutex_init(&x->lock);
	table_init(&x->table);
}

static uint32_t ring_at(const struct exemplars *x, uint32_t i)
{
	uint32_t at = x->first + i; /* max is at most 2³¹ */
	return at < x->max ? at : at - x->max;
}

void exemplars_deinit(struct exemplars *x)
{
	for (uint32_t i = 0; i < x->count; i++)
		mem_free(x->ring[ring_at(x, i)]);
	for (uint32_t i = 0; i < x->slot_count; i++)
		mem_free(x->slots[i].row);
	mem_free(x->ring);
	mem_free(x->slots);
	table_deinit(&x->table);
	mutex_deinit(&x->lock);
}

/* ---- rows ---- */

static bool has_labels(const void *ctx, const void *key, uint32_t slot)
{
	const struct exemplars *x = ctx;
	const struct slice *labels = key;

	return slice_eq(row_labels(x->slots[slot].row), *labels);
}

static uint64_t row_bytes(const struct exemplar_row *r)
{
	return sizeof *r + r->labels_len + ALLOCATION_BYTES;
}

static uint64_t kept_bytes(const struct kept_exemplar *k)
{
	return sizeof *k + k->labels_len + ALLOCATION_BYTES;
}

/* Room for one more row. 0 or -ENOMEM. */
static int reserve_row(struct exemplars *x)
{
	void *slots = x->slots;
	int code = table_reserve(&x->table, x->rows + 1);

	if (code == 0 && x->free_slot == TABLE_NONE) {
		code = mem_grow(&slots, &x->slot_cap, x->slot_count, sizeof *x->slots);
		x->slots = slots;
	}
	return code;
}

/* A row that is not entered yet. NULL: memory is out. */
static struct exemplar_row *new_row(struct exemplars *x, struct slice labels, uint64_t hash)
{
	struct exemplar_row *r = reserve_row(x) == 0 ? mem_zalloc(1, sizeof *r + labels.len) : NULL;

	if (r == NULL)
		return NULL;
	r->hash = hash;
	r->labels_len = (uint32_t)labels.len;
	if (labels.len > 0)
		memcpy(r->labels, labels.ptr, labels.len);
	return r;
}

/* Enters the row that new_row gave; evictions since have only made more room. Under the lock. */
static void enter_row(struct exemplars *x, struct exemplar_row *r)
{
	if (x->free_slot != TABLE_NONE) {
		r->slot = x->free_slot;
		x->free_slot = x->slots[r->slot].next;
	} else {
		r->slot = x->slot_count++;
	}
	x->slots[r->slot] = (struct exemplar_slot){.row = r};
	CHECK(table_add(&x->table, r->hash, r->slot) == 0); /* there is room */
	x->rows++;
	x->bytes += row_bytes(r);
}

static void remove_row(struct exemplars *x, struct exemplar_row *r)
{
	CHECK(table_remove(&x->table, r->hash, r->slot));
	x->slots[r->slot] = (struct exemplar_slot){.next = x->free_slot};
	x->free_slot = r->slot;
	x->rows--;
	x->bytes -= row_bytes(r);
	epoch_retire(x->epochs, r, mem_free);
}

/* ---- the ring ---- */

/* Lets the oldest one go, and its row with the last of it, but for `kept`. Under the lock. 0 or -ENOMEM. */
static int evict(struct exemplars *x, const struct exemplar_row *kept)
{
	struct kept_exemplar *oldest = x->ring[x->first];

	if (epoch_reserve(x->epochs, 3) != 0) /* one is left: for push, where it does not come to its end */
		return -ENOMEM;
	x->first = ring_at(x, 1);
	x->count--;
	x->evicted++;
	x->bytes -= kept_bytes(oldest);
	if (--oldest->row->count == 0 && oldest->row != kept)
		remove_row(x, oldest->row);
	epoch_retire(x->epochs, oldest, mem_free);
	return 0;
}

/* Room for so many bytes more. Under the lock. 0 or -ENOMEM. */
static int make_room(struct exemplars *x, uint64_t bytes, const struct exemplar_row *kept)
{
	int code = 0;

	while (code == 0 && x->count > 0 && (x->count == x->max || x->bytes + bytes > x->max_bytes))
		code = evict(x, kept);
	return code;
}

static uint64_t bits_of(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	return bits;
}

/* Prometheus's order: the times of a series rise; at the same time its values do, and of the same value the labels. (Prometheus compares their hashes.) */
static enum exemplar_outcome compare(const struct kept_exemplar *newest, const struct sample_exemplar *e)
{
	if (e->time_ms != newest->time_ms)
		return e->time_ms > newest->time_ms ? EXEMPLAR_STORED : EXEMPLAR_TOO_OLD;
	int order = labels_compare(e->labels, kept_labels(newest));
	if (bits_of(e->value) == bits_of(newest->value) && order == 0)
		return EXEMPLAR_DUPLICATE;
	if (e->value < newest->value || (!(e->value > newest->value) && order <= 0))
		return EXEMPLAR_TOO_OLD;
	return EXEMPLAR_STORED;
}

static struct kept_exemplar *new_kept(const struct sample_exemplar *e)
{
	struct kept_exemplar *k = mem_alloc(sizeof *k + e->labels.len);

	if (k == NULL)
		return NULL;
	*k = (struct kept_exemplar){.time_ms = e->time_ms, .value = e->value, .labels_len = (uint32_t)e->labels.len};
	if (e->labels.len > 0)
		memcpy(k->labels, e->labels.ptr, e->labels.len);
	return k;
}

/* Puts it behind the newest one. 0 or -ENOMEM with the row as it was. */
static int push(struct exemplars *x, struct exemplar_row *row, bool is_new, struct kept_exemplar *k)
{
	mutex_lock(&x->lock);
	int code = make_room(x, kept_bytes(k) + (is_new ? row_bytes(row) : 0), row);
	if (code == 0) {
		if (is_new)
			enter_row(x, row);
		k->row = row;
		row->newest = k;
		row->count++;
		x->ring[ring_at(x, x->count++)] = k;
		x->bytes += kept_bytes(k);
	} else if (!is_new && row->count == 0) {
		remove_row(x, row); /* it was kept for this one, and evict left room to retire it */
	}
	mutex_unlock(&x->lock);
	return code;
}

int exemplars_add(struct exemplars *x, struct slice labels, uint64_t hash, const struct sample_exemplar *e)
{
	uint32_t slot = table_find(&x->table, hash, has_labels, x, &labels);
	struct exemplar_row *row = slot == TABLE_NONE ? NULL : x->slots[slot].row;
	bool is_new = row == NULL;

	enum exemplar_outcome outcome = is_new ? EXEMPLAR_STORED : compare(row->newest, e);
	if (outcome == EXEMPLAR_STORED) {
		if (x->ring == NULL)
			x->ring = mem_zalloc(x->max, sizeof(struct kept_exemplar *));
		row = is_new ? new_row(x, labels, hash) : row;
		struct kept_exemplar *k = row != NULL && x->ring != NULL ? new_kept(e) : NULL;
		int code = k != NULL ? push(x, row, is_new, k) : -ENOMEM;
		if (code != 0) {
			mem_free(k);
			if (is_new)
				mem_free(row);
			return code;
		}
		epoch_collect(x->epochs);
	}
	x->outcomes[outcome]++;
	return outcome;
}
