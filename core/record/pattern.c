/* Which texts a pattern matches, when they can be said: a set of literals, or a prefix and anything behind it.
 *
 * All is done on the whole pattern, which matches a whole value: an anchor at either end of it says nothing, nor does one at the ends of each of its alternatives. What an anchor means elsewhere is for the engine. */
#include "record/pattern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct strings {
	struct slice *items;
	uint32_t count;
};

struct finder {
	struct arena *arena;
	size_t bytes; /* of all strings made so far */
};

/* Functions that look for a set: 1, 0 when there is none (or it is too large), -ENOMEM. */
enum { NONE = 0, FOUND = 1 };

static int set_of(struct finder *f, const struct regex_node *n, struct strings *out);

static int room(struct finder *f, uint32_t count, struct strings *out)
{
	out->items = arena_alloc(f->arena, (size_t)count * sizeof *out->items);
	out->count = 0;
	return out->items != NULL ? FOUND : -ENOMEM;
}

static int one(struct finder *f, struct slice text, struct strings *out)
{
	int code = room(f, 1, out);
	if (code == FOUND)
		out->items[out->count++] = text;
	return code;
}

/* Each of `a` with each of `b` behind it. */
static int product(struct finder *f, const struct strings *a, const struct strings *b, struct strings *out)
{
	uint64_t count = (uint64_t)a->count * b->count;
	if (a->count > 1 && b->count > 1 && count > PATTERN_PRODUCT_MAX)
		return NONE;
	int code = room(f, (uint32_t)count, out);
	for (uint32_t i = 0; code == FOUND && i < a->count; i++) {
		for (uint32_t j = 0; j < b->count; j++) {
			size_t len = a->items[i].len + b->items[j].len;
			f->bytes += len;
			if (f->bytes > PATTERN_SET_BYTES_MAX)
				return NONE;
			char *text = arena_alloc(f->arena, len);
			if (text == NULL)
				return -ENOMEM;
			if (a->items[i].len != 0)
				memcpy(text, a->items[i].ptr, a->items[i].len);
			if (b->items[j].len != 0)
				memcpy(text + a->items[i].len, b->items[j].ptr, b->items[j].len);
			out->items[out->count++] = slice_new(text, len);
		}
	}
	return code;
}

/* The characters that one of any case stands for; beyond ASCII it is for the engine to know. */
static int cases_of(struct finder *f, const char *c, struct strings *out)
{
	char lower = (char)(*c | 0x20);
	if ((unsigned char)*c >= 0x80)
		return NONE;
	int code = room(f, 3, out);
	if (code != FOUND)
		return code;
	out->items[out->count++] = slice_new(c, 1);
	if (lower < 'a' || lower > 'z')
		return FOUND;
	char *other = arena_alloc(f->arena, 1);
	if (other == NULL)
		return -ENOMEM;
	*other = (char)(*c ^ 0x20);
	out->items[out->count++] = slice_new(other, 1);
	if (lower == 'k') /* the sign of Kelvin */
		out->items[out->count++] = SLICE("\xe2\x84\xaa");
	if (lower == 's') /* the long s */
		out->items[out->count++] = SLICE("\xc5\xbf");
	return FOUND;
}

static int set_of_literal(struct finder *f, const struct regex_node *n, struct strings *out)
{
	struct strings cases, sum;
	if (!n->fold)
		return one(f, n->text, out);
	int code = one(f, SLICE(""), out);
	for (size_t i = 0; i < n->text.len && code == FOUND; i++) {
		code = cases_of(f, n->text.ptr + i, &cases);
		if (code == FOUND)
			code = product(f, out, &cases, &sum);
		*out = code == FOUND ? sum : *out;
	}
	return code;
}

static int set_of_class(struct finder *f, const struct regex_node *n, struct strings *out)
{
	if (n->wide)
		return NONE;
	char *texts = arena_alloc(f->arena, 128);
	int code = room(f, 128, out);
	if (texts == NULL || code != FOUND)
		return -ENOMEM;
	for (int c = 0; c < 128; c++) {
		if ((n->set.ascii[c / 64] >> (c % 64) & 1) == 0)
			continue;
		texts[c] = (char)c;
		out->items[out->count++] = slice_new(&texts[c], 1);
	}
	return out->count != 0 ? FOUND : NONE;
}

static int set_of_concat(struct finder *f, const struct regex_node *n, struct strings *out)
{
	struct strings part, sum;
	int code = one(f, SLICE(""), out);
	for (const struct regex_node *c = n->child; c != NULL && code == FOUND; c = c->next) {
		code = set_of(f, c, &part);
		if (code == FOUND)
			code = product(f, out, &part, &sum);
		*out = code == FOUND ? sum : *out;
	}
	return code;
}

/* The sets of some nodes, put together; `empty`: and "". */
static int set_of_any(struct finder *f, const struct regex_node *first, bool empty, struct strings *out)
{
	struct strings part;
	uint32_t cap = 16;
	int code = room(f, cap, out);
	if (code == FOUND && empty)
		out->items[out->count++] = SLICE("");
	for (const struct regex_node *c = first; c != NULL && code == FOUND; c = c->next) {
		code = set_of(f, c, &part);
		if (code != FOUND)
			break;
		if (out->count + part.count > cap) {
			struct strings old = *out;
			cap = 2 * (old.count + part.count);
			code = room(f, cap, out);
			if (code != FOUND)
				break;
			memcpy(out->items, old.items, old.count * sizeof *old.items);
			out->count = old.count;
		}
		memcpy(out->items + out->count, part.items, part.count * sizeof *part.items);
		out->count += part.count;
	}
	return code;
}

