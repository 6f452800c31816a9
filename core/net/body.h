/* The memory of a request's body, and the budget that all bodies share. */
#ifndef MOONGATE_NET_BODY_H
#define MOONGATE_NET_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of all bodies in flight. Any thread. */
struct budget {
	uint64_t used; /* atomic */
	uint64_t max;
};

/* Takes `bytes` from the budget; false when that would be too much. */
bool budget_take(struct budget *b, uint64_t bytes);
void budget_give(struct budget *b, uint64_t bytes);

/* Would `bytes` more fit just now? Promises nothing. */
bool budget_has(const struct budget *b, uint64_t bytes);

/* Its memory is mem_alloc's, `cap` bytes that are all on the budget; always HTTP_BODY_PADDING of them are free behind `len`. */
struct body {
	char *ptr; /* NULL: no bytes yet */
	size_t len;
	size_t cap;
};

/* Makes room for `need` bytes in all, at most `most` of them ever: more than asked for where more is to be expected, but never more than four
 * times of what has arrived. 0, -ENOMEM, or -EDQUOT when the budget is spent; then the body is as it was. */
int body_reserve(struct body *b, size_t need, size_t most, struct budget *budget);

/* Bytes that fit without another body_reserve. */
size_t body_room(const struct body *b);

/* Zeroes the padding. */
void body_finish(struct body *b);

/* Frees the memory and gives it back to the budget. */
void body_free(struct body *b, struct budget *budget);

#endif
