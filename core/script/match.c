/* Lua patterns: a backtracking matcher over the pattern's text.
 *
 * match_at() is recursive: an item with a repetition tries what follows it, and a recursion always continues further right in the
 * pattern, so the depth is bounded by the number of items and by MATCH_DEPTH_MAX. Time is not bounded (four ".-" in a row are cubic), hence
 * the ticks: every step that can be repeated counts, in proportion to the bytes it looks at.
 *
 * Not taken: compiling to RE2, which has no balanced match, frontier or back reference; and a step limit without a clock, which
 * would make a pattern's success depend on a number nobody can choose well. */
#include "script/match.h"

void match_init(struct match *m, struct slice text, const char *pattern_end, bool (*stopped)(const void *ctx),
                const void *ctx)
{
	m->text = text.ptr;
	m->text_end = text.ptr + text.len;
	m->pattern_end = pattern_end;
	m->stopped = stopped;
	m->ctx = ctx;
	m->error = NULL;
	m->cut = false;
	m->ticks = MATCH_TICKS;
	m->depth = 0;
	m->count = 0;
}

static bool look(struct match *m)
{
	m->ticks = MATCH_TICKS;
	if (!m->cut && m->stopped != NULL)
		m->cut = m->stopped(m->ctx);
	return !m->cut;
}

bool match_tick(struct match *m, size_t steps)
{
	m->ticks -= steps < MATCH_TICKS ? (int32_t)steps : MATCH_TICKS;
	return m->ticks > 0 ? !m->cut : look(m);
}

static bool over(const struct match *m)
{
	return m->error != NULL || m->cut;
}

static const char *wrong(struct match *m, const char *error)
{
	if (m->error == NULL)
		m->error = error;
	return NULL;
}

/* ---- classes, in the C locale whatever the process's is ---- */

static bool is_alpha(unsigned char c)
{
	return (unsigned char)((c | 0x20) - 'a') < 26;
}

static bool is_digit(unsigned char c)
{
	return (unsigned char)(c - '0') < 10;
}

static bool is_graph(unsigned char c)
{
	return c > ' ' && c < 0x7f;
}

static bool in_named_class(unsigned char c, char lower)
{
	switch (lower) {
	case 'a':
		return is_alpha(c);
	case 'c':
		return c < ' ' || c == 0x7f;
	case 'd':
		return is_digit(c);
	case 'g':
		return is_graph(c);
	case 'l':
		return is_alpha(c) && (c & 0x20) != 0;
	case 'p':
		return is_graph(c) && !is_alpha(c) && !is_digit(c);
	case 's':
		return c == ' ' || (c >= '\t' && c <= '\r');
	case 'u':
		return is_alpha(c) && (c & 0x20) == 0;
	case 'w':
		return is_alpha(c) || is_digit(c);
	case 'x':
		return is_digit(c) || (unsigned char)((c | 0x20) - 'a') < 6;
	default:
		return c == 0; /* 'z' */
	}
}

/* %a, %D, …; for other characters the character itself. */
static bool in_class(unsigned char c, unsigned char name)
{
	char lower = (char)(name | 0x20);

	if (!is_alpha(name) || strchr("acdglpsuwxz", lower) == NULL)
		return c == name;
	return in_named_class(c, lower) == (name == (unsigned char)lower);
}

/* Where the item that begins at `p` ends: a character, %x or [set]. NULL: the pattern is malformed. */
static const char *item_end(struct match *m, const char *p)
{
	char first = *p++;

	if (first == '%')
		return p < m->pattern_end ? p + 1 : wrong(m, "malformed pattern (ends with '%')");
	if (first != '[')
		return p;
	const char *from = p;
	if (p < m->pattern_end && *p == '^')
		p++;
	do { /* the first character is of the set even if it is ']' */
		if (p >= m->pattern_end)
			return wrong(m, "malformed pattern (missing ']')");
		if (*p++ == '%' && p < m->pattern_end)
			p++;
	} while (p >= m->pattern_end || *p != ']');
	match_tick(m, (size_t)(p - from));
	return p + 1;
}

