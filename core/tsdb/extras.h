/* What the store keeps beside samples: exemplars and metadata, and the section of a checkpoint that they are saved in. Private to the store; what it promises is in tsdb.h. */
#ifndef MOONGATE_TSDB_EXTRAS_H
#define MOONGATE_TSDB_EXTRAS_H

#include "tsdb/exemplars.h"
#include "tsdb/metadata.h"

struct extras {
	struct epochs epochs;
	struct exemplars exemplars;
	struct metadata metadata;
};

/* In place. */
void extras_init(struct extras *x, uint32_t max_exemplars);
/* No reader is inside. */
void extras_deinit(struct extras *x);

/* Frees what no reader sees any more. The writer's; cheap. */
void extras_collect(struct extras *x);

/* Both at one moment; one cut at a time, which no reader keeps out. Any thread. */
struct extras_cut {
	struct extras *of; /* NULL: there is none */
	int place;         /* among the epochs' readers */
	struct exemplars_copy exemplars;
	struct metadata_copy metadata;
};
/* 0 or -ENOMEM. */
int extras_cut(struct extras *x, struct extras_cut *out);
void extras_cut_deinit(struct extras_cut *c);

/* extras_save.c; as tsdb_cut_extras and tsdb_load_extras. */
int extras_save(const struct extras_cut *c, struct buf *out);
int extras_load(struct extras *x, struct slice saved, struct error *err);

void extras_stats(const struct extras *x, struct tsdb_stats *out);

#endif
