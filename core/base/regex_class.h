/* Private to regex_tree.c: characters and classes of a pattern. */
#ifndef MOONGATE_BASE_REGEX_CLASS_H
#define MOONGATE_BASE_REGEX_CLASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct regex_flags {
	bool fold, dot_newline, lines; /* (?i), (?s), (?m) */
};

struct regex_class {
	uint64_t ascii[2];
	bool any, wide;
	uint32_t items, unicode;
};

/* Reads a character of UTF-8: its length, 0 when it is none. */
size_t regex_rune_read(const char *at, const char *end, uint32_t *out);

/* Writes a character (at most four bytes), which may be none of Unicode's; its length. */
size_t regex_rune_write(uint32_t rune, char *out);

/* Reads what stands behind a backslash and means one character: \n, \x41, \x{1F600}, \101, \. False, with one character taken: it is something else. */
bool regex_rune_escape(const char **at, const char *end, uint32_t *out);

/* The same for classes: \d, \W, \pL, \p{Greek}. False, with nothing taken: it is something else. Adds to the class. */
bool regex_class_escape(const char **at, const char *end, struct regex_class *out);

/* Reads [...]. False: it is not sure what it means. */
bool regex_class_read(const char **at, const char *end, struct regex_flags flags, struct regex_class *out);

#endif
