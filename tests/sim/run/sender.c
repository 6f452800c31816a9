/* Who sends samples: batches of the same series at rising times, each sent again until it is accepted. And what must hold of them: whoever reads sees a batch whole or not at all, and what was acknowledged is there. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "record/labels.h"
#include "record/matcher.h"
#include "run.h"
#include "tsdb/tsdb.h"

#define ANSWER_NS (120 * NS_PER_S)
#define STEP_MS 1000 /* between batches */

/* ---- the batches ---- */

void sender_init(struct run *r)
{
	struct sender *s = &r->sender;
	s->count = (uint32_t)random_below(&r->random, SENT_MAX);
	for (uint32_t i = 0; i < s->count; i++)
		s->batches[i].series = 1 + (uint32_t)random_below(&r->random, SENT_SERIES);
}

/* Of the batch, and of its series: none like another. */
static double value_of(uint32_t batch, uint32_t series)
{
	return batch * (double)SENT_SERIES + series;
}

static struct slice labels_of(struct run *r, struct arena *arena, uint32_t series)
{
	char number[2] = {(char)('a' + series), '\0'};
	struct label labels[] = {{LABEL_METRIC_NAME, SLICE("sent")}, {SLICE("series"), slice_cstr(number)}};
	struct buf b = {0};
	struct error err;
	if (labels_canonical(labels, 2, &b, &err) != 0)
		run_failed(r, "the simulation itself: %s", err.text);
	struct slice copy = arena_copy(arena, buf_slice(&b));
	buf_free(&b);
	return copy;
}

static struct sample_batch *make_batch(struct run *r, uint32_t number)
{
	const struct sender *s = &r->sender;
	struct sample_batch *b = sample_batch_new();
	for (uint32_t i = 0; i < s->batches[number].series; i++) {
		struct sample_series *series = sample_batch_add(b);
		struct sample *sample = arena_alloc(&b->arena, sizeof *sample);
		*sample = (struct sample){s->base_ms + (int64_t)number * STEP_MS, value_of(number, i)};
		series->labels = labels_of(r, &b->arena, i);
		series->hash = labels_hash(series->labels);
		series->samples = sample;
		series->sample_count = 1;
		b->sample_count++;
	}
	return b;
}

/* ---- sending ---- */

struct posting {
	struct submission submission;
	struct run *run;
	struct sent *sent;
	bool over;
	struct condition answered; /* under the run's lock */
};

static void check_results(struct run *r, const struct posting *p)
{
	const struct sample_results *a = &p->submission.results;
	if (a->refused_total > 0 || a->stored + a->duplicate != p->sent->series)
		run_failed(r, "of %u samples %llu were stored, %llu known, %llu refused", p->sent->series,
		           (unsigned long long)a->stored, (unsigned long long)a->duplicate,
		           (unsigned long long)a->refused_total);
	if (p->sent->fate == FATE_ACKED && a->stored > 0)
		run_failed(r, "samples that had been acknowledged were stored once more");
}

static void done(struct submission *submission)
{
	struct posting *p = submission->user;
	struct run *r = p->run;
	mutex_lock(&r->lock);
	if (submission->status == 0) {
		check_results(r, p);
		p->sent->fate = FATE_ACKED;
		p->sent->acked_now = true;
		r->book.accepted++;
		r->sample_acks++;
	} else {
		if (!r->stopping && !faults_excuse(r))
			run_failed(r, "samples were refused (%s) although nothing had failed for five seconds",
			           strerror(-submission->status));
		if (p->sent->fate != FATE_ACKED)
			p->sent->fate = FATE_REFUSED;
		p->sent->refused_at = r->book.accepted;
	}
	p->over = true;
	condition_signal(&p->answered);
	mutex_unlock(&r->lock);
}

