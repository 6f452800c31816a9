/* An open trace: growing arrays, and an index that keeps names, texts, resources and scopes from being there twice. All but the links of the tree is as it will be in the finished piece.
 *
 * What has been added is not changed any more but by annotations (`edits`), so that a reader may copy the first items of the arrays piecemeal, between what the writer adds. */
#ifndef MOONGATE_TRACES_BUILDER_H
#define MOONGATE_TRACES_BUILDER_H

#include "base/table.h"
#include "record/record.h"
#include "traces/parts.h"

enum { SHAPES_KEPT = 4 };

/* The cells that a shape of attributes has become lately: their keys are those of the next ones. */
struct shape_memo {
	uint64_t serial; /* of the batch, as in `struct seen_object` */
	uint32_t shape, first;
};

/* The object that a resource or scope was last: spans that came together share it. */
struct seen_object {
	uint64_t serial; /* of the call in which it was seen: later it may be another one at the same place */
	const struct object *object;
	struct slice url;
	uint32_t number;
};

struct builder {
	uint8_t id[16];
	uint32_t entry; /* in the table of traces */
	uint32_t marks; /* enum trace_mark */
	uint32_t edits; /* how often something that was there has been changed: by annotations, as it closes */
	struct parts parts;
	struct part texts;     /* struct trace_text: those that the index has */
	struct part hashes[2]; /* uint64_t: of resources and scopes */
	struct table index;
	struct shape_memo shapes[SHAPES_KEPT];
	struct seen_object resource, scope;
	size_t bytes; /* allocated for all of it, this struct included */

	uint64_t number; /* rising from one that is opened to the next */
	uint64_t first_seq,
	    late_seq;              /* the frames of its oldest span, and of the first that is late (UINT64_MAX: none) */
	int64_t first_ns, last_ns; /* when the first span came, since it was opened, and the last one */
	int64_t retry_ns;          /* it could not be closed: not before. INT64_MIN: it was not tried */
	uint32_t records;          /* that spans were made of, over all times that it was open */
	bool was_dropped;          /* what is here came late: it is to go, too */
	bool has_root;             /* a span without parent, or with a remote one, has come */
	bool has_event;            /* a JSON event that stands for a span below another has come */
	uint32_t rootless_at;      /* with so many spans none of the events was a root */

	struct builder *older, *newer; /* in the order of `number` */
	uint32_t heap_at, open_at;
	int64_t heap_due_ns; /* at or before when it is due */
};

/* NULL: memory is out. */
struct builder *builder_new(const uint8_t id[16]);
void builder_free(struct builder *b);
/* Makes it as a new one of another trace, with the memory that it has. */
void builder_reuse(struct builder *b, const uint8_t id[16]);

/* Room for `count` more items of a part, uninitialised and counted; NULL: memory is out, or the trace would be too large. */
void *builder_room(struct builder *b, enum part_kind kind, uint32_t count);

/* A text, added where the trace does not have it. 0, -ENOMEM. */
int builder_text(struct builder *b, struct slice s, struct trace_text *out);
/* The number of a key; `hash`: hash_bytes(name, hash_seed()). 0, -ENOMEM. */
int builder_key(struct builder *b, struct slice name, uint64_t hash, uint32_t *out);
/* A value as a cell; what is below it is added. 0, -ENOMEM. */
int builder_cell(struct builder *b, const struct batch *batch, const struct value *v, uint32_t key,
                 struct trace_cell *out);
/* The fields of an object as a run of cells; `serial` says which batch it is, among those of one call. 0, -ENOMEM. */
int builder_attributes(struct builder *b, const struct batch *batch, const struct object *o, uint64_t serial,
                       struct trace_run *out);
/* The number of a resource or scope; the object may be NULL. `serial` as in struct seen_object. 0, -ENOMEM. */
int builder_resource(struct builder *b, const struct batch *batch, const struct object *o, struct slice url,
                     uint64_t serial, uint32_t *out);
int builder_scope(struct builder *b, const struct batch *batch, const struct object *o, struct slice url,
                  uint64_t serial, uint32_t *out);

/* What the arrays held at a moment: what was added since is taken back where a span could not be added whole. Keys and texts stay. */
struct builder_mark {
	uint32_t counts[PARTS];
};
struct builder_mark builder_mark(const struct builder *b);
void builder_rewind(struct builder *b, const struct builder_mark *m);

/* Fills an empty builder with what a closed trace holds: none of its spans is late any more. 0, -ENOMEM. */
int builder_reopen(struct builder *b, const struct trace *t);

/* Adds an attribute to a span, or changes it. 0, -ENOMEM. */
int builder_annotate(struct builder *b, uint32_t span, struct slice name, const struct value *v);

#endif
