/* Prometheus's functions (template/template.go and its page "Template reference"). */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/regex.h"
#include "base/utf8.h"
#include "template/internal.h"

/* ---- numbers for people ---- */

static int want_number(struct template_call *call, const struct template_value *v, double *out)
{
	char text[64];
	char *end;

	*out = 0;
	switch (v->type) {
	case TEMPLATE_FLOAT:
		*out = v->number;
		return 0;
	case TEMPLATE_INT:
		*out = (double)v->integer;
		return 0;
	case TEMPLATE_DURATION:
		*out = (double)v->integer / 1e9;
		return 0;
	case TEMPLATE_STRING:
		if (v->text.len > 0 && v->text.len < sizeof text) {
			memcpy(text, v->text.ptr, v->text.len);
			text[v->text.len] = '\0';
			*out = strtod(text, &end);
			if (*end == '\0' && end != text && strchr(" \t\n\r\v\f", text[0]) == NULL)
				return 0;
		}
		return template_fail(call, "strconv.ParseFloat: parsing \"%.*s\": invalid syntax",
		                     (int)(v->text.len < 100 ? v->text.len : 100), v->text.ptr);
	default:
		return template_fail(call, "can't convert %s to float", template_type_name(v));
	}
}

static int give_text(struct template_call *call, struct template_value *out, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int give_text(struct template_call *call, struct template_value *out, const char *format, ...)
{
	char text[128];
	va_list args;

	va_start(args, format);
	int len = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	struct slice copy = arena_copy(call->arena, slice_new(text, (size_t)len));
	if (copy.ptr == NULL)
		return template_starve(call);
	*out = template_string(copy);
	return 0;
}

/* Go has +Inf where C has inf. */
static int give_number(struct template_call *call, struct template_value *out, double v, const char *suffix)
{
	if (isnan(v))
		return give_text(call, out, "NaN%s", suffix);
	if (isinf(v))
		return give_text(call, out, "%sInf%s", v < 0 ? "-" : "+", suffix);
	return give_text(call, out, "%.4g%s", v, suffix);
}

static const char *const large[] = {"k", "M", "G", "T", "P", "E", "Z", "Y"};
static const char *const large_1024[] = {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};
static const char *const small[] = {"m", "u", "n", "p", "f", "a", "z", "y"};
enum { PREFIXES = 8 };

static const char *scale_down(double *v, double by, const char *const *names)
{
	const char *name = "";

	for (int i = 0; i < PREFIXES && fabs(*v) >= by; i++) {
		name = names[i];
		*v /= by;
	}
	return name;
}

static const char *scale_up(double *v)
{
	const char *name = "";

	for (int i = 0; i < PREFIXES && fabs(*v) < 1; i++) {
		name = small[i];
		*v *= 1000;
	}
	return name;
}

static int fn_humanize(struct template_call *call, const struct template_value *args, uint32_t count,
                       struct template_value *out)
{
	double v;
	int code = want_number(call, &args[0], &v);
	(void)count;
	if (code != 0)
		return code;
	if (v == 0 || !isfinite(v))
		return give_number(call, out, v, "");
	const char *prefix = fabs(v) >= 1 ? scale_down(&v, 1000, large) : scale_up(&v);
	return give_number(call, out, v, prefix);
}

static int fn_humanize1024(struct template_call *call, const struct template_value *args, uint32_t count,
                           struct template_value *out)
{
	double v;
	int code = want_number(call, &args[0], &v);
	(void)count;
	if (code != 0)
		return code;
	const char *prefix = fabs(v) <= 1 || !isfinite(v) ? "" : scale_down(&v, 1024, large_1024);
	return give_number(call, out, v, prefix);
}

static int fn_humanize_duration(struct template_call *call, const struct template_value *args, uint32_t count,
                                struct template_value *out)
{
	double v;
	char suffix[8];
	int code = want_number(call, &args[0], &v);
	(void)count;
	if (code != 0)
		return code;
	if (!isfinite(v))
		return give_number(call, out, v, "");
	if (v == 0)
		return give_number(call, out, v, "s");
	if (fabs(v) < 1) {
		snprintf(suffix, sizeof suffix, "%ss", scale_up(&v));
		return give_number(call, out, v, suffix);
	}
	const char *sign = v < 0 ? "-" : "";
	v = fabs(v);
	int64_t whole = v < 9.2e18 ? (int64_t)v : INT64_MAX;
	long long s = whole % 60, m = whole / 60 % 60, h = whole / 3600 % 24, d = whole / 86400;
	if (d != 0)
		return give_text(call, out, "%s%lldd %lldh %lldm %llds", sign, d, h, m, s);
	if (h != 0)
		return give_text(call, out, "%s%lldh %lldm %llds", sign, h, m, s);
	if (m != 0)
		return give_text(call, out, "%s%lldm %llds", sign, m, s);
	return give_text(call, out, "%s%.4gs", sign, v);
}

static int fn_humanize_percentage(struct template_call *call, const struct template_value *args, uint32_t count,
                                  struct template_value *out)
{
	double v;
	int code = want_number(call, &args[0], &v);
	(void)count;
	return code == 0 ? give_number(call, out, v * 100, "%") : code;
}

/* Seconds since 1970 as nanoseconds, cut off to milliseconds as Prometheus does. False: no time of ours. */
static bool read_time(double seconds, int64_t *ns)
{
	if (!(seconds > -9.2e9 && seconds < 9.2e9))
		return false;
	*ns = (int64_t)(seconds * 1e9) / NS_PER_MS * NS_PER_MS;
	return true;
}

static int fn_to_time(struct template_call *call, const struct template_value *args, uint32_t count,
                      struct template_value *out)
{
	double v;
	int64_t ns;
	int code = want_number(call, &args[0], &v);
	(void)count;
	if (code != 0)
		return code;
	if (!read_time(v, &ns))
		return template_fail(call, "%.4g cannot be represented as a timestamp", v);
	*out = (struct template_value){.type = TEMPLATE_TIME, .integer = ns};
	return 0;
}

static int fn_humanize_timestamp(struct template_call *call, const struct template_value *args, uint32_t count,
                                 struct template_value *out)
{
	double v;
	struct template_value time;
	int code = want_number(call, &args[0], &v);
	if (code != 0)
		return code;
	if (!isfinite(v))
		return give_number(call, out, v, "");
	code = fn_to_time(call, args, count, &time);
	if (code != 0)
		return code;
	struct buf text = {0};
	template_print(&text, &time);
	return template_take(call, &text, out);
}

static int fn_to_duration(struct template_call *call, const struct template_value *args, uint32_t count,
                          struct template_value *out)
{
	double v;
	int code = want_number(call, &args[0], &v);
	(void)count;
	if (code != 0)
		return code;
	if (!(fabs(v) < 9.2e9))
		return template_fail(call, "%.4g cannot be represented as a duration", v);
	*out = (struct template_value){.type = TEMPLATE_DURATION, .integer = (int64_t)(v * 1e9)};
	return 0;
}

/* ---- texts ---- */

static int want_text(struct template_call *call, const struct template_value *v, struct slice *out)
{
	*out = SLICE("");
	if (v->type != TEMPLATE_STRING)
		return template_fail(call, "wrong type for value; expected string; got %s", template_type_name(v));
	*out = v->text;
	return 0;
}

static int fn_parse_duration(struct template_call *call, const struct template_value *args, uint32_t count,
                             struct template_value *out)
{
	struct slice text;
	int64_t ns;
	int code = want_text(call, &args[0], &text);
	(void)count;
	if (code == 0)
		code = clock_parse_duration(text, &ns, call->err);
	if (code == 0)
		*out = template_float((double)ns / 1e9);
	return code;
}

/* Letters of ASCII alone: others stay as they are. */
static int each_letter(struct template_call *call, const struct template_value *v, struct template_value *out,
                       char (*change)(char before, char c))
{
	struct slice text;
	int code = want_text(call, v, &text);
	if (code != 0)
		return code;
	char *to = arena_alloc(call->arena, text.len + 1);
	if (to == NULL)
		return template_starve(call);
	for (size_t i = 0; i < text.len; i++)
		to[i] = change(i > 0 ? text.ptr[i - 1] : ' ', text.ptr[i]);
	*out = template_string(slice_new(to, text.len));
	return 0;
}

static char upper(char before, char c)
{
	(void)before;
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static char lower(char before, char c)
{
	(void)before;
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* The first letter of a word: behind what is neither letter, digit, underscore nor quote (Go's strings.Title). */
static char titled(char before, char c)
{
	bool within = (before >= 'a' && before <= 'z') || (before >= 'A' && before <= 'Z') ||
	              (before >= '0' && before <= '9') || before == '_' || (before & 0x80) != 0;
	return within ? c : upper(before, c);
}

static int fn_upper(struct template_call *call, const struct template_value *args, uint32_t count,
                    struct template_value *out)
{
	(void)count;
	return each_letter(call, &args[0], out, upper);
}

static int fn_lower(struct template_call *call, const struct template_value *args, uint32_t count,
                    struct template_value *out)
{
	(void)count;
	return each_letter(call, &args[0], out, lower);
}

static int fn_title(struct template_call *call, const struct template_value *args, uint32_t count,
                    struct template_value *out)
{
	(void)count;
	return each_letter(call, &args[0], out, titled);
}

static int fn_match(struct template_call *call, const struct template_value *args, uint32_t count,
                    struct template_value *out)
{
	struct slice pattern, text;
	int code = want_text(call, &args[0], &pattern);
	(void)count;
	if (code == 0)
		code = want_text(call, &args[1], &text);
	if (code != 0)
		return code;
	struct regex *re = regex_new(pattern, REGEX_SEARCH, call->err);
	if (re == NULL)
		return call->err->code;
	int found = regex_search(re, text, 0, NULL);
	regex_free(re);
	if (found < 0)
		return template_starve(call);
	*out = template_bool(found == 1);
	return 0;
}

/* The next match from `from` on, with its groups. 1, 0, -ENOMEM. */
static int find_groups(const struct regex *search, const struct regex *match, struct slice text, size_t from,
                       struct slice *groups, uint32_t count)
{
	int found = regex_search(search, text, from, &groups[0]);

	if (found != 1 || count == 1)
		return found;
	struct slice whole = groups[0];
	found = regex_match_groups(match, whole, groups, count);
	if (found == 0) /* it matches there only with what lies around it: no groups then */
		memset(groups, 0, count * sizeof *groups);
	groups[0] = whole; /* an empty one may have come without a place */
	return found < 0 ? found : 1;
}

static int replace_all(struct template_call *call, const struct regex *search, const struct regex *match,
                       struct slice with, struct slice text, struct buf *out)
{
	struct slice groups[REGEX_GROUPS_MAX + 1];
	uint32_t count = regex_group_count(match) + 1;
	size_t from = 0, copied = 0;
	bool after_match = false;

	if (count > REGEX_GROUPS_MAX + 1)
		count = REGEX_GROUPS_MAX + 1;
	while (from <= text.len && out->len <= call->max_bytes) {
		int found = find_groups(search, match, text, from, groups, count);
		if (found < 0)
			return template_starve(call);
		if (found == 0)
			break;
		size_t at = (size_t)(groups[0].ptr - text.ptr);
		bool empty_behind = groups[0].len == 0 && after_match && at == copied; /* Go passes such over */
		buf_append(out, text.ptr + copied, at - copied);
		if (!empty_behind)
			regex_expand(search, with, groups, count, call->max_bytes, out);
		copied = at + groups[0].len;
		after_match = groups[0].len > 0;
		if (groups[0].len > 0) {
			from = copied;
			continue;
		}
		size_t step = copied < text.len ? utf8_char(text.ptr + copied, text.len - copied) : 1;
		step = step == 0 ? 1 : step;
		if (copied < text.len)
			buf_append(out, text.ptr + copied, step);
		copied = from = copied + step;
	}
	if (copied < text.len)
		buf_append(out, text.ptr + copied, text.len - copied);
	return 0;
}

static int fn_replace(struct template_call *call, const struct template_value *args, uint32_t count,
                      struct template_value *out)
{
	struct slice texts[3] = {SLICE(""), SLICE(""), SLICE("")};
	struct buf result = {0};
	int code = 0;

	for (uint32_t i = 0; i < count && code == 0; i++)
		code = want_text(call, &args[i], &texts[i]);
	if (code != 0)
		return code;
	struct regex *search = regex_new(texts[0], REGEX_SEARCH, call->err);
	struct regex *match = search == NULL ? NULL : regex_new(texts[0], REGEX_MATCH, call->err);
	code = match == NULL ? call->err->code : replace_all(call, search, match, texts[1], texts[2], &result);
	regex_free(search);
	regex_free(match);
	if (code == 0)
		return template_take(call, &result, out);
	buf_free(&result);
	return code;
}

/* The host of "host:port", "[::1]:port"; else all of it. */
static struct slice host_of(struct slice text)
{
	const char *colon = text.len == 0 ? NULL : memrchr(text.ptr, ':', text.len);
	if (colon == NULL)
		return text;
	struct slice host = slice_new(text.ptr, (size_t)(colon - text.ptr));
	if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
		return slice_new(host.ptr + 1, host.len - 2);
	bool many =
	    host.len > 0 && (memchr(host.ptr, ':', host.len) != NULL || memchr(host.ptr, '[', host.len) != NULL ||
	                     memchr(host.ptr, ']', host.len) != NULL);
	return many ? text : host;
}

static int fn_strip_port(struct template_call *call, const struct template_value *args, uint32_t count,
                         struct template_value *out)
{
	struct slice text;
	int code = want_text(call, &args[0], &text);
	(void)count;
	if (code == 0)
		*out = template_string(host_of(text));
	return code;
}

static bool is_address(struct slice host)
{
	if (memchr(host.ptr, ':', host.len) != NULL)
		return true;
	for (size_t i = 0; i < host.len; i++) {
		if ((host.ptr[i] < '0' || host.ptr[i] > '9') && host.ptr[i] != '.')
			return false;
	}
	return host.len > 0;
}

/* "www.example.com:80" is "www:80"; addresses stay. */
static int fn_strip_domain(struct template_call *call, const struct template_value *args, uint32_t count,
                           struct template_value *out)
{
	struct slice text;
	int code = want_text(call, &args[0], &text);
	(void)count;
	if (code != 0)
		return code;
	struct slice host = host_of(text);
	if (host.len == 0 || is_address(host)) {
		*out = template_string(text);
		return 0;
	}
	const char *dot = memchr(host.ptr, '.', host.len);
	size_t kept = dot != NULL ? (size_t)(dot - host.ptr) : host.len;
	struct buf result = {0};
	buf_append(&result, host.ptr, kept);
	if (host.len < text.len) /* its port */
		buf_append(&result, host.ptr + host.len, text.len - host.len);
	return template_take(call, &result, out);
}

static int fn_safe_html(struct template_call *call, const struct template_value *args, uint32_t count,
                        struct template_value *out)
{
	struct slice text;
	int code = want_text(call, &args[0], &text);
	(void)count;
	if (code == 0) {
		*out = template_string(text);
		out->safe = true;
	}
	return code;
}

static void append_escaped(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		             (c != '\0' && strchr("-_.~", c) != NULL);
		if (plain)
			buf_byte(out, (char)c);
		else if (c == ' ')
			buf_byte(out, '+');
		else
			buf_printf(out, "%%%02X", c);
	}
}

static int link_to(struct template_call *call, const struct template_value *v, const char *before, const char *after,
                   struct template_value *out)
{
	struct slice text;
	struct buf result = {0};
	int code = want_text(call, v, &text);
	if (code != 0)
		return code;
	buf_str(&result, before);
	append_escaped(&result, text);
	buf_str(&result, after);
	return template_take(call, &result, out);
}

static int fn_graph_link(struct template_call *call, const struct template_value *args, uint32_t count,
                         struct template_value *out)
{
	(void)count;
	return link_to(call, &args[0], "/graph?g0.expr=", "&g0.tab=0", out);
}

static int fn_table_link(struct template_call *call, const struct template_value *args, uint32_t count,
                         struct template_value *out)
{
	(void)count;
	return link_to(call, &args[0], "/graph?g0.expr=", "&g0.tab=1", out);
}

static int fn_url_query_escape(struct template_call *call, const struct template_value *args, uint32_t count,
                               struct template_value *out)
{
	(void)count;
	return link_to(call, &args[0], "", "", out);
}

/* ---- what query gives ---- */

static const struct template_value *sample_field(const struct template_value *v, struct slice name)
{
	return v->type == TEMPLATE_MAP ? template_map_find(v->map, name) : NULL;
}

static int fn_first(struct template_call *call, const struct template_value *args, uint32_t count,
                    struct template_value *out)
{
	(void)count;
	if (args[0].type != TEMPLATE_LIST)
		return template_fail(call, "wrong type for value; expected template.queryResult; got %s",
		                     template_type_name(&args[0]));
	if (args[0].list.count == 0)
		return template_fail(call, "first() called on vector with no elements");
	*out = args[0].list.items[0];
	return 0;
}

static int fn_value(struct template_call *call, const struct template_value *args, uint32_t count,
                    struct template_value *out)
{
	const struct template_value *v = sample_field(&args[0], SLICE("Value"));
	(void)count;
	if (v == NULL)
		return template_fail(call, "wrong type for value; expected *template.sample; got %s",
		                     template_type_name(&args[0]));
	*out = *v;
	return 0;
}

static int label_of(struct template_call *call, const struct template_value *sample, struct slice name,
                    struct template_value *out)
{
	const struct template_value *labels = sample_field(sample, SLICE("Labels"));

	if (labels == NULL || labels->type != TEMPLATE_MAP)
		return template_fail(call, "wrong type for value; expected *template.sample; got %s",
		                     template_type_name(sample));
	const struct template_value *v = template_map_find(labels->map, name);
	*out = v != NULL ? *v : template_string(SLICE(""));
	return 0;
}

static int fn_label(struct template_call *call, const struct template_value *args, uint32_t count,
                    struct template_value *out)
{
	struct slice name;
	int code = want_text(call, &args[0], &name);
	(void)count;
	return code == 0 ? label_of(call, &args[1], name, out) : code;
}

static int fn_strvalue(struct template_call *call, const struct template_value *args, uint32_t count,
                       struct template_value *out)
{
	(void)count;
	return label_of(call, &args[0], SLICE("__value__"), out);
}

struct sortable {
	struct slice key;
	uint32_t place;
	struct template_value value;
};

static int by_key(const void *a, const void *b)
{
	const struct sortable *x = a, *y = b;
	int order = slice_compare(x->key, y->key);
	return order != 0 ? order : (x->place > y->place) - (x->place < y->place);
}

static int fn_sort_by_label(struct template_call *call, const struct template_value *args, uint32_t count,
                            struct template_value *out)
{
	struct slice name;
	int code = want_text(call, &args[0], &name);
	(void)count;
	if (code != 0)
		return code;
	if (args[1].type != TEMPLATE_LIST)
		return template_fail(call, "wrong type for value; expected template.queryResult; got %s",
		                     template_type_name(&args[1]));
	uint32_t n = args[1].list.count;
	struct sortable *items = arena_alloc(call->arena, n * sizeof *items + 1);
	struct template_value *sorted = arena_alloc(call->arena, n * sizeof *sorted + 1);
	if (items == NULL || sorted == NULL)
		return template_starve(call);
	for (uint32_t i = 0; i < n; i++) {
		struct template_value key;
		code = label_of(call, &args[1].list.items[i], name, &key);
		if (code != 0)
			return code;
		items[i] = (struct sortable){key.text, i, args[1].list.items[i]};
	}
	qsort(items, n, sizeof *items, by_key);
	for (uint32_t i = 0; i < n; i++)
		sorted[i] = items[i].value;
	*out = template_list(sorted, n);
	return 0;
}

/* The arguments as a map: arg0, arg1, … */
static int fn_args(struct template_call *call, const struct template_value *args, uint32_t count,
                   struct template_value *out)
{
	struct template_map *map = arena_alloc(call->arena, sizeof *map);
	struct template_pair *pairs = arena_alloc(call->arena, count * sizeof *pairs + 1);
	struct template_value key;

	if (map == NULL || pairs == NULL)
		return template_starve(call);
	for (uint32_t i = 0; i < count; i++) {
		int code = give_text(call, &key, "arg%u", i);
		if (code != 0)
			return code;
		pairs[i] = (struct template_pair){key.text, args[i]};
	}
	*map = (struct template_map){.pairs = pairs, .count = count};
	*out = template_of_map(map);
	return 0;
}

static const struct template_function items[] = {
    {"humanize", fn_humanize, 1, 1},
    {"humanize1024", fn_humanize1024, 1, 1},
    {"humanizeDuration", fn_humanize_duration, 1, 1},
    {"humanizePercentage", fn_humanize_percentage, 1, 1},
    {"humanizeTimestamp", fn_humanize_timestamp, 1, 1},
    {"toTime", fn_to_time, 1, 1},
    {"toDuration", fn_to_duration, 1, 1},
    {"parseDuration", fn_parse_duration, 1, 1},
    {"title", fn_title, 1, 1},
    {"toUpper", fn_upper, 1, 1},
    {"toLower", fn_lower, 1, 1},
    {"match", fn_match, 2, 2},
    {"reReplaceAll", fn_replace, 3, 3},
    {"stripPort", fn_strip_port, 1, 1},
    {"stripDomain", fn_strip_domain, 1, 1},
    {"safeHtml", fn_safe_html, 1, 1},
    {"urlQueryEscape", fn_url_query_escape, 1, 1},
    {"args", fn_args, 0, TEMPLATE_ANY},
    {"first", fn_first, 1, 1},
    {"value", fn_value, 1, 1},
    {"label", fn_label, 2, 2},
    {"strvalue", fn_strvalue, 1, 1},
    {"sortByLabel", fn_sort_by_label, 2, 2},
    {"graphLink", fn_graph_link, 1, 1},
    {"tableLink", fn_table_link, 1, 1},
};
const struct template_functions template_prometheus = {items, sizeof items / sizeof *items};
