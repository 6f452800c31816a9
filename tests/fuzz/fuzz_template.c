/* Any bytes as a template: it is refused with a sentence, or runs within its bounds, and gives the same a second time. */
#include <string.h>

#include "base/check.h"
#include "template/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct template_value numbers[] = {
    {.type = TEMPLATE_INT, .integer = 1},
    {.type = TEMPLATE_FLOAT, .number = -0.5},
    {.type = TEMPLATE_STRING, .text = {"x\xff", 2}},
    {.type = TEMPLATE_NIL},
};
static const struct template_pair pairs[] = {
    {{"a", 1}, {.type = TEMPLATE_STRING, .text = {"text", 4}}},
    {{"b", 1}, {.type = TEMPLATE_LIST, .list = {numbers, 4}}},
    {{"c", 1}, {.type = TEMPLATE_BOOL, .boolean = true}},
    {{"d", 1}, {.type = TEMPLATE_DURATION, .integer = -90000000000}},
    {{"t", 1}, {.type = TEMPLATE_TIME, .integer = 1435065584128000000}},
};
static const struct template_map map = {.pairs = pairs, .count = 5};

static int run(const struct template_set *set, bool html, struct buf *out)
{
	static const struct template_value top = {.type = TEMPLATE_MAP, .map = &map};
	const struct template_run how = {.html = html, .max_bytes = 1 << 16, .max_steps = 5000};
	struct error err = {0};
	int code = template_execute(set, SLICE("f"), &top, &how, out, &err);

	CHECK(code == 0 || err.text[0] != '\0');
	CHECK(out->len <= (1 << 16) + (1 << 20)); /* the last thing that it printed may go over */
	return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct template_functions *const packs[] = {&template_prometheus};
	struct template_set *set = template_set_new(packs, 1);
	struct error err = {0};

	CHECK(set != NULL);
	int code = template_set_parse(set, SLICE("f"), slice_new((const char *)data, size), &err);
	CHECK(code == 0 || err.text[0] != '\0');
	for (int html = 0; code == 0 && html < 2; html++) {
		struct buf first = {0}, second = {0};
		CHECK(run(set, html == 1, &first) == run(set, html == 1, &second));
		CHECK(slice_eq(buf_slice(&first), buf_slice(&second)));
		buf_free(&first);
		buf_free(&second);
	}
	template_set_free(set);
	return 0;
}
