/* What the api's files share. */
#ifndef MOONGATE_API_INTERNAL_H
#define MOONGATE_API_INTERNAL_H

#include "api/api.h"
#include "base/thread.h"
#include "ingest/ingest.h"
#include "net/net.h"

enum { POOL_MAX = 256 };             /* idle ingests kept */
#define POOL_KEEP_BYTES (256 * 1024) /* memory that each may keep */
#define STOP_GRACE_NS (10 * NS_PER_S)

struct ingest;

struct api {
	const struct config *config;
	struct engine *engine;
	struct http_server *server;
	struct ingest_limits limits;
	struct mutex lock;
	struct ingest *pool; /* idle ones, under `lock` */
	uint32_t pooled;
};

/* ---- events.c ---- */

void api_post_events(void *ctx, struct http_request *req);
void api_pool_free(struct api *a);

/* ---- exposition.c ---- */

void api_get_metrics(void *ctx, struct http_request *req);

/* ---- admin.c ---- */

void api_get_healthy(void *ctx, struct http_request *req);
void api_get_ready(void *ctx, struct http_request *req);
void api_get_health(void *ctx, struct http_request *req);
void api_post_reload(void *ctx, struct http_request *req);

#endif
