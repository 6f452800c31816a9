/* Private to postings.c and select.c. */
#ifndef MOONGATE_TSDB_MERGE_H
#define MOONGATE_TSDB_MERGE_H

#include "tsdb/postings.h"

/* Room for `count` of something of `size` bytes; NULL is out of memory, also where none are wanted. */
static inline void *merge_room(struct arena *arena, uint64_t count, size_t size)
{
	return arena_alloc(arena, (count != 0 ? count : 1) * size);
}

/* Intersection and difference into room that the caller has, for as many numbers as the shorter list has, or `from`. `to` may be where one of the lists lies. The numbers of the result. */
uint32_t merge_intersect(uint32_t *to, struct postings a, struct postings b);
uint32_t merge_subtract(uint32_t *to, struct postings from, struct postings without);

#endif
