/* Stages of a pipeline: groups and aggregates. */
#include <string.h>

#include "traces/traceql_run.h"

/* The set's attributes and one more. */
static bool add_attribute(struct traceql_state *s, struct traceql_set *set, struct slice name, struct traceql_value v)
{
	struct traceql_attribute *attributes = state_room(s, (set->attribute_count + 1) * sizeof *attributes);

	if (attributes == NULL)
		return false;
	if (set->attribute_count > 0)
		memcpy(attributes, set->attributes, set->attribute_count * sizeof *attributes);
	attributes[set->attribute_count++] = (struct traceql_attribute){name, v};
	set->attributes = attributes;
	return true;
}

/* ---- by() ---- */

struct groups {
	struct traceql_value *values; /* of each group */
	uint32_t *counts, *of;        /* spans of a group; the group of a span of the set */
	uint32_t count;
};

static bool same_group(const void *ctx, const void *key, uint32_t item)
{
	const struct groups *g = ctx;

	return value_same(&g->values[item], key);
}

/* For so many spans: of a table that a larger set has left, clearing would cost more than they do. */
static void clear_groups(struct traceql_state *s, uint32_t spans)
{
	if (s->groups.slots == NULL || s->groups.mask / 16 <= spans)
		table_clear(&s->groups);
	else
		table_deinit(&s->groups);
}

static bool assign_groups(struct traceql_state *s, const struct node *expr, const struct traceql_set *in,
                          struct groups *g)
{
	*g = (struct groups){
	    .values = state_room(s, in->count * sizeof *g->values),
	    .counts = state_room(s, in->count * sizeof *g->counts),
	    .of = state_room(s, in->count * sizeof *g->of),
	};
	clear_groups(s, in->count);
	for (uint32_t i = 0; i < in->count && s->code == 0; i++) {
		state_work(s, expr->cost);
		struct traceql_value v = read_kept(s, match_value(s, expr, in->spans != NULL ? in->spans[i] : i));
		uint64_t hash = value_hash(&v);
		uint32_t group = table_find(&s->groups, hash, same_group, g, &v);
		if (group == TABLE_NONE) {
			group = g->count++;
			g->values[group] = v;
			g->counts[group] = 0;
			if (table_add(&s->groups, hash, group) != 0)
				s->code = -ENOMEM;
		}
		g->counts[group]++;
		g->of[i] = group;
	}
	return s->code == 0;
}

static void run_by(struct traceql_state *s, const struct stage *stage, const struct traceql_set *in,
                   struct set_list *out)
{
	struct groups g;

	if (!assign_groups(s, stage->expr, in, &g))
		return;
	uint32_t first = out->count, *room = state_room(s, in->count * sizeof *room);
	for (uint32_t i = 0; i < g.count && s->code == 0; i++) {
		struct traceql_set *set = run_add_set(s, out);
		if (set == NULL)
			return;
		*set = *in;
		set->spans = room;
		set->count = 0;
		room += g.counts[i];
		add_attribute(s, set, stage->label, g.values[i]);
	}
	for (uint32_t i = 0; i < in->count && s->code == 0; i++) {
		struct traceql_set *set = &out->items[first + g.of[i]];
		set->spans[set->count++] = in->spans != NULL ? in->spans[i] : i;
	}
}

/* ---- aggregates ---- */

struct fold {
	enum traceql_type type; /* of all so far; a float where they differ */
	uint64_t whole;
	double number;
	struct traceql_value best;
	uint32_t count;
};

static void fold_value(struct fold *f, enum aggregate aggregate, const struct traceql_value *v)
{
	if (!value_is_number(v))
		return;
	bool better = f->count == 0 || value_compare(NULL, aggregate == AGGREGATE_MAX ? LEX_GT : LEX_LT, v, &f->best);
	f->best = better ? *v : f->best;
	f->type = f->count == 0 || f->type == v->type ? v->type : TRACEQL_FLOAT;
	f->number += value_number(v);
	if (v->type != TRACEQL_FLOAT)
		f->whole += (uint64_t)v->integer;
	f->count++;
}

