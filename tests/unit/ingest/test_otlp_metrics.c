/* OTLP metrics of Protocol Buffers: what each kind of data point becomes. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "otlp.h"

#define START_NS UINT64_C(1700000000000000000)
#define TIME_NS UINT64_C(1700000015123456789)

/* ---- points ---- */

static struct buf number(double v, struct buf attributes)
{
	struct buf b = {0};
	put_fixed(&b, 2, START_NS);
	put_fixed(&b, 3, TIME_NS);
	put_double(&b, 4, v);
	buf_slice_append(&b, buf_slice(&attributes));
	buf_free(&attributes);
	return b;
}

/* Attributes of a number's point, from pairs that end in NULL. */
static struct buf pairs(const char *first, ...)
{
	struct buf b = {0};
	va_list args;
	va_start(args, first);
	for (const char *key = first; key != NULL; key = va_arg(args, const char *))
		put_message(&b, 7, text_attribute(key, va_arg(args, const char *)));
	va_end(args);
	return b;
}

static struct buf one(struct buf point)
{
	struct buf b = {0};
	put_message(&b, 1, point);
	return b;
}

static struct buf metrics_of(struct buf m)
{
	struct buf b = {0};
	put_message(&b, 2, m);
	return b;
}

static struct buf no_resource(void)
{
	return (struct buf){0};
}

static struct buf service(void)
{
	struct buf b = {0};
	put_message(&b, 1, text_attribute("service.name", "agent"));
	put_message(&b, 1, text_attribute("service.namespace", "shop"));
	put_message(&b, 1, text_attribute("service.instance.id", "i-1"));
	return b;
}

/* ---- gauges and sums ---- */

static void gauges(void **state)
{
	(void)state;
	gives(body_of(no_resource(), metrics_of(metric("queue.depth", "", GAUGE,
	                                               one(number(7, pairs("queue", "main", NULL))), 0, false))),
	      "queue_depth type 2, \"what it is\", \n"
	      "queue_depth{queue=\"main\"} 7 @1700000015123\n");
	gives(body_of(service(), metrics_of(metric("cpu", "1", GAUGE, one(number(0.25, pairs(NULL, NULL))), 0, false))),
	      "cpu_ratio type 2, \"what it is\", \n"
	      "cpu_ratio{instance=\"i-1\", job=\"shop/agent\"} 0.25 @1700000015123\n");
}

static void sums(void **state)
{
	(void)state;
	gives(body_of(no_resource(), metrics_of(metric("calls", "{call}", SUM,
	                                               one(number(3, pairs("tool.name", "search", "ok", "yes", NULL))),
	                                               CUMULATIVE, true))),
	      "calls_total type 1, \"what it is\", \n"
	      "calls_total{ok=\"yes\", tool_name=\"search\"} 3 @1700000015123 from 1700000000000\n");
	gives(body_of(no_resource(),
	              metrics_of(metric("calls", "", SUM, one(number(3, pairs(NULL, NULL))), DELTA, true))),
	      "calls_total type 1, \"what it is\", \n"
	      "calls_total 3 @1700000015123 from 1700000000000 delta\n");
	gives(body_of(no_resource(),
	              metrics_of(metric("heap", "By", SUM, one(number(3, pairs(NULL, NULL))), CUMULATIVE, false))),
	      "heap_bytes type 2, \"what it is\", bytes\n"
	      "heap_bytes 3 @1700000015123 from 1700000000000\n");
}

/* Increments of one series at one time are one: two scopes may count under one name. What is cumulative stays two, of which the store takes one. */
static void joined(void **state)
{
	struct buf points = {0}, early = {0}, metrics, b = {0}, all = {0}, scope = {0};
	(void)state;
	put_fixed(&early, 2, START_NS - 5000000);
	put_fixed(&early, 3, TIME_NS);
	put_double(&early, 4, 4);
	put_message(&points, 1, number(3, pairs(NULL, NULL)));
	metrics = metrics_of(metric("calls", "", SUM, points, DELTA, true));
	points = (struct buf){0};
	put_message(&points, 1, number(9, pairs("k", "v", NULL)));
	put_message(&points, 1, early);
	put_message(&scope, 2, metric("calls", "", SUM, points, DELTA, true));
	put_slice(&all, 2, buf_slice(&metrics));
	put_message(&all, 2, scope);
	put_message(&b, 1, all);
	buf_free(&metrics);
	gives(b, "calls_total type 1, \"what it is\", \n"
	         "calls_total type 1, \"what it is\", \n"
	         "calls_total 7 @1700000015123 from 1699999999995 delta\n"
	         "calls_total{k=\"v\"} 9 @1700000015123 from 1700000000000 delta\n");
	points = (struct buf){0};
	put_message(&points, 1, number(3, pairs(NULL, NULL)));
	put_message(&points, 1, number(4, pairs(NULL, NULL)));
	gives(body_of(no_resource(), metrics_of(metric("calls", "", SUM, points, CUMULATIVE, true))),
	      "calls_total type 1, \"what it is\", \n"
	      "calls_total 3 @1700000015123 from 1700000000000\n"
	      "calls_total 4 @1700000015123 from 1700000000000\n");
}

