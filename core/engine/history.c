/* The store's life within the engine's: opened before recovery, saved with each checkpoint, loaded with one. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/internal.h"

#define STORE_DIR "store"
#define HEAD_PREFIX "head-"

enum { SEQ_DIGITS = 20 };

static void block_refused(void *ctx, const struct error *why)
{
	(void)ctx;
	LOG(LOG_ERROR, "a block of the store is damaged, and was set aside", log_str("error", why->text));
}

static struct tsdb *open_store(const struct engine *e, struct error *err)
{
	const struct config *c = e->config;
	char dir[512];
	snprintf(dir, sizeof dir, "%s/" STORE_DIR, e->data_dir);
	struct tsdb_options o = {
	    .dir = dir,
	    .retention_ms = c->store.retention_ns / NS_PER_MS,
	    .retention_bytes = c->store.retention_bytes,
	    .out_of_order_ms = c->store.out_of_order_ns / NS_PER_MS,
	    .max_series = c->store.max_series,
	    .max_per_metric = c->store.max_series_per_metric,
	    .exemplars = c->store.exemplars,
	    .idle_ms = c->store.idle_ns / NS_PER_MS,
	};
	return tsdb_open(&o, block_refused, NULL, err);
}

int history_open(struct engine *e, struct error *err)
{
	e->store = open_store(e, err);
	return e->store == NULL ? err->code : 0;
}

void history_name(char out[64], uint64_t seq)
{
	snprintf(out, 64, HEAD_PREFIX "%0*" PRIu64, SEQ_DIGITS, seq);
}

int history_reopen(struct engine *e, struct error *err)
{
	struct error why;
	tsdb_close(e->store);
	e->loaded_series = 0;
	e->store = open_store(e, &why);
	if (e->store != NULL)
		return 0;
	*err = why;
	return -ENOMEM; /* whatever it was: no other checkpoint would fare better */
}

int history_load(struct engine *e, const struct checkpoint_parts *parts, struct error *err)
{
	char name[64];
	history_name(name, parts->seq);
	int code = tsdb_load(e->store, name, err);
	if (code == 0)
		code = tsdb_load_extras(e->store, parts->sections[SECTION_EXTRAS], err);
	if (code == 0) {
		e->loaded_series = tsdb_numbers(e->store);
		return 0;
	}
	if (history_reopen(e, err) != 0)
		return -ENOMEM;
	/* A checkpoint whose head is gone, or is of a version that we do not read, is as one that is damaged. */
	if (code == -ENOENT || code == -EPROTO)
		err->code = -EBADMSG;
	return err->code;
}

struct cleaning {
	struct tsdb *store;
	bool (*keep)(const void *ctx, uint64_t seq);
	const void *ctx;
};

static int clean_name(void *ctx, const char *name)
{
	const struct cleaning *c = ctx;
	size_t prefix = strlen(HEAD_PREFIX);
	char *end;
	if (strncmp(name, HEAD_PREFIX, prefix) != 0 || strlen(name) != prefix + SEQ_DIGITS)
		return 0;
	uint64_t seq = strtoull(name + prefix, &end, 10);
	if (*end != '\0' || c->keep(c->ctx, seq))
		return 0;
	int code = tsdb_cut_remove(c->store, name);
	if (code != 0)
		LOG(LOG_WARN, "a saved head that no checkpoint needs could not be removed", log_str("name", name),
		    log_str("error", strerror(-code)));
	return 0;
}

void history_clean(struct tsdb *store, const char *data_dir, bool (*keep)(const void *ctx, uint64_t seq),
                   const void *ctx)
{
	char dir[512];
	struct error err = {0};
	struct cleaning c = {store, keep, ctx};
	snprintf(dir, sizeof dir, "%s/" STORE_DIR, data_dir);
	if (file_list(dir, clean_name, &c, &err) != 0)
		LOG(LOG_WARN, "saved heads could not be looked for", log_str("error", err.text));
}

struct tsdb *engine_history(struct engine *e)
{
	return e->store;
}
