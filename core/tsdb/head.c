/* The head's writer, see head.h: series, batches, appends. What lets go of old samples and of series is in head_trim.c, reading in head_read.c and head_view.c. */
#include "tsdb/head.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "record/labels.h"
#include "tsdb/head_series.h"

enum {
	CHUNK_STEP = 8, /* words that a chunk grows by: a cache line */
	LATE_MIN = 8,
	/* Retirements that one append may need: the chunk that was copied, the notes, the late samples. */
	RETIRED_BY_APPEND = 4
};

/* ---- life ---- */

struct head *head_new(const struct head_options *o, struct error *err)
{
	struct head *h = mem_zalloc(1, sizeof *h);
	if (h == NULL) {
		error_set(err, -ENOMEM, "out of memory for the head");
		return NULL;
	}
	epochs_init(&h->epochs);
	atomic_store(&h->ended, 1); /* a view's batch of 0 is none */
	table_init(&h->table);
	h->from_ms = h->cut_ms = h->trim_ms = h->stats.newest_ms = INT64_MIN;
	h->stats.oldest_ms = h->now_ms = INT64_MAX;
	h->out_of_order_ms = o->out_of_order_ms;
	h->max_series = o->max_series;
	h->max_per_metric = o->max_per_metric;
	int code = head_index_init(&h->index, &h->epochs);
	if (code != 0)
		error_set(err, code, "out of memory for the head's index");
	else
		h->spill = spill_open(&(struct spill_options){o->dir, &h->epochs, o->spill_file_bytes}, err);
	if (h->spill == NULL) {
		head_free(h);
		return NULL;
	}
	return h;
}

static void free_undo(void *block)
{
	for (struct undo *u = block; u != NULL;) {
		struct undo *next = u->next;
		mem_free(u);
		u = next;
	}
}

void head_chain_free(void *chunk)
{
	for (struct head_chunk *c = chunk; c != NULL;) {
		struct head_chunk *older = atomic_load(&c->older);
		mem_free(c);
		c = older;
	}
}

void head_series_free(struct series *s)
{
	head_chain_free(atomic_load(&s->newest));
	free_undo(atomic_load(&s->undo));
	mem_free(atomic_load(&s->late));
	mem_free(s);
}

static void free_page(struct series_page *page)
{
	for (uint32_t i = 0; page != NULL && i < PAGE_SERIES; i++) {
		struct series *s = atomic_load(&page->items[i]);
		if (s != NULL)
			head_series_free(s);
	}
	mem_free(page);
}

void head_free(struct head *h)
{
	if (h == NULL)
		return;
	epochs_deinit(&h->epochs); /* first: what is retired may look into the pages */
	mem_free(h->leaving);
	struct series_pages *pages = atomic_load(&h->pages);
	for (uint32_t i = 0; pages != NULL && i < pages->count; i++) {
		free_page(atomic_load(&pages->items[i]));
	}
	mem_free(pages);
	head_index_deinit(&h->index);
	table_deinit(&h->table);
	spill_close(h->spill);
	mem_free(h);
}

void head_set_floor(struct head *h, int64_t from_ms)
{
	h->from_ms = from_ms;
}

/* ---- batches ---- */

void head_batch_begin(struct head *h)
{
	CHECK(h->batch == 0);
	h->batch = atomic_load(&h->ended) + 1;
	h->oldest_view = UINT64_MAX;
	h->seen_count = 0;
	for (uint32_t i = 0; i < EPOCH_PLACES; i++) {
		uint64_t batch = atomic_load(&h->view_batches[i]);
		if (batch == 0)
			continue;
		h->seen[h->seen_count++] = batch;
		if (batch < h->oldest_view)
			h->oldest_view = batch;
	}
}

void head_batch_end(struct head *h)
{
	CHECK(h->batch != 0);
	/* Sequentially consistent, as what a view does when it opens: either it sees this end, or the next beginning sees the view. */
	atomic_store(&h->ended, h->batch);
	h->batch = 0;
}

