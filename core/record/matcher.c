#include "record/matcher.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/regex.h"
#include "record/labels.h"
#include "record/pattern.h"

/* A matcher with what it points to. */
struct owner {
	struct matcher m;
	struct slice value; /* the set of = and != */
	struct arena arena;
};

/* ---- making ---- */

/* A copy of the set with its texts, so that all that was made on the way to it is forgotten. */
static int keep_set(struct arena *arena, const struct matcher *found, struct matcher *m)
{
	size_t bytes = 0, at = 0;
	for (uint32_t i = 0; i < found->set_count; i++)
		bytes += found->set[i].len;
	struct slice *set = arena_alloc(arena, found->set_count * sizeof *set);
	char *texts = arena_alloc(arena, bytes);
	if (set == NULL || texts == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < found->set_count; i++) {
		set[i] = slice_new(texts + at, found->set[i].len);
		if (set[i].len != 0)
			memcpy(texts + at, found->set[i].ptr, set[i].len);
		at += set[i].len;
	}
	m->set = set;
	m->set_count = found->set_count;
	return 0;
}

static int keep(struct arena *arena, const struct matcher *found, struct matcher *m)
{
	m->pattern = found->pattern;
	m->prefix_more = found->prefix_more;
	if (found->pattern == PATTERN_SET)
		return keep_set(arena, found, m);
	m->prefix = arena_copy(arena, found->prefix);
	return m->prefix.ptr != NULL ? 0 : -ENOMEM;
}

/* What the pattern comes down to; the engine judges it where the tree is not sure, and is kept where it is needed. */
static int understand(struct owner *o, struct error *err)
{
	struct matcher *m = &o->m, found = {.pattern = PATTERN_REGEX, .prefix = SLICE("")};
	struct arena scratch;
	struct regex_tree tree = {0};
	int code = 0;

	arena_init(&scratch);
	if (m->value.len <= REGEX_PATTERN_BYTES_MAX) {
		code = regex_tree_parse(m->value, &scratch, &tree, NULL);
		if (code == 0 && !tree.lost)
			code = pattern_find(&tree, &scratch, &found);
	}
	if (code == 0)
		code = keep(&o->arena, &found, m);
	arena_deinit(&scratch);
	if (code == -ENOMEM)
		return code;
	if (code == 0 && tree.sure && m->pattern != PATTERN_REGEX)
		return 0;
	m->regex = regex_new(m->value, REGEX_MATCH, err);
	if (m->regex == NULL)
		return err->code;
	CHECK(code == 0); /* what regex_tree_parse refuses, regex_new does */
	if (m->pattern != PATTERN_REGEX) {
		regex_free(m->regex);
		m->regex = NULL;
	}
	return 0;
}

static int fill(struct owner *o, enum matcher_op op, struct slice name, struct slice value, struct error *err)
{
	struct matcher *m = &o->m;
	m->op = op;
	m->name = arena_copy(&o->arena, name);
	m->value = arena_copy(&o->arena, value);
	m->prefix = SLICE("");
	if (m->name.ptr == NULL || m->value.ptr == NULL)
		return -ENOMEM;
	if (op == MATCH_REGEX || op == MATCH_NOT_REGEX) {
		int code = understand(o, err);
		if (code != 0)
			return code;
	} else {
		o->value = m->value;
		m->pattern = PATTERN_SET;
		m->set = &o->value;
		m->set_count = 1;
	}
	int empty = matcher_matches(m, SLICE(""));
	m->matches_empty = empty > 0;
	return empty < 0 ? empty : 0;
}

struct matcher *matcher_new(enum matcher_op op, struct slice name, struct slice value, struct error *err)
{
	struct error own = {0};
	if (err == NULL)
		err = &own;
	struct owner *o = mem_zalloc(1, sizeof *o);
	if (o == NULL) {
		error_set(err, -ENOMEM, "matcher: out of memory");
		return NULL;
	}
	arena_init(&o->arena);
	int code = fill(o, op, name, value, err);
	if (code == 0)
		return &o->m;
	if (code == -ENOMEM)
		error_set(err, -ENOMEM, "matcher: out of memory");
	matcher_free(&o->m);
	return NULL;
}

void matcher_free(struct matcher *m)
{
	if (m == NULL)
		return;
	struct owner *o = (struct owner *)m; /* its first member */
	regex_free(m->regex);
	arena_deinit(&o->arena);
	mem_free(o);
}

/* ---- asking ---- */

static bool in_set(const struct matcher *m, struct slice value)
{
	uint32_t low = 0, high = m->set_count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		struct slice s = m->set[middle];
		size_t len = s.len < value.len ? s.len : value.len;
		int order = len != 0 ? memcmp(s.ptr, value.ptr, len) : 0;
		if (order == 0 && s.len == value.len)
			return true;
		if (order < 0 || (order == 0 && s.len < value.len))
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static bool has_prefix(struct slice value, struct slice prefix)
{
	return value.len >= prefix.len && bytes_same(value.ptr, prefix.ptr, prefix.len);
}

int matcher_pattern_matches(const struct matcher *m, struct slice value)
{
	switch (m->pattern) {
	case PATTERN_ANY:
		return 1;
	case PATTERN_NOT_EMPTY:
		return value.len != 0;
	case PATTERN_SET:
		return m->set_count == 1 ? slice_eq(m->set[0], value) : in_set(m, value);
	case PATTERN_PREFIX:
		return has_prefix(value, m->prefix) && value.len >= m->prefix.len + m->prefix_more;
	case PATTERN_REGEX:
		break;
	}
	return has_prefix(value, m->prefix) ? regex_matches(m->regex, value) : 0;
}

int matcher_matches(const struct matcher *m, struct slice value)
{
	int matches = matcher_pattern_matches(m, value);
	return matches < 0 ? matches : (matches != 0) != matcher_negates(m);
}

int matchers_match(struct matcher *const *m, uint32_t count, struct slice labels)
{
	for (uint32_t i = 0; i < count; i++) {
		int matches = matcher_matches(m[i], labels_get(labels, m[i]->name));
		if (matches <= 0)
			return matches;
	}
	return 1;
}

void matcher_text(const struct matcher *m, struct buf *out)
{
	static const char *const ops[] = {
	    [MATCH_EQUAL] = "=", [MATCH_NOT_EQUAL] = "!=", [MATCH_REGEX] = "=~", [MATCH_NOT_REGEX] = "!~"};
	label_name_text(m->name, out);
	buf_str(out, ops[m->op]);
	label_value_text(m->value, out);
}
