/* moongate check: configuration and scripts, read as `run` would read them, without starting anything. */
#include <stdio.h>

#include "cli/internal.h"
#include "script/script.h"

static const char *conf, *scripts, *quiet;

static const struct flag flags[] = {
    {"--conf", "FILE", "configuration (default: conf/moongate.lua)", &conf},
    {"--scripts", "DIR", "scripts (default: as configured)", &scripts},
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

static int check_scripts(const struct config *c, struct error *err)
{
	struct registry *registry = registry_new(&(struct registry_options){.max_series = c->metrics.max_series});
	const struct script_options options = {
	    .call_ms = c->limits.call_ms,
	    .load_ms = c->limits.load_ms,
	    .memory_mb = c->limits.memory_mb,
	    .strikes = c->limits.strikes,
	    .state_mb = c->limits.state_mb,
	    .emit_depth = 8,
	};
	struct script_host *host = registry != NULL ? script_host_new(&options, registry, err) : NULL;
	struct script_bundle *bundle = NULL;
	struct script_set *set = NULL;
	struct registry_stats stats = {0};
	int code = host != NULL     ? script_bundle_read(c->scripts, c->plugins, c->conf_dir, &bundle, err)
	           : err->code != 0 ? err->code
	                            : error_set(err, -12, "out of memory");
	if (code == 0)
		code = script_set_load(host, bundle, &set, err);
	if (code == 0)
		code = script_set_bind(set, err);
	if (code == 0 && quiet == NULL) {
		registry_stats(registry, &stats);
		printf("ok: %u script%s, %llu metric%s\n", count_main(bundle), count_main(bundle) == 1 ? "" : "s",
		       (unsigned long long)stats.families, stats.families == 1 ? "" : "s");
	}
	script_set_free(set);
	script_bundle_free(bundle);
	if (host != NULL)
		script_host_free(host);
	registry_free(registry);
	return code;
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
	code = check_scripts(&c, &err);
	if (code != 0)
		fprintf(stderr, "%s\n", err.text);
	config_deinit(&c);
	return code == 0 ? EXIT_FINE : EXIT_FAILED;
}

const struct command command_check = {
    .name = "check",
    .summary = "Check configuration and scripts without starting anything",
    .usage = "[--conf FILE] [--scripts DIR]",
    .details = "Prints \"file:line: message\" for the first mistake and exits with 1; with 0 when all is\n"
               "well. Fit for an editor, a commit hook, a deployment.\n",
    .run = run_check,
    .flags = flags,
};
