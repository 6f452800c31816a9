/* The engine thread: its life and its loop. One turn of the loop takes what is there in an order that matters:
 * done groups first (their clients wait), then requests, then submissions into the open group, then the commit. */
#include "engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/internal.h"

enum { TURN_MAX = 1024 }; /* submissions taken in one turn, so that done groups are seen to in between */

static int default_path(char **out, const char *dir, const char *name)
{
	struct buf b = {0};
	buf_printf(&b, "%s/%s", dir, name);
	buf_byte(&b, '\0');
	if (buf_failed(&b)) {
		buf_free(&b);
		return -ENOMEM;
	}
	*out = b.ptr;
	return 0;
}

static int open_data_dir(struct engine *e, struct error *err)
{
	const char *data = e->config->data;
	int code = file_make_dirs(data, err);
	if (code != 0)
		return code;
	char *lock_path = NULL;
	e->data_dir = mem_strndup(data, strlen(data));
	if (e->data_dir == NULL || default_path(&e->journal_dir, data, "journal") != 0 ||
	    default_path(&e->backstop_path, data, "stuck-script") != 0 || default_path(&lock_path, data, "LOCK") != 0)
		return error_set(err, -ENOMEM, "out of memory while opening %s", data);
	e->lock_fd = file_lock(lock_path, err);
	mem_free(lock_path);
	return e->lock_fd < 0 ? e->lock_fd : 0;
}

/* Ends what was done to the queues under the lock. The engine is woken behind it, and once: else it would wake to wait for the lock. */
static void unlock_and_wake(struct engine *e)
{
	bool wake = e->waiting;
	e->waiting = false;
	mutex_unlock(&e->lock);
	if (wake)
		condition_signal(&e->wake);
}

/* The sync thread hands over a done group. */
static void on_commit(void *ctx, struct journal_group *journal)
{
	struct engine *e = ctx;
	struct group *g = journal_group_user(journal);
	mutex_lock(&e->lock);
	g->next = NULL;
	*e->done_tail = g;
	e->done_tail = &g->next;
	unlock_and_wake(e);
}

static int open_journal(struct engine *e, struct error *err)
{
	const struct config *c = e->config;
	struct journal_options o = {
	    .dir = e->journal_dir,
	    .segment_bytes = c->journal.segment_bytes,
	    .retention_bytes = c->journal.retention_bytes,
	    .interval_sync = c->journal.durability == DURABILITY_INTERVAL,
	    .zstd_level = 1,
	    .on_commit = on_commit,
	    .ctx = e,
	};
	for (int kind = 0; kind < FRAME_KINDS; kind++)
		o.retention_ns[kind] = kind == FRAME_AUDIT ? c->journal.audit_retention_ns : c->journal.retention_ns;
	struct journal_recovery found = {0};
	e->journal = journal_open(&o, &found, err);
	if (e->journal == NULL)
		return err->code != 0 ? err->code : -EIO;
	bool damaged = found.torn_bytes > 0 || found.bad_frames > 0;
	log_write(damaged ? LOG_WARN : LOG_INFO, SLICE("journal opened"),
	          (struct log_field[]){log_int("frames", found.frames), log_int("last_seq", found.last_seq),
	                               log_int("torn_bytes", found.torn_bytes),
	                               log_int("damaged_frames", found.bad_frames),
	                               log_int("void_frames", found.void_frames)},
	          5);
	return 0;
}

static int make_host(struct engine *e, struct error *err)
{
	const struct config *c = e->config;
	e->registry = registry_new(&(struct registry_options){.max_series = c->metrics.max_series});
	if (e->registry == NULL)
		return error_set(err, -ENOMEM, "out of memory for the metrics registry");
	struct script_options o = {
	    .call_ms = c->limits.call_ms,
	    .load_ms = c->limits.load_ms,
	    .memory_mb = c->limits.memory_mb,
	    .strikes = c->limits.strikes,
	    .state_mb = c->limits.state_mb,
	    .emit_depth = 8,
	    .on_cut = control_cut,
	    .on_quarantine = control_quarantine,
	    .on_filters_stopped = control_filters_stopped,
	    .ctx = e,
	};
	e->host = script_host_new(&o, e->registry, err);
	if (e->host == NULL)
		return err->code != 0 ? err->code : -ENOMEM;
	int code = script_host_set_backstop(e->host, e->backstop_path);
	return code == 0 ? 0 : error_set(err, code, "out of memory for the path of %s", e->backstop_path);
}

