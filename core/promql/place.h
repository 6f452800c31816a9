/* Where limit_ratio finds a series. Private to this folder. */
#ifndef MOONGATE_PROMQL_PLACE_H
#define MOONGATE_PROMQL_PLACE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

/* XXH64 with seed 0: the hash of Prometheus's label sets. */
uint64_t place_hash(const void *bytes, size_t len);

/* A number from 0 to 1 that follows from the labels alone, and is the one that Prometheus finds them at: its sets are names and values in order, each behind its length, one byte or 255 and three. `room` is for those bytes; -1: it has no memory. */
double place_of(struct slice labels, struct buf *room);

#endif