/* Integers are signed, and exact as far as a double is. */
static void integers(void **state)
{
	(void)state;
	struct buf points = {0}, a = {0}, b = {0};
	put_fixed(&a, 3, TIME_NS);
	put_fixed(&a, 6, (uint64_t)-5);
	put_message(&points, 1, a);
	put_fixed(&b, 6, UINT64_C(1) << 53);
	put_fixed(&b, 3, TIME_NS);
	put_message(&b, 7, text_attribute("b", "1"));
	put_message(&points, 1, b);
	gives(body_of(no_resource(), metrics_of(metric("n", "", GAUGE, points, 0, false))),
	      "n type 2, \"what it is\", \n"
	      "n -5 @1700000015123\n"
	      "n{b=\"1\"} 9007199254740992 @1700000015123\n");
}

/* ---- attributes ---- */

static struct buf list_value(struct buf a, struct buf b)
{
	struct buf list = {0}, v = {0};
	put_message(&list, 1, a);
	put_message(&list, 1, b);
	put_message(&v, 5, list);
	return v;
}

static void values(void **state)
{
	struct buf at = {0}, truth = {0}, half = {0}, nan = {0}, bytes = {0}, map = {0}, pair = {0}, none = {0};
	(void)state;
	put_int(&truth, 2, 1);
	put_double(&half, 4, 0.5);
	put_double(&nan, 4, NAN);
	put_text(&bytes, 7, "\x01\xff!!");
	put_message(&pair, 1, attribute("k \"1\"", list_value(int_value(1), int_value(-2))));
	put_message(&pair, 1, attribute("k2", none));
	put_message(&map, 6, pair);
	put_message(&at, 7, attribute("bool", truth));
	put_message(&at, 7, attribute("bytes", bytes));
	put_message(&at, 7, attribute("double", half));
	put_message(&at, 7, attribute("empty", none));
	put_message(&at, 7, attribute("int", int_value(-9223372036854775807 - 1)));
	put_message(&at, 7, attribute("list", list_value(text_value("a<b"), list_value(nan, int_value(3)))));
	put_message(&at, 7, attribute("map", map));
	gives(body_of(no_resource(), metrics_of(metric("m", "", GAUGE, one(number(1, at)), 0, false))),
	      "m type 2, \"what it is\", \n"
	      "m{bool=\"true\", bytes=\"Af8hIQ==\", double=\"0.5\", int=\"-9223372036854775808\", "
	      "list=\"[\\\"a\\\\u003cb\\\",[\\\"NaN\\\",3]]\", map=\"{\\\"k "
	      "\\\\\\\"1\\\\\\\"\\\":[1,-2],\\\"k2\\\":null}\"} "
	      "1 @1700000015123\n");
}

/* Attributes whose names become the same are joined in order of their keys; those with a name of ours give way. */
static void collisions(void **state)
{
	struct buf points = {0};
	(void)state;
	for (int i = 0; i < 2; i++) /* the second one meets the same keys again */
		put_message(&points, 1,
		            number(i, pairs("a_b", "third", "a.b", "first", "z", "z", "a/b", "second", "job", "theirs",
		                            "__name__", "x", "Z", "", NULL)));
	put_message(&points, 1, number(2, pairs("a.b", "1", "z", "", NULL)));
	put_message(&points, 1, number(3, pairs("a.b", "", "z", "2", NULL)));
	gives(body_of(service(), metrics_of(metric("m", "", GAUGE, points, 0, false))),
	      "m type 2, \"what it is\", \n"
	      "m{a_b=\"first;second;third\", instance=\"i-1\", job=\"shop/agent\", z=\"z\"} 0 @1700000015123\n"
	      "m{a_b=\"first;second;third\", instance=\"i-1\", job=\"shop/agent\", z=\"z\"} 1 @1700000015123\n"
	      "m{a_b=\"1\", instance=\"i-1\", job=\"shop/agent\"} 2 @1700000015123\n"
	      "m{instance=\"i-1\", job=\"shop/agent\", z=\"2\"} 3 @1700000015123\n");
}

