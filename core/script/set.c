/* A set: all scripts of one load. It is built on any thread, beside the set that runs, and touches nothing outside of itself until it is bound. */
#include <errno.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "script/internal.h"

/* ---- life ---- */

static void script_free(struct script *s)
{
	if (s == NULL)
		return;
	if (s->L != NULL)
		lua_close(s->L);
	heap_deinit(&s->heap);
	for (uint32_t i = 0; i < SLOTS; i++)
		view_free(s->views[i]);
	mem_free(s->on.items);
	mem_free(s->filters.items);
	mem_free(s->timers.items);
	mem_free(s->traces.items);
	mem_free(s);
}

void script_set_free(struct script_set *set)
{
	if (set == NULL)
		return;
	if (set->host->current == set)
		set->host->current = NULL;
	for (uint32_t i = 0; i < set->count; i++)
		script_free(set->scripts[i]);
	mem_free(set->scripts);
	mem_free(set->metrics);
	mem_free(set->due);
	mem_free(set->batch_slots);
	mem_free(set->slots);
	batch_free(set->emitted);
	table_deinit(&set->type_table);
	arena_deinit(&set->arena);
	mem_free(set);
}

static struct script_set *set_new(struct script_host *h, const struct script_bundle *b)
{
	struct script_set *set = mem_zalloc(1, sizeof *set);

	if (set == NULL)
		return NULL;
	set->host = h;
	set->hash = b->hash;
	arena_init(&set->arena);
	table_init(&set->type_table);
	set->scripts = mem_zalloc(b->count, sizeof *set->scripts);
	set->modules = arena_alloc(&set->arena, (b->count + 1) * sizeof *set->modules);
	set->emitted = batch_new();
	if (set->scripts != NULL && set->modules != NULL && set->emitted != NULL)
		return set;
	script_set_free(set);
	return NULL;
}

/* ---- loading ---- */

static int add_module(struct script_set *set, const struct script_file *f)
{
	struct module m = {
	    .name = arena_copy(&set->arena, f->module),
	    .path = arena_copy(&set->arena, f->path),
	    .text = arena_copy(&set->arena, f->text),
	};

	if (m.name.ptr == NULL || m.path.ptr == NULL || m.text.ptr == NULL)
		return -ENOMEM;
	set->modules[set->module_count++] = m;
	return 0;
}

static struct script *add_script(struct script_set *set, const struct script_file *f)
{
	struct script *s = mem_zalloc(1, sizeof *s);
	struct slice path = arena_copy(&set->arena, f->path);

	if (s == NULL || path.ptr == NULL) {
		mem_free(s);
		return NULL;
	}
	s->set = set;
	s->host = set->host;
	s->path = path.ptr;
	s->filter_ev = LUA_NOREF;
	s->stats.script = path;
	set->scripts[set->count++] = s;
	return s;
}

static int load_script(struct script_set *set, const struct script_file *f, struct watch *watch, struct error *err)
{
	struct script *s = add_script(set, f);

	if (s == NULL)
		return error_set(err, -ENOMEM, "%.*s: out of memory", SLICE_ARG(f->path));
	int rc = sandbox_open(s, err);
	if (rc != 0)
		return rc;
	script_enter(s, watch, PHASE_LOAD, set->host->options.load_ms * NS_PER_MS);
	rc = sandbox_run_file(s, f->text, err);
	script_leave(s);
	return rc;
}

/* Modules first: they may be required while the scripts load. */
static int load_files(struct script_set *set, const struct script_bundle *b, struct error *err)
{
	struct watch watch = {.backstop = false};
	int rc = 0;

	for (uint32_t i = 0; i < b->count && rc == 0; i++) {
		if (b->files[i].kind == SCRIPT_FILE_MODULE)
			rc = add_module(set, &b->files[i]);
	}
	if (rc != 0)
		return error_set(err, rc, "out of memory for modules");
	for (uint32_t i = 0; i < b->count && rc == 0; i++) {
		if (b->files[i].kind == SCRIPT_FILE_MAIN)
			rc = load_script(set, &b->files[i], &watch, err);
	}
	return rc;
}

int script_set_load(struct script_host *h, const struct script_bundle *b, struct script_set **out, struct error *err)
{
	struct script_set *set = set_new(h, b);

	if (set == NULL)
		return error_set(err, -ENOMEM, "out of memory for scripts");
	int rc = load_files(set, b, err);
	if (rc == 0 && set_seal(set) != 0)
		rc = error_set(err, -ENOMEM, "out of memory for scripts");
	if (rc != 0) {
		script_set_free(set);
		return rc;
	}
	*out = set;
	return 0;
}

/* ---- binding ---- */

/* Defines the metrics of a set. 0, or a negative errno with the sentence. */
static int define_all(struct script_set *set, struct error *err)
{
	for (uint32_t i = 0; i < set->metric_count; i++) {
		struct script_metric *m = set->metrics[i];
		bool restarted = false;
		int rc = registry_define(set->host->registry, &m->def, &m->metric, &restarted, err);
		if (rc != 0) {
			error_prefix(err, "%.*s", SLICE_ARG(m->def.where));
			return rc;
		}
		if (restarted)
			LOG(LOG_WARN, "a metric begins anew: its labels or buckets have changed",
			    log_slice("metric", m->def.name), log_slice("where", m->def.where));
	}
	return 0;
}

int script_set_bind(struct script_set *set, struct error *err)
{
	struct script_host *h = set->host;
	int rc;

	CHECK(!set->bound);
	for (uint32_t i = 0; i < set->metric_count; i++) {
		const struct metric_def *def = &set->metrics[i]->def;
		rc = registry_check_type(h->registry, def, err);
		if (rc != 0) {
			error_prefix(err, "%.*s", SLICE_ARG(def->where));
			return rc;
		}
	}
	registry_reload_begin(h->registry);
	rc = define_all(set, err);
	if (rc != 0) { /* the old scripts hold on to their metrics: those have to be the ones that they were */
		registry_reload_cancel(h->registry);
		return rc;
	}
	registry_reload_end(h->registry);
	set->bound = true;
	h->current = set;
	if (!h->restored)
		h->strike_count = 0;
	h->restored = false;
	return 0;
}

/* ---- what is known of it ---- */

uint64_t script_set_hash(const struct script_set *set)
{
	return set->hash;
}

bool script_set_has_filters(const struct script_set *set)
{
	return set->any_filter;
}

int script_set_expect_cuts(struct script_set *set, const struct script_cut *cuts, uint32_t count)
{
	set->expected = cuts;
	set->expected_count = count;
	return 0;
}

void script_set_replaying(struct script_set *set, bool replaying)
{
	set->replaying = replaying;
}

void script_set_quarantine(struct script_set *set, struct slice script, struct slice reason)
{
	for (uint32_t i = 0; i < set->count; i++) {
		if (slice_eq(set->scripts[i]->stats.script, script))
			script_quarantine(set->scripts[i], reason);
	}
}

uint32_t script_set_stats(const struct script_set *set, struct script_stats *out, uint32_t max)
{
	for (uint32_t i = 0; i < set->count && i < max; i++) {
		out[i] = set->scripts[i]->stats;
		out[i].memory_bytes = set->scripts[i]->heap.used;
	}
	return set->count;
}

void script_set_totals(const struct script_set *set, struct script_totals *out)
{
	*out = set->totals;
}
