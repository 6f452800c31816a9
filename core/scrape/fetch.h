/* Asking targets over HTTP: libcurl's multi interface, driven by the scraper's thread. Private to scrape/.
 *
 * HTTP/1.1 over connections that are kept; no proxy of the environment, no cookies, no .netrc; redirects, at most ten, go to http and https alone, and take a job's credentials to its own host only (but its headers everywhere, as Prometheus does). */
#ifndef MOONGATE_SCRAPE_FETCH_H
#define MOONGATE_SCRAPE_FETCH_H

#include "ingest/ingest.h"
#include "scrape/target.h"

struct fetcher;

/* `bodies_bytes`: what the bodies of all answers in flight may take together; `asked_max`: targets that are asked at the same time, and connections, those that are kept included. NULL with a sentence. */
struct fetcher *fetcher_new(uint64_t bodies_bytes, uint32_t asked_max, struct error *err);
/* Ends what is in flight. NULL is allowed. */
void fetcher_free(struct fetcher *f);

/* May one more target be asked now? */
bool fetcher_has_room(const struct fetcher *f);

/* Asks a target, for which there is room; it is TARGET_ASKED until fetcher_next gives it back, or fetch_cancel was called. False: it could not be asked, which t->round says. */
bool fetch_begin(struct fetcher *f, struct target *t);

/* Drops the answer. */
void fetch_cancel(struct fetcher *f, struct target *t);

/* Waits until there is something to do, at most `ms`, or until somebody calls fetcher_wake; then does all that can be done without waiting. */
void fetcher_work(struct fetcher *f, int ms);
/* Any thread. */
void fetcher_wake(struct fetcher *f);

/* An answer. */
struct fetched {
	struct target *target; /* its round has failed, or else */
	struct buf body;       /* it is here, with INGEST_PADDING zeros behind it; the caller's */
	enum ingest_text format;
};
/* The next target whose answer is there, or that failed. False: there is none now. */
bool fetcher_next(struct fetcher *f, struct fetched *out);

/* Of bodies, inflated, since the beginning. */
uint64_t fetcher_received(const struct fetcher *f);

#endif
