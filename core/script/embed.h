/* The files of core/script/lib, made part of the binary when it is built. */
#ifndef MOONGATE_SCRIPT_EMBED_H
#define MOONGATE_SCRIPT_EMBED_H

#include <stddef.h>

struct embedded_file {
	const char *name;  /* "api.lua" */
	const char *bytes; /* followed by a NUL that `len` does not count */
	size_t len;
};

/* Ends with a row whose name is NULL. */
extern const struct embedded_file embedded_files[];

#endif
