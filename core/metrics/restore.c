/* Loading a checkpoint. Nothing in the bytes is trusted: each length is held against what is left before anything is
 * allocated, each value against what the running code could have written, so that a registry that was loaded is as
 * sound as one that grew. */
#include <errno.h>
#include <float.h>

#include "base/check.h"
#include "metrics/checkpoint.h"
#include "metrics/distinct.h"
#include "metrics/labels.h"
#include "metrics/registry.h"
#include "metrics/summary.h"
#include "metrics/topk.h"
#include "metrics/window.h"

/* Reads past the end give zeros and set `cut`, which is asked where it matters. */
struct reader {
	const unsigned char *at, *end;
	bool cut;
};

static const unsigned char *take(struct reader *in, size_t len)
{
	const unsigned char *at = in->at;

	if (in->cut || (size_t)(in->end - in->at) < len) {
		in->cut = true;
		return NULL;
	}
	in->at += len;
	return at;
}

static uint64_t get_int(struct reader *in, size_t size)
{
	const unsigned char *at = take(in, size);
	uint64_t v = 0;

	for (size_t i = 0; at != NULL && i < size; i++)
		v |= (uint64_t)at[i] << 8 * i;
	return v;
}

static double get_f64(struct reader *in)
{
	uint64_t bits = get_int(in, 8);
	double v;

	memcpy(&v, &bits, sizeof v);
	return v;
}

static float get_f32(struct reader *in)
{
	uint32_t bits = (uint32_t)get_int(in, 4);
	float v;

	memcpy(&v, &bits, sizeof v);
	return v;
}

static struct slice get_text(struct reader *in)
{
	size_t len = get_int(in, 2);
	const unsigned char *at = take(in, len);

	return slice_new((const char *)at, at == NULL ? 0 : len);
}

static bool is_count(uint64_t v)
{
	return v <= INT64_MAX;
}

/* ---- states: 0, -ENOMEM, or -EBADMSG ---- */

static bool sketch_sound(const struct sketch *s, int64_t now)
{
	uint32_t at = 0;

	if (s->head < 0 || s->head > now)
		return false;
	for (uint32_t i = 0; i < SUMMARY_SLOTS; i++) {
		int32_t last = -SUMMARY_KEY_MAX - 1;
		if (s->end[i] - at > SUMMARY_BUCKETS)
			return false;
		for (; at < s->end[i]; at++) {
			int32_t key = sketch_key(s->entries[at]);
			if (key <= last || key > SUMMARY_KEY_MAX || sketch_count(s->entries[at]) == 0)
				return false;
			last = key;
		}
	}
	return true;
}

static int load_sketch(struct metric *m, struct reader *in, union series_cell *cell)
{
	uint32_t end[SUMMARY_SLOTS];

	if (get_int(in, 1) == 0)
		return 0;
	int64_t head = (int64_t)get_int(in, 8);
	for (uint32_t i = 0; i < SUMMARY_SLOTS; i++) {
		end[i] = (uint32_t)get_int(in, 4);
		if (i > 0 && end[i] < end[i - 1])
			return -EBADMSG;
	}
	uint32_t len = end[SUMMARY_SLOTS - 1];
	const unsigned char *entries = len <= SUMMARY_SLOTS * SUMMARY_BUCKETS ? take(in, (size_t)len * 8) : NULL;
	if (entries == NULL)
		return -EBADMSG;
	struct sketch *s = sketch_new(m->registry, len < 8 ? 8 : len);
	if (s == NULL)
		return -ENOMEM;
	cell->state = &s->block;
	s->head = head;
	memcpy(s->end, end, sizeof end);
	struct reader each = {entries, entries + (size_t)len * 8, false};
	for (uint32_t i = 0; i < len; i++)
		s->entries[i] = get_int(&each, 8);
	return sketch_sound(s, m->registry->now_ns / (m->meta->def.window_ns / SUMMARY_SLOTS)) ? 0 : -EBADMSG;
}

