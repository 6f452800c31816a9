/* Private to matcher.c: what a regular expression comes down to, when it is none. */
#ifndef MOONGATE_RECORD_PATTERN_H
#define MOONGATE_RECORD_PATTERN_H

#include "base/arena.h"
#include "base/regex_tree.h"
#include "record/matcher.h"

enum {
	PATTERN_PRODUCT_MAX =
	    256, /* values that parts one behind the other may make: (a|b)(c|d) makes four. Of alternatives there may be any number */
	PATTERN_SET_BYTES_MAX = 1024 * 1024 /* of all values, and of those on the way to them */
};

/* Sets `pattern`, `prefix_more`, `prefix`, `set` of a matcher from the tree of its pattern, which is changed. What they point to is in `arena`, where scratch space stays too. 0 or -ENOMEM. */
int pattern_find(struct regex_tree *tree, struct arena *arena, struct matcher *m);

#endif
