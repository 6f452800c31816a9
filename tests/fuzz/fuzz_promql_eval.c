/* Bytes as a question: an expression by its grammar, steps, bounds, and series to ask. Whatever comes out,
 *
 *   - comes out again, bit for bit;
 *   - is a result: labels that are sets, each set once, in order, each with a value;
 *   - has at each step what an instant query gives there, where no more than the step decides it;
 *   - is what `e or e` gives, whose sides are evaluated once.
 *
 * With FUZZ_SHOW in the environment the question is printed. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "promql/eval.h"
#include "promql_grammar.h"
#include "record/labels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SERIES = 20, SAMPLES = 90, SPACING_MS = 10000 };

/* ---- series ---- */

struct one {
	struct buf labels;
	int64_t times_ms[SAMPLES];
	double values[SAMPLES];
	uint32_t count;
};

struct store {
	struct one series[SERIES];
};

struct set {
	const struct store *of;
	struct promql_select what;
	uint32_t next, at;
};

static int store_select(void *ctx, const struct promql_select *what, void **out, struct error *err)
{
	struct set *s = malloc(sizeof *s);
	if (s == NULL)
		return error_set(err, -ENOMEM, "out of memory");
	*s = (struct set){.of = ctx, .what = *what};
	*out = s;
	return 0;
}

static int store_next(void *set, struct slice *labels, struct error *err)
{
	struct set *s = set;
	(void)err;
	while (s->next < SERIES) {
		s->at = s->next++;
		*labels = buf_slice(&s->of->series[s->at].labels);
		if (matchers_match(s->what.matchers, s->what.matcher_count, *labels) == 1)
			return 1;
	}
	return 0;
}

static int store_samples(void *set, struct promql_samples *out, struct error *err)
{
	struct set *s = set;
	const struct one *o = &s->of->series[s->at];
	uint32_t from = 0, to = o->count;
	(void)err;
	while (from < to && o->times_ms[from] < s->what.from_ms)
		from++;
	while (to > from && o->times_ms[to - 1] > s->what.to_ms)
		to--;
	*out = (struct promql_samples){o->times_ms + from, o->values + from, to - from};
	return 0;
}

static const struct promql_source_ops store_ops = {store_select, store_next, store_samples, free};

static int by_labels(const void *a, const void *b)
{
	const struct one *x = a, *y = b;
	return labels_compare(buf_slice(&x->labels), buf_slice(&y->labels));
}

static void set_labels(struct one *o, const char *name, const char *a, const char *b, const char *le, const char *data)
{
	struct label labels[] = {{LABEL_METRIC_NAME, slice_cstr(name)},
	                         {SLICE("a"), slice_cstr(a)},
	                         {SLICE("b"), slice_cstr(b)},
	                         {SLICE("le"), slice_cstr(le)},
	                         {SLICE("data"), slice_cstr(data)},
	                         {SLICE("instance"), SLICE("i")},
	                         {SLICE("job"), SLICE("j")}};
	CHECK(labels_canonical(labels, sizeof labels / sizeof *labels, &o->labels, NULL) == 0);
}

static double value_of(uint64_t r, double before, bool counter)
{
	if (r % 64 == 0)
		return NAN;
	if (r % 64 == 1)
		return INFINITY;
	if (r % 32 == 2)
		return promql_absent();
	if (counter)
		return r % 16 == 3 || !isfinite(before) || promql_is_absent(before) ? 0 : before + (double)(r % 8);
	return (double)(r % 21) - 10;
}

static void fill(struct one *o, uint64_t seed, bool counter, uint32_t every)
{
	double v = 0;
	for (uint32_t i = 0; i < SAMPLES; i++) {
		uint64_t r = hash_mix(seed, i);
		if (r % 100 < every)
			continue;
		v = value_of(hash_mix(r, 1), v, counter);
		o->times_ms[o->count] = (int64_t)i * SPACING_MS + (int64_t)(r >> 20) % 3;
		o->values[o->count++] = v;
	}
}

static struct store *make_store(uint32_t seed)
{
	static const char *const bounds[] = {"0.1", "1", "10", "+Inf", "bad"};
	struct store *s = calloc(1, sizeof *s);
	uint32_t n = 0;

