/* Views of the whole store, and what is selected from them: the head's series and those of each block, merged in the order of their labels. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "record/labels.h"
#include "record/labels_sort.h"
#include "tsdb/postings.h"
#include "tsdb/sample_room.h"
#include "tsdb/store.h"

struct tsdb_view *tsdb_view_open(struct tsdb *t, int *code)
{
	struct tsdb_view *v = mem_zalloc(1, sizeof *v);
	*code = -ENOMEM;
	if (v == NULL)
		return NULL;
	v->t = t;
	/* The set that there was when the head's view was opened: a later one may have what batches after it brought, which are then seen in half; an earlier one lacks what the head has let go. */
	v->set = block_set_get(t);
	for (;;) {
		v->head = head_view_open(t->head, code);
		struct block_set *now = block_set_get(t);
		if (v->head != NULL && now == v->set) {
			block_set_unref(now);
			return v;
		}
		block_set_unref(v->set);
		v->set = now;
		if (v->head == NULL)
			break;
		head_view_close(v->head);
	}
	block_set_unref(v->set);
	mem_free(v);
	return NULL;
}

void tsdb_view_close(struct tsdb_view *v)
{
	if (v == NULL)
		return;
	head_view_close(v->head);
	block_set_unref(v->set);
	mem_free(v);
}

void tsdb_view_stop_when(struct tsdb_view *v, bool (*stopped)(const void *ctx), const void *ctx)
{
	v->stopped = stopped;
	v->stopped_ctx = ctx;
}

/* ---- sources ---- */

/* A block, or the head. */
struct source {
	struct held_block *held; /* NULL: the head */
	struct block_reader *reader;
	struct postings numbers;           /* of a block */
	const struct labels_item *entries; /* of the head, sorted */
	uint32_t at, count;
	struct slice labels; /* of the series at hand: the block's reader's, or the head's */
	bool given;          /* it has the series that was given last, at `at` */
};

struct series_set {
	struct tsdb_view *view;
	int64_t from_ms, to_ms;
	struct arena arena;
	struct source *sources; /* in the order of time, the head last */
	uint32_t count;
	struct sample_room room; /* of samples that come from several sources */
	bool read;               /* more than its labels was asked of the series that was given last */
};

/* ---- selecting ---- */

static int out_of_memory(struct error *err)
{
	return error_set(err, -ENOMEM, "out of memory while selecting series");
}

static int failed(struct error *err, int code)
{
	if (code == -ECANCELED)
		return error_set(err, code, "nobody wants the answer any more");
	return out_of_memory(err);
}

/* Lets the view be stopped while an index is searched. */
static void watch(const struct tsdb_view *v, struct postings_source *source)
{
	source->stopped = v->stopped;
	source->stopped_of = v->stopped_ctx;
}

/* How many series ahead what the head has of one is fetched. */
enum { AHEAD_SLOT = 32, AHEAD_SERIES = 24, AHEAD_CHUNK = 16, AHEAD_SPILLED = 8 };

static int select_head(struct series_set *s, struct source *of, struct matcher *const *matchers, uint32_t count)
{
	struct postings_source source;
	struct postings found;
	head_view_index(s->view->head, &source);
	watch(s->view, &source);
	int code = postings_select(&source, matchers, count, &s->arena, &found);
	if (code != 0)
		return code;
	struct labels_item *entries = arena_alloc(&s->arena, (found.count + (size_t)1) * sizeof *entries);
	if (entries == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < found.count; i++) {
		if (view_is_stopped(s->view))
			return -ECANCELED;
		if (i + AHEAD_SERIES < found.count)
			head_view_prefetch(s->view->head, found.numbers[i + AHEAD_SERIES], HEAD_FETCH_SERIES);
		struct slice labels = head_view_labels(s->view->head, found.numbers[i]);
		int seen = head_view_sees(s->view->head, found.numbers[i]);
		if (seen < 0)
			return seen;
		if (seen == 1)
			entries[of->count++] = (struct labels_item){.labels = labels, .number = found.numbers[i]};
	}
	labels_sort(entries, of->count);
	of->entries = entries;
	if (of->count > 0)
		of->labels = entries[0].labels;
	return 0;
}

static int load_labels(struct source *of, struct error *err)
{
	if (of->at == of->count)
		return 0;
	if (of->held == NULL) {
		of->labels = of->entries[of->at].labels;
		return 0;
	}
	int code = block_reader_labels(of->reader, of->numbers.numbers[of->at], &of->labels, err);
	if (code == -EBADMSG)
		of->held->damaged = true;
	return code;
}

