/* A strict reader of OpenMetrics 1.0 text (https://prometheus.io/docs/specs/om/open_metrics_spec/): it knows what a
 * family of ours may use of the grammar, and refuses everything else. */
#ifndef MOONGATE_TESTS_METRICS_OPENMETRICS_H
#define MOONGATE_TESTS_METRICS_OPENMETRICS_H

#include "support.h"

enum { OM_NAME = 300, OM_TEXT = 8192, OM_SEEN = 4096 };

struct om {
	const char *at;
	int line;
	char why[256];
	/* the family at hand */
	char family[OM_NAME], type[16];
	bool has_unit, has_help, has_samples;
	/* the metric (one label set) at hand */
	char metric[2 * OM_TEXT];
	double last_le, last_count, infinite;
	/* what has been */
	char *families[OM_SEEN];
	int family_count;
	char *metrics[OM_SEEN];
	int metric_count;
};

static inline bool om_fail(struct om *o, const char *why)
{
	if (o->why[0] == '\0')
		snprintf(o->why, sizeof o->why, "line %d: %s", o->line, why);
	return false;
}

static inline bool om_take(struct om *o, const char *text)
{
	if (strncmp(o->at, text, strlen(text)) != 0)
		return false;
	o->at += strlen(text);
	return true;
}

static inline bool om_word(struct om *o, char *out, bool colon)
{
	size_t n = 0;

	for (; n + 1 < OM_NAME; n++) {
		char c = o->at[n];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':');
		if (!letter && (n == 0 || c < '0' || c > '9'))
			break;
		out[n] = c;
	}
	out[n] = '\0';
	o->at += n;
	return n > 0;
}

/* Text with escapes up to `end`; the characters are counted. */
static inline bool om_escaped(struct om *o, char end, size_t *chars)
{
	for (; *o->at != end; o->at++) {
		if (*o->at == '\0' || *o->at == '\n' || *o->at == '"')
			return om_fail(o, "text is not closed or not escaped");
		if (*o->at == '\\' && strchr("\\\"n", *++o->at) == NULL)
			return om_fail(o, "an escape that there is not");
		*chars += ((unsigned char)*o->at & 0xc0) != 0x80;
	}
	return true;
}

static inline bool om_number(struct om *o, double *v)
{
	char text[64];
	size_t n = strcspn(o->at, " \n");
	char *end;

	if (n == 0 || n >= sizeof text)
		return om_fail(o, "no number");
	memcpy(text, o->at, n);
	text[n] = '\0';
	*v = strtod(text, &end);
	if (*end != '\0' || (strspn(text, "0123456789+-.e") != n && strcmp(text, "NaN") != 0 &&
	                     strcmp(text, "+Inf") != 0 && strcmp(text, "-Inf") != 0))
		return om_fail(o, "not a number");
	o->at += n;
	return true;
}

/* {…}; `skip` (le, quantile or nothing) goes to `skipped`, the rest to `rest`. */
static inline bool om_labels(struct om *o, const char *skip, char *skipped, char *rest, size_t *chars)
{
	char name[OM_NAME];
	size_t used = 0;

	rest[0] = skipped[0] = '\0';
	if (!om_take(o, "{"))
		return true;
	do {
		const char *from = o->at;
		if (!om_word(o, name, false) || !om_take(o, "=\""))
			return om_fail(o, "label wanted");
		*chars += strlen(name);
		const char *value = o->at;
		if (!om_escaped(o, '"', chars))
			return false;
		bool skips = strcmp(name, skip) == 0;
		char *to = skips ? skipped : rest + used;
		size_t len = (size_t)(skips ? o->at - value : o->at + 1 - from);
		if (used + len + 2 > OM_TEXT)
			return om_fail(o, "too long for this test");
		memcpy(to, skips ? value : from, len);
		to[len] = '\0';
		used += skips ? 0 : len;
		o->at++;
	} while (om_take(o, ","));
	return om_take(o, "}") || om_fail(o, "} wanted");
}

static inline bool om_remember(char **list, int *count, const char *text)
{
	for (int i = 0; i < *count; i++) {
		if (strcmp(list[i], text) == 0)
			return false;
	}
	if (*count == OM_SEEN)
		return false;
	list[(*count)++] = strdup(text);
	return true;
}

static inline bool om_comment(struct om *o)
{
	char name[OM_NAME], word[OM_NAME];
	size_t chars = 0;

	if (om_take(o, "TYPE ")) {
		if (!om_word(o, o->family, true) || !om_take(o, " ") || !om_word(o, word, false))
			return om_fail(o, "TYPE wants a name and a type");
		if (strcmp(word, "counter") != 0 && strcmp(word, "gauge") != 0 && strcmp(word, "histogram") != 0 &&
		    strcmp(word, "summary") != 0)
			return om_fail(o, "a type that there is not");
		snprintf(o->type, sizeof o->type, "%.15s", word);
		o->has_unit = o->has_help = o->has_samples = false;
		o->metric[0] = '\0';
		size_t len = strlen(o->family);
		if (strcmp(word, "counter") == 0 && len > 6 && strcmp(o->family + len - 6, "_total") == 0)
			return om_fail(o, "a counter's family ends in _total");
		return om_remember(o->families, &o->family_count, o->family) ||
		       om_fail(o, "the family was there before");
	}
	bool unit = om_take(o, "UNIT ");
	if (!unit && !om_take(o, "HELP "))
		return om_fail(o, "a comment that there is not");
	if (!om_word(o, name, true) || !om_take(o, " ") || strcmp(name, o->family) != 0 || o->has_samples)
		return om_fail(o, "not at this family's place");
	if (!unit) {
		bool twice = o->has_help;
		o->has_help = true;
		return (!twice && om_escaped(o, '\n', &chars)) || om_fail(o, "HELP twice");
	}
	bool twice = o->has_unit;
	o->has_unit = true;
	size_t len = strlen(name);
	if (!om_word(o, word, true) || len < strlen(word) + 2 || strcmp(name + len - strlen(word), word) != 0)
		return om_fail(o, "the unit is no suffix of the name");
	return (!twice && name[len - strlen(word) - 1] == '_') || om_fail(o, "UNIT twice, or not behind a _");
}

