/* Named fault points: places where the outside world can fail and a test can make it do so.
 *
 * Off, a point costs one relaxed load. They are switched on by fault_set() in C tests, or, for the real binary, by the
 * environment: MOONGATE_FAULT="fsync:3:once:EIO,write:1:always:ENOSPC" at the start, or MOONGATE_FAULT_FILE=PATH, a file
 * with the same text that is read again whenever its modification time changes (an empty or missing file: no faults). */
#ifndef MOONGATE_BASE_FAULT_H
#define MOONGATE_BASE_FAULT_H

#include <stdbool.h>
#include <stdint.h>

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

/* Switches a point on: its `nth` hit from now (1 is the next) fails with `error` (an errno such as ENOSPC); with `always`
 * every later one too. nth 0 switches it off. Any thread. */
void fault_set(enum fault_point point, uint64_t nth, bool always, int error);

/* Switches all points off and forgets the environment's. */
void fault_clear(void);

/* How often a point was reached since the process began (counted only while any fault is set). */
uint64_t fault_hits(enum fault_point point);

/* Called at the point: 0, or the errno to fail with. Any thread. */
int fault_check(enum fault_point point);

#endif