static int engine_open(struct engine *e, struct error *err)
{
	int code = open_data_dir(e, err);
	if (code != 0)
		return code;
	code = make_host(e, err);
	if (code != 0)
		return code;
	e->dedup = dedup_new(e->config->dedup.window_ns, e->config->dedup.max);
	e->worker = worker_new(e);
	if (e->dedup == NULL || e->worker == NULL)
		return error_set(err, -ENOMEM, "out of memory while starting the engine");
	code = history_open(e, err);
	if (code == 0)
		code = traces_start(e, err);
	if (code == 0)
		code = open_journal(e, err);
	if (code == 0)
		code = engine_recover(e, err);
	if (code != 0)
		return code;
	/* Recovery may have opened the store anew. */
	e->deltas = deltas_new(e->store);
	e->keeper = keeper_new(e->store);
	return e->deltas != NULL && e->keeper != NULL
	           ? 0
	           : error_set(err, -ENOMEM, "out of memory while starting the engine");
}

struct engine *engine_new(const struct config *config, struct error *err)
{
	struct error local = {0};
	struct engine *e = mem_zalloc(1, sizeof *e);
	if (e == NULL) {
		error_set(err, -ENOMEM, "out of memory while starting the engine");
		return NULL;
	}
	e->config = config;
	e->lock_fd = -1;
	e->queue_tail = &e->queue_head;
	e->request_tail = &e->request_head;
	e->done_tail = &e->done_head;
	e->recent = 1;
	e->timer_ns = INT64_MIN;
	mutex_init(&e->lock);
	mutex_init(&e->stopped_lock);
	condition_init(&e->wake);
	if (engine_open(e, &local) != 0) {
		if (err != NULL)
			*err = local;
		engine_free(e);
		return NULL;
	}
	return e;
}

void engine_free(struct engine *e)
{
	if (e == NULL)
		return;
	CHECK(!e->thread_started);
	worker_free(e->worker);
	journal_close(e->journal);
	script_set_free(e->set);
	script_bundle_free(e->bundle);
	script_host_free(e->host);
	registry_free(e->registry);
	dedup_free(e->dedup);
	deltas_free(e->deltas);
	ticker_free(e->ticker);
	keeper_free(e->keeper);
	tsdb_close(e->store);
	traces_free(e->traces);
	while (e->spare != NULL) {
		struct group *g = e->spare;
		e->spare = g->next;
		group_free(g);
	}
	for (uint32_t i = 0; i < e->control_count; i++)
		buf_free(&e->controls[i]);
	mem_free(e->controls);
	mem_free(e->control_types);
	if (e->lock_fd >= 0)
		file_close(e->lock_fd);
	mem_free(e->data_dir);
	mem_free(e->journal_dir);
	mem_free(e->backstop_path);
	condition_deinit(&e->wake);
	stopped_clear(e);
	mutex_deinit(&e->stopped_lock);
	mutex_deinit(&e->lock);
	mem_free(e);
}

/* ---- the loop ---- */

static void finish_done(struct engine *e, struct group *g)
{
	while (g != NULL) {
		struct group *next = g->next;
		apply_group(e, g);
		g = next;
	}
}

static void serve_request(struct engine *e, struct request *r)
{
	if (r->type == REQUEST_VIEW) {
		r->view_done(r->user, view_make(e));
		mem_free(r);
	} else if (r->type == REQUEST_CHECKPOINTED) {
		checkpoint_done(e, r->seq, r->status);
		mem_free(r);
	}
}