/* ---- series ---- */

static bool has_labels(const void *ctx, const void *key, uint32_t number)
{
	const struct series *s = head_find(ctx, number);
	const struct slice *labels = key;
	return s->labels_len == labels->len && memcmp(s->labels, labels->ptr, labels->len) == 0;
}

/* The page of the next number, made where it is the first of one; NULL when memory is out. */
static struct series_page *page_for(struct head *h, uint32_t number)
{
	struct series_pages *pages = atomic_load_explicit(&h->pages, memory_order_relaxed);
	uint32_t count = pages == NULL ? 0 : pages->count;
	struct series_page *page = number >> PAGE_BITS < count
	                               ? atomic_load_explicit(&pages->items[number >> PAGE_BITS], memory_order_relaxed)
	                               : NULL;
	if (page != NULL)
		return page;
	page = mem_zalloc(1, sizeof *page);
	if (page == NULL)
		return NULL;
	if (number >> PAGE_BITS < count) { /* all series of it have left */
		atomic_store_explicit(&pages->items[number >> PAGE_BITS], page, memory_order_release);
		h->stats.bytes += sizeof *page;
		return page;
	}
	/* A head that was loaded may begin with any number: the pages before are NULL. */
	uint32_t want = (number >> PAGE_BITS) + 1;
	struct series_pages *more = mem_alloc(sizeof *more + want * sizeof more->items[0]);
	if (more == NULL || epoch_reserve(&h->epochs, 1) != 0) {
		mem_free(more);
		mem_free(page);
		return NULL;
	}
	for (uint32_t i = 0; i < want - 1; i++)
		atomic_init(&more->items[i],
		            i < count ? atomic_load_explicit(&pages->items[i], memory_order_relaxed) : NULL);
	atomic_init(&more->items[want - 1], page);
	more->count = want;
	atomic_store_explicit(&h->pages, more, memory_order_release);
	epoch_retire(&h->epochs, pages, mem_free);
	h->stats.bytes += sizeof *page + (want - count) * sizeof more->items[0];
	return page;
}

int head_series_make(struct head *h, uint32_t number, struct slice labels, uint64_t hash, struct series **out)
{
	struct series_page *page = page_for(h, number);
	int code = page == NULL ? -ENOMEM : table_reserve(&h->table, h->table.used + 1);
	struct series *s = code == 0 ? mem_zalloc(1, sizeof *s + labels.len) : NULL;
	if (s == NULL)
		return -ENOMEM;
	s->hash = hash;
	s->number = number;
	s->labels_len = (uint32_t)labels.len;
	memcpy(s->labels, labels.ptr, labels.len);
	/* Before the index names it: who finds the number finds the series. */
	_Atomic(struct series *) *place = &page->items[number & (PAGE_SERIES - 1)];
	atomic_store_explicit(place, s, memory_order_release);
	page->used++;
	code = head_index_add(&h->index, number, labels);
	if (code != 0) {
		atomic_store_explicit(place, NULL, memory_order_relaxed);
		page->used--;
		mem_free(s);
		return code;
	}
	CHECK(table_add(&h->table, hash, number) == 0); /* there is room */
	h->next_number = number + 1;
	h->stats.series++;
	h->stats.created++;
	h->stats.bytes += sizeof *s + labels.len;
	*out = s;
	return 0;
}

enum {
	CACHE_LINE = 64,
	LABEL_LINES = 4 /* of a series with its labels, in front: as many as are worth asking for */
};

void head_prefetch_slot(const struct head *h, uint64_t hash)
{
	table_prefetch(&h->table, hash);
}

void head_prefetch_labels(const struct head *h, uint64_t hash)
{
	uint32_t number = table_peek(&h->table, hash);
	const struct series *s = number == TABLE_NONE ? NULL : head_find(h, number);
	for (int i = 0; i < LABEL_LINES && s != NULL; i++)
		__builtin_prefetch((const char *)s + i * CACHE_LINE);
}

