/* Inflating bodies, within bounds of memory and of time at a stretch. */
#ifndef MOONGATE_NET_INFLATE_H
#define MOONGATE_NET_INFLATE_H

#include "base/slice.h"
#include "net/body.h"
#include "net/head.h"

enum encoding { ENCODING_IDENTITY, ENCODING_GZIP, ENCODING_ZSTD, ENCODING_SNAPPY, ENCODING_UNKNOWN };

/* What a Content-Encoding means. One coding; "x-gzip" is gzip, an empty value identity; "snappy" is its block format, as remote_write has it. */
enum encoding encoding_parse(struct slice value);

struct inflater;

enum inflated { INFLATE_MORE, INFLATE_DONE, INFLATE_REFUSED };

/* A reusable inflater of gzip, zstd or snappy; NULL when memory is out. One thread at a time. */
struct inflater *inflater_new(enum encoding encoding);
void inflater_free(struct inflater *f);

/* Is it small enough to be kept for another body? */
bool inflater_is_small(const struct inflater *f);

/* Begins with the bytes of `in`, which stays the caller's and must not change until the end. At most `limit` bytes come out. */
void inflater_begin(struct inflater *f, struct slice in, uint64_t limit, struct budget *budget);

/* Goes on until about `step` more bytes are inflated. INFLATE_DONE: inflater_take has the body. INFLATE_REFUSED: with a refusal. */
enum inflated inflater_run(struct inflater *f, size_t step, struct refusal *no);

/* Hands over the inflated body, finished, its memory on the budget. */
struct body inflater_take(struct inflater *f);

/* Forgets everything of the last body. */
void inflater_end(struct inflater *f);

#endif
