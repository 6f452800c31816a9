/* Reading a series of the head while the writer goes on, see head.h for what is seen. */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "tsdb/head_series.h"

enum { CHUNKS_AT_ONCE = 64 };

/* A chunk to be decoded. */
struct piece {
	const _Atomic uint64_t *words;
	uint32_t word_count, count;
	const struct chunk_summary *known; /* of all that is to be read; NULL: it is not known */
};

/* The chunks that a read needs, newest first. */
struct pieces {
	struct piece few[CHUNKS_AT_ONCE];
	struct piece *items; /* `few`, or owned */
	size_t count, cap;
};

static int add_piece(struct pieces *p, struct piece piece)
{
	if (p->count == p->cap) {
		struct piece *more = mem_alloc(2 * p->cap * sizeof *more);
		if (more == NULL)
			return -ENOMEM;
		memcpy(more, p->items, p->count * sizeof *more);
		if (p->items != p->few)
			mem_free(p->items);
		p->items = more;
		p->cap *= 2;
	}
	p->items[p->count++] = piece;
	return 0;
}

/* The ordinal before which a reader of `until` may read. `now`: of the samples that it found, before it looks at the note. */
static uint32_t visible_until(const struct series *s, uint64_t until, uint32_t now)
{
	struct note note = note_unpack(atomic_load_explicit(&s->version, memory_order_acquire));
	if (note.batch <= until)
		return now;
	uint32_t visible = note.before;
	for (const struct undo *u = atomic_load_explicit(&s->undo, memory_order_acquire); u != NULL; u = u->next) {
		note = note_unpack(u->note);
		if (note.batch <= until)
			break;
		visible = note.before;
	}
	return visible;
}

/* How many of a chunk's samples may be read: those before ordinal *visible, which is then the chunk's first, since a chunk of a head that was loaded may begin with the last sample of the one before it. */
static uint32_t readable(uint32_t first, uint32_t have, uint32_t *visible)
{
	int32_t count = ordinals_between(first, *visible);
	if (count <= 0)
		return 0;
	*visible = first;
	return (uint32_t)count < have ? (uint32_t)count : have;
}

/* Notes the chunks in files, from `ref` on, that reach into what is asked for. 0 or -ENOMEM. */
static int gather_spilled(const struct head *h, spill_ref ref, uint32_t visible, int64_t from_ms, int64_t to_ms,
                          struct pieces *p, uint32_t *damaged)
{
	while (ref != 0) {
		const struct spilled *r;
		int found = spill_at(h->spill, ref, &r);
		if (found == -ENOENT)
			return 0; /* let go: all of it was before the cut */
		if (found != 0) {
			++*damaged;
			return 0;
		}
		if (r->summary.last_ms < from_ms)
			return 0;
		uint32_t count = readable(r->first, r->summary.count, &visible);
		if (count > 0 && r->summary.first_ms <= to_ms) {
			bool whole = count == r->summary.count;
			int code = add_piece(p, (struct piece){(const _Atomic uint64_t *)r->bits, r->words, count,
			                                       whole ? &r->summary : NULL});
			if (code != 0)
				return code;
		}
		ref = r->older;
	}
	return 0;
}

/* Notes the chunks in memory that may reach to from_ms, newest first, the ordinal before which they may be read, and the chunk in a file before them. 0 or -ENOMEM. */
static int gather_memory(const struct series *s, uint64_t until, int64_t from_ms, struct pieces *p, uint32_t *visible,
                         struct series_memory *end)
{
	const struct head_chunk *chunk = atomic_load_explicit(&s->newest, memory_order_acquire);
	end->first = 0;
	end->older = 0;
	if (chunk == NULL)
		return 0;
	/* The count before the note: head.h says why. */
	uint32_t stored = atomic_load_explicit(&chunk->count, memory_order_acquire);
	*visible = visible_until(s, until, chunk->first + stored);
	for (bool newest = true; chunk != NULL; newest = false) {
		if (!newest && chunk->last_ms < from_ms) {
			end->older = 0; /* nor do those before it */
			return 0;
		}
		uint32_t have = newest ? stored : atomic_load_explicit(&chunk->count, memory_order_acquire);
		uint32_t count = readable(chunk->first, have, visible);
		int code = count > 0 ? add_piece(p, (struct piece){chunk->words, chunk->capacity, count, NULL}) : 0;
		if (code != 0)
			return code;
		end->first = chunk->first;
		end->older = chunk->older_ref;
		chunk = atomic_load_explicit(&chunk->older, memory_order_acquire);
	}
	return 0;
}

