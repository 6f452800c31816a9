/* See scheduler.h. Built without ThreadSanitizer: its own words are written by one coroutine after the other, which no lock orders. */
#include "scheduler.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/thread.h"
#include "random.h"

#ifdef SIM_WITH_TSAN /* the compiler does not know: this file is built without */
#define SIM_TSAN 1
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SIM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIM_ASAN 1
#endif
#endif

#ifdef SIM_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef SIM_TSAN
#include <sanitizer/tsan_interface.h>
#endif

enum {
	THREADS_MAX = 64,
	STACK_BYTES = 1 << 20,
	STEP_NS = 4000,          /* a decision takes less than this */
	STALL_EVERY = 3000,      /* decisions; then the machine stands still for a moment */
	SPURIOUS_EVERY = 4000,   /* decisions; then a thread that waits for a signal is woken without one */
	DECISIONS_MAX = 3000000, /* of a life */
	WEIGHTS = 4
};
#define STALL_NS (40 * NS_PER_MS) /* at most */

enum state { STATE_READY, STATE_LOCK, STATE_WAIT, STATE_JOIN, STATE_OVER };

struct fiber {
	ucontext_t context;
	char name[16];
	char *stack;
	void *(*run)(void *arg);
	void *arg;
	struct sched *sched;
	enum state state;
	const void *for_what; /* the mutex, condition or fiber it waits for */
	int64_t until_ns;     /* STATE_WAIT: INT64_MAX for ever */
	uint32_t weight;      /* how likely it is chosen */
	bool joined;
#ifdef SIM_ASAN
	void *fake_stack;
	const void *bottom;
	size_t bottom_size;
#endif
#ifdef SIM_TSAN
	void *tsan;
#endif
};

struct sched {
	struct random random;
	int64_t mono_ns, wall_offset_ns;
	struct fiber host; /* who called sched_run */
	struct fiber *fibers[THREADS_MAX];
	uint32_t count;
	struct fiber *running;
	uint32_t stay; /* of 100 chances to switch so many are let pass */
	uint64_t decisions, cut_at, last_at, hash;
	enum sched_end end;
};

/* What lives that were cut have left: what their stacks point to is not lost. */
static struct fiber **abandoned;
static size_t abandoned_count;

/* ---- what sanitizers are told ---- */

static void tell_acquire(void *at)
{
#ifdef SIM_TSAN
	__tsan_acquire(at);
#else
	(void)at;
#endif
}

static void tell_release(void *at)
{
#ifdef SIM_TSAN
	__tsan_release(at);
#else
	(void)at;
#endif
}

/* ---- switching ---- */

static void switch_to(struct sched *s, struct fiber *to)
{
	struct fiber *from = s->running;
	if (from == to)
		return;
	tell_release(&s->host); /* whoever called sched_run may look at everything */
	s->running = to;
#ifdef SIM_ASAN
	__sanitizer_start_switch_fiber(from->state == STATE_OVER ? NULL : &from->fake_stack, to->bottom,
	                               to->bottom_size);
#endif
#ifdef SIM_TSAN
	__tsan_switch_to_fiber(to->tsan, __tsan_switch_to_fiber_no_sync);
#endif
	if (swapcontext(&from->context, &to->context) != 0)
		abort();
#ifdef SIM_ASAN
	__sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
#endif
}

/* The life is over for this reason. Returns only if somebody goes on here, which nobody does. */
static _Noreturn void leave(struct sched *s, enum sched_end end)
{
	s->end = end;
	switch_to(s, &s->host);
	abort();
}

static uint64_t draw(struct sched *s, uint64_t n)
{
	return random_below(&s->random, n);
}

/* Waits for a moment that has come are over. Returns the earliest that has not, INT64_MAX: none. */
static int64_t wake_due(struct sched *s)
{
	int64_t next = INT64_MAX;
	for (uint32_t i = 0; i < s->count; i++) {
		struct fiber *f = s->fibers[i];
		if (f->state != STATE_WAIT || f->until_ns == INT64_MAX)
			continue;
		if (f->until_ns <= s->mono_ns)
			f->state = STATE_READY;
		else if (f->until_ns < next)
			next = f->until_ns;
	}
	return next;
}

static void pass_time(struct sched *s)
{
	s->mono_ns += (int64_t)draw(s, STEP_NS);
	if (draw(s, STALL_EVERY) == 0)
		s->mono_ns += (int64_t)draw(s, STALL_NS);
}

