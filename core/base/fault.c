/* Fault points.
 *
 * `fault_armed` is the whole cost of a point while nothing is switched on. It begins as 1, so that the first check
 * reads the environment, and stays 1 while a point is on or a fault file is watched. Everything behind it is guarded by
 * one mutex: a process with faults on is a test, and exact counts matter more than its speed there.
 *
 * Nothing here allocates or uses base/file.h: a fault point inside the fault points would recurse. */
#include "base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { TEXT_MAX = 4096, THREAD_NAME_MAX = 16 };

/* What a point does when its turn has come. */
struct action {
	int error;        /* errno to fail with; 0: it does not fail */
	int64_t delay_ns; /* it takes so much longer */
	bool kill;        /* the process ends there and then */
};

struct point {
	uint64_t left; /* hits until it acts; 0: off */
	bool always;   /* goes on acting afterwards */
	struct action action;
	char thread[THREAD_NAME_MAX]; /* only hits of the thread of this name count; "": those of all */
	uint64_t hits;                /* by any thread */
};

static const char *const point_names[FAULT_POINTS] = {
    [FAULT_OPEN] = "open",     [FAULT_READ] = "read",         [FAULT_WRITE] = "write", [FAULT_FSYNC] = "fsync",
    [FAULT_RENAME] = "rename", [FAULT_ALLOCATE] = "allocate", [FAULT_MMAP] = "mmap",   [FAULT_MALLOC] = "malloc",
};

static const struct {
	const char *name;
	int value;
} error_names[] = {
    {"EIO", EIO},       {"ENOSPC", ENOSPC}, {"ENOMEM", ENOMEM}, {"EDQUOT", EDQUOT}, {"EFBIG", EFBIG},
    {"EROFS", EROFS},   {"EACCES", EACCES}, {"EPERM", EPERM},   {"ENOENT", ENOENT}, {"EEXIST", EEXIST},
    {"EMFILE", EMFILE}, {"ENFILE", ENFILE}, {"EINVAL", EINVAL}, {"EBADF", EBADF},   {"EAGAIN", EAGAIN},
    {"EINTR", EINTR},   {"EBUSY", EBUSY},   {"ENODEV", ENODEV}, {"ENXIO", ENXIO},   {"ETIMEDOUT", ETIMEDOUT},
};

int fault_armed = 1;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static struct point points[FAULT_POINTS];
static bool environment_read;
static char watched[1024];     /* path of the fault file; "": none */
static struct stat watched_as; /* what the file was when it was last read; zero: not there */

/* Sets fault_armed from the state. Called with the lock. */
static void arm(void)
{
	int armed = watched[0] != '\0' || !environment_read;

	for (int i = 0; i < FAULT_POINTS; i++)
		armed |= points[i].left != 0;
	__atomic_store_n(&fault_armed, armed, __ATOMIC_RELAXED);
}

static void all_off(void)
{
	for (int i = 0; i < FAULT_POINTS; i++)
		points[i].left = 0;
}

/* An errno's name, KILL, or DELAY=duration. */
static int parse_action(const char *text, struct action *out)
{
	static const char delay[] = "DELAY=";

	*out = (struct action){.kill = strcmp(text, "KILL") == 0};
	if (out->kill)
		return 0;
	if (strncmp(text, delay, sizeof delay - 1) == 0) {
		int rc = clock_parse_duration(slice_cstr(text + sizeof delay - 1), &out->delay_ns, NULL);
		return rc == 0 && out->delay_ns > 0 ? 0 : -EINVAL;
	}
	for (size_t i = 0; i < sizeof error_names / sizeof *error_names; i++) {
		if (strcmp(error_names[i].name, text) == 0)
			out->error = error_names[i].value;
	}
	return out->error != 0 ? 0 : -EINVAL;
}

