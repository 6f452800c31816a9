/* What the loading of a checkpoint needs of the registry besides internal.h. */
#ifndef MOONGATE_METRICS_REGISTRY_H
#define MOONGATE_METRICS_REGISTRY_H

#include "metrics/internal.h"

/* Removes all families. */
void registry_clear(struct registry *r);

/* Makes a family of a checked definition, which waits for registry_install_pending; NULL when memory is out. */
struct metric *registry_add_pending(struct registry *r, const struct metric_def *def);

/* Puts the waiting families among the others, in place of those of the same name. */
void registry_install_pending(struct registry *r);

#endif
