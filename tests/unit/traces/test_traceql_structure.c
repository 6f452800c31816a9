/* Structural operators over trees made at random, against one that looks at each pair of spans. */
#include "base/hash.h"
#include "support/asked.h"

enum { TREES = 300, SPANS_MAX = 40 };

static struct laid laid;
static uint64_t seed;

static uint32_t random_below(uint32_t n)
{
	seed = hash_mix(seed, 0x9e3779b9);
	return (uint32_t)(seed % n);
}

static const struct trace *random_tree(void)
{
	uint32_t count = 1 + random_below(SPANS_MAX);
	int parents[SPANS_MAX];
	uint32_t order[SPANS_MAX];

	/* A parent may begin after its children: the tree is made in one order, and laid out in another. */
	for (uint32_t i = 0; i < count; i++) {
		uint32_t j = random_below(i + 1);
		order[i] = order[j];
		order[j] = i;
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t kind = random_below(10);
		int parent = i == 0 || kind == 0 ? LAID_NONE : kind == 1 ? LAID_ORPHAN : (int)order[random_below(i)];
		parents[order[i]] = kind > 7 && i > 0 ? (int)order[i - 1] : parent;
	}
	memset(&laid, 0, sizeof laid);
	for (uint32_t i = 0; i < count; i++) {
		static const char *const sides[] = {"n=1", "a=1", "b=1", "a=1,b=1"};
		laid_span(&laid,
		          (struct laid_span){.parent = parents[i], .name = "x", .attributes = sides[random_below(4)]});
	}
	return laid_trace(&laid);
}

static bool has(const struct trace *t, uint32_t span, const char *name)
{
	return trace_attribute(t, &trace_spans(t)[span], slice_cstr(name)) != NULL;
}

static bool is_below(const struct trace *t, uint32_t low, uint32_t high)
{
	uint32_t at = trace_spans(t)[low].parent;

	while (at != TRACE_NONE && at != high)
		at = trace_spans(t)[at].parent;
	return at == high;
}

static bool is_root(const struct trace *t, uint32_t span)
{
	return trace_spans(t)[span].parent == TRACE_NONE && (trace_spans(t)[span].parent_id == 0 || span == t->root);
}

/* Does `b` stand in the relation to `a` that the operator has, such as to be its child? */
static bool related(const struct trace *t, const char *op, uint32_t a, uint32_t b)
{
	const struct trace_span *spans = trace_spans(t);

	if (strcmp(op, ">") == 0)
		return spans[b].parent == a;
	if (strcmp(op, "<") == 0)
		return spans[a].parent == b;
	if (strcmp(op, ">>") == 0)
		return is_below(t, b, a);
	if (strcmp(op, "<<") == 0)
		return is_below(t, a, b);
	if (a == b || spans[a].parent != spans[b].parent)
		return false;
	return spans[a].parent != TRACE_NONE || (is_root(t, a) && is_root(t, b));
}

/* The spans that { .a != nil } OP { .b != nil } has. */
static void naive(const struct trace *t, char how, const char *op, struct buf *out)
{
	uint32_t found = 0;

	for (uint32_t span = 0; span < t->span_count; span++) {
		bool as_b = false, as_a = false;
		for (uint32_t other = 0; other < t->span_count; other++) {
			as_b |= has(t, other, "a") && related(t, op, other, span);
			as_a |= has(t, other, "b") && related(t, op, span, other);
		}
		bool in = has(t, span, "b") && as_b != (how == '!');
		in |= how == '&' && has(t, span, "a") && as_a;
		if (in)
			buf_printf(out, found++ > 0 ? " %u" : "%u", span);
	}
	buf_byte(out, '\0');
}

static void check_tree(const struct trace *t, char how, const char *op)
{
	struct buf wanted = {0};
	char query[64];

	naive(t, how, op, &wanted);
	if (how == ' ')
		snprintf(query, sizeof query, "{ .a != nil } %s { .b != nil }", op);
	else
		snprintf(query, sizeof query, "{ .a != nil } %c%s { .b != nil }", how, op);
	assert_asked(query, t, wanted.ptr);
	buf_free(&wanted);
}

static void test_against_pairs(void **state)
{
	static const char *const ops[] = {">", "<", ">>", "<<", "~"};

	(void)state;
	for (uint32_t tree = 0; tree < TREES; tree++) {
		seed = tree + 1;
		const struct trace *t = random_tree();
		for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
			check_tree(t, ' ', ops[i]);
			check_tree(t, '!', ops[i]);
			check_tree(t, '&', ops[i]);
		}
		laid_free(&laid);
	}
}

/* nestedSetLeft and nestedSetRight are those of a walk through the tree: what is below lies within. */
static void test_nested_numbers(void **state)
{
	(void)state;
	for (uint32_t tree = 0; tree < TREES; tree++) {
		char query[160];
		seed = tree + 1;
		const struct trace *t = random_tree();
		for (uint32_t i = 0; i < t->span_count; i++) {
			const struct trace_span *s = &trace_spans(t)[i];
			char wanted[16] = "";
			if (s->parent != TRACE_NONE)
				snprintf(wanted, sizeof wanted, "%u", i);
			snprintf(query, sizeof query,
			         "{ span:id = \"%016x\" && nestedSetParent > 0 && nestedSetLeft > nestedSetParent && "
			         "nestedSetRight - nestedSetLeft >= childCount * 2 + 1 }",
			         (unsigned)s->id);
			assert_asked(query, t, wanted);
		}
		laid_free(&laid);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_against_pairs),
	    cmocka_unit_test(test_nested_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
