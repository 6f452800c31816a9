/* Text and numbers as Go has them in sentences. */
#ifndef MOONGATE_PROMQL_QUOTE_H
#define MOONGATE_PROMQL_QUOTE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"

enum { RUNE_BAD = 0xfffd, RUNE_TEXT_MAX = 32 };

/* The character at the front of `s`, which is not empty, and its length in *len; of what is not UTF-8 RUNE_BAD of one byte. */
uint32_t rune_at(struct slice s, uint32_t *len);

/* As %q has a character: 'x', '\n', '\u00ad'. RUNE_BAD, in its quotes, for what is none. Room for RUNE_TEXT_MAX bytes; NUL-terminated. */
const char *rune_quoted(uint32_t rune, char *room);

/* As %#U has it: U+0063 'c'. */
const char *rune_named(uint32_t rune, char *room);

/* The text in double quotes as promql_quote has it, NUL-terminated in the arena; at most `runes` characters of it. "" where memory is out: then the sentence lacks it. */
const char *quoted(struct slice text, uint32_t runes, struct arena *arena);

/* A number as Go's %v and %g print it, NUL-terminated. */
enum { NUMBER_TEXT_MAX = 40 };
const char *number_text(double v, char room[NUMBER_TEXT_MAX]);

#endif
