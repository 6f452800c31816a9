/* See collect.h. */
#include "scrape/collect.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/header.h"
#include "base/mem.h"

/* The time that samples without one get from the decoder, to be told from those with one. No clock shows it. */
#define NO_TIME INT64_MIN

void round_fail(struct scrape_round *r, enum scrape_result result, const char *format, ...)
{
	va_list args;

	r->result = result;
	va_start(args, format);
	vsnprintf(r->error, sizeof r->error, format, args);
	va_end(args);
}

bool collect_format(const char *content_type, enum ingest_text *out)
{
	struct slice type = slice_cstr(content_type != NULL ? content_type : "");

	*out = INGEST_TEXT;
	if (type.len == 0 || media_type_is(type, "text/plain"))
		return true;
	*out = INGEST_OPENMETRICS;
	return media_type_is(type, "application/openmetrics-text");
}

/* ---- the answer ---- */

/* One series of the answer on its way from the batch's beginning to where it is kept. */
struct pass {
	struct target *target;
	struct sample_batch *batch;
	struct sample *samples; /* the times that they are handed over with */
	uint32_t kept;
	struct buf labels; /* of the one at hand */
};

static void note_rejected(struct scrape_round *r, const char *why)
{
	if (r->rejected++ == 0)
		snprintf(r->rejected_why, sizeof r->rejected_why, "%.150s", why);
}

/* Exemplars without a time have that of their sample. */
static int set_exemplar_times(struct pass *p, struct sample_series *s)
{
	struct sample_exemplar *own = arena_alloc(&p->batch->arena, s->exemplar_count * sizeof *own);

	if (own == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->exemplar_count; i++) {
		own[i] = s->exemplars[i];
		if (own[i].time_ms == NO_TIME)
			own[i].time_ms = p->target->round.at_ms;
	}
	s->exemplars = own;
	return 0;
}

/* Puts a series of the answer under the labels of its target. 0, with its place in *s; -EINVAL: it is left out; -ENOMEM. */
static int take(struct pass *p, const struct sample_series *from)
{
	struct target *t = p->target;
	struct error why = {0};
	bool timed = t->job->honor_timestamps && from->samples[0].time_ms != NO_TIME;

	buf_reset(&p->labels);
	int code = merge_labels(&t->merge, from->labels, &p->labels, &why);
	if (code == -EINVAL)
		note_rejected(&t->round, why.text);
	if (code != 0)
		return code;
	const struct seen_series *known = seen_mark(&t->series, buf_slice(&p->labels), !timed);
	if (known == NULL)
		return -ENOMEM;
	struct sample *sample = &p->samples[p->kept];
	*sample = from->samples[0];
	if (!timed)
		sample->time_ms = t->round.at_ms;
	struct sample_series s = *from;
	s.labels = seen_labels(known);
	s.hash = known->hash;
	s.samples = sample;
	if (s.exemplar_count > 0 && set_exemplar_times(p, &s) != 0)
		return -ENOMEM;
	p->batch->series[p->kept++] = s;
	return 0;
}

static int take_all(struct pass *p)
{
	struct sample_batch *b = p->batch;
	uint64_t exemplars = 0;

	p->samples = arena_alloc(&b->arena, ((size_t)b->series_count + 1) * sizeof *p->samples);
	if (p->samples == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < b->series_count; i++) {
		uint32_t kept = p->kept;
		int code = take(p, &b->series[i]);
		if (code == -ENOMEM)
			return code;
		exemplars += p->kept > kept ? b->series[kept].exemplar_count : 0;
	}
	b->series_count = p->kept;
	b->sample_count = p->kept;
	b->exemplar_count = exemplars;
	return 0;
}

