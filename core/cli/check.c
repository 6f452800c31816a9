/* moongate check: configuration and scripts, read as `run` would read them and tried out over some events, without starting anything. */
#include <stdio.h>

#include "alerts/alerts.h"
#include "base/log.h"
#include "cli/internal.h"
#include "cli/rehearse.h"
#include "script/script.h"

static const char *conf, *scripts, *events, *quiet;

static const struct flag flags[] = {
    {"--conf", "FILE", "configuration (default: conf/moongate.lua)", &conf},
    {"--scripts", "DIR", "scripts (default: as configured)", &scripts},
    {"--events", "FILE", "run the scripts over these events and report all that fails", &events},
    {"--quiet", NULL, "say nothing when all is well", &quiet},
    {NULL, NULL, NULL, NULL},
};

static uint32_t count_main(const struct script_bundle *b)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < b->count; i++)
		n += b->files[i].kind == SCRIPT_FILE_MAIN;
	return n;
}

static void print_sum(const struct script_bundle *b, const struct registry *registry, const struct rehearsal *r)
{
	struct registry_stats stats = {0};
	uint32_t scripts_found = count_main(b);

	registry_stats(registry, &stats);
	printf("ok: %u script%s, %llu metric%s", scripts_found, scripts_found == 1 ? "" : "s",
	       (unsigned long long)stats.families, stats.families == 1 ? "" : "s");
	if (events != NULL)
		printf(", %u event%s", r->count, r->count == 1 ? "" : "s");
	printf("\n");
}

/* 0: all is well; 1: what is wrong was printed; else a negative errno with the sentence. */
static int check_scripts(const struct config *c, struct error *err)
{
	struct rehearsal rehearsal = {.config = c, .events = events};
	struct registry *registry = registry_new(&(struct registry_options){.max_series = c->metrics.max_series});
	struct script_options options = {
	    .call_ms = c->limits.call_ms,
	    .load_ms = c->limits.load_ms,
	    .memory_mb = c->limits.memory_mb,
	    .strikes = c->limits.strikes,
	    .state_mb = c->limits.state_mb,
	    .emit_depth = 8,
	};
	rehearsal_options(&rehearsal, &options);
	struct script_host *host = registry != NULL ? script_host_new(&options, registry, err) : NULL;
	struct script_bundle *bundle = NULL;
	struct script_set *set = NULL;
	int code = host != NULL     ? script_bundle_read(c->scripts, c->plugins, c->conf_dir, &bundle, err)
	           : err->code != 0 ? err->code
	                            : error_set(err, -12, "out of memory");
	if (code == 0)
		code = script_set_load(host, bundle, &set, err);
	if (code == 0)
		code = script_set_bind(set, err);
	if (code == 0)
		code = rehearsal_run(&rehearsal, set, registry, err);
	if (code == 0 && rehearsal.faults == 0 && quiet == NULL)
		print_sum(bundle, registry, &rehearsal);
	script_set_free(set);
	script_bundle_free(bundle);
	if (host != NULL)
		script_host_free(host);
	registry_free(registry);
	return code == 0 && rehearsal.faults != 0 ? 1 : code;
}

/* Rule files as `run` would read them. 0, or a negative errno with the first thing that is wrong. */
static int check_rules(const struct config *c, struct error *err)
{
	const struct rules_options options = {
	    .files = c->rules.files.items, .file_count = c->rules.files.count, .interval_ms = 60000};
	struct rules *rules = rules_new(&options, err);

	rules_free(rules);
	return rules != NULL ? 0 : err->code;
}

static int run_check(int argc, char **argv)
{
	int code = flags_read(&command_check, argc, argv);
	if (code != 0)
		return code < 0 ? EXIT_FINE : code;
	struct config c;
	const char *const set[][2] = {{"scripts", scripts}};
	if (load_config(&c, conf, set, 1) != 0)
		return EXIT_FAILED;
	struct error err = {0};
	code = log_start(&(struct log_options){.level = LOG_FATAL, .to_stdout = true},
	                 &err); /* the scripts' lines are for another day */
	if (code == 0)
		code = check_rules(&c, &err);
	if (code == 0)
		code = check_scripts(&c, &err);
	if (code < 0)
		fprintf(stderr, "%s\n", err.text);
	config_deinit(&c);
	return code == 0 ? EXIT_FINE : EXIT_FAILED;
}

const struct command command_check = {
    .name = "check",
    .summary = "Check configuration, rule files and scripts without starting anything",
    .usage = "[--conf FILE] [--scripts DIR] [--events FILE]",
    .details = "Prints \"file:line: message\" for a mistake and exits with 1; with 0 when all is well. Fit for\n"
               "an editor, a commit hook, a deployment.\n"
               "\n"
               "Scripts that load are tried out over events like those of `moongate demo`: a handler that\n"
               "writes to its event, or uses one after its call, is a mistake. Other errors are not, since\n"
               "your agents may send other fields. With --events they are: FILE has what your agents send,\n"
               "as POST /v1/events takes it, and whatever fails in a filter, handler or timer is printed.\n",
    .run = run_check,
    .flags = flags,
};
