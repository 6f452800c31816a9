/* What lines are made of: words, durations, numbers, strings. */
#include "line.h"

#include <errno.h>

#include "base/clock.h"
#include "promql/promql.h"

struct slice line_word(struct slice *rest)
{
	size_t len = 0;

	while (len < rest->len && !line_blank(rest->ptr[len]))
		len++;
	struct slice word = slice_new(rest->ptr, len);
	*rest = line_trim(line_skip(*rest, len));
	return word;
}

int line_duration(struct slice text, int64_t *ms, struct error *err)
{
	int64_t ns;
	int rc = clock_parse_duration(text, &ns, err);
	if (rc != 0)
		return rc;
	*ms = ns / (1000 * 1000);
	return 0;
}

bool line_number(struct slice text, struct arena *arena, double *out)
{
	struct promql_expr *e;
	bool negative = text.len > 0 && text.ptr[0] == '-';

	if (negative || (text.len > 0 && text.ptr[0] == '+'))
		text = line_skip(text, 1);
	if (promql_parse(text, arena, &e, NULL) != 0 || e->kind != PROMQL_NUMBER || e->number.duration)
		return false;
	*out = negative ? -e->number.value : e->number.value;
	return true;
}

int line_string(struct slice text, struct arena *arena, struct slice *out, struct error *err)
{
	struct promql_expr *e;

	if (promql_parse(text, arena, &e, NULL) != 0 || e->kind != PROMQL_TEXT)
		return error_set(err, -EINVAL, "wanted a quoted string, got \"%.*s\"", SLICE_ARG(text));
	*out = e->text;
	return 0;
}

int line_repeat(struct slice text, uint32_t *out, struct error *err)
{
	uint64_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return error_set(err, -EINVAL, "wanted a whole number behind the x, got \"%.*s\"",
			                 SLICE_ARG(text));
		n = n * 10 + (uint64_t)(text.ptr[i] - '0');
		if (n >= SCRIPT_VALUES_MAX)
			return error_set(err, -EINVAL, "a line has at most %d values", SCRIPT_VALUES_MAX);
	}
	if (text.len == 0)
		return error_set(err, -EINVAL, "wanted a whole number behind the x, got nothing");
	*out = (uint32_t)n;
	return 0;
}
