/* Numbers as text: what Go writes, and that everything reads back the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/decimal.h"

typedef void (*append)(struct buf *b, double v);

static void writes(append f, double v, const char *want)
{
	struct buf b = {0};

	f(&b, v);
	buf_byte(&b, '\0');
	assert_string_equal(b.ptr, want);
	buf_free(&b);
}

static void integers(void **state)
{
	static const struct {
		int64_t v;
		const char *text;
	} cases[] = {
	    {0, "0"},
	    {-1, "-1"},
	    {9, "9"},
	    {10, "10"},
	    {99, "99"},
	    {100, "100"},
	    {-12345, "-12345"},
	    {INT64_MAX, "9223372036854775807"},
	    {INT64_MIN, "-9223372036854775808"},
	};
	struct buf b = {0};
	char want[32];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		buf_reset(&b);
		buf_int(&b, cases[i].v);
		buf_byte(&b, '\0');
		assert_string_equal(b.ptr, cases[i].text);
	}
	/* Around every power of two and of ten. */
	for (int bit = 0; bit < 63; bit++) {
		for (int64_t v = (INT64_C(1) << bit) - 2; v <= (INT64_C(1) << bit) + 1; v++) {
			buf_reset(&b);
			buf_int(&b, -v);
			buf_byte(&b, '\0');
			snprintf(want, sizeof want, "%" PRId64, -v);
			assert_string_equal(b.ptr, want);
		}
	}
	for (int64_t ten = 1; ten <= INT64_MAX / 10; ten *= 10) {
		for (int64_t v = ten * 10 - 1; v <= ten * 10; v++) {
			buf_reset(&b);
			buf_int(&b, v);
			buf_byte(&b, '\0');
			snprintf(want, sizeof want, "%" PRId64, v);
			assert_string_equal(b.ptr, want);
		}
	}
	buf_free(&b);
}

static void of_the_text_format(void **state)
{
	(void)state;
	writes(buf_number, 0, "0");
	writes(buf_number, -0.0, "-0");
	writes(buf_number, 1, "1");
	writes(buf_number, -1, "-1");
	writes(buf_number, 0.1, "0.1");
	writes(buf_number, 0.3, "0.3");
	writes(buf_number, 0.1 + 0.2, "0.30000000000000004");
	writes(buf_number, 1.0 / 3, "0.3333333333333333");
	writes(buf_number, 2.0 / 3, "0.6666666666666666");
	writes(buf_number, -1234.5678, "-1234.5678");
	writes(buf_number, 123456789, "123456789");
	writes(buf_number, 0.0001, "0.0001");
	writes(buf_number, 0.00012345, "0.00012345");
	writes(buf_number, 1e-5, "1e-05");
	writes(buf_number, 1.5e-5, "1.5e-05");
	writes(buf_number, 9007199254740991.0, "9007199254740991");
	writes(buf_number, 9007199254740992.0, "9007199254740992");
	writes(buf_number, 9007199254740994.0, "9007199254740994");
	writes(buf_number, 1e20, "100000000000000000000");
	writes(buf_number, 123456789012345678000.0, "123456789012345680000");
	writes(buf_number, 1e21, "1e+21");
	writes(buf_number, 1.5e21, "1.5e+21");
	writes(buf_number, 1e22, "1e+22");
	writes(buf_number, 1e23, "1e+23");
	writes(buf_number, 1e100, "1e+100");
	writes(buf_number, 5e-324, "5e-324");
	writes(buf_number, DBL_MIN, "2.2250738585072014e-308");
	writes(buf_number, 2.225073858507201e-308, "2.225073858507201e-308");
	writes(buf_number, DBL_MAX, "1.7976931348623157e+308");
	writes(buf_number, -DBL_MAX, "-1.7976931348623157e+308");
	writes(buf_number, NAN, "NaN");
	writes(buf_number, -NAN, "NaN");
	writes(buf_number, INFINITY, "+Inf");
	writes(buf_number, -INFINITY, "-Inf");
	/* Hard cases of printing algorithms: ties, and a power of two whose lower neighbour is nearer. */
	writes(buf_number, 9.5367431640625e-07, "9.5367431640625e-07");
	writes(buf_number, 4503599627370495.5, "4503599627370495.5");
	writes(buf_number, 9007199254740993.0, "9007199254740992");
	writes(buf_number, 2.9802322387695312e-08, "2.9802322387695312e-08");
	writes(buf_number, 8.41e21, "8.41e+21");
	writes(buf_number, 2.0019531250000002e15, "2001953125000000.2");
}

