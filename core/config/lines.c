/* See lines.h. Long brackets are taken without their level: enough for finding a line. */
#include "config/lines.h"

static bool is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Behind the comment or string that begins at `at`, or `at` when none does. */
static size_t skip_opaque(struct slice t, size_t at)
{
	if (t.ptr[at] == '-' && at + 1 < t.len && t.ptr[at + 1] == '-') {
		while (at < t.len && t.ptr[at] != '\n')
			at++;
		return at;
	}
	if (t.ptr[at] != '"' && t.ptr[at] != '\'')
		return at;
	char quote = t.ptr[at++];
	while (at < t.len && t.ptr[at] != quote && t.ptr[at] != '\n')
		at += t.ptr[at] == '\\' ? 2 : 1;
	return at < t.len ? at + 1 : t.len;
}

/* The offset of `name =` at or behind `from`, or the text's length. */
static size_t find_name(struct slice t, size_t from, struct slice name)
{
	for (size_t at = from; at < t.len;) {
		size_t next = skip_opaque(t, at);
		if (next != at) {
			at = next;
			continue;
		}
		bool begins = is_name_byte(t.ptr[at]) && (at == 0 || !is_name_byte(t.ptr[at - 1]));
		if (begins && t.len - at > name.len && memcmp(t.ptr + at, name.ptr, name.len) == 0 &&
		    !is_name_byte(t.ptr[at + name.len])) {
			size_t behind = at + name.len;
			while (behind < t.len && (t.ptr[behind] == ' ' || t.ptr[behind] == '\t' ||
			                          t.ptr[behind] == '"' || t.ptr[behind] == ']'))
				behind++;
			if (behind < t.len && t.ptr[behind] == '=')
				return at;
		}
		at++;
	}
	return t.len;
}

/* The same for a full key, of a section or none. */
static size_t find_key(struct slice t, size_t from, const char *key)
{
	const char *dot = strchr(key, '.');

	if (dot != NULL) {
		from = find_name(t, from, slice_new(key, (size_t)(dot - key)));
		key = dot + 1;
	}
	return find_name(t, from, slice_cstr(key));
}

static unsigned line_at(struct slice t, size_t at)
{
	unsigned line = 1;

	if (at >= t.len)
		return 0;
	for (size_t i = 0; i < at; i++)
		line += t.ptr[i] == '\n';
	return line;
}

unsigned line_of_key(struct slice text, const char *key)
{
	return line_at(text, find_key(text, 0, key));
}

/* The `entry`-th table of the list that begins at or behind `from`: from its brace to that which ends it. */
static bool find_entry(struct slice t, size_t from, int entry, size_t *begin, size_t *end)
{
	int depth = 0, seen = 0;

	for (size_t at = from; at < t.len;) {
		size_t next = skip_opaque(t, at);
		if (next != at) {
			at = next;
			continue;
		}
		if (t.ptr[at] == '{' && ++depth == 2 && ++seen == entry)
			*begin = at;
		if (t.ptr[at] == '}') {
			if (depth == 2 && seen == entry) {
				*end = at;
				return true;
			}
			if (--depth <= 0)
				return false;
		}
		at++;
	}
	return false;
}

unsigned line_of_entry_key(struct slice text, const char *list, int entry, const char *key)
{
	size_t at = find_key(text, 0, list), begin = 0, end = 0;

	if (!find_entry(text, at, entry, &begin, &end))
		return line_at(text, at);
	size_t found = find_key(slice_new(text.ptr, end), begin, key);
	return line_at(text, found < end ? found : begin);
}