static int select_block(struct series_set *s, struct source *of, struct matcher *const *matchers, uint32_t count,
                        struct error *err)
{
	struct postings_source source;
	of->reader = block_reader_new(of->held->block);
	if (of->reader == NULL)
		return out_of_memory(err);
	block_reader_index(of->reader, &source);
	watch(s->view, &source);
	int code = postings_select(&source, matchers, count, &s->arena, &of->numbers);
	if (code != 0 || block_reader_index_failed(of->reader))
		return failed(err, code);
	of->count = of->numbers.count;
	return load_labels(of, err);
}

struct series_set *tsdb_select(struct tsdb_view *v, struct matcher *const *matchers, uint32_t count, int64_t from_ms,
                               int64_t to_ms, struct error *err)
{
	struct series_set *s = mem_zalloc(1, sizeof *s);
	if (s == NULL) {
		out_of_memory(err);
		return NULL;
	}
	s->view = v;
	s->from_ms = from_ms;
	s->to_ms = to_ms;
	arena_init(&s->arena);
	s->sources = mem_zalloc(v->set->count + (size_t)1, sizeof *s->sources);
	int code = s->sources == NULL ? out_of_memory(err) : 0;
	for (uint32_t i = 0; i < v->set->count && code == 0; i++) {
		const struct block_info *b = block_info(v->set->items[i]->block);
		if (b->to_ms <= from_ms || b->from_ms > to_ms)
			continue;
		struct source *of = &s->sources[s->count++];
		of->held = v->set->items[i];
		code = select_block(s, of, matchers, count, err);
	}
	if (code == 0 && to_ms >= v->set->sealed_ms) {
		code = select_head(s, &s->sources[s->count++], matchers, count);
		code = code != 0 ? failed(err, code) : 0;
	}
	if (code == 0)
		return s;
	series_set_free(s);
	return NULL;
}

void series_set_free(struct series_set *s)
{
	if (s == NULL)
		return;
	for (uint32_t i = 0; i < s->count; i++)
		block_reader_free(s->sources[i].reader);
	mem_free(s->sources);
	arena_deinit(&s->arena);
	sample_room_deinit(&s->room);
	mem_free(s);
}

/* ---- the walk ---- */

/* One after the other, misses of the cache would be dearer than all the rest. */
static void fetch_ahead(const struct series_set *s, const struct source *of)
{
	const struct labels_item *next = of->entries + of->at;
	uint32_t left = of->count - of->at;
	if (!s->read && s->count == 1)
		return;
	if (left > AHEAD_SLOT)
		head_view_prefetch(s->view->head, next[AHEAD_SLOT].number, HEAD_FETCH_SLOT);
	if (left > AHEAD_SERIES)
		head_view_prefetch(s->view->head, next[AHEAD_SERIES].number, HEAD_FETCH_SERIES);
	if (!s->read)
		return;
	if (left > AHEAD_CHUNK)
		head_view_prefetch(s->view->head, next[AHEAD_CHUNK].number, HEAD_FETCH_CHUNK);
	if (left > AHEAD_SPILLED)
		head_view_prefetch(s->view->head, next[AHEAD_SPILLED].number, HEAD_FETCH_SPILLED);
}

/* Past the series that was given last. */
static int move_on(struct series_set *s, struct error *err)
{
	for (uint32_t i = 0; i < s->count; i++) {
		struct source *of = &s->sources[i];
		if (!of->given)
			continue;
		of->given = false;
		of->at++;
		if (of->held == NULL)
			fetch_ahead(s, of);
		int code = load_labels(of, err);
		if (code != 0)
			return code;
	}
	return 0;
}

/* Mostly the sources have the same series at hand. */
static int compare(struct slice a, struct slice b)
{
	return slice_eq(a, b) ? 0 : labels_compare(a, b);
}

/* Marks the sources whose series at hand comes first. NULL: none has one. */
static const struct source *mark_least(struct series_set *s)
{
	struct source *least = NULL;
	for (uint32_t i = 0; i < s->count; i++) {
		struct source *of = &s->sources[i];
		if (of->at == of->count)
			continue;
		int order = least == NULL ? -1 : compare(of->labels, least->labels);
		of->given = order <= 0;
		if (order >= 0)
			continue;
		for (uint32_t k = 0; k < i; k++)
			s->sources[k].given = false;
		least = of;
	}
	return least;
}

