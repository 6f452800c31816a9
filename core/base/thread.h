/* Threads, and what they wait for each other with. Everything in core/ that starts a thread or waits for one does it here (but net/, whose threads are
 * libuv's loops), so that a simulation can decide which of them runs (thread_set_scheduler).
 *
 * By default these are the machine's threads, at the price of one comparison a call. A mutex or condition of static storage or in a zeroed struct is ready as
 * it is; init and deinit are for those whose memory comes and goes. Locks are not recursive. */
#ifndef MOONGATE_BASE_THREAD_H
#define MOONGATE_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* A scheduler keeps its own words where the machine's lock would be. */
struct mutex {
	union {
		pthread_mutex_t own;
		uint64_t words[4]; /* a scheduler's; zero: free, nobody waits */
	};
};

struct condition {
	union {
		pthread_cond_t own;
		uint64_t words[4]; /* a scheduler's; zero: nobody waits */
	};
};

struct thread {
	pthread_t own;
	void *scheduled; /* a scheduler's */
	void *(*run)(void *arg);
	void *arg;
	char name[16];
};

/* What runs threads in place of the machine. Each function does what the one below that is called like it says. */
struct thread_scheduler {
	int (*start)(void *ctx, struct thread *t, const char *name, void *(*run)(void *), void *arg);
	void (*join)(void *ctx, struct thread *t);
	void (*lock)(void *ctx, struct mutex *m);
	void (*unlock)(void *ctx, struct mutex *m);
	void (*wait)(void *ctx, struct condition *c, struct mutex *m, int64_t ns); /* INT64_MAX: for ever */
	void (*signal)(void *ctx, struct condition *c);
	void (*broadcast)(void *ctx, struct condition *c);
	clockid_t (*cpu_clock)(void *ctx);
	int64_t (*cpu_ns)(void *ctx, clockid_t clock);
};

/* Replaces the machine's threads, for simulation (NULL: the machine's own). `s` and `ctx` are borrowed until the next call. Call before any thread starts,
 * and while no mutex and no condition is in use. */
void thread_set_scheduler(const struct thread_scheduler *s, void *ctx);

/* Private to the functions below. */
extern const struct thread_scheduler *thread_scheduler_used;
extern void *thread_scheduler_ctx;
static inline bool thread_is_scheduled(void)
{
	return __builtin_expect(thread_scheduler_used != NULL, 0);
}

/* ---- threads ---- */

/* Starts a thread that runs run(arg); its name (15 bytes at most) is what top(1) and a debugger show. `t` stays where it is until it was joined. 0 or a negative errno. */
int thread_start(struct thread *t, const char *name, void *(*run)(void *arg), void *arg);

/* Waits until it has ended. Once for each thread that was started. */
void thread_join(struct thread *t);

/* The calling thread gives way to others: it has some tenth of their share where processors are short, all of what is idle otherwise. For work that nobody
 * waits for. */
void thread_give_way(void);

/* The clock of the calling thread's CPU time, and what it shows, in nanoseconds: any thread may read it as long as that thread lives. */
clockid_t thread_cpu_clock(void);
int64_t thread_cpu_ns(clockid_t clock);

/* ---- mutexes ---- */

void mutex_init(struct mutex *m);
/* Nobody holds it. */
void mutex_deinit(struct mutex *m);

static inline void mutex_lock(struct mutex *m)
{
	if (thread_is_scheduled())
		thread_scheduler_used->lock(thread_scheduler_ctx, m);
	else
		pthread_mutex_lock(&m->own);
}

static inline void mutex_unlock(struct mutex *m)
{
	if (thread_is_scheduled())
		thread_scheduler_used->unlock(thread_scheduler_ctx, m);
	else
		pthread_mutex_unlock(&m->own);
}

/* ---- conditions ---- */

void condition_init(struct condition *c);
/* Nobody waits. */
void condition_deinit(struct condition *c);

/* Frees the mutex, sleeps until it is signalled, locks the mutex again. It may return without a signal: look again at what is waited for. */
static inline void condition_wait(struct condition *c, struct mutex *m)
{
	if (thread_is_scheduled())
		thread_scheduler_used->wait(thread_scheduler_ctx, c, m, INT64_MAX);
	else
		pthread_cond_wait(&c->own, &m->own);
}

/* The same, for `ns` nanoseconds of the machine's monotonic clock at most, whatever clock_set_source says. */
void condition_wait_for(struct condition *c, struct mutex *m, int64_t ns);

/* Wakes one that waits, if any does. */
static inline void condition_signal(struct condition *c)
{
	if (thread_is_scheduled())
		thread_scheduler_used->signal(thread_scheduler_ctx, c);
	else
		pthread_cond_signal(&c->own);
}

/* Wakes all that wait. */
static inline void condition_broadcast(struct condition *c)
{
	if (thread_is_scheduled())
		thread_scheduler_used->broadcast(thread_scheduler_ctx, c);
	else
		pthread_cond_broadcast(&c->own);
}

#endif
