/* How long a gzip body is once inflated, found without inflating it. */
#ifndef MOONGATE_NET_GZIP_LENGTH_H
#define MOONGATE_NET_GZIP_LENGTH_H

#include <stdint.h>

#include "base/slice.h"

enum gzip_length { GZIP_FITS, GZIP_OVER, GZIP_BROKEN };

/* Counts the bytes of all members of `in` into *length, or stops once they are more than `limit`. GZIP_BROKEN: zlib would refuse it too. What fits may still be damaged: checksums are
 * not looked at, for nothing is made that they could be taken of. Takes time linear in the input, whatever it stands for, and some 10 KiB of stack. Any thread. */
enum gzip_length gzip_length(struct slice in, uint64_t limit, uint64_t *length);

#endif
