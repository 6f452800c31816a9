/* A target: what is asked, how often, and what is remembered of it. Private to scrape/. */
#ifndef MOONGATE_SCRAPE_TARGET_H
#define MOONGATE_SCRAPE_TARGET_H

#include "base/buf.h"
#include "scrape/merge.h"
#include "scrape/scrape.h"
#include "scrape/seen.h"
#include "scrape/target_file.h"

/* The series about a scrape. */
enum report {
	REPORT_UP,
	REPORT_DURATION,
	REPORT_SAMPLES,   /* that it answered */
	REPORT_REMAINING, /* of these, what was handed over */
	REPORT_ADDED,     /* series that were not there last time */
	REPORTS
};

struct fetch;

/* A scrape on its way. */
struct scrape_round {
	int64_t at_ms;         /* the time of its samples */
	int64_t began_wall_ns; /* when it began, of the two clocks */
	int64_t began_ns;
	int64_t duration_ns;
	enum scrape_result result;
	char error[512];        /* why it is not SCRAPE_OK, or "" */
	uint64_t answered;      /* samples */
	uint64_t remaining;     /* samples of these that were handed over */
	uint64_t stale;         /* markers that were */
	uint64_t rejected;      /* lines that no series can be made of */
	char rejected_why[160]; /* of the first */
};

struct target {
	/* What it is. Never changed. */
	const struct config_scrape *job; /* borrowed */
	char *address, *url;
	struct buf set; /* the labels of all its series, canonical */
	struct merge merge;
	struct buf identity; /* two targets of the same are one */
	uint64_t hash;       /* of that, the same in every process */
	int64_t interval_ns, timeout_ns;
	struct buf report_labels; /* the label sets of its reports, one behind the other */
	struct {
		struct slice labels;
		uint64_t hash;
	} reports[REPORTS];

	/* The scraper's thread's. */
	int64_t due_ns;      /* of the monotonic clock */
	int64_t due_wall_ns; /* the same of the wall clock, as it was foreseen */
	size_t place;        /* in the schedule */
	enum target_state { TARGET_RESTS, TARGET_ASKED, TARGET_HANDED_OVER } state;
	bool wanted;         /* it is among those that there should be; for whoever gathers them */
	bool leaving;        /* it is not any more: as soon as it rests, its series are ended */
	bool ending;         /* what is handed over is that end */
	bool reported;       /* `up` and its kin were taken */
	struct target *next; /* that leaves */
	struct seen series;
	struct fetch *fetch; /* while it is asked */
	struct sample_batch *batch;
	struct scrape_round round; /* while it is asked or handed over */

	/* Under the scraper's lock. */
	struct scrape *owner;
	struct target *next_settled;
	struct {
		int status;
		uint64_t refused;
		char why[160];
	} outcome;
	enum scrape_health health;
	bool refused;        /* something of its last scrape was, and the log says so */
	uint32_t remembered; /* series */
	char error[512];
	int64_t last_ns, last_duration_ns;
	uint64_t last_samples;
};

/* A target of a job: its address, and labels of its group in a file. Labels that begin with __ are for the scraper: __scheme__, __metrics_path__, __param_<name>, __scrape_interval__ and __scrape_timeout__ are
 * taken in place of the job's, others are dropped, as Prometheus does. NULL with a sentence; err->code is -EINVAL or -ENOMEM. */
struct target *target_new(const struct config_scrape *job, const char *address, const struct target_file_label *labels,
                          uint32_t label_count, struct error *err);

/* Frees a target that is neither asked nor handed over; NULL is allowed. */
void target_free(struct target *t);

#endif
