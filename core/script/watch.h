/* The watchdog: one thread that looks every 2 ms at the scripts that run and stops the call that has used up its time.
 *
 * A runner (the engine thread, a thread that loads) has a struct watch. Around each script it says begin and end; for each call it only
 * counts `call` up, so that a call costs no clock reading. The watchdog notes when it saw a number first; when the runner's thread has then spent
 * the limit in CPU time on the same number, it arms a count hook in the state that raises at every instruction, and again at each look until the call has returned. What counts is CPU
 * time, so that a machine that is paused or overloaded cuts nobody off.
 *
 * Should a call not end even so (a C function that does not return: there is none that we know of), the watchdog writes the script and
 * the frame to the backstop file 2 s later and ends the process; the next start quarantines that script there.
 *
 * Private to script/. */
#ifndef MOONGATE_SCRIPT_WATCH_H
#define MOONGATE_SCRIPT_WATCH_H

#include <lua.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/thread.h"

struct watch {
	_Atomic uint64_t call;    /* the runner's: number of the call under way; never used twice */
	_Atomic uint64_t stopped; /* number of the call that is to end; 0: none */

	/* Under the watchdog's lock. */
	lua_State *state;           /* that runs; NULL: none */
	const char *script;         /* its path, borrowed while it runs */
	bool armed;                 /* the hook is set */
	bool backstop;              /* a call that does not end ends the process */
	uint64_t seq;               /* of the frame, for the backstop file */
	int64_t limit_ns;           /* of a call, CPU time of the runner's thread */
	clockid_t clock;            /* CPU time of the runner's thread */
	struct watch *next, **prev; /* in the watchdog's list while a state runs */

	/* The watchdog's own. */
	uint64_t seen;       /* the call that it saw last */
	int64_t seen_cpu_ns; /* CPU time when it saw it first */

	/* The watchdog's while a state runs, then the runner's. */
	int64_t
	    late_cpu_ns; /* CPU time of the runner's thread when a call was last stopped for taking too long; tests look at what comes behind */
};

struct watchdog;

/* Starts the thread. NULL with a sentence. */
struct watchdog *watchdog_new(struct error *err);
/* Ends it; nothing runs any more. NULL is allowed. */
void watchdog_free(struct watchdog *w);

/* Where the backstop writes; the path is copied. 0 or a negative errno. */
int watchdog_set_backstop(struct watchdog *w, const char *path);

/* From now until watch_end the calling thread runs `state` for the script at `script`. */
void watch_begin(struct watchdog *w, struct watch *watch, lua_State *state, const char *script, uint64_t seq,
                 int64_t limit_ns);
/* It does not any more. Clears the hook. */
void watch_end(struct watchdog *w, struct watch *watch);

/* A new call begins: whatever was to stop the one before does not concern it. */
static inline void watch_call(struct watch *watch)
{
	uint64_t n = atomic_load_explicit(&watch->call, memory_order_relaxed);
	atomic_store_explicit(&watch->call, n + 1, memory_order_release);
}

/* Is the call under way to end? For loops in C. */
static inline bool watch_stopped(const struct watch *watch)
{
	return atomic_load_explicit(&watch->stopped, memory_order_relaxed) ==
	       atomic_load_explicit(&watch->call, memory_order_relaxed);
}

/* The runner itself wants the call under way to end (memory, a cut that is replayed). */
void watch_stop_now(struct watchdog *w, struct watch *watch);

/* Takes the hook away again after a call that was stopped has returned to C. */
void watch_disarm(struct watchdog *w, struct watch *watch);

#endif
