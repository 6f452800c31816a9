/* Which exposition format an Accept header asks for (RFC 9110 §12.5.1): the more specific range decides for a format,
 * then the greater weight between the formats. OpenMetrics wins a tie only where it was named, so that browsers and
 * curl get plain text. */
#include <strings.h>

#include "metrics/metrics.h"

enum { WEIGHT_ONE = 1000 };

/* How well the header matches a format. */
struct match {
	int specificity; /* 0: not at all, 1: any, 2: type, 3: type and subtype */
	int weight;      /* thousandths */
};

struct range {
	struct slice type;
	struct slice version; /* empty: none asked */
	int weight;
};

static struct slice trim(struct slice s)
{
	while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
		s = slice_new(s.ptr + 1, s.len - 1);
	while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* Cuts the part before `separator` (outside of quotes) off `rest`. */
static struct slice cut(struct slice *rest, char separator)
{
	bool quoted = false;
	size_t i = 0;

	for (; i < rest->len && (quoted || rest->ptr[i] != separator); i++) {
		if (quoted && rest->ptr[i] == '\\' && i + 1 < rest->len)
			i++;
		else if (rest->ptr[i] == '"')
			quoted = !quoted;
	}
	struct slice part = slice_new(rest->ptr, i);
	size_t used = i < rest->len ? i + 1 : i;
	*rest = slice_new(rest->len != 0 ? rest->ptr + used : rest->ptr, rest->len - used);
	return trim(part);
}

static bool same_word(struct slice s, const char *word)
{
	return s.len == strlen(word) && (s.len == 0 || strncasecmp(s.ptr, word, s.len) == 0);
}

/* "0.8" in thousandths; 0 when it is not a weight. */
static int parse_weight(struct slice s)
{
	int weight = 0, digit = WEIGHT_ONE;

	if (s.len == 0 || s.len > 5 || (s.ptr[0] != '0' && s.ptr[0] != '1') || (s.len > 1 && s.ptr[1] != '.'))
		return 0;
	for (size_t i = 0; i < s.len; i++) {
		if (i == 1)
			continue;
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return 0;
		weight += (s.ptr[i] - '0') * digit;
		digit /= 10;
	}
	return weight <= WEIGHT_ONE ? weight : 0;
}

static struct range parse_range(struct slice text)
{
	struct range r = {.type = cut(&text, ';'), .weight = WEIGHT_ONE};

	while (text.len > 0) {
		struct slice value = cut(&text, ';');
		struct slice name = cut(&value, '=');
		if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
			value = slice_new(value.ptr + 1, value.len - 2);
		value = trim(value);
		if (same_word(name, "q"))
			r.weight = parse_weight(value);
		else if (same_word(name, "version"))
			r.version = value;
	}
	return r;
}

static void consider(struct match *m, const struct range *r, const char *type, const char *any_subtype,
                     const char *version)
{
	int specificity = 0;

	if (same_word(r->type, "*/*"))
		specificity = 1;
	else if (same_word(r->type, any_subtype))
		specificity = 2;
	else if (same_word(r->type, type) && (r->version.len == 0 || same_word(r->version, version)))
		specificity = 3;
	if (specificity < m->specificity || specificity == 0)
		return;
	if (specificity > m->specificity || r->weight > m->weight)
		*m = (struct match){specificity, r->weight};
}

enum exposition_format exposition_choose(struct slice accept)
{
	struct match text = {0}, open = {0};

	while (accept.len > 0) {
		struct range r = parse_range(cut(&accept, ','));
		consider(&text, &r, "text/plain", "text/*", "0.0.4");
		consider(&open, &r, "application/openmetrics-text", "application/*", "1.0.0");
	}
	if (open.weight == text.weight)
		return open.weight > 0 && open.specificity == 3 ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
	return open.weight > text.weight ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
}
