/* Rule files: YAML to checked rules. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "alerts/alerts.h"
#include "alerts/rule_template.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "base/yaml.h"

struct reading {
	struct slice path;
	struct arena *arena;
	void (*report)(void *ctx, const struct error *err);
	void *ctx;
	int errors;
	bool starved;
};

/* Tells of something that is wrong. */
static void complain(struct reading *r, uint32_t line, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void complain(struct reading *r, uint32_t line, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	struct error err = {0};
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	error_set(&err, -EINVAL, "%.*s:%u: %s", SLICE_ARG(r->path), line, text);
	r->errors++;
	r->report(r->ctx, &err);
}

static void *room(struct reading *r, uint32_t count, size_t size)
{
	void *p = arena_alloc(r->arena, count * size + 1);

	if (p == NULL)
		r->starved = true;
	return p;
}

/* ---- values: each says what is wrong and returns false ---- */

static bool check_keys(struct reading *r, const struct yaml_node *map, const char *const *names, const char *what)
{
	const struct yaml_pair *unknown = yaml_unknown(map, names);

	if (unknown == NULL)
		return true;
	complain(r, unknown->line, "%s has no field %.*s", what, SLICE_ARG(unknown->key));
	return false;
}

/* A text; absent and null are empty. */
static bool read_text(struct reading *r, const struct yaml_node *map, const char *key, struct slice *out)
{
	const struct yaml_node *n = yaml_find(map, slice_cstr(key));

	*out = SLICE("");
	if (n == NULL || n->type == YAML_NULL)
		return true;
	if (n->type != YAML_SCALAR) {
		complain(r, n->line, "%s is a text, not %s", key, yaml_type_name(n));
		return false;
	}
	*out = n->text;
	return true;
}

/* A duration in milliseconds; `absent` where there is none. */
static bool read_duration(struct reading *r, const struct yaml_node *map, const char *key, int64_t absent, int64_t *out)
{
	const struct yaml_node *n = yaml_find(map, slice_cstr(key));
	struct error err = {0};
	int64_t ns = 0;

	*out = absent;
	if (n == NULL || n->type == YAML_NULL)
		return true;
	if (n->type != YAML_SCALAR) {
		complain(r, n->line, "%s is a duration, not %s", key, yaml_type_name(n));
		return false;
	}
	if (!slice_eq(n->text, SLICE("0")) && clock_parse_duration(n->text, &ns, &err) != 0) {
		complain(r, n->line, "%s: %s", key, err.text);
		return false;
	}
	*out = ns / NS_PER_MS;
	return true;
}

static bool read_integer(struct reading *r, const struct yaml_node *map, const char *key, int64_t *out)
{
	const struct yaml_node *n = yaml_find(map, slice_cstr(key));
	char text[24];
	char *end;

	*out = 0;
	if (n == NULL || n->type == YAML_NULL)
		return true;
	bool fits = n->type == YAML_SCALAR && n->plain && n->text.len > 0 && n->text.len < sizeof text;
	if (fits) {
		memcpy(text, n->text.ptr, n->text.len);
		text[n->text.len] = '\0';
		errno = 0;
		*out = strtoll(text, &end, 10);
		fits = *end == '\0' && errno == 0;
	}
	if (!fits)
		complain(r, n->line, "%s is an integer", key);
	return fits;
}

/* ---- names ---- */

static bool is_plain_name(struct slice s)
{
	return s.len > 0 && utf8_valid(s, NULL);
}

static bool is_metric_name(struct slice s)
{
	return is_plain_name(s) && memchr(s.ptr, '{', s.len) == NULL && memchr(s.ptr, '}', s.len) == NULL;
}

/* ---- labels and annotations ---- */

static int by_name(const void *a, const void *b)
{
	const struct rule_text *x = a, *y = b;

	return slice_compare(x->name, y->name);
}

/* One of them; `template_of` names the alert whose template its value is; empty: it is a text. */
static bool read_rule_text(struct reading *r, const struct yaml_pair *pair, const char *what, bool label,
                           struct slice template_of, struct rule_text *out)
{
	struct error err = {0};

	if (pair->value->type != YAML_SCALAR && pair->value->type != YAML_NULL) {
		complain(r, pair->value->line, "%s %.*s is a text, not %s", what, SLICE_ARG(pair->key),
		         yaml_type_name(pair->value));
		return false;
	}
	*out = (struct rule_text){pair->key, pair->value->type == YAML_NULL ? SLICE("") : pair->value->text,
	                          pair->value->line};
	if (!is_plain_name(pair->key) || (label && slice_eq(pair->key, SLICE("__name__")))) {
		complain(r, pair->line, "invalid %s name: %.*s", what, SLICE_ARG(pair->key));
		return false;
	}
	if (template_of.len == 0)
		return true;
	int code = rule_template_check(template_of, out->text, &err);
	if (code == -ENOMEM)
		r->starved = true;
	else if (code != 0)
		complain(r, pair->value->line, "%s \"%.*s\": %s", what, SLICE_ARG(pair->key), err.text);
	return code == 0;
}

static bool read_texts(struct reading *r, const struct yaml_node *map, const char *key, const char *what, bool label,
                       struct slice template_of, const struct rule_text **out, uint32_t *count)
{
	const struct yaml_node *n = yaml_find(map, slice_cstr(key));
	bool good = true;

	*count = 0;
	*out = NULL;
	if (n == NULL || n->type == YAML_NULL)
		return true;
	if (n->type != YAML_MAP) {
		complain(r, n->line, "%s is a map of texts, not %s", key, yaml_type_name(n));
		return false;
	}
	struct rule_text *texts = room(r, n->count, sizeof *texts);
	if (texts == NULL)
		return false;
	for (uint32_t i = 0; i < n->count; i++) {
		if (read_rule_text(r, &n->pairs[i], what, label, template_of, &texts[*count]))
			++*count;
		else
			good = false;
	}
	qsort(texts, *count, sizeof *texts, by_name);
	*out = texts;
	return good;
}

/* ---- rules ---- */

static bool read_expr(struct reading *r, const struct yaml_node *map, struct rule *rule)
{
	const struct yaml_node *n = yaml_find(map, SLICE("expr"));
	struct promql_expr *expr;
	struct error err = {0};

	if (!read_text(r, map, "expr", &rule->expr_text))
		return false;
	if (rule->expr_text.len == 0) {
		complain(r, rule->line, "field 'expr' must be set in rule");
		return false;
	}
	int code = promql_parse(rule->expr_text, r->arena, &expr, &err);
	if (code == -ENOMEM)
		r->starved = true;
	else if (code != 0)
		complain(r, n->line, "could not parse expression: %s", err.text);
	rule->expr = expr;
	return code == 0;
}

/* What a recording rule may not have. */
static bool check_recording(struct reading *r, const struct yaml_node *map, const struct rule *rule)
{
	static const char *const alone[] = {"annotations", "for", "keep_firing_for"};
	bool good = true;

	for (size_t i = 0; i < sizeof alone / sizeof *alone; i++) {
		const struct yaml_node *n = yaml_find(map, slice_cstr(alone[i]));
		bool zero = n == NULL || n->type == YAML_NULL || n->count == 0;
		if (n != NULL && n->type == YAML_SCALAR) {
			int64_t ms;
			zero = read_duration(r, map, alone[i], 0, &ms) && ms == 0;
		}
		if (!zero) {
			complain(r, n->line, "invalid field '%s' in recording rule", alone[i]);
			good = false;
		}
	}
	if (!is_metric_name(rule->name)) {
		complain(r, rule->line, "invalid recording rule name: %.*s", SLICE_ARG(rule->name));
		good = false;
	}
	return good;
}

static bool read_kind(struct reading *r, const struct yaml_node *map, struct rule *rule)
{
	struct slice record, alert;

	if (!read_text(r, map, "record", &record) || !read_text(r, map, "alert", &alert))
		return false;
	if (record.len > 0 && alert.len > 0) {
		complain(r, rule->line, "only one of 'record' and 'alert' must be set");
		return false;
	}
	if (record.len == 0 && alert.len == 0) {
		complain(r, rule->line, "one of 'record' or 'alert' must be set");
		return false;
	}
	rule->kind = alert.len > 0 ? RULE_ALERTING : RULE_RECORDING;
	rule->name = alert.len > 0 ? alert : record;
	const struct yaml_node *name = yaml_find(map, alert.len > 0 ? SLICE("alert") : SLICE("record"));
	rule->line = name->line;
	return true;
}

static bool read_rule(struct reading *r, const struct yaml_node *map, struct rule *rule)
{
	static const char *const names[] = {"record",          "alert",  "expr",        "for",
	                                    "keep_firing_for", "labels", "annotations", NULL};

	*rule = (struct rule){.line = map->line};
	if (map->type != YAML_MAP) {
		complain(r, map->line, "a rule is a map, not %s", yaml_type_name(map));
		return false;
	}
	bool good = check_keys(r, map, names, "a rule");
	if (!read_kind(r, map, rule))
		return false;
	bool alert = rule->kind == RULE_ALERTING;
	good &= read_expr(r, map, rule);
	good &= read_texts(r, map, "labels", "label", true, alert ? rule->name : SLICE(""), &rule->labels,
	                   &rule->label_count);
	if (!alert)
		return check_recording(r, map, rule) && good;
	good &= read_texts(r, map, "annotations", "annotation", false, rule->name, &rule->annotations,
	                   &rule->annotation_count);
	good &= read_duration(r, map, "for", 0, &rule->for_ms);
	good &= read_duration(r, map, "keep_firing_for", 0, &rule->keep_firing_for_ms);
	return good;
}

static bool read_rules(struct reading *r, const struct yaml_node *map, struct rule_group *group)
{
	const struct yaml_node *n = yaml_find(map, SLICE("rules"));
	uint32_t count = 0;

	if (n == NULL || n->type == YAML_NULL)
		return true;
	if (n->type != YAML_LIST || n->count > RULES_MAX) {
		complain(r, n->line, n->type != YAML_LIST ? "rules is a list" : "more than 100000 rules");
		return false;
	}
	struct rule *rules = room(r, n->count, sizeof *rules);
	if (rules == NULL)
		return false;
	for (uint32_t i = 0; i < n->count; i++)
		count += read_rule(r, n->items[i], &rules[count]);
	group->rules = rules;
	group->rule_count = count;
	return true;
}

/* ---- groups ---- */

static bool read_group(struct reading *r, const struct yaml_node *map, struct rule_group *group)
{
	static const char *const names[] = {"name", "interval", "query_offset", "limit", "labels", "rules", NULL};

	*group = (struct rule_group){.file = r->path, .line = map->line};
	if (map->type != YAML_MAP) {
		complain(r, map->line, "a group is a map, not %s", yaml_type_name(map));
		return false;
	}
	bool good = check_keys(r, map, names, "a group") && read_text(r, map, "name", &group->name);
	if (good && group->name.len == 0) {
		complain(r, map->line, "groupname must not be empty");
		good = false;
	}
	good &= read_duration(r, map, "interval", 0, &group->interval_ms);
	good &= read_duration(r, map, "query_offset", -1, &group->query_offset_ms);
	good &= read_integer(r, map, "limit", &group->limit);
	good &= read_texts(r, map, "labels", "label", true, SLICE(""), &group->labels, &group->label_count);
	return read_rules(r, map, group) && good;
}

static void check_repeated(struct reading *r, const struct rule_group *groups, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		for (uint32_t k = 0; k < i; k++) {
			if (!slice_eq(groups[k].name, groups[i].name))
				continue;
			complain(r, groups[i].line, "groupname: \"%.*s\" is repeated in the same file",
			         SLICE_ARG(groups[i].name));
			break;
		}
	}
}