static inline bool om_exemplar(struct om *o, bool allowed)
{
	static char rest[OM_TEXT], none[OM_TEXT];
	size_t chars = 0;
	double v;

	if (!om_take(o, " # "))
		return true;
	if (!allowed)
		return om_fail(o, "an exemplar where none may be");
	if (*o->at != '{' || !om_labels(o, "", none, rest, &chars))
		return om_fail(o, "an exemplar's labels wanted");
	if (chars > 128)
		return om_fail(o, "an exemplar's labels are too long");
	if (!om_take(o, " ") || !om_number(o, &v) || !om_take(o, " ") || !om_number(o, &v))
		return om_fail(o, "an exemplar's value and time wanted");
	return true;
}

/* A bound or quantile must be a canonical float: with a point, an exponent, or infinite. */
static inline bool om_canonical(const char *text)
{
	return strpbrk(text, ".e") != NULL || strcmp(text, "+Inf") == 0;
}

static inline bool om_bucket(struct om *o, const char *le, double v)
{
	double bound = strtod(le, NULL);

	if (!om_canonical(le))
		return om_fail(o, "le is not canonical");
	if (!(bound > o->last_le) || !(v >= o->last_count))
		return om_fail(o, "buckets do not rise");
	o->last_le = bound;
	o->last_count = v;
	if (isinf(bound))
		o->infinite = v;
	return true;
}

/* A sample of the family at hand: is its suffix one that the type has, and its value one that it may have? */
static inline bool om_check_sample(struct om *o, const char *suffix, const char *special, double v)
{
	bool summary = strcmp(o->type, "summary") == 0, histogram = strcmp(o->type, "histogram") == 0;
	bool counter = strcmp(o->type, "counter") == 0, created = strcmp(suffix, "_created") == 0;

	if (strcmp(o->type, "gauge") == 0)
		return suffix[0] == '\0' || om_fail(o, "a gauge has no suffix");
	if (summary && suffix[0] == '\0')
		return (special[0] != '\0' && om_canonical(special)) || om_fail(o, "a canonical quantile wanted");
	if (!(v >= 0))
		return om_fail(o, "below zero");
	if (created || (counter && strcmp(suffix, "_total") == 0) || (summary && strcmp(suffix, "_sum") == 0))
		return true;
	if (histogram && strcmp(suffix, "_bucket") == 0)
		return om_bucket(o, special, v);
	if (histogram && o->infinite < 0)
		return om_fail(o, "no +Inf bucket before");
	if (histogram && strcmp(suffix, "_count") == 0)
		return v == o->infinite || om_fail(o, "count is not the +Inf bucket");
	return ((histogram && strcmp(suffix, "_sum") == 0) || (summary && strcmp(suffix, "_count") == 0)) ||
	       om_fail(o, "a suffix that the type does not have");
}

static inline bool om_sample(struct om *o)
{
	static char special[OM_TEXT], rest[OM_TEXT], metric[2 * OM_TEXT];
	char name[OM_NAME];
	size_t chars = 0, len = strlen(o->family);
	bool histogram = strcmp(o->type, "histogram") == 0;
	double v;

	if (!om_word(o, name, true) || len == 0 || strncmp(name, o->family, len) != 0)
		return om_fail(o, "not a sample of this family");
	const char *skip = histogram ? "le" : strcmp(o->type, "summary") == 0 ? "quantile" : "";
	if (!om_labels(o, skip, special, rest, &chars) || !om_take(o, " ") || !om_number(o, &v))
		return om_fail(o, "labels, a space and a value wanted");
	o->has_samples = true;
	snprintf(metric, sizeof metric, "%s{%s", o->family, rest);
	if (strcmp(metric, o->metric) != 0) {
		snprintf(o->metric, sizeof o->metric, "%s", metric);
		o->last_le = -INFINITY;
		o->last_count = 0;
		o->infinite = -1;
		if (!om_remember(o->metrics, &o->metric_count, metric))
			return om_fail(o, "the metric was there before");
	}
	bool allowed = strcmp(name + len, "_bucket") == 0 || strcmp(name + len, "_total") == 0;
	return om_check_sample(o, name + len, special, v) && om_exemplar(o, allowed);
}

/* Fails the test where `text` (NUL-terminated) is not a complete answer. Returns the number of metrics. */
static inline int openmetrics_check(const char *text)
{
	static struct om o;
	bool ended = false;

	memset(&o, 0, sizeof o);
	o.at = text;
	for (o.line = 1; *o.at != '\0' && !ended && o.why[0] == '\0'; o.line++) {
		ended = om_take(&o, "# EOF");
		if (!ended && !(om_take(&o, "# ") ? om_comment(&o) : om_sample(&o)))
			om_fail(&o, "refused");
		if (!om_take(&o, "\n"))
			om_fail(&o, "end of the line wanted");
	}
	if (!ended || *o.at != '\0')
		om_fail(&o, "# EOF wanted, and nothing behind it");
	for (int i = 0; i < o.family_count; i++)
		free(o.families[i]);
	for (int i = 0; i < o.metric_count; i++)
		free(o.metrics[i]);
	if (o.why[0] != '\0')
		fail_msg("%s in:\n%s", o.why, text);
	return o.metric_count;
}

#endif
