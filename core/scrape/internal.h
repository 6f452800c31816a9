/* What the scraper's own files share: scrape.c has its life and its figures, run.c its thread, targets.c which targets it has. */
#ifndef MOONGATE_SCRAPE_INTERNAL_H
#define MOONGATE_SCRAPE_INTERNAL_H

#include "base/table.h"
#include "base/thread.h"
#include "scrape/collect.h"
#include "scrape/discover.h"
#include "scrape/due.h"
#include "scrape/fetch.h"
#include "scrape/scrape.h"

struct scrape {
	const struct config *config;
	struct scrape_sink sink;
	struct fetcher *fetcher; /* NULL: there is nothing to be scraped */
	uint32_t asked_max;      /* targets at the same time; 0: there is nothing to be scraped */
	struct discovery *discovery;
	struct thread thread;
	bool started;

	/* `settled` and the outcomes of targets. Apart from `lock`, which is held for as long as ten thousand targets take to be listed: the engine's thread does not wait for that. */
	struct mutex settled_lock;
	struct target *settled; /* whose samples were answered for, newest first */

	struct mutex lock; /* what is below, and what target.h says of targets */
	bool stopping;
	struct target **targets; /* in their order; the thread alone changes it, and reads it without the lock */
	uint32_t count;
	struct scrape_stats stats; /* but for what is counted when it is asked for */

	/* The thread's. */
	struct table table;     /* of the targets, by what they are */
	struct due resting;     /* of these, those that rest */
	struct target *leaving; /* those that are not among them any more */
	uint32_t handed_over;   /* batches that are not answered for */
	struct sample_batch *spare;
	int64_t look_ns;  /* when files are looked at again, of the monotonic clock */
	bool update;      /* there may be other targets */
	bool starved;     /* but no memory for them: the log says so */
	int64_t retry_ns; /* then it is tried again, of the monotonic clock */
};

/* ---- targets.c ---- */

/* Makes the targets those that there should be: new ones are put on the schedule, others leave. 0; -ENOMEM, with everything as it was. */
int scrape_update_targets(struct scrape *s);

/* Puts a target that rests on the schedule, at its next time. */
void scrape_schedule(struct scrape *s, struct target *t);

/* ---- run.c ---- */

void *scrape_run(void *arg);

#endif
