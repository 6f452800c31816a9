/* Functions of one value, of dates, of scalars. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "promql/go_math.h"
#include "support/asked.h"

static void of_a_number(void **state)
{
	static const struct expected cases[] = {
	    {"abs(vector(-2.5))", "{} 2.5@0\n"},
	    {"ceil(vector(1.2))", "{} 2@0\n"},
	    {"floor(vector(-1.2))", "{} -2@0\n"},
	    {"sqrt(vector(2))", "{} 1.4142135623730951@0\n"},
	    {"sqrt(vector(-1))", "{} NaN@0\n"},
	    {"exp(vector(1))", "{} 2.718281828459045@0\n"},
	    {"ln(vector(0))", "{} -Inf@0\n"},
	    {"ln(vector(10))", "{} 2.302585092994046@0\n"},
	    {"log2(vector(8))", "{} 3@0\n"},
	    {"log2(vector(0.125))", "{} -3@0\n"},
	    {"log2(vector(10))", "{} 3.321928094887362@0\n"},
	    {"log2(vector(+Inf))", "{} +Inf@0\n"},
	    {"log10(vector(100))", "{} 2@0\n"},
	    /* As Go has it. */
	    {"log10(vector(1e15))", "{} 14.999999999999998@0\n"},
	    {"log10(vector(-1))", "{} NaN@0\n"},
	    {"sgn(vector(-7))", "{} -1@0\n"},
	    {"sgn(vector(0))", "{} 0@0\n"},
	    {"sgn(vector(NaN))", "{} NaN@0\n"},
	    {"deg(vector(pi()))", "{} 180@0\n"},
	    {"rad(vector(180)) == pi()", "{} 3.141592653589793@0\n"},
	    {"sin(vector(0)) + cos(vector(0)) + tan(vector(0))", "{} 1@0\n"},
	    {"asin(vector(1)) + acos(vector(1)) - pi() / 2", "{} 0@0\n"},
	    {"atan(vector(1)) * 4 == pi()", "{} 3.141592653589793@0\n"},
	    {"sinh(vector(0)) + cosh(vector(0)) + tanh(vector(0))", "{} 1@0\n"},
	    {"asinh(vector(0)) + acosh(vector(1)) + atanh(vector(0))", "{} 0@0\n"},
	    {"round(vector(2.5))", "{} 3@0\n"},
	    {"round(vector(-2.5))", "{} -2@0\n"},
	    {"round(vector(0.49), 0.1)", "{} 0.5@0\n"},
	    {"round(vector(23), 5)", "{} 25@0\n"},
	    {"round(vector(5), 0)", "{} NaN@0\n"},
	    {"clamp(vector(5), 1, 3)", "{} 3@0\n"},
	    {"clamp(vector(-5), 1, 3)", "{} 1@0\n"},
	    {"clamp(vector(2), 3, 1)", ""},
	    {"clamp(vector(2), NaN, 3)", "{} NaN@0\n"},
	    {"clamp_min(vector(2), 3)", "{} 3@0\n"},
	    {"clamp_max(vector(2), 1)", "{} 1@0\n"},
	    {"clamp_max(vector(NaN), 1)", "{} NaN@0\n"},
	};
	struct db db;
	(void)state;
	db_init(&db);
	EACH_IS(&db, cases, 0);
	db_free(&db);
}

static void they_keep_gaps_and_drop_names(void **state)
{
	struct db db;
	(void)state;
	db_init(&db);
	series(&db, "x{a=\"1\"}", 0, 10, "1 stale 3");
	range_is(&db, "abs(-x)", 0, 20, 10, "{a=\"1\"} 1@0 3@20\n");
	range_is(&db, "clamp(x, 0, 10 - time())", 0, 20, 10, "{a=\"1\"} 1@0\n");
	range_is(&db, "hour(x)", 0, 20, 10, "{a=\"1\"} 0@0 0@20\n");
	range_is(&db, "round(x, 2)", 0, 20, 10, "{a=\"1\"} 2@0 4@20\n");
	db_free(&db);
}

