/* Any bytes as YAML: refused with a sentence, or a tree within its bounds whose places lie in the text. */
#include "base/check.h"
#include "base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t walk(const struct yaml_node *n, uint32_t lines, uint32_t depth)
{
	uint32_t size = 1;

	CHECK(depth <= YAML_DEPTH_MAX + 1 && n->line >= 1 && n->line <= lines && n->column >= 1);
	for (uint32_t i = 0; (n->type == YAML_LIST || n->type == YAML_MAP) && i < n->count && size < 100000; i++)
		size += walk(n->type == YAML_LIST ? n->items[i] : n->pairs[i].value, lines, depth + 1);
	CHECK(size >= 100000 || size == n->size);
	return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	const struct yaml_node *n;
	struct error err = {0};

	arena_init(&arena);
	int code = yaml_read(slice_new((const char *)data, size), &arena, &n, &err);
	CHECK(code == 0 || err.text[0] != '\0');
	if (code == 0)
		walk(n, (uint32_t)size + 2, 1);
	arena_deinit(&arena);
	return 0;
}
