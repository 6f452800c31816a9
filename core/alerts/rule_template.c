/* Labels and annotations are templates, with Prometheus's names for what they see and its functions (template/template.go, rules/alerting.go). */
#include "alerts/rule_template.h"

#include <errno.h>

#include "base/buf.h"
#include "base/clock.h"
#include "record/labels.h"
#include "template/template.h"

/* Before each text: the variables that it may use. */
#define PREFIX                                                                                                         \
	"{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := "     \
	".Value}}"

/* ---- functions of a run; a check only asks whether they are there ---- */

/* A label set as a map. NULL: memory is out. */
static const struct template_map *map_of_labels(struct arena *arena, struct slice labels)
{
	struct template_map *map = arena_alloc(arena, sizeof *map);
	struct template_pair *pairs = arena_alloc(arena, LABELS_MAX * sizeof *pairs);
	struct slice rest = labels;
	struct label l;
	uint32_t count = 0;

	if (map == NULL || pairs == NULL)
		return NULL;
	while (count < LABELS_MAX && labels_next(&rest, &l))
		pairs[count++] = (struct template_pair){l.name, template_string(l.value)};
	*map = (struct template_map){.pairs = pairs, .count = count, .absent = template_string(SLICE(""))};
	return map;
}

/* A sample of query(): its labels are copied, since the result goes. */
static int make_sample(struct template_call *call, const struct promql_series *s, struct template_value *out)
{
	struct slice labels = arena_copy(call->arena, s->labels);
	const struct template_map *map = labels.ptr == NULL ? NULL : map_of_labels(call->arena, labels);
	struct template_map *sample = arena_alloc(call->arena, sizeof *sample);
	struct template_pair *pairs = arena_alloc(call->arena, 2 * sizeof *pairs);

	if (map == NULL || sample == NULL || pairs == NULL)
		return template_starve(call);
	pairs[0] = (struct template_pair){SLICE("Labels"), template_of_map(map)};
	pairs[1] = (struct template_pair){SLICE("Value"), template_float(s->values[0])};
	*sample = (struct template_map){.name = "*template.sample", .pairs = pairs, .count = 2};
	*out = template_of_map(sample);
	return 0;
}

static int make_samples(struct template_call *call, const struct promql_result *r, struct template_value *out)
{
	struct template_value *items = arena_alloc(call->arena, r->series_count * sizeof *items + 1);

	if (items == NULL)
		return template_starve(call);
	for (uint32_t i = 0; i < r->series_count; i++) {
		int code = make_sample(call, &r->series[i], &items[i]);
		if (code != 0)
			return code;
	}
	*out = template_list(items, r->series_count);
	return 0;
}

static int fn_query(struct template_call *call, const struct template_value *args, uint32_t count,
                    struct template_value *out)
{
	const struct rule_template_data *data = call->ctx;
	struct promql_expr *expr;
	struct promql_result result;
	(void)count;

	if (args[0].type != TEMPLATE_STRING)
		return template_fail(call, "query wants an expression");
	int code = promql_parse(args[0].text, call->arena, &expr, call->err);
	if (code != 0)
		return code;
	code = data->env->query(data->env->ctx, expr, args[0].text, data->at_ms, &result, call->err);
	if (code != 0)
		return code;
	if (result.type == PROMQL_VECTOR || result.type == PROMQL_SCALAR)
		code = make_samples(call, &result, out);
	else
		code = template_fail(call, "query result is not a vector or scalar");
	promql_result_free(&result);
	return code;
}

static int fn_now(struct template_call *call, const struct template_value *args, uint32_t count,
                  struct template_value *out)
{
	const struct rule_template_data *data = call->ctx;
	(void)args;
	(void)count;
	*out = template_float((double)data->at_ms / 1000);
	return 0;
}

static int fn_external_url(struct template_call *call, const struct template_value *args, uint32_t count,
                           struct template_value *out)
{
	const struct rule_template_data *data = call->ctx;
	(void)args;
	(void)count;
	*out = template_string(data->env->external_url);
	return 0;
}