/* Is `c` in the set between `p` (at '[') and `close` (at its ']')? */
static bool in_set(struct match *m, unsigned char c, const char *p, const char *close)
{
	bool found = true;

	match_tick(m, (size_t)(close - p));
	if (p[1] == '^') {
		found = false;
		p++;
	}
	while (++p < close) {
		if (*p == '%') {
			if (in_class(c, (unsigned char)*++p))
				return found;
		} else if (p[1] == '-' && p + 2 < close) {
			p += 2;
			if ((unsigned char)p[-2] <= c && c <= (unsigned char)*p)
				return found;
		} else if ((unsigned char)*p == c) {
			return found;
		}
	}
	return !found;
}

/* Does the item p..end match the character at `at`? */
static bool one(struct match *m, const char *at, const char *p, const char *end)
{
	if (at >= m->text_end)
		return false;
	unsigned char c = (unsigned char)*at;
	switch (*p) {
	case '.':
		return true;
	case '%':
		return in_class(c, (unsigned char)p[1]);
	case '[':
		return in_set(m, c, p, end - 1);
	default:
		return (unsigned char)*p == c;
	}
}

/* ---- items that are more than one character ---- */

/* %bxy */
static const char *balance(struct match *m, const char *at, const char *p)
{
	if (m->pattern_end - p < 2)
		return wrong(m, "unbalanced pattern");
	if (at >= m->text_end || *at != *p)
		return NULL;
	char open = p[0];
	char close = p[1];
	size_t nested = 1;
	const char *from = at;
	while (++at < m->text_end) {
		if (*at == close) {
			if (--nested == 0) {
				match_tick(m, (size_t)(at - from));
				return at + 1;
			}
		} else if (*at == open) {
			nested++;
		}
	}
	match_tick(m, (size_t)(at - from));
	return NULL;
}

/* %f[set]: true between a character outside of the set and one inside; the text's ends count as NUL. *end gets the set's end. */
static bool frontier(struct match *m, const char *at, const char *p, const char **end)
{
	if (p >= m->pattern_end || *p != '[') {
		wrong(m, "missing '[' after '%f' in pattern");
		return false;
	}
	*end = item_end(m, p);
	if (*end == NULL)
		return false;
	unsigned char before = at == m->text ? 0 : (unsigned char)at[-1];
	unsigned char here = at < m->text_end ? (unsigned char)*at : 0;
	return !in_set(m, before, p, *end - 1) && in_set(m, here, p, *end - 1);
}

/* %1 … %9 */
static const char *same_again(struct match *m, const char *at, unsigned digit)
{
	uint32_t i = digit - '1';

	if (i >= m->count || m->captures[i].len == MATCH_OPEN)
		return wrong(m, "invalid capture index");
	/* A position capture has no text; compared as a length it is longer than any text, so that it never matches. */
	size_t len = (size_t)m->captures[i].len;
	if ((size_t)(m->text_end - at) < len)
		return NULL;
	match_tick(m, len / 16);
	return memcmp(m->captures[i].at, at, len) == 0 ? at + len : NULL;
}

static const char *open_capture(struct match *m, const char *at, const char *p, ptrdiff_t what)
{
	if (m->count >= MATCH_CAPTURES_MAX)
		return wrong(m, "too many captures");
	m->captures[m->count++] = (struct match_capture){at, what};
	const char *end = match_at(m, at, p);
	if (end == NULL)
		m->count--;
	return end;
}

static const char *close_capture(struct match *m, const char *at, const char *p)
{
	uint32_t i = m->count;

	while (i > 0 && m->captures[i - 1].len != MATCH_OPEN)
		i--;
	if (i == 0)
		return wrong(m, "invalid pattern capture");
	struct match_capture *c = &m->captures[i - 1];
	c->len = at - c->at;
	const char *end = match_at(m, at, p);
	if (end == NULL)
		c->len = MATCH_OPEN;
	return end;
}

/* ---- repetitions; `rest` is the pattern behind the sign ---- */

static const char *repeat_most(struct match *m, const char *at, const char *p, const char *end)
{
	ptrdiff_t n = 0;

	while (one(m, at + n, p, end)) {
		n++;
		if (!match_tick(m, 1))
			return NULL;
	}
	for (; n >= 0; n--) {
		const char *got = match_at(m, at + n, end + 1);
		if (got != NULL || over(m))
			return got;
	}
	return NULL;
}

static const char *repeat_least(struct match *m, const char *at, const char *p, const char *end)
{
	for (;; at++) {
		const char *got = match_at(m, at, end + 1);
		if (got != NULL || over(m))
			return got;
		if (!one(m, at, p, end))
			return NULL;
	}
}

