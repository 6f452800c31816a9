/* Binary operators: numbers with vectors, vectors with vectors by all ways of matching, what a step lacks, what is filled in, sets; names that go and names that stay; and which rule is said to be broken, where several are. Wanted values are
 * what Prometheus's engine makes of the same (promql/engine.go: VectorBinop, VectorscalarBinop, VectorAnd, VectorOr, VectorUnless). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/answer.h"

/* d: two series that take turns. e: two that meet at the third step. n1, n2: one without its name, in turns. */
static const char *const data = "l{k=\"a\", z=\"1\"} 1 2 3 _ 5\n"
                                "l{k=\"b\", z=\"1\"} 10 20 _ 40 50\n"
                                "l{k=\"c\", z=\"1\"} 30 30 30 30 30\n"
                                "r{k=\"a\"} 100 200 300 400 _\n"
                                "r{k=\"b\"} 7 _ 7 7 7\n"
                                "r{k=\"d\"} 400 400 _ 400 400\n"
                                "d{k=\"a\", w=\"1\"} 1 1 _ _ _\n"
                                "d{k=\"a\", w=\"2\"} _ _ 2 2 _\n"
                                "e{k=\"a\", w=\"1\"} 1 1 1 _ _\n"
                                "e{k=\"a\", w=\"2\"} _ _ 2 2 _\n"
                                "n1{k=\"a\"} 1 _ 1 _ _\n"
                                "n2{k=\"a\"} _ 2 _ 2 _\n"
                                "m{k=\"a\", \"__type__\"=\"gauge\", \"__unit__\"=\"s\"} 1 1 1 1 1\n"
                                "late{k=\"q\"} _ _ _ _ 1\n"
                                "twice{w=\"1\"} 1 1 1 1 _\n"
                                "twice{w=\"2\"} 1 1 1 1 1";

#define CHECK_ALL(kind, asks) answer_check_all(data, kind, asks, sizeof(asks) / sizeof *(asks))

#define DUPLICATE(group, hand, x, y)                                                                                   \
	"error: found duplicate series for the match group " group " on the " hand " hand-side of the operation: [" x  \
	", " y "];many-to-many matching not allowed: matching labels must be "                                         \
	"unique on one side\n"
#define E1 "{__name__=\"e\", k=\"a\", w=\"1\"}"
#define E2 "{__name__=\"e\", k=\"a\", w=\"2\"}"

static void test_scalars(void **state)
{
	(void)state;
	static const struct ask asks[] = {
	    {"1 + 2 * 3 - 4 / 8", "{} 6.5 6.5 6.5 6.5 6.5\n"},
	    {"2 ^ 3 ^ 2 % 100", "{} 12 12 12 12 12\n"},
	    {"1 > bool 2", "{} 0 0 0 0 0\n"},
	    {"time() % 2 == bool 1", "{} 0 1 0 1 0\n"},
	};
	CHECK_ALL(ANSWER_RANGE, asks);
}

static void test_vector_and_scalar(void **state)
{
	(void)state;
	static const struct ask asks[] = {
	    {"d + 1", "{k=\"a\", w=\"1\"} 2 2 _ _ _\n{k=\"a\", w=\"2\"} _ _ 3 3 _\n"},
	    {"1 - d", "{k=\"a\", w=\"1\"} 0 0 _ _ _\n{k=\"a\", w=\"2\"} _ _ -1 -1 _\n"},
	    {"l > 5 < 40", "l{k=\"b\", z=\"1\"} 10 20 _ _ _\nl{k=\"c\", z=\"1\"} 30 30 30 30 30\n"},
	    {"40 > (5 < l)", "l{k=\"b\", z=\"1\"} 10 20 _ _ _\nl{k=\"c\", z=\"1\"} 30 30 30 30 30\n"},
	    {"l{k=\"a\"} >= bool 3", "{k=\"a\", z=\"1\"} 0 0 1 _ 1\n"},
	    {"3 >= bool l{k=\"a\"}", "{k=\"a\", z=\"1\"} 1 1 1 _ 0\n"},
	    {"l{k=\"a\"} > time()", "l{k=\"a\", z=\"1\"} 1 2 3 _ 5\n"},
	    {"time() + d", "{k=\"a\", w=\"1\"} 1 2 _ _ _\n{k=\"a\", w=\"2\"} _ _ 4 5 _\n"},
	    {"m * 2", "{k=\"a\"} 2 2 2 2 2\n"},
	    {"{__name__=~\"n.\"} * 2", "{k=\"a\"} 2 4 2 4 _\n"},
	    {"{__name__=~\"n.\"} > 0", "n1{k=\"a\"} 1 _ 1 _ _\nn2{k=\"a\"} _ 2 _ 2 _\n"},
	    {"{__name__=~\"n1|r\"} * 2", "error: vector cannot contain metrics with the same labelset\n"},
	};
	CHECK_ALL(ANSWER_RANGE, asks);
}

