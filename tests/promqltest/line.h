/* Lines of a script below its commands. Private to the parser. Errors are sentences without file and line. */
#ifndef PROMQLTEST_LINE_H
#define PROMQLTEST_LINE_H

#include "script.h"

static inline bool line_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Without the blanks at both ends. */
static inline struct slice line_trim(struct slice s)
{
	while (s.len > 0 && line_blank(s.ptr[0]))
		s = slice_new(s.ptr + 1, s.len - 1);
	while (s.len > 0 && line_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

static inline bool line_starts(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len && memcmp(s.ptr, prefix.ptr, prefix.len) == 0;
}

static inline struct slice line_skip(struct slice s, size_t bytes)
{
	return slice_new(s.ptr + bytes, s.len - bytes);
}

/* Takes the first word off a trimmed text, and the blanks behind it; empty: there is none. */
struct slice line_word(struct slice *rest);

/* Whole milliseconds of a duration: "1m30s", "0". 0, or -EINVAL. */
int line_duration(struct slice text, int64_t *ms, struct error *err);

/* A number and nothing else: 1e3, -Inf, 0x1f. False: it is none. */
bool line_number(struct slice text, struct arena *arena, double *out);

/* A quoted string and nothing else. 0, or -EINVAL. */
int line_string(struct slice text, struct arena *arena, struct slice *out, struct error *err);

/* ---- series_line.c ---- */

/* A series and its values: name{a="b"} 1 2+3x4 _ _x5 stale NaN {{sum:1}}x2. Line numbers are left out. 0, -EINVAL, -ENOMEM. */
int line_series(struct slice text, struct arena *arena, struct script_series *out, struct error *err);

/* The series alone. */
int line_labels(struct slice text, struct arena *arena, struct slice *out, struct error *err);

/* ---- start_line.c: start times of the samples of a series ---- */

/* Is the line one: name{a="b"}@st -1m -30s+1sx3 _? */
bool line_is_start(struct slice text);

/* Its labels, and how many times it gives. `labels` is empty where it speaks of all series below it. 0, -EINVAL, -ENOMEM. */
int line_start(struct slice text, struct arena *arena, struct slice *labels, uint32_t *count, struct error *err);

/* The number behind an x: from 0 to SCRIPT_VALUES_MAX - 1. 0, or -EINVAL. */
int line_repeat(struct slice text, uint32_t *out, struct error *err);

#endif
