/* The registry: its families by name, reloads, the clock.
 *
 * A reload is prepared beside what runs: families that stay are marked and get their new definition at its end,
 * families that are new or start anew wait in `pending`. So registry_reload_cancel() undoes all of it, and nothing at
 * the end can fail. */
#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"
#include "metrics/internal.h"
#include "metrics/registry.h"

#define MAX_SERIES_DEFAULT 1000000u

struct registry *registry_new(const struct registry_options *options)
{
	struct registry *r = mem_zalloc(1, sizeof *r);

	if (r == NULL)
		return NULL;
	r->snapshots = snapshots_new();
	if (r->snapshots == NULL) {
		mem_free(r);
		return NULL;
	}
	r->max_series = options != NULL && options->max_series != 0 ? options->max_series : MAX_SERIES_DEFAULT;
	r->seed = hash_seed();
	r->stats.bytes = sizeof *r;
	return r;
}

static void free_metrics(struct metric **metrics, size_t count)
{
	for (size_t i = 0; i < count; i++)
		metric_free(metrics[i]);
}

void registry_clear(struct registry *r)
{
	free_metrics(r->pending, r->pending_count);
	free_metrics(r->metrics, r->metric_count);
	r->pending_count = 0;
	r->metric_count = 0;
	r->expire_at = 0;
	r->reloading = false;
}

void registry_free(struct registry *r)
{
	if (r == NULL)
		return;
	registry_clear(r);
	metric_free_dying(r, SIZE_MAX);
	mem_free(r->pending);
	mem_free(r->metrics);
	snapshots_unref(r->snapshots);
	mem_free(r);
}

void *registry_block(struct registry *r, size_t size)
{
	void *block = block_new(r->snapshots, size);

	if (block != NULL)
		r->stats.bytes += size;
	return block;
}

void registry_retire(struct registry *r, void *block, size_t size)
{
	r->stats.bytes -= size;
	block_retire(r->snapshots, block);
}

void registry_set_now(struct registry *r, int64_t now_ns)
{
	if (now_ns <= r->now_ns)
		return;
	r->now_ns = now_ns;
	r->now_s = touched_at(now_ns);
}

void registry_set_exemplar(struct registry *r, struct slice trace_id, struct slice span_id, int64_t time_ns)
{
	r->trace_id = trace_id;
	r->span_id = span_id;
	r->trace_time_ns = time_ns;
}

void registry_stats(const struct registry *r, struct registry_stats *out)
{
	*out = r->stats;
	out->families = r->metric_count;
	out->series = 0;
	for (size_t i = 0; i < r->metric_count; i++) {
		out->series += r->metrics[i]->count;
		out->bytes += index_bytes(&r->metrics[i]->index);
	}
}

/* ---- families by name ---- */

