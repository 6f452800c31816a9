/* Runs a script against the engine, as Prometheus's runner does with its own: see run.c. */
#ifndef PROMQLTEST_RUN_H
#define PROMQLTEST_RUN_H

#include "base/buf.h"
#include "base/error.h"
#include "script.h"

struct run_counts {
	uint32_t passed, failed, skipped;
	uint32_t start_times; /* series whose start times the engine was not given */
};

/* Runs it, adds to the counts, and appends what is to be printed: failures, and with `verbose` a line for every eval. 0; or a load that cannot be, with "file:line: …", -ENOMEM. */
int run_script(const struct script *s, bool verbose, struct run_counts *counts, struct buf *out, struct error *err);

#endif
