/* YAML texts as trees, read by libyaml: rule files and Alertmanager's configuration. Scalars stay the text that they are: what type one has is for its reader to say, as it is where Go's yaml decodes into a structure.
 *
 * Refused: what is no YAML, more than one document, a key that is no scalar, one that stands twice in a map, an alias to nothing or to what holds it, and what is over the bounds below. Tags are passed over; merge keys ("<<") are those of a map like others, and unknown to every reader.
 *
 * Threads: any one thread a tree; a tree is immutable. */
#ifndef MOONGATE_BASE_YAML_H
#define MOONGATE_BASE_YAML_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"

enum {
	YAML_BYTES_MAX = 16 << 20, /* of a text */
	YAML_DEPTH_MAX = 64,       /* of maps and lists within each other */
	YAML_KEYS_MAX = 10000,     /* of one map */
	YAML_NODES_MAX = 1000000   /* of a text, those that aliases repeat counted again */
};

enum yaml_type { YAML_NULL, YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_pair;

/* Everything that it points to lies in the arena. */
struct yaml_node {
	enum yaml_type type;   /* null: nothing, or plain "~" or "null" */
	bool plain;            /* of a scalar: it stands without quotes, so that it may be a number or a bool */
	uint32_t line, column; /* from 1 */
	uint32_t count;        /* of items or pairs */
	uint32_t size;         /* itself and all below it */
	union {
		struct slice text; /* UTF-8 */
		const struct yaml_node *const *items;
		const struct yaml_pair *pairs; /* in the order of the text */
	};
};

struct yaml_pair {
	struct slice key;
	uint32_t line, column; /* of the key */
	const struct yaml_node *value;
};

/* Reads a text. An empty one is a null. 0; -EINVAL with a sentence that begins with the line ("line 3: …"); -E2BIG likewise; -ENOMEM. */
int yaml_read(struct slice text, struct arena *arena, const struct yaml_node **out, struct error *err);

/* The value of a map's key, or NULL. */
const struct yaml_node *yaml_find(const struct yaml_node *map, struct slice key);

/* The first key of a map that is none of `names` (ends in NULL), or NULL. */
const struct yaml_pair *yaml_unknown(const struct yaml_node *map, const char *const *names);

/* "a map", "a list", "a text", "nothing". */
const char *yaml_type_name(const struct yaml_node *n);

#endif