static int set_of(struct finder *f, const struct regex_node *n, struct strings *out)
{
	switch (n->kind) {
	case REGEX_EMPTY:
		return one(f, SLICE(""), out);
	case REGEX_LITERAL:
		return set_of_literal(f, n, out);
	case REGEX_CLASS:
		return set_of_class(f, n, out);
	case REGEX_GROUP:
		return set_of(f, n->child, out);
	case REGEX_CONCAT:
		return set_of_concat(f, n, out);
	case REGEX_ALTERNATE:
		return set_of_any(f, n->child, false, out);
	case REGEX_REPEAT:
		return n->min == 0 && n->max == 1 ? set_of_any(f, n->child, true, out) : NONE;
	case REGEX_BEGIN:
	case REGEX_END:
	case REGEX_ASSERT:
		break;
	}
	return NONE;
}

static int by_bytes(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;
	size_t len = x->len < y->len ? x->len : y->len;
	int order = len != 0 ? memcmp(x->ptr, y->ptr, len) : 0;
	return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

static void sort_distinct(struct strings *s)
{
	uint32_t kept = 0;
	qsort(s->items, s->count, sizeof *s->items, by_bytes);
	for (uint32_t i = 0; i < s->count; i++) {
		if (kept == 0 || !slice_eq(s->items[kept - 1], s->items[i]))
			s->items[kept++] = s->items[i];
	}
	s->count = kept;
}

/* ---- anchors ---- */

/* Takes away those that say nothing. */
static void strip_anchors(struct regex_node *n);

static void strip_concat(struct regex_node *n)
{
	struct regex_node *last = NULL; /* that is no anchor of the end */
	while (n->child != NULL && n->child->kind == REGEX_BEGIN)
		n->child = n->child->next;
	for (struct regex_node *c = n->child; c != NULL; c = c->next) {
		if (c->kind != REGEX_END)
			last = c;
	}
	if (last != NULL)
		last->next = NULL;
	if (n->child == NULL || last == NULL)
		n->kind = REGEX_EMPTY;
	else if (n->child == last)
		strip_anchors(last);
}

static void strip_anchors(struct regex_node *n)
{
	switch (n->kind) {
	case REGEX_BEGIN:
	case REGEX_END:
		n->kind = REGEX_EMPTY;
		break;
	case REGEX_GROUP:
		strip_anchors(n->child);
		break;
	case REGEX_CONCAT:
		strip_concat(n);
		break;
	case REGEX_ALTERNATE:
		for (struct regex_node *c = n->child; c != NULL; c = c->next)
			strip_anchors(c);
		break;
	default:
		break;
	}
}

/* ---- prefixes ---- */

struct lead {
	struct buf prefix;
	bool ended;        /* by .* or .+ at the pattern's end */
	uint32_t at_least; /* 0 or 1 characters of it */
};

/* Is it .* or .+? */
static bool is_anything(const struct regex_node *n)
{
	if (n->kind != REGEX_REPEAT || n->max != REGEX_UNBOUNDED || n->min > 1)
		return false;
	for (n = n->child; n->kind == REGEX_GROUP;)
		n = n->child;
	return n->kind == REGEX_CLASS && n->any;
}

/* Adds what a match begins with. False: what comes behind the node is not looked at. `last`: nothing does. */
static bool lead_of(const struct regex_node *n, bool last, struct lead *out)
{
	switch (n->kind) {
	case REGEX_EMPTY:
		return true;
	case REGEX_LITERAL:
		if (!n->fold)
			buf_slice_append(&out->prefix, n->text);
		return !n->fold;
	case REGEX_GROUP:
		return lead_of(n->child, last, out);
	case REGEX_CONCAT:
		for (const struct regex_node *c = n->child; c != NULL; c = c->next) {
			if (!lead_of(c, last && c->next == NULL, out))
				return false;
		}
		return true;
	case REGEX_REPEAT:
		if (last && is_anything(n)) {
			out->ended = true;
			out->at_least = n->min;
		}
		return false;
	default:
		return false;
	}
}

static int find_prefix(const struct regex_node *root, struct arena *arena, struct matcher *m)
{
	struct lead lead = {0};
	lead_of(root, true, &lead);
	m->prefix = arena_copy(arena, buf_slice(&lead.prefix));
	bool failed = buf_failed(&lead.prefix) || m->prefix.ptr == NULL;
	buf_free(&lead.prefix);
	if (failed)
		return -ENOMEM;
	m->prefix_more = lead.at_least == 1;
	if (!lead.ended)
		m->pattern = PATTERN_REGEX;
	else if (m->prefix.len != 0)
		m->pattern = PATTERN_PREFIX;
	else
		m->pattern = m->prefix_more ? PATTERN_NOT_EMPTY : PATTERN_ANY;
	return 0;
}

int pattern_find(struct regex_tree *tree, struct arena *arena, struct matcher *m)
{
	struct finder f = {.arena = arena};
	struct strings set;
	strip_anchors(tree->root);
	int code = set_of(&f, tree->root, &set);
	if (code == FOUND) {
		sort_distinct(&set);
		m->pattern = PATTERN_SET;
		m->set = set.items;
		m->set_count = set.count;
		return 0;
	}
	return code < 0 ? code : find_prefix(tree->root, arena, m);
}