/* Notes the chunks that may hold what is asked for, newest first. 0 or -ENOMEM. */
static int gather(const struct head *h, const struct series *s, uint64_t until, int64_t from_ms, int64_t to_ms,
                  struct pieces *p, uint32_t *damaged)
{
	uint32_t visible = 0;
	struct series_memory end;
	int code = gather_memory(s, until, from_ms, p, &visible, &end);
	return code != 0 ? code : gather_spilled(h, end.older, visible, from_ms, to_ms, p, damaged);
}

/* Keeps what lies in from_ms..to_ms of the samples from `at` on. */
static void trim(struct sample_room *room, uint32_t at, int64_t from_ms, int64_t to_ms)
{
	uint32_t first = at, end = room->count;
	while (first < end && room->times_ms[first] < from_ms)
		first++;
	while (end > first && room->times_ms[end - 1] > to_ms)
		end--;
	if (first > at) {
		memmove(room->times_ms + at, room->times_ms + first, (end - first) * sizeof *room->times_ms);
		memmove(room->values + at, room->values + first, (end - first) * sizeof *room->values);
	}
	room->count = at + (end - first);
}

/* Appends what lies in from_ms..to_ms of a piece. 0 or -ENOMEM. */
static int decode_piece(const struct piece *p, int64_t from_ms, int64_t to_ms, struct sample_room *room,
                        uint32_t *damaged)
{
	int code = sample_room_grow(room, p->count);
	if (code != 0)
		return code;
	uint32_t at = room->count;
	uint32_t read = chunk_read(p->words, p->word_count, p->count, room->times_ms + at, room->values + at);
	*damaged += read < p->count;
	room->count += read;
	trim(room, at, from_ms, to_ms);
	return 0;
}

int series_is_seen(const struct head *h, const struct series *s, uint64_t until)
{
	struct pieces p = {.items = p.few, .cap = CHUNKS_AT_ONCE};
	uint32_t damaged = 0;
	if (atomic_load_explicit(&s->newest, memory_order_acquire) == NULL)
		return 0; /* what comes late has one before it */
	if (note_unpack(atomic_load_explicit(&s->version, memory_order_acquire)).batch <= until)
		return 1;
	int code = gather(h, s, until, INT64_MIN, INT64_MAX, &p, &damaged);
	if (code == 0)
		code = p.count > 0 || damaged > 0;
	if (p.items != p.few)
		mem_free(p.items);
	return code;
}

static int decode(const struct pieces *p, int64_t from_ms, int64_t to_ms, struct sample_room *room, uint32_t *damaged)
{
	int code = 0;
	for (size_t i = p->count; i-- > 0 && code == 0;)
		code = decode_piece(&p->items[i], from_ms, to_ms, room, damaged);
	return code;
}

/* ---- samples out of order ---- */

/* Puts a sample into its place; there is room. They are few, and mostly near the end. */
static void insert(struct sample_room *room, int64_t time_ms, uint64_t value)
{
	uint32_t at = room->count;
	while (at > 0 && room->times_ms[at - 1] > time_ms)
		at--;
	memmove(room->times_ms + at + 1, room->times_ms + at, (room->count - at) * sizeof *room->times_ms);
	memmove(room->values + at + 1, room->values + at, (room->count - at) * sizeof *room->values);
	room->times_ms[at] = time_ms;
	room->values[at] = value;
	room->count++;
}

static int add_late(const struct series *s, uint64_t until, int64_t from_ms, int64_t to_ms, struct sample_room *room)
{
	const struct late *late = atomic_load_explicit(&s->late, memory_order_acquire);
	uint32_t count = late == NULL ? 0 : atomic_load_explicit(&late->count, memory_order_acquire);
	int code = count == 0 ? 0 : sample_room_grow(room, count);
	for (uint32_t i = 0; code == 0 && i < count; i++) {
		const struct late_sample *l = &late->samples[i];
		if (l->batch <= until && l->time_ms >= from_ms && l->time_ms <= to_ms)
			insert(room, l->time_ms, l->value);
	}
	return code;
}

