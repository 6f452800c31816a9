/* Labels and annotations are templates, with Prometheus's names for what they see and its functions. */
#include "alerts/rule_template.h"

#include <errno.h>

#include "alerts/alerts.h"
#include "base/buf.h"
#include "template/template.h"

const struct slice rule_template_prefix = SLICE("{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}"
                                                "{{$externalURL := .ExternalURL}}{{$value := .Value}}");

/* Only a run has these; a check asks whether they are there. */
static int of_a_run(struct template_call *call, const struct template_value *args, uint32_t count,
                    struct template_value *out)
{
	(void)args;
	(void)count;
	(void)out;
	return template_fail(call, "is for rules that run");
}

static const struct template_function run_functions[] = {
    {"query", of_a_run, 1, 1},
    {"now", of_a_run, 0, 0},
    {"externalURL", of_a_run, 0, 0},
    {"pathPrefix", of_a_run, 0, 0},
};
static const struct template_functions run_pack = {run_functions, sizeof run_functions / sizeof *run_functions};

int rule_template_check(struct slice alert, struct slice text, struct error *err)
{
	static const struct template_functions *const packs[] = {&template_prometheus, &run_pack};
	struct buf name = {0}, whole = {0};
	struct template_set *set = template_set_new(packs, 2);

	buf_str(&name, "__alert_");
	buf_slice_append(&name, alert);
	buf_slice_append(&whole, rule_template_prefix);
	buf_slice_append(&whole, text);
	int code = set == NULL || buf_failed(&name) || buf_failed(&whole)
	               ? error_set(err, -ENOMEM, "out of memory for a template")
	               : template_set_parse(set, buf_slice(&name), buf_slice(&whole), err);
	template_set_free(set);
	buf_free(&name);
	buf_free(&whole);
	return code;
}
