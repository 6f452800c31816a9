/* The thread that evaluates groups when they are due.
 *
 * What a group has found is under the manager's lock, but while a query runs and while samples are written: at these moments it is whole, so that whoever lists rules and alerts waits for no query. The set of groups changes on
 * the manager's thread alone, between evaluations. */
#include <errno.h>
#include <string.h>

#include "alerts/rule_set.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "record/labels.h"

#include "alerts/manager.h"

enum { BATCH_KEEP = 256 << 10 /* bytes of the samples' memory that are kept for the next rule */ };

/* ---- what evaluations ask and write ---- */

static bool goes_on(void *ctx)
{
	struct rules *r = ctx;

	return !atomic_load_explicit(&r->stopping, memory_order_relaxed) &&
	       (r->deadline_ns == 0 || clock_mono_ns() < r->deadline_ns);
}

static int ask(void *ctx, const struct promql_expr *expr, struct slice text, int64_t at_ms, struct promql_result *out,
               struct error *err)
{
	struct rules *r = ctx;
	const struct rules_store *store = &r->options.store;
	struct promql_source source;
	void *view;

	mutex_unlock(&r->lock);
	int code = store->open(store->ctx, &source, &view, err);
	if (code == 0) {
		const struct promql_query q = {
		    .expr = expr,
		    .text = text,
		    .start_ms = at_ms,
		    .end_ms = at_ms,
		    .lookback_ms = r->options.lookback_ms,
		    .samples_max = r->options.samples_max,
		    .bytes_max = r->options.bytes_max,
		    .goes_on = goes_on,
		    .ctx = r,
		};
		r->deadline_ns = r->options.timeout_ms == 0 ? 0 : clock_mono_ns() + r->options.timeout_ms * NS_PER_MS;
		code = promql_eval(&q, &source, out, err);
		store->close(store->ctx, view);
	}
	if (code == -ECANCELED)
		error_set(err, code, "query timed out in expression evaluation");
	mutex_lock(&r->lock);
	return code;
}

static int append(void *ctx, struct slice labels, int64_t time_ms, double value, struct error *err)
{
	struct rules *r = ctx;
	struct sample_series *s = sample_batch_add(r->batch);
	struct sample *sample = arena_alloc(&r->batch->arena, sizeof *sample);
	struct slice copy = arena_copy(&r->batch->arena, labels);

	if (s == NULL || sample == NULL || copy.ptr == NULL)
		return error_set(err, -ENOMEM, "out of memory for the samples of a rule");
	*sample = (struct sample){time_ms, value};
	*s = (struct sample_series){.labels = copy,
	                            .hash = labels_hash(copy),
	                            .samples = sample,
	                            .sample_count = 1,
	                            .index = r->batch->series_count - 1};
	r->batch->sample_count++;
	return 0;
}

static int flush(void *ctx, struct error *err)
{
	struct rules *r = ctx;
	int code = 0;

	if (r->batch->series_count > 0) {
		mutex_unlock(&r->lock);
		code = r->options.store.write(r->options.store.ctx, r->batch, err);
		mutex_lock(&r->lock);
	}
	sample_batch_reset(r->batch, BATCH_KEEP);
	return code;
}

static struct rules_env make_env(struct rules *r)
{
	return (struct rules_env){
	    .query = ask,
	    .append = append,
	    .flush = flush,
	    .ctx = r,
	    .external_labels = r->options.external_labels,
	    .external_label_count = r->options.external_label_count,
	    .external_url = r->options.external_url,
	    .query_offset_ms = r->options.query_offset_ms,
	};
}

/* ---- groups ---- */

static void groups_free(struct scheduled *groups, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		rules_group_free(groups[i].group);
	mem_free(groups);
}

/* The share of the interval by which the group is moved. */
static int64_t shift_of(const struct rule_group *g, int64_t interval_ms)
{
	uint64_t hash = hash_bytes(g->name.ptr, g->name.len, hash_bytes(g->file.ptr, g->file.len, 0));

	return (int64_t)(hash % (uint64_t)interval_ms);
}

/* The first moment behind `now_ms` at which it is due. */
static int64_t next_due(const struct scheduled *s, int64_t now_ms)
{
	int64_t moved = now_ms - s->shift_ms;

	return moved - moved % s->interval_ms + s->interval_ms + s->shift_ms;
}

static int make_groups(struct rules *r, const struct rule_set *set, struct scheduled **out, uint32_t *count)
{
	uint32_t total = 0;

	for (uint32_t f = 0; f < set->file_count; f++)
		total += set->files[f].group_count;
	struct scheduled *groups = mem_zalloc(total + 1, sizeof *groups);
	if (groups == NULL)
		return -ENOMEM;
	*count = 0;
	for (uint32_t f = 0; f < set->file_count; f++) {
		for (uint32_t i = 0; i < set->files[f].group_count; i++) {
			const struct rule_group *g = &set->files[f].groups[i];
			struct scheduled *s = &groups[*count];
			s->interval_ms = g->interval_ms > 0 ? g->interval_ms : r->options.interval_ms;
			s->shift_ms = shift_of(g, s->interval_ms);
			s->due_ms = next_due(s, clock_wall_ns() / NS_PER_MS);
			s->evaluated_at_ms = INT64_MIN;
			s->group = rules_group_new(g);
			if (s->group == NULL) {
				groups_free(groups, *count);
				return -ENOMEM;
			}
			++*count;
		}
	}
	*out = groups;
	return 0;
}