static void target_info(void **state)
{
	struct buf r = service(), points = {0}, late = {0};
	(void)state;
	put_message(&r, 1, text_attribute("host.name", "box-1"));
	put_message(&r, 1, attribute("process.pid", int_value(9590)));
	put_message(&points, 1, number(1, pairs(NULL, NULL)));
	put_fixed(&late, 3, TIME_NS + 2000000);
	put_double(&late, 4, 1);
	put_message(&late, 7, text_attribute("a", "b"));
	put_message(&points, 1, late);
	gives(body_of(r, metrics_of(metric("m", "", GAUGE, points, 0, false))),
	      "m type 2, \"what it is\", \n"
	      "target_info type 2, \"Target metadata\", \n"
	      "m{instance=\"i-1\", job=\"shop/agent\"} 1 @1700000015123\n"
	      "m{a=\"b\", instance=\"i-1\", job=\"shop/agent\"} 1 @1700000015125\n"
	      "target_info{host_name=\"box-1\", instance=\"i-1\", job=\"shop/agent\", process_pid=\"9590\"} 1 "
	      "@1700000015125\n");
	struct buf unnamed = {0};
	put_message(&unnamed, 1, text_attribute("host.name", "box-1"));
	gives(body_of(unnamed, metrics_of(metric("m", "", GAUGE, one(number(1, pairs(NULL, NULL))), 0, false))),
	      "m type 2, \"what it is\", \n"
	      "m 1 @1700000015123\n");
}

/* ---- histograms ---- */

static void put_packed(struct buf *b, uint32_t field, const double *v, size_t count)
{
	struct buf list = {0}, one_of = {0};
	for (size_t i = 0; i < count; i++) {
		put_double(&one_of, 1, v[i]);
		buf_append(&list, one_of.ptr + 1, 8);
		buf_reset(&one_of);
	}
	put_message(b, field, list);
	buf_free(&one_of);
}

static struct buf exemplar(double v, const char *trace_id)
{
	struct buf b = {0};
	put_fixed(&b, 2, TIME_NS - 1000000000);
	put_double(&b, 3, v);
	put_slice(&b, 4, slice_new("\x01\x02\x03\x04\x05\x06\x07\x08", 8));
	put_text(&b, 5, trace_id);
	put_message(&b, 7, text_attribute("user.id", "ann"));
	return b;
}

/* Bounds 0.5, 1 and 2500000; counts one a field. */
static struct buf histogram(uint64_t flags, size_t bounds, size_t counts)
{
	static const double bound[] = {0.5, 1, 2500000, INFINITY};
	struct buf b = {0};
	put_fixed(&b, 2, START_NS);
	put_fixed(&b, 3, TIME_NS);
	put_fixed(&b, 4, 10);
	put_double(&b, 5, 137.5);
	for (uint64_t i = 0; i < counts; i++)
		put_fixed(&b, 6, i + 1);
	put_packed(&b, 7, bound, bounds);
	put_message(&b, 9, text_attribute("route", "/chat"));
	put_message(&b, 9, text_attribute("le", "theirs"));
	if (flags != 0)
		put_int(&b, 10, flags);
	return b;
}

