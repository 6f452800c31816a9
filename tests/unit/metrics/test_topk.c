/* The largest sums: what Space-Saving promises, against exact sums. */
#include "support.h"

#include <float.h>

#include "metrics/internal.h"

enum { USERS = 3000, ADDS = 200000 };

static struct metric *define_topk(struct registry *r, uint32_t k)
{
	struct metric_def def = def_of("top", METRIC_TOPK, "user", NULL);

	def.k = k;
	return define(r, &def);
}

static void add(struct metric *m, int user, double v)
{
	char text[16];
	struct slice value = slice_new(text, (size_t)snprintf(text, sizeof text, "u%d", user));

	assert_int_equal(metric_topk_add(m, &value, v), 0);
}

/* What is shown of each user (NAN: nothing), and in the overflow series. */
static double shown(struct registry *r, double *values)
{
	struct buf text = text_of(r);
	double overflow = 0;

	for (int i = 0; i < USERS; i++)
		values[i] = NAN;
	for (const char *at = strstr(text.ptr, "top{"); at != NULL; at = strstr(at + 1, "\ntop{")) {
		const char *user = strstr(at, "{user=\"u");
		const char *space = strchr(strchr(at, '}'), ' ');
		if (user != NULL && user < space)
			values[atoi(user + 8)] = strtod(space, NULL);
		else
			overflow = strtod(space, NULL);
	}
	buf_free(&text);
	return overflow;
}

/* Heavy users and very many light ones. */
static int pick(uint64_t *random)
{
	double u = random_unit(random);

	return (int)(USERS * u * u * u);
}

static void check_bounds(uint32_t k, bool whole)
{
	static double exact[USERS], values[USERS];
	struct registry *r = new_registry(0);
	struct metric *m = define_topk(r, k);
	uint64_t random = k;
	double total = 0;

	memset(exact, 0, sizeof exact);
	for (int i = 0; i < ADDS; i++) {
		int user = pick(&random);
		double v = whole ? (double)(random_u64(&random) % 1000) : random_unit(&random) * 10;
		exact[user] += v;
		total += v;
		add(m, user, v);
	}
	double sum = shown(r, values), floor_ = total / k;
	int kept = 0;
	for (int i = 0; i < USERS; i++) {
		double slack = whole ? 0 : exact[i] * 1e-12;
		if (isnan(values[i])) {
			assert_true(exact[i] <= floor_ + slack); /* none that is large is missing */
			continue;
		}
		kept++;
		sum += values[i];
		assert_true(values[i] <= exact[i] + slack);
		assert_true(values[i] >= exact[i] - floor_ - slack);
	}
	assert_int_equal(kept, k);
	if (whole)
		assert_float_equal(sum, total, 0);
	else
		assert_true(fabs(sum - total) < total * 1e-12);
	registry_free(r);
}

static void test_bounds(void **state)
{
	(void)state;

	check_bounds(1, true);
	check_bounds(10, true);
	check_bounds(100, true);
	check_bounds(100, false);
	check_bounds(1000, true);
}

static void test_exact_while_few(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric *m = define_topk(r, 3);

	add(m, 1, 5);
	add(m, 2, 1);
	add(m, 3, 2);
	add(m, 1, 1);
	assert_float_equal(value_of(r, "top{user=\"u1\"}"), 6, 0);
	assert_false(has_line(r, "top{moongate_overflow"));
	add(m, 4, 0); /* nothing takes no one's place */
	assert_false(has_line(r, "top{user=\"u4\"}"));
	add(m, 4, 10); /* takes u2's */
	assert_float_equal(value_of(r, "top{user=\"u4\"}"), 10, 0);
	assert_float_equal(value_of(r, "top{moongate_overflow=\"true\"}"), 1, 0);
	assert_false(has_line(r, "top{user=\"u2\"}"));
	assert_true(has_line(r, "# TYPE top gauge\n"));
	registry_free(r);
}

