/* Bodies grow as their bytes arrive, whatever length was declared: a client that promises 16 MiB and sends one byte holds 4 KiB. */
#include "net/body.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "net/net.h"

enum { FIRST_BYTES = 4096, FAST_BYTES = 256 * 1024 };

bool budget_take(struct budget *b, uint64_t bytes)
{
	uint64_t after = __atomic_add_fetch(&b->used, bytes, __ATOMIC_RELAXED);
	if (after <= b->max)
		return true;
	__atomic_sub_fetch(&b->used, bytes, __ATOMIC_RELAXED);
	return false;
}

void budget_give(struct budget *b, uint64_t bytes)
{
	uint64_t before = __atomic_fetch_sub(&b->used, bytes, __ATOMIC_RELAXED);
	CHECK(before >= bytes);
}

bool budget_has(const struct budget *b, uint64_t bytes)
{
	uint64_t used = __atomic_load_n(&b->used, __ATOMIC_RELAXED);
	return used <= b->max && bytes <= b->max - used;
}

size_t body_room(const struct body *b)
{
	return b->cap == 0 ? 0 : b->cap - HTTP_BODY_PADDING - b->len;
}

/* The capacity to have next: a body that has filled its memory is likely to go on. Where less than that would be left it is taken as well, since another step would copy nearly all
 * there is. So a client holds at most eight times what it has sent. */
static size_t next_capacity(const struct body *b, size_t need, size_t most)
{
	size_t cap = b->cap == 0 ? FIRST_BYTES : b->cap - HTTP_BODY_PADDING;
	if (b->cap != 0)
		cap = cap < FAST_BYTES ? cap * 4 : cap * 2;
	if (cap < need)
		cap = need;
	return most - cap < cap || most < cap ? most : cap;
}

int body_reserve(struct body *b, size_t need, size_t most, struct budget *budget)
{
	CHECK(need <= most);
	if (b->cap != 0 && need <= b->cap - HTTP_BODY_PADDING)
		return 0;
	size_t cap = next_capacity(b, need, most) + HTTP_BODY_PADDING;
	if (!budget_take(budget, cap - b->cap))
		return -EDQUOT;
	char *ptr = mem_realloc(b->ptr, cap);
	if (ptr == NULL) {
		budget_give(budget, cap - b->cap);
		return -ENOMEM;
	}
	b->ptr = ptr;
	b->cap = cap;
	return 0;
}

void body_finish(struct body *b)
{
	if (b->ptr != NULL)
		memset(b->ptr + b->len, 0, HTTP_BODY_PADDING);
}

void body_free(struct body *b, struct budget *budget)
{
	if (b->ptr == NULL)
		return;
	mem_free(b->ptr);
	budget_give(budget, b->cap);
	*b = (struct body){0};
}
