/* Sequences of integers as bytes, for zstd to compress: FORMAT.md, "Integers". Private to columns. */
#ifndef MOONGATE_TSDB_INTS_H
#define MOONGATE_TSDB_INTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum {
	INTS_REST_MAX = 8 /* bytes that a token has behind it at most */
};

/* What a number is foretold by; the rest is coded. The numbers are written to disk. */
enum ints_order {
	INTS_PLAIN = 0,  /* 0 */
	INTS_DELTA = 1,  /* the one before */
	INTS_DELTA2 = 2, /* the one before, and its distance from that before it */
	INTS_RISE = 3,   /* the one before, which is mostly not larger */
	INTS_BESIDE = 4  /* the one before, and the distance of the two that stand beside the two in another sequence */
};

/* Codes `count` numbers: tokens to one buffer, the bytes behind them to another. `beside`, as many numbers, may be NULL unless that is the order. Failures stay in the buffers. */
void ints_encode(const uint64_t *numbers, const uint64_t *beside, uint32_t count, enum ints_order order,
                 struct buf *tokens, struct buf *rest);

/* The order that makes them smallest when nothing stands beside them, by an estimate, which is put into `least` unless that is NULL: in bits. */
enum ints_order ints_choose(const uint64_t *numbers, uint32_t count, uint32_t *least);

/* The same estimate for INTS_BESIDE. */
uint32_t ints_cost_beside(const uint64_t *numbers, const uint64_t *beside, uint32_t count);

/* Bytes that are read. */
struct ints_reader {
	const unsigned char *at, *end;
};

/* The inverse of ints_encode: all tokens, and as many bytes of `rest` as they want. False: that is nothing that ints_encode makes. */
bool ints_decode(struct ints_reader tokens, struct ints_reader *rest, const uint64_t *beside, uint32_t count,
                 enum ints_order order, uint64_t *numbers);

/* Two numbers that follow each other. */
struct ints_pair {
	uint64_t before, at;
};

/* Of `count` numbers those at `index` - 1 and at `index`, 0 where there is none; of INTS_BESIDE what has to be added to the ones beside them. Runs are passed over at once, so that it takes as long as there are tokens, not numbers. Both readers are then behind what was read. Not all is
 * checked that ints_decode checks. False as there. */
bool ints_at(struct ints_reader *tokens, struct ints_reader *rest, uint32_t count, uint32_t index,
             enum ints_order order, struct ints_pair *out);

/* Passes over what tokens want of `rest`. False: it has less. */
bool ints_skip(struct ints_reader tokens, struct ints_reader *rest);

/* Does a token stand for a number (as it is coded) that has eight bytes? */
bool ints_has_widest(struct ints_reader tokens);

#endif
