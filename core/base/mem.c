/* The heap. A thin layer over malloc: what it adds is the fault point and products that cannot overflow. */
#include "base/mem.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"

void mem_setup(void)
{
	if (getenv("MALLOC_MMAP_THRESHOLD_") == NULL)
		mallopt(M_MMAP_THRESHOLD, MEM_MAPPED_BYTES);
}

void *mem_alloc(size_t size)
{
	if (fault_check(FAULT_MALLOC) != 0)
		return NULL;
	return malloc(size != 0 ? size : 1);
}

void *mem_zalloc(size_t count, size_t size)
{
	size_t bytes;

	if (fault_check(FAULT_MALLOC) != 0 || __builtin_mul_overflow(count, size, &bytes))
		return NULL;
	if (bytes == 0)
		return calloc(1, 1);
	return calloc(count, size);
}

void *mem_realloc(void *ptr, size_t size)
{
	if (fault_check(FAULT_MALLOC) != 0)
		return NULL;
	return realloc(ptr, size != 0 ? size : 1);
}

char *mem_strndup(const char *s, size_t len)
{
	if (len == SIZE_MAX)
		return NULL;
	char *copy = mem_alloc(len + 1);
	if (copy == NULL)
		return NULL;
	if (len != 0)
		memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

void mem_free(void *ptr)
{
	free(ptr);
}

int mem_grow(void **items, size_t *cap, size_t used, size_t size)
{
	if (used < *cap)
		return 0;
	size_t want = *cap < 8 ? 8 : *cap;
	size_t bytes;
	while (want <= used) {
		if (want > SIZE_MAX / 2)
			return -ENOMEM;
		want *= 2;
	}
	if (__builtin_mul_overflow(want, size, &bytes))
		return -ENOMEM;
	void *grown = mem_realloc(*items, bytes);
	if (grown == NULL)
		return -ENOMEM;
	*items = grown;
	*cap = want;
	return 0;
}
