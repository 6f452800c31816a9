/* moongate run: the gateway. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "api/api.h"
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

static int start(struct gateway *g, struct error *err)
{
	g->engine = engine_new(&g->config, err);
	if (g->engine == NULL || engine_start(g->engine, err) != 0)
		return -EIO;
	const struct scrape_sink sink = scrape_into(g->engine);
	g->scrape = scrape_new(&g->config, &sink, err);
	if (g->scrape == NULL)
		return -EIO;
	g->api = api_new(&g->config, g->engine, g->scrape, err);
	if (g->api == NULL || api_start(g->api, err) != 0 || scrape_start(g->scrape, err) != 0)
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
	if (g->engine != NULL)
		engine_stop(g->engine);
	if (g->api != NULL)
		api_free(g->api);
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
		LOG(LOG_INFO, "SIGHUP: reloading scripts");
		engine_reload(g->engine, reloaded, NULL);
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
               "  SIGHUP            load the scripts anew, open log files again\n"
               "  SIGTERM, SIGINT   finish what is in flight, sync, exit 0\n",
    .run = run_gateway,
    .flags = flags,
};
