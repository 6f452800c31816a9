/* Which series belong together. */
#include "promql/grouping.h"

#include <stdlib.h>

#include "record/labels.h"

void grouping_init(struct grouping *g, struct eval *ev)
{
	*g = (struct grouping){0};
	label_index_init(&g->groups, ev);
}

void grouping_deinit(struct grouping *g)
{
	label_index_deinit(&g->groups);
	buf_free(&g->key);
}

int grouping_set(struct grouping *g, const struct slice *names, uint32_t count, bool without, struct slice more)
{
	uint32_t kept = 0;
	struct slice *own = eval_alloc(g->groups.ev, ((size_t)count + 1) * sizeof *own);

	if (own == NULL)
		return g->groups.ev->err->code;
	if (count > 0)
		memcpy(own, names, count * sizeof *own);
	if (more.len > 0 && !without)
		own[count++] = more;
	if (count > 1)
		qsort(own, count, sizeof *own, slice_order);
	for (uint32_t i = 0; i < count; i++) {
		if (kept == 0 || !slice_eq(own[kept - 1], own[i]))
			own[kept++] = own[i];
	}
	g->names = own;
	g->count = kept;
	g->without = without;
	return 0;
}

bool grouping_by_name(const struct grouping *g)
{
	for (uint32_t i = 0; i < g->count && !g->without; i++) {
		if (slice_eq(g->names[i], LABEL_METRIC_NAME))
			return true;
	}
	return false;
}

int grouping_find(struct grouping *g, struct slice labels, uint32_t *group)
{
	int code = g->without ? labels_except(labels, g->names, g->count, true, &g->key)
	                      : labels_only(labels, g->names, g->count, &g->key);
	if (code != 0)
		return eval_no_memory(g->groups.ev);
	return label_index_add(&g->groups, buf_slice(&g->key), group);
}
