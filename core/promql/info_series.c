/* The info series that are asked for: those of the targets that the base has, at each step the one of each metric's name that was sampled last. */
#include <errno.h>

#include "promql/function.h"
#include "promql/info.h"
#include "promql/when.h"
#include "record/labels.h"

const struct slice info_identifying[INFO_IDENTIFYING] = {SLICE("instance"), SLICE("job")};

/* ---- matchers ---- */

/* Makes room for those that are not written: 1 of the name, before the others. */
int info_matchers(struct info *n)
{
	const struct promql_expr *call = n->node.expr;
	const struct promql_expr *selector = call->call.arg_count > 1 ? function_arg(call, 1) : NULL;
	uint32_t written = selector == NULL ? 0 : selector->selector.matcher_count, names = 0, positive = 0;
	struct eval *ev = n->node.ev;
	struct matcher **made = NULL;
	struct error err = {0};

	if (selector != NULL && promql_matchers(selector, &ev->arena, &made, &err) != 0)
		return eval_fail(ev, err.code, "%s", err.text);
	n->matchers = eval_alloc(ev, ((size_t)written + 1) * sizeof(struct matcher *));
	if (n->matchers == NULL) {
		promql_matchers_free(made, written);
		return ev->err->code;
	}
	for (uint32_t i = 0; i < written; i++) {
		bool of_name = slice_eq(made[i]->name, LABEL_METRIC_NAME);
		names += of_name;
		positive += of_name && !matcher_negates(made[i]);
	}
	if (positive == 0) {
		n->matchers[0] = names == 0 ? matcher_new(MATCH_EQUAL, LABEL_METRIC_NAME, SLICE("target_info"), &err)
		                            : matcher_new(MATCH_REGEX, LABEL_METRIC_NAME, SLICE(".+_info"), &err);
		if (n->matchers[0] == NULL) {
			promql_matchers_free(made, written);
			return eval_fail(ev, err.code, "%s", err.text);
		}
		n->matcher_count = 1;
	}
	for (uint32_t turn = 0; turn < 2; turn++) {
		for (uint32_t i = 0; i < written; i++) {
			if (slice_eq(made[i]->name, LABEL_METRIC_NAME) == (turn == 0))
				n->matchers[n->matcher_count++] = made[i];
		}
		if (turn == 0)
			n->name_count = n->matcher_count;
	}
	return 0;
}

/* Do the matchers of the name take it? 1, 0, or negative. */
int info_is_name(const struct info *n, struct slice labels)
{
	struct slice name = labels_get(labels, LABEL_METRIC_NAME);
	for (uint32_t i = 0; i < n->name_count; i++) {
		int matches = matcher_matches(n->matchers[i], name);
		if (matches != 1)
			return matches == 0 ? 0 : eval_fail(n->node.ev, matches, "no memory for a regular expression");
	}
	return 1;
}

/* ---- the base ---- */

/* The number that the labels with one of these names make, in an index. 0, or negative with the error set. */
static int number_of(struct info *n, struct label_index *x, struct slice labels, const struct slice *names,
                     uint32_t count, uint32_t *number)
{
	if (labels_only(labels, names, count, &n->scratch) != 0)
		return eval_fail(n->node.ev, -ENOMEM, "no memory for labels");
	return label_index_add(x, buf_slice(&n->scratch), number);
}

static int add_value(struct info *n, struct label_index *x, struct slice labels, struct slice name)
{
	uint32_t number;
	return labels_get(labels, name).len == 0 ? 0 : number_of(n, x, labels, &name, 1, &number);
}

static int note_targets(struct info *n)
{
	for (uint32_t i = 0; i < n->base.count; i++) {
		struct slice labels = n->base.items[i].labels;
		int code = info_is_name(n, labels);
		if (code == 1)
			continue;
		if (code == 0)
			code = add_value(n, &n->instances, labels, info_identifying[0]);
		if (code == 0)
			code = add_value(n, &n->jobs, labels, info_identifying[1]);
		if (code != 0)
			return code;
	}
	return 0;
}

