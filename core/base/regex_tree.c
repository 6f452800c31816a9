/* The parser: iterative, a stack of open groups; each holds the branches that are done and the one being read. Literal characters run together, until one of them is repeated. */
#include "base/regex_tree.h"

#include <errno.h>
#include <string.h>

#include "base/regex_class.h"

/* A list of nodes being built. */
struct chain {
	struct regex_node *first, *last, *before_last;
};

struct open {
	struct open *up;
	struct chain branches, sequence;
	struct regex_flags flags; /* of those outside, to go back to */
	bool captures;
};

struct parser {
	struct arena *arena;
	const char *at, *end;
	struct open *open;
	struct regex_flags flags;
	char *literals; /* next free byte of those that literals lie in */
	char *copy;     /* next free byte of the pattern as RE2 gets it */
	struct error *err;
	uint32_t depth;
	bool sure, lost;
	bool repeated; /* what was read last was a repetition */
	bool named;    /* what was read last was (?<name> */
	int failed;    /* 0 or the error */
};

/* Something that is not understood. */
static void lose(struct parser *p)
{
	p->sure = false;
	p->lost = true;
}

static void no_memory(struct parser *p)
{
	p->failed = -ENOMEM;
}

static struct regex_node *node_new(struct parser *p, enum regex_kind kind)
{
	struct regex_node *n = arena_alloc(p->arena, sizeof *n);
	if (n == NULL) {
		no_memory(p);
		return NULL;
	}
	*n = (struct regex_node){.kind = kind};
	return n;
}

static void chain_add(struct chain *c, struct regex_node *n)
{
	if (c->last != NULL)
		c->last->next = n;
	else
		c->first = n;
	c->before_last = c->last;
	c->last = n;
}

/* Adds to the branch that is being read. */
static struct regex_node *add(struct parser *p, enum regex_kind kind)
{
	struct regex_node *n = node_new(p, kind);
	if (n != NULL)
		chain_add(&p->open->sequence, n);
	p->repeated = false;
	return n;
}

/* ---- literals ---- */

/* A character: behind the literal that was read last, or as a new one. */
static void add_literal(struct parser *p, const char *bytes, size_t len)
{
	struct regex_node *last = p->open->sequence.last;
	memcpy(p->literals, bytes, len);
	if (last != NULL && last->kind == REGEX_LITERAL && last->fold == p->flags.fold &&
	    last->text.ptr + last->text.len == p->literals && !p->repeated) {
		last->text.len += len;
	} else {
		struct regex_node *n = add(p, REGEX_LITERAL);
		if (n == NULL)
			return;
		n->fold = p->flags.fold;
		n->text = slice_new(p->literals, len);
	}
	p->literals += len;
	p->repeated = false;
}

static void add_rune(struct parser *p, uint32_t rune)
{
	char utf8[4];
	add_literal(p, utf8, regex_rune_write(rune, utf8));
}

/* The length of the character at `at`; what is no UTF-8 is a byte, and not sure. */
static size_t rune_length(struct parser *p)
{
	uint32_t rune;
	size_t len = regex_rune_read(p->at, p->end, &rune);
	if (len == 0)
		p->sure = false;
	return len != 0 ? len : 1;
}

/* \Q…\E: all as it stands. */
static void quoted(struct parser *p)
{
	while (p->at < p->end) {
		if (p->end - p->at >= 2 && p->at[0] == '\\' && p->at[1] == 'E') {
			p->at += 2;
			return;
		}
		size_t len = rune_length(p);
		add_literal(p, p->at, len);
		p->at += len;
	}
}

/* ---- repetition ---- */

/* The last character of a literal becomes one of its own: that is what is repeated. */
static void split_literal(struct parser *p)
{
	struct regex_node *last = p->open->sequence.last;
	size_t from = last->text.len - 1;
	while (from > 0 && ((unsigned char)last->text.ptr[from] & 0xc0) == 0x80)
		from--;
	if (from == 0)
		return;
	struct slice rest = slice_new(last->text.ptr + from, last->text.len - from);
	last->text.len = from;
	struct regex_node *n = add(p, REGEX_LITERAL);
	if (n == NULL)
		return;
	n->fold = last->fold;
	n->text = rest;
}

/* What was read last, min to max times. */
static void repeat(struct parser *p, uint32_t min, uint32_t max)
{
	struct chain *c = &p->open->sequence;
	bool again = p->repeated;
	if (p->at < p->end && *p->at == '?')
		p->at++; /* as few as possible: the same texts match */
	if (c->last == NULL || again || c->last->kind == REGEX_BEGIN || c->last->kind == REGEX_END ||
	    c->last->kind == REGEX_ASSERT || (max != REGEX_UNBOUNDED && max > 1))
		p->sure = false;
	if (c->last == NULL)
		return;
	if (c->last->kind == REGEX_LITERAL)
		split_literal(p);
	struct regex_node *n = node_new(p, REGEX_REPEAT);
	if (n == NULL || p->failed != 0)
		return;
	n->min = min;
	n->max = max;
	n->child = c->last;
	if (c->before_last != NULL)
		c->before_last->next = n;
	else
		c->first = n;
	c->last = n;
	p->repeated = true;
}

