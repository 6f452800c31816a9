/* A scheduler under base/thread.h that a seed repeats exactly: threads are coroutines of one real thread, of which one runs at a time. At each lock, unlock,
 * wait, signal, start and end of a thread, and wherever sched_point() is called (each operation of the virtual disk), the running one may be switched for any
 * that can run.
 *
 * Time is virtual: base/clock.h reads it. It moves by a few microseconds with each decision, by a stall now and then, and, when no thread can run, to the
 * earliest moment that one waits for. When none can run and none waits for a moment, that is a deadlock.
 *
 * A life (sched_run) begins with one thread. It ends when that thread has ended, or is cut at a decision of which the caller has said the number: what was
 * running then is left where it stands, never to run again, as a crash leaves it. What abandoned threads held is not freed before the process ends.
 *
 * Under ThreadSanitizer a switch orders nothing: only locks, starts and joins do, so that a race is found although no two threads ever run at once. */
#ifndef MOONGATE_SIM_SCHEDULER_H
#define MOONGATE_SIM_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sched;

enum sched_end {
	SCHED_OVER,     /* the first thread has ended, and all others had been joined */
	SCHED_CUT,      /* the decision came at which the life was to be cut */
	SCHED_DEADLOCK, /* no thread can run, and none waits for a moment */
	SCHED_ENDLESS,  /* as many decisions as no life has */
	SCHED_LEFT      /* the first thread has ended and left others that were never joined */
};

/* Puts itself under base/thread.h and base/clock.h, its wall clock at `wall_ns`. Owned by the caller; aborts when memory is out. */
struct sched *sched_new(uint64_t seed, int64_t wall_ns);
void sched_free(struct sched *s);

/* One life: run(arg) as the first thread. `cut_after` decisions later it is cut (0: never). `ctx` of the last call is over when this returns. */
enum sched_end sched_run(struct sched *s, void *(*run)(void *arg), void *arg, uint64_t cut_after);

/* For people: "deadlock". */
const char *sched_end_text(enum sched_end end);

/* Called on a thread of it: another one may run now. */
void sched_point(struct sched *s);
/* The calling thread sleeps. */
void sched_sleep(struct sched *s, int64_t ns);
/* Cuts the life here and now. */
_Noreturn void sched_cut(struct sched *s);

/* Steps the wall clock, in either direction, as its keeper would. */
void sched_step_wall(struct sched *s, int64_t ns);

/* How many decisions were taken so far, and a number that stands for all of them and for what was noted. */
uint64_t sched_decisions(const struct sched *s);
uint64_t sched_hash(const struct sched *s);
/* Takes bytes into that number. */
void sched_note(struct sched *s, const void *bytes, size_t len);

/* The name of the running thread. */
const char *sched_running(const struct sched *s);
/* Writes to stderr what each thread is doing. */
void sched_describe(const struct sched *s);

#endif