static void read_groups(struct reading *r, const struct yaml_node *top, struct rule_file *out)
{
	static const char *const names[] = {"groups", NULL};
	const struct yaml_node *n;

	if (top->type == YAML_NULL)
		return;
	if (top->type != YAML_MAP) {
		complain(r, top->line, "a rule file is a map with groups, not %s", yaml_type_name(top));
		return;
	}
	check_keys(r, top, names, "a rule file");
	n = yaml_find(top, SLICE("groups"));
	if (n == NULL || n->type == YAML_NULL)
		return;
	if (n->type != YAML_LIST) {
		complain(r, n->line, "groups is a list, not %s", yaml_type_name(n));
		return;
	}
	struct rule_group *groups = room(r, n->count, sizeof *groups);
	if (groups == NULL)
		return;
	uint32_t count = 0;
	for (uint32_t i = 0; i < n->count; i++)
		count += read_group(r, n->items[i], &groups[count]);
	check_repeated(r, groups, count);
	out->groups = groups;
	out->group_count = count;
}

int rule_file_read(struct slice path, struct slice text, struct arena *arena, struct rule_file *out,
                   void (*report)(void *ctx, const struct error *err), void *ctx)
{
	struct reading r = {.path = path, .arena = arena, .report = report, .ctx = ctx};
	const struct yaml_node *top;
	struct error err = {0};

	*out = (struct rule_file){.path = path};
	int code = yaml_read(text, arena, &top, &err);
	if (code == -ENOMEM)
		return code;
	if (code != 0) { /* "line 3: …" */
		error_prefix(&err, "%.*s", SLICE_ARG(path));
		report(ctx, &err);
		return 1;
	}
	read_groups(&r, top, out);
	return r.starved ? -ENOMEM : r.errors;
}