int series_read(const struct head *h, const struct series *s, uint64_t until, int64_t from_ms, int64_t to_ms,
                struct sample_room *room, uint32_t *damaged)
{
	struct pieces p = {.items = p.few, .cap = CHUNKS_AT_ONCE};
	room->count = 0;
	int code = gather(h, s, until, from_ms, to_ms, &p, damaged);
	if (code == 0)
		code = decode(&p, from_ms, to_ms, room, damaged);
	if (p.items != p.few)
		mem_free(p.items);
	return code != 0 ? code : add_late(s, until, from_ms, to_ms, room);
}

/* ---- summaries ---- */

/* Samples out of order, those from `at` on to be added yet. */
struct waiting {
	const struct sample_room *late;
	uint32_t at;
};

/* Adds those that come before `time_ms`. */
static void add_waiting(struct waiting *w, int64_t time_ms, struct summary_split *out)
{
	for (; w->at < w->late->count && w->late->times_ms[w->at] < time_ms; w->at++)
		split_add(out, w->late->times_ms[w->at], w->late->values[w->at]);
}

/* Adds a piece by its summary, if that says it: it lies within from_ms..to_ms, and no sample out of order within it. */
static bool add_known(const struct chunk_summary *k, struct waiting *w, int64_t from_ms, int64_t to_ms,
                      struct summary_split *out)
{
	if (k->first_ms < from_ms || k->last_ms > to_ms)
		return false;
	add_waiting(w, k->first_ms, out);
	if (w->at < w->late->count && w->late->times_ms[w->at] <= k->last_ms)
		return false;
	return split_join(out, k);
}

/* Is the piece added by a summary, the one that is kept of it, or one that is made, where it may be needed? */
static bool add_whole(const struct piece *p, struct waiting *w, int64_t from_ms, int64_t to_ms,
                      struct summary_split *out)
{
	struct chunk_summary made;
	if (p->known != NULL)
		return add_known(p->known, w, from_ms, to_ms, out);
	int64_t first_ms = chunk_first_ms(p->words);
	if (first_ms < from_ms || (out->halves && first_ms <= out->at_ms))
		return false;
	return chunk_summarize(p->words, p->word_count, p->count, &made) && add_known(&made, w, from_ms, to_ms, out);
}

/* Adds what was decoded, and between it the samples out of order that come before its last one. */
static void add_decoded(const struct sample_room *room, struct waiting *w, struct summary_split *out)
{
	uint32_t done = 0;
	while (done < room->count) {
		uint32_t end = room->count;
		if (w->at < w->late->count) {
			end = done;
			while (end < room->count && room->times_ms[end] <= w->late->times_ms[w->at])
				end++;
		}
		split_add_all(out, room->times_ms + done, room->values + done, end - done);
		if (end < room->count)
			add_waiting(w, room->times_ms[end], out);
		done = end;
	}
}

int series_summarize(const struct head *h, const struct series *s, uint64_t until, int64_t from_ms, int64_t to_ms,
                     struct sample_room *room, struct sample_room *late, struct summary_split *out, uint32_t *damaged)
{
	struct pieces p = {.items = p.few, .cap = CHUNKS_AT_ONCE};
	struct waiting w = {.late = late};
	late->count = 0;
	int code = gather(h, s, until, from_ms, to_ms, &p, damaged);
	if (code == 0)
		code = add_late(s, until, from_ms, to_ms, late);
	for (size_t i = p.count; i-- > 0 && code == 0;) {
		if (add_whole(&p.items[i], &w, from_ms, to_ms, out))
			continue;
		room->count = 0;
		code = decode_piece(&p.items[i], from_ms, to_ms, room, damaged);
		if (code == 0)
			add_decoded(room, &w, out);
	}
	for (; w.at < late->count; w.at++)
		split_add(out, late->times_ms[w.at], late->values[w.at]);
	if (p.items != p.few)
		mem_free(p.items);
	return code;
}

/* ---- for saving ---- */

int series_read_memory(const struct series *s, uint64_t until, struct sample_room *room, struct series_memory *out)
{
	struct pieces p = {.items = p.few, .cap = CHUNKS_AT_ONCE};
	uint32_t visible = 0, damaged = 0;
	room->count = 0;
	int code = gather_memory(s, until, INT64_MIN, &p, &visible, out);
	if (code == 0)
		code = decode(&p, INT64_MIN, INT64_MAX, room, &damaged);
	CHECK(damaged == 0);
	if (p.items != p.few)
		mem_free(p.items);
	out->late = atomic_load_explicit(&s->late, memory_order_acquire);
	out->late_seen = out->late == NULL ? 0 : atomic_load_explicit(&out->late->count, memory_order_acquire);
	return code;
}