/* Any that can run, by weight; NULL: none. */
static struct fiber *choose(struct sched *s)
{
	uint64_t total = 0;
	for (uint32_t i = 0; i < s->count; i++)
		total += s->fibers[i]->state == STATE_READY ? s->fibers[i]->weight : 0;
	if (total == 0)
		return NULL;
	uint64_t at = draw(s, total);
	for (uint32_t i = 0;; i++) {
		if (s->fibers[i]->state != STATE_READY)
			continue;
		if (at < s->fibers[i]->weight)
			return s->fibers[i];
		at -= s->fibers[i]->weight;
	}
}

/* A condition may be left without a signal (POSIX says so of pthread_cond_wait). */
static void wake_by_mistake(struct sched *s)
{
	if (draw(s, SPURIOUS_EVERY) != 0)
		return;
	struct fiber *f = s->fibers[draw(s, s->count)];
	if (f->state == STATE_WAIT && f->for_what != NULL)
		f->state = STATE_READY;
}

/* Decides who runs next, and lets it. */
static void decide(struct sched *s)
{
	s->decisions++;
	if (s->decisions >= s->last_at)
		leave(s, SCHED_ENDLESS);
	if (s->cut_at != 0 && s->decisions >= s->cut_at)
		leave(s, SCHED_CUT);
	pass_time(s);
	wake_by_mistake(s);
	int64_t next = wake_due(s);
	struct fiber *to = s->running;
	if (to->state != STATE_READY || draw(s, 100) >= s->stay)
		to = choose(s);
	if (to == NULL) {
		if (next == INT64_MAX)
			leave(s, SCHED_DEADLOCK);
		s->mono_ns = next;
		wake_due(s);
		to = choose(s);
	}
	uint64_t who = 0;
	while (s->fibers[who] != to)
		who++;
	s->hash = hash_mix(s->hash, who << 48 ^ (uint64_t)s->mono_ns);
	switch_to(s, to);
}

/* Those that wait for it can run, and look again. */
static void wake_all(struct sched *s, enum state state, const void *for_what)
{
	for (uint32_t i = 0; i < s->count; i++) {
		if (s->fibers[i]->state == state && s->fibers[i]->for_what == for_what)
			s->fibers[i]->state = STATE_READY;
	}
}

static void sleep_for(struct sched *s, enum state state, const void *for_what, int64_t until_ns)
{
	s->running->state = state;
	s->running->for_what = for_what;
	s->running->until_ns = until_ns;
	decide(s);
	s->running->for_what = NULL;
}

/* ---- threads ---- */

static void begin(unsigned high, unsigned low)
{
	struct fiber *f = (struct fiber *)((uintptr_t)high << 32 | low);
	struct sched *s = f->sched;
#ifdef SIM_ASAN
	const void *bottom;
	size_t size;
	__sanitizer_finish_switch_fiber(NULL, &bottom, &size);
	if (s->host.bottom == NULL) { /* the first switch of all: it came from there */
		s->host.bottom = bottom;
		s->host.bottom_size = size;
	}
#endif
	tell_acquire(f);
	f->run(f->arg);
	tell_release(f);
	f->state = STATE_OVER;
	wake_all(s, STATE_JOIN, f);
	if (f == s->fibers[0])
		leave(s, SCHED_OVER);
	decide(s);
	abort();
}

static void fiber_free(struct fiber *f)
{
#ifdef SIM_TSAN
	__tsan_destroy_fiber(f->tsan);
#endif
	free(f->stack);
	free(f);
}

/* A context that begins on the fiber's stack. */
static void make_context(struct fiber *f)
{
	uintptr_t at = (uintptr_t)f;
	if (getcontext(&f->context) != 0)
		abort();
	f->context.uc_stack.ss_sp = f->stack;
	f->context.uc_stack.ss_size = STACK_BYTES;
	makecontext(&f->context, (void (*)(void))begin, 2, (unsigned)(at >> 32), (unsigned)at);
}

static struct fiber *fiber_new(struct sched *s, const char *name, void *(*run)(void *), void *arg)
{
	static const uint32_t weights[WEIGHTS] = {1, 8, 8, 64};
	if (s->count == THREADS_MAX)
		return NULL;
	struct fiber *f = calloc(1, sizeof *f);
	char *stack = malloc(STACK_BYTES);
	if (f == NULL || stack == NULL)
		abort();
	snprintf(f->name, sizeof f->name, "%s", name);
	f->stack = stack;
	f->run = run;
	f->arg = arg;
	f->sched = s;
	f->weight = weights[draw(s, WEIGHTS)];
#ifdef SIM_ASAN
	f->bottom = stack;
	f->bottom_size = STACK_BYTES;
#endif
#ifdef SIM_TSAN
	f->tsan = __tsan_create_fiber(0);
#endif
	tell_release(f);
	make_context(f);
	s->fibers[s->count++] = f;
	return f;
}

