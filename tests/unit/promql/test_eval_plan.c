/* How expressions are evaluated together: what is evaluated once, names that go, the order of results. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/asked.h"

static void load(struct db *db)
{
	db_init(db);
	series(db, "x_total{a=\"1\"}", 0, 10, "1 2 3 4");
	series(db, "x_total{a=\"2\"}", 0, 10, "10 20 _ 40");
	series(db, "y_total{a=\"1\"}", 20, 10, "5 6");
	series(db, "y_total{a=\"3\"}", 0, 10, "7 7 7 7");
	db->query.lookback_ms = 5000;
}

/* ---- once ---- */

static void test_without_a_step(void **state)
{
	(void)state;
	struct db db;
	load(&db);
	range_is(&db, "x_total @ 10", 0, 20, 10, "x_total{a=\"1\"} 2@0 2@10 2@20\nx_total{a=\"2\"} 20@0 20@10 20@20\n");
	assert_int_equal(db.sample_reads, 2);
	assert_int_equal(db.from_ms, 5001);
	range_is(&db, "-(x_total{a=\"1\"} @ 10) + 1", 0, 20, 10, "{a=\"1\"} -1@0 -1@10 -1@20\n");
	/* Of two sides each by itself. */
	range_is(&db, "x_total{a=\"1\"} @ 10 + x_total{a=\"1\"}", 0, 20, 10, "{a=\"1\"} 3@0 4@10 5@20\n");
	range_is(&db, "sum(x_total @ 10) + time()", 0, 20, 10, "{} 22@0 32@10 42@20\n");
	/* As in Prometheus the parameter of an aggregation over such a thing counts at the first step only. */
	range_is(&db, "topk(scalar(x_total{a=\"1\"}), x_total @ 10)", 0, 20, 10, "x_total{a=\"2\"} 20@0 20@10 20@20\n");
	range_is(&db, "timestamp(x_total{a=\"1\"} @ 10)", 0, 20, 10, "{a=\"1\"} 10@0 10@10 10@20\n");
	range_is(&db, "timestamp(-x_total{a=\"1\"} @ 10)", 0, 20, 10, "{a=\"1\"} 0@0 10@10 20@20\n");
	db_free(&db);
}

static void test_equal_expressions(void **state)
{
	(void)state;
	struct db db;
	load(&db);
	range_is(&db, "x_total{a=\"1\"} + x_total{a=\"1\"}", 0, 20, 10, "{a=\"1\"} 2@0 4@10 6@20\n");
	assert_int_equal(db.selects, 1);
	range_is(&db, "(x_total{a=\"1\"}) - ((x_total{a='1'}))", 0, 20, 10, "{a=\"1\"} 0@0 0@10 0@20\n");
	assert_int_equal(db.selects, 2);
	/* The largest are looked for; one that stands elsewhere, too, is read by both. */
	range_is(&db, "sum(-x_total) / sum(-x_total) + on() sum(x_total)", 0, 10, 10, "{} 12@0 23@10\n");
	assert_int_equal(db.selects, 3);
	/* Changed by one reader, not by the other. */
	range_is(&db, "-abs(-x_total{a=\"1\"}) == on(a) -x_total{a=\"1\"}", 0, 10, 10, "{a=\"1\"} -1@0 -2@10\n");
	assert_int_equal(db.selects, 4);
	/* At other steps it is another thing; at the same ones it is not, subquery or not. */
	range_is(&db, "x_total{a=\"1\"} + sum_over_time(x_total{a=\"1\"}[10s:5s])", 10, 20, 10,
	         "{a=\"1\"} 4@10 6@20\n");
	assert_int_equal(db.selects, 6);
	range_is(&db, "sum_over_time(x_total[20s:10s]) - sum_over_time(x_total[20s:10s])", 10, 20, 10,
	         "{a=\"1\"} 0@10 0@20\n{a=\"2\"} 0@10 0@20\n");
	assert_int_equal(db.selects, 7);
	/* Read before the other is planned: not shared, and right. */
	range_is(&db, "scalar(x_total{a=\"1\"}) * x_total{a=\"1\"}", 0, 20, 10, "{a=\"1\"} 1@0 4@10 9@20\n");
	range_is(&db, "x_total{a=\"1\"} * scalar(x_total{a=\"1\"})", 0, 20, 10, "{a=\"1\"} 1@0 4@10 9@20\n");
	range_is(&db, "x_total{a=\"1\"} @ 10 * x_total{a=\"1\"} @ 10", 0, 20, 10, "{a=\"1\"} 4@0 4@10 4@20\n");
	db_free(&db);
}

