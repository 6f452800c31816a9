/* See sight.h. */
#include "script/sight.h"

#include "script/internal.h"

enum {
	COUNTED = 4096, /* look-ups ahead after which those that were in vain are counted */
	MET_PART = 4    /* given up when not even one in so many was met */
};

/* ---- learning ---- */

/* The learned field of the record that has this text, or −1. */
static int field_with(const struct view *v, const struct record *r, struct slice text)
{
	for (uint32_t i = 0; i < v->field_count; i++) {
		const struct field *f = &v->fields[i];
		if (f->kind != FIELD_NAMED)
			continue;
		int at = shape_find(r->batch, r->shape, slice_new(f->text, f->len), f->hash);
		if (at < 0 || r->values[at].type != VALUE_STRING)
			continue;
		if (slice_eq(slice_new(r->values[at].str, r->values[at].len), text))
			return (int)i;
	}
	return -1;
}

static void learn(struct script *s, const struct script_metric *m, const struct slice *labels)
{
	struct sights *all = &s->view->sights;
	struct sight sight = {.metric = m};

	if (all->count == SIGHTS_MAX || all->tries == SIGHT_TRIES)
		return;
	all->tries++;
	for (uint32_t i = 0; i < m->def.label_count; i++) {
		int field = field_with(s->view, s->record, labels[i]);
		if (field < 0)
			return;
		sight.fields[i] = (uint8_t)field;
	}
	all->items[all->count++] = sight;
	s->sighted = true;
}

void sight_met(struct script *s, const struct script_metric *m, const struct slice *labels)
{
	if (s->view == NULL)
		return; /* a timer */
	for (uint32_t i = 0; i < s->view->sights.count; i++) {
		if (s->view->sights.items[i].metric == m) {
			s->view->sights.items[i].met++;
			return;
		}
	}
	if (metric_is_large(m->metric))
		learn(s, m, labels);
}

/* ---- looking ahead ---- */

/* Where the series of a record is sought next. */
struct ahead {
	const struct metric *metric;
	uint64_t hash;
};

/* Finds the fields in another shape. */
static void place(struct sight *s, const struct view *v, const struct record *r)
{
	s->shape = record_shape(r)->hash;
	for (uint32_t i = 0; i < s->metric->def.label_count; i++) {
		const struct field *f = &v->fields[s->fields[i]];
		s->positions[i] = (int16_t)shape_find(r->batch, r->shape, slice_new(f->text, f->len), f->hash);
	}
}

/* The labels of the record's series. False where a field is missing, or is no string. */
static bool labels_of(struct sight *s, const struct view *v, const struct record *r, struct slice *labels)
{
	if (s->shape != record_shape(r)->hash)
		place(s, v, r);
	for (uint32_t i = 0; i < s->metric->def.label_count; i++) {
		if (s->positions[i] < 0 || r->values[s->positions[i]].type != VALUE_STRING)
			return false;
		labels[i] = slice_new(r->values[s->positions[i]].str, r->values[s->positions[i]].len);
	}
	return true;
}

static void count(struct sight *s)
{
	if (++s->ahead < COUNTED)
		return;
	s->blind = s->met < COUNTED / MET_PART;
	s->ahead = 0;
	s->met = 0;
}

/* Looks ahead for one record; how many look-ups are under way. */
static uint32_t look(struct view *v, const struct record *r, struct ahead *out)
{
	struct slice labels[MEMO_LABELS];
	uint32_t n = 0;

	for (uint32_t i = 0; i < v->sights.count; i++) {
		struct sight *s = &v->sights.items[i];
		if (s->blind || !labels_of(s, v, r, labels))
			continue;
		count(s);
		out[n++] = (struct ahead){s->metric->metric, metric_prefetch_index(s->metric->metric, labels)};
	}
	return n;
}

void sight_ahead(struct script *s, struct record *const *records, const uint16_t *slots, uint32_t count)
{
	struct ahead ahead[SIGHT_BLOCK * SIGHTS_MAX];
	uint32_t n = 0;

	if (!s->sighted)
		return;
	for (uint32_t i = 0; i < count; i++) {
		struct view *v = s->views[slots[i]];
		if (v != NULL && v->sights.count != 0)
			n += look(v, records[i], ahead + n);
	}
	for (uint32_t i = 0; i < n; i++)
		metric_prefetch_series(ahead[i].metric, ahead[i].hash);
}
