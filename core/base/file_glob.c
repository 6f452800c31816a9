/* Patterns of paths, as the shell has them. */
#include <errno.h>
#include <glob.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

static int copy_paths(const glob_t *g, struct file_matches *out)
{
	out->paths = mem_zalloc(g->gl_pathc + 1, sizeof *out->paths);
	if (out->paths == NULL)
		return -ENOMEM;
	for (; out->count < g->gl_pathc; out->count++) {
		const char *path = g->gl_pathv[out->count];
		out->paths[out->count] = mem_strndup(path, strlen(path));
		if (out->paths[out->count] == NULL)
			return -ENOMEM;
	}
	return 0;
}

int file_glob(const char *pattern, struct file_matches *out, struct error *err)
{
	glob_t g = {0};

	*out = (struct file_matches){0};
	int found = glob(pattern, GLOB_ERR, NULL, &g);
	int code = found == 0              ? copy_paths(&g, out)
	           : found == GLOB_NOMATCH ? 0
	           : found == GLOB_NOSPACE ? -ENOMEM
	                                   : -EIO;
	globfree(&g);
	if (code == -ENOMEM)
		return error_set(err, code, "out of memory for the files of %s", pattern);
	return code == 0 ? 0 : error_set(err, code, "%s: a folder of it cannot be read", pattern);
}

void file_matches_free(struct file_matches *m)
{
	for (size_t i = 0; i < m->count; i++)
		mem_free(m->paths[i]);
	mem_free(m->paths);
	*m = (struct file_matches){0};
}
