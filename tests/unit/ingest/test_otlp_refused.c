/* What of OTLP metrics is refused: points by themselves, bodies as a whole; limits, and memory that is not there. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fault.h"
#include "otlp.h"

#define TIME_NS UINT64_C(1700000015123456789)

static struct buf number(const char *key, const char *value)
{
	struct buf b = {0};
	put_fixed(&b, 3, TIME_NS);
	put_double(&b, 4, 1);
	if (key != NULL)
		put_message(&b, 7, text_attribute(key, value));
	return b;
}

/* A body of one metric and a point of it that is taken, behind the one that may not be. */
static struct buf body(const char *name, uint32_t kind, struct buf point, int temporality, struct buf fine)
{
	struct buf points = {0}, metrics = {0}, none = {0};
	put_message(&points, 1, point);
	put_message(&points, 1, fine);
	put_message(&metrics, 2, metric(name, "", kind, points, temporality, false));
	return body_of(none, metrics);
}

static void refuses(struct buf bytes, uint32_t points, const char *why)
{
	struct decoded d = decode(ingest_otlp_metrics_protobuf, buf_slice(&bytes));
	assert_int_equal(d.code, 0);
	if (d.rejects.points != points)
		fail_msg("%u points, want %u, of %s", (unsigned)d.rejects.points, points, why);
	assert_int_equal(d.rejects.count, points);
	if (strncmp(d.rejects.items[0].text.ptr, "resourceMetrics[0].scopeMetrics[0].metrics[0].dataPoints[0], ", 61) !=
	        0 ||
	    strstr(d.rejects.items[0].text.ptr, why) == NULL)
		fail_msg("%s, want %s", d.rejects.items[0].text.ptr, why);
	for (uint32_t i = 0; i < points; i++)
		assert_int_equal(d.rejects.items[i].index, i);
	assert_int_equal(d.batch->series_count > 0, points == 1);
	done(&d);
	buf_free(&bytes);
}

static struct buf nested(int depth)
{
	struct buf v = int_value(1);
	for (int i = 0; i < depth; i++) {
		struct buf list = {0}, outer = {0};
		put_message(&list, 1, v);
		put_message(&outer, 5, list);
		v = outer;
	}
	return v;
}

static void numbers(void **state)
{
	struct buf no_time = {0}, no_value = {0}, deep = {0}, many = {0};
	char name[4100];
	(void)state;
	put_double(&no_time, 4, 1);
	refuses(body("m", GAUGE, no_time, 0, number(NULL, NULL)), 1, ", m: it has no time");
	put_fixed(&no_value, 3, TIME_NS);
	refuses(body("m", GAUGE, no_value, 0, number(NULL, NULL)), 1, ", m: it has no value");
	refuses(body("", GAUGE, number(NULL, NULL), 0, number("a", "b")), 2, "the metric has no name");
	refuses(body("@", GAUGE, number(NULL, NULL), 0, number("a", "b")), 2, "a name that none of Prometheus can be");
	refuses(body("m\xff", SUM, number(NULL, NULL), 0, number("a", "b")), 2,
	        ", ?: its aggregationTemporality is nei");
	refuses(body("m", SUM, number(NULL, NULL), 3, number("a", "b")), 2, "its aggregationTemporality is neither");
	refuses(body("m", GAUGE, number("a", "\xff"), 0, number(NULL, NULL)), 1, "\"a\" has a value that is not UTF-8");
	refuses(body("m", GAUGE, number("", "x"), 0, number(NULL, NULL)), 1, "a key that no label's name can be made");
	refuses(body("m", GAUGE, number("\xff\xfe", "x"), 0, number(NULL, NULL)), 1,
	        "whose key is not UTF-8 has a key");
	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	refuses(body(name, GAUGE, number(NULL, NULL), 0, number("a", "b")), 2, "name and unit have more than 4000");
	refuses(body("m", GAUGE, number("a", name), 0, number(NULL, NULL)), 1, "a value of more than 4096 bytes");
	name[1025] = '\0';
	refuses(body("m", GAUGE, number(name, "b"), 0, number(NULL, NULL)), 1, "a name of more than 1024 bytes");
	name[0] = '.';
	refuses(body("m", GAUGE, number(name, "b"), 0, number(NULL, NULL)), 1, "a key of more than 1024 bytes");
	put_fixed(&deep, 3, TIME_NS);
	put_double(&deep, 4, 1);
	put_message(&deep, 7, attribute("deep", nested(33)));
	refuses(body("m", GAUGE, deep, 0, number(NULL, NULL)), 1, "the attribute \"deep\" is nested too deeply");
	put_fixed(&many, 3, TIME_NS);
	put_double(&many, 4, 1);
	for (int i = 0; i < 129; i++) {
		snprintf(name, sizeof name, "k%d", i);
		put_message(&many, 7, text_attribute(name, "v"));
	}
	refuses(body("m", GAUGE, many, 0, number(NULL, NULL)), 1, "it has 129 attributes, more than the 128");
}

