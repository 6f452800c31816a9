/* The live metrics' way into the history: at each tick, a multiple of `store.resolution` since the epoch by the engine's clock, every series that the registry shows gets a sample.
 *
 *   registry ──snapshot, before the first frame at or behind the tick is applied──▶ ticker ──a slice a call──▶ store
 *
 * What is stored follows from the snapshots and the ticks alone, so that a replay stores the same again; what is there already then counts as known, and is no error.
 *
 * A series' beginning: a counter, a histogram, and count and sum of a summary that were made since the tick before get a zero one resolution before their first sample, where the store has nothing as new of them, so that increase() sees
 * the first increment. A series' end: one that a tick of this process saw and a later one does not (idle, removed with its metric, made anew with other labels) gets a stale marker at that one. So does one that a checkpoint has (ticker_resume) and the first tick after
 * a start does not see. What was removed, not idle alone, in the few seconds between a tick and a checkpoint behind it gets none where the process ends before its next tick: who looks at it sees it end after PromQL's five minutes of looking back. To find it one would have to keep what the registry showed beside every checkpoint.
 *
 * Their exemplars go into the store's ring, and what the scripts say of their metrics is its metadata.
 *
 * The store's series are found by labels once; from then on a place for each series of the registry, by its number, knows their numbers: 16 bytes for a counter.
 *
 * Everything belongs to the engine thread. */
#ifndef MOONGATE_ENGINE_TICK_H
#define MOONGATE_ENGINE_TICK_H

#include <stdbool.h>
#include <stdint.h>

#include "metrics/metrics.h"
#include "tsdb/tsdb.h"

struct ticker;

/* The store is borrowed; the resolution is a whole number of milliseconds. NULL: memory is out. */
struct ticker *ticker_new(struct tsdb *store, int64_t resolution_ns);
/* NULL is allowed; a tick that is going on ends where it is. */
void ticker_free(struct ticker *tk);

/* The tick that was the last one at this time. */
int64_t ticker_last(const struct ticker *tk, int64_t now_ns);

/* After a checkpoint was loaded, with the engine's clock of its moment: the ticks up to then have been. (Otherwise what was made before the first tick, but not within one resolution before it, is taken for old.) `s` is what the registry showed at the last of them, as far as it
 * is known: these series are remembered as if that tick had seen them. Takes over the reference. 0; -ENOMEM: of some of them the end will not be seen. */
int ticker_resume(struct ticker *tk, int64_t now_ns, struct metrics_snapshot *s);

/* Has the clock reached a tick that has not been? The latest one: those that it has jumped over are left out. */
bool ticker_due(const struct ticker *tk, int64_t now_ns, int64_t *tick_ns);

/* Begins a tick with the registry's state at it; takes over the reference. What is left of a tick that is going on is left out, and counted (`cut`): whoever cares runs it to its end before. So it is before a checkpoint is cut, since a
 * replay from there does not come to this tick again. */
void ticker_begin(struct ticker *tk, struct metrics_snapshot *s, int64_t tick_ns);

/* Is a tick going on? */
bool ticker_pending(const struct ticker *tk);

enum { TICKER_WHOLE = 2000 };

/* Goes on with it, in one batch of the store, until so many series of the store have a sample: a histogram's series is as many as it has values. The values of one series are always in the same batch, and so is a whole family that has at
 * most TICKER_WHOLE of them, by which a call may go over what was asked. Between batches. 1: more is left; 0: the tick is done, or there was none; -ENOMEM: as 1, and what memory did not suffice for is tried again by the next call. */
int ticker_run(struct ticker *tk, uint32_t max_series);

/* Since the start. */
struct ticker_stats {
	uint64_t ticks;         /* begun */
	uint64_t cut;           /* of them not run to their end */
	uint64_t samples;       /* stored; of them: */
	uint64_t zeros, stales; /* beginnings and ends of series */
	uint64_t known;         /* that the store had, or that lie before what it takes: they come again in a replay */
	uint64_t conflicts;     /* not stored: it had another value at the tick, from somebody else */
	uint64_t refused;       /* not stored for another reason: too new, too many out of order */
	uint64_t no_room;       /* not stored: it takes no more series, in all or of this metric */
	uint64_t series;        /* of the registry that have a place, now */
	uint64_t bytes;         /* of memory, now */
};
void ticker_stats(const struct ticker *tk, struct ticker_stats *out);

#endif
