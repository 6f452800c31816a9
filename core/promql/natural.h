/* The order in which people expect numbers within text. Private to this folder. */
#ifndef MOONGATE_PROMQL_NATURAL_H
#define MOONGATE_PROMQL_NATURAL_H

#include "base/slice.h"

/* Runs of digits are compared as numbers, what is between them by bytes: "a2" before "a10". Of texts that are the same so far the one that ends comes first; "01" and "1" are the same. Negative, 0, positive. */
int natural_compare(struct slice a, struct slice b);

#endif