static struct scheduled *find_group(struct scheduled *groups, uint32_t count, const struct rule_group *like)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct rule_group *g = rules_group_of(groups[i].group);
		if (slice_eq(g->name, like->name) && slice_eq(g->file, like->file))
			return &groups[i];
	}
	return NULL;
}

/* ---- evaluating ---- */

static void count_health(struct rules *r, const struct scheduled *s)
{
	const struct rule_group *g = rules_group_of(s->group);

	for (uint32_t i = 0; i < g->rule_count; i++) {
		const struct error *error = &rules_group_health(s->group, i)->error;
		r->stats.evaluations++;
		if (error->code == 0)
			continue;
		r->stats.failures++;
		LOG(LOG_WARN, "a rule failed", log_slice("file", g->file), log_slice("group", g->name),
		    log_slice("rule", g->rules[i].name), log_str("error", error->text));
	}
}

/* Under the lock. */
static void evaluate(struct rules *r, struct scheduled *s)
{
	const struct rules_env env = make_env(r);
	int64_t began = clock_mono_ns();
	int64_t due_ms = s->due_ms;
	struct error err = {0};

	sample_batch_reset(r->batch, BATCH_KEEP);
	if (!s->restored) {
		s->restored = true;
		if (rules_group_restore(s->group, due_ms, &env, &err) != 0)
			LOG(LOG_WARN, "alerts do not go on from before the restart",
			    log_slice("group", rules_group_of(s->group)->name), log_str("error", err.text));
	}
	if (rules_group_evaluate(s->group, due_ms, &env) != 0)
		LOG(LOG_ERROR, "a group of rules was not evaluated whole: out of memory",
		    log_slice("group", rules_group_of(s->group)->name));
	count_health(r, s);
	s->seconds = (double)(clock_mono_ns() - began) / 1e9;
	s->evaluated_at_ms = due_ms;
	r->stats.seconds += s->seconds;
	s->due_ms += s->interval_ms;
	int64_t late_ms = clock_wall_ns() / NS_PER_MS - s->due_ms;
	if (late_ms >= s->interval_ms) {
		r->stats.missed += (uint64_t)(late_ms / s->interval_ms);
		s->due_ms += late_ms / s->interval_ms * s->interval_ms;
	}
}

static struct scheduled *earliest(struct rules *r)
{
	struct scheduled *first = NULL;

	for (uint32_t i = 0; i < r->count; i++) {
		if (first == NULL || r->groups[i].due_ms < first->due_ms)
			first = &r->groups[i];
	}
	return first;
}

/* Goes on with these groups, which take over what those before have found. Under the lock. */
static void swap(struct rules *r, struct rule_set *set, struct scheduled *groups, uint32_t count)
{
	const struct rules_env env = make_env(r);
	int64_t now_ms = clock_wall_ns() / NS_PER_MS;
	int code = 0;

	for (uint32_t i = 0; i < count && code == 0; i++) {
		struct scheduled *from = find_group(r->groups, r->count, rules_group_of(groups[i].group));
		if (from == NULL)
			continue;
		code = rules_group_adopt(groups[i].group, from->group);
		groups[i].restored = from->restored;
		groups[i].evaluated_at_ms = from->evaluated_at_ms;
		groups[i].seconds = from->seconds;
	}
	for (uint32_t i = 0; i < r->count && code == 0; i++) { /* what nobody goes on with ends */
		const struct rule_group *g = rules_group_of(r->groups[i].group);
		if (find_group(groups, count, g) == NULL)
			code = rules_group_end(r->groups[i].group, now_ms, &env);
	}
	if (code != 0)
		LOG(LOG_ERROR, "some series of rules that are gone were not ended", log_int("code", -code));
	groups_free(r->groups, r->count);
	rule_set_free(r->set);
	r->groups = groups;
	r->count = count;
	r->set = set;
}

/* Reads the files, without the lock, and swaps them in. */
static int reload(struct rules *r, struct error *err)
{
	struct scheduled *groups;
	uint32_t count;

	mutex_unlock(&r->lock);
	struct rule_set *set = rule_set_read(r->options.files, r->options.file_count, err);
	int code = set == NULL ? err->code : make_groups(r, set, &groups, &count);
	if (set != NULL && code != 0) {
		rule_set_free(set);
		error_set(err, code, "out of memory for rules");
	}
	mutex_lock(&r->lock);
	if (code == 0)
		swap(r, set, groups, count);
	return code;
}

/* Tells all of them, without the lock. */
static void answer(struct reload_request *list, int status, const struct error *err)
{
	while (list != NULL) {
		struct reload_request *next = list->next;
		list->done(list->user, status, err);
		mem_free(list);
		list = next;
	}
}

