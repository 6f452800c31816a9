/* A client: sends batches of its events, also ones that it sent before, and writes down what it was answered. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

enum { BATCH_MAX = 48 };

#define ANSWER_NS (120 * NS_PER_S) /* later than this is never */

/* A submission under way. */
struct sending {
	struct submission submission;
	struct run *run;
	struct event *events[BATCH_MAX];
	uint32_t count;
	uint32_t must, may; /* duplicates: certain, and possible beyond those */
	bool over;
	struct condition answered; /* under the run's lock */
};

/* ---- the batch ---- */

static struct value text(struct batch *b, const char *s, size_t len)
{
	struct slice copy = arena_copy(&b->arena, slice_new(s, len));
	return (struct value){.type = VALUE_STRING, .str = copy.ptr, .len = (uint32_t)copy.len};
}

static struct value integer(int64_t v)
{
	return (struct value){.type = VALUE_INT, .integer = v};
}

struct fields {
	uint32_t keys[16];
	struct value values[16];
	uint32_t count;
};

static void add(struct batch *b, struct fields *f, const char *name, struct value v)
{
	f->keys[f->count] = (uint32_t)batch_key(b, slice_cstr(name));
	f->values[f->count++] = v;
}

static void add_text(struct batch *b, struct fields *f, const char *name, const char *format, uint64_t n)
{
	char buffer[64];
	int len = snprintf(buffer, sizeof buffer, format, (unsigned long long)n);
	add(b, f, name, text(b, buffer, (size_t)len));
}

static void add_pad(struct batch *b, struct fields *f, const struct event *e)
{
	char *pad = arena_alloc(&b->arena, e->pad);
	for (uint32_t i = 0; i < e->pad; i++)
		pad[i] = (char)('a' + (e->number + i * i) % 26);
	add(b, f, "pad", (struct value){.type = VALUE_STRING, .str = pad, .len = e->pad});
}

/* Everything follows from the event, so that what is sent again is the same. Ids are the same in all tenants. */
static void add_record(struct batch *b, const struct event *e)
{
	struct record *record = batch_add(b);
	struct fields f = {.count = 0};
	if (!e->anonymous)
		add_text(b, &f, "id", "event-%llu", e->number / TENANTS);
	if (e->tenant != TENANTS - 1)
		add_text(b, &f, "tenant_id", "tenant-%llu", e->tenant);
	add(b, &f, "n", integer(e->number));
	add(b, &f, "v", integer(e->volume));
	if (e->number % 5 != 0)
		add_text(b, &f, "user_id", "user-%llu", e->number % 11);
	if (e->number % 3 == 0)
		add_text(b, &f, "trace_id", "%032llx", e->number);
	add(b, &f, "ms", (struct value){.type = VALUE_DOUBLE, .number = e->volume * 1.37});
	add(b, &f, "ok", (struct value){.type = VALUE_BOOL, .boolean = e->volume % 3 != 0});
	if (e->type == TYPE_CHAT)
		add_text(b, &f, "secret", "secret-%llu", e->number);
	if (e->pad > 0)
		add_pad(b, &f, e);
	struct value *values = batch_values(b, f.count);
	memcpy(values, f.values, f.count * sizeof *values);
	record->values = values;
	record->shape = (uint32_t)batch_shape(b, f.keys, f.count);
	record->type = (uint16_t)batch_type(b, slice_cstr(type_names[e->type]));
	record->index = b->count - 1;
}

static struct batch *make_batch(struct client *c, const struct sending *s)
{
	struct batch *b = batch_new();
	for (uint32_t i = 0; i < s->count; i++)
		add_record(b, s->events[i]);
	for (uint32_t i = 0; i < b->count; i++) /* some come late, some from a clock that is ahead */
		b->records[i].time_ns =
		    clock_wall_ns() - (int64_t)random_below(&c->random, 40 * NS_PER_S) + 5 * NS_PER_S;
	return b;
}

/* ---- what to send ---- */

static bool holds(const struct sending *s, const struct event *e)
{
	for (uint32_t i = 0; i < s->count; i++) {
		if (s->events[i] == e)
			return true;
	}
	return false;
}

/* One more event, new or sent before; and what is to be answered about it. Under the run's lock. */
static void take(struct sending *s, struct event *e)
{
	if (event_counts(e) && !e->anonymous) {
		if (holds(s, e) || e->acked > 0)
			s->must++;
		else if (e->doubtful > 0)
			s->may++;
	}
	s->events[s->count++] = e;
}

static bool may_repeat(const struct run *r, const struct event *e)
{
	return !e->anonymous && !(r->retention && e->fate == FATE_ACKED);
}