/* Every group that failed was given back: may writing go on? */
static bool try_resume(struct engine *e)
{
	if (e->failure == 0)
		return true;
	if (e->in_flight > 0)
		return false;
	if (e->open != NULL) { /* it may hold duplicates of what failed */
		struct group *g = e->open;
		e->open = NULL;
		group_fail(e, g, e->failure);
	}
	int64_t now = clock_mono_ns();
	if (now < e->retry_ns)
		return false;
	e->retry_ns = now + RETRY_MS * NS_PER_MS;
	struct error err = {0};
	int code = journal_resume(e->journal, &err);
	if (code != 0) {
		e->failure = code;
		return false;
	}
	LOG(LOG_INFO, "the journal can be written again");
	e->failure = 0;
	atomic_store(&e->writable, true);
	return true;
}

bool engine_have_open(struct engine *e)
{
	if (!try_resume(e))
		return false;
	if (e->open != NULL)
		return true;
	int code = 0;
	e->open = group_open(e, &code);
	if (e->open != NULL)
		return true;
	if (code != 0 && e->failure == 0) {
		e->failure = code;
		atomic_store(&e->writable, false);
		LOG(LOG_ERROR, "the journal cannot be written", log_str("error", strerror(-code)));
	}
	return false;
}

static struct submission *take_submission(struct engine *e)
{
	mutex_lock(&e->lock);
	struct submission *s = e->queue_head;
	if (s != NULL) {
		e->queue_head = s->next;
		if (e->queue_head == NULL)
			e->queue_tail = &e->queue_head;
		e->queue_count--;
		s->next = NULL; /* a list of its own, however it ends */
	}
	mutex_unlock(&e->lock);
	return s;
}

/* While nothing can be written, everything that comes is refused at once with the reason. */
static void refuse_queue(struct engine *e)
{
	for (struct submission *s = take_submission(e); s != NULL; s = take_submission(e))
		submissions_finish(e, s, e->failure);
}

static void take_submissions(struct engine *e)
{
	for (int i = 0; i < TURN_MAX; i++) {
		if (e->open != NULL && journal_group_bytes(e->open->journal) >= GROUP_BYTES)
			intake_commit_due(e, false);
		if (!engine_have_open(e)) {
			if (e->failure != 0 && e->in_flight == 0)
				refuse_queue(e);
			return;
		}
		struct submission *s = take_submission(e);
		if (s == NULL)
			return;
		intake_submission(e, s);
	}
}

static bool has_work(const struct engine *e)
{
	bool can_take = e->failure != 0 ? e->in_flight == 0 : e->open != NULL || e->in_flight < 2;
	return e->done_head != NULL || e->request_head != NULL || (e->queue_head != NULL && can_take);
}

/* Is the engine to stop, and has taken all that was submitted before? Under the lock. */
static bool is_stopping(const struct engine *e)
{
	return e->stopping && e->queue_head == NULL;
}

/* `stopping`: as this turn has seen it. While it ends it sleeps, too: the last groups may lie with a slow disk. */
static void wait_for_work(struct engine *e, int64_t wait_ns, bool stopping)
{
	mutex_lock(&e->lock);
	if (!has_work(e) && is_stopping(e) == stopping && wait_ns > 0) {
		e->waiting = true;
		if (wait_ns == INT64_MAX)
			condition_wait(&e->wake, &e->lock);
		else
			condition_wait_for(&e->wake, &e->lock, wait_ns);
		e->waiting = false;
	}
	mutex_unlock(&e->lock);
}

static void take_shared(struct engine *e, struct group **done, struct request **requests, bool *stopping)
{
	mutex_lock(&e->lock);
	*done = e->done_head;
	e->done_head = NULL;
	e->done_tail = &e->done_head;
	*requests = e->request_head;
	e->request_head = NULL;
	e->request_tail = &e->request_head;
	*stopping = is_stopping(e);
	mutex_unlock(&e->lock);
}

static void refuse_reload(struct engine *e, struct reload *reload)
{
	struct error err;
	error_set(&err, e->failure, "the journal cannot be written: %s", strerror(-e->failure));
	if (reload->done != NULL)
		reload->done(reload->user, e->failure, &err);
	reload_free(reload);
}

