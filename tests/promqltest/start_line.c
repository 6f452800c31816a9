/* Start times: name{a="b"}@st and for each sample below it, how long before it its counter began. */
#include <errno.h>

#include "line.h"

/* The first word, which holds the series: no blank is allowed in it. */
static struct slice first_word(struct slice text)
{
	return line_word(&text);
}

static const struct slice suffix = {"@st", 3};

bool line_is_start(struct slice text)
{
	struct slice word = first_word(text);
	return word.len < text.len && word.len >= suffix.len &&
	       slice_eq(line_skip(word, word.len - suffix.len), suffix);
}

/* -1m30s: takes it off the front. 0, or -EINVAL. */
static int take_offset(struct slice *rest, struct error *err)
{
	size_t i = rest->len > 0 && (rest->ptr[0] == '-' || rest->ptr[0] == '+'), first = i;
	int64_t ms;

	/* One number and its unit; an x behind it says how often. */
	while (i < rest->len && rest->ptr[i] >= '0' && rest->ptr[i] <= '9')
		i++;
	while (i < rest->len && rest->ptr[i] >= 'a' && rest->ptr[i] <= 'z' && rest->ptr[i] != 'x')
		i++;
	int rc = line_duration(slice_new(rest->ptr + first, i - first), &ms, err);
	*rest = line_skip(*rest, i);
	return rc;
}

/* _ _x3 * *x3 -1m -1mx3 -1m+10sx3. How many times it gives, in *count. */
static int read_item(struct slice item, uint32_t *count, struct error *err)
{
	bool omitted = item.ptr[0] == '_';
	int rc = 0;

	*count = 0;
	if (omitted || item.ptr[0] == '*')
		item = line_skip(item, 1);
	else
		rc = take_offset(&item, err);
	if (rc == 0 && !omitted && item.len > 1 && (item.ptr[0] == '+' || item.ptr[0] == '-')) {
		rc = take_offset(&item, err);
		if (rc == 0 && item.len == 0)
			rc = error_set(err, -EINVAL, "wanted x and how often behind a step");
	}
	if (rc == 0 && item.len > 0) {
		if (item.ptr[0] != 'x')
			return error_set(err, -EINVAL, "wanted x and how often, got \"%.*s\"", SLICE_ARG(item));
		rc = line_repeat(line_skip(item, 1), count, err);
	}
	if (!omitted || item.len == 0)
		++*count;
	return rc;
}

int line_start(struct slice text, struct arena *arena, struct slice *labels, uint32_t *count, struct error *err)
{
	struct slice word = line_word(&text);
	int rc = 0;

	word.len -= suffix.len;
	*labels = SLICE("");
	*count = 0;
	if (word.len > 0)
		rc = line_labels(word, arena, labels, err);
	while (rc == 0 && text.len > 0) {
		uint32_t more = 0;
		rc = read_item(line_word(&text), &more, err);
		if (rc == 0 && more > SCRIPT_VALUES_MAX - *count)
			return error_set(err, -EINVAL, "a line has at most %d values", SCRIPT_VALUES_MAX);
		*count += more;
	}
	return rc;
}
