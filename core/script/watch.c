/* See watch.h.
 *
 * Arming from another thread is what LuaJIT allows of lua_sethook: it stores a few words and swaps entries of the dispatch table, which
 * the interpreter reads at each instruction. With the JIT compiler on, a compiled loop would not look; it is off in all states. The runner changes
 * bits of the same word when it enters and leaves a hook and when an error is caught, so that what is armed in that moment is lost (one in a
 * thousand calls that loop around pcall; of 20,000 others none): it is armed again at each look until the call has returned.
 *
 * The hook stays until the call has returned to C. Taken away earlier, a loop around pcall would go on. */
#include "script/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "script/internal.h"

#define POLL_NS (2 * NS_PER_MS)
#define BACKSTOP_NS (2 * NS_PER_S) /* past the limit */
enum { LINGER = 100 };             /* polls without anything to watch until the thread sleeps */

struct watchdog {
	struct mutex lock;
	struct condition wake;
	struct watch *running;
	bool asleep, stopping;
	char *backstop_path;
	struct thread thread;
};

/* Raises at every instruction of the call that is to end. Runs on the runner's thread. */
static void hook(lua_State *L, lua_Debug *ar)
{
	(void)ar;
	struct script *s = script_of(L);
	if (s->watch == NULL || !watch_stopped(s->watch)) {
		lua_sethook(L, NULL, 0, 0); /* meant for a call that ended in the same moment */
		return;
	}
	script_raise_cut(L);
}

/* Under the lock. */
static void arm(struct watch *watch, uint64_t call)
{
	atomic_store(&watch->stopped, call);
	watch->armed = true;
	lua_sethook(watch->state, hook, LUA_MASKCOUNT, 1);
}

static void write_backstop(const struct watchdog *w, const struct watch *watch)
{
	char line[1024];

	if (w->backstop_path == NULL)
		return;
	int len = snprintf(line, sizeof line, "%llu %s\n", (unsigned long long)watch->seq, watch->script);
	int fd = file_open(w->backstop_path, O_WRONLY | O_CREAT | O_TRUNC);
	if (fd < 0)
		return;
	if (file_write(fd, line, len < (int)sizeof line ? (size_t)len : sizeof line - 1) == 0)
		file_datasync(fd);
	file_close(fd);
}

static void give_up(const struct watchdog *w, const struct watch *watch)
{
	write_backstop(w, watch);
	LOG(LOG_FATAL, "a script does not return", log_str("script", watch->script),
	    log_int("seq", (int64_t)watch->seq));
	abort();
}

static void look_at(struct watchdog *w, struct watch *watch)
{
	uint64_t call = atomic_load_explicit(&watch->call, memory_order_acquire);
	int64_t cpu = thread_cpu_ns(watch->clock);

	if (call != watch->seen) {
		watch->seen = call;
		watch->seen_cpu_ns = cpu;
		return;
	}
	int64_t spent = cpu - watch->seen_cpu_ns;
	if (spent < watch->limit_ns)
		return;
	if (atomic_load(&watch->stopped) != call)
		watch->late_cpu_ns = cpu;
	else if (watch->backstop && spent >= watch->limit_ns + BACKSTOP_NS)
		give_up(w, watch);
	arm(watch, call);
}

static void *run(void *arg)
{
	struct watchdog *w = arg;
	unsigned idle = 0;

	mutex_lock(&w->lock);
	while (!w->stopping) {
		idle = w->running != NULL ? 0 : idle + 1;
		for (struct watch *watch = w->running; watch != NULL; watch = watch->next)
			look_at(w, watch);
		if (idle < LINGER) {
			condition_wait_for(&w->wake, &w->lock, POLL_NS);
			continue;
		}
		w->asleep = true;
		condition_wait(&w->wake, &w->lock);
		w->asleep = false;
		idle = 0;
	}
	mutex_unlock(&w->lock);
	return NULL;
}

struct watchdog *watchdog_new(struct error *err)
{
	struct watchdog *w = mem_zalloc(1, sizeof *w);
	if (w == NULL) {
		error_set(err, -ENOMEM, "out of memory for the watchdog of scripts");
		return NULL;
	}
	mutex_init(&w->lock);
	condition_init(&w->wake);
	int code = thread_start(&w->thread, "watchdog", run, w);
	if (code == 0)
		return w;
	error_set(err, code, "the watchdog of scripts cannot be started: %s", strerror(-code));
	condition_deinit(&w->wake);
	mutex_deinit(&w->lock);
	mem_free(w);
	return NULL;
}

void watchdog_free(struct watchdog *w)
{
	if (w == NULL)
		return;
	mutex_lock(&w->lock);
	w->stopping = true;
	condition_signal(&w->wake);
	mutex_unlock(&w->lock);
	thread_join(&w->thread);
	condition_deinit(&w->wake);
	mutex_deinit(&w->lock);
	mem_free(w->backstop_path);
	mem_free(w);
}

int watchdog_set_backstop(struct watchdog *w, const char *path)
{
	char *copy = mem_strndup(path, strlen(path));
	if (copy == NULL)
		return -ENOMEM;
	mutex_lock(&w->lock);
	mem_free(w->backstop_path);
	w->backstop_path = copy;
	mutex_unlock(&w->lock);
	return 0;
}

void watch_begin(struct watchdog *w, struct watch *watch, lua_State *state, const char *script, uint64_t seq,
                 int64_t limit_ns)
{
	mutex_lock(&w->lock);
	watch_call(watch); /* also before the first call nothing of an earlier one counts */
	watch->state = state;
	watch->script = script;
	watch->seq = seq;
	watch->limit_ns = limit_ns;
	watch->clock = thread_cpu_clock();
	watch->next = w->running;
	watch->prev = &w->running;
	if (w->running != NULL)
		w->running->prev = &watch->next;
	w->running = watch;
	if (w->asleep)
		condition_signal(&w->wake);
	mutex_unlock(&w->lock);
}

/* Under the lock. */
static void disarm(struct watch *watch)
{
	if (!watch->armed)
		return;
	watch->armed = false;
	atomic_store(&watch->stopped, 0);
	lua_sethook(watch->state, NULL, 0, 0);
}

void watch_end(struct watchdog *w, struct watch *watch)
{
	mutex_lock(&w->lock);
	disarm(watch);
	*watch->prev = watch->next;
	if (watch->next != NULL)
		watch->next->prev = watch->prev;
	watch->state = NULL;
	watch->script = NULL;
	mutex_unlock(&w->lock);
}

void watch_stop_now(struct watchdog *w, struct watch *watch)
{
	mutex_lock(&w->lock);
	arm(watch, atomic_load_explicit(&watch->call, memory_order_relaxed));
	mutex_unlock(&w->lock);
}

void watch_disarm(struct watchdog *w, struct watch *watch)
{
	mutex_lock(&w->lock);
	disarm(watch);
	mutex_unlock(&w->lock);
}
