/* The k largest sums by label values, in bounded memory. */
#ifndef MOONGATE_METRICS_TOPK_H
#define MOONGATE_METRICS_TOPK_H

#include "metrics/internal.h"

/* Room in the heap for one more entry. 0 or -ENOMEM. */
int topk_reserve(struct metric *m);
void topk_deinit(struct metric *m);

/* Enters a series (not the overflow series) into the heap, which has room; its row was filled before. For new entries
 * and checkpoints. */
void topk_push(struct metric *m, uint32_t number);

#endif
