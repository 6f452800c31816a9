/* Words for status codes. */
#ifndef MOONGATE_NET_STATUS_H
#define MOONGATE_NET_STATUS_H

#include "base/buf.h"

/* "Not Found"; "Status" for a code that has no name here. */
const char *status_reason(int status);

/* "not_found": the word that programs look at in an error's JSON. */
const char *status_code(int status);

/* {"error":{"code":"…","message":"…"}}, with further members behind the error: JSON without its braces, or NULL. */
void status_json(struct buf *out, int status, struct slice message, const char *members);

#endif
