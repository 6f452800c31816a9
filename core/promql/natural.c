#include "promql/natural.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Takes the run of digits, or of what is none, off the front of a text that is not empty. */
static struct slice take_run(struct slice *s)
{
	bool digits = is_digit(s->ptr[0]);
	size_t len = 1;
	while (len < s->len && is_digit(s->ptr[len]) == digits)
		len++;
	struct slice run = slice_new(s->ptr, len);
	*s = slice_new(s->ptr + len, s->len - len);
	return run;
}

/* A number without the zeros before it: the longer one is greater. */
static struct slice significant(struct slice digits)
{
	while (digits.len > 1 && digits.ptr[0] == '0')
		digits = slice_new(digits.ptr + 1, digits.len - 1);
	return digits;
}

static int compare_numbers(struct slice a, struct slice b)
{
	a = significant(a);
	b = significant(b);
	if (a.len != b.len)
		return a.len < b.len ? -1 : 1;
	return slice_compare(a, b);
}

int natural_compare(struct slice a, struct slice b)
{
	while (a.len > 0 && b.len > 0) {
		bool numbers = is_digit(a.ptr[0]) && is_digit(b.ptr[0]);
		struct slice x = take_run(&a), y = take_run(&b);
		int order = numbers ? compare_numbers(x, y) : slice_compare(x, y);
		if (order != 0)
			return order;
	}
	return (a.len > 0) - (b.len > 0);
}