void head_prefetch_series(const struct head *h, uint32_t number)
{
	const struct series *s = head_find(h, number);
	if (s == NULL)
		return;
	__builtin_prefetch(s);
	__builtin_prefetch((const char *)s + CACHE_LINE);
}

/* An append writes to the chunk's header, among the bits at its front that say "as before", and where it ends. */
void head_prefetch_chunk(const struct head *h, uint32_t number)
{
	const struct series *s = head_find(h, number);
	if (s == NULL || s->writer.words == NULL)
		return;
	const char *chunk = (const char *)s->writer.words - offsetof(struct head_chunk, words);
	__builtin_prefetch(chunk, 1);
	__builtin_prefetch(chunk + CACHE_LINE, 1);
	__builtin_prefetch(s->writer.words + s->writer.bits / 64, 1);
}

static bool metric_has_room(struct head *h, struct slice labels)
{
	if (h->max_per_metric == 0)
		return true;
	struct slice name = labels_get(labels, LABEL_METRIC_NAME);
	return name.len == 0 || head_index_equal(&h->index, LABEL_METRIC_NAME, name).count < h->max_per_metric;
}

static int find_or_make(struct head *h, struct slice labels, uint64_t hash, bool admitted, uint32_t *number)
{
	uint32_t found = table_find(&h->table, hash, has_labels, h, &labels);
	if (found == TABLE_NONE) {
		struct series *s;
		/* It may be one of those that have left: the index never has the same labels twice. */
		int code = head_finish_leaving(h);
		if (code != 0)
			return code;
		if (h->next_number == TABLE_NONE || (!admitted && h->stats.series >= h->max_series))
			return -ENOSPC;
		if (!admitted && !metric_has_room(h, labels))
			return -EDQUOT;
		code = head_series_make(h, h->next_number, labels, hash, &s);
		if (code != 0)
			return code;
		found = s->number;
	}
	*number = found;
	return 0;
}

int head_series(struct head *h, struct slice labels, uint64_t hash, uint32_t *number)
{
	return find_or_make(h, labels, hash, false, number);
}

int head_series_admitted(struct head *h, struct slice labels, uint64_t hash, uint32_t *number)
{
	return find_or_make(h, labels, hash, true, number);
}

/* The series of a number that has not left; NULL else. Pages keep one that left until no view can see it. */
static struct series *living(const struct head *h, uint32_t number)
{
	struct series *s = head_find(h, number);
	return s != NULL && !s->left ? s : NULL;
}

bool head_has(const struct head *h, uint32_t number)
{
	return living(h, number) != NULL;
}

bool head_is_marked(const struct head *h, uint32_t number)
{
	const struct series *s = living(h, number);
	return s != NULL && s->marked;
}

void head_mark(struct head *h, uint32_t number, bool marked)
{
	struct series *s = living(h, number);
	if (s != NULL)
		s->marked = marked;
}

/* ---- appending ---- */

/* Does a view look for the note of batch `last`, being from before it, but not from before the note under it, of batch `under`? */
static bool is_looked_for(const struct head *h, uint64_t under, uint64_t last)
{
	for (uint32_t i = 0; i < h->seen_count; i++) {
		if (h->seen[i] >= under && h->seen[i] < last)
			return true;
	}
	return false;
}

/* Keeps the note of the last batch before this one for the views that look for it: one for each of them at most, however long they are open. 0 or -ENOMEM. */
static int keep_note(struct head *h, struct series *s, uint64_t note)
{
	struct undo *undo = atomic_load_explicit(&s->undo, memory_order_relaxed);
	if (!is_looked_for(h, undo == NULL ? 0 : note_unpack(undo->note).batch, note_unpack(note).batch))
		return 0;
	struct undo *u = mem_alloc(sizeof *u);
	if (u == NULL)
		return -ENOMEM;
	*u = (struct undo){note, undo};
	atomic_store_explicit(&s->undo, u, memory_order_release);
	return 0;
}

