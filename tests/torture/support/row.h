/* A row of the torture table that runs inside a C program: figures by TORTURE=short|long, one line at its end, exit code 0 when it held. */
#ifndef MOONGATE_TORTURE_ROW_H
#define MOONGATE_TORTURE_ROW_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
	int number;
	const char *name;
};

/* Is this the long form? Without the variable it is. */
static inline bool row_long(void)
{
	const char *mode = getenv("TORTURE");
	if (mode != NULL && strcmp(mode, "short") != 0 && strcmp(mode, "long") != 0) {
		fprintf(stderr, "TORTURE is short or long, not %s\n", mode);
		exit(2);
	}
	return mode == NULL || strcmp(mode, "long") == 0;
}

static inline void row_say(const struct row *r, const char *verdict, const char *format, va_list args)
{
	printf("row %02d  %-44s %-7s ", r->number, r->name, verdict);
	vprintf(format, args);
	putchar('\n');
	fflush(stdout);
}

/* It held: the figure that was reached. For `return row_held(…)` in main. */
__attribute__((format(printf, 2, 3))) static inline int row_held(const struct row *r, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	row_say(r, "ok", format, args);
	va_end(args);
	return 0;
}

/* It did not: what was found and what was wanted. Ends the program. */
__attribute__((format(printf, 2, 3), noreturn)) static inline void row_failed(const struct row *r, const char *format,
                                                                              ...)
{
	va_list args;
	va_start(args, format);
	row_say(r, "FAILED", format, args);
	va_end(args);
	exit(1);
}

#endif
