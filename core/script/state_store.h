/* The key-value stores behind state(name). Private to script/; engine thread.
 *
 * Nothing here depends on the machine: what is full, what has expired and in which order keys come follows from the operations and the times
 * given, so that a replay comes to the same. */
#ifndef MOONGATE_SCRIPT_STATE_STORE_H
#define MOONGATE_SCRIPT_STATE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

enum {
	STATE_KEY_MAX = 1024,   /* bytes, also of a state's name */
	STATE_TEXT_MAX = 65536, /* bytes of a string value */
	STATE_ENTRY_BYTES = 64, /* what an entry is billed beside its key and text */
	STATES_MAX = 1024
};

/* The numbers are written to disk. */
enum state_type { STATE_NUMBER = 1, STATE_STRING = 2, STATE_FALSE = 3, STATE_TRUE = 4 };

struct state_value {
	enum state_type type;
	double number;
	struct slice text;
};

struct state_store;
struct state;

/* `max` bytes in all. NULL when memory is out. */
struct state_store *state_store_new(uint64_t max);
void state_store_free(struct state_store *s);

/* Bytes billed. */
uint64_t state_store_used(const struct state_store *s);

/* Changes whenever the states found so far are no longer valid (after a load). */
uint64_t state_store_generation(const struct state_store *s);

/* Finds or makes a state: valid until the generation changes. 0, -ENOSPC (STATES_MAX), -ENOMEM. */
int state_open(struct state_store *s, struct slice name, struct state **out);

/* Forgets entries whose time is up at `now_ns`; call before the functions below. */
void state_expire(struct state *t, int64_t now_ns);

/* The same for all states of the store: what has expired in one that nobody asks for must not keep room from the others. */
void state_store_expire(struct state_store *s, int64_t now_ns);

/* The value, borrowed until the next change; false: none. */
bool state_get(const struct state *t, struct slice key, struct state_value *out);

/* Sets a key. `expires_ns`: engine time at which it goes, INT64_MAX: never. 1: the key is new, 0: it was there; -ENOSPC: the store would hold more than its
 * `max`, -ENOMEM; then nothing has changed. */
int state_set(struct state *t, struct slice key, const struct state_value *v, int64_t expires_ns);

/* When the key's entry goes; INT64_MAX: never, or there is none. */
int64_t state_expires(const struct state *t, struct slice key);

/* Removes a key; whether it was there. */
bool state_remove(struct state *t, struct slice key);

uint32_t state_count(const struct state *t);

/* The key behind the place *at (begin with 0), oldest entry first; false at the end. Any change makes the place void. */
bool state_next(const struct state *t, uint32_t *at, struct slice *key);

/* Appends all states (FORMAT.md). 0 or -ENOMEM. */
int state_store_save(const struct state_store *s, struct buf *out);

/* Replaces all states by saved ones, which `saved` ends with. 0; -EBADMSG with a sentence, -ENOMEM: the store is then as before. */
int state_store_load(struct state_store *s, struct slice saved, struct error *err);

#endif
