/* The engine's worker: one thread that loads scripts and writes checkpoints, in the order they were asked for, so that the writer never
 * waits for a disk or a compiler. */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "engine/internal.h"

struct job {
	struct checkpoint_cut *cut; /* exactly one of the two */
	struct reload *reload;
	struct job *next;
};

struct worker {
	struct engine *engine;
	struct mutex lock;
	struct condition wake;
	struct job *head, **tail;
	bool stopping, started;
	struct thread thread;
};

struct worker *worker_new(struct engine *e)
{
	struct worker *w = mem_zalloc(1, sizeof *w);
	if (w == NULL)
		return NULL;
	w->engine = e;
	w->tail = &w->head;
	mutex_init(&w->lock);
	condition_init(&w->wake);
	return w;
}

static void write_checkpoint(struct worker *w, struct checkpoint_cut *cut, struct request *r)
{
	struct error err = {0};
	r->type = REQUEST_CHECKPOINTED;
	r->seq = checkpoint_cut_seq(cut);
	r->status = checkpoint_cut_write(cut, &err);
	if (r->status != 0)
		LOG(LOG_ERROR, "a checkpoint could not be written", log_str("error", err.text));
	checkpoint_cut_free(cut);
	engine_post(w->engine, r);
}

static void load_scripts(struct worker *w, struct reload *reload, struct request *r)
{
	const struct config *c = w->engine->config;
	struct error err = {0};
	int code = script_bundle_read(c->scripts, c->plugins, c->conf_dir, &reload->bundle, &err);
	if (code == 0)
		code = script_set_load(w->engine->host, reload->bundle, &reload->set, &err);
	if (code == 0) {
		r->type = REQUEST_RELOAD;
		r->reload = reload;
		engine_post(w->engine, r);
		return;
	}
	atomic_fetch_add(&w->engine->reload_failures, 1);
	atomic_store(&w->engine->reload_refused, true);
	LOG(LOG_ERROR, "scripts refused", log_str("error", err.text));
	if (reload->done != NULL)
		reload->done(reload->user, code, &err);
	reload_free(reload);
	mem_free(r);
}

static void *run(void *arg)
{
	struct worker *w = arg;
	thread_give_way(); /* who sends does not wait for a checkpoint */
	mutex_lock(&w->lock);
	for (;;) {
		while (w->head == NULL && !w->stopping)
			condition_wait(&w->wake, &w->lock);
		struct job *job = w->head;
		if (job == NULL)
			break;
		w->head = job->next;
		if (w->head == NULL)
			w->tail = &w->head;
		mutex_unlock(&w->lock);
		/* The job's memory holds the request that answers it, so that answering cannot run out of memory. */
		struct checkpoint_cut *cut = job->cut;
		struct reload *reload = job->reload;
		struct request *r = (struct request *)job;
		*r = (struct request){0};
		if (cut != NULL)
			write_checkpoint(w, cut, r);
		else
			load_scripts(w, reload, r);
		mutex_lock(&w->lock);
	}
	mutex_unlock(&w->lock);
	return NULL;
}

int worker_start(struct worker *w)
{
	int code = thread_start(&w->thread, "worker", run, w);
	w->started = code == 0;
	return code;
}

void worker_stop(struct worker *w)
{
	if (!w->started)
		return;
	mutex_lock(&w->lock);
	w->stopping = true;
	condition_signal(&w->wake);
	mutex_unlock(&w->lock);
	thread_join(&w->thread);
	w->started = false;
}

void worker_free(struct worker *w)
{
	if (w == NULL)
		return;
	condition_deinit(&w->wake);
	mutex_deinit(&w->lock);
	mem_free(w);
}

static int push(struct worker *w, struct checkpoint_cut *cut, struct reload *reload)
{
	_Static_assert(sizeof(struct job) <= sizeof(struct request), "a job becomes a request");
	struct job *job = mem_zalloc(1, sizeof(struct request));
	if (job == NULL)
		return -ENOMEM;
	job->cut = cut;
	job->reload = reload;
	mutex_lock(&w->lock);
	bool refused = w->stopping;
	if (!refused) {
		*w->tail = job;
		w->tail = &job->next;
		condition_signal(&w->wake);
	}
	mutex_unlock(&w->lock);
	if (refused)
		mem_free(job);
	return refused ? -ESHUTDOWN : 0;
}

int worker_checkpoint(struct worker *w, struct checkpoint_cut *c)
{
	return push(w, c, NULL);
}

int worker_load(struct worker *w, struct reload *reload)
{
	return push(w, NULL, reload);
}