	CHECK(s != NULL);
	for (uint32_t i = 0; i < 3; i++) {
		const char *a = i == 0 ? "1" : i == 1 ? "2" : "";
		set_labels(&s->series[n++], "x_total", a, i == 1 ? "2" : "", "", "");
		set_labels(&s->series[n++], "y_total", a, "", "", "");
		set_labels(&s->series[n++], "gauge", a, "1", "", "");
		set_labels(&s->series[n++], "sparse", a, "", "", "");
	}
	for (uint32_t i = 0; i < 5; i++)
		set_labels(&s->series[n++], "h_bucket", "1", "", bounds[i], "");
	set_labels(&s->series[n++], "h_bucket", "2", "", bounds[3], "");
	set_labels(&s->series[n++], "target_info", "", "", "", "d1");
	set_labels(&s->series[n++], "target_info", "3", "", "", "d2");
	CHECK(n == SERIES);
	for (uint32_t i = 0; i < SERIES; i++)
		fill(&s->series[i], hash_mix(seed, i), i % 4 != 2, i % 4 == 3 ? 80 : 10);
	qsort(s->series, SERIES, sizeof *s->series, by_labels);
	return s;
}

static void free_store(struct store *s)
{
	for (uint32_t i = 0; i < SERIES; i++)
		buf_free(&s->series[i].labels);
	free(s);
}

/* ---- questions ---- */

struct answer {
	int code;
	struct error err;
	struct promql_result result;
};

static void ask(const struct promql_query *like, struct store *s, struct slice text, struct answer *a)
{
	struct promql_source source = {&store_ops, s};
	struct promql_query q = *like;
	struct promql_expr *e;
	struct arena arena;

	*a = (struct answer){0};
	arena_init(&arena);
	if (promql_parse(text, &arena, &e, &a->err) != 0) {
		fprintf(stderr, "%.*s\n%s\n", SLICE_ARG(text), a->err.text);
		abort();
	}
	q.expr = e;
	q.text = text;
	a->code = promql_eval(&q, &source, &a->result, &a->err);
	CHECK((a->code == 0) == (a->err.text[0] == '\0'));
	arena_deinit(&arena);
}

static void check_order(const struct promql_result *r)
{
	for (uint32_t i = 1; i < r->series_count; i++)
		CHECK(labels_compare(r->series[i - 1].labels, r->series[i].labels) < 0);
}

static void check_result(const struct promql_result *r, bool range)
{
	CHECK(r->warning_count <= 11 && r->info_count <= 11);
	for (uint32_t i = 0; i < r->series_count; i++) {
		const struct promql_series *s = &r->series[i];
		uint32_t k = 0;
		CHECK(labels_check(s->labels, NULL, NULL) == 0);
		CHECK(s->times_ms != NULL || s->count == r->steps);
		while (k < s->count && promql_is_absent(s->values[k]))
			k++;
		CHECK(k < s->count);
	}
	if (range)
		check_order(r);
}

static bool same_value(double a, double b)
{
	uint64_t x, y;
	memcpy(&x, &a, sizeof x);
	memcpy(&y, &b, sizeof y);
	return x == y || (isnan(a) && isnan(b) && !promql_is_absent(a) && !promql_is_absent(b));
}

static void check_same(const struct promql_result *a, const struct promql_result *b)
{
	CHECK(a->type == b->type && a->series_count == b->series_count);
	for (uint32_t i = 0; i < a->series_count; i++) {
		const struct promql_series *x = &a->series[i], *y = &b->series[i];
		CHECK(slice_eq(x->labels, y->labels) && x->count == y->count);
		for (uint32_t k = 0; k < x->count; k++)
			CHECK(same_value(x->values[k], y->values[k]));
	}
}

/* Bit for bit, with what is said. */
static void check_again(const struct answer *a, const struct answer *b)
{
	CHECK(a->code == b->code && strcmp(a->err.text, b->err.text) == 0);
	if (a->code != 0)
		return;
	check_same(&a->result, &b->result);
	CHECK(a->result.warning_count == b->result.warning_count && a->result.info_count == b->result.info_count);
	for (uint32_t i = 0; i < a->result.info_count; i++)
		CHECK(slice_eq(a->result.infos[i], b->result.infos[i]));
	for (uint32_t i = 0; i < a->result.warning_count; i++)
		CHECK(slice_eq(a->result.warnings[i], b->result.warnings[i]));
}