/* Notes how many samples the series had before this batch, and keeps the note that this overwrites where a view needs it. 0 or -ENOMEM. */
static int note_batch(struct head *h, struct series *s)
{
	uint64_t old = atomic_load_explicit(&s->version, memory_order_relaxed);
	struct note last = note_unpack(old);
	if (last.batch == h->batch)
		return 0;
	struct undo *undo = atomic_load_explicit(&s->undo, memory_order_relaxed);
	if (last.batch > h->oldest_view) {
		int code = keep_note(h, s, old);
		if (code != 0)
			return code;
	} else if (undo != NULL) {
		/* Views that are open now do not come so far down the list. */
		atomic_store_explicit(&s->undo, NULL, memory_order_release);
		epoch_retire(&h->epochs, undo, free_undo);
	}
	const struct head_chunk *chunk = atomic_load_explicit(&s->newest, memory_order_relaxed);
	uint32_t before = chunk == NULL ? 0 : chunk->first + s->writer.count;
	atomic_store_explicit(&s->version, note_pack((struct note){h->batch, before}), memory_order_release);
	return 0;
}

static struct head_chunk *new_chunk(uint32_t capacity)
{
	struct head_chunk *c = mem_zalloc(1, sizeof *c + capacity * sizeof c->words[0]);
	if (c != NULL)
		c->capacity = capacity;
	return c;
}

static void publish_chunk(struct head *h, struct series *s, struct head_chunk *c)
{
	s->writer.words = c->words;
	s->writer.capacity = (uint16_t)c->capacity;
	h->stats.bytes += head_chunk_bytes(c);
	atomic_store_explicit(&s->newest, c, memory_order_release);
}

static uint32_t round_words(uint32_t words)
{
	return (words + CHUNK_STEP - 1) / CHUNK_STEP * CHUNK_STEP;
}

/* Begins a chunk behind a full one, or the first one. 0 or -ENOMEM. */
static int begin_chunk(struct head *h, struct series *s)
{
	struct head_chunk *full = atomic_load_explicit(&s->newest, memory_order_relaxed);
	/* As large as the last one came out: most series need the same again. */
	uint32_t words = full == NULL ? CHUNK_STEP : round_words(chunk_words(&s->writer));
	struct head_chunk *c = new_chunk(words);
	if (c == NULL)
		return -ENOMEM;
	if (full != NULL) {
		c->first = full->first + s->writer.count;
		full->last_ms = s->writer.time_ms;
		uint32_t spilled;
		if (head_spill(h, s, full, &c->older_ref, &spilled) == 0) {
			h->stats.chunks_spilled += spilled;
			h->stats.bytes -= head_chain_bytes(full);
			epoch_retire(&h->epochs, full, head_chain_free);
		} else {
			h->stats.chunks_kept++;
			atomic_store_explicit(&c->older, full, memory_order_relaxed);
		}
	}
	memset(&s->writer, 0, sizeof s->writer);
	publish_chunk(h, s, c);
	return 0;
}

/* More room for the newest chunk. 0 or -ENOMEM. */
static int grow_chunk(struct head *h, struct series *s)
{
	struct head_chunk *old = atomic_load_explicit(&s->newest, memory_order_relaxed);
	struct head_chunk *c = new_chunk(round_words(chunk_room(&s->writer)));
	if (c == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < old->capacity; i++)
		atomic_store_explicit(&c->words[i], atomic_load_explicit(&old->words[i], memory_order_relaxed),
		                      memory_order_relaxed);
	c->first = old->first;
	c->older_ref = old->older_ref;
	atomic_store_explicit(&c->older, atomic_load_explicit(&old->older, memory_order_relaxed), memory_order_relaxed);
	atomic_store_explicit(&c->count, s->writer.count, memory_order_relaxed);
	h->stats.bytes -= head_chunk_bytes(old);
	publish_chunk(h, s, c);
	epoch_retire(&h->epochs, old, mem_free);
	return 0;
}