static int load_set(struct metric *m, struct reader *in, union series_cell *cell, int64_t start, int64_t next)
{
	uint64_t count = get_int(in, 4), last = 0;
	uint32_t cap = 8;

	if (count > DISTINCT_CAP_MAX / 4 * 3)
		return -EBADMSG;
	while (count > cap / 4 * 3)
		cap *= 2;
	struct distinct *d = distinct_new(m->registry, start, next, cap);
	if (d == NULL)
		return -ENOMEM;
	cell->state = &d->block;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t hash = get_int(in, 8);
		if (hash <= last)
			return -EBADMSG;
		distinct_put(d, hash);
		last = hash;
	}
	return 0;
}

static int load_registers(struct metric *m, struct reader *in, union series_cell *cell, int64_t start, int64_t next)
{
	const unsigned char *registers = take(in, DISTINCT_REGISTERS);

	if (registers == NULL)
		return -EBADMSG;
	struct distinct *d = distinct_new(m->registry, start, next, 0);
	if (d == NULL)
		return -ENOMEM;
	cell->state = &d->block;
	d->u.dense.ranks[0] = 0;
	memcpy(d->u.dense.registers, registers, DISTINCT_REGISTERS);
	for (uint32_t i = 0; i < DISTINCT_REGISTERS; i++) {
		if (registers[i] > DISTINCT_RANK_MAX)
			return -EBADMSG;
		d->u.dense.ranks[registers[i]]++;
	}
	return 0;
}

static int load_distinct(struct metric *m, struct reader *in, union series_cell *cell)
{
	uint64_t kind = get_int(in, 1);

	if (kind == CHECKPOINT_DISTINCT_NONE)
		return 0;
	int64_t start = (int64_t)get_int(in, 8);
	int64_t next = (int64_t)get_int(in, 8);
	if (start >= next || start > m->registry->now_ns)
		return -EBADMSG;
	if (kind == CHECKPOINT_DISTINCT_SET)
		return load_set(m, in, cell, start, next);
	return kind == CHECKPOINT_DISTINCT_REGISTERS ? load_registers(m, in, cell, start, next) : -EBADMSG;
}

static int load_ring(struct metric *m, struct reader *in, union series_cell *cell)
{
	if (get_int(in, 1) == 0)
		return 0;
	int64_t head = (int64_t)get_int(in, 8);
	uint64_t used = get_int(in, 8);
	if (in->cut || head < 0 || head > m->registry->now_ns / (m->meta->def.window_ns / WINDOW_SLOTS) ||
	    used >> WINDOW_SLOTS != 0)
		return -EBADMSG;
	struct ring *s = registry_block(m->registry, sizeof *s);
	if (s == NULL)
		return -ENOMEM;
	cell->state = &s->block;
	s->head = head;
	memset(s->slots, 0, sizeof s->slots);
	for (uint32_t i = 0; i < WINDOW_SLOTS; i++) {
		if ((used >> i & 1) == 0)
			continue;
		s->slots[i].sum = get_f64(in);
		s->slots[i].count = get_int(in, 8);
		if (!isfinite(s->slots[i].sum) || s->slots[i].count == 0 || !is_count(s->slots[i].count))
			return -EBADMSG;
	}
	return 0;
}

static int load_buckets(struct metric *m, struct reader *in, struct series_row *row)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < m->cell_count; i++) {
		row->cells[i].count = get_int(in, 8);
		if (!is_count(row->cells[i].count) || !is_count(total += row->cells[i].count))
			return -EBADMSG;
	}
	return 0;
}

static int load_topk(struct metric *m, struct reader *in, uint32_t number)
{
	struct series_row *row = metric_row(m, number);
	double inherited = get_f64(in);

	if (!(inherited >= 0) || !isfinite(inherited + row->value))
		return -EBADMSG;
	row->cells[CELL_TOPK_INHERITED].num = inherited;
	if (number == m->overflow)
		return inherited == 0 ? 0 : -EBADMSG;
	if (m->heap_len == m->meta->def.k)
		return -EBADMSG;
	int rc = topk_reserve(m);
	if (rc == 0)
		topk_push(m, number);
	return rc;
}