static void send(struct run *r, uint32_t number)
{
	struct posting *p = calloc(1, sizeof *p);
	p->run = r;
	p->sent = &r->sender.batches[number];
	p->submission = (struct submission){.samples = make_batch(r, number), .done = done, .user = p};
	mutex_lock(&r->lock);
	if (p->sent->fate != FATE_ACKED)
		p->sent->fate = FATE_SENT;
	mutex_unlock(&r->lock);
	engine_submit(r->engine, &p->submission);
	mutex_lock(&r->lock);
	int64_t until = clock_mono_ns() + ANSWER_NS;
	while (!p->over && clock_mono_ns() < until)
		condition_wait_for(&p->answered, &r->lock, until - clock_mono_ns());
	if (!p->over)
		run_failed(r, "samples were not answered in two minutes");
	mutex_unlock(&r->lock);
	sample_batch_free(p->submission.samples);
	free(p);
}

/* The next batch: mostly the first that is not accepted, now and then any. False: all are. */
static bool choose(struct run *r, struct random *random, uint32_t *number)
{
	const struct sender *s = &r->sender;
	bool left = false;
	mutex_lock(&r->lock);
	for (uint32_t i = s->count; i-- > 0;) {
		if (s->batches[i].fate != FATE_ACKED) {
			*number = i;
			left = true;
		}
	}
	mutex_unlock(&r->lock);
	if (left && random_once_in(random, 8))
		*number = (uint32_t)random_below(random, s->count);
	return left;
}

void *sender_run(void *arg)
{
	struct run *r = arg;
	struct random random = random_fork(r->seed, 5000 + r->life);
	int64_t pause = (int64_t)1 << (12 + random_below(&random, 16));
	for (;;) {
		uint32_t number;
		mutex_lock(&r->lock);
		bool end = r->draining || r->stopping;
		mutex_unlock(&r->lock);
		if (end || !choose(r, &random, &number))
			return NULL;
		send(r, number);
		sched_sleep(r->sched, (int64_t)random_below(&random, (uint64_t)pause));
	}
}

/* ---- the book ---- */

static bool is_void(const struct run *r, const struct sent *s)
{
	return s->fate == FATE_REFUSED && !r->interval && r->book.accepted > s->refused_at;
}

void sender_close(struct run *r, bool power_lost)
{
	struct sender *s = &r->sender;
	for (uint32_t i = 0; i < s->count; i++) {
		struct sent *b = &s->batches[i];
		if (b->fate == FATE_SENT || (b->fate == FATE_REFUSED && !is_void(r, b)))
			b->fate = FATE_DOUBT;
		if (b->fate == FATE_REFUSED)
			b->fate = FATE_NEW;
		if (power_lost && r->interval && b->acked_now)
			b->fate = FATE_DOUBT;
		if (power_lost || !r->interval)
			b->acked_now = false;
	}
}

void sender_settle(struct run *r)
{
	for (uint32_t i = 0; i < r->sender.count; i++)
		r->sender.batches[i].acked_now = false;
}

bool sender_is_done(const struct run *r)
{
	for (uint32_t i = 0; i < r->sender.count; i++) {
		if (r->sender.batches[i].fate != FATE_ACKED)
			return false;
	}
	return true;
}

/* ---- reading ---- */

static void count_samples(struct run *r, struct series_set *set, uint32_t series, uint32_t *seen)
{
	struct series_samples samples;
	struct error err;
	if (series_set_samples(set, &samples, &err) != 0)
		run_failed(r, "samples cannot be read: %s", err.text);
	for (uint32_t i = 0; i < samples.count; i++) {
		double value;
		int64_t batch = (samples.times_ms[i] - r->sender.base_ms) / STEP_MS;
		memcpy(&value, &samples.values[i], sizeof value);
		if (batch < 0 || batch >= r->sender.count || value != value_of((uint32_t)batch, series))
			run_failed(r, "a sample of %lld with %g, which nobody sent", (long long)samples.times_ms[i],
			           value);
		seen[batch]++;
	}
}