static void test_one_to_one(void **state)
{
	(void)state;
	static const struct ask asks[] = {
	    {"l + on (k) r", "{k=\"a\"} 101 202 303 _ _\n{k=\"b\"} 17 _ _ 47 57\n"},
	    {"l + ignoring (z) r", "{k=\"a\"} 101 202 303 _ _\n{k=\"b\"} 17 _ _ 47 57\n"},
	    {"l + r", ""},
	    {"l > ignoring (z) r", "l{k=\"b\"} 10 _ _ 40 50\n"},
	    {"l > on (k) r", "{k=\"b\"} 10 _ _ 40 50\n"},
	    {"l > bool on (k) r", "{k=\"a\"} 0 0 0 _ _\n{k=\"b\"} 1 _ _ 1 1\n"},
	    {"l > bool ignoring (z) r", "{k=\"a\"} 0 0 0 _ _\n{k=\"b\"} 1 _ _ 1 1\n"},
	    {"m / m", "{k=\"a\"} 1 1 1 1 1\n"},
	    {"m == m", "m{__type__=\"gauge\", __unit__=\"s\", k=\"a\"} 1 1 1 1 1\n"},
	    {"r{k=\"a\"} + on (__name__, k) r", "{k=\"a\"} 200 400 600 800 _\n"},
	    {"(n1 or r{k=\"a\"}) + on (__name__, k) (n1 or r)", "{k=\"a\"} 2 400 2 800 _\n"},
	    /* Partners take turns. */
	    {"l * on (k) d", "{k=\"a\"} 1 2 6 _ _\n"},
	    {"d * on (k) l", "{k=\"a\"} 1 2 6 _ _\n"},
	    {"(n1 or n2) + r", "{k=\"a\"} 101 202 301 402 _\n"},
	    {"(n1 or n2) < r", "n1{k=\"a\"} 1 _ 1 _ _\nn2{k=\"a\"} _ 2 _ 2 _\n"},
	    {"(n1 or n2) < on (k) r", "{k=\"a\"} 1 2 1 2 _\n"},
	    {"r > (n1 or n2)", "r{k=\"a\"} 100 200 300 400 _\n"},
	};
	CHECK_ALL(ANSWER_RANGE, asks);
}

static void test_grouped(void **state)
{
	(void)state;
	static const struct ask asks[] = {
	    {"l * on (k) group_left r", "{k=\"a\", z=\"1\"} 100 400 900 _ _\n{k=\"b\", z=\"1\"} 70 _ _ 280 350\n"},
	    {"r / on (k) group_right l", "{k=\"a\", z=\"1\"} 100 100 100 _ _\n{k=\"b\", z=\"1\"} 0.7 _ _ 0.175 0.14\n"},
	    {"l * on (k) group_left (w) d",
	     "{k=\"a\", w=\"1\", z=\"1\"} 1 2 _ _ _\n{k=\"a\", w=\"2\", z=\"1\"} _ _ 6 _ _\n"},
	    {"d * on (k) group_right (w) l",
	     "{k=\"a\", w=\"1\", z=\"1\"} 1 2 _ _ _\n{k=\"a\", w=\"2\", z=\"1\"} _ _ 6 _ _\n"},
	    {"l * on (k) group_left d", "{k=\"a\", z=\"1\"} 1 2 6 _ _\n"},
	    {"l < ignoring (z) group_left r", "l{k=\"a\", z=\"1\"} 1 2 3 _ _\n"},
	    {"r > ignoring (z) group_right l", "l{k=\"a\", z=\"1\"} 100 200 300 _ _\n"},
	    {"e <= on (k) group_left l", "e{k=\"a\", w=\"1\"} 1 1 1 _ _\ne{k=\"a\", w=\"2\"} _ _ 2 _ _\n"},
	    {"d + on (k) group_left (__name__) r",
	     "r{k=\"a\", w=\"1\"} 101 201 _ _ _\nr{k=\"a\", w=\"2\"} _ _ 302 402 _\n"},
	    {"d < bool on (k) group_left (__name__) r", "{k=\"a\", w=\"1\"} 1 1 _ _ _\n{k=\"a\", w=\"2\"} _ _ 1 1 _\n"},
	    /* What the other side lacks is taken away; empty. */
	    {"d + on (k) group_left (w) n1", "{k=\"a\"} 2 _ 3 _ _\n"},
	    {"d - on (k) group_left (z) l",
	     "{k=\"a\", w=\"1\", z=\"1\"} 0 -1 _ _ _\n{k=\"a\", w=\"2\", z=\"1\"} _ _ -1 _ _\n"},
	};
	CHECK_ALL(ANSWER_RANGE, asks);
}

