/* Named fault points: places where the outside world can fail and a test can make it do so.
 *
 * Off, a point costs one relaxed load. They are switched on by fault_set() in C tests, or, for the real binary, by the
 * environment: MOONGATE_FAULT="fsync:3:once:EIO,write:1:always:ENOSPC" at the start, or MOONGATE_FAULT_FILE=PATH, a
 * file with the same text that is read again whenever its modification time changes (an empty or missing file: no
 * faults).
 *
 * An entry is point[@thread]:nth:once|always:action. The points are open, read, write, fsync, rename (unlink too),
 * allocate, mmap and malloc; with a thread's name, such as fsync@maintenance, only its hits count, so that the nth one
 * is the same step in every run. An action is
 *
 *   EIO, ENOSPC, …   the call fails with that error
 *   KILL             the process ends by SIGKILL just before the call
 *   DELAY=2s         the call takes so much longer; nobody else is held up */
#ifndef MOONGATE_BASE_FAULT_H
#define MOONGATE_BASE_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum fault_point {
	FAULT_OPEN,
	FAULT_READ,
	FAULT_WRITE,
	FAULT_FSYNC,
	FAULT_RENAME,
	FAULT_ALLOCATE, /* fallocate, ftruncate */
	FAULT_MMAP,
	FAULT_MALLOC,
	FAULT_POINTS
};

/* Switches a point on: its `nth` hit from now (1 is the next) fails with `error` (an errno such as ENOSPC); with
 * `always` every later one too. nth 0 switches it off. Any thread. */
void fault_set(enum fault_point point, uint64_t nth, bool always, int error);

/* Switches all points off and forgets the environment's. */
void fault_clear(void);

/* How often a point was reached since the process began (counted only while any fault is set). */
uint64_t fault_hits(enum fault_point point);

/* Reads the two environment variables. 0, or -EINVAL with a sentence when their text is not understood (then no fault
 * is on). main calls it first; without that the first fault_check does, and says on stderr what it did not understand.
 */
int fault_init(struct error *err);

/* Private to fault_check: zero while no fault can be on; and its slow path. */
extern int fault_armed;
int fault_check_armed(enum fault_point point);

/* Called at the point: 0, or the errno to fail with. Any thread. */
static inline int fault_check(enum fault_point point)
{
	if (__builtin_expect(__atomic_load_n(&fault_armed, __ATOMIC_RELAXED) == 0, 1))
		return 0;
	return fault_check_armed(point);
}

#endif