/* ---- the whole ---- */

/* What one item comes to: the match goes on at `at` with the pattern at `p`, or it is over with `result`. */
struct progress {
	const char *at, *p;
	const char *result;
	bool done;
};

static void finish(struct progress *g, const char *result)
{
	g->result = result;
	g->done = true;
}

/* A single character, class or set, with the repetition that may follow it. */
static void step_single(struct match *m, struct progress *g)
{
	const char *p = g->p;
	const char *end = item_end(m, p);

	if (end == NULL) {
		finish(g, NULL);
		return;
	}
	switch (end < m->pattern_end ? *end : '\0') {
	case '?':
		if (one(m, g->at, p, end)) {
			const char *got = match_at(m, g->at + 1, end + 1);
			if (got != NULL || over(m)) {
				finish(g, got);
				return;
			}
		}
		g->p = end + 1;
		return;
	case '*':
		finish(g, repeat_most(m, g->at, p, end));
		return;
	case '+':
		finish(g, one(m, g->at, p, end) ? repeat_most(m, g->at + 1, p, end) : NULL);
		return;
	case '-':
		finish(g, repeat_least(m, g->at, p, end));
		return;
	default:
		if (!one(m, g->at, p, end)) {
			finish(g, NULL);
			return;
		}
		g->at++;
		g->p = end;
	}
}

static void step_percent(struct match *m, struct progress *g)
{
	const char *p = g->p;
	const char *end = NULL;
	char name = p + 1 < m->pattern_end ? p[1] : '\0';

	if (name == 'b') {
		g->at = balance(m, g->at, p + 2);
		g->p = p + 4;
	} else if (name == 'f') {
		if (!frontier(m, g->at, p + 2, &end))
			g->at = NULL;
		g->p = end;
	} else if (is_digit((unsigned char)name)) {
		g->at = same_again(m, g->at, (unsigned char)name);
		g->p = p + 2;
	} else {
		step_single(m, g);
		return;
	}
	if (g->at == NULL || over(m))
		finish(g, NULL);
}

static void step(struct match *m, struct progress *g)
{
	const char *p = g->p;

	switch (*p) {
	case '(':
		if (p + 1 < m->pattern_end && p[1] == ')')
			finish(g, open_capture(m, g->at, p + 2, MATCH_POSITION));
		else
			finish(g, open_capture(m, g->at, p + 1, MATCH_OPEN));
		return;
	case ')':
		finish(g, close_capture(m, g->at, p + 1));
		return;
	case '%':
		step_percent(m, g);
		return;
	case '$':
		if (p + 1 == m->pattern_end) { /* elsewhere it is a plain character */
			finish(g, g->at == m->text_end ? g->at : NULL);
			return;
		}
		break;
	default:
		break;
	}
	step_single(m, g);
}

const char *match_at(struct match *m, const char *at, const char *pattern)
{
	struct progress g = {.at = at, .p = pattern};

	if (m->depth >= MATCH_DEPTH_MAX)
		return wrong(m, "pattern too complex");
	m->depth++;
	while (!g.done) {
		if (!match_tick(m, 1))
			finish(&g, NULL);
		else if (g.p == m->pattern_end)
			finish(&g, g.at);
		else
			step(m, &g);
	}
	m->depth--;
	return m->cut || m->error != NULL ? NULL : g.result;
}

/* ---- plain texts ---- */

bool match_is_plain(struct slice pattern)
{
	for (size_t i = 0; i < pattern.len; i++) {
		if (pattern.ptr[i] != '\0' && strchr("^$*+?.([%-", pattern.ptr[i]) != NULL)
			return false;
	}
	return true;
}

/* memmem is linear for long needles and at worst 256 steps a byte for short ones: looked at piece by piece, a search is never
 * deaf for longer than some 20 ms. */
const char *match_plain(struct match *m, const char *from, struct slice what)
{
	enum { PIECE = 64 * 1024 };

	while ((size_t)(m->text_end - from) >= what.len) {
		size_t left = (size_t)(m->text_end - from);
		size_t piece = what.len + PIECE < left ? what.len + PIECE : left;
		const char *found = what.len == 0 ? from : memmem(from, piece, what.ptr, what.len);
		if (found != NULL || piece == left)
			return found;
		if (!match_tick(m, MATCH_TICKS))
			return NULL;
		from += PIECE;
	}
	return NULL;
}
