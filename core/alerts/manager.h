/* The manager's own structures. Everything is under `lock` but what is said otherwise. */
#ifndef MOONGATE_ALERTS_MANAGER_H
#define MOONGATE_ALERTS_MANAGER_H

#include <stdatomic.h>

#include "alerts/rule_set.h"
#include "base/thread.h"

/* A group and when it is due. */
struct scheduled {
	struct rules_group *group; /* owned */
	int64_t interval_ms, shift_ms;
	int64_t due_ms;
	int64_t evaluated_at_ms; /* INT64_MIN: not yet */
	double seconds;          /* of the last evaluation */
	bool restored;           /* it goes on from what an earlier process had found */
};

/* Somebody who wants a reload. */
struct reload_request {
	void (*done)(void *user, int status, const struct error *err);
	void *user;
	struct reload_request *next;
};

struct rules {
	struct rules_options options; /* immutable */
	struct mutex lock;
	struct condition wake;
	struct rule_set *set;
	struct scheduled *groups; /* owned */
	uint32_t count;
	struct reload_request *requests; /* owned, the newest first */
	struct rules_stats stats;        /* what has been counted so far */
	_Atomic bool stopping;

	/* The manager's thread. */
	struct thread thread;
	bool started;               /* under the lock, too */
	struct sample_batch *batch; /* of the rule at work */
	int64_t deadline_ns;        /* monotonic, of the query at work; 0: none */
};

#endif
