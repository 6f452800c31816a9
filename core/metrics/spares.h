/* Spare buffers for the copies of full chunks that snapshots make.
 *
 * Fresh memory costs the writer a page fault every 4 KiB, some 10 to 50 ms for the 16 MB that a million counters
 * take, copying it 2 ms. So each full chunk comes with a buffer of its size that has been written to once; a snapshot
 * takes what it needs, and gives it back at its end. A second snapshot beside the first gets fresh memory. */
#ifndef MOONGATE_METRICS_SPARES_H
#define MOONGATE_METRICS_SPARES_H

#include <stddef.h>

#include "base/thread.h"

enum { SPARE_SIZES = 16 }; /* different sizes that are kept; buffers of further ones are not */

struct spare;

struct spares {
	struct mutex lock;
	struct spare_list {
		size_t size;
		size_t wanted; /* chunks of this size that the registry has */
		size_t kept;
		struct spare *first;
	} lists[SPARE_SIZES];
};

void spares_init(struct spares *s);
void spares_deinit(struct spares *s);

/* The registry has one chunk of this size more: a buffer for it is made. 0, or -ENOMEM with nothing changed. */
int spares_more(struct spares *s, size_t size);

/* It has one less. */
void spares_less(struct spares *s, size_t size);

/* A buffer, spare or fresh; NULL when memory is out. */
void *spares_take(struct spares *s, size_t size);

/* Gives a buffer back. Any thread. */
void spares_give(struct spares *s, void *buffer, size_t size);

#endif