static void histograms(void **state)
{
	struct buf point = histogram(0, 3, 4);
	(void)state;
	put_message(&point, 8, exemplar(3e6, "0123456789abcdef"));
	put_message(&point, 8, exemplar(0.75, "0123456789abcdef"));
	put_message(&point, 8, exemplar(1, "short"));
	gives(body_of(no_resource(), metrics_of(metric("lat", "s", HISTOGRAM, one(point), DELTA, false))),
	      "lat_seconds type 3, \"what it is\", seconds\n"
	      "lat_seconds_bucket{le=\"0.5\", route=\"/chat\"} 1 @1700000015123 from 1700000000000 delta\n"
	      "lat_seconds_bucket{le=\"1\", route=\"/chat\"} 3 @1700000015123 from 1700000000000 delta # "
	      "{span_id=\"0102030405060708\", trace_id=\"30313233343536373839616263646566\", user_id=\"ann\"} 0.75 "
	      "@1700000014123 # {span_id=\"0102030405060708\", user_id=\"ann\"} 1 @1700000014123\n"
	      "lat_seconds_bucket{le=\"2500000\", route=\"/chat\"} 6 @1700000015123 from 1700000000000 delta\n"
	      "lat_seconds_bucket{le=\"+Inf\", route=\"/chat\"} 10 @1700000015123 from 1700000000000 delta # "
	      "{span_id=\"0102030405060708\", trace_id=\"30313233343536373839616263646566\", user_id=\"ann\"} 3000000 "
	      "@1700000014123\n"
	      "lat_seconds_count{route=\"/chat\"} 10 @1700000015123 from 1700000000000 delta\n"
	      "lat_seconds_sum{route=\"/chat\"} 137.5 @1700000015123 from 1700000000000 delta\n");
	/* A last bound of +Inf is the one that is there anyway; no buckets are none. */
	gives(
	    body_of(no_resource(), metrics_of(metric("h", "", HISTOGRAM, one(histogram(0, 4, 5)), CUMULATIVE, false))),
	    "h type 3, \"what it is\", \n"
	    "h_bucket{le=\"0.5\", route=\"/chat\"} 1 @1700000015123 from 1700000000000\n"
	    "h_bucket{le=\"1\", route=\"/chat\"} 3 @1700000015123 from 1700000000000\n"
	    "h_bucket{le=\"2500000\", route=\"/chat\"} 6 @1700000015123 from 1700000000000\n"
	    "h_bucket{le=\"+Inf\", route=\"/chat\"} 10 @1700000015123 from 1700000000000\n"
	    "h_count{route=\"/chat\"} 10 @1700000015123 from 1700000000000\n"
	    "h_sum{route=\"/chat\"} 137.5 @1700000015123 from 1700000000000\n");
	gives(
	    body_of(no_resource(), metrics_of(metric("h", "", HISTOGRAM, one(histogram(0, 0, 0)), CUMULATIVE, false))),
	    "h type 3, \"what it is\", \n"
	    "h_bucket{le=\"+Inf\", route=\"/chat\"} 10 @1700000015123 from 1700000000000\n"
	    "h_count{route=\"/chat\"} 10 @1700000015123 from 1700000000000\n"
	    "h_sum{route=\"/chat\"} 137.5 @1700000015123 from 1700000000000\n");
}

static void no_recorded_value(void **state)
{
	(void)state;
	gives(body_of(no_resource(), metrics_of(metric("h", "", HISTOGRAM, one(histogram(1, 2, 0)), DELTA, false))),
	      "h type 3, \"what it is\", \n"
	      "h_bucket{le=\"0.5\", route=\"/chat\"} stale @1700000015123 from 1700000000000\n"
	      "h_bucket{le=\"1\", route=\"/chat\"} stale @1700000015123 from 1700000000000\n"
	      "h_bucket{le=\"+Inf\", route=\"/chat\"} stale @1700000015123 from 1700000000000\n"
	      "h_count{route=\"/chat\"} stale @1700000015123 from 1700000000000\n"
	      "h_sum{route=\"/chat\"} stale @1700000015123 from 1700000000000\n");
	struct buf point = {0};
	put_fixed(&point, 3, TIME_NS);
	put_int(&point, 8, 1);
	gives(body_of(no_resource(), metrics_of(metric("g", "", GAUGE, one(point), 0, false))),
	      "g type 2, \"what it is\", \n"
	      "g stale @1700000015123\n");
}

/* ---- summaries ---- */

static void summaries(void **state)
{
	struct buf point = {0}, a = {0}, b = {0};
	(void)state;
	put_fixed(&point, 2, START_NS);
	put_fixed(&point, 3, TIME_NS);
	put_fixed(&point, 4, 4);
	put_double(&point, 5, 8.5);
	put_double(&a, 1, 0.5);
	put_double(&a, 2, 2);
	put_message(&point, 6, a);
	put_double(&b, 1, 1);
	put_double(&b, 2, 3);
	put_message(&point, 6, b);
	gives(body_of(no_resource(), metrics_of(metric("s", "ms", SUMMARY, one(point), 0, false))),
	      "s_milliseconds type 5, \"what it is\", milliseconds\n"
	      "s_milliseconds{quantile=\"0.5\"} 2 @1700000015123 from 1700000000000\n"
	      "s_milliseconds{quantile=\"1\"} 3 @1700000015123 from 1700000000000\n"
	      "s_milliseconds_count 4 @1700000015123 from 1700000000000\n"
	      "s_milliseconds_sum 8.5 @1700000015123 from 1700000000000\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gauges),      cmocka_unit_test(sums),       cmocka_unit_test(integers),
	    cmocka_unit_test(joined),      cmocka_unit_test(values),     cmocka_unit_test(collisions),
	    cmocka_unit_test(target_info), cmocka_unit_test(histograms), cmocka_unit_test(no_recorded_value),
	    cmocka_unit_test(summaries),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