/* "fsync" or "fsync@sync": the point's number, and the thread. */
static int parse_point(char *text, struct point *out, struct error *err)
{
	char *thread = text;
	const char *name = strsep(&thread, "@");
	int point = 0;

	while (point < FAULT_POINTS && strcmp(point_names[point], name) != 0)
		point++;
	if (point == FAULT_POINTS)
		return error_set(err, -EINVAL, "fault: no point is called \"%s\"", name);
	if (thread == NULL)
		return point;
	size_t len = strlen(thread);
	if (len == 0 || len >= sizeof out->thread)
		return error_set(err, -EINVAL, "fault %s: no thread can be called \"%s\"", name, thread);
	memcpy(out->thread, thread, len + 1);
	return point;
}

/* Parses one entry "point[@thread]:nth:once|always:action" into `at`, which is an array of all points. */
static int parse_entry(char *entry, struct point *at, struct error *err)
{
	char *rest = entry;
	size_t len = strlen(entry);
	char *name = strsep(&rest, ":");
	char *nth = strsep(&rest, ":");
	char *times = strsep(&rest, ":");
	const char *action = rest;
	struct point parsed = {0};
	char *end;

	if (action == NULL) {
		/* strsep has cut the entry up. */
		for (size_t i = 0; i < len; i++)
			entry[i] = entry[i] == '\0' ? ':' : entry[i];
		return error_set(err, -EINVAL, "fault \"%s\": expected point:nth:once|always:ERRNO, KILL or DELAY=2s",
		                 entry);
	}
	int point = parse_point(name, &parsed, err);
	if (point < 0)
		return point;
	errno = 0;
	parsed.left = strtoull(nth, &end, 10);
	if (nth[0] < '0' || nth[0] > '9' || *end != '\0' || errno != 0 || parsed.left == 0)
		return error_set(err, -EINVAL, "fault %s: \"%s\" is not a count from 1", name, nth);
	parsed.always = strcmp(times, "always") == 0;
	if (!parsed.always && strcmp(times, "once") != 0)
		return error_set(err, -EINVAL, "fault %s: \"%s\" is neither once nor always", name, times);
	if (parse_action(action, &parsed.action) != 0)
		return error_set(err, -EINVAL, "fault %s: unknown error \"%s\" (such as EIO, ENOSPC, KILL, DELAY=2s)",
		                 name, action);
	parsed.hits = at[point].hits;
	at[point] = parsed;
	return 0;
}

