/* A family: the room for its series, chunk by chunk. What lies in the chunks is explained in internal.h. */
#include <errno.h>

#include "base/check.h"
#include "base/mem.h"
#include "metrics/internal.h"
#include "metrics/topk.h"

static uint32_t cells_of(const struct metric_def *def)
{
	switch (def->type) {
	case METRIC_COUNTER:
	case METRIC_GAUGE:
		return 0;
	case METRIC_HISTOGRAM:
		return def->bucket_count + 1;
	case METRIC_SUMMARY:
	case METRIC_TOPK:
		return 2;
	case METRIC_DISTINCT:
	case METRIC_RATIO:
	case METRIC_MEAN:
		return 1;
	}
	return 0;
}

static uint32_t idle_seconds(const struct metric_def *def)
{
	int64_t seconds = def->idle_ns / NS_PER_S + (def->idle_ns % NS_PER_S != 0);

	/* A topk is bounded by its k, and its overflow must stay what the others leave of the total. */
	if (def->idle_ns == 0 || def->type == METRIC_TOPK || seconds >= IDLE_NEVER)
		return IDLE_NEVER;
	return (uint32_t)seconds;
}

void metric_apply_meta(struct metric *m, struct metric_meta *meta)
{
	m->meta = meta;
	m->idle_s = idle_seconds(&meta->def);
	m->full_until = 0;
	m->registry->full_until = 0;
}

struct metric *metric_new(struct registry *r, struct metric_meta *meta)
{
	struct metric *m = mem_zalloc(1, sizeof *m);

	if (m == NULL)
		return NULL;
	m->registry = r;
	m->identity = ++r->families_made;
	m->type = meta->def.type;
	m->label_count = meta->def.label_count;
	m->cell_count = cells_of(&meta->def);
	m->row_size = (uint32_t)(sizeof(struct series_row) + m->cell_count * sizeof(union series_cell));
	m->free = NUMBER_NONE;
	m->overflow = NUMBER_NONE;
	index_init(&m->index);
	metric_apply_meta(m, meta);
	r->billed += metric_billed(m); /* a topk counts its k from the start */
	r->stats.bytes += sizeof *m;
	return m;
}

uint32_t chunk_part(uint32_t count, size_t chunk)
{
	uint32_t first = (uint32_t)chunk << CHUNK_BITS;

	return count - first < CHUNK_SERIES ? count - first : CHUNK_SERIES;
}

static size_t labels_array_size(uint32_t room)
{
	return sizeof(struct labels_array) + room * sizeof(struct series_labels *);
}

/* A label array for `room` series, of which those of `from` are copied. */
static struct labels_array *labels_array_new(struct registry *r, uint32_t room, const struct labels_array *from,
                                             uint32_t count)
{
	struct labels_array *a = registry_block(r, labels_array_size(room));

	if (a == NULL)
		return NULL;
	if (count != 0)
		memcpy(a->items, from->items, count * sizeof *a->items);
	memset(a->items + count, 0, (room - count) * sizeof *a->items);
	return a;
}

struct labels_array *metric_labels_writable(struct metric *m, uint32_t number)
{
	struct registry *r = m->registry;
	struct series_chunk *chunk = &m->chunks[number >> CHUNK_BITS];
	uint32_t room = chunk_part(m->room, number >> CHUNK_BITS);

	if (!block_shared(r->snapshots, &chunk->labels->block))
		return chunk->labels;
	struct labels_array *copy = labels_array_new(r, room, chunk->labels, room);
	if (copy == NULL)
		return NULL;
	registry_retire(r, chunk->labels, labels_array_size(room));
	chunk->labels = copy;
	return copy;
}

enum {
	CACHE_LINE = 64,
	DYING_CHUNKS = 16 /* a family of so many is freed at once: some 3 ms */
};

static size_t keys_size(uint32_t room)
{
	return room * sizeof(struct series_key) + CACHE_LINE;
}

/* Room for the keys of `room` series, of which the first `count` are copied. 0 or -ENOMEM. */
static int keys_new(struct series_chunk *chunk, uint32_t room, uint32_t count)
{
	char *memory = mem_alloc(keys_size(room));

	if (memory == NULL)
		return -ENOMEM;
	struct series_key *keys = (void *)(memory + (-(uintptr_t)memory & (CACHE_LINE - 1)));
	if (count != 0)
		memcpy(keys, chunk->keys, count * sizeof *keys);
	mem_free(chunk->keys_memory);
	chunk->keys_memory = memory;
	chunk->keys = keys;
	return 0;
}

static size_t spare_size(const struct metric *m)
{
	return (size_t)CHUNK_SERIES * m->row_size;
}

static int add_spare(struct metric *m)
{
	int rc = spares_more(&m->registry->snapshots->spares, spare_size(m));

	if (rc == 0)
		m->registry->stats.bytes += spare_size(m);
	return rc;
}

static void remove_spare(struct metric *m)
{
	spares_less(&m->registry->snapshots->spares, spare_size(m));
	m->registry->stats.bytes -= spare_size(m);
}

