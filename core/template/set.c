/* Sets of templates, and what functions have to say for themselves. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "template/internal.h"

struct template_set *template_set_new(const struct template_functions *const *packs, uint32_t count)
{
	struct template_set *set = mem_zalloc(1, sizeof *set);

	if (set == NULL)
		return NULL;
	arena_init(&set->arena);
	set->packs = arena_alloc(&set->arena, count * sizeof *packs + 1);
	if (set->packs == NULL) {
		template_set_free(set);
		return NULL;
	}
	if (count > 0)
		memcpy((void *)set->packs, packs, count * sizeof *packs);
	set->pack_count = count;
	return set;
}

void template_set_free(struct template_set *set)
{
	if (set == NULL)
		return;
	arena_deinit(&set->arena);
	mem_free(set->definitions);
	mem_free(set);
}

const struct definition *template_set_find(const struct template_set *set, struct slice name)
{
	for (uint32_t i = 0; i < set->count; i++) {
		if (slice_eq(set->definitions[i]->name, name))
			return set->definitions[i];
	}
	return NULL;
}

bool template_set_has(const struct template_set *set, struct slice name)
{
	return template_set_find(set, name) != NULL;
}

static const struct template_function *find_in(const struct template_functions *pack, struct slice name)
{
	for (uint32_t i = 0; i < pack->count; i++) {
		if (slice_eq(slice_cstr(pack->items[i].name), name))
			return &pack->items[i];
	}
	return NULL;
}

const struct template_function *template_set_function(const struct template_set *set, struct slice name)
{
	const struct template_function *f = NULL;

	for (uint32_t i = set->pack_count; i > 0 && f == NULL; i--)
		f = find_in(set->packs[i - 1], name);
	return f != NULL ? f : find_in(&template_builtins, name);
}

int template_fail(struct template_call *call, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	return error_set(call->err, -EINVAL, "%s", text);
}

int template_starve(struct template_call *call)
{
	return error_set(call->err, -ENOMEM, "out of memory for a template");
}

int template_take(struct template_call *call, struct buf *text, struct template_value *out)
{
	struct slice copy = buf_failed(text) ? slice_new(NULL, 0) : arena_copy(&call->arena[0], buf_slice(text));

	buf_free(text);
	if (copy.ptr == NULL)
		return template_starve(call);
	*out = template_string(copy);
	return 0;
}