static void test_refuses(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric *m = define_topk(r, 1);
	struct slice a = SLICE("a"), b = SLICE("b");

	assert_int_equal(metric_topk_add(m, &a, -1), -EINVAL);
	assert_int_equal(metric_topk_add(m, &a, NAN), -EINVAL);
	assert_int_equal(metric_topk_add(m, &a, INFINITY), -EINVAL);
	assert_int_equal(stats_of(r).series, 0);
	assert_int_equal(metric_topk_add(m, &a, DBL_MAX), 0);
	assert_int_equal(metric_topk_add(m, &a, DBL_MAX), -EINVAL);
	assert_int_equal(metric_topk_add(m, &b, DBL_MAX), -EINVAL); /* its count would not be finite */
	assert_float_equal(value_of(r, "top{user=\"a\"}"), DBL_MAX, 0);
	assert_int_equal(stats_of(r).series, 1);
	registry_free(r);
}

static void test_counts_its_k_from_the_start(void **state)
{
	(void)state;
	struct registry *r = new_registry(5);
	struct metric *m = define_topk(r, 4);
	struct metric *c = define_simple(r, "a_total", METRIC_COUNTER, "x");

	assert_int_equal(metric_add(c, series1(c, "1"), 1), 0);
	assert_int_equal(metric_add(c, series1(c, "2"), 1), 0);
	assert_true(has_line(r, "a_total{moongate_overflow=\"true\"} 1\n"));
	for (int i = 0; i < 4; i++)
		add(m, i, i + 1);
	for (int i = 0; i < 4; i++)
		assert_true(has_line(r, "top{user=\"u"));
	assert_false(has_line(r, "top{moongate_overflow"));
	registry_free(r);
}

static void test_odd_values(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric *m = define_topk(r, 2);
	char longer[2000];
	struct slice bad = SLICE("\xff"), empty = SLICE(""), cut = slice_new(longer, sizeof longer);

	memset(longer, 'x', sizeof longer);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(metric_topk_add(m, &bad, 1), 0);
		assert_int_equal(metric_topk_add(m, &empty, 2), 0);
	}
	assert_float_equal(value_of(r, "top{user=\"\xef\xbf\xbd\"}"), 2, 0);
	assert_float_equal(value_of(r, "top"), 4, 0);
	assert_int_equal(metric_topk_add(m, &cut, 100), 0);
	assert_int_equal(stats_of(r).values_cut, 1);
	registry_free(r);
}

static void test_is_never_idle(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric_def def = def_of("top", METRIC_TOPK, "user", NULL);
	def.idle_ns = NS_PER_S;
	struct metric *m = define(r, &def);

	add(m, 1, 1);
	registry_set_now(r, START + 1000 * NS_PER_S);
	registry_expire(r);
	assert_true(has_line(r, "top{user=\"u1\"} 1\n"));
	registry_free(r);
}

/* The heap's order after hundreds of thousands of changes. */
static void test_heap(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct metric *m = define_topk(r, 50);
	uint64_t random = 77;

	for (int i = 0; i < 50000; i++) {
		add(m, pick(&random), (double)(random_u64(&random) % 4));
		if (i % 100 != 0)
			continue;
		for (uint32_t at = 1; at < m->heap_len; at++) {
			const struct series_row *child = metric_row(m, m->heap[at]);
			const struct series_row *parent = metric_row(m, m->heap[(at - 1) / 2]);
			assert_int_equal(child->cells[CELL_TOPK_HEAP].count, at);
			assert_true(parent->value + parent->cells[CELL_TOPK_INHERITED].num <=
			            child->value + child->cells[CELL_TOPK_INHERITED].num);
		}
	}
	assert_int_equal(m->heap_len, 50);
	assert_int_equal(m->count, 51);
	registry_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bounds),     cmocka_unit_test(test_exact_while_few),
	    cmocka_unit_test(test_refuses),    cmocka_unit_test(test_counts_its_k_from_the_start),
	    cmocka_unit_test(test_odd_values), cmocka_unit_test(test_is_never_idle),
	    cmocka_unit_test(test_heap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