/* The client's events that are not accepted yet, and among them some that are. */
static void choose(struct client *c, struct sending *s)
{
	struct run *r = c->run;
	struct book *b = &r->book;
	uint32_t want = 1 + (uint32_t)random_below(&c->random, random_once_in(&c->random, 4) ? BATCH_MAX : 8);
	uint32_t from = (uint32_t)random_below(&c->random, b->per_client);
	bool in_order = random_once_in(&c->random, 2);
	for (uint32_t i = 0; i < b->per_client && s->count < want; i++) {
		uint32_t at = in_order ? i : (from + i) % b->per_client;
		struct event *e = &b->events[c->number + at * b->clients];
		bool again = (e->fate == FATE_ACKED && random_once_in(&c->random, 40)) ||
		             (holds(s, e) && random_once_in(&c->random, 20));
		if (e->fate != FATE_ACKED || (again && may_repeat(r, e)))
			take(s, e);
	}
	if (s->count > 0 && s->count < want && may_repeat(r, s->events[0]) && random_once_in(&c->random, 5))
		take(s, s->events[0]);
	for (uint32_t i = 0; i < s->count; i++)
		s->events[i]->fate = FATE_SENT;
}

/* ---- the answer: on the engine's thread ---- */

static void accepted(struct run *r, struct sending *s)
{
	r->book.accepted++;
	r->acks++;
	for (uint32_t i = 0; i < s->count; i++) {
		struct event *e = s->events[i];
		if (!event_counts(e) || e->anonymous || e->acked == 0) {
			e->acked++;
			e->acked_now++;
		}
		e->fate = FATE_ACKED;
	}
}

static void refused(struct run *r, struct sending *s)
{
	r->refusals++;
	for (uint32_t i = 0; i < s->count; i++) {
		struct event *e = s->events[i];
		e->fate = e->acked > 0 ? FATE_ACKED : FATE_REFUSED;
		e->refused_at = r->book.accepted;
	}
}

static void check_counts(struct run *r, const struct sending *s)
{
	const struct submission *a = &s->submission;
	uint32_t boom = 0;
	for (uint32_t i = 0; i < s->count; i++)
		boom += s->events[i]->type == TYPE_BOOM;
	if (a->accepted + a->duplicate + a->failed != s->count)
		run_failed(r, "a submission of %u was answered with %u accepted, %u known and %u refused", s->count,
		           a->accepted, a->duplicate, a->failed);
	if (a->failed != boom)
		run_failed(r, "%u records were refused by a filter, and %u should have been", a->failed, boom);
	if (a->duplicate < s->must || a->duplicate > s->must + s->may)
		run_failed(r, "%u of a submission's records were known, and %u to %u should have been", a->duplicate,
		           s->must, s->must + s->may);
}

static void done(struct submission *submission)
{
	struct sending *s = submission->user;
	struct run *r = s->run;
	mutex_lock(&r->lock);
	if (submission->status == 0) {
		check_counts(r, s);
		r->duplicates += submission->duplicate;
		accepted(r, s);
	} else {
		if (!r->stopping && !faults_excuse(r))
			run_failed(r, "a submission was refused (%s) although nothing had failed for five seconds",
			           strerror(-submission->status));
		if (submission->status == -EAGAIN && !r->stopping)
			run_failed(r, "a submission was refused as too many, and there were few");
		refused(r, s);
	}
	s->over = true;
	condition_signal(&s->answered);
	mutex_unlock(&r->lock);
}

/* False: nothing is left to send. */
static bool send(struct client *c)
{
	struct run *r = c->run;
	struct sending *s = calloc(1, sizeof *s);
	s->run = r;
	mutex_lock(&r->lock);
	choose(c, s);
	mutex_unlock(&r->lock);
	if (s->count == 0) {
		free(s);
		return false;
	}
	s->submission = (struct submission){.batch = make_batch(c, s), .done = done, .user = s};
	engine_submit(r->engine, &s->submission);
	mutex_lock(&r->lock);
	int64_t until = clock_mono_ns() + ANSWER_NS;
	while (!s->over && clock_mono_ns() < until)
		condition_wait_for(&s->answered, &r->lock, until - clock_mono_ns());
	if (!s->over)
		run_failed(r, "a submission was not answered in two minutes");
	mutex_unlock(&r->lock);
	batch_free(s->submission.batch);
	free(s);
	return true;
}

void *client_run(void *arg)
{
	struct client *c = arg;
	struct run *r = c->run;
	int64_t pause = (int64_t)1 << (12 + random_below(&c->random, 21));
	for (;;) {
		mutex_lock(&r->lock);
		bool end = r->draining || r->stopping;
		mutex_unlock(&r->lock);
		if (end || !send(c))
			return NULL;
		sched_sleep(r->sched, (int64_t)random_below(&c->random, (uint64_t)pause));
	}
}
