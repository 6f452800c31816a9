/* What a pattern may cost, reckoned before RE2 sees it.
 *
 * Memory: RE2's own bound is for its program and caches, not for its parser, which makes half a gigabyte of 64 KiB of \pL. The constants are what was measured, rounded up.
 *
 * Time: RE2 takes time linear in the text, but the factor is in the pattern's hands: (a|b)*a(a|b){999} is in a thousand places at once, and its states are too many to be kept. A place counts when it can be
 * come by at many moments: within a loop, or behind something whose length is not fixed. In x(a|b){999} the text is in one place at a time. */
#include "base/regex_bounds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/regex_tree.h"
#include "base/utf8.h"

enum {
	PARSE_BYTES_MAX = 4 * 1024 * 1024,
	NODE_BYTES = 200,
	LITERAL_BYTES = 16,        /* of each of its bytes */
	ITEM_BYTES = 96,           /* a range of a class */
	UNICODE_BYTES = 32 * 1024, /* a class like \pL */
	DOT_WIDTH = 4,             /* what begins or goes on a character of UTF-8 */
	UNICODE_WIDTH = 16,        /* the same of \pL */
	FOLD_WIDTH = 2,            /* beside a letter its others: k, K, the sign of Kelvin */
	GROUP_WIDTH = 2,
	LOOP_WIDTH = 2
};

uint64_t regex_tree_bytes(const struct regex_node *root)
{
	uint64_t sum = 0;
	for (const struct regex_node *n = root; n != NULL; n = n->next) {
		sum += NODE_BYTES;
		if (n->kind == REGEX_LITERAL)
			sum += (uint64_t)n->text.len * (n->fold ? NODE_BYTES : LITERAL_BYTES);
		else if (n->kind == REGEX_CLASS)
			sum += (uint64_t)n->set.items * ITEM_BYTES * (n->fold ? 4 : 1) +
			       (uint64_t)n->set.unicode * UNICODE_BYTES;
		else if (n->child != NULL)
			sum += regex_tree_bytes(n->child);
	}
	return sum;
}

/* ---- width ---- */

struct reach {
	uint64_t width;
	uint64_t chars; /* the length of what matches, when it is fixed */
	bool fixed;
};

