/* The scraper's life, and what others may know of it. */
#include "scrape/scrape.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/process.h"
#include "scrape/internal.h"

/* What the answers in flight may take together, unless one alone may take more. */
#define BODIES_BYTES (64 << 20)

/* How many targets are asked at the same time, each over one connection. While that is made it may have several descriptors: a pair and a socket to resolve the name, or one socket a family of addresses. */
enum { ASKED_MAX = 1024, FILES_EACH = 4, FILES_SHARE = 4 /* of the process's: a quarter */ };

static int drop_target(void *ctx, struct target *t)
{
	(void)ctx;
	target_free(t);
	return 0;
}

static uint64_t bodies_bytes(const struct config *config)
{
	uint64_t most = BODIES_BYTES;

	for (uint32_t i = 0; i < config->scrape_count; i++) {
		if (config->scrapes[i].body_bytes > most)
			most = config->scrapes[i].body_bytes;
	}
	return most;
}

/* No more than there can be targets, than a thread and its memory are good for, than there are descriptors. */
static uint32_t asked_max(const struct config *config)
{
	uint64_t most = 0, files = process_max_files() / FILES_SHARE / FILES_EACH;

	for (uint32_t i = 0; i < config->scrape_count; i++)
		most += config->scrapes[i].files.count > 0 ? ASKED_MAX : config->scrapes[i].targets.count;
	most = most < ASKED_MAX ? most : ASKED_MAX;
	most = most < files ? most : files;
	return most > 0 ? (uint32_t)most : 1;
}

struct scrape *scrape_new(const struct config *config, const struct scrape_sink *sink, struct error *err)
{
	struct scrape *s = mem_zalloc(1, sizeof *s);

	if (s == NULL) {
		error_set(err, -ENOMEM, "no memory for scraping");
		return NULL;
	}
	s->config = config;
	s->sink = *sink;
	mutex_init(&s->lock);
	mutex_init(&s->settled_lock);
	table_init(&s->table);
	if (config->scrape_count == 0)
		return s;
	s->asked_max = asked_max(config);
	s->discovery = discovery_new(config);
	if (s->discovery == NULL)
		error_set(err, -ENOMEM, "no memory for scraping");
	else if (discovery_each(s->discovery, drop_target, NULL, err) == 0)
		s->fetcher = fetcher_new(bodies_bytes(config), s->asked_max, err);
	if (s->fetcher != NULL)
		return s;
	scrape_free(s);
	return NULL;
}

uint32_t scrape_files(const struct scrape *s)
{
	return s->asked_max * FILES_EACH;
}

int scrape_start(struct scrape *s, struct error *err)
{
	if (s->fetcher == NULL)
		return 0;
	int code = thread_start(&s->thread, "scrape", scrape_run, s);
	if (code != 0)
		return error_set(err, code, "the thread that scrapes cannot be started: %s", strerror(-code));
	s->started = true;
	return 0;
}

void scrape_stop(struct scrape *s)
{
	if (!s->started)
		return;
	mutex_lock(&s->lock);
	s->stopping = true;
	fetcher_wake(s->fetcher);
	mutex_unlock(&s->lock);
	thread_join(&s->thread);
	s->started = false;
}

void scrape_free(struct scrape *s)
{
	if (s == NULL)
		return;
	for (uint32_t i = 0; i < s->count; i++)
		target_free(s->targets[i]);
	for (struct target *t = s->leaving, *next; t != NULL; t = next) {
		next = t->next;
		target_free(t);
	}
	mem_free((void *)s->targets);
	table_deinit(&s->table);
	due_deinit(&s->resting);
	sample_batch_free(s->spare);
	discovery_free(s->discovery);
	fetcher_free(s->fetcher);
	mutex_deinit(&s->lock);
	mutex_deinit(&s->settled_lock);
	mem_free(s);
}

const char *scrape_result_name(enum scrape_result result)
{
	static const char *const names[SCRAPE_RESULTS] = {
	    [SCRAPE_OK] = "ok",         [SCRAPE_UNREACHABLE] = "unreachable", [SCRAPE_TIMEOUT] = "timeout",
	    [SCRAPE_STATUS] = "status", [SCRAPE_TOO_LARGE] = "too_large",     [SCRAPE_MALFORMED] = "malformed",
	    [SCRAPE_LIMIT] = "limit",   [SCRAPE_REFUSED] = "refused",
	};
	return names[result];
}

void scrape_stats(struct scrape *s, struct scrape_stats *out)
{
	mutex_lock(&s->lock);
	*out = s->stats;
	out->targets = s->count;
	for (uint32_t i = 0; i < s->count; i++) {
		out->up += s->targets[i]->health == SCRAPE_UP;
		out->series += s->targets[i]->remembered;
	}
	mutex_unlock(&s->lock);
}

void scrape_each_target(struct scrape *s, void (*each)(void *ctx, const struct scrape_target *target), void *ctx)
{
	mutex_lock(&s->lock);
	for (uint32_t i = 0; i < s->count; i++) {
		const struct target *t = s->targets[i];
		const struct scrape_target out = {
		    .job = t->job->job,
		    .address = t->address,
		    .url = t->url,
		    .labels = buf_slice(&t->set),
		    .interval_ns = t->interval_ns,
		    .timeout_ns = t->timeout_ns,
		    .health = t->health,
		    .error = t->error,
		    .last_ns = t->last_ns,
		    .duration_ns = t->last_duration_ns,
		    .samples = t->last_samples,
		};
		each(ctx, &out);
	}
	mutex_unlock(&s->lock);
}