/* A number of at most four digits. */
static bool number(const char **at, const char *end, uint32_t *out)
{
	const char *begin = *at;
	*out = 0;
	while (*at < end && **at >= '0' && **at <= '9' && *at - begin < 5)
		*out = *out * 10 + (uint32_t)(*(*at)++ - '0');
	return *at > begin;
}

/* {n}, {n,}, {n,m}; what looks otherwise is text. */
static bool counted(struct parser *p)
{
	const char *at = p->at + 1;
	uint32_t min, max;
	if (!number(&at, p->end, &min))
		return false;
	max = min;
	if (at < p->end && *at == ',') {
		at++;
		if (!number(&at, p->end, &max))
			max = REGEX_UNBOUNDED;
	}
	if (at >= p->end || *at != '}')
		return false;
	p->at = at + 1;
	p->sure = false; /* how often in all is for RE2 to judge */
	repeat(p, min, max);
	return true;
}

/* ---- groups ---- */

/* The branch that was read, as one node. */
static struct regex_node *sequence_done(struct parser *p)
{
	struct chain *c = &p->open->sequence;
	struct regex_node *n;
	if (c->first == NULL) {
		n = node_new(p, REGEX_EMPTY);
	} else if (c->first == c->last) {
		n = c->first;
	} else {
		n = node_new(p, REGEX_CONCAT);
		if (n != NULL)
			n->child = c->first;
	}
	*c = (struct chain){0};
	return n;
}

static void branch_done(struct parser *p)
{
	struct regex_node *n = sequence_done(p);
	if (n != NULL)
		chain_add(&p->open->branches, n);
	p->repeated = false;
}

static struct regex_node *branches_done(struct parser *p)
{
	struct chain *c = &p->open->branches;
	branch_done(p);
	if (p->failed != 0 || c->first == c->last)
		return c->first;
	struct regex_node *n = node_new(p, REGEX_ALTERNATE);
	if (n != NULL)
		n->child = c->first;
	return n;
}

static void open_group(struct parser *p, bool captures, struct regex_flags inside)
{
	struct open *o = arena_alloc(p->arena, sizeof *o);
	if (o == NULL) {
		no_memory(p);
		return;
	}
	if (++p->depth > REGEX_DEPTH_MAX) {
		p->failed = error_set(p->err, -E2BIG, "more than %d groups, one in another", REGEX_DEPTH_MAX);
		return;
	}
	*o = (struct open){.up = p->open, .flags = p->flags, .captures = captures};
	p->open = o;
	p->flags = inside;
	p->repeated = false;
}

static void close_group(struct parser *p)
{
	struct open *o = p->open;
	struct regex_node *inner = branches_done(p);
	if (p->failed != 0)
		return;
	p->open = o->up;
	p->flags = o->flags;
	p->depth--;
	struct regex_node *n = add(p, REGEX_GROUP);
	if (n == NULL)
		return;
	n->captures = o->captures;
	n->child = inner;
}

/* Letters of flags up to ) or :, at p->at. False: it is something else. */
static bool read_flags(struct parser *p, struct regex_flags *out, bool *group)
{
	const char *at = p->at;
	bool on = true;
	for (; at < p->end && *at != ')' && *at != ':'; at++) {
		if (*at == '-' && on && at + 1 < p->end && at[1] != ')' && at[1] != ':')
			on = false;
		else if (*at == 'i')
			out->fold = on;
		else if (*at == 's')
			out->dot_newline = on;
		else if (*at == 'm')
			out->lines = on;
		else if (*at != 'U')
			return false;
	}
	if (at >= p->end)
		return false;
	*group = *at == ':';
	p->at = at + 1;
	return true;
}

/* (?P<name> or (?<name>, of which RE2 knows the first alone: the P is put into its copy. */
static bool read_name(struct parser *p)
{
	const char *at = p->at;
	bool perl = at < p->end && *at == '<';
	if (!perl && (p->end - at < 2 || at[0] != 'P' || at[1] != '<'))
		return false;
	at += perl ? 1 : 2;
	const char *name = at;
	while (at < p->end &&
	       ((*at >= '0' && *at <= '9') || (*at >= 'A' && *at <= 'Z') || (*at >= 'a' && *at <= 'z') || *at == '_'))
		at++;
	p->sure = false; /* a name may be there twice */
	if (at == name || at >= p->end || *at != '>')
		return false;
	p->at = at + 1;
	p->named = perl;
	return true;
}

