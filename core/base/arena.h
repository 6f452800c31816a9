/* Arenas: memory that is given back all at once. One thread at a time. Everything is aligned to 16 bytes. */
#ifndef MOONGATE_BASE_ARENA_H
#define MOONGATE_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/* Under AddressSanitizer memory of an arena that nobody was given is poisoned: a pointer kept over a reset is found. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_CHECKED 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define ARENA_CHECKED 1
#endif
#ifdef ARENA_CHECKED
#include <sanitizer/asan_interface.h>
#define ARENA_POISON(at, size) __asan_poison_memory_region((at), (size))
#define ARENA_UNPOISON(at, size) __asan_unpoison_memory_region((at), (size))
#else
#define ARENA_POISON(at, size) ((void)(at), (void)(size))
#define ARENA_UNPOISON(at, size) ((void)(at), (void)(size))
#endif

struct arena_block;

struct arena {
	struct arena_block *blocks; /* newest first, owned */
	struct arena_block *own;    /* blocks of one large piece each; the same */
	char *at;                   /* next free byte of the newest block */
	char *end;                  /* its end */
	size_t total;               /* bytes of all blocks */
};

/* An empty arena; allocates nothing yet. */
void arena_init(struct arena *a);

/* Frees everything. The arena is empty and usable afterwards. */
void arena_deinit(struct arena *a);

/* Forgets everything that was allocated, keeps one block of at most `keep` bytes for reuse. */
void arena_reset(struct arena *a, size_t keep);

/* A place to go back to: what was allocated since then is given back, and may not be used any more. Marks that were taken later are void. */
struct arena_mark {
	struct arena_block *blocks, *own;
	char *at;
};
static inline struct arena_mark arena_mark(const struct arena *a)
{
	return (struct arena_mark){a->blocks, a->own, a->at};
}
void arena_rewind(struct arena *a, struct arena_mark m);

/* The slow path of arena_alloc: a new block. NULL when memory is out. */
void *arena_alloc_slow(struct arena *a, size_t size);

/* A NUL-terminated copy of `s` in the arena; its `ptr` is NULL when memory is out. */
struct slice arena_copy(struct arena *a, struct slice s);

/* `size` bytes, uninitialised, valid until reset or deinit; NULL when memory is out. */
static inline void *arena_alloc(struct arena *a, size_t size)
{
	size_t rounded = (size + 15) & ~(size_t)15;
	if (rounded < size || rounded > (size_t)(a->end - a->at))
		return arena_alloc_slow(a, size);
	void *p = a->at;
	a->at += rounded;
	ARENA_UNPOISON(p, size);
	return p;
}

#endif