static int load_state(struct metric *m, struct reader *in, uint32_t number)
{
	struct series_row *row = metric_row(m, number);

	switch (m->type) {
	case METRIC_COUNTER:
	case METRIC_GAUGE:
		return 0;
	case METRIC_HISTOGRAM:
		return load_buckets(m, in, row);
	case METRIC_SUMMARY:
		row->cells[CELL_SUMMARY_COUNT].count = get_int(in, 8);
		if (!is_count(row->cells[CELL_SUMMARY_COUNT].count))
			return -EBADMSG;
		return load_sketch(m, in, &row->cells[CELL_STATE]);
	case METRIC_DISTINCT:
		return load_distinct(m, in, &row->cells[CELL_STATE]);
	case METRIC_TOPK:
		return load_topk(m, in, number);
	case METRIC_RATIO:
	case METRIC_MEAN:
		return load_ring(m, in, &row->cells[CELL_STATE]);
	}
	return -EBADMSG;
}

/* ---- series ---- */

static int load_exemplars(struct metric *m, struct reader *in, uint32_t number)
{
	uint32_t slots = exemplar_slots(m);
	uint64_t count = slots != 0 ? get_int(in, 1) : 0;
	int rc = count <= slots ? 0 : -EBADMSG;

	for (int64_t i = 0, last = -1; rc == 0 && i < (int64_t)count; i++) {
		int64_t slot = (int64_t)get_int(in, 1);
		int64_t time = (int64_t)get_int(in, 8);
		double value = get_f64(in);
		struct slice trace = get_text(in);
		struct slice span = get_text(in);
		if (in->cut || slot <= last || slot >= (int64_t)slots || !isfinite(value) || trace.len == 0)
			return -EBADMSG;
		rc = exemplar_put(m, number, (uint32_t)slot, trace, span, value, time);
		last = slot;
	}
	return rc;
}

static bool value_sound(const struct metric *m, double value, float rest, uint32_t touched)
{
	bool rises = m->type == METRIC_COUNTER || m->type == METRIC_TOPK;

	if (touched == TOUCHED_PINNED ? m->type != METRIC_GAUGE : touched > m->registry->now_s)
		return false;
	if (m->type == METRIC_GAUGE)
		return isfinite(rest);
	return isfinite(value) && isfinite(rest) && !(rises && value < 0);
}

/* `key` is valid. Nothing is idle yet: `touched` is set last. */
static bool is_new(struct metric *m, struct slice key)
{
	struct slice values[METRIC_LABELS_MAX];
	uint32_t number;

	if (slice_eq(key, OVERFLOW_KEY))
		return m->overflow == NUMBER_NONE;
	key_values(key, values, m->label_count);
	return series_find(m, values, &number) == 0 && number == NUMBER_NONE;
}

static int load_series(struct metric *m, struct reader *in)
{
	struct slice key = get_text(in);
	int64_t created = (int64_t)get_int(in, 8);
	uint32_t touched = (uint32_t)get_int(in, 4);
	double value = get_f64(in);
	float rest = get_f32(in);
	uint32_t number;

	if (in->cut || (!slice_eq(key, OVERFLOW_KEY) && !key_valid(key, m->label_count)))
		return -EBADMSG;
	if (created < 0 || !value_sound(m, value, rest, touched))
		return -EBADMSG;
	int rc = is_new(m, key) ? series_create(m, key, created, &number) : -EBADMSG;
	if (rc != 0)
		return rc;
	struct series_row *row = metric_row(m, number);
	row->value = value;
	row->rest = rest;
	rc = load_state(m, in, number);
	if (rc == 0)
		rc = load_exemplars(m, in, number);
	row->touched = touched;
	return rc != 0 ? rc : in->cut ? -EBADMSG : 0;
}

static int load_all_series(struct metric *m, struct reader *in, uint32_t *at)
{
	uint64_t count = get_int(in, 4);
	int rc = in->cut || count > (size_t)(in->end - in->at) / CHECKPOINT_SERIES_MIN ? -EBADMSG : 0;

	for (*at = 0; rc == 0 && *at < count; ++*at)
		rc = load_series(m, in);
	return rc;
}

/* ---- families ---- */

/* A definition as it was saved, with the arrays that it points to. */
struct saved_def {
	struct metric_def def;
	struct slice labels[UINT8_MAX];
	double buckets[UINT8_MAX];
	double quantiles[UINT8_MAX];
};

