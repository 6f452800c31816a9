/* The pen of both text formats, for this folder. */
#ifndef MOONGATE_METRICS_EXPOSITION_H
#define MOONGATE_METRICS_EXPOSITION_H

#include "metrics/metrics.h"

/* The # lines of a family. `name` as the format has it. */
void exposition_comments(struct buf *out, enum exposition_format format, struct slice name, enum metric_type type,
                         struct slice unit, struct slice help);

/* A bound or quantile as a label value: OpenMetrics wants "10.0" where the text format has "10". */
void exposition_bound(struct buf *out, enum exposition_format format, double v);

/* Seconds with milliseconds. */
void exposition_seconds(struct buf *out, int64_t ns);

/* A label value between its quotes. */
void exposition_escape(struct buf *out, struct slice value);

#endif
