/* What scripts cost an event: frames of 1000 realistic events of some 250 bytes, decoded from JSON, through the cost script alone and through all shipped
 * ones. CPU time of this thread; the best of many frames, and the mean.
 *
 *   build/tests/bench_script [frames [file.lua]]      in the root of the repository; a file is run instead of the shipped ones */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "ingest/ingest.h"
#include "metrics/metrics.h"
#include "script/script.h"

enum { EVENTS = 1000, BATCHES = 4, USERS = 2000 };

#define T0 (INT64_C(1767355445) * NS_PER_S)

static uint64_t seed = 42;

static uint32_t draw(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33) % n;
}

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "bench_script: %s\n", what);
	exit(1);
}

/* One event as an agent sends it: mostly model calls, some of them with cached or reasoning tokens, and tool calls. */
static void put_event(struct buf *out, uint32_t n, bool calls_only)
{
	static const char *const models[] = {"gpt-4o", "gpt-4o-mini", "gpt-4.1", "claude-sonnet-4-5",
	                                     "claude-haiku-4-5"};
	uint32_t user = draw(USERS);
	uint32_t kind = calls_only ? 0 : draw(100);

	if (kind < 65) {
		buf_printf(out,
		           "{\"type\":\"model.call\",\"id\":\"ev-%u-%u\",\"agent_id\":\"agent-%u\",\"template_id\":\"t%"
		           "u\",\"user_id\":"
		           "\"user-%u\",\"model\":\"%s\",\"input_tokens\":%u,\"output_tokens\":%u,\"duration_ms\":%u,"
		           "\"stop_reason\":"
		           "\"end_turn\",\"status\":\"%s\"",
		           n, draw(1000000), user % 50, user % 8, user, models[draw(5)], 200 + draw(8000),
		           20 + draw(900), 150 + draw(4000), draw(20) == 0 ? "failed" : "success");
		if (draw(4) == 0)
			buf_printf(out, ",\"cached_input_tokens\":%u", draw(200));
		if (draw(10) == 0)
			buf_printf(out, ",\"reasoning_tokens\":%u", draw(20));
		buf_str(out, "}\n");
	} else if (kind < 92) {
		buf_printf(out,
		           "{\"type\":\"tool.call\",\"id\":\"ev-%u-%u\",\"agent_id\":\"agent-%u\",\"user_id\":\"user-%"
		           "u\",\"tool_name\":"
		           "\"tool-%u\",\"duration_ms\":%u,\"status\":\"%s\"}\n",
		           n, draw(1000000), user % 50, user, draw(12), draw(2000),
		           draw(10) == 0 ? "failed" : "success");
	} else {
		buf_printf(out,
		           "{\"type\":\"%s\",\"id\":\"ev-%u-%u\",\"agent_id\":\"run-%u\",\"template_id\":\"t%u\","
		           "\"user_id\":\"user-%u\"}\n",
		           kind & 1 ? "agent.start" : "agent.stop", n, draw(1000000), draw(500), user % 8, user);
	}
}

static struct batch *make_batch(bool calls_only)
{
	struct buf body = {0};
	struct error err = {0};
	struct ingest_limits limits;
	struct ingest_rejects rejects = {0};
	struct batch *b = batch_new();

	ingest_limits_default(&limits);
	for (uint32_t i = 0; i < EVENTS; i++)
		put_event(&body, i, calls_only);
	buf_room(&body, INGEST_PADDING);
	if (b == NULL || buf_failed(&body) || ingest_events_json(b, buf_slice(&body), T0, &limits, &rejects, &err) != 0)
		die(err.text);
	if (rejects.count != 0)
		die("an event was refused");
	return b; /* the body lives as long as the program */
}

