/* What a scrape came to, made samples: those of the answer under the labels of the target, stale markers for series that have gone, and the reports on the scrape itself. No I/O. Private to scrape/. */
#ifndef MOONGATE_SCRAPE_COLLECT_H
#define MOONGATE_SCRAPE_COLLECT_H

#include "ingest/ingest.h"
#include "scrape/target.h"

/* The round has failed: with what, and why. */
void round_fail(struct scrape_round *r, enum scrape_result result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The format that a body of this Content-Type is in; a missing one is the text format. False: neither. */
bool collect_format(const char *content_type, enum ingest_text *out);

/* Fills the empty batch `b` with what the scrape t->round came to. Its body, which the batch owns, is the answer, of which `body` is what is to be read (INGEST_PADDING bytes are readable behind it), unless the
 * round has failed already; a body that cannot be taken fails it. Then, as with Prometheus, all series of the target have gone, and `up` is 0. The batch points into t->series, until that is settled.
 * 0; -ENOMEM: nothing can be handed over, and t->series is to be settled as not taken. */
int collect(struct target *t, struct slice body, enum ingest_text format, struct sample_batch *b);

/* Fills the empty batch with the end of a target: stale markers for its series and its reports, at at_ms. 0 or -ENOMEM. */
int collect_end(struct target *t, int64_t at_ms, struct sample_batch *b);

#endif
