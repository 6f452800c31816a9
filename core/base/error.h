/* Errors that a person will read: one sentence that names the file, line or field, what was found and what was wanted.
 */
#ifndef MOONGATE_BASE_ERROR_H
#define MOONGATE_BASE_ERROR_H

enum { ERROR_TEXT_MAX = 1024 };

struct error {
	int code;                  /* 0: no error; else a negative errno */
	char text[ERROR_TEXT_MAX]; /* NUL-terminated UTF-8 without a final newline; cut, never overrun */
};

/* Stores `code` (a negative errno) and the formatted sentence; `e` may be NULL. Returns `code`, so that a caller can
 * write `return error_set(err, -EINVAL, "...")`. Any thread (the struct is the caller's). */
int error_set(struct error *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the text that `e` has; does nothing when `e` is NULL or holds no error. */
void error_prefix(struct error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