static void test_filled(void **state)
{
	(void)state;
	static const struct ask asks[] = {
	    {"l + on (k) fill (0) r", "{k=\"a\"} 101 202 303 400 5\n{k=\"b\"} 17 20 7 47 57\n"
	                              "{k=\"c\"} 30 30 30 30 30\n{k=\"d\"} 400 400 _ 400 400\n"},
	    {"l + on (k) fill_left (0) r",
	     "{k=\"a\"} 101 202 303 400 _\n{k=\"b\"} 17 _ 7 47 57\n{k=\"d\"} 400 400 _ 400 400\n"},
	    {"l + on (k) fill_right (0) r",
	     "{k=\"a\"} 101 202 303 _ 5\n{k=\"b\"} 17 20 _ 47 57\n{k=\"c\"} 30 30 30 30 30\n"},
	    {"l - on (k) fill_left (1) fill_right (2) late",
	     "{k=\"a\"} -1 0 1 _ 3\n{k=\"b\"} 8 18 _ 38 48\n{k=\"c\"} 28 28 28 28 28\n{k=\"q\"} _ _ _ _ 0\n"},
	    /* A filled series has no name. */
	    {"l < ignoring (z) fill (25) r",
	     "l{k=\"a\"} 1 2 3 _ 5\nl{k=\"b\"} _ 20 _ _ _\n{k=\"a\"} _ _ _ 25 _\n{k=\"d\"} 25 25 _ 25 25\n"},
	    /* fill_left fills the many side, whichever it is. */
	    {"r * on (k) group_right fill_left (1) l",
	     "{k=\"a\"} _ _ _ 400 _\n{k=\"a\", z=\"1\"} 100 400 900 _ _\n{k=\"b\"} _ _ 7 _ _\n"
	     "{k=\"b\", z=\"1\"} 70 _ _ 280 350\n{k=\"d\"} 400 400 _ 400 400\n"},
	    {"r * on (k) group_right fill_right (1) l", "{k=\"a\", z=\"1\"} 100 400 900 _ 5\n{k=\"b\", z=\"1\"} 70 20 "
	                                                "_ 280 350\n{k=\"c\", z=\"1\"} 30 30 30 30 30\n"},
	    /* What is filled has no labels to take. */
	    {"l * on (k) group_left (w) fill (7) d", "{k=\"a\", w=\"1\", z=\"1\"} 1 2 _ _ _\n"
	                                             "{k=\"a\", w=\"2\"} _ _ _ 14 _\n"
	                                             "{k=\"a\", w=\"2\", z=\"1\"} _ _ 6 _ _\n"
	                                             "{k=\"a\", z=\"1\"} _ _ _ _ 35\n"
	                                             "{k=\"b\", z=\"1\"} 70 140 _ 280 350\n"
	                                             "{k=\"c\", z=\"1\"} 210 210 210 210 210\n"},
	    {"l + on (k) fill (NaN) nothing",
	     "{k=\"a\"} NaN NaN NaN _ NaN\n{k=\"b\"} NaN NaN _ NaN NaN\n{k=\"c\"} NaN NaN NaN NaN NaN\n"},
	    {"nothing + on (k) fill_right (1) r", ""},
	};
	CHECK_ALL(ANSWER_RANGE, asks);
}