/* A file from anywhere becomes the main file in the place of the shipped ones. */
static void put_file(struct script_bundle *b, const char *path)
{
	static struct buf text;
	struct error err = {0};

	buf_reset(&text);
	if (file_read_all(path, 1 << 20, &text, &err) != 0)
		die(err.text);
	b->files[0].path = slice_cstr(path);
	b->files[0].text = buf_slice(&text);
}

/* The bundle of scripts/ and conf/, with only the main file whose path is `only`, if given. */
static struct script_bundle *read_bundle(const char *only)
{
	struct script_bundle *b = NULL;
	struct error err = {0};
	bool shipped = only == NULL || strncmp(only, "scripts/metrics/", 16) == 0;
	uint32_t n = 0;

	if (script_bundle_read("scripts", "plugins", "conf", &b, &err) != 0)
		die(err.text);
	if (!shipped)
		put_file(b, only);
	for (uint32_t i = 0; i < b->count; i++) {
		bool keep = b->files[i].kind == SCRIPT_FILE_MODULE || only == NULL ||
		            slice_eq(b->files[i].path, slice_cstr(only));
		if (keep)
			b->files[n++] = b->files[i];
	}
	b->count = n;
	return b;
}

static void bench(const char *name, const char *only, bool calls_only, int frames)
{
	struct error err = {0};
	struct batch *batches[BATCHES];
	struct record *refs[EVENTS];
	struct script_options options = {
	    .call_ms = 100, .load_ms = 1000, .memory_mb = 32, .strikes = 3, .state_mb = 16, .emit_depth = 8};
	struct registry *registry = registry_new(&(struct registry_options){.max_series = 1000000});
	struct script_host *host = script_host_new(&options, registry, &err);
	struct script_bundle *bundle = read_bundle(only);
	struct script_set *set = NULL;
	double best = 1e18;
	double sum = 0;

	if (host == NULL || script_set_load(host, bundle, &set, &err) != 0 || script_set_bind(set, &err) != 0)
		die(err.text);
	for (int i = 0; i < BATCHES; i++)
		batches[i] = make_batch(calls_only);
	for (int f = 0; f < frames + BATCHES; f++) {
		struct batch *b = batches[f % BATCHES];
		for (uint32_t i = 0; i < b->count; i++)
			refs[i] = &b->records[i];
		int64_t now_ns = T0 + f * NS_PER_MS;
		double began = cpu_ns();
		registry_set_now(registry, now_ns);
		script_set_apply(set, refs, b->count, (uint64_t)f + 1, now_ns);
		double took = (cpu_ns() - began) / b->count;
		if (f < BATCHES)
			continue; /* fields are being learned, series made */
		best = took < best ? took : best;
		sum += took;
	}
	struct script_stats stats[16];
	uint32_t scripts = script_set_stats(set, stats, 16);
	for (uint32_t i = 0; i < scripts; i++) {
		if (stats[i].errors + stats[i].cuts != 0)
			die("a handler failed");
	}
	printf("%-28s %4u scripts  best %6.1f  mean %6.1f ns an event\n", name, scripts, best, sum / frames);
	for (int i = 0; i < BATCHES; i++)
		batch_free(batches[i]);
	script_set_free(set);
	script_bundle_free(bundle);
	script_host_free(host);
	registry_free(registry);
}

int main(int argc, char **argv)
{
	int frames = argc > 1 ? atoi(argv[1]) : 400;
	struct log_options quiet = {.level = LOG_WARN, .to_stdout = false};

	log_start(&quiet, NULL);
	clock_set_timezone("UTC", NULL);
	if (argc > 2) {
		bench(argv[2], argv[2], true, frames);
		return 0;
	}
	bench("cost, model calls only", "scripts/metrics/cost.lua", true, frames);
	bench("models, model calls only", "scripts/metrics/models.lua", true, frames);
	bench("users, model calls only", "scripts/metrics/users.lua", true, frames);
	bench("cost, mixed", "scripts/metrics/cost.lua", false, frames);
	bench("all shipped, mixed", NULL, false, frames);
	return 0;
}
