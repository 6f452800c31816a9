/* Scraping: asks targets for their metrics, each once an interval, and hands what they answer over as samples, as Prometheus does: the labels of the target beside those of the series, `up` and its kin
 * for every scrape, a stale marker for a series that was there last time and is not any more.
 *
 *   configuration, files of targets → targets → when due: asked (HTTP) → decoded → labels merged → handed over → settled
 *
 * One thread does all of it. Nothing of a scrape is tried again: what failed, or was not taken, is made good by the next one. */
#ifndef MOONGATE_SCRAPE_SCRAPE_H
#define MOONGATE_SCRAPE_SCRAPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"
#include "config/config.h"
#include "record/samples.h"

struct scrape;

/* What became of samples that were handed over. */
struct scrape_outcome {
	int status; /* 0: durable and applied; else a negative errno: nothing of them counts. -EAGAIN: there is no room now */
	uint64_t refused; /* of a status of 0: samples that were not stored, */
	const char
	    *why; /* and why the first of them was not, as a sentence's second half; borrowed for the call, or NULL */
};

/* Whom samples are handed over to. submit borrows the batch (with all that its series point to) until it calls done(token, …), exactly once, on any thread, maybe before it returns.
 * It may not block. Called on the thread of the scraper alone. */
struct scrape_sink {
	void (*submit)(void *ctx, struct sample_batch *samples,
	               void (*done)(void *token, const struct scrape_outcome *outcome), void *token);
	void *ctx;
};

/* A scraper of what config->scrapes says. `config` and the sink's ctx are borrowed for its life. NULL with a sentence. */
struct scrape *scrape_new(const struct config *config, const struct scrape_sink *sink, struct error *err);

/* The open files that its connections may take at most: in the budget of descriptors they are beside those of whoever listens. */
uint32_t scrape_files(const struct scrape *s);

/* Starts the thread; where nothing is to be scraped there is none. 0 or a negative errno with a sentence. */
int scrape_start(struct scrape *s, struct error *err);

/* Ends scrapes in flight, waits for what was handed over, joins the thread. Series are left as they are: like Prometheus at its end, it cannot say that they have gone. The sink must still answer. */
void scrape_stop(struct scrape *s);

/* Frees a stopped scraper, or one that never started; NULL is allowed. */
void scrape_free(struct scrape *s);

/* How a scrape ended. */
enum scrape_result {
	SCRAPE_OK,
	SCRAPE_UNREACHABLE, /* no connection, no TLS, no answer that is HTTP */
	SCRAPE_TIMEOUT,
	SCRAPE_STATUS,    /* not 200 */
	SCRAPE_TOO_LARGE, /* over body_bytes */
	SCRAPE_MALFORMED, /* no metrics in a format that is known */
	SCRAPE_LIMIT,     /* over sample_limit, or what one body may hold */
	SCRAPE_REFUSED,   /* nobody took the samples */
	SCRAPE_RESULTS
};
/* Its name in metrics: "ok", "unreachable", … */
const char *scrape_result_name(enum scrape_result result);

struct scrape_stats {
	uint32_t targets, up;
	uint32_t surplus;                 /* targets that are not scraped: over CONFIG_TARGETS_MAX */
	uint32_t files, broken_files;     /* of targets; a broken one keeps the targets that it had */
	uint64_t scrapes[SCRAPE_RESULTS]; /* ended so */
	uint64_t missed;                  /* not begun: the one before was not over */
	uint64_t samples;                 /* of targets, taken */
	uint64_t refused;                 /* samples that were not taken, while others of the scrape were */
	uint64_t rejected;                /* lines that no series can be made of, likewise */
	uint64_t stale;                   /* stale markers taken */
	uint64_t received_bytes;          /* of bodies, inflated */
	uint64_t series;                  /* remembered: those of each target's last scrape */
};
/* Any thread. */
void scrape_stats(struct scrape *s, struct scrape_stats *out);

/* A target as it is now. */
struct scrape_target {
	const char *job, *address, *url;
	struct slice labels; /* canonical: those that all its series have */
	int64_t interval_ns, timeout_ns;
	enum scrape_health { SCRAPE_UNKNOWN, SCRAPE_UP, SCRAPE_DOWN } health; /* unknown: not scraped yet */
	const char *error;                                                    /* why it is down, or "" */
	int64_t last_ns;     /* when it was scraped last, wall clock; 0: never */
	int64_t duration_ns; /* what that took */
	uint64_t samples;    /* what it answered */
};
/* Calls `each` for every target, in the order of jobs, addresses and labels. What it is given is good for the call; it may not block, nor call the scraper. Any thread. */
void scrape_each_target(struct scrape *s, void (*each)(void *ctx, const struct scrape_target *target), void *ctx);

#endif