static void of_go(void **state)
{
	(void)state;
	writes(buf_number_go, 100000, "100000");
	writes(buf_number_go, 999999, "999999");
	writes(buf_number_go, 1e6, "1e+06");
	writes(buf_number_go, 2000000, "2e+06");
	writes(buf_number_go, 1234567.8, "1.2345678e+06");
	writes(buf_number_go, 123456789, "1.23456789e+08");
	writes(buf_number_go, 4194304, "4.194304e+06");
	writes(buf_number_go, 0.0001, "0.0001");
	writes(buf_number_go, 0.00001, "1e-05");
	writes(buf_number_go, 32, "32");
	writes(buf_number_go, -0.0, "-0");
	writes(buf_number_go, INFINITY, "+Inf");
}

static void of_json(void **state)
{
	(void)state;
	writes(buf_json_number, 0, "0");
	writes(buf_json_number, 0.5, "0.5");
	writes(buf_json_number, 123456789, "123456789");
	writes(buf_json_number, 0.00001, "0.00001");
	writes(buf_json_number, 0.000001, "0.000001");
	writes(buf_json_number, 0.0000012, "0.0000012");
	writes(buf_json_number, 1e-7, "1e-7");
	writes(buf_json_number, 1.5e-10, "1.5e-10");
	writes(buf_json_number, 1e20, "100000000000000000000");
	writes(buf_json_number, 1e21, "1e+21");
	writes(buf_json_number, NAN, "null");
	writes(buf_json_number, INFINITY, "null");
	writes(buf_json_number, -INFINITY, "null");
}

/* A fixed sequence of numbers (splitmix64), so that a failure comes again. */
static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static void read_back_the_same(void **state)
{
	struct buf b = {0};
	uint64_t random = 1;

	(void)state;
	for (int i = 0; i < 1000000; i++) {
		uint64_t bits = next(&random);
		double v;
		/* Any bits; powers of two; subnormals; thousandths; sums of money. */
		if (i % 16 == 1)
			bits &= UINT64_C(0xfff0000000000000);
		if (i % 16 == 2)
			bits &= UINT64_C(0x800fffffffffffff);
		memcpy(&v, &bits, sizeof v);
		if (i % 16 == 3)
			v = (double)(bits >> 40) / 1000;
		if (i % 16 == 4)
			v = (double)(bits >> 11) * 1e-9;
		if (!isfinite(v))
			continue;
		buf_reset(&b);
		buf_number(&b, v);
		assert_true(b.len <= 32);
		buf_byte(&b, '\0');
		assert_true(strtod(b.ptr, NULL) == v);
	}
	buf_free(&b);
}

/* How many digits printf needs, which says nothing about powers of two: their shortest text need not be the nearest
 * one. */
static int digits_needed(double v)
{
	char text[40];

	for (int digits = 1; digits < 17; digits++) {
		snprintf(text, sizeof text, "%.*e", digits - 1, v);
		if (strtod(text, NULL) == v)
			return digits;
	}
	return 17;
}

static void are_as_short_as_can_be(void **state)
{
	uint64_t random = 2;

	(void)state;
	for (int i = 0; i < 30000; i++) {
		uint64_t bits = next(&random) >> 1;
		double v;
		int count = 0;
		memcpy(&v, &bits, sizeof v);
		if (i % 2 == 0)
			v = (double)(bits >> 43) / 1024;
		if (!isfinite(v) || v == 0)
			continue;
		struct decimal d = decimal_shortest(v);
		assert_true(d.digits % 10 != 0);
		for (uint64_t rest = d.digits; rest != 0; rest /= 10)
			count++;
		assert_true(count <= digits_needed(v));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(integers), cmocka_unit_test(of_the_text_format), cmocka_unit_test(of_go),
	    cmocka_unit_test(of_json),  cmocka_unit_test(read_back_the_same), cmocka_unit_test(are_as_short_as_can_be),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