/* ---- a step of a range query, and an instant query there ---- */

static const struct promql_series *find(const struct promql_result *r, struct slice labels)
{
	uint32_t i = 0;
	while (i < r->series_count && !slice_eq(r->series[i].labels, labels))
		i++;
	return i < r->series_count ? &r->series[i] : NULL;
}

static void check_step(const struct promql_result *all, const struct promql_result *one, uint32_t step)
{
	uint32_t there = 0;
	for (uint32_t i = 0; i < all->series_count; i++) {
		if (promql_is_absent(all->series[i].values[step]))
			continue;
		const struct promql_series *s = find(one, all->series[i].labels);
		CHECK(s != NULL && same_value(s->values[0], all->series[i].values[step]));
		there++;
	}
	CHECK(there == one->series_count);
}

static void check_steps(const struct promql_query *q, struct store *s, struct slice text,
                        const struct promql_result *all)
{
	for (uint32_t i = 0; i < all->steps; i += 1 + all->steps / 3) {
		struct promql_query one = *q;
		struct answer a;
		one.start_ms = one.end_ms = q->start_ms + (int64_t)i * q->step_ms;
		one.step_ms = 0;
		ask(&one, s, text, &a);
		CHECK(a.code == 0);
		check_step(all, &a.result, i);
		promql_result_free(&a.result);
	}
}

/* Both sides are the same expression. */
static void check_twice(const struct promql_query *q, struct store *s, struct slice text,
                        const struct promql_result *all)
{
	struct buf both = {0};
	struct answer a;

	buf_printf(&both, "(%.*s) or (%.*s)", SLICE_ARG(text), SLICE_ARG(text));
	ask(q, s, buf_slice(&both), &a);
	CHECK(a.code == 0 || a.code == -E2BIG);
	if (a.code == 0)
		check_same(all, &a.result);
	promql_result_free(&a.result);
	buf_free(&both);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int64_t steps[] = {0, 10000, 60000, 7000, 1000, 30001}, lookbacks[] = {0, 15000, 60000};
	struct grammar g = {.at = data, .end = data + size};
	struct store *s = make_store(pick(&g, 4));
	struct promql_query q = {.samples_max = 60000, .bytes_max = 16 << 20};
	struct answer first, second;

	q.start_ms = (int64_t)pick(&g, 100) * 9000;
	q.step_ms = PICK(&g, steps);
	q.end_ms = q.start_ms + (int64_t)pick(&g, 24) * q.step_ms;
	q.lookback_ms = PICK(&g, lookbacks);
	q.delayed_names = pick(&g, 4) == 3;
	uint32_t kind = pick(&g, 8);
	if (kind == 7)
		write_scalar(&g);
	else if (kind == 6 && q.step_ms == 0)
		write_matrix(&g, true);
	else
		write_vector(&g);
	struct slice text = buf_slice(&g.text);
	CHECK(!buf_failed(&g.text));
	if (getenv("FUZZ_SHOW") != NULL)
		fprintf(stderr, "%lld..%lld step %lld lookback %lld names %d: %.*s\n", (long long)q.start_ms,
		        (long long)q.end_ms, (long long)q.step_ms, (long long)q.lookback_ms, q.delayed_names,
		        SLICE_ARG(text));
	ask(&q, s, text, &first);
	ask(&q, s, text, &second);
	check_again(&first, &second);
	if (first.code == 0) {
		check_result(&first.result, q.step_ms > 0);
		if (q.step_ms > 0 && !g.by_query && !g.by_order && !q.delayed_names)
			check_steps(&q, s, text, &first.result);
		if (kind < 6 && !q.delayed_names)
			check_twice(&q, s, text, &first.result);
	}
	promql_result_free(&first.result);
	promql_result_free(&second.result);
	free_store(s);
	buf_free(&g.text);
	return 0;
}
