/* Trying scripts out over events, without journal, disk or network: what `moongate check` does after it has loaded them. */
#ifndef MOONGATE_CLI_REHEARSE_H
#define MOONGATE_CLI_REHEARSE_H

#include "base/error.h"
#include "config/config.h"
#include "metrics/metrics.h"
#include "script/script.h"

/* What was found wrong: one line each, printed as found. */
struct rehearsal {
	const struct config *config;
	const char *events; /* a file of events as POST /v1/events takes them; NULL: some of `moongate demo`'s */
	uint32_t count;     /* of events that were run */
	uint32_t faults;    /* different ones */
	uint64_t known[20]; /* hashes of those; later ones are not looked at */
};

/* For the host's options: strict events, and their callbacks with the rehearsal as context. Handlers are made for their senders' events, so that of the demo's
 * only a wrong use of `ev` counts as a mistake; of given ones everything that fails. */
void rehearsal_options(struct rehearsal *r, struct script_options *options);

/* Runs the events through filters and handlers, and each timer at least once. 0; or a negative errno with a sentence when there are no events to run. */
int rehearsal_run(struct rehearsal *r, struct script_set *set, struct registry *registry, struct error *err);

#endif
