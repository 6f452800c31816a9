/* Error sentences. A text that is too long is cut at a UTF-8 boundary, so that what a person or a JSON writer sees
 * stays valid text. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Takes a cut-off UTF-8 sequence and newlines off the end of `text`. */
static void trim(char *text)
{
	size_t len = strlen(text);
	size_t start = len;

	while (start > 0 && len - start < 4 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
		start--;
	if (start > 0 && len == ERROR_TEXT_MAX - 1) {
		unsigned char lead = (unsigned char)text[start - 1];
		size_t want = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
		if (want > len - start + 1)
			len = start - 1;
	}
	while (len > 0 && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
}

int error_set(struct error *e, int code, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list args;

	if (e == NULL)
		return code;
	/* By way of a copy: an argument may be e->text itself. */
	va_start(args, format);
	if (vsnprintf(text, sizeof text, format, args) < 0)
		snprintf(text, sizeof text, "%s", format);
	va_end(args);
	trim(text);
	e->code = code;
	memcpy(e->text, text, strlen(text) + 1);
	return code;
}

void error_prefix(struct error *e, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list args;

	if (e == NULL || e->code == 0)
		return;
	va_start(args, format);
	int len = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (len < 0)
		return;
	size_t at = (size_t)len < sizeof text ? (size_t)len : sizeof text - 1;
	if (snprintf(text + at, sizeof text - at, ": %s", e->text) >= (int)(sizeof text - at))
		text[sizeof text - 1] = '\0';
	trim(text);
	memcpy(e->text, text, strlen(text) + 1);
}