static void read_all(struct run *r, struct tsdb *store, uint32_t *seen)
{
	int code;
	struct error err;
	struct slice labels;
	struct tsdb_view *v = tsdb_view_open(store, &code);
	struct matcher *m = matcher_new(MATCH_EQUAL, LABEL_METRIC_NAME, SLICE("sent"), &err);
	struct series_set *set = v != NULL && m != NULL ? tsdb_select(v, &m, 1, INT64_MIN, INT64_MAX, &err) : NULL;
	if (set == NULL)
		run_failed(r, "the store cannot be read");
	while ((code = series_set_next(set, &labels, &err)) == 1)
		count_samples(r, set, (uint32_t)(labels_get(labels, SLICE("series")).ptr[0] - 'a'), seen);
	if (code != 0)
		run_failed(r, "series cannot be read: %s", err.text);
	series_set_free(set);
	matcher_free(m);
	tsdb_view_close(v);
}

/* All of a batch or nothing. Where groups are not synced one by one, a power loss may take a frame and leave one behind it, which then speaks of series that nobody has defined. */
static bool is_whole(const struct run *r, uint32_t seen, uint32_t series, bool acked)
{
	return seen == 0 || seen == series || (r->interval && !acked && seen < series);
}

void history_show(struct run *r, struct tsdb *store, struct buf *out)
{
	int code;
	struct error err;
	struct slice labels;
	struct series_samples samples;
	buf_reset(out);
	struct tsdb_view *v = tsdb_view_open(store, &code);
	struct series_set *set = v != NULL ? tsdb_select(v, NULL, 0, INT64_MIN, INT64_MAX, &err) : NULL;
	if (set == NULL)
		run_failed(r, "the store cannot be read");
	while (series_set_next(set, &labels, &err) == 1) {
		if (series_set_samples(set, &samples, &err) != 0)
			run_failed(r, "samples cannot be read: %s", err.text);
		if (samples.count == 0)
			continue; /* a series that was made for samples which were then refused */
		labels_text(labels, out);
		for (uint32_t i = 0; i < samples.count; i++) {
			/* Whether a live metric's end is marked hangs on who saw it before (engine/tick.h), and whether a zero is put before its next beginning on whether it was. */
			if (samples.values[i] == SAMPLE_STALE_BITS || samples.values[i] == 0)
				continue;
			buf_printf(out, " %lld=%llx", (long long)samples.times_ms[i],
			           (unsigned long long)samples.values[i]);
		}
		buf_byte(out, '\n');
	}
	buf_byte(out, '\0');
	out->len--;
	series_set_free(set);
	tsdb_view_close(v);
}

void sender_look(struct run *r, struct tsdb *store)
{
	static uint32_t seen[SENT_MAX];
	static bool acked[SENT_MAX];
	const struct sender *s = &r->sender;
	memset(seen, 0, sizeof seen);
	mutex_lock(&r->lock);
	for (uint32_t i = 0; i < s->count; i++)
		acked[i] = s->batches[i].fate == FATE_ACKED;
	mutex_unlock(&r->lock);
	read_all(r, store, seen);
	for (uint32_t i = 0; i < s->count; i++) {
		if (!is_whole(r, seen[i], s->batches[i].series, acked[i]))
			run_failed(r, "%u of the %u samples of batch %u are seen", seen[i], s->batches[i].series, i);
		if (acked[i] && seen[i] == 0)
			run_failed(r, "batch %u was acknowledged, and is not seen", i);
	}
}

void sender_check(struct run *r, struct tsdb *store, const char *when)
{
	static uint32_t seen[SENT_MAX];
	const struct sender *s = &r->sender;
	memset(seen, 0, sizeof seen);
	read_all(r, store, seen);
	for (uint32_t i = 0; i < s->count; i++) {
		const struct sent *b = &s->batches[i];
		bool may = b->fate == FATE_ACKED || b->fate == FATE_DOUBT || b->fate == FATE_SENT ||
		           (b->fate == FATE_REFUSED && !is_void(r, b)) || b->acked_now;
		bool must = b->fate == FATE_ACKED;
		if (!is_whole(r, seen[i], b->series, must))
			run_failed(r, "%s: %u of the %u samples of batch %u are there", when, seen[i], b->series, i);
		if ((must && seen[i] == 0) || (!may && seen[i] > 0))
			run_failed(
			    r, "%s: batch %u is %s, and was last %s", when, i, seen[i] > 0 ? "there" : "not there",
			    (const char *[]){"not sent", "on its way", "refused", "in doubt", "accepted"}[b->fate]);
	}
}
