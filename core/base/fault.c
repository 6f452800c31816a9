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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct point {
	uint64_t left; /* hits until it fails; 0: off */
	bool always;   /* goes on failing afterwards */
	int error;     /* errno to fail with */
	uint64_t hits;
};

enum { TEXT_MAX = 4096 };

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

/* Parses one entry "point:nth:once|always:ERRNO" into `at`, which is an array of all points. */
static int parse_entry(char *entry, struct point *at, struct error *err)
{
	char *rest = entry;
	size_t len = strlen(entry);
	char *name = strsep(&rest, ":");
	char *nth = strsep(&rest, ":");
	char *times = strsep(&rest, ":");
	char *error = rest;
	struct point parsed = {0};
	char *end;
	int point = 0;

	if (error == NULL) {
		/* strsep has cut the entry up. */
		for (size_t i = 0; i < len; i++)
			entry[i] = entry[i] == '\0' ? ':' : entry[i];
		return error_set(err, -EINVAL, "fault \"%s\": expected point:nth:once|always:ERRNO", entry);
	}
	while (point < FAULT_POINTS && strcmp(point_names[point], name) != 0)
		point++;
	if (point == FAULT_POINTS)
		return error_set(err, -EINVAL, "fault: no point is called \"%s\"", name);
	errno = 0;
	parsed.left = strtoull(nth, &end, 10);
	if (nth[0] < '0' || nth[0] > '9' || *end != '\0' || errno != 0 || parsed.left == 0)
		return error_set(err, -EINVAL, "fault %s: \"%s\" is not a count from 1", name, nth);
	parsed.always = strcmp(times, "always") == 0;
	if (!parsed.always && strcmp(times, "once") != 0)
		return error_set(err, -EINVAL, "fault %s: \"%s\" is neither once nor always", name, times);
	for (size_t i = 0; i < sizeof error_names / sizeof *error_names; i++) {
		if (strcmp(error_names[i].name, error) == 0)
			parsed.error = error_names[i].value;
	}
	if (parsed.error == 0)
		return error_set(err, -EINVAL, "fault %s: unknown error \"%s\" (such as EIO, ENOSPC)", name, error);
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
	points[point].error = error;
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

/* One hit of a point: 0 or the errno. Called with the lock. */
static int hit(struct point *p)
{
	p->hits++;
	if (p->left == 0)
		return 0;
	if (p->left > 1) {
		p->left--;
		return 0;
	}
	if (!p->always)
		p->left = 0;
	return p->error;
}

int fault_check_armed(enum fault_point point)
{
	struct error err = {0};
	int saved = errno;

	pthread_mutex_lock(&lock);
	int rc = read_environment(&err);
	if (rc == 0 && watched[0] != '\0')
		rc = refresh(&err);
	int error = hit(&points[point]);
	arm();
	pthread_mutex_unlock(&lock);
	if (rc != 0)
		complain(&err);
	errno = saved;
	return error;
}