/* Replaces the points that are on by those of `text`, which is taken apart; none when there is an error in it. */
static int parse(char *text, struct error *err)
{
	struct point parsed[FAULT_POINTS];
	char *rest = text;

	all_off();
	memcpy(parsed, points, sizeof parsed);
	for (char *entry; (entry = strsep(&rest, ", \t\r\n")) != NULL;) {
		if (*entry == '\0')
			continue;
		int rc = parse_entry(entry, parsed, err);
		if (rc != 0)
			return rc;
	}
	memcpy(points, parsed, sizeof points);
	return 0;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Reads the watched file if it is not what it was. Called with the lock. */
static int refresh(struct error *err)
{
	char text[TEXT_MAX];
	struct stat now;

	if (stat(watched, &now) != 0)
		memset(&now, 0, sizeof now);
	if (same_file(&now, &watched_as))
		return 0;
	watched_as = now;
	all_off();
	int fd = open(watched, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : error_set(err, -EINVAL, "fault file %s: %s", watched, strerror(errno));
	ssize_t len = read(fd, text, sizeof text);
	close(fd);
	if (len < 0 || len == sizeof text)
		return error_set(err, -EINVAL, "fault file %s: cannot be read or is over %d bytes", watched,
		                 TEXT_MAX - 1);
	text[len] = '\0';
	int rc = parse(text, err);
	error_prefix(err, "%s", watched);
	return rc;
}

static void lock_for_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void unlock_after_fork(void)
{
	pthread_mutex_unlock(&lock);
}

/* A forked child meets fault points too: it must not find the lock taken by a thread that it does not have. */
static void hold_over_forks(void)
{
	/* Fails only without memory: then children of this process, which is a test, have to do without faults. */
	(void)pthread_atfork(lock_for_fork, unlock_after_fork, unlock_after_fork);
}

/* Reads the environment once. Called with the lock. */
static int read_environment(struct error *err)
{
	const char *text = getenv("MOONGATE_FAULT");
	const char *path = getenv("MOONGATE_FAULT_FILE");
	char copy[TEXT_MAX];

	if (environment_read)
		return 0;
	environment_read = true;
	pthread_once(&fork_once, hold_over_forks);
	if (text != NULL) {
		if ((size_t)snprintf(copy, sizeof copy, "%s", text) >= sizeof copy)
			return error_set(err, -EINVAL, "MOONGATE_FAULT is over %d bytes", TEXT_MAX - 1);
		int rc = parse(copy, err);
		if (rc != 0) {
			error_prefix(err, "MOONGATE_FAULT");
			return rc;
		}
	}
	if (path == NULL || path[0] == '\0')
		return 0;
	if ((size_t)snprintf(watched, sizeof watched, "%s", path) >= sizeof watched) {
		watched[0] = '\0';
		return error_set(err, -EINVAL, "MOONGATE_FAULT_FILE is over %zu bytes", sizeof watched - 1);
	}
	return refresh(err);
}

/* Tells about an error where no caller takes it. */
static void complain(const struct error *err)
{
	char line[ERROR_TEXT_MAX + 16];

	snprintf(line, sizeof line, "moongate: %s\n", err->text);
	if (write(STDERR_FILENO, line, strlen(line)) < 0)
		return;
}

int fault_init(struct error *err)
{
	pthread_mutex_lock(&lock);
	int rc = read_environment(err);
	arm();
	pthread_mutex_unlock(&lock);
	return rc;
}

void fault_set(enum fault_point point, uint64_t nth, bool always, int error)
{
	struct error err = {0};

	pthread_mutex_lock(&lock);
	int rc = read_environment(&err);
	points[point].left = nth;
	points[point].always = always;
	points[point].action = (struct action){.error = error};
	points[point].thread[0] = '\0';
	arm();
	pthread_mutex_unlock(&lock);
	if (rc != 0)
		complain(&err);
}

void fault_clear(void)
{
	pthread_once(&fork_once, hold_over_forks);
	pthread_mutex_lock(&lock);
	environment_read = true;
	watched[0] = '\0';
	memset(&watched_as, 0, sizeof watched_as);
	all_off();
	arm();
	pthread_mutex_unlock(&lock);
}

uint64_t fault_hits(enum fault_point point)
{
	pthread_mutex_lock(&lock);
	uint64_t hits = points[point].hits;
	pthread_mutex_unlock(&lock);
	return hits;
}

static bool is_meant(const struct point *p)
{
	char name[THREAD_NAME_MAX] = "";

	if (p->thread[0] == '\0')
		return true;
	return prctl(PR_GET_NAME, name) == 0 && strcmp(name, p->thread) == 0;
}

/* One hit of a point: what it does. Called with the lock. */
static struct action hit(struct point *p)
{
	p->hits++;
	if (p->left == 0 || !is_meant(p))
		return (struct action){0};
	if (p->left > 1) {
		p->left--;
		return (struct action){0};
	}
	if (!p->always)
		p->left = 0;
	return p->action;
}

static void sleep_ns(int64_t ns)
{
	struct timespec left = {.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};

	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

int fault_check_armed(enum fault_point point)
{
	struct error err = {0};
	int saved = errno;

	pthread_mutex_lock(&lock);
	int rc = read_environment(&err);
	if (rc == 0 && watched[0] != '\0')
		rc = refresh(&err);
	struct action act = hit(&points[point]);
	if (act.kill)
		raise(SIGKILL);
	arm();
	pthread_mutex_unlock(&lock);
	if (rc != 0)
		complain(&err);
	if (act.delay_ns > 0) /* without the lock: other points are not held up */
		sleep_ns(act.delay_ns);
	errno = saved;
	return act.error;
}