int series_set_next(struct series_set *s, struct slice *labels, struct error *err)
{
	int code = view_is_stopped(s->view) ? failed(err, -ECANCELED) : move_on(s, err);
	if (code != 0)
		return code;
	s->read = false;
	const struct source *least = mark_least(s);
	if (least == NULL)
		return 0;
	*labels = least->labels;
	return 1;
}

/* ---- samples ---- */

/* What a block's reader said of it: a damaged one is remembered. */
static int block_said(const struct source *of, int code)
{
	if (code == -EBADMSG)
		of->held->damaged = true;
	return code;
}

static int damaged_head(const struct series_set *s, uint32_t chunks, struct error *err)
{
	return error_set(err, -EBADMSG, "%s is damaged: %u chunks of a series", s->view->t->chunks_dir, chunks);
}

/* What is sealed is read from blocks, also where the head has it still. */
static int64_t head_from(const struct series_set *s)
{
	return s->from_ms < s->view->set->sealed_ms ? s->view->set->sealed_ms : s->from_ms;
}

static int read_source(struct series_set *s, const struct source *of, struct column *out, struct error *err)
{
	if (of->held != NULL)
		return block_said(
		    of, block_reader_samples(of->reader, of->numbers.numbers[of->at], s->from_ms, s->to_ms, out, err));
	struct head_samples h;
	if (head_view_read(s->view->head, of->entries[of->at].number, head_from(s), s->to_ms, &h) != 0)
		return out_of_memory(err);
	if (h.damaged > 0)
		return damaged_head(s, h.damaged, err);
	*out = (struct column){h.times_ms, h.values, h.count};
	return 0;
}

int series_set_samples(struct series_set *s, struct series_samples *out, struct error *err)
{
	uint32_t givers = 0;
	s->read = true;
	s->room.count = 0;
	*out = (struct series_samples){0};
	for (uint32_t i = 0; i < s->count; i++)
		givers += s->sources[i].given;
	for (uint32_t i = 0; i < s->count; i++) {
		struct column c = {0};
		if (!s->sources[i].given)
			continue;
		int code = read_source(s, &s->sources[i], &c, err);
		if (code != 0)
			return code;
		if (givers == 1) { /* as most are: no copy */
			*out = (struct series_samples){c.times_ms, c.values, c.count};
			return 0;
		}
		if (sample_room_add(&s->room, c.times_ms, c.values, c.count) != 0)
			return out_of_memory(err);
	}
	*out = (struct series_samples){s->room.times_ms, s->room.values, s->room.count};
	return 0;
}

/* ---- summaries ---- */

static int add_block(struct series_set *s, const struct source *of, struct summary_split *out, struct error *err)
{
	struct chunk_summary all;
	int code = block_reader_series(of->reader, of->numbers.numbers[of->at], NULL, &all, err);
	if (code != 0)
		return block_said(of, code);
	if (all.last_ms < s->from_ms || all.first_ms > s->to_ms)
		return 0;
	if (all.first_ms >= s->from_ms && all.last_ms <= s->to_ms && split_join(out, &all))
		return 0;
	return block_said(of,
	                  block_reader_split(of->reader, of->numbers.numbers[of->at], s->from_ms, s->to_ms, out, err));
}

static int add_head(struct series_set *s, const struct source *of, struct summary_split *out, struct error *err)
{
	uint32_t damaged;
	if (head_view_summary(s->view->head, of->entries[of->at].number, head_from(s), s->to_ms, out, &damaged) != 0)
		return out_of_memory(err);
	return damaged == 0 ? 0 : damaged_head(s, damaged, err);
}

static int summarize(struct series_set *s, struct summary_split *out, struct error *err)
{
	int code = 0;
	s->read = true;
	for (uint32_t i = 0; i < s->count && code == 0; i++) {
		const struct source *of = &s->sources[i];
		if (of->given)
			code = of->held != NULL ? add_block(s, of, out, err) : add_head(s, of, out, err);
	}
	return code;
}

int series_set_summary(struct series_set *s, struct chunk_summary *out, struct error *err)
{
	struct summary_split all;
	split_init(&all, NULL);
	int code = summarize(s, &all, err);
	*out = all.after;
	return code;
}

int series_set_summary_after(struct series_set *s, int64_t at_ms, struct series_newest *before,
                             struct chunk_summary *after, struct error *err)
{
	struct summary_split both;
	split_init(&both, &at_ms);
	int code = summarize(s, &both, err);
	*before = both.before;
	*after = both.after;
	return code;
}
