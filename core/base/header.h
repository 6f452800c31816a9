/* Values of HTTP's headers, taken apart as RFC 9110 has them: words, lists, parameters, media types. Escapes in quoted texts are left as they are. */
#ifndef MOONGATE_BASE_HEADER_H
#define MOONGATE_BASE_HEADER_H

#include <stdbool.h>

#include "base/slice.h"

/* Without spaces and tabs at both ends. */
struct slice header_trim(struct slice s);

/* Are they the same word, and is it this one? The case of ASCII's letters does not matter. */
bool header_same(struct slice a, struct slice b);
bool header_is(struct slice s, const char *word);

/* Takes what stands before the next separator outside of quotes off *rest, with the separator; trimmed. */
struct slice header_cut(struct slice *rest, char separator);

/* Takes the next parameter, name=value, off what lies behind a `;`; the value without quotes, empty where there is none. False: nothing is left. */
bool header_parameter(struct slice *rest, struct slice *name, struct slice *value);

/* Has a Content-Type this media type, given in lower case, whatever its parameters? */
bool media_type_is(struct slice content_type, const char *lower);

/* The value of its first parameter of that name, given in lower case, without quotes; an empty slice when there is none. */
struct slice media_type_parameter(struct slice content_type, const char *lower);

#endif
