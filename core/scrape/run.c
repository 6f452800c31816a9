/* The scraper's thread: asks the targets that are due, hands over what their scrapes came to, and settles what became of that. */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "scrape/internal.h"
#include "scrape/schedule.h"

enum { WAIT_MS_MAX = 1000, SPARE_BYTES = 1 << 20 };

#define RETRY_NS NS_PER_S /* between attempts to make targets */

/* ---- handing over ---- */

/* On any thread. The wake is under the lock: who settles the last batch may free everything as soon as it has it. */
static void answered(void *token, const struct scrape_outcome *outcome)
{
	struct target *t = token;
	struct scrape *s = t->owner;

	mutex_lock(&s->settled_lock);
	t->outcome.status = outcome->status;
	t->outcome.refused = outcome->refused;
	snprintf(t->outcome.why, sizeof t->outcome.why, "%s", outcome->why != NULL ? outcome->why : "");
	t->next_settled = s->settled;
	s->settled = t;
	fetcher_wake(s->fetcher);
	mutex_unlock(&s->settled_lock);
}

static struct sample_batch *take_batch(struct scrape *s)
{
	struct sample_batch *b = s->spare;

	s->spare = NULL;
	return b != NULL ? b : sample_batch_new();
}

static void give_back(struct scrape *s, struct sample_batch *b)
{
	if (s->spare != NULL || b == NULL) {
		sample_batch_free(b);
		return;
	}
	sample_batch_reset(b, SPARE_BYTES);
	s->spare = b;
}

static void hand_over(struct scrape *s, struct target *t, struct sample_batch *b)
{
	t->batch = b;
	t->state = TARGET_HANDED_OVER;
	s->handed_over++;
	s->sink.submit(s->sink.ctx, b, answered, t);
}

/* There is nothing to hand over, for want of memory. */
static void hand_over_nothing(struct scrape *s, struct target *t, struct sample_batch *b)
{
	const struct scrape_outcome outcome = {.status = -ENOMEM};

	sample_batch_free(b);
	t->batch = NULL;
	t->state = TARGET_HANDED_OVER;
	s->handed_over++;
	answered(t, &outcome);
}

/* ---- settling ---- */

static void describe(const struct target *t, char *out, size_t size)
{
	const struct scrape_round *r = &t->round;
	int status = t->outcome.status;

	if (r->result != SCRAPE_OK)
		snprintf(out, size, "%s", r->error);
	else if (status == -EAGAIN)
		snprintf(out, size, "its samples were not taken: too much waits to be written");
	else if (status != 0)
		snprintf(out, size, "its samples were not taken: %s", strerror(-status));
	else
		out[0] = '\0';
}

/* Says once that something of its scrapes is left out, until one is whole. */
static void log_left_out(struct target *t)
{
	const struct scrape_round *r = &t->round;
	bool refused = r->result == SCRAPE_OK && t->outcome.status == 0 && (r->rejected > 0 || t->outcome.refused > 0);

	if (refused && !t->refused)
		LOG(LOG_WARN, "samples of a target are left out", log_str("job", t->job->job), log_str("url", t->url),
		    log_int("samples", r->rejected + t->outcome.refused),
		    log_str("error", r->rejected > 0 ? r->rejected_why : t->outcome.why));
	t->refused = refused;
}

static void log_health(const struct target *t, enum scrape_health before)
{
	if (t->health == before)
		return;
	if (t->health == SCRAPE_DOWN)
		LOG(LOG_WARN, "a target is down", log_str("job", t->job->job), log_str("url", t->url),
		    log_str("error", t->error));
	else if (before == SCRAPE_DOWN)
		LOG(LOG_INFO, "a target is up again", log_str("job", t->job->job), log_str("url", t->url));
}

/* Counts a scrape, under the lock. */
static void count(struct scrape *s, struct target *t, enum scrape_result result)
{
	const struct scrape_round *r = &t->round;

	s->stats.scrapes[result]++;
	s->stats.received_bytes = fetcher_received(s->fetcher);
	if (t->outcome.status != 0)
		return;
	s->stats.refused += t->outcome.refused;
	s->stats.samples += r->remaining > t->outcome.refused ? r->remaining - t->outcome.refused : 0;
	s->stats.rejected += result == SCRAPE_OK ? r->rejected : 0;
	s->stats.stale += r->stale;
}

static void settle_scrape(struct scrape *s, struct target *t)
{
	const struct scrape_round *r = &t->round;
	enum scrape_health before = t->health;
	enum scrape_result result = r->result == SCRAPE_OK && t->outcome.status != 0 ? SCRAPE_REFUSED : r->result;

	mutex_lock(&s->lock);
	count(s, t, result);
	t->health = result == SCRAPE_OK ? SCRAPE_UP : SCRAPE_DOWN;
	describe(t, t->error, sizeof t->error);
	t->last_ns = r->began_wall_ns;
	t->last_duration_ns = r->duration_ns;
	t->last_samples = r->answered;
	t->remembered = t->series.count;
	mutex_unlock(&s->lock);
	log_health(t, before);
	log_left_out(t);
}

static void forget(struct scrape *s, struct target *gone)
{
	struct target **at = &s->leaving;

	while (*at != gone)
		at = &(*at)->next;
	*at = gone->next;
	target_free(gone);
}

/* The end of a target's series was taken, or is tried again an interval later: nobody else will say it. */
static void settle_end(struct scrape *s, struct target *t)
{
	t->ending = false;
	if (t->outcome.status == 0) {
		mutex_lock(&s->lock);
		s->stats.stale += t->round.stale;
		mutex_unlock(&s->lock);
		forget(s, t);
		return;
	}
	t->due_ns = clock_mono_ns() + t->interval_ns;
}