static int append_newest(struct head *h, struct series *s, int64_t time_ms, uint64_t value)
{
	bool none = atomic_load_explicit(&s->newest, memory_order_relaxed) == NULL;
	int code = none || s->writer.count == CHUNK_SAMPLES ? begin_chunk(h, s) : 0;
	if (code != 0)
		return code;
	if (!chunk_append(&s->writer, time_ms, value)) {
		code = grow_chunk(h, s);
		if (code != 0)
			return code;
		CHECK(chunk_append(&s->writer, time_ms, value));
	}
	struct head_chunk *c = atomic_load_explicit(&s->newest, memory_order_relaxed);
	atomic_store_explicit(&c->count, s->writer.count, memory_order_release);
	return APPEND_STORED;
}

/* ---- out of order ---- */

/* Is there a sample at this time already? APPEND_STORED: no; else which outcome it has; or -ENOMEM. */
static int look_up(const struct head *h, const struct series *s, int64_t time_ms, uint64_t value)
{
	struct sample_room room = {0};
	uint32_t damaged = 0;
	int code = series_read(h, s, UINT64_MAX, time_ms, time_ms, &room, &damaged);
	if (code == 0)
		code = room.count == 0 ? APPEND_STORED : room.values[0] == value ? APPEND_DUPLICATE : APPEND_CONFLICT;
	sample_room_deinit(&room);
	return code;
}

/* Room for one more late sample. 0 or -ENOMEM. */
static int grow_late(struct head *h, struct series *s)
{
	struct late *old = atomic_load_explicit(&s->late, memory_order_relaxed);
	uint32_t count = old == NULL ? 0 : atomic_load_explicit(&old->count, memory_order_relaxed);
	if (old != NULL && count < old->capacity)
		return 0;
	uint32_t capacity = old == NULL ? LATE_MIN : old->capacity * 2;
	struct late *late = mem_alloc(sizeof *late + capacity * sizeof late->samples[0]);
	if (late == NULL)
		return -ENOMEM;
	if (count > 0)
		memcpy(late->samples, old->samples, count * sizeof late->samples[0]);
	atomic_init(&late->count, count);
	late->capacity = capacity;
	h->stats.bytes += (capacity - (old == NULL ? 0 : old->capacity)) * sizeof late->samples[0];
	atomic_store_explicit(&s->late, late, memory_order_release);
	epoch_retire(&h->epochs, old, mem_free);
	return 0;
}

static int append_late(struct head *h, struct series *s, int64_t time_ms, uint64_t value)
{
	int outcome = look_up(h, s, time_ms, value);
	if (outcome != APPEND_STORED)
		return outcome;
	const struct late *had = atomic_load_explicit(&s->late, memory_order_relaxed);
	if (had != NULL && atomic_load_explicit(&had->count, memory_order_relaxed) == HEAD_LATE_MAX)
		return APPEND_TOO_LATE;
	int code = head_series_push_late(h, s, &(struct late_sample){time_ms, value, h->batch});
	if (code != 0)
		return code;
	h->stats.late++;
	return APPEND_STORED;
}

static bool is_too_old(const struct head *h, int64_t time_ms)
{
	int64_t oldest, newest = h->stats.newest_ms < h->now_ms ? h->stats.newest_ms : h->now_ms;
	return time_ms < h->from_ms ||
	       (!__builtin_sub_overflow(newest, h->out_of_order_ms, &oldest) && time_ms < oldest);
}

