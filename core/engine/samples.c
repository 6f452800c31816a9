/* Samples from the wire on their way through the engine: framed under numbers of series, and stored once the frame is durable.
 *
 * A series gets its number when its first sample comes in, and the frame that uses the number first says what its labels are. A group is stored in one batch, so that who reads sees a submission whole. */
#include <errno.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/table.h"
#include "engine/internal.h"
#include "record/labels.h"

#define FUTURE_MS INT64_C(600000) /* how far ahead of the engine's clock a sample may be */

enum {
	AHEAD = 16,         /* series that the processor is asked for so much before they are wanted, */
	SOON = 8,           /* and what hangs on them */
	RUN_SAMPLES = 4096, /* of one series in one item of a frame, so that frames stay below their size */
	NO_SERIES = UINT32_MAX
};

const char *sample_refused_text(enum sample_refused why)
{
	static const char *const texts[SAMPLE_REFUSALS] = {
	    [SAMPLE_REFUSED_CONFLICT] = "another value is there at the same time",
	    [SAMPLE_REFUSED_TOO_OLD] = "it is older than store.out_of_order allows, or than what has been sealed",
	    [SAMPLE_REFUSED_TOO_NEW] = "its time lies more than ten minutes in the future",
	    [SAMPLE_REFUSED_TOO_LATE] = "too many samples of its series came out of order",
	    [SAMPLE_REFUSED_SERIES] = "there are as many series as store.max_series allows",
	    [SAMPLE_REFUSED_METRIC] = "its metric has as many series as store.max_series_per_metric allows",
	    [SAMPLE_REFUSED_DELTA] = "it is an increment that does not follow the newest point of its series",
	};
	CHECK((unsigned)why < SAMPLE_REFUSALS && texts[why] != NULL);
	return texts[why];
}

static void refuse(struct submission *s, uint32_t series, uint32_t sample, uint32_t count, enum sample_refused why)
{
	struct sample_results *r = &s->results;
	r->refused[why] += count;
	r->refused_total += count;
	if (r->refusals == NULL)
		r->refusals = arena_alloc(&s->samples->arena, SUBMISSION_REFUSALS_MAX * sizeof *r->refusals);
	if (r->refusals == NULL || r->refusal_count == SUBMISSION_REFUSALS_MAX) /* they are counted all the same */
		return;
	int64_t time_ms = s->samples->series[series].samples[sample].time_ms;
	r->refusals[r->refusal_count++] = (struct sample_refusal){series, sample, time_ms, why};
}

/* ---- in ---- */

/* A submission's samples being framed. */
struct intake {
	struct engine *e;
	struct group *g;
	struct submission *s;
	uint32_t series; /* at hand */
	int64_t latest_ms;
};

static bool is_stale(double value)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof bits);
	return bits == SAMPLE_STALE_BITS;
}

/* What an increment makes of the sum. A point that says that there is nothing ends the row. */
static double add_up(bool has_sum, double sum, double increment)
{
	return has_sum && !is_stale(sum) && !is_stale(increment) ? sum + increment : increment;
}

/* Is an increment, which does not come behind the newest point, there already? Then it counts once. */
static int known_increment(struct intake *in, uint32_t number, const struct sample *point, const struct sample *newest)
{
	return point->time_ms == newest->time_ms ? 1 : tsdb_has_sample(in->e->store, number, point->time_ms);
}

/* Puts sums in the place of increments; before the first point of a series goes a zero at its beginning, so that the first increment is one. What is not to be stored is left out. */
static int sum_increments(struct intake *in, uint32_t number, struct sample_series *series)
{
	struct sample newest;
	bool has_sum = deltas_newest(in->e->deltas, number, &newest);
	struct sample *sums = arena_alloc(&in->s->samples->arena, ((size_t)series->sample_count + 1) * sizeof *sums);
	if (sums == NULL)
		return -ENOMEM;
	uint32_t count = 0;
	bool began = false;
	for (uint32_t i = 0; i < series->sample_count; i++) {
		const struct sample *point = &series->samples[i];
		if (has_sum && point->time_ms <= newest.time_ms) {
			int known = known_increment(in, number, point, &newest);
			if (known < 0)
				return known;
			if (known == 1)
				in->s->results.duplicate++;
			else
				refuse(in->s, in->series, i, 1, SAMPLE_REFUSED_DELTA);
			continue;
		}
		began = began || (!has_sum && series->created_ms != 0 && series->created_ms < point->time_ms);
		if (began && count == 0)
			sums[count++] = (struct sample){series->created_ms, 0};
		newest = (struct sample){point->time_ms, add_up(has_sum, newest.value, point->value)};
		has_sum = true;
		sums[count++] = newest;
	}
	series->samples = sums;
	series->sample_count = count;
	series->delta = began; /* from here on: the first sample is none of the sender's */
	return count == 0 ? 0 : deltas_put(in->e->deltas, number, &newest, in->g->ordinal);
}

