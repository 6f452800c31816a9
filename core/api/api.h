/* The HTTP face: routes, and what stands behind each. */
#ifndef MOONGATE_API_API_H
#define MOONGATE_API_API_H

#include "alerts/alerts.h"
#include "base/error.h"
#include "config/config.h"
#include "engine/engine.h"
#include "scrape/scrape.h"

struct api;

/* Binds the listening sockets; nothing is served yet. `config`, `engine`, `scrape` and `rules` are borrowed for the api's life; the last two may be NULL, where nobody scrapes, and there are no rules. NULL with a sentence. */
struct api *api_new(const struct config *config, struct engine *engine, struct scrape *scrape, struct rules *rules,
                    struct error *err);

/* Starts the loops. 0 or a negative errno with a sentence. */
int api_start(struct api *a, struct error *err);

/* "127.0.0.1:4318", the address really bound; valid for the api's life. */
const char *api_address(const struct api *a);

/* Stops accepting and waits until requests in flight are answered (for at most ten seconds). The engine must still run. */
void api_stop(struct api *a);

/* Frees what api_new gave, after api_stop; NULL is allowed. */
void api_free(struct api *a);

#endif
