#include "alerts/rule_set.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

/* The first error stays. */
static void keep_first(void *ctx, const struct error *err)
{
	struct error *first = ctx;

	if (first->code == 0)
		*first = *err;
}

static int read_file(struct rule_set *s, const char *path, struct error *err)
{
	struct buf text = {0};
	struct error first = {0};

	if (s->file_count == RULE_FILES_MAX)
		return error_set(err, -E2BIG, "%s: more than %d rule files", path, RULE_FILES_MAX);
	int code = file_read_all(path, RULE_FILE_BYTES_MAX, &text, err);
	struct slice name = code == 0 ? arena_copy(&s->arena, slice_cstr(path)) : slice_new(NULL, 0);
	struct slice copy = code == 0 ? arena_copy(&s->arena, buf_slice(&text)) : slice_new(NULL, 0);
	buf_free(&text);
	if (code != 0)
		return code;
	code = name.ptr == NULL || copy.ptr == NULL
	           ? -ENOMEM
	           : rule_file_read(name, copy, &s->arena, &s->files[s->file_count], keep_first, &first);
	if (code == -ENOMEM)
		return error_set(err, code, "out of memory for rule files");
	if (code != 0) {
		*err = first;
		return -EINVAL;
	}
	s->file_count++;
	return 0;
}

static int read_pattern(struct rule_set *s, const char *pattern, struct error *err)
{
	struct file_matches found;
	int code = file_glob(pattern, &found, err);

	for (size_t i = 0; i < found.count && code == 0; i++)
		code = read_file(s, found.paths[i], err);
	if (code == 0 && found.count == 0 && strpbrk(pattern, "*?[") == NULL)
		code = error_set(err, -ENOENT, "%s: there is no such rule file", pattern);
	file_matches_free(&found);
	return code;
}

struct rule_set *rule_set_read(char *const *patterns, uint32_t count, struct error *err)
{
	struct rule_set *s = mem_zalloc(1, sizeof *s);
	int code = 0;

	if (s != NULL) {
		arena_init(&s->arena);
		s->files = mem_zalloc(RULE_FILES_MAX, sizeof *s->files);
	}
	if (s == NULL || s->files == NULL)
		code = error_set(err, -ENOMEM, "out of memory for rule files");
	for (uint32_t i = 0; i < count && code == 0; i++)
		code = read_pattern(s, patterns[i], err);
	if (code == 0)
		return s;
	rule_set_free(s);
	return NULL;
}

void rule_set_free(struct rule_set *s)
{
	if (s == NULL)
		return;
	arena_deinit(&s->arena);
	mem_free(s->files);
	mem_free(s);
}