static uint64_t add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t times(uint64_t a, uint64_t b)
{
	return b != 0 && a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

static struct reach walk(const struct regex_node *n, bool many, struct arena *arena);

static struct reach walk_literal(const struct regex_node *n, bool many)
{
	struct reach r = {.fixed = true};
	for (size_t i = 0; i < n->text.len; i++)
		r.chars += ((unsigned char)n->text.ptr[i] & 0xc0) != 0x80;
	if (many)
		r.width = n->text.len * (n->fold ? FOLD_WIDTH : 1);
	return r;
}

static struct reach walk_class(const struct regex_node *n, bool many)
{
	struct reach r = {.chars = 1, .fixed = true};
	if (!many)
		return r;
	if (n->set.unicode != 0)
		r.width = UNICODE_WIDTH;
	else
		r.width = (n->set.items + 1) * (n->fold ? FOLD_WIDTH : 1) + (n->wide ? DOT_WIDTH : 0);
	if (r.width > 4 * UNICODE_WIDTH)
		r.width = 4 * UNICODE_WIDTH; /* a character is told by its first byte, then by its second */
	return r;
}

static struct reach walk_concat(const struct regex_node *n, bool many, struct arena *arena)
{
	struct reach sum = {.fixed = true};
	for (const struct regex_node *c = n->child; c != NULL; c = c->next) {
		struct reach r = walk(c, many || !sum.fixed, arena);
		sum.width = add(sum.width, r.width);
		sum.chars = add(sum.chars, r.chars);
		sum.fixed = sum.fixed && r.fixed;
	}
	return sum;
}

static struct reach walk_repeat(const struct regex_node *n, bool many, struct arena *arena)
{
	struct reach once = walk(n->child, true, arena);
	uint64_t copies = n->max != REGEX_UNBOUNDED ? n->max : n->min > 1 ? n->min : 1;
	struct reach r = {.fixed = once.fixed && n->min == n->max, .chars = times(once.chars, copies)};
	/* Of copies with fixed lengths, each begins at one moment. */
	if (!many && once.fixed && n->max != REGEX_UNBOUNDED)
		once = walk(n->child, false, arena);
	else if (n->min != n->max)
		once.width = add(once.width, LOOP_WIDTH);
	r.width = times(once.width, copies);
	return r;
}

/* ---- alternatives of literals ---- */

/* RE2 makes a tree of them, in which neighbours with the same beginning share it. A text is in all those places of a depth at once which the same bytes lead to: mostly one. */
struct place {
	uint64_t beginning; /* the hash of the bytes that lead to it */
	uint32_t depth;
};

static int by_place(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	return x->beginning < y->beginning ? -1 : x->beginning > y->beginning;
}

static size_t shared(struct slice a, struct slice b)
{
	size_t i = 0;
	while (i < a.len && i < b.len && a.ptr[i] == b.ptr[i])
		i++;
	return i;
}

/* For each depth, the most places with the same beginning; the sum of these. */
static uint64_t sum_of_most(const struct place *places, size_t count)
{
	uint64_t sum = 0, most = 0, same = 0;
	for (size_t i = 0; i < count; i++) {
		same = i > 0 && by_place(&places[i - 1], &places[i]) == 0 ? same + 1 : 1;
		most = same > most ? same : most;
		if (i + 1 == count || places[i + 1].depth != places[i].depth) {
			sum += most;
			most = 0;
		}
	}
	return sum;
}

/* For literals of any case, the letter that stands for both; what folds beyond ASCII is left to the sum over all. */
static unsigned char folded(char c, bool fold)
{
	return (unsigned char)(fold && c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

/* UINT64_MAX: not all are literals, some of any case and some not, or memory is out. */
static uint64_t width_of_literals(const struct regex_node *alternate, struct arena *arena)
{
	size_t bytes = 0, count = 0;
	bool fold = alternate->child->fold;
	for (const struct regex_node *c = alternate->child; c != NULL; c = c->next) {
		if (c->kind != REGEX_LITERAL || c->fold != fold || (fold && !utf8_is_ascii(c->text.ptr, c->text.len)))
			return UINT64_MAX;
		bytes += c->text.len;
	}
	struct arena_mark mark = arena_mark(arena);
	struct place *places = arena_alloc(arena, bytes * sizeof *places);
	if (places == NULL)
		return UINT64_MAX;
	struct slice before = {0};
	for (const struct regex_node *c = alternate->child; c != NULL; c = c->next) {
		struct slice text = c->text;
		size_t same = shared(before, text);
		uint64_t hash = 0;
		for (size_t i = 0; i < text.len; i++) {
			if (i >= same)
				places[count++] = (struct place){hash, (uint32_t)i};
			hash = hash_mix(hash, folded(text.ptr[i], fold));
		}
		before = text;
	}
	qsort(places, count, sizeof *places, by_place);
	uint64_t sum = times(sum_of_most(places, count), fold ? FOLD_WIDTH : 1);
	arena_rewind(arena, mark);
	return sum;
}

static struct reach walk_alternate(const struct regex_node *n, bool many, struct arena *arena)
{
	struct reach sum = {.fixed = true};
	for (const struct regex_node *c = n->child; c != NULL; c = c->next) {
		struct reach r = walk(c, many, arena);
		sum.width = add(sum.width, r.width);
		sum.fixed = sum.fixed && r.fixed && (c == n->child || r.chars == sum.chars);
		sum.chars = r.chars;
	}
	if (many) {
		uint64_t literals = width_of_literals(n, arena);
		sum.width = literals < sum.width ? literals : sum.width;
	}
	return sum;
}

static struct reach walk(const struct regex_node *n, bool many, struct arena *arena)
{
	struct reach r = {.fixed = true};
	switch (n->kind) {
	case REGEX_EMPTY:
		break;
	case REGEX_BEGIN:
	case REGEX_END:
	case REGEX_ASSERT:
		r.width = many;
		break;
	case REGEX_LITERAL:
		return walk_literal(n, many);
	case REGEX_CLASS:
		return walk_class(n, many);
	case REGEX_GROUP:
		r = walk(n->child, many, arena);
		if (many && n->captures)
			r.width = add(r.width, GROUP_WIDTH);
		break;
	case REGEX_CONCAT:
		return walk_concat(n, many, arena);
	case REGEX_ALTERNATE:
		return walk_alternate(n, many, arena);
	case REGEX_REPEAT:
		return walk_repeat(n, many, arena);
	}
	return r;
}

uint64_t regex_tree_width(const struct regex_node *root, bool search, struct arena *arena)
{
	return walk(root, search, arena).width;
}

/* ---- all bounds ---- */

static int check_tree(const struct regex_tree *tree, enum regex_use use, struct arena *arena, struct error *err)
{
	if (regex_tree_bytes(tree->root) > PARSE_BYTES_MAX)
		return error_set(err, -E2BIG, "regular expression: compiling it would take more than %d MiB",
		                 REGEX_MEMORY_BYTES >> 20);
	uint64_t width = regex_tree_width(tree->root, use == REGEX_SEARCH, arena);
	if (width > REGEX_WIDTH_MAX)
		return error_set(
		    err, -E2BIG,
		    "regular expression: a match may be in %llu places of it at once, at most %d are taken; "
		    "repeat less behind parts of any length",
		    (unsigned long long)width, REGEX_WIDTH_MAX);
	return 0;
}

int regex_check_bounds(struct slice pattern, enum regex_use use, struct slice *copy, struct error *err)
{
	struct regex_tree tree;
	struct arena arena;

	if (pattern.len > REGEX_PATTERN_BYTES_MAX)
		return error_set(err, -E2BIG, "regular expression: %zu bytes, at most %d are taken", pattern.len,
		                 REGEX_PATTERN_BYTES_MAX);
	arena_init(&arena);
	int code = regex_tree_parse(pattern, &arena, &tree, err);
	if (code == 0)
		code = check_tree(&tree, use, &arena, err);
	else
		error_prefix(err, "regular expression");
	if (code == 0) {
		*copy = slice_new(mem_strndup(tree.pattern.ptr, tree.pattern.len), tree.pattern.len);
		code = copy->ptr != NULL ? 0 : -ENOMEM;
	}
	arena_deinit(&arena); /* before RE2 takes memory: they do not add up */
	return code;
}
