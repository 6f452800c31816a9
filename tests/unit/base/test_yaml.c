#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/yaml.h"

/* A tree as one line: maps {k: v}, lists [a, b], texts in quotes where they had them. */
static void show(struct buf *out, const struct yaml_node *n)
{
	switch (n->type) {
	case YAML_NULL:
		buf_str(out, "null");
		break;
	case YAML_SCALAR:
		if (n->plain)
			buf_slice_append(out, n->text);
		else
			buf_json_string(out, n->text);
		break;
	case YAML_LIST:
		buf_byte(out, '[');
		for (uint32_t i = 0; i < n->count; i++) {
			if (i > 0)
				buf_str(out, ", ");
			show(out, n->items[i]);
		}
		buf_byte(out, ']');
		break;
	case YAML_MAP:
		buf_byte(out, '{');
		for (uint32_t i = 0; i < n->count; i++) {
			if (i > 0)
				buf_str(out, ", ");
			buf_slice_append(out, n->pairs[i].key);
			buf_str(out, ": ");
			show(out, n->pairs[i].value);
		}
		buf_byte(out, '}');
		break;
	}
}

/* What a text reads as, or the error's text; terminated. */
static int read_text(struct slice text, struct buf *out)
{
	struct arena arena;
	const struct yaml_node *n;
	struct error err = {0};

	arena_init(&arena);
	int code = yaml_read(text, &arena, &n, &err);
	if (code == 0)
		show(out, n);
	else
		buf_str(out, err.text);
	buf_byte(out, '\0');
	arena_deinit(&arena);
	return code;
}

static void what_is_read(void **state)
{
	static const struct {
		const char *text, *wanted;
		bool fails;
	} examples[] = {
	    {"", "null", false},
	    {"# nothing\n", "null", false},
	    {"a: 1\nb: [x, \"y\", 'z']\nc:\n  - d: ~\n    e: |\n      two\n      lines\n",
	     "{a: 1, b: [x, \"y\", \"z\"], c: [{d: null, e: \"two\\nlines\\n\"}]}", false},
	    {"a: &x {b: 1}\nc: *x\nd: [*x, *x]", "{a: {b: 1}, c: {b: 1}, d: [{b: 1}, {b: 1}]}", false},
	    {"? a\n: >-\n  one\n  line\n", "{a: \"one line\"}", false},
	    {"a: \"\"\nb: ''\nc: null\nd: \"null\"", "{a: \"\", b: \"\", c: null, d: \"null\"}", false},
	    {"a: 1\na: 2", "line 2: mapping key \"a\" already defined at line 1", true},
	    {"a: [1", "line 2: while parsing a flow sequence: did not find expected ',' or ']'", true},
	    {"a: *none", "line 1: unknown anchor 'none' referenced", true},
	    {"a: &x [*x]", "line 1: anchor 'x' value contains itself", true},
	    {"[a]: 1", "line 1: a key is a text, not a list", true},
	    {"a\n---\nb", "line 2: more than one document", true},
	    {"a:\n\t- b", "line 2: while scanning for the next token: found character that cannot start any token",
	     true},
	    {"\xff", "byte 0: invalid leading UTF-8 octet", true},
	};
	(void)state;
	for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
		struct buf out = {0};
		int code = read_text(slice_cstr(examples[i].text), &out);
		if ((code != 0) != examples[i].fails || strcmp(out.ptr, examples[i].wanted) != 0)
			fail_msg("%s\n   gives %d: %s\n  wanted: %s", examples[i].text, code, out.ptr,
			         examples[i].wanted);
		buf_free(&out);
	}
}

static void places_are_known(void **state)
{
	static const char *const names[] = {"groups", NULL};
	struct arena arena;
	const struct yaml_node *n;
	struct error err = {0};
	(void)state;
	arena_init(&arena);
	assert_int_equal(yaml_read(SLICE("groups:\n- name: a\nother: 1\n"), &arena, &n, &err), 0);
	const struct yaml_pair *unknown = yaml_unknown(n, names);
	assert_non_null(unknown);
	assert_int_equal(unknown->line, 3);
	const struct yaml_node *group = yaml_find(n, SLICE("groups"))->items[0];
	assert_int_equal(group->line, 2);
	assert_int_equal(group->column, 3);
	assert_null(yaml_find(n, SLICE("none")));
	arena_deinit(&arena);
}

static void check_bound(struct buf *text)
{
	struct buf out = {0};
	assert_false(buf_failed(text));
	int code = read_text(buf_slice(text), &out);
	if (code != -E2BIG)
		fail_msg("%d: %s", code, out.ptr);
	buf_free(&out);
	buf_free(text);
}

static void bounds_hold(void **state)
{
	struct buf text = {0};
	(void)state;
	for (int i = 0; i < 1000; i++)
		buf_byte(&text, '[');
	check_bound(&text);
	buf_str(&text, "a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]\n"); /* each level ten times the one before */
	for (int i = 1; i < 12; i++) {
		buf_printf(&text, "a%d: &a%d [", i, i);
		for (int k = 0; k < 9; k++)
			buf_printf(&text, "*a%d, ", i - 1);
		buf_printf(&text, "*a%d]\n", i - 1);
	}
	check_bound(&text);
	for (int i = 0; i <= YAML_KEYS_MAX; i++)
		buf_printf(&text, "k%d: 1\n", i);
	check_bound(&text);
}

static void memory_may_be_out(void **state)
{
	bool done = false;
	(void)state;
	for (uint64_t n = 1; !done; n++) {
		struct buf out = {0};
		uint64_t before = fault_hits(FAULT_MALLOC);
		buf_grow(&out, 4096);
		fault_set(FAULT_MALLOC, n, false, ENOMEM);
		int code = read_text(SLICE("a: &x [1, {b: 2}]\nc: *x\n"), &out);
		done = fault_hits(FAULT_MALLOC) - before < n;
		fault_clear();
		assert_true(code == 0 || code == -ENOMEM);
		buf_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_read),
	    cmocka_unit_test(places_are_known),
	    cmocka_unit_test(bounds_hold),
	    cmocka_unit_test(memory_may_be_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