static void read_def(struct reader *in, struct saved_def *s)
{
	struct metric_def *def = &s->def;

	*def = (struct metric_def){.type = (enum metric_type)get_int(in, 1), .period = (enum calendar)get_int(in, 1)};
	def->label_count = (uint32_t)get_int(in, 1);
	def->bucket_count = (uint32_t)get_int(in, 1);
	def->quantile_count = (uint32_t)get_int(in, 1);
	def->window_ns = (int64_t)get_int(in, 8);
	def->k = (uint32_t)get_int(in, 4);
	def->max_series = (uint32_t)get_int(in, 4);
	def->idle_ns = (int64_t)get_int(in, 8);
	def->name = get_text(in);
	def->help = get_text(in);
	def->unit = get_text(in);
	def->where = get_text(in);
	for (uint32_t i = 0; i < def->label_count; i++)
		s->labels[i] = get_text(in);
	for (uint32_t i = 0; i < def->bucket_count; i++)
		s->buckets[i] = get_f64(in);
	for (uint32_t i = 0; i < def->quantile_count; i++)
		s->quantiles[i] = get_f64(in);
	def->labels = s->labels;
	def->buckets = s->buckets;
	def->quantiles = s->quantiles;
}

static int bad_family(struct error *err, uint64_t family, int rc, const char *what)
{
	if (rc == -ENOMEM)
		return error_set(err, rc, "checkpoint of the metrics: memory is out");
	return error_set(err, -EBADMSG, "checkpoint of the metrics: family %llu: %s", (unsigned long long)family, what);
}

static int load_family(struct registry *r, struct reader *in, uint64_t family, struct slice *before, struct error *err)
{
	struct saved_def saved;
	struct error why = {0};
	uint32_t at = 0;

	read_def(in, &saved);
	if (in->cut)
		return bad_family(err, family, -EBADMSG, "the bytes end in its definition");
	if (metric_def_check(&saved.def, &why) != 0)
		return bad_family(err, family, -EBADMSG, why.text);
	if (family > 0 && slice_compare(*before, saved.def.name) >= 0)
		return bad_family(err, family, -EBADMSG, "wanted families to rise by name");
	struct metric *m = registry_add_pending(r, &saved.def);
	if (m == NULL)
		return bad_family(err, family, -ENOMEM, NULL);
	*before = saved.def.name;
	int rc = load_all_series(m, in, &at);
	if (rc == 0)
		return 0;
	if (rc == -ENOMEM)
		return bad_family(err, family, rc, NULL);
	return error_set(err, -EBADMSG, "checkpoint of the metrics: \"%.*s\", series %u: the bytes %s",
	                 SLICE_ARG(saved.def.name), at,
	                 in->cut ? "end within it" : "are none that could have been written");
}

static int load_families(struct registry *r, struct reader *in, struct error *err)
{
	const unsigned char *magic = take(in, 4);
	uint64_t version = get_int(in, 4);
	int64_t now = (int64_t)get_int(in, 8);
	uint64_t families = get_int(in, 4);
	struct slice before = {0};

	if (in->cut || memcmp(magic, CHECKPOINT_MAGIC, 4) != 0)
		return error_set(err, -EBADMSG, "checkpoint of the metrics: wanted it to begin with " CHECKPOINT_MAGIC);
	if (version != CHECKPOINT_VERSION)
		return error_set(err, -EBADMSG, "checkpoint of the metrics: version %llu, wanted %d",
		                 (unsigned long long)version, CHECKPOINT_VERSION);
	if (now < 0)
		return error_set(err, -EBADMSG, "checkpoint of the metrics: its time lies before 1970");
	registry_set_now(r, now);
	for (uint64_t i = 0; i < families; i++) {
		int rc = load_family(r, in, i, &before, err);
		if (rc != 0)
			return rc;
	}
	if (in->at != in->end)
		return error_set(err, -EBADMSG, "checkpoint of the metrics: %zu bytes behind the last family",
		                 (size_t)(in->end - in->at));
	return 0;
}

int registry_load(struct registry *r, struct slice saved, struct error *err)
{
	const unsigned char *bytes = (const unsigned char *)saved.ptr;
	struct reader in = {bytes, saved.len != 0 ? bytes + saved.len : bytes, false};

	CHECK(r->metric_count == 0 && r->pending_count == 0 && !r->reloading);
	int rc = load_families(r, &in, err);
	if (rc != 0)
		registry_clear(r);
	else
		registry_install_pending(r);
	return rc;
}
