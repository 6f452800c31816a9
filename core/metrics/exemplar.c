/* Exemplars: for a counter's series and each bucket of a histogram's the trace of one record that changed it.
 *
 * One is replaced when the record at hand is a second newer (by the records' own times), so a busy series pays for
 * one a second. A registry keeps at most EXEMPLARS_MAX; past it series that have none go without. They are an
 * example, never the data: running out of memory for one is no error. */
#include <errno.h>

#include "metrics/internal.h"
#include "metrics/labels.h"

enum { CHARS_MAX = 128 - 8 - 7 }; /* OpenMetrics' limit less the names trace_id and span_id */

uint32_t exemplar_slots(const struct metric *m)
{
	if (m->type == METRIC_COUNTER)
		return 1;
	return m->type == METRIC_HISTOGRAM ? m->cell_count : 0;
}

static size_t array_size(const struct metric *m, uint32_t room)
{
	return sizeof(struct exemplars_array) + (size_t)room * exemplar_slots(m) * sizeof(struct exemplar *);
}

static size_t exemplar_size(const struct exemplar *e)
{
	return sizeof *e + e->trace_len + e->span_len;
}

/* An array for `room` series that begins with those of `from` (NULL: none). */
static struct exemplars_array *array_new(struct metric *m, uint32_t room, const struct exemplars_array *from,
                                         uint32_t count)
{
	struct exemplars_array *a = registry_block(m->registry, array_size(m, room));
	size_t copied = (size_t)count * exemplar_slots(m);

	if (a == NULL)
		return NULL;
	if (copied != 0)
		memcpy(a->items, from->items, copied * sizeof *a->items);
	memset(a->items + copied, 0, ((size_t)room * exemplar_slots(m) - copied) * sizeof *a->items);
	return a;
}

int exemplars_grow(struct metric *m, struct series_chunk *chunk, uint32_t had, uint32_t room)
{
	struct exemplars_array *a = array_new(m, room, chunk->exemplars, had);

	if (a == NULL)
		return -ENOMEM;
	registry_retire(m->registry, chunk->exemplars, array_size(m, had));
	chunk->exemplars = a;
	return 0;
}

/* The array of a number's chunk, fit to be changed; NULL when memory is out. */
static struct exemplars_array *array_writable(struct metric *m, uint32_t number)
{
	struct series_chunk *chunk = &m->chunks[number >> CHUNK_BITS];
	uint32_t room = chunk_part(m->room, number >> CHUNK_BITS);

	if (chunk->exemplars == NULL) {
		chunk->exemplars = array_new(m, room, NULL, 0);
		return chunk->exemplars;
	}
	if (block_shared(m->registry->snapshots, &chunk->exemplars->block) && exemplars_grow(m, chunk, room, room) != 0)
		return NULL;
	return chunk->exemplars;
}

static void retire(struct registry *r, const struct exemplar *e)
{
	if (e == NULL)
		return;
	registry_retire(r, (void *)(uintptr_t)e, exemplar_size(e));
	r->exemplars--;
}

void exemplars_drop(struct metric *m, struct series_chunk *chunk, uint32_t room)
{
	for (size_t i = 0; i < (size_t)room * exemplar_slots(m); i++)
		retire(m->registry, chunk->exemplars->items[i]);
	registry_retire(m->registry, chunk->exemplars, array_size(m, room));
	chunk->exemplars = NULL;
}

int exemplars_clear(struct metric *m, uint32_t number)
{
	struct exemplars_array *a = m->chunks[number >> CHUNK_BITS].exemplars;
	uint32_t slots = exemplar_slots(m);
	size_t first = (size_t)(number & (CHUNK_SERIES - 1)) * slots;
	bool any = false;

	for (uint32_t i = 0; a != NULL && i < slots; i++)
		any = any || a->items[first + i] != NULL;
	if (!any)
		return 0;
	a = array_writable(m, number);
	if (a == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < slots; i++) {
		retire(m->registry, a->items[first + i]);
		a->items[first + i] = NULL;
	}
	return 0;
}

/* May these ids stand in an exemplar? A span id that makes it too long is left out. */
static bool ids_fit(struct slice trace, struct slice *span)
{
	size_t trace_chars = 0, span_chars = 0;

	if (trace.len > CHARS_MAX * 4 || !utf8_valid(trace, &trace_chars) || trace_chars > CHARS_MAX)
		return false;
	if (span->len > CHARS_MAX * 4 || !utf8_valid(*span, &span_chars) || trace_chars + span_chars > CHARS_MAX)
		span->len = 0;
	return true;
}

int exemplar_put(struct metric *m, uint32_t number, uint32_t slot, struct slice trace, struct slice span, double value,
                 int64_t time_ns)
{
	struct registry *r = m->registry;
	size_t at = (size_t)(number & (CHUNK_SERIES - 1)) * exemplar_slots(m) + slot;

	if (!ids_fit(trace, &span))
		return 0;
	struct exemplars_array *a = array_writable(m, number);
	if (a == NULL)
		return -ENOMEM;
	struct exemplar *e = registry_block(r, sizeof *e + trace.len + span.len);
	if (e == NULL)
		return -ENOMEM;
	e->time_ns = time_ns;
	e->value = value;
	e->trace_len = (uint32_t)trace.len;
	e->span_len = (uint32_t)span.len;
	memcpy(e->ids, trace.ptr, trace.len);
	if (span.len != 0)
		memcpy(e->ids + trace.len, span.ptr, span.len);
	retire(r, a->items[at]);
	a->items[at] = e;
	r->exemplars++;
	return 0;
}

void exemplar_offer(struct metric *m, uint32_t number, uint32_t slot, double value)
{
	struct registry *r = m->registry;
	const struct exemplars_array *a = m->chunks[number >> CHUNK_BITS].exemplars;
	const struct exemplar *old = NULL;

	if (a != NULL)
		old = a->items[(size_t)(number & (CHUNK_SERIES - 1)) * exemplar_slots(m) + slot];
	if (old == NULL ? r->exemplars >= EXEMPLARS_MAX : r->trace_time_ns < old->time_ns + NS_PER_S)
		return;
	/* Without memory the old one stays: see above. */
	(void)exemplar_put(m, number, slot, r->trace_id, r->span_id, value, r->trace_time_ns);
}
