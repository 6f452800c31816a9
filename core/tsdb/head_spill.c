/* The head's full chunks on their way to files. One that no file would take (a full disk) stays in memory until the series' next one is full: then both are tried, the older one first, since files do not refer to memory. */
#include <errno.h>

#include "base/check.h"
#include "base/mem.h"
#include "tsdb/head_series.h"

static int spill_one(struct head *h, const struct series *s, const struct head_chunk *c, uint32_t words,
                     spill_ref older, spill_ref *out)
{
	struct spilled record = {.words = words, .series = s->number, .first = c->first, .older = older};
	/* Its samples read once more, which is less than carrying sums along for every series. */
	uint32_t count = atomic_load_explicit(&c->count, memory_order_relaxed);
	CHECK(chunk_summarize(c->words, c->capacity, count, &record.summary));
	return spill_add(h->spill, &record, c->words, out);
}

int head_spill(struct head *h, const struct series *s, const struct head_chunk *full, spill_ref *out, uint32_t *count)
{
	const struct head_chunk *c = atomic_load_explicit(&full->older, memory_order_relaxed);
	*count = 1;
	if (c == NULL) /* as nearly always */
		return spill_one(h, s, full, chunk_words(&s->writer), full->older_ref, out);
	for (; c != NULL; c = atomic_load_explicit(&c->older, memory_order_relaxed))
		++*count;
	const struct head_chunk **chain = mem_alloc(*count * sizeof(const struct head_chunk *));
	if (chain == NULL)
		return -ENOMEM;
	uint32_t at = 0;
	for (c = full; c != NULL; c = atomic_load_explicit(&c->older, memory_order_relaxed))
		chain[at++] = c;
	int code = 0;
	spill_ref ref = chain[at - 1]->older_ref;
	while (at-- > 0 && code == 0) {
		/* Of those that waited nobody knows how many words they have; what they have room for is little more. */
		uint32_t room = chain[at]->capacity < CHUNK_WORDS_MAX ? chain[at]->capacity : CHUNK_WORDS_MAX;
		code = spill_one(h, s, chain[at], at == 0 ? chunk_words(&s->writer) : room, ref, &ref);
	}
	mem_free(chain);
	if (code == 0)
		*out = ref;
	return code;
}
