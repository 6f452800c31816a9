/* From the hash of label values to the number of a series. One table, that becomes sixteen when it has grown large: a
 * single table of a million entries would stop the writer for 15 to 70 ms when it doubles, a sixteenth of it for one
 * or two. The upper four bits of the lower half of the hash, the half that base/table.h keeps, choose the part. */
#ifndef MOONGATE_METRICS_INDEX_H
#define MOONGATE_METRICS_INDEX_H

#include "base/table.h"

enum {
	INDEX_PART_BITS = 4,
	INDEX_PARTS = 1 << INDEX_PART_BITS,
	INDEX_SPLIT = 49152 /* entries at which the table is split: when it would next double */
};

struct series_index {
	struct table *parts; /* `one`, or INDEX_PARTS owned ones */
	struct table one;
	uint32_t shift; /* of the lower half of a hash to the number of its part: 32 or 28 */
};

/* An empty index, in place: it must not be moved. */
void index_init(struct series_index *ix);
void index_deinit(struct series_index *ix);

/* Adds a number that is not there. 0, or -ENOMEM with nothing changed. */
int index_add(struct series_index *ix, uint64_t hash, uint32_t number);

/* Removes a number that was added with this hash; returns whether it was there. */
bool index_remove(struct series_index *ix, uint64_t hash, uint32_t number);

/* Memory in use. */
uint64_t index_bytes(const struct series_index *ix);

/* The part that a hash belongs to. */
static inline struct table *index_part(const struct series_index *ix, uint64_t hash)
{
	return &ix->parts[(hash & UINT32_MAX) >> ix->shift];
}

#endif
