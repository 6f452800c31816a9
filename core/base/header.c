#include "base/header.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

struct slice header_trim(struct slice s)
{
	while (s.len > 0 && is_space(s.ptr[0])) {
		s.ptr++;
		s.len--;
	}
	while (s.len > 0 && is_space(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

static char to_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool header_same(struct slice a, struct slice b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++) {
		if (to_lower(a.ptr[i]) != to_lower(b.ptr[i]))
			return false;
	}
	return true;
}

bool header_is(struct slice s, const char *word)
{
	return header_same(s, slice_cstr(word));
}

struct slice header_cut(struct slice *rest, char separator)
{
	bool quoted = false;
	size_t i = 0;

	for (; i < rest->len && (quoted || rest->ptr[i] != separator); i++) {
		if (quoted && rest->ptr[i] == '\\' && i + 1 < rest->len)
			i++;
		else if (rest->ptr[i] == '"')
			quoted = !quoted;
	}
	struct slice part = slice_new(rest->ptr, i);
	size_t used = i < rest->len ? i + 1 : i;
	*rest = slice_new(rest->len != 0 ? rest->ptr + used : rest->ptr, rest->len - used);
	return header_trim(part);
}

bool header_parameter(struct slice *rest, struct slice *name, struct slice *value)
{
	if (rest->len == 0)
		return false;
	*value = header_cut(rest, ';');
	*name = header_cut(value, '=');
	*value = header_trim(*value);
	if (value->len >= 2 && value->ptr[0] == '"' && value->ptr[value->len - 1] == '"')
		*value = slice_new(value->ptr + 1, value->len - 2);
	return true;
}

bool media_type_is(struct slice content_type, const char *lower)
{
	return header_is(header_cut(&content_type, ';'), lower);
}

struct slice media_type_parameter(struct slice content_type, const char *lower)
{
	struct slice name, value;

	header_cut(&content_type, ';');
	while (header_parameter(&content_type, &name, &value)) {
		if (header_is(name, lower))
			return value;
	}
	return slice_new("", 0);
}
