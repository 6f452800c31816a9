/* A snapshot's insides, for those who read it: exposition, checkpoint and cursor. Everything here is immutable and for any
 * thread. */
#ifndef MOONGATE_METRICS_SNAPSHOT_H
#define MOONGATE_METRICS_SNAPSHOT_H

#include "metrics/internal.h"

struct chunk_view {
	unsigned char *rows; /* a copy, owned; its states are shared */
	const struct labels_array *labels;
	const struct exemplars_array *exemplars; /* NULL: none */
};

struct family_view {
	const struct metric_meta *meta;
	uint64_t identity;
	uint32_t row_size;
	uint32_t cell_count;
	uint32_t exemplar_slots;
	uint32_t idle_s;
	uint32_t used;             /* series numbers are below */
	bool disordered;           /* numbers do not follow the order of creation */
	struct chunk_view *chunks; /* owned */
	size_t chunk_count;
};

struct metrics_snapshot {
	_Atomic uint32_t refs;
	struct snapshots *snapshots;
	struct snapshot_link link;
	int64_t now_ns;               /* engine time */
	uint32_t now_s;               /* by which series are idle */
	struct family_view *families; /* sorted by name, owned */
	size_t family_count;
};

/* One series of a snapshot. */
struct series_view {
	uint32_t number;
	const struct series_labels *labels;
	const struct series_row *row;
};

/* What a series shows that is neither histogram nor summary. */
double series_value(const struct family_view *f, const struct series_view *v, int64_t now_ns);
/* The quantiles of a summary's series; as many as its definition has. */
void series_quantiles(const struct family_view *f, const struct series_view *v, int64_t now_ns, double *out);

/* A walk over a family's living series in order of their creation. */
struct series_walk {
	const struct family_view *family;
	uint32_t now_s;
	uint32_t at;
	uint32_t count; /* numbers to visit */
	struct series_age {
		uint64_t birth;
		uint32_t number;
	} * order; /* owned; NULL: numbers as they are */
};

/* 0 or -ENOMEM. walk_end() in any case. */
int walk_begin(struct series_walk *w, const struct metrics_snapshot *s, const struct family_view *f);
/* A walk in the order of their numbers instead: it sorts nothing, and has no end to be made. */
void walk_begin_numbers(struct series_walk *w, const struct metrics_snapshot *s, const struct family_view *f);
bool walk_next(struct series_walk *w, struct series_view *out);
void walk_end(struct series_walk *w);

/* An exemplar of a series, or NULL. */
static inline const struct exemplar *view_exemplar(const struct family_view *f, uint32_t number, uint32_t slot)
{
	const struct exemplars_array *a = f->chunks[number >> CHUNK_BITS].exemplars;

	return a == NULL ? NULL : a->items[(size_t)(number & (CHUNK_SERIES - 1)) * f->exemplar_slots + slot];
}

#endif