static void of_dates(void **state)
{
	static const struct expected cases[] = {
	    /* 2024-02-29 23:58:59 UTC, a Thursday. */
	    {"year()", "{} 2024@1709251139\n"},
	    {"month()", "{} 2@1709251139\n"},
	    {"day_of_month()", "{} 29@1709251139\n"},
	    {"day_of_week()", "{} 4@1709251139\n"},
	    {"day_of_year()", "{} 60@1709251139\n"},
	    {"days_in_month()", "{} 29@1709251139\n"},
	    {"hour()", "{} 23@1709251139\n"},
	    {"minute()", "{} 58@1709251139\n"},
	    {"minute(vector(time() + 61.9))", "{} 0@1709251139\n"},
	    {"month(vector(time() + 61))", "{} 3@1709251139\n"},
	    {"day_of_week(vector(0))", "{} 4@1709251139\n"},
	    {"day_of_week(vector(3 * 86400))", "{} 0@1709251139\n"},
	    {"day_of_week(vector(-86400))", "{} 3@1709251139\n"},
	    {"day_of_year(vector(-1))", "{} 365@1709251139\n"},
	    {"hour(vector(-1.5))", "{} 23@1709251139\n"},
	    {"days_in_month(vector(-86400))", "{} 31@1709251139\n"},
	    {"days_in_month(vector(31 * 86400))", "{} 28@1709251139\n"},
	    {"year(vector(-62135596801))", "{} 0@1709251139\n"},
	    {"year(vector(1e18))", "{} 31688740476@1709251139\n"},
	    {"minute(vector(1e18))", "{} 46@1709251139\n"},
	    {"day_of_year(vector(-1e18))", "{} 69@1709251139\n"},
	    /* What Go's clock says of no time. */
	    {"year(vector(NaN))", "{} 292277026596@1709251139\n"},
	    {"month(vector(+Inf))", "{} 12@1709251139\n"},
	    {"day_of_month(vector(-Inf))", "{} 4@1709251139\n"},
	    {"minute(vector(NaN))", "{} 30@1709251139\n"},
	    {"day_of_week(vector(NaN))", "{} 0@1709251139\n"},
	};
	struct db db;
	(void)state;
	db_init(&db);
	EACH_IS(&db, cases, 1709251139);
	range_is(&db, "minute()", 0, 120, 60, "{} 0@0 1@60 2@120\n");
	db_free(&db);
}

static void of_scalars(void **state)
{
	static const struct expected cases[] = {
	    {"time()", "{} 30.5@30.5\n"},
	    {"pi()", "{} 3.141592653589793@30.5\n"},
	    {"vector(2)", "{} 2@30.5\n"},
	    {"scalar(x{a=\"1\"})", "{} 1@30.5\n"},
	    {"scalar(x)", "{} NaN@30.5\n"},
	    {"scalar(none)", "{} NaN@30.5\n"},
	    {"min_of(2, time())", "{} 2@30.5\n"},
	    {"max_of(2, time())", "{} 30.5@30.5\n"},
	    {"max_of(NaN, +Inf)", "{} +Inf@30.5\n"},
	    {"min_of(-Inf, NaN)", "{} -Inf@30.5\n"},
	    {"max_of(NaN, -Inf)", "{} NaN@30.5\n"},
	    {"1 / max_of(-0, 0)", "{} +Inf@30.5\n"},
	    {"1 / min_of(0, -0)", "{} -Inf@30.5\n"},
	    {"start()", "{} 30.5@30.5\n"},
	    {"end()", "{} 30.5@30.5\n"},
	    {"step()", "{} 0@30.5\n"},
	    {"range()", "{} 0@30.5\n"},
	};
	struct db db;
	(void)state;
	db_init(&db);
	series(&db, "x{a=\"1\"}", 0, 10, "1 1 1 1");
	series(&db, "x{a=\"2\"}", 0, 10, "1 stale");
	series(&db, "x{a=\"3\"}", 20, 10, "3 4");
	EACH_IS(&db, cases, 30.5);
	range_is(&db, "scalar(x{a!=\"2\"})", 0, 30, 10, "{} 1@0 1@10 NaN@20 NaN@30\n");
	range_is(&db, "start() + 0 * time()", 10, 25, 10, "{} 10@10 10@20\n");
	range_is(&db, "end()", 10, 25, 10, "{} 25@10 25@20\n");
	range_is(&db, "step()", 10, 25, 10, "{} 10@10 10@20\n");
	range_is(&db, "range()", 10, 25, 10, "{} 15@10 15@20\n");
	/* They are the query's within a subquery, too. */
	range_is(&db, "sum_over_time(vector(start())[20s:10s])", 100, 120, 10, "{} 200@100 200@110 200@120\n");
	db_free(&db);
}

