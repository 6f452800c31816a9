/* Watching script folders with inotify(7). Editors write in several steps (a temporary file, a rename), so a change counts when nothing has happened for
 * 200 ms. New folders are watched as they appear. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "cli/internal.h"

enum { QUIET_MS = 200, DEPTH_MAX = 8, DIRS_MAX = 16, PATH_BYTES = 1024 };

struct watch {
	int inotify;
	int wake[2]; /* a pipe: its end stops the thread */
	struct thread thread;
	void (*changed)(void *ctx);
	void *ctx;
	char dirs[DIRS_MAX][PATH_BYTES];
	unsigned count;
};

#define EVENTS (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE)

/* A folder and all below it. One that is not there (plugins/) is passed over. */
static void add_tree(struct watch *w, const char *path, int depth)
{
	if (inotify_add_watch(w->inotify, path, EVENTS | IN_ONLYDIR) < 0) {
		if (errno != ENOENT && errno != ENOTDIR)
			LOG(LOG_WARN, "a folder cannot be watched", log_str("path", path),
			    log_str("error", strerror(errno)));
		return;
	}
	DIR *d = depth < DEPTH_MAX ? opendir(path) : NULL;
	for (struct dirent *e = d != NULL ? readdir(d) : NULL; e != NULL; e = readdir(d)) {
		char below[PATH_BYTES];
		struct stat st;
		if (e->d_name[0] == '.' || snprintf(below, sizeof below, "%s/%s", path, e->d_name) >= (int)sizeof below)
			continue;
		if (stat(below, &st) == 0 && S_ISDIR(st.st_mode))
			add_tree(w, below, depth + 1);
	}
	if (d != NULL)
		closedir(d);
}

static bool is_lua(const char *name)
{
	size_t len = strlen(name);
	return name[0] != '.' && len > 4 && strcmp(name + len - 4, ".lua") == 0;
}

/* Reads what has happened; returns whether a script may have changed. */
static bool read_events(struct watch *w)
{
	char bytes[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool changed = false, folders = false;
	ssize_t n = read(w->inotify, bytes, sizeof bytes);
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (const struct inotify_event *)(const void *)(bytes + at);
		bool is_dir = e->mask & IN_ISDIR;
		folders = folders || is_dir;
		changed = changed || is_dir || (e->mask & IN_Q_OVERFLOW) || (e->len > 0 && is_lua(e->name));
		at += (ssize_t)(sizeof *e + e->len);
	}
	for (unsigned i = 0; folders && i < w->count; i++)
		add_tree(w, w->dirs[i], 0); /* watching a folder again changes nothing */
	return changed;
}

static void *run(void *arg)
{
	struct watch *w = arg;
	bool pending = false;
	for (;;) {
		struct pollfd fds[] = {{w->inotify, POLLIN, 0}, {w->wake[0], POLLIN, 0}};
		int n = poll(fds, 2, pending ? QUIET_MS : -1);
		if (fds[1].revents != 0)
			return NULL;
		if (n > 0 && (fds[0].revents & POLLIN)) {
			pending = read_events(w) || pending;
		} else if (n == 0 && pending) {
			pending = false;
			w->changed(w->ctx);
		}
	}
}

struct watch *watch_start(const char *const *dirs, unsigned count, void (*changed)(void *ctx), void *ctx,
                          struct error *err)
{
	struct watch *w = mem_zalloc(1, sizeof *w);
	if (w == NULL) {
		error_set(err, -ENOMEM, "out of memory for watching scripts");
		return NULL;
	}
	w->changed = changed;
	w->ctx = ctx;
	w->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (w->inotify < 0 || pipe2(w->wake, O_CLOEXEC) != 0) {
		error_set(err, -errno, "watching scripts: %s", strerror(errno));
		if (w->inotify >= 0)
			close(w->inotify);
		mem_free(w);
		return NULL;
	}
	for (unsigned i = 0; i < count && i < DIRS_MAX; i++) {
		snprintf(w->dirs[w->count++], PATH_BYTES, "%s", dirs[i]);
		add_tree(w, dirs[i], 0);
	}
	int code = thread_start(&w->thread, "watch", run, w);
	if (code == 0)
		return w;
	error_set(err, code, "watching scripts: %s", strerror(-code));
	close(w->inotify);
	close(w->wake[0]);
	close(w->wake[1]);
	mem_free(w);
	return NULL;
}

void watch_stop(struct watch *w)
{
	close(w->wake[1]);
	thread_join(&w->thread);
	close(w->wake[0]);
	close(w->inotify);
	mem_free(w);
}
