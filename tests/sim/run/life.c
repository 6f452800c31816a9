/* Lives: the engine comes up on what the last one left, works, and stops or is cut. And what must hold between two of them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "engine/internal.h"
#include "run.h"

#define ANSWER_NS (120 * NS_PER_S)

/* ---- asking the engine ---- */

/* A question that another thread answers. */
struct question {
	struct run *run;
	struct condition answered; /* under the run's lock */
	bool over;
	int status;
	char why[256];
	struct engine_view *view;
};

static void await(struct question *q, const char *what)
{
	struct run *r = q->run;
	int64_t until = clock_mono_ns() + ANSWER_NS;
	while (!q->over && clock_mono_ns() < until)
		condition_wait_for(&q->answered, &r->lock, until - clock_mono_ns());
	if (!q->over)
		run_failed(r, "%s was not answered in two minutes", what);
}

static void view_done(void *user, struct engine_view *view)
{
	struct question *q = user;
	mutex_lock(&q->run->lock);
	q->view = view;
	q->over = true;
	condition_signal(&q->answered);
	mutex_unlock(&q->run->lock);
}

static void reload_done(void *user, int status, const struct error *err)
{
	struct question *q = user;
	mutex_lock(&q->run->lock);
	q->status = status;
	if (status != 0)
		memcpy(q->why, err->text, sizeof q->why - 1);
	q->over = true;
	condition_signal(&q->answered);
	mutex_unlock(&q->run->lock);
}

/* ---- what is shown ---- */

static void render(struct run *r, struct metrics_snapshot *metrics, struct buf *out)
{
	buf_reset(out);
	if (exposition_render(metrics, EXPOSITION_OPENMETRICS, 0, out) != 0)
		run_failed(r, "the simulation itself: out of memory");
	buf_byte(out, '\0');
	out->len--;
}

/* Metrics as they are shown, then the states as they are saved: of an engine whose thread does not run. */
static void show(struct run *r, struct engine *e, struct buf *out)
{
	struct engine_view *v = view_make(e);
	if (v == NULL)
		run_failed(r, "the simulation itself: out of memory");
	render(r, engine_view_metrics(v), out);
	engine_view_free(v);
	buf_printf(out, "# states\n");
	struct buf states = {0};
	if (script_state_save(e->host, &states) != 0)
		run_failed(r, "the simulation itself: out of memory");
	for (size_t i = 0; i < states.len; i++)
		buf_printf(out, "%02x%s", (unsigned char)states.ptr[i], i % 64 == 63 ? "\n" : "");
	buf_free(&states);
	buf_byte(out, '\n');
	buf_byte(out, '\0');
	out->len--;
}

static void compare(struct run *r, const struct buf *a, const struct buf *b, const char *what)
{
	r->compared++;
	if (a->len == b->len && memcmp(a->ptr, b->ptr, a->len) == 0)
		return;
	size_t at = 0, line = 0;
	for (; at < a->len && at < b->len && a->ptr[at] == b->ptr[at]; at++) {
		if (a->ptr[at] == '\n')
			line = at + 1;
	}
	if (r->verbose)
		printf("---- one ----\n%s---- the other ----\n%s", a->ptr, b->ptr);
	run_failed(r, "%s: one shows\n  %.*s\nthe other\n  %.*s", what, (int)strcspn(a->ptr + line, "\n"),
	           a->ptr + line, (int)strcspn(b->ptr + line, "\n"), b->ptr + line);
}

/* ---- the operator ---- */

static void look(struct run *r)
{
	struct question q = {.run = r};
	struct book *b = &r->book;
	uint32_t *least = calloc(b->count, sizeof *least);
	mutex_lock(&r->lock);
	for (uint32_t i = 0; i < b->count; i++)
		least[i] = b->events[i].acked;
	mutex_unlock(&r->lock);
	engine_view_request(r->engine, view_done, &q);
	mutex_lock(&r->lock);
	await(&q, "a view");
	struct buf text = {0};
	render(r, engine_view_metrics(q.view), &text);
	book_check(r, &text, least, "while it runs");
	r->views++;
	mutex_unlock(&r->lock);
	engine_view_free(q.view);
	buf_free(&text);
	free(least);
}

