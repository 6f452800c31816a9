/* Views of the head, see head.h. */
#include <errno.h>

#include "base/mem.h"
#include "tsdb/head_series.h"

/* What is fetched ahead of a series with its labels, and of a chunk; more of either is mostly fetched by the processor itself. */
enum { CACHE_LINE = 64, SERIES_BYTES = 192, CHUNK_BYTES = 192 };

/* The last batch that has ended, made known to the writer before it begins another one that a series may need a note of. */
static uint64_t enter_batch(struct head *h, int place)
{
	uint64_t batch = atomic_load(&h->ended);
	for (;;) {
		atomic_store(&h->view_batches[place], batch);
		uint64_t now = atomic_load(&h->ended);
		if (now == batch)
			return batch;
		batch = now;
	}
}

/* In the place that is kept for `who`; -1: in any. */
static struct head_view *open_view(struct head *h, int who, int *code)
{
	struct head_view *v = mem_zalloc(1, sizeof *v);
	*code = -ENOMEM;
	if (v == NULL)
		return NULL;
	v->head = h;
	v->place = who < 0 ? epoch_enter(&h->epochs) : epoch_enter_kept(&h->epochs, who);
	if (v->place < 0) {
		*code = v->place;
		mem_free(v);
		return NULL;
	}
	v->batch = enter_batch(h, v->place);
	*code = 0;
	return v;
}

struct head_view *head_view_open(struct head *h, int *code)
{
	return open_view(h, -1, code);
}

_Static_assert((int)HEAD_SEALING < (int)EPOCH_KEPT, "each has a place");

struct head_view *head_view_open_kept(struct head *h, enum head_keeper who, int *code)
{
	return open_view(h, (int)who, code);
}

void head_view_close(struct head_view *v)
{
	if (v == NULL)
		return;
	atomic_store(&v->head->view_batches[v->place], 0);
	epoch_leave(&v->head->epochs, v->place);
	sample_room_deinit(&v->room);
	sample_room_deinit(&v->late);
	mem_free(v);
}

void head_view_index(struct head_view *v, struct postings_source *out)
{
	*out = (struct postings_source){
	    .equal = head_index_equal, .values = head_index_values, .all = head_index_all, .ctx = &v->head->index};
}

static int is_seen(void *ctx, uint32_t number)
{
	return head_view_sees(ctx, number);
}

int head_view_label_names(struct head_view *v, struct arena *arena, const struct slice **names, uint32_t *count)
{
	const struct head_index_filter seen = {is_seen, v};
	return head_index_names(&v->head->index, &seen, arena, names, count);
}

int head_view_label_values(struct head_view *v, struct slice name, struct arena *arena, const struct slice **values,
                           uint32_t *count)
{
	const struct head_index_filter seen = {is_seen, v};
	return head_index_values_of(&v->head->index, name, &seen, arena, values, count);
}

struct slice head_view_labels(const struct head_view *v, uint32_t number)
{
	const struct series *s = head_find(v->head, number);
	return s == NULL ? slice_new(NULL, 0) : series_labels_of(s);
}

static void prefetch_lines(const void *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += CACHE_LINE)
		__builtin_prefetch((const char *)at + i);
}

void head_view_prefetch(const struct head_view *v, uint32_t number, enum head_fetch step)
{
	const _Atomic(struct series *) *slot = head_slot(v->head, number);
	if (slot == NULL)
		return;
	if (step == HEAD_FETCH_SLOT) {
		__builtin_prefetch((const void *)slot);
		return;
	}
	const struct series *s = atomic_load_explicit(slot, memory_order_acquire);
	if (s == NULL)
		return;
	if (step == HEAD_FETCH_SERIES) {
		prefetch_lines(s, SERIES_BYTES);
		return;
	}
	const struct head_chunk *chunk = atomic_load_explicit(&s->newest, memory_order_acquire);
	if (chunk == NULL)
		return;
	if (step == HEAD_FETCH_CHUNK)
		prefetch_lines(chunk, CHUNK_BYTES);
	else
		spill_prefetch(v->head->spill, chunk->older_ref);
}

int head_view_sees(const struct head_view *v, uint32_t number)
{
	const struct series *s = head_find(v->head, number);
	return s == NULL ? 0 : series_is_seen(v->head, s, v->batch);
}

int head_view_read(struct head_view *v, uint32_t number, int64_t from_ms, int64_t to_ms, struct head_samples *out)
{
	*out = (struct head_samples){0};
	const struct series *s = head_find(v->head, number);
	if (s == NULL)
		return 0;
	int code = series_read(v->head, s, v->batch, from_ms, to_ms, &v->room, &out->damaged);
	out->times_ms = v->room.times_ms;
	out->values = v->room.values;
	out->count = v->room.count;
	return code;
}

int head_view_summary(struct head_view *v, uint32_t number, int64_t from_ms, int64_t to_ms, struct summary_split *out,
                      uint32_t *damaged)
{
	*damaged = 0;
	const struct series *s = head_find(v->head, number);
	if (s == NULL)
		return 0;
	return series_summarize(v->head, s, v->batch, from_ms, to_ms, &v->room, &v->late, out, damaged);
}

uint32_t head_view_chunks(const struct head_view *v, uint32_t number)
{
	const struct series *s = head_find(v->head, number);
	const struct head_chunk *chunk = s == NULL ? NULL : atomic_load_explicit(&s->newest, memory_order_acquire);
	const struct spilled *spilled;
	spill_ref ref = 0;
	uint32_t count = 0;
	for (; chunk != NULL; chunk = atomic_load_explicit(&chunk->older, memory_order_acquire)) {
		ref = chunk->older_ref;
		count++;
	}
	for (; ref != 0 && spill_at(v->head->spill, ref, &spilled) == 0; ref = spilled->older)
		count++;
	return count;
}

int head_sync(struct head_view *v)
{
	return spill_sync(v->head->spill);
}