static bool has_too_new(const struct intake *in, const struct sample_series *series)
{
	for (uint32_t i = 0; i < series->sample_count; i++) {
		if (series->samples[i].time_ms > in->latest_ms)
			return true;
	}
	return false;
}

/* Leaves out what lies in the future: what it is worth is judged now, and not again at a replay. */
static int refuse_too_new(struct intake *in, struct sample_series *series)
{
	struct sample *kept = arena_alloc(&in->s->samples->arena, (size_t)series->sample_count * sizeof *kept);
	if (kept == NULL)
		return -ENOMEM;
	uint32_t count = 0;
	for (uint32_t i = 0; i < series->sample_count; i++) {
		if (series->samples[i].time_ms > in->latest_ms)
			refuse(in->s, in->series, i, 1, SAMPLE_REFUSED_TOO_NEW);
		else
			kept[count++] = series->samples[i];
	}
	series->samples = kept;
	series->sample_count = count;
	return 0;
}

/* The labels that have to be said with the number: none where a frame has said them. */
static int define(struct intake *in, uint32_t number, struct slice labels, struct slice *out)
{
	*out = SLICE("");
	if (tsdb_is_marked(in->e->store, number))
		return 0;
	int code = group_add_defined(in->g, number);
	if (code != 0)
		return code;
	tsdb_mark(in->e->store, number, true);
	*out = labels;
	return 0;
}

static int frame_samples(struct intake *in, uint32_t number, const struct sample_series *series)
{
	for (uint32_t at = 0; at < series->sample_count;) {
		uint32_t n = series->sample_count - at < RUN_SAMPLES ? series->sample_count - at : RUN_SAMPLES;
		struct slice labels;
		int code = intake_frame(in->e, in->g, FRAME_SAMPLES);
		if (code == 0)
			code = define(in, number, series->labels, &labels);
		if (code == 0)
			code = intake_added(
			    in->g, journal_samples_add(in->g->journal, number, labels, series->samples + at, n));
		if (code != 0)
			return code;
		at += n;
	}
	return 0;
}

/* The number of a series, or NO_SERIES where there may be no more. */
static int number_of(struct intake *in, const struct sample_series *series, uint32_t *number)
{
	int code = tsdb_series(in->e->store, series->labels, series->hash, number);
	if (code != -ENOSPC && code != -EDQUOT)
		return code;
	*number = NO_SERIES;
	if (series->sample_count > 0)
		refuse(in->s, in->series, 0, series->sample_count,
		       code == -ENOSPC ? SAMPLE_REFUSED_SERIES : SAMPLE_REFUSED_METRIC);
	return 0;
}

static int add_series(struct intake *in, struct sample_series *series, uint32_t *number)
{
	int code = number_of(in, series, number);
	if (code != 0 || *number == NO_SERIES)
		return code;
	if (has_too_new(in, series))
		code = refuse_too_new(in, series);
	if (code == 0 && series->delta)
		code = sum_increments(in, *number, series);
	return code == 0 ? frame_samples(in, *number, series) : code;
}

/* The memory of some ten thousand series is in no near cache. */
static void look_ahead(const struct engine *e, const struct sample_batch *b, uint32_t i)
{
	if (i + AHEAD < b->series_count)
		tsdb_prefetch_slot(e->store, b->series[i + AHEAD].hash);
	if (i + SOON < b->series_count)
		tsdb_prefetch_labels(e->store, b->series[i + SOON].hash);
}

int samples_intake(struct engine *e, struct group *g, struct submission *s)
{
	struct sample_batch *b = s->samples;
	struct intake in = {.e = e, .g = g, .s = s, .latest_ms = e->now_ns / NS_PER_MS + FUTURE_MS};
	s->numbers = arena_alloc(&b->arena, ((size_t)b->series_count + 1) * sizeof *s->numbers);
	if (s->numbers == NULL)
		return -ENOMEM;
	g->has_samples = true;
	for (uint32_t i = 0; i < b->series_count && i < AHEAD; i++)
		tsdb_prefetch_slot(e->store, b->series[i].hash);
	for (in.series = 0; in.series < b->series_count; in.series++) {
		look_ahead(e, b, in.series);
		int code = add_series(&in, &b->series[in.series], &s->numbers[in.series]);
		if (code != 0)
			return code;
	}
	e->counters.samples_refused += s->results.refused_total;
	return 0;
}