/* Reloads want a group and wait until there is one, in the order in which they were asked for. */
static void serve_reloads(struct engine *e)
{
	while (e->reloads != NULL) {
		struct request *r = e->reloads;
		if (engine_have_open(e))
			intake_reload(e, r->reload);
		else if (e->failure != 0 && e->in_flight == 0)
			refuse_reload(e, r->reload);
		else
			return; /* a group in flight will be done */
		e->reloads = r->next;
		mem_free(r);
	}
}

static void serve_requests(struct engine *e, struct request *r)
{
	while (r != NULL) {
		struct request *next = r->next;
		if (r->type == REQUEST_RELOAD) {
			struct request **at = &e->reloads;
			while (*at != NULL)
				at = &(*at)->next;
			r->next = NULL;
			*at = r;
		} else {
			serve_request(e, r);
		}
		r = next;
	}
	serve_reloads(e);
}

static void *run(void *arg)
{
	struct engine *e = arg;
	for (;;) {
		struct group *done;
		struct request *requests;
		bool stopping;
		take_shared(e, &done, &requests, &stopping);
		finish_done(e, done);
		serve_requests(e, requests);
		take_submissions(e);
		if (e->control_count > e->control_sent && engine_have_open(e))
			intake_controls(e);
		timers_run(e);
		int64_t commit_wait = intake_commit_due(e, stopping);
		if (stopping && e->in_flight == 0 && e->reloads == NULL &&
		    (e->open == NULL || e->open->part_count == 0))
			break;
		int64_t wait = timers_next(e);
		if (e->in_flight > 0 && wait == 0 && !ticker_pending(e->ticker))
			wait = INT64_MAX; /* the timer runs when the group in flight is applied */
		if (commit_wait < wait)
			wait = commit_wait;
		if (e->failure != 0)
			wait = RETRY_MS * NS_PER_MS; /* nothing that is due can be written before */
		else if (e->control_count > e->control_sent && wait > RETRY_MS * NS_PER_MS)
			wait = RETRY_MS * NS_PER_MS; /* memory was out for them */
		wait_for_work(e, stopping && e->in_flight == 0 ? 0 : wait, stopping);
	}
	if (e->open != NULL) {
		group_release(e, e->open);
		e->open = NULL;
	}
	return NULL;
}

/* ---- what other threads call ---- */

void engine_post(struct engine *e, struct request *r)
{
	mutex_lock(&e->lock);
	r->next = NULL;
	*e->request_tail = r;
	e->request_tail = &r->next;
	unlock_and_wake(e);
}

bool engine_is_full(const struct engine *e)
{
	return atomic_load(&e->held_bytes) >= e->config->journal.queue_bytes;
}

/* A submission that is larger than the bound by itself is taken when it is alone: it could never be, else. Under the lock. */
static bool has_room(const struct engine *e, size_t bytes)
{
	uint64_t held = atomic_load(&e->held_bytes), max = e->config->journal.queue_bytes;
	return e->queue_count < QUEUE_MAX && (held == 0 || (held < max && bytes <= max - held));
}

void engine_submit(struct engine *e, struct submission *s)
{
	size_t bytes = s->batch != NULL ? batch_bytes(s->batch) : sample_batch_bytes(s->samples);
	s->next = NULL;
	s->held_bytes = 0;
	mutex_lock(&e->lock);
	if (e->stopping || !has_room(e, bytes)) {
		mutex_unlock(&e->lock);
		submissions_finish(e, s, -EAGAIN);
		return;
	}
	s->held_bytes = bytes;
	atomic_fetch_add(&e->held_bytes, bytes);
	*e->queue_tail = s;
	e->queue_tail = &s->next;
	e->queue_count++;
	unlock_and_wake(e);
}

void engine_view_request(struct engine *e, void (*done)(void *user, struct engine_view *view), void *user)
{
	struct request *r = mem_zalloc(1, sizeof *r);
	if (r == NULL) {
		done(user, NULL);
		return;
	}
	r->type = REQUEST_VIEW;
	r->view_done = done;
	r->user = user;
	engine_post(e, r);
}

