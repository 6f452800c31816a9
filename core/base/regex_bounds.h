/* Private to regex.cc: what a pattern may cost, reckoned before RE2 sees it. */
#ifndef MOONGATE_BASE_REGEX_BOUNDS_H
#define MOONGATE_BASE_REGEX_BOUNDS_H

#include "base/regex.h"

/* Holds a pattern to the bounds. 0 and *copy, the pattern as RE2 takes it (owned by the caller: mem_free); -E2BIG or -EINVAL with a sentence, -ENOMEM. */
int regex_check_bounds(struct slice pattern, enum regex_use use, struct slice *copy, struct error *err);

#endif