static struct buf histogram(const double *bounds, size_t count, size_t counts)
{
	struct buf b = {0};
	put_fixed(&b, 3, TIME_NS);
	for (size_t i = 0; i < count; i++)
		put_double(&b, 7, bounds[i]);
	for (size_t i = 0; i < counts; i++)
		put_fixed(&b, 6, 1);
	return b;
}

static void buckets(void **state)
{
	static const double falls[] = {1, 1}, nan[] = {1, NAN};
	struct buf coarse = {0}, fine = {0}, below = {0};
	(void)state;
	refuses(body("h", HISTOGRAM, histogram(falls, 1, 1), CUMULATIVE, histogram(falls, 1, 2)), 1,
	        "it has 1 explicitBounds and 1 bucketCounts, one more was wanted");
	refuses(body("h", HISTOGRAM, histogram(falls, 2, 3), CUMULATIVE, histogram(falls, 1, 2)), 1,
	        "its explicitBounds do not rise");
	refuses(body("h", HISTOGRAM, histogram(nan, 2, 3), CUMULATIVE, histogram(nan, 1, 2)), 1,
	        "its explicitBounds do not rise");
	put_fixed(&coarse, 3, TIME_NS);
	put_int(&coarse, 6, 21); /* −11 in zigzag */
	put_fixed(&fine, 3, TIME_NS);
	refuses(body("e", EXPONENTIAL, coarse, DELTA, fine), 1, "its scale is -11, which is not between -10 and 20");
	fine = (struct buf){0};
	put_fixed(&fine, 3, TIME_NS);
	put_fixed(&below, 3, TIME_NS);
	put_double(&below, 14, -1);
	refuses(body("e", EXPONENTIAL, below, DELTA, fine), 1, "its zeroThreshold is below zero");
}

static struct buf with_double(struct buf b, uint32_t field, double value)
{
	put_double(&b, field, value);
	return b;
}

static struct buf at_time(void)
{
	struct buf b = {0};
	put_fixed(&b, 3, TIME_NS);
	return b;
}

/* What is added up stays in the sum for ever. Of a sum itself, and of a gauge, any double is a value. */
static void increments(void **state)
{
	static const double bounds[] = {1}, wrong[] = {NAN, INFINITY, -INFINITY};
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		refuses(body("m", SUM, with_double(at_time(), 4, wrong[i]), DELTA, number("a", "b")), 1,
		        "it is an increment that is no finite number");
		refuses(body("h", HISTOGRAM, with_double(histogram(bounds, 1, 2), 5, wrong[i]), DELTA,
		             histogram(bounds, 1, 2)),
		        1, "it is an increment that is no finite number");
		refuses(body("e", EXPONENTIAL, with_double(at_time(), 5, wrong[i]), DELTA, at_time()), 1,
		        "it is an increment that is no finite number");
	}
	struct buf taken = body("m", SUM, with_double(at_time(), 4, NAN), CUMULATIVE, number("a", "b"));
	struct decoded d = decode(ingest_otlp_metrics_protobuf, buf_slice(&taken));
	assert_int_equal(d.rejects.points, 0);
	assert_int_equal(d.batch->series_count, 2);
	done(&d);
	buf_free(&taken);
}

/* What is left out beside a point that is taken. */
static void left_out(void **state)
{
	struct buf point = number(NULL, NULL), e = {0}, resource = {0}, metrics = {0}, points = {0}, m = {0};
	char longest[200];
	(void)state;
	put_message(&point, 5, e); /* an exemplar without a value */
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	struct buf ids = {0};
	put_fixed(&ids, 6, 7);
	put_text(&ids, 5, "0123456789abcdef");
	put_message(&ids, 7, text_attribute("long", longest));
	put_message(&point, 5, ids);
	put_message(&points, 1, point);
	put_text(&m, 1, "m");
	put_text(&m, 2, "\xff");
	put_message(&m, GAUGE, points);
	put_message(&metrics, 2, m);
	put_message(&resource, 1, text_attribute("service.name", "a"));
	put_message(&resource, 1, text_attribute("bad", "\xff"));
	gives(
	    body_of(resource, metrics),
	    "0 refused: resourceMetrics[0].scopeMetrics[0].metrics[0].dataPoints[0], m: an exemplar was left out: it "
	    "has no value\n"
	    "0 refused: resourceMetrics[0].scopeMetrics[0].metrics[0].dataPoints[0], m: its description was left out: "
	    "it is not UTF-8\n"
	    "1 refused: resourceMetrics[0].resource: target_info was left out: the attribute \"bad\" has a value that "
	    "is not UTF-8\n"
	    "m type 2, \"\", \n"
	    "m{job=\"a\"} 1 @1700000015123 # {trace_id=\"30313233343536373839616263646566\"} 7 @1700000015123\n");
}