/* What of the URL lies behind its host. */
static int fn_path_prefix(struct template_call *call, const struct template_value *args, uint32_t count,
                          struct template_value *out)
{
	const struct rule_template_data *data = call->ctx;
	struct slice url = data->env->external_url;
	const char *host = url.len > 0 ? memmem(url.ptr, url.len, "://", 3) : NULL;
	const char *path = host == NULL ? NULL : memchr(host + 3, '/', url.len - (size_t)(host + 3 - url.ptr));
	(void)args;
	(void)count;
	*out = template_string(path == NULL ? SLICE("") : slice_new(path, url.len - (size_t)(path - url.ptr)));
	return 0;
}

static const struct template_function run_functions[] = {
    {"query", fn_query, 1, 1},
    {"now", fn_now, 0, 0},
    {"externalURL", fn_external_url, 0, 0},
    {"pathPrefix", fn_path_prefix, 0, 0},
};
static const struct template_functions run_pack = {run_functions, sizeof run_functions / sizeof *run_functions};

/* ---- texts ---- */

/* Parses a text under the alert's name. 0 and the set, which is the caller's; else a negative errno, and there is none. */
static int parse(struct slice alert, struct slice text, struct buf *name, struct template_set **out, struct error *err)
{
	static const struct template_functions *const packs[] = {&template_prometheus, &run_pack};
	struct buf whole = {0};
	struct template_set *set = template_set_new(packs, 2);

	buf_str(name, "__alert_");
	buf_slice_append(name, alert);
	buf_str(&whole, PREFIX);
	buf_slice_append(&whole, text);
	int code = set == NULL || buf_failed(name) || buf_failed(&whole)
	               ? error_set(err, -ENOMEM, "out of memory for a template")
	               : template_set_parse(set, buf_slice(name), buf_slice(&whole), err);
	buf_free(&whole);
	if (code != 0)
		template_set_free(set);
	else
		*out = set;
	return code;
}

int rule_template_check(struct slice alert, struct slice text, struct error *err)
{
	struct buf name = {0};
	struct template_set *set;
	int code = parse(alert, text, &name, &set, err);

	if (code == 0)
		template_set_free(set);
	buf_free(&name);
	return code;
}

static int run(const struct rule_template_data *data, const struct template_set *set, struct slice name,
               struct buf *out, struct error *err)
{
	const struct rules_env *env = data->env;
	const struct template_run how = {
	    .ctx = (void *)(uintptr_t)data, .max_bytes = ALERT_TEXT_MAX, .max_steps = 100000};
	struct arena arena;
	arena_init(&arena);
	const struct template_map *labels = map_of_labels(&arena, data->labels);
	struct template_pair *external = arena_alloc(&arena, env->external_label_count * sizeof *external + 1);
	int code = labels == NULL || external == NULL ? error_set(err, -ENOMEM, "out of memory for a template") : 0;
	if (code == 0) {
		for (uint32_t i = 0; i < env->external_label_count; i++)
			external[i] = (struct template_pair){env->external_labels[i].name,
			                                     template_string(env->external_labels[i].value)};
		const struct template_map external_map = {
		    .pairs = external, .count = env->external_label_count, .absent = template_string(SLICE(""))};
		const struct template_pair fields[] = {
		    {SLICE("Labels"), template_of_map(labels)},
		    {SLICE("ExternalLabels"), template_of_map(&external_map)},
		    {SLICE("ExternalURL"), template_string(env->external_url)},
		    {SLICE("Value"), template_float(data->value)},
		};
		const struct template_map top = {.name = "struct { Labels, ExternalLabels, ExternalURL, Value }",
		                                 .pairs = fields,
		                                 .count = sizeof fields / sizeof *fields};
		const struct template_value value = template_of_map(&top);
		code = template_execute(set, name, &value, &how, out, err);
	}
	arena_deinit(&arena);
	return code;
}

int rule_template_expand(const struct rule_template_data *data, struct slice text, struct buf *out)
{
	if (memmem(text.ptr, text.len, "{{", 2) == NULL) { /* most are plain */
		buf_slice_append(out, text);
		return buf_failed(out) ? -ENOMEM : 0;
	}
	struct buf name = {0};
	struct template_set *set;
	struct error err = {0};
	size_t begin = out->len;
	int code = parse(data->alert, text, &name, &set, &err);
	if (code == 0) {
		code = run(data, set, buf_slice(&name), out, &err);
		template_set_free(set);
	}
	buf_free(&name);
	if (code != 0 && code != -ENOMEM) {
		out->len = begin;
		buf_printf(out, "<error expanding template: %s>", err.text);
		code = 0;
	}
	return buf_failed(out) ? -ENOMEM : code;
}
