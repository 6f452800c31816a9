/* The keeper: a thread that makes blocks of the head's older part, merges them, and removes those that are past retention. Nothing waits for it. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "engine/internal.h"

#define LOOK_EVERY_NS (1 * NS_PER_S)
#define RETRY_AFTER_NS (10 * NS_PER_S)

struct keeper {
	struct tsdb *store; /* borrowed */
	struct mutex lock;
	struct condition wake;
	bool stopping, started;
	struct thread thread;
};

struct keeper *keeper_new(struct tsdb *store)
{
	struct keeper *k = mem_zalloc(1, sizeof *k);
	if (k == NULL)
		return NULL;
	k->store = store;
	mutex_init(&k->lock);
	condition_init(&k->wake);
	return k;
}

/* Waits for so long, or until it is to stop, which it returns. */
static bool rest(struct keeper *k, int64_t ns)
{
	mutex_lock(&k->lock);
	if (!k->stopping && ns > 0)
		condition_wait_for(&k->wake, &k->lock, ns);
	bool stopping = k->stopping;
	mutex_unlock(&k->lock);
	return stopping;
}

static void *run(void *arg)
{
	struct keeper *k = arg;
	thread_give_way(); /* a block takes a second of encoding, in which clients wait for the engine */
	int64_t pause = 0;
	while (!rest(k, pause)) {
		struct error err = {0};
		int code = tsdb_maintain(k->store, &err);
		if (code < 0 && code != -ECANCELED)
			LOG(LOG_WARN, "the store could not be maintained, and it is tried again",
			    log_str("error", err.text));
		pause = code < 0 ? RETRY_AFTER_NS : code == 0 ? LOOK_EVERY_NS : 0;
	}
	return NULL;
}

int keeper_start(struct keeper *k)
{
	int code = thread_start(&k->thread, "keeper", run, k);
	k->started = code == 0;
	return code;
}

void keeper_stop(struct keeper *k)
{
	if (!k->started)
		return;
	mutex_lock(&k->lock);
	k->stopping = true;
	tsdb_maintain_stop(k->store); /* a merge may take longer than whoever waits for the end has patience */
	condition_signal(&k->wake);
	mutex_unlock(&k->lock);
	thread_join(&k->thread);
	k->started = false;
}

void keeper_free(struct keeper *k)
{
	if (k == NULL)
		return;
	condition_deinit(&k->wake);
	mutex_deinit(&k->lock);
	mem_free(k);
}