/* ---- bodies ---- */

static struct buf small_body(void)
{
	struct buf metrics = {0}, points = {0}, e = {0}, r = {0}, h = {0}, x = {0}, b = {0};
	put_message(&points, 1, number("key", "value"));
	put_message(&metrics, 2, metric("m", "s", SUM, points, CUMULATIVE, true));
	static const double bounds[] = {1, 2};
	struct buf point = histogram(bounds, 2, 3);
	put_double(&e, 3, 1.5);
	put_message(&e, 7, attribute("list", nested(2)));
	put_message(&point, 8, e);
	put_message(&h, 1, point);
	put_message(&metrics, 2, metric("h", "s", HISTOGRAM, h, DELTA, false));
	put_fixed(&x, 3, TIME_NS);
	put_int(&b, 2, 3);
	put_message(&x, 8, b);
	struct buf xs = {0};
	put_message(&xs, 1, x);
	put_message(&metrics, 2, metric("x", "", EXPONENTIAL, xs, DELTA, false));
	put_message(&r, 1, text_attribute("service.name", "a"));
	put_message(&r, 1, text_attribute("host", "b"));
	return body_of(r, metrics);
}

/* Every beginning of a body is refused as malformed or, where it ends with a message, taken; nothing else. */
static void cut_off(void **state)
{
	struct buf whole = small_body();
	uint32_t taken = 0;
	(void)state;
	for (size_t len = 0; len < whole.len; len++) {
		struct decoded d = decode(ingest_otlp_metrics_protobuf, slice_new(whole.ptr, len));
		assert_true(d.code == 0 || d.code == -EINVAL);
		assert_true(d.code == 0 || strncmp(d.err.text, "byte ", 5) == 0);
		taken += d.code == 0;
		done(&d);
	}
	assert_int_equal(taken, 1); /* the empty one */
	buf_free(&whole);
}

/* A field of another wire type than it should have refuses the body, wherever it is. */
static void malformed(void **state)
{
	struct buf b = {0};
	(void)state;
	put_int(&b, 1, 7);
	struct decoded d = decode(ingest_otlp_metrics_protobuf, buf_slice(&b));
	assert_int_equal(d.code, -EINVAL);
	assert_string_equal(d.err.text, "byte 2: a field has another wire type than it should have");
	done(&d);
	buf_free(&b);
}

static void limits(void **state)
{
	struct buf whole = small_body();
	struct ingest_sample_limits all, few;
	(void)state;
	ingest_sample_limits_default(&all);
	struct decoded d = decode(ingest_otlp_metrics_protobuf, buf_slice(&whole));
	uint32_t series = d.batch->series_count;
	assert_int_equal(d.code, 0);
	done(&d);
	for (int i = 0; i < 5; i++) {
		few = all;
		if (i == 0)
			few.series = series - 1;
		else if (i == 1)
			few.samples = series - 1;
		else if (i == 2)
			few.exemplars = 0;
		else if (i == 3)
			few.metadata = 1;
		else
			few.label_bytes = 100;
		d = decode_limited(ingest_otlp_metrics_protobuf, buf_slice(&whole), &few);
		assert_int_equal(d.code, -EFBIG);
		assert_true(d.err.text[0] != '\0');
		done(&d);
	}
	all.series = series;
	d = decode_limited(ingest_otlp_metrics_protobuf, buf_slice(&whole), &all);
	assert_int_equal(d.code, 0);
	done(&d);
	buf_free(&whole);
}

/* With each allocation failing in turn, decoding says so or, where it did not need it, gives the same. */
static void without_memory(void **state)
{
	struct buf whole = small_body();
	struct ingest_sample_limits all;
	int code = -ENOMEM;
	uint64_t nth = 0;
	(void)state;
	ingest_sample_limits_default(&all);
	while (code == -ENOMEM) {
		struct sample_batch *b = sample_batch_new();
		struct ingest_rejects rejects = {0};
		struct error err = {0};
		fault_set(FAULT_MALLOC, ++nth, true, ENOMEM);
		code = ingest_otlp_metrics_protobuf(b, buf_slice(&whole), &all, &rejects, &err);
		fault_clear();
		assert_true(code == 0 || (code == -ENOMEM && err.text[0] != '\0'));
		ingest_rejects_free(&rejects);
		sample_batch_free(b);
	}
	assert_int_equal(code, 0);
	assert_true(nth > 8);
	buf_free(&whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(numbers),  cmocka_unit_test(increments),     cmocka_unit_test(buckets),
	    cmocka_unit_test(left_out), cmocka_unit_test(cut_off),        cmocka_unit_test(malformed),
	    cmocka_unit_test(limits),   cmocka_unit_test(without_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
