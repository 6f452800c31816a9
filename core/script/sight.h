/* Foresight: the series that the records of a block are about to change are fetched into the cache before the block's calls begin.
 *
 * Among many series a look-up misses the cache three times, each time for an address that it has only just read: index, key, row. One call after the other waits for all
 * of that; for a block of records the same can be asked for at once. So a view learns, from calls, which fields of its records a method's labels are, as `ev` learns
 * which fields are read. Before a block is run, the series of those fields are sought ahead: first the places in the index of all records, then keys and rows.
 *
 * It is advice to the processor and nothing else: nothing is remembered of what was found, and a label that is another field the next time costs a look-up ahead in
 * vain. What is in vain too often is given up.
 *
 * Private to script/. The engine's thread. */
#ifndef MOONGATE_SCRIPT_SIGHT_H
#define MOONGATE_SCRIPT_SIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "record/record.h"
#include "script/memo.h"

enum {
	SIGHTS_MAX = 4,    /* of a view; further methods go without */
	SIGHT_BLOCK = 128, /* records that are looked at together */
	SIGHT_TRIES = 64   /* look-ups of a view whose labels are no fields, until no more are learned */
};

struct script;
struct script_metric;

/* One method whose labels are known to be fields. */
struct sight {
	const struct script_metric *metric;
	uint8_t fields[MEMO_LABELS]; /* of the view, label by label */
	bool blind;                  /* given up */
	uint64_t shape;              /* whose fields lie at: */
	int16_t positions[MEMO_LABELS];
	uint32_t ahead; /* look-ups ahead since they were last counted, */
	uint32_t met;   /* and calls that came to look up */
};

/* Zeroed: nothing was learned. */
struct sights {
	struct sight items[SIGHTS_MAX];
	uint32_t count;
	uint32_t tries;
};

/* The call under way looks up a series. */
void sight_met(struct script *s, const struct script_metric *m, const struct slice *labels);

/* A script is about to run over these records: at most SIGHT_BLOCK. `slots` are theirs. */
void sight_ahead(struct script *s, struct record *const *records, const uint16_t *slots, uint32_t count);

#endif
