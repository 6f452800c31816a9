/* See extras.h, and tsdb.h for what is public. Saving and loading are in extras_save.c. */
#include "tsdb/extras.h"

#include <errno.h>
#include <string.h>

#include "tsdb/store.h"

void extras_init(struct extras *x, uint32_t max_exemplars)
{
	epochs_init(&x->epochs);
	exemplars_init(&x->exemplars, &x->epochs, max_exemplars);
	metadata_init(&x->metadata, &x->epochs);
}

void extras_deinit(struct extras *x)
{
	epochs_deinit(&x->epochs);
	exemplars_deinit(&x->exemplars);
	metadata_deinit(&x->metadata);
}

void extras_collect(struct extras *x)
{
	epoch_collect(&x->epochs);
}

void extras_stats(const struct extras *x, struct tsdb_stats *out)
{
	const struct exemplars *e = &x->exemplars;

	out->exemplars = e->count;
	out->exemplar_series = e->rows;
	out->exemplar_bytes = e->bytes;
	memcpy(out->exemplar_outcomes, e->outcomes, sizeof e->outcomes);
	out->exemplars_evicted = e->evicted;
	out->oldest_exemplar_ms = e->count > 0 ? e->ring[e->first]->time_ms : INT64_MAX;
	out->metadata = x->metadata.count;
	out->metadata_bytes = x->metadata.bytes;
	out->metadata_refused = x->metadata.refused;
}

/* ---- reading ---- */

int extras_cut(struct extras *x, struct extras_cut *out)
{
	*out = (struct extras_cut){.of = x, .place = epoch_enter_kept(&x->epochs, 0)};
	int code = exemplars_copy(&x->exemplars, &out->exemplars);
	if (code == 0)
		code = metadata_copy(&x->metadata, &out->metadata);
	if (code != 0)
		extras_cut_deinit(out);
	return code;
}

void extras_cut_deinit(struct extras_cut *c)
{
	if (c->of == NULL)
		return;
	epoch_leave(&c->of->epochs, c->place);
	exemplars_copy_deinit(&c->exemplars);
	metadata_copy_deinit(&c->metadata);
	c->of = NULL;
}

static int read_failed(int code, const char *what, struct error *err)
{
	if (code == -EAGAIN)
		return error_set(err, code, "as many readers of %s as may be are at it", what);
	return error_set(err, code, "out of memory for %s", what);
}

int tsdb_exemplar_add(struct tsdb *t, struct slice labels, uint64_t hash, const struct sample_exemplar *e)
{
	return exemplars_add(&t->extras->exemplars, labels, hash, e);
}

int tsdb_exemplars_select(struct tsdb *t, struct matcher *const *matchers, uint32_t count, int64_t from_ms,
                          int64_t to_ms, struct arena *arena, const struct exemplar_series **out, uint32_t *out_count,
                          struct error *err)
{
	struct extras *x = t->extras;
	struct exemplars_copy copy;
	int place = epoch_enter(&x->epochs);

	*out_count = 0;
	if (place < 0)
		return read_failed(place, "exemplars", err);
	int code = exemplars_copy(&x->exemplars, &copy);
	if (code == 0)
		code = exemplars_copy_select(&copy, matchers, count, from_ms, to_ms, arena, out, out_count);
	exemplars_copy_deinit(&copy);
	epoch_leave(&x->epochs, place);
	return code == 0 ? 0 : read_failed(code, "exemplars", err);
}

int tsdb_metadata_put(struct tsdb *t, const struct sample_metadata *m)
{
	return metadata_put(&t->extras->metadata, m);
}

int tsdb_metadata_admit(struct tsdb *t, const struct sample_metadata *m)
{
	return metadata_admit(&t->extras->metadata, m);
}

int tsdb_metadata_each(struct tsdb *t, struct slice name, bool (*each)(void *ctx, const struct sample_metadata *m),
                       void *ctx, struct error *err)
{
	struct extras *x = t->extras;
	struct metadata_copy copy;
	int place = epoch_enter(&x->epochs);

	if (place < 0)
		return read_failed(place, "metadata", err);
	int code = metadata_copy(&x->metadata, &copy);
	bool more = code == 0;
	if (more && name.len == 0)
		metadata_copy_sort(&copy);
	for (uint32_t i = 0; more && i < copy.count; i++) {
		if (name.len == 0 || slice_eq(copy.items[i]->m.name, name))
			more = each(ctx, &copy.items[i]->m);
	}
	metadata_copy_deinit(&copy);
	epoch_leave(&x->epochs, place);
	return code == 0 ? 0 : read_failed(code, "metadata", err);
}

int tsdb_load_extras(struct tsdb *t, struct slice saved, struct error *err)
{
	return extras_load(t->extras, saved, err);
}