int head_append(struct head *h, uint32_t number, int64_t time_ms, double value)
{
	struct series *s = living(h, number);
	uint64_t bits;
	CHECK(h->batch != 0);
	if (s == NULL)
		return -ESTALE;
	memcpy(&bits, &value, sizeof bits);
	if (time_ms < h->from_ms)
		return APPEND_TOO_OLD;
	bool first = atomic_load_explicit(&s->newest, memory_order_relaxed) == NULL;
	if (!first && time_ms == s->writer.time_ms)
		return bits == s->writer.value ? APPEND_DUPLICATE : APPEND_CONFLICT;
	bool in_order = first || time_ms > s->writer.time_ms;
	if (!in_order && is_too_old(h, time_ms)) {
		/* A retry that comes late is no error: what is asked for has been done. */
		int outcome = look_up(h, s, time_ms, bits);
		return outcome == APPEND_STORED ? APPEND_TOO_OLD : outcome;
	}
	int code = epoch_reserve(&h->epochs, RETIRED_BY_APPEND);
	if (code == 0 && in_order)
		code = note_batch(h, s);
	if (code != 0)
		return code;
	code = in_order ? append_newest(h, s, time_ms, bits) : append_late(h, s, time_ms, bits);
	if (code != APPEND_STORED)
		return code;
	h->stats.samples++;
	if (time_ms > h->stats.newest_ms)
		h->stats.newest_ms = time_ms;
	if (time_ms < h->stats.oldest_ms)
		h->stats.oldest_ms = time_ms;
	return APPEND_STORED;
}

void head_set_max(struct head *h, uint32_t max_series, uint32_t max_per_metric)
{
	h->max_series = max_series;
	h->max_per_metric = max_per_metric;
}

void head_set_now(struct head *h, int64_t now_ms)
{
	h->now_ms = now_ms;
}

void head_set_out_of_order(struct head *h, int64_t out_of_order_ms)
{
	h->out_of_order_ms = out_of_order_ms;
}

struct slice head_labels(const struct head *h, uint32_t number)
{
	const struct series *s = living(h, number);
	return s == NULL ? SLICE("") : series_labels_of(s);
}

bool head_newest(const struct head *h, uint32_t number, struct sample *out)
{
	const struct series *s = living(h, number);
	if (s == NULL || atomic_load_explicit(&s->newest, memory_order_relaxed) == NULL)
		return false;
	out->time_ms = s->writer.time_ms;
	memcpy(&out->value, &s->writer.value, sizeof out->value);
	return true;
}

int head_has_sample(const struct head *h, uint32_t number, int64_t time_ms)
{
	const struct series *s = living(h, number);
	if (s == NULL)
		return 0;
	int outcome = look_up(h, s, time_ms, 0);
	return outcome < 0 ? outcome : outcome != APPEND_STORED;
}

int head_mend(struct head *h)
{
	return spill_mend(h->spill);
}

void head_state(const struct head *h, struct head_state *out)
{
	CHECK(h->batch == 0);
	*out =
	    (struct head_state){h->next_number, h->from_ms, h->stats.oldest_ms, h->stats.newest_ms, h->stats.samples};
}

/* ---- for loading ---- */

int head_series_push(struct head *h, struct series *s, int64_t time_ms, uint64_t value)
{
	int code = epoch_reserve(&h->epochs, RETIRED_BY_APPEND);
	if (code == 0)
		code = append_newest(h, s, time_ms, value);
	return code;
}

int head_series_begin(struct head *h, struct series *s, uint32_t first, spill_ref older)
{
	struct head_chunk *c = new_chunk(CHUNK_STEP);
	if (c == NULL)
		return -ENOMEM;
	c->first = first;
	c->older_ref = older;
	publish_chunk(h, s, c);
	return 0;
}

int head_series_push_late(struct head *h, struct series *s, const struct late_sample *sample)
{
	int code = epoch_reserve(&h->epochs, 1);
	if (code == 0)
		code = grow_late(h, s);
	if (code != 0)
		return code;
	struct late *late = atomic_load_explicit(&s->late, memory_order_relaxed);
	uint32_t count = atomic_load_explicit(&late->count, memory_order_relaxed);
	late->samples[count] = *sample;
	atomic_store_explicit(&late->count, count + 1, memory_order_release);
	return 0;
}

void head_stats(const struct head *h, struct head_stats *out)
{
	*out = h->stats;
	out->bytes += sizeof *h + h->index.bytes + h->table.used * 2 * sizeof(struct table_slot);
	out->spill_bytes = spill_bytes(h->spill);
}