void engine_reload(struct engine *e, void (*done)(void *user, int status, const struct error *err), void *user)
{
	struct error err;
	struct reload *reload = mem_zalloc(1, sizeof *reload);
	if (reload != NULL) {
		reload->done = done;
		reload->user = user;
		if (worker_load(e->worker, reload) == 0)
			return;
		mem_free(reload);
	}
	error_set(&err, -ENOMEM, "out of memory, or the engine is stopping");
	if (done != NULL)
		done(user, -ENOMEM, &err);
}

/* ---- start and stop ---- */

struct first_load {
	struct mutex lock;
	struct condition wake;
	bool over;
	int status;
	struct error err;
};

static void first_load_done(void *user, int status, const struct error *err)
{
	struct first_load *first = user;
	mutex_lock(&first->lock);
	first->status = status;
	if (status != 0)
		first->err = *err;
	first->over = true;
	condition_signal(&first->wake);
	mutex_unlock(&first->lock);
}

/* Are the scripts on disk those that recovery brought back? (Then a quarantine holds on, too.) */
static bool scripts_unchanged(const struct engine *e)
{
	const struct config *c = e->config;
	struct script_bundle *on_disk = NULL;
	struct error err = {0};
	if (script_bundle_read(c->scripts, c->plugins, c->conf_dir, &on_disk, &err) != 0)
		return false; /* the load says why */
	bool same = on_disk->hash == e->bundle->hash;
	script_bundle_free(on_disk);
	return same;
}

/* Brings the scripts on disk in. Where they are refused, the ones of the journal go on; a gateway that never had any does not start. */
static int load_scripts(struct engine *e, struct error *err)
{
	struct first_load first = {0};
	bool had_scripts = atomic_load(&e->scripts_loaded);
	engine_reload(e, first_load_done, &first);
	mutex_lock(&first.lock);
	while (!first.over)
		condition_wait(&first.wake, &first.lock);
	mutex_unlock(&first.lock);
	if (first.status == 0)
		return 0;
	if (!had_scripts) {
		*err = first.err;
		return first.status;
	}
	LOG(LOG_ERROR, "the scripts on disk were refused; those of the last run go on",
	    log_str("error", first.err.text));
	return 0;
}

int engine_start(struct engine *e, struct error *err)
{
	int code = journal_start(e->journal, err);
	if (code != 0)
		return code;
	code = worker_start(e->worker);
	if (code != 0)
		return error_set(err, code, "the worker thread could not be started: %s", strerror(-code));
	code = keeper_start(e->keeper);
	if (code != 0) {
		worker_stop(e->worker);
		return error_set(err, code, "the keeper thread could not be started: %s", strerror(-code));
	}
	e->checkpoint_due_ns = clock_mono_ns() + e->config->journal.checkpoint_ns;
	atomic_store(&e->writable, true);
	bool unchanged = e->set != NULL && scripts_unchanged(e);
	code = thread_start(&e->thread, "engine", run, e);
	if (code != 0) {
		keeper_stop(e->keeper);
		worker_stop(e->worker);
		return error_set(err, code, "the engine thread could not be started: %s", strerror(-code));
	}
	e->thread_started = true;
	code = unchanged ? 0 : load_scripts(e, err);
	if (code != 0)
		engine_stop(e);
	return code;
}

void engine_stop(struct engine *e)
{
	if (!e->thread_started)
		return;
	worker_stop(e->worker); /* a load under way is finished and swapped in or answered */
	mutex_lock(&e->lock);
	e->stopping = true;
	condition_signal(&e->wake);
	mutex_unlock(&e->lock);
	thread_join(&e->thread);
	e->thread_started = false;
	struct group *done;
	struct request *requests;
	bool stopping;
	take_shared(e, &done, &requests, &stopping);
	CHECK(done == NULL);
	serve_requests(e, requests);
	keeper_stop(e->keeper);
	struct error err = {0};
	if (e->set != NULL && e->applied_seq != e->checkpoint_seq && checkpoint_write_now(e, &err) != 0)
		LOG(LOG_WARN, "no checkpoint at the end: the next start replays more", log_str("error", err.text));
}
