/* Changes of values: the way that every event takes, so short. A change that is refused leaves everything as it was. */
#include <errno.h>
#include <float.h>

#include "base/check.h"
#include "metrics/distinct.h"
#include "metrics/histogram.h"
#include "metrics/internal.h"
#include "metrics/sum.h"
#include "metrics/summary.h"
#include "metrics/window.h"

static inline bool is_finite(double v)
{
	return fabs(v) <= DBL_MAX;
}

/* Time, overflow and exemplar of a change that was made. */
static inline void changed(struct metric *m, uint32_t number, struct series_row *row)
{
	struct registry *r = m->registry;

	row_touch(row, r->now_s);
	if (number == m->overflow)
		r->stats.overflowed++;
}

int metric_add(struct metric *m, struct series_ref s, double v)
{
	CHECK(s.number < m->used);
	struct series_row *row = metric_row(m, s.number);

	if (m->type == METRIC_COUNTER) {
		if (!(v >= 0 && v <= DBL_MAX) || !sum_add(&row->value, &row->rest, v))
			return -EINVAL;
		changed(m, s.number, row);
		if (m->registry->trace_id.len != 0)
			exemplar_offer(m, s.number, 0, v);
		return 0;
	}
	if (m->type != METRIC_GAUGE || !is_finite(v))
		return -EINVAL;
	if (is_finite(row->value)) {
		if (!sum_add(&row->value, &row->rest, v))
			return -EINVAL;
	} else {
		row->value += v; /* it was set to NaN or an infinity, and stays so */
	}
	row->touched = TOUCHED_PINNED;
	m->registry->stats.overflowed += s.number == m->overflow;
	return 0;
}

int metric_set(struct metric *m, struct series_ref s, double v)
{
	CHECK(s.number < m->used);
	struct series_row *row = metric_row(m, s.number);

	if (m->type != METRIC_GAUGE)
		return -EINVAL;
	row->value = v;
	row->rest = 0;
	changed(m, s.number, row);
	return 0;
}

static int observe_histogram(struct metric *m, uint32_t number, struct series_row *row, double v)
{
	const struct metric_def *def = &m->meta->def;
	uint32_t bucket = histogram_bucket(def->buckets, def->bucket_count, v);

	if (!sum_add(&row->value, &row->rest, v))
		return -EINVAL;
	row->cells[bucket].count++;
	if (m->registry->trace_id.len != 0)
		exemplar_offer(m, number, bucket, v);
	return 0;
}

static int observe_summary(struct metric *m, struct series_row *row, double v, int64_t time_ns)
{
	double value = row->value;
	float rest = row->rest;

	if (!sum_add(&value, &rest, v))
		return -EINVAL;
	int rc = sketch_observe(m->registry, &row->cells[CELL_STATE], m->meta->def.window_ns, time_ns, v);
	if (rc != 0)
		return rc;
	row->value = value;
	row->rest = rest;
	row->cells[CELL_SUMMARY_COUNT].count++;
	return 0;
}

int metric_observe(struct metric *m, struct series_ref s, double v, int64_t time_ns)
{
	CHECK(s.number < m->used);
	struct series_row *row = metric_row(m, s.number);
	int rc = -EINVAL;

	if (!is_finite(v))
		return rc;
	if (m->type == METRIC_HISTOGRAM)
		rc = observe_histogram(m, s.number, row, v);
	else if (m->type == METRIC_SUMMARY)
		rc = observe_summary(m, row, v, time_ns);
	else if (m->type == METRIC_MEAN)
		rc = ring_observe(m->registry, &row->cells[CELL_STATE], m->meta->def.window_ns, time_ns, v);
	if (rc == 0)
		changed(m, s.number, row);
	return rc;
}

int metric_hit(struct metric *m, struct series_ref s, bool hit, int64_t time_ns)
{
	CHECK(s.number < m->used);
	struct series_row *row = metric_row(m, s.number);

	if (m->type != METRIC_RATIO)
		return -EINVAL;
	int rc = ring_observe(m->registry, &row->cells[CELL_STATE], m->meta->def.window_ns, time_ns, hit ? 1 : 0);
	if (rc == 0)
		changed(m, s.number, row);
	return rc;
}

int metric_see(struct metric *m, struct series_ref s, struct slice value, int64_t time_ns)
{
	CHECK(s.number < m->used);
	struct series_row *row = metric_row(m, s.number);

	if (m->type != METRIC_DISTINCT)
		return -EINVAL;
	int rc = distinct_see(m->registry, &row->cells[CELL_STATE], m->meta->def.period, time_ns, value);
	if (rc == 0)
		changed(m, s.number, row);
	return rc;
}

void state_retire(struct registry *r, enum metric_type type, struct block *state)
{
	void *block = state;

	if (block == NULL)
		return;
	if (type == METRIC_SUMMARY)
		registry_retire(r, block, sketch_size(((struct sketch *)block)->cap));
	else if (type == METRIC_DISTINCT)
		registry_retire(r, block, distinct_size(((struct distinct *)block)->cap));
	else
		registry_retire(r, block, sizeof(struct ring));
}
