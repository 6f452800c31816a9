/* What the two files of the remote_write decoder share: its state, and the making of label sets. Private to ingest/. */
#ifndef MOONGATE_INGEST_REMOTE_WRITE_H
#define MOONGATE_INGEST_REMOTE_WRITE_H

#include <errno.h>

#include "ingest/ingest.h"
#include "ingest/protobuf.h"
#include "record/labels.h"

/* The numbers of the fields of a TimeSeries, which the two versions count differently; 0: it has none. */
struct series_fields {
	uint32_t samples, exemplars, histograms;
	uint32_t metadata, created;
};

/* Labels are field 1 of a TimeSeries and of an Exemplar, in both versions. */
enum { FIELD_LABELS = 1 };

/* A Sample as it mostly is: this tag, a double, that tag, a varint. */
enum { TAG_SAMPLE_VALUE = 0x09, TAG_SAMPLE_TIME = 0x10, SAMPLE_TIME_AT = 10 };

struct decoder {
	struct protobuf p;
	enum ingest_remote_write version;
	const struct series_fields *fields;
	struct sample_batch *batch;
	const struct ingest_sample_limits *limits;
	struct ingest_rejects *rejects;
	struct error *err;

	struct slice *symbols; /* of 2.0, in the arena; ptr NULL: not UTF-8 */
	uint32_t symbol_count;
	uint32_t index;          /* of the series at hand */
	uint32_t metadata_index; /* of the metadata at hand, of 1.0 */
	size_t label_bytes;      /* of sets that were written into the arena */

	struct label labels[LABELS_MAX + 1]; /* of the set at hand; one more than fits says that there are too many */
	uint32_t label_count;
	char why[320]; /* the set at hand, or what it belongs to, is refused */
};

/* The body is malformed: keeps the error of a reader of its own. Returns -EINVAL. */
static inline int remote_write_broken(struct decoder *d, const struct protobuf *p)
{
	d->p = *p;
	return -EINVAL;
}

/* Collects the labels of a message (a TimeSeries or Exemplar) wherever they stand in it, puts them in order and writes them into the arena. 1: there it is; 0: the set is refused, `why` says why; negative:
 * the body is, -EINVAL with the error in `p`, -EFBIG, -ENOMEM. */
int remote_write_collect(struct decoder *d, struct slice message, struct labels_found *out);

/* A series of 1.0 whose labels were taken as they stand, and what stands behind them. 1: it was plain, and is in the batch; 0: it is another one, or too much, and nothing was done; or -ENOMEM. */
int remote_write_plain(struct decoder *d, const struct labels_found *set, struct slice rest);

/* A string of 2.0's table; false, with `why` (which names it as `what`), when there is none. */
bool remote_write_symbol(struct decoder *d, uint64_t ref, const char *what, struct slice *out);

#endif
