/* Sums of increments on their way: what OpenTelemetry's delta temporality sends becomes a counter's value before it is journaled, so that a replay adds nothing up.
 *
 * The sum so far is the newest sample of the series in the store. But groups are in flight, whose samples are not there yet: their sums, and the times of all their points, are kept here until they are. Engine thread. */
#ifndef MOONGATE_ENGINE_DELTAS_H
#define MOONGATE_ENGINE_DELTAS_H

#include "record/samples.h"
#include "tsdb/tsdb.h"

struct deltas;

struct deltas *deltas_new(const struct tsdb *store); /* borrowed. NULL: memory is out */
void deltas_free(struct deltas *d);                  /* NULL is allowed */

/* The newest point of a series, stored or in flight. False: it has none. */
bool deltas_newest(const struct deltas *d, uint32_t number, struct sample *out);
/* Is a point of this series with exactly this time in flight? */
bool deltas_has(const struct deltas *d, uint32_t number, int64_t time_ms);
/* `newest`, a point behind all others of its series, is on its way, in the group with this ordinal (rising). 0 or -ENOMEM. */
int deltas_put(struct deltas *d, uint32_t number, const struct sample *newest, uint64_t group);
/* The groups up to this one are applied. */
void deltas_applied(struct deltas *d, uint64_t group);
/* The newest group was given up before it was committed; those before it are still on their way. */
void deltas_given_up(struct deltas *d, uint64_t group);
/* Groups have failed: nothing is on its way any more. */
void deltas_failed(struct deltas *d);

#endif
