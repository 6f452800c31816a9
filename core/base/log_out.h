/* One output of the log. Private to the log; the caller holds its lock, but for log_out_open of an output that nobody
 * else sees: that one meets fault points, which have a lock of their own. */
#ifndef MOONGATE_BASE_LOG_OUT_H
#define MOONGATE_BASE_LOG_OUT_H

#include <stdbool.h>

#include "base/error.h"
#include "base/slice.h"

struct log_out {
	int fd;         /* -1: closed */
	char *path;     /* owned; NULL: a descriptor that is not ours (stdout, stderr) */
	bool may_block; /* not a regular file: asked whether it takes bytes before each write */
	bool stuck;     /* it took nothing the last time: not waited for again */
	bool torn;      /* the last line was cut off: the next one begins with a newline */
	bool failing;   /* the last line was not taken, and that was said */
};

/* An output on a descriptor that stays the caller's. */
void log_out_fd(struct log_out *o, int fd);

/* Opens (appends to, makes) the file `path`. 0, or a negative errno with a sentence and `o` closed. */
int log_out_open(struct log_out *o, const char *path, struct error *err);

void log_out_close(struct log_out *o);

/* Writes one line (with its newline). 0, or a negative errno: the output did not take all of it. Waits at most 100 ms
 * for a pipe or terminal that is full. */
int log_out_write(struct log_out *o, struct slice line);

#endif
