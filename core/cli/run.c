/* moongate run: the gateway. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/internal.h"
#include "engine/engine.h"

static const char *conf, *listen_on, *data, *scripts, *threads, *level;

static const struct flag flags[] = {
    {"--conf", "FILE", "configuration (default: conf/moongate.lua)", &conf},
    {"--listen", "ADDR:PORT", "where to listen; port 0 takes a free one", &listen_on},
    {"--data", "DIR", "journal and checkpoints", &data},
    {"--scripts", "DIR", "the Lua scripts", &scripts},
    {"--threads", "N", "network loops", &threads},
    {"--log-level", "LEVEL", "debug, info, warn, error or fatal", &level},
    {NULL, NULL, NULL, NULL},
};

struct gateway {
	struct config config;
	struct engine *engine;
	struct scrape *scrape;
	struct alert_text *external_labels;
	char external_url[CONFIG_ADDRESS_MAX];
	struct rules *rules;
	struct api *api;
	struct watch *watch;
};

/* As many descriptors as the system lets this process have: each connection is one. */
static void raise_descriptors(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* Signals are waited for, not handled: every thread is born with them blocked. */
static void block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int start_log(const struct config *c, struct error *err)
{
	const struct log_options options = {
	    .level = c->log.level,
	    .to_stdout = c->log.to_stdout,
	    .file = c->log.file,
	    .errors_file = c->log.errors_file,
	    .sample_first = c->log.sample_first,
	    .sample_then = c->log.sample_then,
	};
	return log_start(&options, err);
}

/* The engine has said in the log how it went. */
static void reloaded(void *user, int status, const struct error *err)
{
	(void)user;
	if (status != 0)
		LOG(LOG_ERROR, "reload refused, the old scripts go on", log_str("error", err->text));
}

/* Rules first: where their files are wrong the scripts stay as well. On the thread of the rules. */
static void rules_reloaded(void *user, int status, const struct error *err)
{
	struct gateway *g = user;
	if (status != 0)
		LOG(LOG_ERROR, "reload refused, the old rules and scripts go on", log_str("error", err->text));
	else
		engine_reload(g->engine, reloaded, NULL);
}

static void scripts_changed(void *ctx)
{
	struct gateway *g = ctx;
	LOG(LOG_INFO, "scripts changed on disk, reloading");
	engine_reload(g->engine, reloaded, NULL);
}

static int start_watch(struct gateway *g, struct error *err)
{
	const char *const dirs[] = {g->config.scripts, g->config.plugins, g->config.conf_dir};
	if (!g->config.watch)
		return 0;
	g->watch = watch_start(dirs, 3, scripts_changed, g, err);
	return g->watch != NULL ? 0 : -EIO;
}

/* libuv's pool answers questions: as many threads as may be asked at the same time, and two more, so that /metrics never waits for them. Read by libuv at its first work, before which no thread runs. */
static void size_pool(const struct config *c)
{
	char text[16];

	snprintf(text, sizeof text, "%u", c->query.max_concurrency + 2);
	setenv("UV_THREADPOOL_SIZE", text, 0);
}

/* What of the configuration rules want, as they have it. */
static int make_rules(struct gateway *g, struct error *err)
{
	const struct config *c = &g->config;
	const struct config_pairs *labels = &c->rules.external_labels;

	g->external_labels = mem_zalloc(labels->count + 1, sizeof *g->external_labels);
	if (g->external_labels == NULL)
		return error_set(err, -ENOMEM, "out of memory for rules");
	for (uint32_t i = 0; i < labels->count; i++)
		g->external_labels[i] =
		    (struct alert_text){slice_cstr(labels->items[i].name), slice_cstr(labels->items[i].value)};
	snprintf(g->external_url, sizeof g->external_url, c->rules.external_url != NULL ? "%s" : "http://%s",
	         c->rules.external_url != NULL ? c->rules.external_url : c->listen);
	size_t len = strlen(g->external_url);
	while (len > 0 && g->external_url[len - 1] == '/')
		len--;
	const struct rules_options options = {
	    .files = c->rules.files.items,
	    .file_count = c->rules.files.count,
	    .interval_ms = c->rules.interval_ns / NS_PER_MS,
	    .query_offset_ms = c->rules.query_offset_ns / NS_PER_MS,
	    .timeout_ms = c->query.timeout_ns / NS_PER_MS,
	    .lookback_ms = c->query.lookback_ns / NS_PER_MS,
	    .samples_max = c->query.max_samples,
	    .bytes_max = c->query.max_bytes,
	    .external_labels = g->external_labels,
	    .external_label_count = labels->count,
	    .external_url = slice_new(g->external_url, len),
	    .store = rules_store_of(g->engine),
	};
	g->rules = rules_new(&options, err);
	return g->rules != NULL ? 0 : -EIO;
}

static int start(struct gateway *g, struct error *err)
{
	g->engine = engine_new(&g->config, err);
	if (g->engine == NULL || engine_start(g->engine, err) != 0)
		return -EIO;
	const struct scrape_sink sink = scrape_into(g->engine);
	g->scrape = scrape_new(&g->config, &sink, err);
	if (g->scrape == NULL)
		return -EIO;
	if (make_rules(g, err) != 0)
		return -EIO;
	g->api = api_new(&g->config, g->engine, g->scrape, g->rules, err);
	if (g->api == NULL || api_start(g->api, err) != 0 || scrape_start(g->scrape, err) != 0)
		return -EIO;
	if (rules_start(g->rules, err) != 0)
		return -EIO;
	if (start_watch(g, err) != 0)
		return -EIO;
	LOG(LOG_INFO, "listening", log_str("addr", api_address(g->api)), log_str("version", MOONGATE_VERSION),
	    log_int("threads", g->config.threads));
	return 0;
}

static void stop(struct gateway *g)
{
	if (g->watch != NULL)
		watch_stop(g->watch);
	if (g->api != NULL)
		api_stop(g->api);
	if (g->scrape != NULL)
		scrape_stop(g->scrape);
	if (g->rules != NULL)
		rules_stop(g->rules);
	if (g->engine != NULL)
		engine_stop(g->engine);
	if (g->api != NULL)
		api_free(g->api);
	rules_free(g->rules);
	mem_free(g->external_labels);
	scrape_free(g->scrape);
	if (g->engine != NULL)
		engine_free(g->engine);
}

/* Waits until somebody wants an end. */
static void wait_for_end(struct gateway *g, const sigset_t *set)
{
	for (;;) {
		int number = 0;
		if (sigwait(set, &number) != 0)
			continue;
		if (number != SIGHUP) {
			LOG(LOG_INFO, "stopping", log_str("signal", number == SIGTERM ? "SIGTERM" : "SIGINT"));
			return;
		}
		log_reopen();
		LOG(LOG_INFO, "SIGHUP: reloading rules and scripts");
		rules_reload(g->rules, rules_reloaded, g);
	}
}

static int run_gateway(int argc, char **argv)
{
	int code = flags_read(&command_run, argc, argv);
	if (code != 0)
		return code < 0 ? EXIT_FINE : code;
	struct gateway g = {0};
	const char *const set[][2] = {
	    {"listen", listen_on}, {"data", data}, {"scripts", scripts}, {"threads", threads}, {"log.level", level},
	};
	if (load_config(&g.config, conf, set, sizeof set / sizeof *set) != 0)
		return EXIT_FAILED;
	sigset_t signals;
	struct error err = {0};
	block_signals(&signals);
	raise_descriptors();
	size_pool(&g.config);
	mem_setup();
	code = start_log(&g.config, &err);
	if (code == 0)
		code = start(&g, &err);
	if (code == 0) {
		wait_for_end(&g, &signals);
	} else {
		LOG(LOG_FATAL, "not started", log_str("error", err.text));
		fprintf(stderr, "moongate: %s\n", err.text);
	}
	stop(&g);
	if (code == 0)
		LOG(LOG_INFO, "stopped");
	log_stop();
	config_deinit(&g.config);
	return code == 0 ? EXIT_FINE : EXIT_FAILED;
}

const struct command command_run = {
    .name = "run",
    .summary = "Run the gateway",
    .usage = "[--conf FILE] [--listen ADDR:PORT] [--data DIR] [--scripts DIR]",
    .details = "Options win over the configuration file. The first log line with \"msg\":\"listening\" carries\n"
               "the address in \"addr\".\n\n"
               "  SIGHUP            load rules and scripts anew, open log files again\n"
               "  SIGTERM, SIGINT   finish what is in flight, sync, exit 0\n",
    .run = run_gateway,
    .flags = flags,
};