static void test_sets(void **state)
{
	(void)state;
	static const struct ask asks[] = {
	    {"l and on (k) r", "l{k=\"a\", z=\"1\"} 1 2 3 _ _\nl{k=\"b\", z=\"1\"} 10 _ _ 40 50\n"},
	    {"l and ignoring (z) r", "l{k=\"a\", z=\"1\"} 1 2 3 _ _\nl{k=\"b\", z=\"1\"} 10 _ _ 40 50\n"},
	    {"l and on () n1",
	     "l{k=\"a\", z=\"1\"} 1 _ 3 _ _\nl{k=\"b\", z=\"1\"} 10 _ _ _ _\nl{k=\"c\", z=\"1\"} 30 _ 30 _ _\n"},
	    {"l and nothing", ""},
	    {"nothing and l", ""},
	    {"l unless on (k) r",
	     "l{k=\"a\", z=\"1\"} _ _ _ _ 5\nl{k=\"b\", z=\"1\"} _ 20 _ _ _\nl{k=\"c\", z=\"1\"} 30 30 30 30 30\n"},
	    {"d unless nothing", "d{k=\"a\", w=\"1\"} 1 1 _ _ _\nd{k=\"a\", w=\"2\"} _ _ 2 2 _\n"},
	    {"r or on (k) l",
	     "l{k=\"a\", z=\"1\"} _ _ _ _ 5\nl{k=\"b\", z=\"1\"} _ 20 _ _ _\nl{k=\"c\", z=\"1\"} 30 30 30 30 30\n"
	     "r{k=\"a\"} 100 200 300 400 _\nr{k=\"b\"} 7 _ 7 7 7\nr{k=\"d\"} 400 400 _ 400 400\n"},
	    /* A series that is on both sides is one. */
	    {"l > 5 or l",
	     "l{k=\"a\", z=\"1\"} 1 2 3 _ 5\nl{k=\"b\", z=\"1\"} 10 20 _ 40 50\nl{k=\"c\", z=\"1\"} 30 30 30 30 30\n"},
	    /* It is kept out by another one with its signature. */
	    {"d or on (k) d{w=\"1\"} + 1", "d{k=\"a\", w=\"1\"} 1 1 _ _ _\nd{k=\"a\", w=\"2\"} _ _ 2 2 _\n"},
	    {"-n1 or -n2", "{k=\"a\"} -1 -2 -1 -2 _\n"},
	    {"nothing or n1", "n1{k=\"a\"} 1 _ 1 _ _\n"},
	    {"n1 or nothing", "n1{k=\"a\"} 1 _ 1 _ _\n"},
	};
	CHECK_ALL(ANSWER_RANGE, asks);
}

static void test_broken_rules(void **state)
{
	(void)state;
	static const struct ask asks[] = {
	    {"l * on (k) e", DUPLICATE("{k=\"a\"}", "right", E1, E2)},
	    {"l * on (k) group_left (w) e", DUPLICATE("{k=\"a\"}", "right", E1, E2)},
	    {"e * on (k) group_right (w) l", DUPLICATE("{k=\"a\"}", "left", E1, E2)},
	    {"l * on (nothing) group_left e", DUPLICATE("{}", "right", E1, E2)},
	    /* What the first step breaks comes before what the third one does. */
	    {"l * on (nothing) e",
	     "error: multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)\n"},
	    {"e + on (k) (l or twice)",
	     DUPLICATE("{}", "right", "{__name__=\"twice\", w=\"1\"}", "{__name__=\"twice\", w=\"2\"}")},
	    /* Whatever is on the other side is looked at together with the duplicates, also if it is no partner; at a step where it has nothing, they are not looked at. */
	    {"late * on (k) e", ""},
	    {"late * on (k) twice", ""},
	    {"r * on (k) twice",
	     DUPLICATE("{}", "right", "{__name__=\"twice\", w=\"1\"}", "{__name__=\"twice\", w=\"2\"}")},
	    {"late * on (k) fill (1) twice",
	     DUPLICATE("{}", "right", "{__name__=\"twice\", w=\"1\"}", "{__name__=\"twice\", w=\"2\"}")},
	    {"e * on (k) l",
	     "error: multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)\n"},
	    {"e > on (k) l",
	     "error: multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)\n"},
	    {"e + on (k) fill_right (1) late",
	     "error: multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)\n"},
	    {"e > on (k) group_left (w) l",
	     "error: multiple matches for labels: grouping labels must ensure unique matches\n"},
	    {"twice + on (k) nothing", ""},
	    {"(e > on (k) l) unless (l * on (k) e)",
	     "error: multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)\n"},
	    {"l and (l * on (k) e)", DUPLICATE("{k=\"a\"}", "right", E1, E2)},
	    {"{__name__=~\"n1|r\"} + on (__name__, k) {__name__=~\"n1|r\"}",
	     "error: vector cannot contain metrics with the same labelset\n"},
	};
	CHECK_ALL(ANSWER_RANGE, asks);
}