static int sched_start(void *ctx, struct thread *t, const char *name, void *(*run)(void *), void *arg)
{
	struct sched *s = ctx;
	t->scheduled = fiber_new(s, name, run, arg);
	if (t->scheduled == NULL)
		return -EAGAIN;
	decide(s);
	return 0;
}

static void sched_join(void *ctx, struct thread *t)
{
	struct sched *s = ctx;
	struct fiber *f = t->scheduled;
	while (f->state != STATE_OVER)
		sleep_for(s, STATE_JOIN, f, INT64_MAX);
	tell_acquire(f);
	uint32_t at = 0;
	while (s->fibers[at] != f)
		at++;
	memmove(&s->fibers[at], &s->fibers[at + 1], (--s->count - at) * sizeof(struct fiber *));
	fiber_free(f);
	t->scheduled = NULL;
}

/* ---- locks and conditions ---- */

static uint64_t mark_of(const struct fiber *f)
{
	return (uint64_t)(uintptr_t)f;
}

static void take(struct sched *s, struct mutex *m)
{
	while (m->words[0] != 0)
		sleep_for(s, STATE_LOCK, m, INT64_MAX);
	m->words[0] = mark_of(s->running);
	tell_acquire(m);
}

static void give(struct sched *s, struct mutex *m)
{
	if (m->words[0] != mark_of(s->running)) {
		fprintf(stderr, "sched: %s unlocks what it does not hold\n", s->running->name);
		abort();
	}
	tell_release(m);
	m->words[0] = 0;
	wake_all(s, STATE_LOCK, m);
}

static void sched_lock(void *ctx, struct mutex *m)
{
	struct sched *s = ctx;
	if (m->words[0] == mark_of(s->running)) {
		fprintf(stderr, "sched: %s locks what it holds\n", s->running->name);
		abort();
	}
	decide(s);
	take(s, m);
}

static void sched_unlock(void *ctx, struct mutex *m)
{
	struct sched *s = ctx;
	give(s, m);
	decide(s);
}

static void sched_wait(void *ctx, struct condition *c, struct mutex *m, int64_t ns)
{
	struct sched *s = ctx;
	int64_t until = ns > INT64_MAX - s->mono_ns ? INT64_MAX : s->mono_ns + ns;
	give(s, m);
	sleep_for(s, STATE_WAIT, c, until);
	take(s, m);
}

static void sched_signal(void *ctx, struct condition *c)
{
	struct sched *s = ctx;
	struct fiber *waiting[THREADS_MAX];
	uint32_t n = 0;
	for (uint32_t i = 0; i < s->count; i++) {
		if (s->fibers[i]->state == STATE_WAIT && s->fibers[i]->for_what == c)
			waiting[n++] = s->fibers[i];
	}
	if (n > 0)
		waiting[draw(s, n)]->state = STATE_READY;
	decide(s);
}

static void sched_broadcast(void *ctx, struct condition *c)
{
	struct sched *s = ctx;
	for (uint32_t i = 0; i < s->count; i++) {
		if (s->fibers[i]->state == STATE_WAIT && s->fibers[i]->for_what == c)
			s->fibers[i]->state = STATE_READY;
	}
	decide(s);
}

/* A call takes no time here unless somebody says so: CPU clocks stand. */
static clockid_t sched_cpu_clock(void *ctx)
{
	(void)ctx;
	return CLOCK_MONOTONIC;
}

static int64_t sched_cpu_ns(void *ctx, clockid_t clock)
{
	(void)ctx, (void)clock;
	return 0;
}

static const struct thread_scheduler functions = {
    .start = sched_start,
    .join = sched_join,
    .lock = sched_lock,
    .unlock = sched_unlock,
    .wait = sched_wait,
    .signal = sched_signal,
    .broadcast = sched_broadcast,
    .cpu_clock = sched_cpu_clock,
    .cpu_ns = sched_cpu_ns,
};

/* ---- its own life ---- */

static int64_t wall(void *ctx)
{
	const struct sched *s = ctx;
	return s->mono_ns + s->wall_offset_ns;
}

static int64_t mono(void *ctx)
{
	const struct sched *s = ctx;
	return s->mono_ns;
}

