/* The labels of a target and those of what it answers, made one set by Prometheus's rules. Private to scrape/. */
#ifndef MOONGATE_SCRAPE_MERGE_H
#define MOONGATE_SCRAPE_MERGE_H

#include "base/buf.h"
#include "record/labels.h"

/* The labels of a target, taken apart once. */
struct merge {
	struct label *labels; /* by rising names, in `set`; owned */
	uint32_t count;
	struct slice set; /* canonical; borrowed */
	bool honor_labels;
};

/* `set` is canonical and outlives *m. 0 or -ENOMEM. */
int merge_init(struct merge *m, struct slice set, bool honor_labels);
void merge_deinit(struct merge *m);

/* Appends the canonical set of both. What was scraped may have labels with an empty value (labels_prepare_all): they are absent, but with honor_labels the target's label of that name is, too, which is how a
 * Pushgateway says that a series has no instance. Where both have a label of that name: with honor_labels what was scraped stays; else the target's stays, and what was scraped is called exported_<name>, with as many
 * exported_ as make it a name that neither has, shorter names first. 0; -EINVAL with a sentence when the set is over a bound of labels.h, -ENOMEM; then nothing is appended. */
int merge_labels(const struct merge *m, struct slice scraped, struct buf *out, struct error *err);

#endif
