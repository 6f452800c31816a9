/* Any bytes as an expression: it is refused with a sentence, or its text reads back as the same tree, and prints the same again. Likewise as a selector. */
#include <string.h>

#include "base/check.h"
#include "promql/promql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef int parse_function(struct slice text, struct arena *arena, struct promql_expr **out, struct error *err);

static void print(const struct promql_expr *e, struct buf *out)
{
	promql_print(e, out);
	CHECK(!buf_failed(out));
}

static void there_and_back(const struct promql_expr *e, struct arena *arena, parse_function *parse)
{
	struct promql_expr *again;
	struct error err = {0};
	struct buf first = {0}, second = {0};

	print(e, &first);
	/* Numbers without exponents, and quoted bytes, may take more room than there is for text. */
	if (first.len <= PROMQL_BYTES_MAX) {
		CHECK(parse(buf_slice(&first), arena, &again, &err) == 0);
		CHECK(promql_same(e, again));
		print(again, &second);
		CHECK(slice_eq(buf_slice(&first), buf_slice(&second)));
	}
	buf_free(&first);
	buf_free(&second);
}

/* Is it one, and more than a selector? */
static bool check(struct slice text, parse_function *parse)
{
	struct arena arena;
	struct promql_expr *e;
	struct error err = {0};

	arena_init(&arena);
	int code = parse(text, &arena, &e, &err);
	CHECK((code == 0) == (e != NULL) && (code == 0) == (err.text[0] == '\0'));
	if (e != NULL) {
		CHECK(e->start <= e->end && e->end <= text.len && e->depth <= PROMQL_DEPTH_MAX);
		there_and_back(e, &arena, parse);
	} else {
		CHECK(strstr(err.text, "parse error: ") != NULL || text.len > PROMQL_BYTES_MAX);
	}
	bool more = e != NULL && e->kind != PROMQL_SELECTOR;
	arena_deinit(&arena);
	return more;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_new((const char *)data, size);

	/* What is more than a selector is refused as one where it begins to be: not again what may be dear. */
	if (!check(text, promql_parse))
		check(text, promql_parse_selector);
	return 0;
}