/* What would be all zeros if both sides were one. */
static void test_unequal_expressions(void **state)
{
	(void)state;
	static const char *const pairs[] = {
	    "x_total{a=\"1\"} offset 10s - x_total{a=\"1\"}",
	    "x_total{a=\"1\"} @ 10 - x_total{a=\"1\"}",
	    "sum by (a) (x_total) - on() group_left sum without (a) (x_total)",
	    "sum(x_total) - avg(x_total)",
	    "quantile(0.1, x_total) - quantile(0.2, x_total)",
	    "sum_over_time(x_total[15s]) - sum_over_time(x_total[25s])",
	    "sum_over_time(x_total[20s:10s]) - sum_over_time(x_total[20s:4s])",
	    "sum_over_time(x_total[20s:10s]) - sum_over_time(x_total[20s:10s] offset 10s)",
	    "(x_total > 2) - (x_total > bool 2)",
	    "-x_total{a=\"1\"} - (x_total{a=\"1\"})",
	    "x_total{a=\"1\"} - ignoring(a) x_total{a!=\"1\"}",
	    "x_total{a=\"1\"} - ignoring(a) x_total{a=~\"2\"}",
	    "(x_total * 2) - (x_total * 3)",
	    "sum(x_total ^ on(a) x_total) - sum(x_total ^ ignoring(b) (x_total * 2))",
	};
	struct db db;
	load(&db);
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		const char *got = asked(&db, pairs[i], 30, 30, 10);
		if (db.code != 0 || *got == '\0' || strstr(got, " 0@30\n") != NULL)
			fail_msg("%s gives %s", pairs[i], got);
	}
	db_free(&db);
}

/* ---- names ---- */

static void test_names_that_go(void **state)
{
	(void)state;
	struct db db;
	load(&db);
	/* Joined where no step is in common, as a minus does; a function over a range refuses all that are the same. */
	range_is(&db, "-{a=\"1\"}", 0, 10, 10, "{a=\"1\"} -1@0 -2@10\n");
	range_is(&db, "-({a=\"1\"} < 2 or {a=\"1\"} > 4)", 0, 30, 10, "{a=\"1\"} -1@0 -5@20 -6@30\n");
	range_is(&db, "-{a=\"1\"}", 0, 30, 10, "error: vector cannot contain metrics with the same labelset\n");
	assert_int_equal(db.code, -EINVAL);
	range_is(&db, "abs({a=\"1\"})", 0, 30, 10, "error: vector cannot contain metrics with the same labelset\n");
	range_is(&db, "abs({a=\"1\"} < 2 or {a=\"1\"} > 4)", 0, 30, 10, "{a=\"1\"} 1@0 5@20 6@30\n");
	range_is(&db, "sum_over_time({a=\"1\"}[1s])", 0, 10, 10, "{a=\"1\"} 1@0 2@10\n");
	range_is(&db, "sum_over_time({a=\"1\"}[1s])", 0, 30, 10,
	         "error: vector cannot contain metrics with the same labelset\n");
	range_is(&db, "sum_over_time(({a=\"1\"} < 2 or {a=\"1\"} > 4)[1s:1s])", 0, 30, 10,
	         "error: vector cannot contain metrics with the same labelset\n");
	range_is(&db, "last_over_time({a=\"1\"}[1s])", 10, 20, 10,
	         "x_total{a=\"1\"} 2@10 3@20\ny_total{a=\"1\"} 5@20\n");
	instant_is(&db, "-{a=\"1\"}", 20, "error: vector cannot contain metrics with the same labelset\n");
	range_is(&db, "timestamp({a=\"1\"})", 20, 30, 10,
	         "error: vector cannot contain metrics with the same labelset\n");
	db_free(&db);
}

static void test_names_that_go_later(void **state)
{
	(void)state;
	struct db db;
	load(&db);
	db.query.delayed_names = true;
	range_is(&db, "-{a=\"1\"}", 0, 10, 10, "{a=\"1\"} -1@0 -2@10\n");
	range_is(&db, "-{a=\"1\"}", 0, 30, 10, "error: vector cannot contain metrics with the same labelset\n");
	range_is(&db, "sum by (__name__) (-x_total)", 0, 10, 10, "{} -11@0 -22@10\n");
	range_is(&db, "sum by (__name__) (-{a=\"1\"})", 20, 20, 10,
	         "error: vector cannot contain metrics with the same labelset\n");
	range_is(&db, "-sum_over_time(({a=\"1\"} < 2 or {a=\"1\"} > 4)[1s:1s])", 0, 30, 10,
	         "{a=\"1\"} -1@0 -5@20 -6@30\n");
	range_is(&db, "{a=\"1\"}", 20, 20, 10, "x_total{a=\"1\"} 3@20\ny_total{a=\"1\"} 5@20\n");
	instant_is(&db, "(-{a=\"1\"})[30s:10s]", 10, "{a=\"1\"} -1@0 -2@10\n");
	instant_is(&db, "(-{a=\"1\"})[30s:10s]", 30, "error: vector cannot contain metrics with the same labelset\n");
	db_free(&db);
}

