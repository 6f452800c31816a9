/* Metadata by metric. Private to the store; what it promises is in tsdb.h. Only the writer changes it, under a lock that others take to copy its pointers; what was said of a metric does not change, but is replaced, and freed when nobody
 * who copied pointers is inside any more (epoch.h). A metric is never forgotten: who names metrics without end is refused. */
#ifndef MOONGATE_TSDB_METADATA_H
#define MOONGATE_TSDB_METADATA_H

#include "base/epoch.h"
#include "base/table.h"
#include "base/thread.h"
#include "tsdb/tsdb.h"

struct kept_metadata {
	struct sample_metadata m; /* its slices lie behind */
	char text[];
};

struct metadata {
	struct epochs *epochs; /* borrowed */
	struct mutex lock;
	struct kept_metadata **items; /* owned, in the order in which they came */
	uint32_t count;
	size_t cap;
	struct table table; /* of items, by the hash of the name */
	uint64_t bytes;     /* of names, helps and units */
	uint64_t refused;
};

/* In place. */
void metadata_init(struct metadata *m, struct epochs *epochs);
/* No reader is inside. */
void metadata_deinit(struct metadata *m);

/* The writer's. As tsdb_metadata_put. */
int metadata_put(struct metadata *m, const struct sample_metadata *s);

/* The writer's. As tsdb_metadata_admit. */
int metadata_admit(struct metadata *m, const struct sample_metadata *s);

/* All of one moment, rising by name. Any thread, which is inside the epochs until metadata_copy_deinit. */
struct metadata_copy {
	const struct kept_metadata **items; /* owned */
	uint32_t count;
};
/* 0 or -ENOMEM. */
int metadata_copy(struct metadata *m, struct metadata_copy *out);
void metadata_copy_sort(struct metadata_copy *c);
void metadata_copy_deinit(struct metadata_copy *c);

#endif
