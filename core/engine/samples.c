/* Samples from the wire on their way through the engine: framed under numbers of series, and stored once the frame is durable.
 *
 * A series gets its number when its first sample comes in, and the frame that uses the number first says what its labels are. A group is stored in one batch, so that who reads sees a submission whole. */
#include <errno.h>
#include <math.h>

#include "base/check.h"
#include "engine/internal.h"

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
	    [SAMPLE_REFUSED_INCREMENT] = "it is an increment that makes the sum no finite number",
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
struct framing {
	struct engine *e;
	struct group *g;
	struct submission *s;
	uint32_t series; /* at hand */
	int64_t latest_ms;
};

/* What an increment makes of the sum; a sum that is no number, such as the marker that the row had ended, begins anew. False: the increment makes it one, for ever. */
static bool add_up(bool has_sum, double sum, double increment, double *out)
{
	*out = has_sum && isfinite(sum) && !sample_is_stale(increment) ? sum + increment : increment;
	return isfinite(*out) || sample_is_stale(increment);
}

/* Is an increment, which does not come behind the newest point, there already, or on its way? Then it counts once. */
static int known_increment(struct framing *in, uint32_t number, const struct sample *point, const struct sample *newest)
{
	if (point->time_ms == newest->time_ms || deltas_has(in->e->deltas, number, point->time_ms))
		return 1;
	return tsdb_has_sample(in->e->store, number, point->time_ms);
}

/* Puts sums in the place of increments; before the first point of a series goes a zero at its beginning, so that the first increment is one. What is not to be stored is left out. */
static int sum_increments(struct framing *in, uint32_t number, struct sample_series *series)
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
		double sum;
		if (!add_up(has_sum, has_sum ? newest.value : 0, point->value, &sum)) {
			refuse(in->s, in->series, i, 1, SAMPLE_REFUSED_INCREMENT);
			continue;
		}
		began = began || (!has_sum && series->created_ms != 0 && series->created_ms < point->time_ms);
		if (began && count == 0)
			sums[count++] = (struct sample){series->created_ms, 0};
		newest = (struct sample){point->time_ms, sum};
		has_sum = true;
		sums[count++] = newest;
		int code = deltas_put(in->e->deltas, number, &newest, in->g->ordinal);
		if (code != 0)
			return code;
	}
	series->samples = sums;
	series->sample_count = count;
	series->delta = began; /* from here on: the first sample is none of the sender's */
	return 0;
}

static bool has_too_new(const struct framing *in, const struct sample_series *series)
{
	for (uint32_t i = 0; i < series->sample_count; i++) {
		if (series->samples[i].time_ms > in->latest_ms)
			return true;
	}
	return false;
}

/* Leaves out what lies in the future: what it is worth is judged now, and not again at a replay. */
static int refuse_too_new(struct framing *in, struct sample_series *series)
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
static int define(struct framing *in, uint32_t number, struct slice labels, struct slice *out)
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

static int frame_samples(struct framing *in, uint32_t number, const struct sample_series *series)
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
static int number_of(struct framing *in, const struct sample_series *series, uint32_t *number)
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

/* Leaves out exemplars that lie in the future: until then all later ones of the series would be too old. */
static int refuse_new_exemplars(struct framing *in, struct sample_series *series)
{
	uint32_t fine = 0;
	while (fine < series->exemplar_count && series->exemplars[fine].time_ms <= in->latest_ms)
		fine++;
	if (fine == series->exemplar_count)
		return 0;
	struct sample_exemplar *kept =
	    arena_alloc(&in->s->samples->arena, (size_t)series->exemplar_count * sizeof *kept);
	if (kept == NULL)
		return -ENOMEM;
	uint32_t count = 0;
	for (uint32_t i = 0; i < series->exemplar_count; i++) {
		if (series->exemplars[i].time_ms <= in->latest_ms)
			kept[count++] = series->exemplars[i];
	}
	in->e->counters.exemplars_too_new += series->exemplar_count - count;
	series->exemplars = kept;
	series->exemplar_count = count;
	return 0;
}

static int frame_exemplars(struct framing *in, uint32_t number, struct sample_series *series)
{
	int code = refuse_new_exemplars(in, series);
	for (uint32_t i = 0; i < series->exemplar_count && code == 0; i++) {
		struct slice labels;
		code = intake_frame(in->e, in->g, FRAME_SAMPLES);
		if (code == 0)
			code = define(in, number, series->labels, &labels);
		if (code == 0)
			code = intake_added(
			    in->g, journal_exemplar_add(in->g->journal, number, labels, &series->exemplars[i]));
	}
	return code;
}

/* What is known of metrics is said again and again, as is what the store has no room for: only what is new and will be kept is framed, and stays in the batch. */
static int frame_metadata(struct framing *in)
{
	struct sample_batch *b = in->s->samples;
	uint32_t kept = 0;
	int code = 0;
	for (uint32_t i = 0; i < b->metadata_count && code == 0; i++) {
		if (tsdb_metadata_admit(in->e->store, &b->metadata[i]) != 0)
			continue;
		code = intake_frame(in->e, in->g, FRAME_SAMPLES);
		if (code == 0)
			code = intake_added(in->g, journal_metadata_add(in->g->journal, &b->metadata[i]));
		b->metadata[kept++] = b->metadata[i];
	}
	b->metadata_count = kept;
	return code;
}

