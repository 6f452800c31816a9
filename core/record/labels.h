/* A label set: what names a series. Kept in one canonical encoding, so that equal sets are equal bytes: they are hashed, compared and copied without being taken apart.
 *
 * The encoding is that of the repeated field `labels` of a TimeSeries in Prometheus's remote_write 1.0, with the freedom that protobuf leaves taken away: for each label, in
 * rising byte order of the names, no name twice, no empty name or value,
 *
 *   0x0a varint(pair)   0x0a varint(name) name   0x12 varint(value) value
 *
 * all varints in their shortest form. Senders write just this, so that their bytes are taken as they are. The metric's name is the label `__name__`. Names and values are UTF-8 (Prometheus 3:
 * any UTF-8 may stand in a name); a value may hold NUL. An empty set is no bytes.
 *
 * Everything here may be called on any thread. */
#ifndef MOONGATE_RECORD_LABELS_H
#define MOONGATE_RECORD_LABELS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

enum {
	LABELS_MAX = 128,             /* labels of a set */
	LABEL_NAME_BYTES_MAX = 1024,  /* of a name */
	LABEL_VALUE_BYTES_MAX = 4096, /* of a value */
	LABELS_BYTES_MAX = 64 * 1024  /* of a whole set, encoded */
};

#define LABEL_METRIC_NAME SLICE("__name__")

struct label {
	struct slice name, value;
};

/* Takes the next label off an encoded set. False: there is none left. The set is canonical (labels_check); else what is read is not defined but within its bytes.
 *
 *   struct slice rest = labels;
 *   for (struct label l; labels_next(&rest, &l);) */
bool labels_next(struct slice *rest, struct label *out);

/* The value of a label; empty when the set has none of that name. */
struct slice labels_get(struct slice labels, struct slice name);

/* What labels_take found. */
struct labels_found {
	struct slice labels;      /* the set, in the bytes that were given */
	struct slice metric_name; /* the value of `__name__`; empty when the set has none */
	uint32_t count;           /* labels */
};

/* Takes a set off the front of *from: all labels up to the first byte that begins none (0x0a does). False, with nothing taken, when they are not canonical or past a bound. For decoders, which find
 * the set in front of other fields: one pass, no allocation. */
bool labels_take(struct slice *from, struct labels_found *out);

/* Is this the canonical encoding of a set within the bounds above? 0; -EINVAL with a sentence (not UTF-8, empty or repeated name, a bound, …), also where the same labels would only have to be
 * put in order: labels_canonical does that. `count` may be NULL. */
int labels_check(struct slice labels, uint32_t *count, struct error *err);

/* Makes *count labels fit to be a set: leaves out those with an empty value, which are the same as absent, sorts the others by name, and checks all that labels_check does. `utf8`: the caller knows
 * that names and values are UTF-8. 0, or -EINVAL with a sentence. */
int labels_prepare(struct label *labels, uint32_t *count, bool utf8, struct error *err);

/* The same, but an empty value stays: what labels_write makes of the labels is no set yet, and only labels_next may be used on it. For who will merge them with others, where an empty value says
 * that there is to be no such label. */
int labels_prepare_all(struct label *labels, uint32_t *count, bool utf8, struct error *err);

/* The length of the encoding of prepared labels, and the writing of it; returns its end. */
size_t labels_size(const struct label *labels, uint32_t count);
char *labels_write(char *to, const struct label *labels, uint32_t count);

/* Appends the canonical encoding of `count` labels, prepared by this call. 0; -EINVAL with a sentence or -ENOMEM with nothing appended. */
int labels_canonical(struct label *labels, uint32_t count, struct buf *out, struct error *err);

/* The hash of a set (hash_bytes with the process's seed). */
uint64_t labels_hash(struct slice labels);

/* Order: label by label, names before values, by bytes; a set that is the beginning of another comes first. That of Prometheus's labels.Compare. Negative, 0, positive. */
int labels_compare(struct slice a, struct slice b);

/* Appends a series as PromQL would have it: name{a="b", c="d"}, the metric's name before its labels; names that are no legacy names are quoted, {"my.metric", "a.b"="c"}. Backslash, quote and line end
 * are escaped. An empty set is {}. */
void labels_text(struct slice labels, struct buf *out);

/* The parts of it: a value with its quotes, escaped; a label's name, quoted where it has to be. */
void label_value_text(struct slice value, struct buf *out);
void label_name_text(struct slice name, struct buf *out);

#endif