/* One reload for all who have asked by now. */
static void serve_requests(struct rules *r)
{
	struct reload_request *list = r->requests;
	struct error err = {0};

	r->requests = NULL;
	int code = reload(r, &err);
	mutex_unlock(&r->lock);
	answer(list, code, &err);
	mutex_lock(&r->lock);
}

static void *run(void *arg)
{
	struct rules *r = arg;

	mutex_lock(&r->lock);
	while (!atomic_load(&r->stopping)) {
		if (r->requests != NULL) {
			serve_requests(r);
			continue;
		}
		struct scheduled *s = earliest(r);
		int64_t wait_ns = s == NULL ? INT64_MAX : s->due_ms * NS_PER_MS - clock_wall_ns();
		if (s != NULL && wait_ns <= 0)
			evaluate(r, s);
		else if (s == NULL)
			condition_wait(&r->wake, &r->lock);
		else
			condition_wait_for(&r->wake, &r->lock, wait_ns);
	}
	mutex_unlock(&r->lock);
	return NULL;
}

/* ---- its life ---- */

struct rules *rules_new(const struct rules_options *options, struct error *err)
{
	struct rules *r = mem_zalloc(1, sizeof *r);
	if (r == NULL) {
		error_set(err, -ENOMEM, "out of memory for rules");
		return NULL;
	}
	r->options = *options;
	mutex_init(&r->lock);
	condition_init(&r->wake);
	r->batch = sample_batch_new();
	r->set = r->batch == NULL ? NULL : rule_set_read(options->files, options->file_count, err);
	if (r->batch == NULL || (r->set != NULL && make_groups(r, r->set, &r->groups, &r->count) != 0))
		error_set(err, -ENOMEM, "out of memory for rules");
	if (r->groups != NULL)
		return r;
	rules_free(r);
	return NULL;
}

int rules_start(struct rules *r, struct error *err)
{
	r->started = true;
	int code = thread_start(&r->thread, "rules", run, r);
	if (code == 0)
		return 0;
	r->started = false;
	return error_set(err, code, "cannot start a thread for rules: %s", strerror(-code));
}

void rules_stop(struct rules *r)
{
	struct error err = {0};

	if (!r->started)
		return;
	mutex_lock(&r->lock);
	atomic_store(&r->stopping, true);
	condition_signal(&r->wake);
	mutex_unlock(&r->lock);
	thread_join(&r->thread);
	mutex_lock(&r->lock);
	struct reload_request *list = r->requests;
	r->requests = NULL;
	r->started = false;
	mutex_unlock(&r->lock);
	error_set(&err, -EAGAIN, "stopping");
	answer(list, -EAGAIN, &err);
}

void rules_free(struct rules *r)
{
	if (r == NULL)
		return;
	groups_free(r->groups, r->count);
	rule_set_free(r->set);
	sample_batch_free(r->batch);
	condition_deinit(&r->wake);
	mutex_deinit(&r->lock);
	mem_free(r);
}

void rules_reload(struct rules *r, void (*done)(void *user, int status, const struct error *err), void *user)
{
	struct reload_request *request = mem_zalloc(1, sizeof *request);
	struct error err = {0};

	if (request == NULL) {
		error_set(&err, -ENOMEM, "out of memory for a reload of rules");
		done(user, -ENOMEM, &err);
		return;
	}
	*request = (struct reload_request){.done = done, .user = user};
	mutex_lock(&r->lock);
	bool taken = r->started && !atomic_load(&r->stopping);
	if (taken) {
		request->next = r->requests;
		r->requests = request;
		condition_signal(&r->wake);
	}
	mutex_unlock(&r->lock);
	if (taken)
		return;
	error_set(&err, -EAGAIN, "rules are not running");
	answer(request, -EAGAIN, &err);
}

void rules_each_group(struct rules *r, void (*each)(void *ctx, const struct rules_group_view *view), void *ctx)
{
	mutex_lock(&r->lock);
	for (uint32_t i = 0; i < r->count; i++) {
		const struct scheduled *s = &r->groups[i];
		const struct rules_group_view view = {s->group, s->interval_ms, s->evaluated_at_ms, s->seconds};
		each(ctx, &view);
	}
	mutex_unlock(&r->lock);
}

static void count_alerts(const struct rules_group *g, struct rules_stats *out)
{
	const struct rule_group *group = rules_group_of(g);

	out->rules += group->rule_count;
	for (uint32_t i = 0; i < group->rule_count; i++) {
		uint32_t count;
		const struct alert *alerts = rules_group_alerts(g, i, &count);
		for (uint32_t k = 0; k < count; k++) {
			out->pending += alerts[k].state == ALERT_PENDING;
			out->firing += alerts[k].state == ALERT_FIRING;
		}
	}
}

void rules_stats(struct rules *r, struct rules_stats *out)
{
	mutex_lock(&r->lock);
	*out = r->stats;
	out->groups = r->count;
	for (uint32_t i = 0; i < r->count; i++)
		count_alerts(r->groups[i].group, out);
	mutex_unlock(&r->lock);
}
