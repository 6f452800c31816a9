/* Where keys stand in the text of conf/moongate.lua. Private to config/.
 *
 * A Lua table does not know where its fields were written. For messages the line is found by looking for the key's name, followed by `=`, in the text; comments and strings are
 * skipped, and of a key in a section the section's own line is sought first. */
#ifndef MOONGATE_CONFIG_LINES_H
#define MOONGATE_CONFIG_LINES_H

#include "base/slice.h"

/* The line of a key of the file, "http.body_bytes"; 0 when it cannot be told. */
unsigned line_of_key(struct slice text, const char *key);

/* The line of a key in the `entry`-th table, from 1, of the list of that name: of the key, else of the entry, else of the list; 0 when none can be told. */
unsigned line_of_entry_key(struct slice text, const char *list, int entry, const char *key);

#endif
