/* Templates with groups put in, as Go's Regexp.Expand reads them. */
#include "base/regex.h"

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

/* The name behind a $, which is taken off. False: there is none. */
static bool take_name(struct slice *rest, struct slice *name)
{
	const char *at = rest->ptr, *end = at + rest->len;
	bool braces = at < end && *at == '{';
	at += braces;
	const char *begin = at;
	while (at < end && is_word(*at))
		at++;
	*name = slice_new(begin, (size_t)(at - begin));
	if (name->len == 0 || (braces && (at == end || *at != '}')))
		return false;
	at += braces;
	*rest = slice_new(at, (size_t)(end - at));
	return true;
}

/* A number without a zero in front, or -1. */
static int number_of(struct slice name)
{
	int n = 0;
	if (name.len > 1 && name.ptr[0] == '0')
		return -1;
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] < '0' || name.ptr[i] > '9' || n >= 100000000)
			return -1;
		n = n * 10 + (name.ptr[i] - '0');
	}
	return n;
}

void regex_expand(const struct regex *re, struct slice template_, const struct slice *groups, uint32_t count,
                  size_t enough, struct buf *out)
{
	struct slice rest = template_, name;
	while (rest.len > 0 && out->len <= enough) {
		char c = *rest.ptr;
		rest = slice_new(rest.ptr + 1, rest.len - 1);
		if (c != '$') {
			buf_byte(out, c);
		} else if (rest.len > 0 && *rest.ptr == '$') {
			buf_byte(out, '$');
			rest = slice_new(rest.ptr + 1, rest.len - 1);
		} else if (take_name(&rest, &name)) {
			int group = number_of(name);
			if (group < 0)
				group = regex_group_named(re, name);
			if (group >= 0 && (uint32_t)group < count)
				buf_slice_append(out, groups[group]);
		} else {
			buf_byte(out, '$');
		}
	}
}