static int add_series(struct framing *in, struct sample_series *series, uint32_t *number)
{
	int code = number_of(in, series, number);
	if (code != 0 || *number == NO_SERIES)
		return code;
	if (has_too_new(in, series))
		code = refuse_too_new(in, series);
	if (code == 0 && series->delta)
		code = sum_increments(in, *number, series);
	if (code == 0)
		code = frame_samples(in, *number, series);
	return code == 0 ? frame_exemplars(in, *number, series) : code;
}

/* The memory of some ten thousand series is in no near cache. */
static void look_ahead(const struct engine *e, const struct sample_batch *b, uint32_t i)
{
	if (i + AHEAD < b->series_count)
		tsdb_prefetch_slot(e->store, b->series[i + AHEAD].hash);
	if (i + SOON < b->series_count)
		tsdb_prefetch_labels(e->store, b->series[i + SOON].hash);
}

/* A process before this one may have had other numbers for the same series, whatever of its frames is left. 0 or a negative errno. */
static int begin_numbers(struct engine *e, struct group *g)
{
	if (e->numbers_said)
		return 0;
	int code = intake_control(e, g, CONTROL_NUMBERS);
	e->numbers_said = g->has_numbers = code == 0;
	return code;
}

int samples_intake(struct engine *e, struct group *g, struct submission *s)
{
	struct sample_batch *b = s->samples;
	struct framing in = {.e = e, .g = g, .s = s, .latest_ms = e->now_ns / NS_PER_MS + FUTURE_MS};
	s->numbers = arena_alloc(&b->arena, ((size_t)b->series_count + 1) * sizeof *s->numbers);
	if (s->numbers == NULL)
		return -ENOMEM;
	g->has_samples = true;
	int code = begin_numbers(e, g);
	if (code != 0)
		return code;
	for (uint32_t i = 0; i < b->series_count && i < AHEAD; i++)
		tsdb_prefetch_slot(e->store, b->series[i].hash);
	for (in.series = 0; in.series < b->series_count; in.series++) {
		look_ahead(e, b, in.series);
		code = add_series(&in, &b->series[in.series], &s->numbers[in.series]);
		if (code != 0)
			return code;
	}
	e->counters.samples_refused += s->results.refused_total;
	return frame_metadata(&in);
}

void samples_failed(struct engine *e, const struct group *g)
{
	if (!g->has_samples)
		return;
	for (uint32_t i = 0; i < g->defined_count; i++)
		tsdb_mark(e->store, g->defined[i], false);
	if (g->has_numbers)
		e->numbers_said = false;
	/* Once one cannot be written, none behind it is. But the one that is open may be given up alone. */
	if (e->failure != 0)
		deltas_failed(e->deltas);
	else
		deltas_given_up(e->deltas, g->ordinal);
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

/* The series may have left meanwhile, having been idle until now: then it comes back. */
static int append(struct engine *e, const struct sample_series *series, const struct sample *s, uint32_t *number)
{
	int code = tsdb_append(e->store, *number, s->time_ms, s->value);
	if (code != -ESTALE)
		return code;
	code = tsdb_series_admitted(e->store, series->labels, series->hash, number);
	return code == 0 ? tsdb_append(e->store, *number, s->time_ms, s->value) : code;
}

static int apply_series(struct engine *e, struct submission *s, uint32_t i)
{
	const struct sample_series *series = &s->samples->series[i];
	if (s->numbers[i] == NO_SERIES)
		return 0;
	int code = 0;
	for (uint32_t k = 0; k < series->sample_count && code >= 0; k++) {
		code = append(e, series, &series->samples[k], &s->numbers[i]);
		if (code >= 0 && !(series->delta && k == 0))
			count_outcome(e, s, i, k, code);
	}
	return code < 0 ? code : 0;
}

static int apply_exemplars(struct engine *e, struct submission *s, uint32_t i)
{
	const struct sample_series *series = &s->samples->series[i];
	int code = 0;
	for (uint32_t k = 0; k < series->exemplar_count && code >= 0; k++) {
		code = tsdb_exemplar_add(e->store, series->labels, series->hash, &series->exemplars[k]);
		s->results.exemplars += code == EXEMPLAR_STORED || code == EXEMPLAR_DUPLICATE;
	}
	return code < 0 ? code : 0;
}

/* One more than there may be is counted by the store (tsdb_stats). */
static int apply_metadata(struct engine *e, struct submission *s)
{
	int code = 0;
	for (uint32_t i = 0; i < s->samples->metadata_count && (code == 0 || code == -ENOSPC); i++)
		code = tsdb_metadata_put(e->store, &s->samples->metadata[i]);
	return code == -ENOSPC ? 0 : code;
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
		if (s->status == 0 && s->samples->series[i].exemplar_count > 0 && s->numbers[i] != NO_SERIES)
			s->status = apply_exemplars(e, s, i);
	}
	if (s->status == 0)
		s->status = apply_metadata(e, s);
}

void samples_apply(struct engine *e, struct group *g)
{
	tsdb_set_now(e->store, e->now_ns / NS_PER_MS);
	tsdb_batch_begin(e->store);
	for (struct submission *s = g->head; s != NULL; s = s->next) {
		if (s->samples != NULL)
			apply_submission(e, s);
	}
	tsdb_batch_end(e->store);
	deltas_applied(e->deltas, g->ordinal);
}
