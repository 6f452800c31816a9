/* Samples once more: frames of the journal into the store. Numbers are those of the process that wrote them; what it said of them is followed in order. */
#include <errno.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/table.h"
#include "engine/internal.h"
#include "record/labels.h"

struct known_series {
	uint32_t said, number; /* in the journal, and here */
};

struct samples_replay {
	struct engine *e;
	struct table table; /* by said number, of items */
	struct known_series *items;
	uint32_t count;
	size_t cap;
	bool anew; /* no number is the checkpoint's any more */
};

struct samples_replay *samples_replay_new(struct engine *e)
{
	struct samples_replay *r = mem_zalloc(1, sizeof *r);
	if (r != NULL)
		r->e = e;
	return r;
}

void samples_replay_free(struct samples_replay *r)
{
	if (r == NULL)
		return;
	table_deinit(&r->table);
	mem_free(r->items);
	mem_free(r);
}

void samples_replay_anew(struct samples_replay *r)
{
	table_clear(&r->table);
	r->count = 0;
	r->anew = true;
}

static bool is_said(const void *ctx, const void *key, uint32_t item)
{
	const struct samples_replay *r = ctx;
	return r->items[item].said == *(const uint32_t *)key;
}

static int learn(struct samples_replay *r, uint32_t said, uint32_t number)
{
	uint64_t hash = hash_mix(said, 0);
	uint32_t item = table_find(&r->table, hash, is_said, r, &said);
	if (item != TABLE_NONE) {
		r->items[item].number = number;
		return 0;
	}
	if (r->count == r->cap) {
		int code = mem_grow((void **)&r->items, &r->cap, r->count, sizeof *r->items);
		if (code != 0)
			return code;
	}
	int code = table_add(&r->table, hash, r->count);
	if (code == 0)
		r->items[r->count++] = (struct known_series){said, number};
	return code;
}

/* The series of an item: 1; 0: it is not known, or there is no number left; -EBADMSG, -ENOMEM. */
static int find_series(struct samples_replay *r, const struct samples_item *item, uint32_t *number, struct error *err)
{
	struct tsdb *store = r->e->store;
	if (item->labels.len == 0) {
		uint32_t known = table_find(&r->table, hash_mix(item->number, 0), is_said, r, &item->number);
		*number = known != TABLE_NONE ? r->items[known].number : item->number;
		/* What no frame has said is one of the checkpoint's. */
		return known != TABLE_NONE || (!r->anew && item->number < r->e->loaded_series)
		           ? tsdb_has(store, *number)
		           : 0;
	}
	if (labels_check(item->labels, NULL, err) != 0)
		return -EBADMSG;
	/* What is in the journal was acknowledged, whatever bounds say now: series that had left to make room for this one may all be there again. */
	int code = tsdb_series_admitted(store, item->labels, labels_hash(item->labels), number);
	if (code == -ENOSPC)
		return 0;
	if (code == 0)
		code = learn(r, item->number, *number);
	return code == 0 ? 1 : code;
}

static int replay_samples(struct engine *e, uint32_t number, struct samples_reader *reader, struct error *err)
{
	struct sample sample;
	for (;;) {
		int code = samples_reader_sample(reader, &sample, err);
		if (code != 1)
			return code;
		code = tsdb_append(e->store, number, sample.time_ms, sample.value);
		if (code < 0)
			return code;
		e->counters.samples[code]++;
	}
}

static int replay_exemplar(struct engine *e, uint32_t number, const struct sample_exemplar *x, struct error *err)
{
	struct slice labels = tsdb_labels(e->store, number);
	if (labels_check(x->labels, NULL, err) != 0)
		return -EBADMSG;
	int code = tsdb_exemplar_add(e->store, labels, labels_hash(labels), x);
	return code < 0 ? code : 0;
}

static int replay_item(struct samples_replay *r, struct samples_reader *reader, const struct samples_item *item,
                       struct error *err)
{
	struct engine *e = r->e;
	uint32_t number;
	if (item->kind == SAMPLES_ITEM_METADATA) {
		int code = tsdb_metadata_put(e->store, &item->metadata);
		return code == -ENOSPC ? 0 : code; /* as it was the first time */
	}
	int known = find_series(r, item, &number, err);
	if (known == 0)
		e->counters.lost_samples += item->count;
	if (known <= 0)
		return known;
	return item->kind == SAMPLES_ITEM_EXEMPLAR ? replay_exemplar(e, number, &item->exemplar, err)
	                                           : replay_samples(e, number, reader, err);
}

int samples_replay_frame(struct samples_replay *r, const struct frame *f, struct error *err)
{
	struct samples_reader reader;
	struct samples_item item;
	samples_reader_init(&reader, f);
	tsdb_set_now(r->e->store, f->time_ns / NS_PER_MS);
	tsdb_batch_begin(r->e->store);
	int code;
	do {
		code = samples_reader_next(&reader, &item, err);
		if (code == 1) {
			int failed = replay_item(r, &reader, &item, err);
			code = failed != 0 ? failed : 1;
		}
	} while (code == 1);
	tsdb_batch_end(r->e->store);
	return code;
}