struct sched *sched_new(uint64_t seed, int64_t wall_ns)
{
	static const uint32_t stays[] = {0, 50, 90, 97};
	struct sched *s = calloc(1, sizeof *s);
	if (s == NULL)
		abort();
	s->random = random_fork(seed, 0);
	s->mono_ns = NS_PER_S;
	s->wall_offset_ns = wall_ns - s->mono_ns;
	s->stay = stays[draw(s, sizeof stays / sizeof stays[0])];
	s->running = &s->host;
	snprintf(s->host.name, sizeof s->host.name, "host");
#ifdef SIM_TSAN
	s->host.tsan = __tsan_get_current_fiber();
#endif
	thread_set_scheduler(&functions, s);
	clock_set_source(wall, mono, s);
	return s;
}

void sched_free(struct sched *s)
{
	if (s == NULL)
		return;
	thread_set_scheduler(NULL, NULL);
	clock_set_source(NULL, NULL, NULL);
	free(s);
}

static void abandon(struct fiber *f)
{
	struct fiber **grown = realloc(abandoned, (abandoned_count + 1) * sizeof *abandoned);
	if (grown == NULL)
		abort();
	abandoned = grown;
	abandoned[abandoned_count++] = f;
}

enum sched_end sched_run(struct sched *s, void *(*run)(void *arg), void *arg, uint64_t cut_after)
{
	s->running = &s->host;
	s->host.state = STATE_READY;
	s->count = 0;
	s->cut_at = cut_after != 0 ? s->decisions + cut_after : 0;
	s->last_at = s->decisions + DECISIONS_MAX;
	struct fiber *first = fiber_new(s, "main", run, arg);
	switch_to(s, first);
	tell_acquire(&s->host);
	s->cut_at = 0;
	if (s->end == SCHED_OVER && s->count > 1)
		s->end = SCHED_LEFT;
	if (s->end == SCHED_OVER)
		fiber_free(first);
	for (uint32_t i = 0; i < s->count && s->end != SCHED_OVER; i++)
		abandon(s->fibers[i]);
	if (s->end == SCHED_OVER || s->end == SCHED_CUT)
		s->count = 0;
	return s->end;
}

const char *sched_end_text(enum sched_end end)
{
	static const char *const texts[] = {"over", "cut", "deadlock: no thread can run, and none waits for a moment",
	                                    "it does not end", "threads were left behind"};
	return texts[end];
}

void sched_point(struct sched *s)
{
	decide(s);
}

void sched_sleep(struct sched *s, int64_t ns)
{
	sleep_for(s, STATE_WAIT, NULL, s->mono_ns + ns);
}

void sched_cut(struct sched *s)
{
	leave(s, SCHED_CUT);
}

void sched_step_wall(struct sched *s, int64_t ns)
{
	s->wall_offset_ns += ns;
}

uint64_t sched_decisions(const struct sched *s)
{
	return s->decisions;
}

uint64_t sched_hash(const struct sched *s)
{
	return s->hash;
}

void sched_note(struct sched *s, const void *bytes, size_t len)
{
	s->hash = hash_mix(s->hash, hash_bytes(bytes, len, 1));
}

const char *sched_running(const struct sched *s)
{
	return s->running->name;
}

static const char *holder(const struct sched *s, const void *mutex)
{
	uint64_t mark = ((const struct mutex *)mutex)->words[0];
	for (uint32_t i = 0; i < s->count; i++) {
		if (mark_of(s->fibers[i]) == mark)
			return s->fibers[i]->name;
	}
	return "nobody";
}

static void describe(const struct sched *s, const struct fiber *f)
{
	fprintf(stderr, "  %-15s ", f->name);
	if (f->state == STATE_LOCK)
		fprintf(stderr, "waits for a lock that %s holds\n", holder(s, f->for_what));
	else if (f->state == STATE_JOIN)
		fprintf(stderr, "waits for the end of %s\n", ((const struct fiber *)f->for_what)->name);
	else if (f->state == STATE_WAIT && f->until_ns == INT64_MAX)
		fprintf(stderr, "waits for a signal\n");
	else if (f->state == STATE_WAIT)
		fprintf(stderr, "%s for another %.6f s\n", f->for_what != NULL ? "waits for a signal" : "sleeps",
		        (double)(f->until_ns - s->mono_ns) / 1e9);
	else
		fprintf(stderr, "%s\n", f->state == STATE_OVER ? "has ended, and was not joined" : "can run");
}

void sched_describe(const struct sched *s)
{
	fprintf(stderr, "threads after %llu decisions, %s running:\n", (unsigned long long)s->decisions,
	        s->running->name);
	for (uint32_t i = 0; i < s->count; i++)
		describe(s, s->fibers[i]);
}