void samples_failed(struct engine *e, const struct group *g)
{
	if (!g->has_samples)
		return;
	for (uint32_t i = 0; i < g->defined_count; i++)
		tsdb_mark(e->store, g->defined[i], false);
	deltas_failed(e->deltas);
}

/* ---- stored ---- */

static void count_outcome(struct engine *e, struct submission *s, uint32_t series, uint32_t sample, int outcome)
{
	e->counters.samples[outcome]++;
	if (outcome == APPEND_STORED)
		s->results.stored++;
	else if (outcome == APPEND_DUPLICATE)
		s->results.duplicate++;
	else
		refuse(s, series, sample, 1, (enum sample_refused)outcome);
}

/* The series may have left meanwhile, having been idle until now. */
static int living_number(struct engine *e, const struct sample_series *series, uint32_t *number)
{
	return tsdb_has(e->store, *number) ? 0 : tsdb_series(e->store, series->labels, series->hash, number);
}

static int apply_series(struct engine *e, struct submission *s, uint32_t i)
{
	const struct sample_series *series = &s->samples->series[i];
	if (s->numbers[i] == NO_SERIES)
		return 0;
	int code = living_number(e, series, &s->numbers[i]);
	for (uint32_t k = 0; k < series->sample_count && code >= 0; k++) {
		code = tsdb_append(e->store, s->numbers[i], series->samples[k].time_ms, series->samples[k].value);
		if (code >= 0 && !(series->delta && k == 0))
			count_outcome(e, s, i, k, code);
	}
	return code < 0 ? code : 0;
}

/* Where memory runs out in between the client is told, and sends it all again: what is stored by then is known. */
static void apply_submission(struct engine *e, struct submission *s)
{
	uint32_t count = s->samples->series_count;
	for (uint32_t i = 0; i < count && s->status == 0; i++) {
		if (i + AHEAD < count)
			tsdb_prefetch_series(e->store, s->numbers[i + AHEAD]);
		if (i + SOON < count)
			tsdb_prefetch_chunk(e->store, s->numbers[i + SOON]);
		s->status = apply_series(e, s, i);
	}
}

void samples_apply(struct engine *e, struct group *g)
{
	tsdb_batch_begin(e->store);
	for (struct submission *s = g->head; s != NULL; s = s->next) {
		if (s->samples != NULL)
			apply_submission(e, s);
	}
	tsdb_batch_end(e->store);
	deltas_applied(e->deltas, g->ordinal);
}

/* ---- again ---- */

struct known_series {
	uint32_t said, number; /* in the journal, and here */
};

struct samples_replay {
	struct engine *e;
	struct table table; /* by said number, of items */
	struct known_series *items;
	uint32_t count;
	size_t cap;
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

/* The series of an item: 1; 0: it is not known, or there may be no more; -EBADMSG, -ENOMEM. */
static int find_series(struct samples_replay *r, const struct samples_item *item, uint32_t *number, struct error *err)
{
	struct tsdb *store = r->e->store;
	if (item->labels.len == 0) {
		uint32_t known = table_find(&r->table, hash_mix(item->number, 0), is_said, r, &item->number);
		*number = known != TABLE_NONE ? r->items[known].number : item->number;
		/* What no frame has said is one of the checkpoint's. */
		return known != TABLE_NONE || item->number < r->e->loaded_series ? tsdb_has(store, *number) : 0;
	}
	if (labels_check(item->labels, NULL, err) != 0)
		return -EBADMSG;
	int code = tsdb_series(store, item->labels, labels_hash(item->labels), number);
	if (code == -ENOSPC || code == -EDQUOT)
		return 0;
	if (code == 0)
		code = learn(r, item->number, *number);
	return code == 0 ? 1 : code;
}

static int replay_item(struct samples_replay *r, struct samples_reader *reader, const struct samples_item *item,
                       struct error *err)
{
	struct engine *e = r->e;
	uint32_t number;
	struct sample sample;
	if (item->kind != SAMPLES_ITEM_SAMPLES)
		return 0;
	int known = find_series(r, item, &number, err);
	if (known < 0)
		return known;
	if (known == 0) {
		e->counters.lost_samples += item->count;
		return 0;
	}
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

int samples_replay_frame(struct samples_replay *r, const struct frame *f, struct error *err)
{
	struct samples_reader reader;
	struct samples_item item;
	samples_reader_init(&reader, f);
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
