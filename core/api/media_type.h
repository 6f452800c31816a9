/* A Content-Type, taken apart as RFC 9110 has it: type/subtype, then ;name=value. Case does not matter but in a parameter's value. */
#ifndef MOONGATE_API_MEDIA_TYPE_H
#define MOONGATE_API_MEDIA_TYPE_H

#include <stdbool.h>

#include "base/slice.h"

/* Is it this media type, given in lower case, whatever its parameters? */
bool media_type_is(struct slice content_type, const char *lower);

/* The value of the first parameter of that name, given in lower case, without quotes; an empty slice when there is none. */
struct slice media_type_parameter(struct slice content_type, const char *lower);

#endif