/* Where the name is among the families, or where it belongs. */
static size_t position(const struct registry *r, struct slice name)
{
	size_t low = 0, high = r->metric_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (slice_compare(metric_name(r->metrics[middle]), name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct metric *find_metric(const struct registry *r, struct slice name)
{
	size_t at = position(r, name);

	return at < r->metric_count && slice_eq(metric_name(r->metrics[at]), name) ? r->metrics[at] : NULL;
}

static struct metric *find_pending(const struct registry *r, struct slice name)
{
	for (size_t i = 0; i < r->pending_count; i++) {
		if (slice_eq(metric_name(r->pending[i]), name))
			return r->pending[i];
	}
	return NULL;
}

static int reserve(struct registry *r)
{
	void *metrics = r->metrics;
	void *pending = r->pending;

	int rc = mem_grow(&metrics, &r->metric_cap, r->metric_count + r->pending_count, sizeof *r->metrics);
	if (rc != 0)
		return rc;
	r->metrics = metrics;
	rc = mem_grow(&pending, &r->pending_cap, r->pending_count, sizeof *r->pending);
	if (rc == 0)
		r->pending = pending;
	return rc;
}

/* Puts a family in its place; one of the same name ends. There is room. */
static void install(struct registry *r, struct metric *m)
{
	size_t at = position(r, metric_name(m));

	if (at < r->metric_count && slice_eq(metric_name(r->metrics[at]), metric_name(m))) {
		metric_free(r->metrics[at]);
		r->metrics[at] = m;
		return;
	}
	memmove(r->metrics + at + 1, r->metrics + at, (r->metric_count - at) * sizeof *r->metrics);
	r->metrics[at] = m;
	r->metric_count++;
}

void registry_install_pending(struct registry *r)
{
	for (size_t i = 0; i < r->pending_count; i++)
		install(r, r->pending[i]);
	r->pending_count = 0;
}

/* ---- definitions ---- */

/* Takes a sample's or family's name that another family has? (Of those that the running definitions have, or so
 * far.) */
static int check_clash(const struct registry *r, const struct metric_def *def, struct error *err)
{
	for (size_t i = 0; i < r->metric_count + r->pending_count; i++) {
		bool waits = i >= r->metric_count;
		const struct metric *m = waits ? r->pending[i - r->metric_count] : r->metrics[i];
		const struct metric_def *other = &m->meta->def;
		if (!m->defined || slice_eq(other->name, def->name) || !meta_names_clash(other, def))
			continue;
		return error_set(err, -EEXIST,
		                 "metric \"%.*s\": a %s takes names that the %s \"%.*s\"%s%.*s has too (with _total, "
		                 "_count, _sum, _bucket or _created added): wanted another name",
		                 SLICE_ARG(def->name), metric_type_name(def->type), metric_type_name(other->type),
		                 SLICE_ARG(other->name), other->where.len != 0 ? " at " : "", SLICE_ARG(other->where));
	}
	return 0;
}

static int out_of_memory(const struct metric_def *def, struct error *err)
{
	return error_set(err, -ENOMEM, "metric \"%.*s\": memory is out", SLICE_ARG(def->name));
}

struct metric *registry_add_pending(struct registry *r, const struct metric_def *def)
{
	if (reserve(r) != 0)
		return NULL;
	struct metric_meta *meta = meta_new(r, def);
	if (meta == NULL)
		return NULL;
	struct metric *m = metric_new(r, meta);
	if (m == NULL) {
		registry_retire(r, meta, meta->size);
		return NULL;
	}
	r->pending[r->pending_count++] = m;
	return m;
}

static int define_new(struct registry *r, const struct metric_def *def, struct metric **out, struct error *err)
{
	int rc = check_clash(r, def, err);

	if (rc != 0)
		return rc;
	struct metric *m = registry_add_pending(r, def);
	if (m == NULL)
		return out_of_memory(def, err);
	m->defined = true;
	if (!r->reloading)
		registry_install_pending(r);
	*out = m;
	return 0;
}

static void take_next_meta(struct metric *m)
{
	struct metric_meta *old = m->meta;

	if (m->next_meta == NULL)
		return;
	metric_apply_meta(m, m->next_meta);
	m->next_meta = NULL;
	registry_retire(m->registry, old, old->size);
}

/* A family that no script of this load has defined so far. */
static int define_kept(struct registry *r, struct metric *m, const struct metric_def *def, struct metric **out,
                       bool *restarted, struct error *err)
{
	int rc = registry_check_type(r, def, err);

	if (rc != 0)
		return rc;
	if (metric_def_compatible(&m->meta->def, def, NULL) != 0) {
		rc = define_new(r, def, out, err);
		*restarted = rc == 0;
		return rc;
	}
	rc = check_clash(r, def, err);
	if (rc != 0)
		return rc;
	m->next_meta = meta_new(r, def);
	if (m->next_meta == NULL)
		return out_of_memory(def, err);
	m->defined = true;
	if (!r->reloading)
		take_next_meta(m);
	*out = m;
	return 0;
}

int registry_define(struct registry *r, const struct metric_def *def, struct metric **out, bool *restarted,
                    struct error *err)
{
	bool ignored;
	int rc = metric_def_check(def, err);

	if (rc != 0)
		return rc;
	if (restarted == NULL)
		restarted = &ignored;
	*restarted = false;
	struct metric *m = find_pending(r, def->name);
	if (m == NULL)
		m = find_metric(r, def->name);
	if (m == NULL)
		return define_new(r, def, out, err);
	if (!m->defined)
		return define_kept(r, m, def, out, restarted, err);
	rc = metric_def_compatible(m->next_meta != NULL ? &m->next_meta->def : &m->meta->def, def, err);
	if (rc == 0)
		*out = m;
	return rc;
}

int registry_check_type(const struct registry *r, const struct metric_def *def, struct error *err)
{
	const struct metric *m = find_metric(r, def->name);

	if (m == NULL || m->type == def->type)
		return 0;
	return metric_def_compatible(&m->meta->def, def, err);
}

/* ---- reload ---- */

void registry_reload_begin(struct registry *r)
{
	CHECK(!r->reloading && r->pending_count == 0);
	r->reloading = true;
	for (size_t i = 0; i < r->metric_count; i++) {
		r->metrics[i]->was_defined = r->metrics[i]->defined;
		r->metrics[i]->defined = false;
	}
}

void registry_reload_end(struct registry *r)
{
	size_t kept = 0;

	CHECK(r->reloading);
	for (size_t i = 0; i < r->metric_count; i++) {
		struct metric *m = r->metrics[i];
		if (!m->defined) {
			metric_free(m);
			continue;
		}
		take_next_meta(m);
		r->metrics[kept++] = m;
	}
	r->metric_count = kept;
	r->expire_at = 0;
	r->reloading = false;
	registry_install_pending(r);
}

void registry_reload_cancel(struct registry *r)
{
	CHECK(r->reloading);
	for (size_t i = 0; i < r->metric_count; i++) {
		struct metric *m = r->metrics[i];
		m->defined = m->was_defined;
		if (m->next_meta != NULL)
			registry_retire(r, m->next_meta, m->next_meta->size);
		m->next_meta = NULL;
	}
	free_metrics(r->pending, r->pending_count);
	r->pending_count = 0;
	r->reloading = false;
}