static void test_instants(void **state)
{
	(void)state;
	static const struct ask asks[] = {
	    {"l > 5 or l", "l{k=\"b\", z=\"1\"} 10\nl{k=\"c\", z=\"1\"} 30\nl{k=\"a\", z=\"1\"} 1\n"},
	    {"topk(3, l) * 2", "{k=\"c\", z=\"1\"} 60\n{k=\"b\", z=\"1\"} 20\n{k=\"a\", z=\"1\"} 2\n"},
	    {"topk(3, l) * on (k) r", "{k=\"b\"} 70\n{k=\"a\"} 100\n"},
	    {"topk(3, l) unless on (k) d", "l{k=\"c\", z=\"1\"} 30\nl{k=\"b\", z=\"1\"} 10\n"},
	    {"e * on (k) d", "{k=\"a\"} 1\n"},
	};
	CHECK_ALL(ANSWER_INSTANT, asks);
}

static void test_delayed_names(void **state)
{
	(void)state;
	static const struct ask asks[] = {
	    {"sum by (__name__) (n1 * 2)", "{} 2 _ 2 _ _\n"},
	    {"count by (__name__) (n1 * r)", "{} 1 _ 1 _ _\n"},
	    {"{__name__=~\"n.\"} * 2", "{k=\"a\"} 2 4 2 4 _\n"},
	    {"n1 <= bool r", "{k=\"a\"} 1 _ 1 _ _\n"},
	    {"count by (__name__) (n1 <= bool r)", "{} 1 _ 1 _ _\n"},
	    {"-n1 <= r", "n1{k=\"a\"} -1 _ -1 _ _\n"},
	    {"-n1 <= 1", "{k=\"a\"} -1 _ -1 _ _\n"},
	    {"-n1 or -n2", "{k=\"a\"} -1 -2 -1 -2 _\n"},
	};
	CHECK_ALL(ANSWER_DELAYED, asks);
}

static void test_without_memory(void **state)
{
	(void)state;
	struct answer a;
	answer_load(&a, data);
	answer_without_memory(&a, ANSWER_RANGE, "l * on (k) group_left (w) d",
	                      "{k=\"a\", w=\"1\", z=\"1\"} 1 2 _ _ _\n{k=\"a\", w=\"2\", z=\"1\"} _ _ 6 _ _\n");
	answer_without_memory(&a, ANSWER_RANGE, "l * on (k) d", "{k=\"a\"} 1 2 6 _ _\n");
	answer_without_memory(&a, ANSWER_RANGE, "l * on (k) e", DUPLICATE("{k=\"a\"}", "right", E1, E2));
	answer_without_memory(&a, ANSWER_RANGE, "-n1 or -n2", "{k=\"a\"} -1 -2 -1 -2 _\n");
	answer_without_memory(&a, ANSWER_RANGE, "l{k=\"a\"} * 2 unless on (k) late > bool 1 + 1",
	                      "{k=\"a\", z=\"1\"} 2 4 6 _ 10\n");
	answer_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_scalars),       cmocka_unit_test(test_vector_and_scalar),
	    cmocka_unit_test(test_one_to_one),    cmocka_unit_test(test_grouped),
	    cmocka_unit_test(test_filled),        cmocka_unit_test(test_sets),
	    cmocka_unit_test(test_broken_rules),  cmocka_unit_test(test_instants),
	    cmocka_unit_test(test_delayed_names), cmocka_unit_test(test_without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
