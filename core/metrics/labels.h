/* Label values as keys and as text.
 *
 * A key is what a series is found by: for each label in the family's order the value's length (two bytes,
 * little-endian) and its bytes, which are valid UTF-8 of at most METRIC_LABEL_VALUE_MAX bytes. Two different lists of
 * values never give the same key. */
#ifndef MOONGATE_METRICS_LABELS_H
#define MOONGATE_METRICS_LABELS_H

#include "base/hash.h"
#include "base/utf8.h"
#include "metrics/internal.h"

/* The key of the overflow series. No list of values has it: a value is never 65,535 bytes long. */
#define OVERFLOW_KEY SLICE("\xff\xff")

/* The hash that a list of values is found by. Each value's hash, which covers its length, seeds the next one's. */
static inline uint64_t values_hash(const struct slice *values, uint32_t count, uint64_t seed)
{
	for (uint32_t i = 0; i < count; i++)
		seed = hash_bytes(values[i].ptr, values[i].len, seed);
	return seed;
}

/* Is `key`, a valid one of `count` values, the key of these? */
static inline bool key_is(const char *key, const struct slice *values, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		size_t len = (unsigned char)key[0] | (size_t)(unsigned char)key[1] << 8;
		if (len != values[i].len || !bytes_same(key + 2, values[i].ptr, len))
			return false;
		key += 2 + len;
	}
	return true;
}

/* Takes a valid key apart into its `count` values. */
void key_values(struct slice key, struct slice *values, uint32_t count);

/* Writes the key of values of any length and content: bytes that are not UTF-8 become U+FFFD, long values are cut at a
 * character's end. `to` has room for KEY_MAX bytes. Adds the number of cut values to *cut. Returns the length. */
size_t key_clean(char *to, const struct slice *values, uint32_t count, uint64_t *cut);

/* Is this the key of `count` values (all of them valid UTF-8, not too long, nothing left over)? */
bool key_valid(struct slice key, uint32_t count);

/* The labels of a new series, billed to the registry; NULL when memory is out. */
struct series_labels *labels_new(struct registry *r, const struct metric_def *def, struct slice key, uint64_t birth,
                                 int64_t created_ns);

#endif