/* Doubles the first chunk. What was enlarged before something failed does no harm. */
static int grow_first(struct metric *m)
{
	struct registry *r = m->registry;
	struct series_chunk *chunk = &m->chunks[0];
	uint32_t room = m->room * 2;

	struct labels_array *labels = labels_array_new(r, room, chunk->labels, m->room);
	if (labels == NULL)
		return -ENOMEM;
	unsigned char *rows = mem_realloc(chunk->rows, (size_t)room * m->row_size);
	if (rows == NULL)
		goto out_labels;
	chunk->rows = rows;
	if (keys_new(chunk, room, m->room) != 0)
		goto out_labels;
	if (room == CHUNK_SERIES && add_spare(m) != 0)
		goto out_labels;
	if (chunk->exemplars != NULL && exemplars_grow(m, chunk, m->room, room) != 0)
		goto out_spare;
	registry_retire(r, chunk->labels, labels_array_size(m->room));
	chunk->labels = labels;
	r->stats.bytes += (uint64_t)(room - m->room) * (m->row_size + sizeof(struct series_key));
	m->room = room;
	return 0;

out_spare:
	if (room == CHUNK_SERIES)
		remove_spare(m);
out_labels:
	registry_retire(r, labels, labels_array_size(room));
	return -ENOMEM;
}

static int add_chunk(struct metric *m)
{
	struct registry *r = m->registry;
	void *chunks = m->chunks;
	uint32_t room = m->chunk_count == 0 ? CHUNK_FIRST : CHUNK_SERIES;
	size_t had = m->chunk_cap;

	int rc = mem_grow(&chunks, &m->chunk_cap, m->chunk_count, sizeof *m->chunks);
	if (rc != 0)
		return rc;
	m->chunks = chunks;
	r->stats.bytes += (m->chunk_cap - had) * sizeof *m->chunks;
	struct series_chunk chunk = {.rows = mem_alloc((size_t)room * m->row_size)};
	if (chunk.rows == NULL)
		return -ENOMEM;
	if (keys_new(&chunk, room, 0) == 0)
		chunk.labels = labels_array_new(r, room, NULL, 0);
	if (chunk.labels == NULL || (room == CHUNK_SERIES && add_spare(m) != 0))
		goto out_chunk;
	r->stats.bytes += (uint64_t)room * m->row_size + keys_size(room);
	m->chunks[m->chunk_count++] = chunk;
	m->room += room;
	return 0;

out_chunk:
	if (chunk.labels != NULL)
		registry_retire(r, chunk.labels, labels_array_size(room));
	mem_free(chunk.keys_memory);
	mem_free(chunk.rows);
	return -ENOMEM;
}

int metric_grow(struct metric *m)
{
	if (m->room != 0 && m->room < CHUNK_SERIES)
		return grow_first(m);
	return add_chunk(m);
}

static void free_chunk(struct metric *m, size_t i)
{
	struct registry *r = m->registry;
	struct series_chunk *chunk = &m->chunks[i];
	uint32_t room = chunk_part(m->room, i);
	uint32_t first = (uint32_t)i << CHUNK_BITS;

	for (uint32_t j = 0; j < chunk_part(m->used, i); j++) {
		const struct series_labels *l = chunk->labels->items[j];
		if (l == NULL)
			continue;
		if (metric_has_state(m->type))
			state_retire(r, m->type, metric_row(m, first + j)->cells[CELL_STATE].state);
		registry_retire(r, (void *)(uintptr_t)l, series_labels_size(l));
	}
	if (chunk->exemplars != NULL)
		exemplars_drop(m, chunk, room);
	registry_retire(r, chunk->labels, labels_array_size(room));
	mem_free(chunk->keys_memory);
	mem_free(chunk->rows);
	r->stats.bytes -= (uint64_t)room * m->row_size + keys_size(room);
	if (room == CHUNK_SERIES)
		remove_spare(m);
}

/* Frees the last chunk; false when there is none. */
static bool free_last_chunk(struct metric *m)
{
	if (m->chunk_count == 0)
		return false;
	size_t last = m->chunk_count - 1;
	free_chunk(m, last);
	m->chunk_count = last;
	m->room = (uint32_t)last << CHUNK_BITS;
	m->used = m->used < m->room ? m->used : m->room;
	return true;
}

/* Everything but the chunks. */
static void free_rest(struct metric *m)
{
	struct registry *r = m->registry;

	r->stats.bytes -= m->chunk_cap * sizeof *m->chunks + sizeof *m;
	topk_deinit(m);
	index_deinit(&m->index);
	mem_free(m->chunks);
	if (m->next_meta != NULL)
		registry_retire(r, m->next_meta, m->next_meta->size);
	registry_retire(r, m->meta, m->meta->size);
	mem_free(m);
}

void metric_free_dying(struct registry *r, size_t chunks)
{
	while (r->dying != NULL) {
		struct metric *m = r->dying;
		while (chunks > 0 && free_last_chunk(m))
			chunks--;
		if (m->chunk_count != 0)
			return;
		r->dying = m->next_dying;
		free_rest(m);
	}
}

void metric_free(struct metric *m)
{
	struct registry *r = m->registry;

	r->billed -= metric_billed(m);
	m->next_dying = r->dying;
	r->dying = m;
	if (m->chunk_count <= DYING_CHUNKS)
		metric_free_dying(r, m->chunk_count);
}

enum metric_type metric_type(const struct metric *m)
{
	return m->type;
}

struct slice metric_name(const struct metric *m)
{
	return m->meta->def.name;
}

uint32_t metric_label_count(const struct metric *m)
{
	return m->label_count;
}

struct slice metric_label(const struct metric *m, uint32_t i)
{
	CHECK(i < m->label_count);
	return m->meta->def.labels[i];
}