/* ---- info series ---- */

/* Has the series a value of this label that the base has? Where the base has none it may have any. 1, 0, or negative. */
static int is_known(struct info *n, struct label_index *x, struct slice labels, struct slice name)
{
	if (x->count == 0)
		return 1;
	if (labels_only(labels, &name, 1, &n->scratch) != 0)
		return eval_fail(n->node.ev, -ENOMEM, "no memory for labels");
	return label_index_find(x, buf_slice(&n->scratch)) != LABEL_INDEX_NONE;
}

/* The time of the sample that each step takes: the last one within the look-back, unless it is a stale marker. False: none at any step. */
static bool sample_times(const struct info *n, struct promql_samples s, int64_t *times)
{
	bool any = false;
	uint32_t to = 0;

	for (uint32_t i = 0; i < n->node.steps.count; i++) {
		int64_t now = step_time(&n->node.steps, i);
		while (to < s.count && s.times_ms[to] <= now)
			to++;
		times[i] = INT64_MIN;
		if (to == 0 || s.times_ms[to - 1] <= now - n->node.ev->lookback_ms ||
		    promql_is_absent(s.values[to - 1]))
			continue;
		times[i] = s.times_ms[to - 1];
		any = true;
	}
	return any;
}

static int add_series(struct info *n, struct slice labels, struct promql_samples samples)
{
	static const struct slice target[] = {SLICE("__name__"), SLICE("instance"), SLICE("job")};
	struct eval *ev = n->node.ev;
	int64_t *times = eval_alloc(ev, n->node.steps.count * sizeof *times);
	uint32_t number, name;

	if (times == NULL)
		return ev->err->code;
	if (!sample_times(n, samples, times))
		return 0;
	char *copy = eval_alloc(ev, labels.len + 1);
	if (copy == NULL)
		return ev->err->code;
	if (labels.len > 0)
		memcpy(copy, labels.ptr, labels.len);
	int code = eval_grow(ev, (void **)&n->series, &n->cap, (size_t)n->count + 1, sizeof *n->series);
	if (code == 0)
		code = number_of(n, &n->names, labels, target, 1, &name);
	if (code == 0)
		code = number_of(n, &n->targets, labels, target, 3, &number);
	if (code != 0)
		return code;
	n->series[n->count++] = (struct info_series){{copy, labels.len}, number, LABEL_INDEX_NONE, times};
	return 0;
}

static bool first_selector(void *ctx, struct promql_expr *e)
{
	if (e->kind == PROMQL_SELECTOR)
		*(const struct promql_expr **)ctx = e;
	return e->kind != PROMQL_SELECTOR;
}

/* Which samples are asked for: those of all steps, or where the first selector of the base looks by `@` and offset. 0, or negative with the error set. */
static int wanted(const struct info *n, struct promql_select *out)
{
	const struct steps *steps = &n->node.steps;
	const struct promql_expr *selector = NULL;
	struct when when = {0};
	int code = 0;

	promql_walk(n->node.expr->call.args[0], first_selector, &selector);
	if (selector != NULL)
		code = when_of(n->node.ev, &selector->selector.when, &when);
	int64_t from = when_time(&when, steps->start_ms);
	int64_t to = when_time(&when, step_time(steps, steps->count - 1));
	*out = (struct promql_select){n->matchers, n->matcher_count, from - n->node.ev->lookback_ms + 1, to};
	return code;
}

static int take_series(struct info *n, void *set, struct error *err)
{
	const struct promql_source_ops *ops = n->node.ev->source->ops;
	struct promql_samples samples;
	struct slice labels;
	int code;

	while ((code = ops->next(set, &labels, err)) == 1) {
		int known = is_known(n, &n->instances, labels, info_identifying[0]);
		if (known == 1)
			known = is_known(n, &n->jobs, labels, info_identifying[1]);
		if (known < 0)
			return known;
		if (known == 0)
			continue;
		code = ops->samples(set, &samples, err);
		if (code != 0)
			break;
		code = eval_spend(n->node.ev, (uint64_t)samples.count + n->node.steps.count);
		if (code == 0)
			code = add_series(n, labels, samples);
		if (code != 0)
			return code;
	}
	return code == 0 ? 0 : eval_fail(n->node.ev, code, "%s", err->text);
}

