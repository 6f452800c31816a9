/* Rules read the history, and write to it as every sender does: through the engine. */
#include <errno.h>
#include <string.h>

#include "alerts/alerts.h"
#include "base/log.h"
#include "base/thread.h"
#include "cli/internal.h"
#include "querier/querier.h"

static int open_view(void *ctx, struct promql_source *out, void **view, struct error *err)
{
	int code = 0;
	struct tsdb_view *v = tsdb_view_open(engine_history(ctx), &code);

	if (v == NULL)
		return error_set(err, code, "the history cannot be read: %s", strerror(-code));
	*view = v;
	*out = querier_of_view(v);
	return 0;
}

static void close_view(void *ctx, void *view)
{
	(void)ctx;
	tsdb_view_close(view);
}

/* A submission that is waited for. */
struct written {
	struct submission submission;
	struct mutex lock;
	struct condition done;
	bool is_done;
};

/* On the engine's thread. */
static void submitted(struct submission *s)
{
	struct written *w = s->user;

	mutex_lock(&w->lock);
	w->is_done = true;
	condition_signal(&w->done);
	mutex_unlock(&w->lock);
}

static int write_samples(void *ctx, struct sample_batch *samples, struct error *err)
{
	struct written w = {.submission = {.samples = samples, .done = submitted, .user = &w}};

	mutex_init(&w.lock);
	condition_init(&w.done);
	engine_submit(ctx, &w.submission);
	mutex_lock(&w.lock);
	while (!w.is_done)
		condition_wait(&w.done, &w.lock);
	mutex_unlock(&w.lock);
	condition_deinit(&w.done);
	mutex_deinit(&w.lock);
	const struct sample_results *r = &w.submission.results;
	if (w.submission.status != 0)
		return error_set(err, w.submission.status, "its samples were not stored: %s",
		                 strerror(-w.submission.status));
	if (r->refused_total == 0)
		return 0;
	return error_set(err, -EINVAL, "%llu of its samples were refused: %s", (unsigned long long)r->refused_total,
	                 r->refusal_count > 0 ? sample_refused_text(r->refusals[0].why) : "");
}

struct rules_store rules_store_of(struct engine *engine)
{
	return (struct rules_store){.open = open_view, .close = close_view, .write = write_samples, .ctx = engine};
}
