/* The end of the process when an invariant is broken. Allocates nothing and takes no lock: the heap or the log may be
 * what is broken. */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Noreturn void check_failed(const char *file, int line, const char *condition)
{
	char text[512];

	snprintf(text, sizeof text, "moongate: %s:%d: broken invariant: %s\n", file, line, condition);
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		abort();
	abort();
}
