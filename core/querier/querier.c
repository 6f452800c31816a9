#include "querier/querier.h"

static int view_select(void *ctx, const struct promql_select *what, void **set, struct error *err)
{
	*set = tsdb_select(ctx, what->matchers, what->matcher_count, what->from_ms, what->to_ms, err);
	return *set != NULL ? 0 : err->code;
}

static int view_next(void *set, struct slice *labels, struct error *err)
{
	return series_set_next(set, labels, err);
}

static int view_samples(void *set, struct promql_samples *out, struct error *err)
{
	struct series_samples s;
	int code = series_set_samples(set, &s, err);

	if (code == 0)
		*out = (struct promql_samples){s.times_ms, (const double *)s.values, s.count};
	return code;
}

static void view_close(void *set)
{
	series_set_free(set);
}

struct promql_source querier_of_view(struct tsdb_view *view)
{
	static const struct promql_source_ops ops = {view_select, view_next, view_samples, view_close};
	return (struct promql_source){&ops, view};
}