static void reload(struct run *r)
{
	struct question q = {.run = r};
	bool good = scripts_put(r, random_next(&r->operator_random));
	engine_reload(r->engine, reload_done, &q);
	mutex_lock(&r->lock);
	await(&q, "a reload");
	if (good && q.status != 0 && !faults_excuse(r))
		run_failed(r, "good scripts were refused: %s", q.why);
	if (!good && q.status == 0)
		run_failed(r, "broken scripts were loaded");
	r->reloads += q.status == 0;
	mutex_unlock(&r->lock);
	run_say(r, "reload: %s", q.status == 0 ? "done" : q.why);
}

/* Does what operators do, until the life is to end. */
static void *operate(void *arg)
{
	struct run *r = arg;
	for (;;) {
		sched_sleep(r->sched, (int64_t)random_below(&r->operator_random, 3 * NS_PER_S));
		mutex_lock(&r->lock);
		bool end = r->draining;
		mutex_unlock(&r->lock);
		if (end)
			break;
		switch (random_below(&r->operator_random, 9)) {
		case 0:
		case 1:
			reload(r);
			break;
		case 2:
			faults_fill_disk(r);
			break;
		case 3:
		case 4:
			faults_free_disk(r);
			break;
		case 5:
			sched_step_wall(r->sched,
			                (int64_t)random_below(&r->operator_random, 8 * NS_PER_S) - 4 * NS_PER_S);
			break;
		case 6:
			sender_look(r, engine_history(r->engine));
			break;
		default:
			look(r);
		}
	}
	faults_free_disk(r);
	return NULL;
}

/* ---- a life ---- */

static bool come_up(struct run *r)
{
	struct error err = {0};
	r->engine = engine_new(&r->config, &err);
	if (r->engine != NULL && engine_start(r->engine, &err) == 0) {
		r->started = true;
		book_settle(r);
		sender_settle(r);
		return true;
	}
	if (!faults_were(r))
		run_failed(r, "the engine does not come up: %s", err.text);
	run_say(r, "the engine does not come up: %s", err.text);
	r->not_started++;
	engine_free(r->engine);
	r->engine = NULL;
	return false;
}

static void start(struct run *r, struct thread *t, const char *name, void *(*run)(void *), void *arg)
{
	if (thread_start(t, name, run, arg) != 0)
		run_failed(r, "the simulation itself: too many threads");
}

/* Clients may still be at work when the engine stops: what comes then is refused. */
static void work(struct run *r)
{
	struct client clients[CLIENTS_MAX];
	struct thread operator, sender;
	struct book *b = &r->book;
	for (uint32_t i = 0; i < b->clients; i++) {
		clients[i] = (struct client){.run = r, .number = i};
		clients[i].random = random_fork(r->seed, 1000 + (uint64_t)r->life * CLIENTS_MAX + i);
		start(r, &clients[i].thread, "client", client_run, &clients[i]);
	}
	r->operator_random = random_fork(r->seed, 100 + r->life);
	start(r, &operator, "operator", operate, r);
	start(r, &sender, "sender", sender_run, r);
	if (!r->last)
		sched_sleep(r->sched, r->length_ns);
	for (uint32_t i = 0; i < b->clients && r->last; i++)
		thread_join(&clients[i].thread);
	if (r->last)
		thread_join(&sender);
	mutex_lock(&r->lock);
	r->draining = true;
	bool meet = random_once_in(&r->random, 2);
	r->stopping = !meet;
	mutex_unlock(&r->lock);
	thread_join(&operator);
	if (!r->last)
		thread_join(&sender);
	for (uint32_t i = 0; i < b->clients && !r->last && meet; i++)
		thread_join(&clients[i].thread);
	mutex_lock(&r->lock);
	r->stopping = true;
	mutex_unlock(&r->lock);
	engine_stop(r->engine);
	for (uint32_t i = 0; i < b->clients && !r->last && !meet; i++)
		thread_join(&clients[i].thread);
}

