/* Which exposition format an Accept header asks for (RFC 9110 §12.5.1): the more specific range decides for a format,
 * then the greater weight between the formats. OpenMetrics wins a tie only where it was named, so that browsers and
 * curl get plain text. */
#include "base/header.h"
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
	struct range r = {.type = header_cut(&text, ';'), .weight = WEIGHT_ONE};
	struct slice name, value;

	while (header_parameter(&text, &name, &value)) {
		if (header_is(name, "q"))
			r.weight = parse_weight(value);
		else if (header_is(name, "version"))
			r.version = value;
	}
	return r;
}

static void consider(struct match *m, const struct range *r, const char *type, const char *any_subtype,
                     const char *version)
{
	int specificity = 0;

	if (header_is(r->type, "*/*"))
		specificity = 1;
	else if (header_is(r->type, any_subtype))
		specificity = 2;
	else if (header_is(r->type, type) && (r->version.len == 0 || header_is(r->version, version)))
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
		struct range r = parse_range(header_cut(&accept, ','));
		consider(&text, &r, "text/plain", "text/*", "0.0.4");
		consider(&open, &r, "application/openmetrics-text", "application/*", "1.0.0");
	}
	if (open.weight == text.weight)
		return open.weight > 0 && open.specificity == 3 ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
	return open.weight > text.weight ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
}
