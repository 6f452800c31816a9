/* Batches of samples: an arena, and two arrays that grow. */
#include "record/samples.h"

#include <errno.h>

#include "base/mem.h"

struct sample_batch *sample_batch_new(void)
{
	struct sample_batch *b = mem_zalloc(1, sizeof *b);
	if (b != NULL)
		arena_init(&b->arena);
	return b;
}

void sample_batch_free(struct sample_batch *b)
{
	if (b == NULL)
		return;
	arena_deinit(&b->arena);
	mem_free(b->series);
	mem_free(b->metadata);
	mem_free(b->body);
	mem_free(b);
}

/* Gives an array back when it is worth more than its share of what may be kept. */
static void trim(void **items, size_t *cap, size_t size, size_t keep)
{
	if (*cap * size <= keep)
		return;
	mem_free(*items);
	*items = NULL;
	*cap = 0;
}

void sample_batch_reset(struct sample_batch *b, size_t keep)
{
	arena_reset(&b->arena, keep / 2);
	trim((void **)&b->series, &b->series_cap, sizeof *b->series, keep / 8 * 3);
	trim((void **)&b->metadata, &b->metadata_cap, sizeof *b->metadata, keep / 8);
	b->series_count = b->metadata_count = 0;
	b->sample_count = b->exemplar_count = 0;
	mem_free(b->body);
	b->body = NULL;
	b->body_size = 0;
}

size_t sample_batch_bytes(const struct sample_batch *b)
{
	return b->arena.total + b->series_cap * sizeof *b->series + b->metadata_cap * sizeof *b->metadata;
}

static int reserve(void **items, size_t *cap, size_t need, size_t size)
{
	if (need <= *cap)
		return 0;
	void *grown = mem_realloc(*items, need * size);
	if (grown == NULL)
		return -ENOMEM;
	*items = grown;
	*cap = need;
	return 0;
}

int sample_batch_reserve(struct sample_batch *b, uint32_t series, uint32_t metadata)
{
	if (reserve((void **)&b->series, &b->series_cap, (size_t)b->series_count + series, sizeof *b->series) != 0)
		return -ENOMEM;
	return reserve((void **)&b->metadata, &b->metadata_cap, (size_t)b->metadata_count + metadata,
	               sizeof *b->metadata);
}

struct sample_series *sample_batch_add(struct sample_batch *b)
{
	if (b->series_count == b->series_cap &&
	    (b->series_count == UINT32_MAX ||
	     mem_grow((void **)&b->series, &b->series_cap, b->series_count, sizeof *b->series) != 0))
		return NULL;
	struct sample_series *s = &b->series[b->series_count++];
	*s = (struct sample_series){0};
	return s;
}

struct sample_metadata *sample_batch_add_metadata(struct sample_batch *b)
{
	if (b->metadata_count == b->metadata_cap &&
	    (b->metadata_count == UINT32_MAX ||
	     mem_grow((void **)&b->metadata, &b->metadata_cap, b->metadata_count, sizeof *b->metadata) != 0))
		return NULL;
	struct sample_metadata *m = &b->metadata[b->metadata_count++];
	*m = (struct sample_metadata){0};
	return m;
}
