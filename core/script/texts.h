/* Short strings that a field had lately: those of few values (a model, a status) are pushed from the state's registry, by reference, instead of being hashed and
 * sought among all strings of the state each time. Private to script/. One state's thread. */
#ifndef MOONGATE_SCRIPT_TEXTS_H
#define MOONGATE_SCRIPT_TEXTS_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
	TEXTS_WAYS = 8,      /* strings remembered a field; a power of two */
	TEXTS_BYTES_MIN = 4, /* of a string that is */
	TEXTS_BYTES_MAX = 16
};

/* Zeroed it remembers nothing. */
struct texts {
	struct text_way {
		uint64_t head,
		    tail;     /* the first and the last eight bytes, which overlap where there are fewer than sixteen */
		uint32_t len; /* 0: nothing is remembered here */
		int ref;      /* in the registry */
		uint64_t candidate; /* mark of the string that came here last without being remembered */
	} ways[TEXTS_WAYS];
};

/* Two words that are equal for equal strings of one length, and for no others. */
static inline void texts_words(const char *s, uint32_t len, uint64_t *head, uint64_t *tail)
{
	if (len >= 8) {
		memcpy(head, s, 8);
		memcpy(tail, s + len - 8, 8);
		return;
	}
	uint32_t a, b;
	memcpy(&a, s, 4);
	memcpy(&b, s + len - 4, 4);
	*head = a;
	*tail = b;
}

/* Pushes the string and remembers it when it comes to its place twice in a row. May raise (memory). */
void texts_push_new(lua_State *L, struct text_way *way, const char *s, uint32_t len, uint64_t head, uint64_t tail,
                    uint64_t mark);

/* Pushes the string. May raise (memory). */
static inline void texts_push(lua_State *L, struct texts *t, const char *s, uint32_t len)
{
	uint64_t head, tail;

	if (len < TEXTS_BYTES_MIN || len > TEXTS_BYTES_MAX) {
		lua_pushlstring(L, s, len);
		return;
	}
	texts_words(s, len, &head, &tail);
	uint64_t mark = (head ^ tail << 1 ^ len) * UINT64_C(0x9e3779b97f4a7c15);
	struct text_way *way = &t->ways[mark >> 61];
	if (way->head == head && way->tail == tail && way->len == len)
		lua_rawgeti(L, LUA_REGISTRYINDEX, way->ref);
	else
		texts_push_new(L, way, s, len, head, tail, mark);
}
_Static_assert(TEXTS_WAYS == 1 << (64 - 61), "the way is the topmost bits");

#endif
