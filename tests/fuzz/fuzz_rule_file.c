/* Any bytes as a rule file: what is wrong is told, a sentence each, and what is taken is whole. */
#include "alerts/alerts.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void note(void *ctx, const struct error *err)
{
	int *told = ctx;

	CHECK(err->text[0] != '\0');
	++*told;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	struct rule_file f;
	int told = 0;

	arena_init(&arena);
	int errors = rule_file_read(SLICE("f"), slice_new((const char *)data, size), &arena, &f, note, &told);
	CHECK(errors == told);
	for (uint32_t g = 0; g < f.group_count; g++) {
		for (uint32_t i = 0; i < f.groups[g].rule_count; i++) {
			const struct rule *r = &f.groups[g].rules[i];
			CHECK(errors > 0 ||
			      (r->name.len > 0 && r->expr != NULL && r->for_ms >= 0 && r->keep_firing_for_ms >= 0));
		}
	}
	arena_deinit(&arena);
	return 0;
}