/* Behind a parenthesis. */
static void group(struct parser *p)
{
	struct regex_flags flags = p->flags;
	bool inside;
	if (p->at >= p->end || *p->at != '?') {
		open_group(p, true, flags);
		return;
	}
	p->at++;
	if (read_flags(p, &flags, &inside)) {
		if (inside)
			open_group(p, false, flags);
		else
			p->flags = flags;
		/* (?i)* repeats nothing, or what is before it: RE2 knows. */
		if (!inside && p->at < p->end && strchr("*+?{", *p->at) != NULL)
			p->sure = false;
		return;
	}
	if (!read_name(p))
		lose(p);
	open_group(p, true, p->flags);
}

/* ---- all the rest ---- */

static void add_class(struct parser *p, const struct regex_class *c)
{
	struct regex_node *n = add(p, REGEX_CLASS);
	if (n == NULL)
		return;
	n->fold = p->flags.fold;
	n->any = c->any;
	n->wide = c->wide;
	n->set.ascii[0] = c->ascii[0];
	n->set.ascii[1] = c->ascii[1];
	n->set.items = c->items;
	n->set.unicode = c->unicode;
}

static void dot(struct parser *p)
{
	struct regex_class c = {.ascii = {UINT64_MAX, UINT64_MAX}, .any = true, .wide = true};
	if (!p->flags.dot_newline) {
		c.any = false;
		c.ascii[0] &= ~(UINT64_C(1) << '\n');
	}
	add_class(p, &c);
}

static void brackets(struct parser *p)
{
	struct regex_class c = {0};
	if (!regex_class_read(&p->at, p->end, p->flags, &c))
		p->sure = false;
	add_class(p, &c);
}

/* Behind a backslash, which is not the last byte. */
static void escape(struct parser *p)
{
	struct regex_class c = {0};
	uint32_t rune;
	char letter = *p->at;
	switch (letter) {
	case 'Q':
		p->at++;
		quoted(p);
		return;
	case 'A':
	case 'z':
	case 'b':
	case 'B':
		p->at++;
		add(p, letter == 'A' ? REGEX_BEGIN : letter == 'z' ? REGEX_END : REGEX_ASSERT);
		return;
	case 'C':
		p->failed = error_set(p->err, -EINVAL, "invalid escape sequence: \\C");
		return;
	}
	if (regex_class_escape(&p->at, p->end, &c)) {
		add_class(p, &c);
		return;
	}
	if (regex_rune_escape(&p->at, p->end, &rune)) {
		add_rune(p, rune);
		return;
	}
	lose(p);
	add_class(p, &c);
}

/* A byte that may mean something. */
static void special(struct parser *p)
{
	char c = *p->at++;
	switch (c) {
	case '|':
		branch_done(p);
		return;
	case '(':
		group(p);
		return;
	case ')':
		p->sure = p->sure && p->open->up != NULL;
		if (p->open->up != NULL)
			close_group(p);
		return;
	case '^':
		add(p, p->flags.lines ? REGEX_ASSERT : REGEX_BEGIN);
		return;
	case '$':
		add(p, p->flags.lines ? REGEX_ASSERT : REGEX_END);
		return;
	case '.':
		dot(p);
		return;
	case '[':
		p->at--;
		brackets(p);
		return;
	case '*':
	case '+':
		repeat(p, c == '+', REGEX_UNBOUNDED);
		return;
	case '?':
		repeat(p, 0, 1);
		return;
	case '\\':
		if (p->at < p->end)
			escape(p);
		else
			p->sure = false;
		return;
	}
}

static void step(struct parser *p)
{
	const char *from = p->at;
	p->named = false;
	if (strchr("|()^$.[*+?\\", *p->at) != NULL && *p->at != '\0') {
		special(p);
	} else if (*p->at != '{' || !counted(p)) {
		size_t len = rune_length(p);
		add_literal(p, p->at, len);
		p->at += len;
	}
	if (p->named) {
		memcpy(p->copy, "(?P", 3);
		p->copy += 3;
		from += 2;
	}
	memcpy(p->copy, from, (size_t)(p->at - from));
	p->copy += p->at - from;
}

int regex_tree_parse(struct slice pattern, struct arena *arena, struct regex_tree *out, struct error *err)
{
	struct open top = {0};
	struct parser p = {.arena = arena,
	                   .at = pattern.ptr,
	                   .end = pattern.ptr + pattern.len,
	                   .open = &top,
	                   .flags = {.dot_newline = true},
	                   .err = err,
	                   .sure = true};
	p.literals = arena_alloc(arena, pattern.len + 4);
	p.copy = arena_alloc(arena, pattern.len + pattern.len / 4 + 4); /* (?<a>… becomes a byte longer */
	if (p.literals == NULL || p.copy == NULL)
		return -ENOMEM;
	char *copy = p.copy;
	while (p.at < p.end && p.failed == 0)
		step(&p);
	p.sure = p.sure && p.open->up == NULL;
	while (p.failed == 0 && p.open->up != NULL)
		close_group(&p);
	struct regex_node *root = p.failed == 0 ? branches_done(&p) : NULL;
	if (p.failed != 0)
		return p.failed;
	*out = (struct regex_tree){root, slice_new(copy, (size_t)(p.copy - copy)), p.sure, p.lost};
	return 0;
}