static void count_missed(struct scrape *s, const struct target *t)
{
	int64_t late = clock_mono_ns() - t->due_ns;

	if (late < t->interval_ns)
		return;
	mutex_lock(&s->lock);
	s->stats.missed += (uint64_t)(late / t->interval_ns);
	mutex_unlock(&s->lock);
}

static void settle(struct scrape *s, struct target *t)
{
	bool taken = t->outcome.status == 0;

	s->handed_over--;
	t->state = TARGET_RESTS;
	give_back(s, t->batch);
	t->batch = NULL;
	seen_settle(&t->series, taken);
	t->reported |= taken;
	if (t->ending) {
		settle_end(s, t);
		return;
	}
	settle_scrape(s, t);
	if (t->leaving)
		return;
	count_missed(s, t);
	scrape_schedule(s, t);
}

static void settle_all(struct scrape *s)
{
	mutex_lock(&s->settled_lock);
	struct target *t = s->settled;
	s->settled = NULL;
	mutex_unlock(&s->settled_lock);
	while (t != NULL) {
		struct target *next = t->next_settled;
		settle(s, t);
		t = next;
	}
}

/* ---- scraping ---- */

/* A scrape has its answer, or has failed. The body is the batch's from here on. */
static void finish(struct scrape *s, struct fetched *f)
{
	struct target *t = f->target;
	struct sample_batch *b = take_batch(s);

	if (b == NULL) {
		buf_free(&f->body);
		hand_over_nothing(s, t, NULL);
		return;
	}
	b->body = f->body.ptr;
	b->body_size = f->body.cap;
	if (collect(t, buf_slice(&f->body), f->format, b) == 0)
		hand_over(s, t, b);
	else
		hand_over_nothing(s, t, b);
}

static void begin(struct scrape *s, struct target *t)
{
	due_remove(&s->resting, t);
	t->round = (struct scrape_round){.began_wall_ns = clock_wall_ns(), .began_ns = clock_mono_ns()};
	t->round.at_ms = schedule_time_ms(t->due_wall_ns, t->round.began_wall_ns, t->interval_ns);
	if (fetch_begin(s->fetcher, t))
		return;
	struct fetched failed = {.target = t};
	finish(s, &failed);
}

/* Behind all samples of the target. */
static int64_t end_ms(const struct target *t)
{
	int64_t now_ms = clock_wall_ns() / NS_PER_MS;
	return now_ms > t->round.at_ms ? now_ms : t->round.at_ms + 1;
}

/* Ends the series of those that leave, as soon as they rest. */
static void end_leaving(struct scrape *s)
{
	for (struct target *t = s->leaving, *next; t != NULL; t = next) {
		next = t->next;
		if (t->state != TARGET_RESTS || t->due_ns > clock_mono_ns())
			continue;
		struct sample_batch *b = take_batch(s);
		if (b == NULL || collect_end(t, end_ms(t), b) != 0) {
			sample_batch_free(b);
			t->due_ns = clock_mono_ns() + t->interval_ns;
		} else if (b->series_count == 0) {
			give_back(s, b);
			forget(s, t);
		} else {
			t->ending = true;
			hand_over(s, t, b);
		}
	}
}

/* ---- the loop ---- */

static void look(struct scrape *s)
{
	int64_t now = clock_mono_ns(), every = discovery_every_ns(s->discovery);

	if (now >= s->look_ns) {
		s->update |= discovery_look(s->discovery);
		s->look_ns = every == INT64_MAX ? INT64_MAX : now + every;
		mutex_lock(&s->lock);
		s->stats.files = discovery_files(s->discovery);
		s->stats.broken_files = discovery_broken(s->discovery);
		mutex_unlock(&s->lock);
	}
	if (!s->update || now < s->retry_ns)
		return;
	s->update = scrape_update_targets(s) != 0;
	if (s->update)
		s->retry_ns = now + RETRY_NS;
	if (s->update && !s->starved)
		LOG(LOG_ERROR, "targets are as they were: no memory for others");
	s->starved = s->update;
}

static int wait_ms(const struct scrape *s)
{
	int64_t now = clock_mono_ns(), until = now + WAIT_MS_MAX * NS_PER_MS;
	const struct target *first = fetcher_has_room(s->fetcher) ? due_first(&s->resting) : NULL;

	if (first != NULL && first->due_ns < until)
		until = first->due_ns;
	if (s->look_ns < until)
		until = s->look_ns;
	return until <= now ? 0 : (int)((until - now + NS_PER_MS - 1) / NS_PER_MS);
}

static bool is_stopping(struct scrape *s)
{
	mutex_lock(&s->lock);
	bool stopping = s->stopping;
	mutex_unlock(&s->lock);
	return stopping;
}

static void turn(struct scrape *s)
{
	struct target *t;
	struct fetched f;

	look(s);
	while (fetcher_has_room(s->fetcher) && (t = due_first(&s->resting)) != NULL && t->due_ns <= clock_mono_ns())
		begin(s, t);
	end_leaving(s);
	fetcher_work(s->fetcher, wait_ms(s));
	while (fetcher_next(s->fetcher, &f))
		finish(s, &f);
	settle_all(s);
}

void *scrape_run(void *arg)
{
	struct scrape *s = arg;

	while (!is_stopping(s))
		turn(s);
	for (uint32_t i = 0; i < s->count; i++)
		fetch_cancel(s->fetcher, s->targets[i]);
	while (s->handed_over > 0) {
		fetcher_work(s->fetcher, WAIT_MS_MAX);
		settle_all(s);
	}
	return NULL;
}
