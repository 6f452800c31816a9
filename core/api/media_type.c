/* Media types. Escapes in quoted values are left as they are: no value that is looked for has one. */
#include "api/media_type.h"

#include <string.h>

static struct slice trim(struct slice s)
{
	while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
		s.ptr++;
		s.len--;
	}
	while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

static bool is(struct slice s, const char *lower)
{
	size_t len = strlen(lower);
	if (s.len != len)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = s.ptr[i];
		if ((c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c) != lower[i])
			return false;
	}
	return true;
}

/* Takes what stands before the next `c` off *rest, the `c` too. */
static struct slice cut(struct slice *rest, char c)
{
	if (rest->len == 0)
		return *rest;
	const char *at = memchr(rest->ptr, c, rest->len);
	struct slice head = at == NULL ? *rest : slice_new(rest->ptr, (size_t)(at - rest->ptr));
	size_t used = at == NULL ? rest->len : head.len + 1;
	rest->ptr += used;
	rest->len -= used;
	return trim(head);
}

bool media_type_is(struct slice content_type, const char *lower)
{
	return is(cut(&content_type, ';'), lower);
}

struct slice media_type_parameter(struct slice content_type, const char *lower)
{
	cut(&content_type, ';');
	while (content_type.len > 0) {
		struct slice value = cut(&content_type, ';');
		struct slice name = cut(&value, '=');
		if (!is(name, lower))
			continue;
		value = trim(value);
		bool quoted = value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"';
		return quoted ? slice_new(value.ptr + 1, value.len - 2) : value;
	}
	return slice_new("", 0);
}
