/* All heap memory of the C core comes from here, so that tests can make the Nth allocation fail (fault.h) and
 * modules can be billed. Same contracts as malloc and friends: NULL on failure, nothing aborts. Any thread. */
#ifndef MOONGATE_BASE_MEM_H
#define MOONGATE_BASE_MEM_H

#include <stddef.h>

/* From this size on memory is taken from the kernel by itself, and is the kernel's again when it is freed (mem_setup). */
enum { MEM_MAPPED_BYTES = 2 << 20 };

/* Once, before there are threads: has malloc keep to MEM_MAPPED_BYTES, unless the environment says otherwise (MALLOC_MMAP_THRESHOLD_). By itself it raises that bound to the largest block that was freed, and then keeps in the heap of each thread what a
 * large query took. */
void mem_setup(void);

/* `size` bytes, uninitialised; NULL when there are none. The caller owns them: mem_free. */
void *mem_alloc(size_t size) __attribute__((malloc));

/* `count` zeroed items of `size` bytes; NULL when there are none or the product overflows. The caller owns them. */
void *mem_zalloc(size_t count, size_t size) __attribute__((malloc));

/* Like realloc: on failure NULL, and the old block stays valid and owned by the caller. */
void *mem_realloc(void *ptr, size_t size);

/* A NUL-terminated copy of `len` bytes; NULL on failure. The caller owns it. */
char *mem_strndup(const char *s, size_t len);

/* Frees what the functions above gave; NULL is allowed. */
void mem_free(void *ptr);

/* Grows an array for at least one more item, doubling: `*items` of `*cap` items of `size` bytes, `used` of them in use.
 * 0, or -ENOMEM with everything as it was. */
int mem_grow(void **items, size_t *cap, size_t used, size_t size);

#endif