void *life_run(void *arg)
{
	struct run *r = arg;
	if (!come_up(r))
		return NULL;
	work(r);
	struct engine_health health;
	engine_health(r->engine, &health);
	r->writable = health.journal_writable;
	show(r, r->engine, &r->before);
	book_check(r, &r->before, NULL, "after an orderly stop");
	sender_check(r, engine_history(r->engine), "after an orderly stop");
	history_show(r, engine_history(r->engine), &r->history);
	engine_free(r->engine);
	r->engine = NULL;
	return NULL;
}

/* ---- what must hold between lives ---- */

/* The disk that is looked at, and what it shows. */
struct glance {
	struct run *run;
	struct vdisk *disk;
	struct buf shown, history;
	bool
	    samples; /* they are held against what was sent; a journal alone has only those that no checkpoint covers */
};

static void *recover(void *arg)
{
	struct glance *g = arg;
	struct error err = {0};
	struct engine *e = engine_new(&g->run->config, &err);
	if (e == NULL)
		run_failed(g->run, "recovery on a disk without faults: %s", err.text);
	show(g->run, e, &g->shown);
	if (g->samples) {
		sender_check(g->run, engine_history(e), "after recovery");
		history_show(g->run, engine_history(e), &g->history);
	}
	engine_free(e);
	return NULL;
}

static void glance(struct glance *g)
{
	struct run *r = g->run;
	faults_attach(r, g->disk);
	vdisk_install(g->disk);
	enum sched_end end = sched_run(r->sched, recover, g, 0);
	if (end != SCHED_OVER)
		run_failed(r, "recovery: %s", sched_end_text(end));
	vdisk_install(NULL);
}

struct names {
	char *paths[64];
	uint32_t count;
};

static int collect(void *ctx, const char *name)
{
	struct names *n = ctx;
	if (strncmp(name, "checkpoint-", 11) != 0 || n->count == 64)
		return 0;
	char path[256];
	snprintf(path, sizeof path, "data/%s", name);
	n->paths[n->count++] = strdup(path);
	return 0;
}

static void *list_checkpoints(void *arg)
{
	struct error err = {0};
	return file_list("data", collect, arg, &err) == 0 ? NULL : arg;
}

static void remove_checkpoints(struct run *r, struct vdisk *d)
{
	struct names names = {.count = 0};
	faults_attach(r, d);
	vdisk_install(d);
	sched_run(r->sched, list_checkpoints, &names, 0);
	vdisk_install(NULL);
	for (uint32_t i = 0; i < names.count; i++) {
		vdisk_remove(d, names.paths[i]);
		free(names.paths[i]);
	}
}

void life_verify(struct run *r, const struct buf *before)
{
	struct glance with = {.run = r, .samples = true, .disk = vdisk_kill(r->disk, vdisk_mark(r->disk))};
	struct glance without = {.run = r, .disk = vdisk_kill(r->disk, vdisk_mark(r->disk))};
	faults_calm(r);
	glance(&with);
	book_check(r, &with.shown, NULL, "after recovery");
	if (before->len > 0) {
		compare(r, before, &with.shown, "before an orderly stop, and after recovery");
		compare(r, &r->history, &with.history, "the store before an orderly stop, and after recovery");
	}
	if (!r->retention) {
		remove_checkpoints(r, without.disk);
		glance(&without);
		compare(r, &with.shown, &without.shown, "recovery with checkpoints, and from the first frame on");
	}
	buf_free(&with.shown);
	buf_free(&with.history);
	buf_free(&without.shown);
	vdisk_free(with.disk);
	vdisk_free(without.disk);
}
