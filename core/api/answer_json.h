/* What the answers of Prometheus's API are made of. */
#ifndef MOONGATE_API_ANSWER_JSON_H
#define MOONGATE_API_ANSWER_JSON_H

#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

/* A label set as an object. */
void put_labels(struct buf *out, struct slice labels);

/* A value, which is a text, since JSON has no NaN and no infinity: "0.5", "1e-7", "NaN", "+Inf". */
void put_value_text(struct buf *out, double v);

/* A time as seconds: 1700000000, 1700000000.500. */
void put_time(struct buf *out, int64_t ms);

#endif