/* What Go 1.19 prints on amd64. */
static void last_digits_are_gos(void **state)
{
	(void)state;
	assert_true(go_exp(1) == 2.718281828459045 && go_exp(10) == 22026.465794806718);
	assert_true(go_exp(-1000) == 0 && go_exp(710) == INFINITY && go_exp(-INFINITY) == 0);
	assert_true(go_exp(-745) == 5e-324 && isnan(go_exp(NAN)));
	assert_true(go_log(1000) == 6.907755278982137 && go_log(0) == -INFINITY && isnan(go_log(-1)));
	assert_true(go_log2(1000) == 9.965784284662087 && go_log2(0.125) == -3);
	assert_true(go_log10(1e15) == 14.999999999999998 && go_log10(3) == 0.4771212547196624);
	assert_true(go_sin(1) == 0.8414709848078965);
	assert_true(go_sin(-100) == 0.5063656411097588);
	assert_true(go_sin(1e+09) == 0.5458434494486994);
	assert_true(go_sin(1e+300) == -0.8178819121159087);
	assert_true(go_cos(1) == 0.5403023058681398);
	assert_true(go_cos(3) == -0.9899924966004454);
	assert_true(go_cos(1e+22) == 0.5232147853951389);
	assert_true(go_tan(1) == 1.557407724654902);
	assert_true(go_tan(-1.5) == -14.101419947171719);
	assert_true(go_tan(1e+15) == -1.6724147821275832);
	assert_true(go_asin(0.5) == 0.5235987755982989);
	assert_true(go_asin(-0.9) == -1.1197695149986342);
	assert_true(go_acos(0.3) == 1.266103672779499);
	assert_true(go_atan(0.5) == 0.4636476090008061);
	assert_true(go_atan(1) == 0.7853981633974483);
	assert_true(go_atan(-10) == -1.4711276743037345);
	assert_true(go_sinh(0.3) == 0.3045202934471426);
	assert_true(go_sinh(-3) == -10.017874927409903);
	assert_true(go_sinh(30) == 5.34323729076223e+12);
	assert_true(go_cosh(3) == 10.067661995777765);
	assert_true(go_cosh(30) == 5.34323729076223e+12);
	assert_true(go_tanh(0.3) == 0.2913126124515909);
	assert_true(go_tanh(-0.7) == -0.6043677771171635);
	assert_true(go_tanh(50) == 1);
	assert_true(go_asinh(0.3) == 0.29567304756342244);
	assert_true(go_asinh(-5) == -2.3124383412727525);
	assert_true(go_asinh(1e+10) == 23.7189981105004);
	assert_true(go_acosh(1.5) == 0.9624236501192069);
	assert_true(go_acosh(5) == 2.2924316695611777);
	assert_true(go_acosh(1e+10) == 23.7189981105004);
	assert_true(go_atanh(0.3) == 0.30951960420311175);
	assert_true(go_atanh(-0.7) == -0.8673005276940531);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(of_a_number), cmocka_unit_test(they_keep_gaps_and_drop_names), cmocka_unit_test(of_dates),
	    cmocka_unit_test(of_scalars),  cmocka_unit_test(last_digits_are_gos),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