static struct traceql_value folded(const struct fold *f, enum aggregate aggregate)
{
	struct traceql_value v = {f->type, .integer = (int64_t)f->whole};

	if (aggregate == AGGREGATE_MAX || aggregate == AGGREGATE_MIN)
		return f->best;
	if (aggregate == AGGREGATE_AVG && f->type == TRACEQL_DURATION) {
		v.integer /= f->count;
	} else if (aggregate == AGGREGATE_AVG) {
		v.type = TRACEQL_FLOAT;
		v.number = f->number / f->count;
	} else if (f->type == TRACEQL_FLOAT) {
		v.number = f->number;
	}
	return v;
}

/* What the aggregate says of the set; false: it has nothing to say. */
static bool aggregate_set(struct traceql_state *s, const struct stage *stage, const struct traceql_set *in,
                          struct traceql_value *out)
{
	struct fold fold = {0};

	if (stage->aggregate == AGGREGATE_COUNT) {
		*out = (struct traceql_value){TRACEQL_INT, .integer = in->count};
		return true;
	}
	for (uint32_t i = 0; i < in->count && s->code == 0; i++) {
		state_work(s, stage->expr->cost);
		struct traceql_value v = match_value(s, stage->expr, in->spans != NULL ? in->spans[i] : i);
		fold_value(&fold, stage->aggregate, &v);
	}
	if (fold.count == 0 || s->code != 0)
		return false;
	*out = folded(&fold, stage->aggregate);
	return true;
}

static void run_scalar(struct traceql_state *s, const struct stage *stage, const struct traceql_set *in,
                       struct set_list *out)
{
	struct traceql_value v;

	if (!aggregate_set(s, stage, in, &v) || !value_compare(s->t, stage->op, &v, &stage->value))
		return;
	struct traceql_set *set = run_add_set(s, out);
	if (set == NULL)
		return;
	*set = *in;
	add_attribute(s, set, stage->label, v);
}

/* ---- coalesce() ---- */

static void run_coalesce(struct traceql_state *s, const struct set_list *in, struct set_list *out)
{
	uint32_t count = 0, *spans;

	memset(s->hit, 0, s->t->span_count);
	for (uint32_t i = 0; i < in->count; i++) {
		for (uint32_t n = 0; n < in->items[i].count; n++)
			s->hit[in->items[i].spans != NULL ? in->items[i].spans[n] : n] = 1;
	}
	for (uint32_t i = 0; i < s->t->span_count; i++)
		count += s->hit[i];
	struct traceql_set *set = count > 0 ? run_add_set(s, out) : NULL;
	spans = set != NULL ? state_room(s, count * sizeof *spans) : NULL;
	if (spans == NULL)
		return;
	*set = (struct traceql_set){.spans = spans, .count = count};
	for (uint32_t i = 0; i < s->t->span_count; i++) {
		if (s->hit[i])
			*spans++ = i;
	}
}

void run_stages(struct traceql_state *s, const struct stage *stages, struct set_list *list)
{
	for (const struct stage *stage = stages; stage != NULL && s->code == 0 && list->count > 0;
	     stage = stage->next) {
		struct set_list out = {0};
		if (stage->kind == STAGE_SELECT)
			continue;
		if (stage->kind == STAGE_COALESCE)
			run_coalesce(s, list, &out);
		for (uint32_t i = 0; i < list->count && s->code == 0 && stage->kind != STAGE_COALESCE; i++) {
			if (stage->kind == STAGE_SET)
				run_set(s, stage->set, &list->items[i], &out);
			else if (stage->kind == STAGE_BY)
				run_by(s, stage, &list->items[i], &out);
			else
				run_scalar(s, stage, &list->items[i], &out);
		}
		*list = out;
	}
}
