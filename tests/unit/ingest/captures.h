/* Bodies of real senders, where they are kept beside the repository: $MOONGATE_CAPTURES, else shared/captures next to the source tree or above it. They are no part of it: a test that uses them also
 * makes bodies of its own. */
#ifndef MOONGATE_TEST_CAPTURES_H
#define MOONGATE_TEST_CAPTURES_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"

enum { CAPTURE_PADDING = 64 };

/* The folder of a client's bodies, false when there is none. */
static inline bool captures_folder(char *path, size_t size, const char *client)
{
	const char *given = getenv("MOONGATE_CAPTURES");
	const char *folders[] = {given != NULL ? given : SOURCE_ROOT "/../shared/captures",
	                         SOURCE_ROOT "/../../shared/captures"};

	for (size_t i = 0; i < (given != NULL ? 1 : 2); i++) {
		snprintf(path, size, "%s/%s", folders[i], client);
		DIR *d = opendir(path);
		if (d != NULL) {
			closedir(d);
			return true;
		}
	}
	return false;
}

/* A whole file with CAPTURE_PADDING zeros behind it, for free(); ptr NULL when there is none. */
static inline struct slice captures_read(const char *folder, const char *name)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *f = fopen(path, "rb");
	struct slice s = {0};
	if (f == NULL)
		return s;
	fseek(f, 0, SEEK_END);
	long len = ftell(f);
	rewind(f);
	char *bytes = calloc(1, (size_t)len + CAPTURE_PADDING);
	if (bytes != NULL && fread(bytes, 1, (size_t)len, f) == (size_t)len)
		s = slice_new(bytes, (size_t)len);
	fclose(f);
	return s;
}

#endif
