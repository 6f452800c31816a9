/* Arenas: a list of blocks, each twice the one before up to a limit; allocation moves a pointer.
 *
 * The blocks of an arena that has become large are large, too: malloc takes and gives back those of MEM_MAPPED_BYTES by themselves, so that nothing of them stays in its heaps,
 * of which each thread has one.
 *
 * The block header is 16 bytes, so that what follows it is aligned like what malloc gives. A request over the block
 * size gets a block of its own, in a list of its own: what is left of the newest other stays in use. */
#include "base/arena.h"

#include <string.h>

#include "base/mem.h"

struct arena_block {
	struct arena_block *next; /* older */
	size_t size;              /* bytes behind this header */
};

_Static_assert(sizeof(struct arena_block) == 16, "the bytes behind a block header are aligned to 16");

enum {
	BLOCK_MIN = 4096 - 16,
	BLOCK_MAX = 256 * 1024 - 16,
	LARGE = 8 * MEM_MAPPED_BYTES, /* an arena; an eighth of it may be unused */
	LARGE_BLOCK = MEM_MAPPED_BYTES
};

static char *block_bytes(struct arena_block *b)
{
	return (char *)(b + 1);
}

/* No bytes, for those who ask an empty arena for none: NULL would say that memory is out. */
static char nothing[16] __attribute__((aligned(16)));

void arena_init(struct arena *a)
{
	*a = (struct arena){.at = nothing, .end = nothing};
}

static void free_block(struct arena_block *b)
{
	if (b == NULL)
		return;
	ARENA_UNPOISON(b + 1, b->size);
	mem_free(b);
}

/* Frees the blocks from `b` on until `last`. */
static struct arena_block *free_until(struct arena *a, struct arena_block *b, struct arena_block *last)
{
	while (b != last) {
		struct arena_block *next = b->next;
		a->total -= b->size;
		free_block(b);
		b = next;
	}
	return last;
}

void arena_deinit(struct arena *a)
{
	free_until(a, a->blocks, NULL);
	free_until(a, a->own, NULL);
	arena_init(a);
}

/* The larger one of `kept` and the blocks from `b` on, of those with at most `keep` bytes; the others are freed. */
static struct arena_block *keep_largest(struct arena_block *kept, struct arena_block *b, size_t keep)
{
	while (b != NULL) {
		struct arena_block *next = b->next;
		if (b->size <= keep && (kept == NULL || b->size > kept->size)) {
			free_block(kept);
			kept = b;
		} else {
			free_block(b);
		}
		b = next;
	}
	return kept;
}

void arena_reset(struct arena *a, size_t keep)
{
	struct arena_block *kept = keep_largest(keep_largest(NULL, a->blocks, keep), a->own, keep);

	arena_init(a);
	if (kept == NULL)
		return;
	ARENA_POISON(kept + 1, kept->size);
	kept->next = NULL;
	a->blocks = kept;
	a->at = block_bytes(kept);
	a->end = a->at + kept->size;
	a->total = kept->size;
}

void arena_rewind(struct arena *a, struct arena_mark m)
{
	a->blocks = free_until(a, a->blocks, m.blocks);
	a->own = free_until(a, a->own, m.own);
	a->at = m.at;
	a->end = m.blocks != NULL ? block_bytes(m.blocks) + m.blocks->size : m.at;
	ARENA_POISON(a->at, (size_t)(a->end - a->at));
}

void *arena_alloc_slow(struct arena *a, size_t size)
{
	if (size > SIZE_MAX - 64)
		return NULL;
	size_t rounded = (size + 15) & ~(size_t)15;
	size_t next = a->blocks == NULL ? BLOCK_MIN : a->blocks->size * 2 + 16;
	if (next > BLOCK_MAX)
		next = BLOCK_MAX;
	if (a->total >= LARGE)
		next = LARGE_BLOCK;
	bool own = rounded > next / 2;
	struct arena_block *b = mem_alloc(sizeof *b + (own ? rounded : next));
	if (b == NULL)
		return NULL;
	b->size = own ? rounded : next;
	a->total += b->size;
	ARENA_POISON(block_bytes(b) + size, b->size - size);
	if (own) {
		b->next = a->own;
		a->own = b;
		return block_bytes(b);
	}
	b->next = a->blocks;
	a->blocks = b;
	a->at = block_bytes(b) + rounded;
	a->end = block_bytes(b) + b->size;
	return block_bytes(b);
}

struct slice arena_copy(struct arena *a, struct slice s)
{
	if (s.len == SIZE_MAX)
		return (struct slice){0};
	char *copy = arena_alloc(a, s.len + 1);
	if (copy == NULL)
		return (struct slice){0};
	if (s.len != 0)
		memcpy(copy, s.ptr, s.len);
	copy[s.len] = '\0';
	return slice_new(copy, s.len);
}