/* Decodes the answer; what cannot be taken fails the round, and leaves the batch for none. */
static int decode(struct target *t, struct slice body, enum ingest_text format, struct sample_batch *b)
{
	struct scrape_round *r = &t->round;
	struct ingest_sample_limits limits;
	struct ingest_rejects rejects = {.room = 1024};
	struct error err = {0};

	ingest_sample_limits_default(&limits);
	limits.keep_empty = true;
	int code = ingest_prometheus_text(b, body, format, NO_TIME, &limits, &rejects, &err);
	r->answered = b->series_count + rejects.samples;
	r->rejected = rejects.count + (uint64_t)rejects.unlisted;
	if (rejects.count > 0)
		snprintf(r->rejected_why, sizeof r->rejected_why, "%.*s",
		         rejects.items[0].text.len < 150 ? (int)rejects.items[0].text.len : 150,
		         rejects.items[0].text.ptr);
	ingest_rejects_free(&rejects);
	if (code == -EFBIG)
		round_fail(r, SCRAPE_LIMIT, "%.500s", err.text);
	else if (code == -ENOMEM)
		return code;
	else if (code != 0)
		round_fail(r, SCRAPE_MALFORMED, "%.500s", err.text);
	else if (t->job->sample_limit > 0 && r->answered > t->job->sample_limit)
		round_fail(r, SCRAPE_LIMIT, "the answer has %llu samples, sample_limit is %u",
		           (unsigned long long)r->answered, t->job->sample_limit);
	return 0;
}

static int take_answer(struct target *t, struct slice body, enum ingest_text format, struct sample_batch *b)
{
	int code = decode(t, body, format, b);

	if (code != 0)
		return code;
	if (t->round.result != SCRAPE_OK) {
		sample_batch_reset(b, 0);
		return 0;
	}
	struct pass p = {.target = t, .batch = b};
	code = take_all(&p);
	buf_free(&p.labels);
	t->round.remaining = p.kept;
	return code;
}

/* ---- what is said of it ---- */

static int add_sample(struct sample_batch *b, struct slice labels, uint64_t hash, int64_t time_ms, double value)
{
	struct sample *sample = arena_alloc(&b->arena, sizeof *sample);
	struct sample_series *s = sample_batch_add(b);

	if (sample == NULL || s == NULL)
		return -ENOMEM;
	*sample = (struct sample){time_ms, value};
	*s = (struct sample_series){
	    .labels = labels, .hash = hash, .samples = sample, .sample_count = 1, .index = b->series_count - 1};
	b->sample_count++;
	return 0;
}

static int end_gone(struct target *t, int64_t at_ms, struct sample_batch *b, uint64_t *count)
{
	for (uint32_t i = 0; i < t->series.count; i++) {
		const struct seen_series *s = &t->series.items[i];
		if (!seen_is_gone(&t->series, s))
			continue;
		if (add_sample(b, seen_labels(s), s->hash, at_ms, sample_stale()) != 0)
			return -ENOMEM;
		++*count;
	}
	return 0;
}

static int report(struct target *t, struct sample_batch *b)
{
	struct scrape_round *r = &t->round;

	r->duration_ns = clock_mono_ns() - r->began_ns;
	const double values[REPORTS] = {
	    [REPORT_UP] = r->result == SCRAPE_OK,   [REPORT_DURATION] = clock_seconds(r->duration_ns),
	    [REPORT_SAMPLES] = (double)r->answered, [REPORT_REMAINING] = (double)r->remaining,
	    [REPORT_ADDED] = t->series.added,
	};
	for (int i = 0; i < REPORTS; i++) {
		if (add_sample(b, t->reports[i].labels, t->reports[i].hash, r->at_ms, values[i]) != 0)
			return -ENOMEM;
	}
	return 0;
}

int collect(struct target *t, struct slice body, enum ingest_text format, struct sample_batch *b)
{
	int code = 0;

	seen_begin(&t->series);
	if (t->round.result == SCRAPE_OK)
		code = take_answer(t, body, format, b);
	if (code == 0)
		code = end_gone(t, t->round.at_ms, b, &t->round.stale);
	return code == 0 ? report(t, b) : code;
}

int collect_end(struct target *t, int64_t at_ms, struct sample_batch *b)
{
	seen_begin(&t->series);
	t->round = (struct scrape_round){.at_ms = at_ms};
	int code = end_gone(t, at_ms, b, &t->round.stale);
	for (int i = 0; i < REPORTS && code == 0 && t->reported; i++) {
		code = add_sample(b, t->reports[i].labels, t->reports[i].hash, at_ms, sample_stale());
		t->round.stale++;
	}
	return code;
}