static void test_type_and_unit_go_with_the_name(void **state)
{
	(void)state;
	struct db db;
	load(&db);
	series(&db, "z{__type__=\"gauge\", __unit__=\"s\", A=\"b\", b=\"c\"}", 0, 10, "1 2");
	range_is(&db, "-z", 0, 10, 10, "{A=\"b\", b=\"c\"} -1@0 -2@10\n");
	range_is(&db, "sum_over_time(z[10s])", 0, 10, 10, "{A=\"b\", b=\"c\"} 1@0 2@10\n");
	db_free(&db);
}

/* ---- results ---- */

static void test_types(void **state)
{
	(void)state;
	struct db db;
	load(&db);
	instant_is(&db, "1.5", 7, "{} 1.5@7\n");
	assert_int_equal(db.last.type, PROMQL_SCALAR);
	range_is(&db, "1.5", 7, 9, 1, "{} 1.5@7 1.5@8 1.5@9\n");
	assert_int_equal(db.last.type, PROMQL_MATRIX);
	instant_is(&db, "-(1.5)", 7, "{} -1.5@7\n");
	instant_is(&db, "+(-x_total{a=\"1\"})", 0, "{a=\"1\"} -1@0\n");
	assert_int_equal(db.last.type, PROMQL_VECTOR);
	instant_is(&db, "((\"a\\x00b\"))", 7, "\"a\\x00b\"");
	assert_int_equal(db.last.type, PROMQL_STRING);
	range_is(&db, "\"a\"", 0, 1, 1,
	         "error: invalid expression type \"string\" for range query, must be Scalar or instant Vector\n");
	range_is(&db, "(x_total[5m])", 0, 1, 1,
	         "error: invalid expression type \"range vector\" for range query, must be Scalar or instant Vector\n");
	assert_int_equal(db.code, -EINVAL);
	range_is(&db, "x_total", 1, 0, 1, "");
	assert_int_equal(db.last.type, PROMQL_MATRIX);
	assert_int_equal(db.last.steps, 0);
	range_is(&db, "x_total{a=\"1\"}", 0, 25, 10, "x_total{a=\"1\"} 1@0 2@10 3@20\n");
	assert_int_equal(db.last.steps, 3);
	assert_int_equal(db.last.step_ms, 10000);
	db_free(&db);
}

/* A range query's series are in the order of their labels, an instant query's in that of the expression. */
static void test_order(void **state)
{
	(void)state;
	struct db db;
	load(&db);
	instant_is(&db, "topk(5, x_total)", 0, "x_total{a=\"2\"} 10@0\nx_total{a=\"1\"} 1@0\n");
	range_is(&db, "topk(5, x_total)", 0, 0, 10, "x_total{a=\"1\"} 1@0\nx_total{a=\"2\"} 10@0\n");
	instant_is(&db, "y_total or x_total", 30,
	           "y_total{a=\"1\"} 6@30\ny_total{a=\"3\"} 7@30\nx_total{a=\"2\"} 40@30\n");
	range_is(&db, "y_total or x_total", 30, 30, 10,
	         "x_total{a=\"2\"} 40@30\ny_total{a=\"1\"} 6@30\ny_total{a=\"3\"} 7@30\n");
	instant_is(&db, "(y_total or x_total)[1s:1s]", 30,
	           "x_total{a=\"2\"} 40@30\ny_total{a=\"1\"} 6@30\ny_total{a=\"3\"} 7@30\n");
	db_free(&db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_without_a_step),
	    cmocka_unit_test(test_equal_expressions),
	    cmocka_unit_test(test_unequal_expressions),
	    cmocka_unit_test(test_names_that_go),
	    cmocka_unit_test(test_names_that_go_later),
	    cmocka_unit_test(test_type_and_unit_go_with_the_name),
	    cmocka_unit_test(test_types),
	    cmocka_unit_test(test_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
