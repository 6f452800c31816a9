/* The requests of malformed.txt, which says what they are and how they are written. */
#ifndef MOONGATE_TEST_NET_MALFORMED_H
#define MOONGATE_TEST_NET_MALFORMED_H

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/slice.h"

enum { MALFORMED_MAX = 400, MALFORMED_LINE = 512 };

struct malformed {
	char what[64];
	struct slice bytes;
};

static struct malformed malformed[MALFORMED_MAX];
static size_t malformed_count;
static struct buf malformed_bytes[MALFORMED_MAX];

/* Appends what the text stands for. */
static void malformed_unescape(struct buf *out, const char *text)
{
	static const struct {
		const char *text;
		struct slice bytes;
	} words[] = {
	    {"\\r", SLICE("\r")},
	    {"\\n", SLICE("\n")},
	    {"\\t", SLICE("\t")},
	    {"\\\\", SLICE("\\")},
	    {"{post}", SLICE("POST / HTTP/1.1\r\nHost: a\r\n")},
	    {"{chunked}", SLICE("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")},
	};
	while (*text != '\0') {
		unsigned byte;
		size_t i = 0;
		while (i < sizeof words / sizeof *words && strncmp(text, words[i].text, strlen(words[i].text)) != 0)
			i++;
		if (i < sizeof words / sizeof *words) {
			buf_slice_append(out, words[i].bytes);
			text += strlen(words[i].text);
		} else if (sscanf(text, "\\x%2x", &byte) == 1) {
			buf_byte(out, (char)byte);
			text += 4;
		} else {
			buf_byte(out, *text++);
		}
	}
}

/* For cmocka: reads them all. */
static int malformed_read(void **state)
{
	char line[MALFORMED_LINE];
	FILE *f = fopen(TEST_DIR "/malformed.txt", "re");
	(void)state;
	while (f != NULL && fgets(line, sizeof line, f) != NULL) {
		char *bar = strstr(line, " | ");
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#' || line[0] == '\0')
			continue;
		if (bar == NULL || malformed_count == MALFORMED_MAX)
			return -1;
		struct malformed *m = &malformed[malformed_count];
		snprintf(m->what, sizeof m->what, "%.*s", (int)(bar - line), line);
		malformed_unescape(&malformed_bytes[malformed_count], bar + 3);
		m->bytes = buf_slice(&malformed_bytes[malformed_count++]);
	}
	return f != NULL ? fclose(f) : -1;
}

static int malformed_free(void **state)
{
	(void)state;
	while (malformed_count > 0)
		buf_free(&malformed_bytes[--malformed_count]);
	return 0;
}

#endif