static int select_series(struct info *n)
{
	const struct promql_source *source = n->node.ev->source;
	struct promql_select what;
	struct error err = {0};
	void *set = NULL;

	/* Without a target there is nothing to look for. */
	if (n->instances.count == 0 && n->jobs.count == 0)
		return 0;
	int code = wanted(n, &what);
	if (code != 0)
		return code;
	code = source->ops->select(source->ctx, &what, &set, &err);
	if (code != 0)
		return eval_fail(n->node.ev, code, "%s", err.text);
	code = take_series(n, set, &err);
	source->ops->close(set);
	return code;
}

/* ---- one for each target and step ---- */

/* Of two series of a target the one that was sampled last counts; where they were at the same time there is no telling. */
static int check_conflict(const struct info *n, const struct info_series *a, const struct info_series *b, int64_t ms)
{
	struct buf x = {0}, y = {0};

	labels_text(a->labels, &x);
	labels_text(b->labels, &y);
	int code = eval_fail(n->node.ev, -EINVAL,
	                     "found duplicate series for info metric: existing %.*s @ %lld, new %.*s @ %lld",
	                     SLICE_ARG(buf_slice(&x)), (long long)ms, SLICE_ARG(buf_slice(&y)), (long long)ms);
	buf_free(&x);
	buf_free(&y);
	return code;
}

static bool *steps_in_use(const struct info *n, bool *used)
{
	uint32_t steps = n->node.steps.count;
	memset(used, 0, steps * sizeof *used);
	for (uint32_t r = 0; r < n->base.count; r++) {
		for (uint32_t i = 0; i < steps; i++)
			used[i] = used[i] || !promql_is_absent(n->base.items[r].values[i]);
	}
	return used;
}

/* Takes away the times of series that are not the newest of their target: then at each step one series of a target has one at most. */
static int keep_newest(struct info *n)
{
	uint32_t steps = n->node.steps.count, targets = n->targets.count;
	uint32_t *newest = eval_alloc(n->node.ev, ((size_t)targets + 1) * sizeof *newest);

	if (newest == NULL)
		return n->node.ev->err->code;
	bool *used = steps_in_use(n, n->given);
	for (uint32_t i = 0; i < steps; i++) {
		int code = eval_work(n->node.ev, n->count);
		if (code != 0)
			return code;
		memset(newest, 0xff, targets * sizeof *newest);
		for (uint32_t k = 0; k < n->count; k++) {
			struct info_series *s = &n->series[k];
			uint32_t other = newest[s->target];
			if (s->times_ms[i] == INT64_MIN || !used[i])
				continue;
			if (other == LABEL_INDEX_NONE) {
				newest[s->target] = k;
				continue;
			}
			int64_t time = n->series[other].times_ms[i];
			if (time == s->times_ms[i])
				return check_conflict(n, &n->series[other], s, time);
			if (time < s->times_ms[i])
				newest[s->target] = k;
			n->series[time < s->times_ms[i] ? other : k].times_ms[i] = INT64_MIN;
		}
	}
	return 0;
}

static int link_series(struct info *n)
{
	uint32_t targets = n->targets.count;
	n->first = eval_alloc(n->node.ev, ((size_t)targets + 1) * sizeof *n->first);
	if (n->first == NULL)
		return n->node.ev->err->code;
	memset(n->first, 0xff, targets * sizeof *n->first);
	for (uint32_t k = 0; k < n->count; k++) {
		n->series[k].next = n->first[n->series[k].target];
		n->first[n->series[k].target] = k;
	}
	return 0;
}

int info_select(struct info *n)
{
	int code = note_targets(n);
	if (code == 0)
		code = select_series(n);
	if (code == 0)
		code = link_series(n);
	return code == 0 ? keep_newest(n) : code;
}
