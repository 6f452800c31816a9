/* The machine's threads, and the switch to a scheduler. */
#include "base/thread.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/check.h"
#include "base/clock.h"

const struct thread_scheduler *thread_scheduler_used;
void *thread_scheduler_ctx;

_Static_assert(sizeof(pthread_mutex_t) >= 4 * sizeof(uint64_t), "a scheduler's words take no room of their own");
_Static_assert(sizeof(pthread_cond_t) >= 4 * sizeof(uint64_t), "a scheduler's words take no room of their own");

void thread_set_scheduler(const struct thread_scheduler *s, void *ctx)
{
	thread_scheduler_used = s;
	thread_scheduler_ctx = ctx;
}

/* The thread names itself: what is told from its name (fault points) is right from its first step on. */
static void *run_named(void *arg)
{
	struct thread *t = arg;
	(void)pthread_setname_np(pthread_self(), t->name);
	return t->run(t->arg);
}

int thread_start(struct thread *t, const char *name, void *(*run)(void *arg), void *arg)
{
	if (thread_is_scheduled())
		return thread_scheduler_used->start(thread_scheduler_ctx, t, name, run, arg);
	t->run = run;
	t->arg = arg;
	snprintf(t->name, sizeof t->name, "%s", name);
	return -pthread_create(&t->own, NULL, run_named, t);
}

void thread_join(struct thread *t)
{
	if (thread_is_scheduled())
		thread_scheduler_used->join(thread_scheduler_ctx, t);
	else
		CHECK(pthread_join(t->own, NULL) == 0);
}

void thread_give_way(void)
{
	if (thread_is_scheduled())
		return;
	/* Linux's nice value is each thread's own, whatever POSIX says, and may always be raised (sched(7)). */
	(void)setpriority(PRIO_PROCESS, 0, 10);
}

clockid_t thread_cpu_clock(void)
{
	clockid_t clock;
	if (thread_is_scheduled())
		return thread_scheduler_used->cpu_clock(thread_scheduler_ctx);
	return pthread_getcpuclockid(pthread_self(), &clock) == 0 ? clock : CLOCK_MONOTONIC;
}

int64_t thread_cpu_ns(clockid_t clock)
{
	struct timespec t;
	if (thread_is_scheduled())
		return thread_scheduler_used->cpu_ns(thread_scheduler_ctx, clock);
	return clock_gettime(clock, &t) == 0 ? (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec : 0;
}

void mutex_init(struct mutex *m)
{
	memset(m, 0, sizeof *m);
	if (!thread_is_scheduled())
		CHECK(pthread_mutex_init(&m->own, NULL) == 0); /* without attributes it takes no memory */
}

void mutex_deinit(struct mutex *m)
{
	if (!thread_is_scheduled())
		pthread_mutex_destroy(&m->own);
}

void condition_init(struct condition *c)
{
	memset(c, 0, sizeof *c);
	if (!thread_is_scheduled())
		CHECK(pthread_cond_init(&c->own, NULL) == 0);
}

void condition_deinit(struct condition *c)
{
	if (!thread_is_scheduled())
		pthread_cond_destroy(&c->own);
}

void condition_wait_for(struct condition *c, struct mutex *m, int64_t ns)
{
	const int64_t longest = INT64_C(365) * 86400 * NS_PER_S; /* no sum overflows */
	struct timespec until;
	if (ns < 0)
		ns = 0;
	if (thread_is_scheduled()) {
		thread_scheduler_used->wait(thread_scheduler_ctx, c, m, ns);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	if (ns > longest)
		ns = longest;
	ns += until.tv_nsec;
	until.tv_sec += ns / NS_PER_S;
	until.tv_nsec = ns % NS_PER_S;
	pthread_cond_clockwait(&c->own, &m->own, CLOCK_MONOTONIC, &until);
}
