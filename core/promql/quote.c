/* Text as Go's strconv quotes it. */
#include "promql/quote.h"

#include <stdbool.h>
#include <stdio.h>

#include "base/check.h"
#include "base/utf8.h"
#include "promql/promql.h"

uint32_t rune_at(struct slice s, uint32_t *len)
{
	size_t n = utf8_char(s.ptr, s.len);
	const unsigned char *p = (const unsigned char *)s.ptr;
	*len = n > 0 ? (uint32_t)n : 1;
	switch (n) {
	case 1:
		return p[0];
	case 2:
		return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
	case 3:
		return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
	case 4:
		return (p[0] & 0x07u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
	default:
		return RUNE_BAD;
	}
}

/* Controls, spaces but the one of ASCII, formatting characters, private use: what Go's IsPrint refuses, but for single unassigned ones. */
static bool is_printable(uint32_t r)
{
	static const struct {
		uint32_t first, last;
	} hidden[] = {{0, 0x1f},          {0x7f, 0xa0},          {0xad, 0xad},     {0x61c, 0x61c},   {0x1680, 0x1680},
	              {0x180e, 0x180e},   {0x2000, 0x200f},      {0x2028, 0x202f}, {0x205f, 0x206f}, {0x3000, 0x3000},
	              {0xd800, 0xf8ff},   {0xfeff, 0xfeff},      {0xfff0, 0xfffb}, {0xfffe, 0xffff}, {0xe0000, 0xe00ff},
	              {0xe01f0, 0xfffff}, {0x100000, UINT32_MAX}};

	for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
		if (r >= hidden[i].first && r <= hidden[i].last)
			return false;
	}
	return true;
}

/* A character between quotes of one kind; at most 10 bytes. Returns the length. */
static size_t escape(uint32_t r, char quote, char *to)
{
	static const char letters[] = "abtnvfr"; /* of 7 to 13 */

	if (r == (uint32_t)quote || r == '\\') {
		to[0] = '\\';
		to[1] = (char)r;
		return 2;
	}
	if (is_printable(r))
		return utf8_encode(r, to);
	if (r >= 7 && r <= 13) {
		to[0] = '\\';
		to[1] = letters[r - 7];
		return 2;
	}
	return (size_t)snprintf(to, 11, r < 0x80 ? "\\x%02x" : r < 0x10000 ? "\\u%04x" : "\\U%08x", r);
}

const char *rune_quoted(uint32_t rune, char *room)
{
	room[0] = '\'';
	size_t len = 1 + escape(rune > 0x10ffff ? RUNE_BAD : rune, '\'', room + 1);
	room[len] = '\'';
	room[len + 1] = '\0';
	return room;
}

const char *rune_named(uint32_t rune, char *room)
{
	size_t len = (size_t)snprintf(room, RUNE_TEXT_MAX, "U+%04X", rune);
	if (is_printable(rune)) {
		room[len++] = ' ';
		room[len++] = '\'';
		len += utf8_encode(rune, room + len);
		room[len++] = '\'';
		room[len] = '\0';
	}
	return room;
}

static void quote(struct slice text, uint32_t runes, struct buf *out)
{
	char piece[RUNE_TEXT_MAX];
	uint32_t len;

	buf_byte(out, '"');
	for (; text.len > 0 && runes > 0; runes--) {
		uint32_t r = rune_at(text, &len);
		size_t written = r == RUNE_BAD && len == 1
		                     ? (size_t)snprintf(piece, sizeof piece, "\\x%02x", (unsigned char)*text.ptr)
		                     : escape(r, '"', piece);
		buf_append(out, piece, written);
		text = slice_new(text.ptr + len, text.len - len);
	}
	buf_byte(out, '"');
}

void promql_quote(struct slice text, struct buf *out)
{
	quote(text, UINT32_MAX, out);
}

const char *quoted(struct slice text, uint32_t runes, struct arena *arena)
{
	struct buf b = {0};
	quote(text, runes, &b);
	struct slice copy = buf_failed(&b) ? (struct slice){0} : arena_copy(arena, buf_slice(&b));
	buf_free(&b);
	return copy.ptr != NULL ? copy.ptr : "";
}

const char *number_text(double v, char room[NUMBER_TEXT_MAX])
{
	/* A number has at most 32 bytes: the buffer does not grow. */
	struct buf text = {.ptr = room, .cap = NUMBER_TEXT_MAX - 1};

	buf_number_go(&text, v);
	CHECK(text.ptr == room);
	room[text.len] = '\0';
	return room;
}
