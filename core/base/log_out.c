/* Writing log lines to a descriptor without ever hanging on it.
 *
 * A pipe that nobody reads would block write(2) for good, and with it every thread that logs. The flag O_NONBLOCK is no
 * way out: it belongs to the open file that we may share with the shell. So pipes and terminals are asked with poll(2)
 * first, and get at most PIPE_BUF bytes at a time, which a pipe that polls as writable takes without blocking.
 *
 * The bytes go past base/file.h's fault points: a test that counts the journal's writes must not count log lines. */
#include "base/log_out.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

enum { PATIENCE_MS = 100 };

void log_out_fd(struct log_out *o, int fd)
{
	struct stat st;

	*o = (struct log_out){.fd = fd};
	o->may_block = fstat(fd, &st) != 0 || !S_ISREG(st.st_mode);
}

int log_out_open(struct log_out *o, const char *path, struct error *err)
{
	*o = (struct log_out){.fd = -1};
	/* O_NONBLOCK is for a path that is a FIFO: without a reader that is an error, not a wait. */
	int fd = file_open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return error_set(err, fd, "cannot open the log file %s: %s", path, strerror(-fd));
	char *copy = mem_strndup(path, strlen(path));
	if (copy == NULL) {
		file_close(fd);
		return error_set(err, -ENOMEM, "cannot open the log file %s: out of memory", path);
	}
	log_out_fd(o, fd);
	o->path = copy;
	return 0;
}

void log_out_close(struct log_out *o)
{
	if (o->path != NULL && o->fd >= 0)
		file_close(o->fd);
	mem_free(o->path);
	*o = (struct log_out){.fd = -1};
}

/* Waits until the output takes bytes: 0, -EAGAIN when it does not, another negative errno when it never will. */
static int wait_writable(struct log_out *o)
{
	struct pollfd p = {.fd = o->fd, .events = POLLOUT};
	int n;

	do
		n = poll(&p, 1, o->stuck ? 0 : PATIENCE_MS);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -EAGAIN;
	return p.revents & POLLNVAL ? -EBADF : 0;
}

/* Writes some bytes: how many, or a negative errno. */
static ssize_t write_some(struct log_out *o, const char *bytes, size_t len)
{
	if (o->may_block) {
		int rc = wait_writable(o);
		if (rc != 0)
			return rc;
		len = len < PIPE_BUF ? len : PIPE_BUF;
	}
	for (;;) {
		ssize_t n = write(o->fd, bytes, len);
		if (n > 0 || (n == 0 && len == 0))
			return n;
		if (n == 0)
			return -EIO;
		if (errno != EINTR)
			return -errno;
	}
}

static int write_all(struct log_out *o, const char *bytes, size_t len, size_t *written)
{
	for (*written = 0; *written < len;) {
		ssize_t n = write_some(o, bytes + *written, len - *written);
		if (n < 0)
			return (int)n;
		*written += (size_t)n;
	}
	return 0;
}

int log_out_write(struct log_out *o, struct slice line)
{
	size_t written;
	int rc = 0;

	if (o->fd < 0)
		return -EBADF;
	if (o->torn)
		rc = write_all(o, "\n", 1, &written);
	if (rc == 0) {
		o->torn = false;
		rc = write_all(o, line.ptr, line.len, &written);
		o->torn = written != 0 && written != line.len;
	}
	o->stuck = rc == -EAGAIN;
	return rc;
}
