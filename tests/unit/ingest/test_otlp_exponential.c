/* Exponential histograms as classic ones: the bounds are always the same, and each counts the buckets whose upper ends are not above it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "otlp.h"

enum { ROUNDS = 400, BUCKETS_MAX = 40, STEPS = 129, LOWEST = -40, POSITIVE_SERIES = STEPS + 4 };

static uint64_t seed = 88172645463325252;

static uint32_t draw(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 33) % below;
}

struct side {
	int32_t offset;
	uint32_t count;
	uint64_t counts[BUCKETS_MAX];
};

struct meant {
	int32_t scale;
	double zero_threshold;
	uint64_t zero, all;
	struct side positive, negative;
};

/* ---- messages ---- */

static uint64_t zigzag(int32_t v)
{
	return (uint32_t)v << 1 ^ (uint32_t)(v >> 31);
}

static struct buf side(const struct side *s)
{
	struct buf b = {0}, list = {0};
	put_int(&b, 1, zigzag(s->offset));
	for (uint32_t i = 0; i < s->count; i++)
		put_varint(&list, s->counts[i]);
	put_message(&b, 2, list);
	return b;
}

static struct buf message(const struct meant *m)
{
	struct buf point = {0}, points = {0}, metrics = {0}, none = {0};
	put_fixed(&point, 3, UINT64_C(1700000000000000000));
	put_fixed(&point, 4, m->all);
	put_int(&point, 6, zigzag(m->scale));
	put_fixed(&point, 7, m->zero);
	put_message(&point, 8, side(&m->positive));
	put_message(&point, 9, side(&m->negative));
	put_double(&point, 14, m->zero_threshold);
	put_message(&points, 1, point);
	put_message(&metrics, 2, metric("e", "", EXPONENTIAL, points, CUMULATIVE, false));
	return body_of(none, metrics);
}

static struct decoded decode_meant(const struct meant *m)
{
	struct buf body = message(m);
	struct decoded d = decode(ingest_otlp_metrics_protobuf, buf_slice(&body));
	assert_int_equal(d.code, 0);
	assert_int_equal(d.rejects.count, 0);
	buf_free(&body);
	return d;
}

static struct meant mean(void)
{
	struct meant m = {.scale = (int32_t)draw(31) - 10, .zero = draw(5)};
	struct side *sides[] = {&m.positive, &m.negative};
	for (int s = 0; s < (draw(3) == 0 ? 2 : 1); s++) {
		double around =
		    ((double)draw(1400) / 10 - 70) * ldexp(1, m.scale); /* in buckets; also beyond the bounds */
		sides[s]->offset = (int32_t)around;
		sides[s]->count = draw(BUCKETS_MAX);
		for (uint32_t i = 0; i < sides[s]->count; i++) {
			sides[s]->counts[i] = draw(3);
			m.all += sides[s]->counts[i];
		}
	}
	m.zero_threshold = draw(3) == 0 ? ldexp(1, (int)draw(30) - 25) : 0;
	m.all += m.zero;
	return m;
}

/* ---- what is wanted ---- */

/* The binary logarithm of the upper end of |values| in a bucket; exact. */
static double upper(const struct meant *m, const struct side *s, uint32_t i)
{
	return ldexp((double)((int64_t)s->offset + i + 1), -m->scale);
}

/* What is not above 2^exponent. */
static uint64_t below_positive(const struct meant *m, double exponent)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < m->negative.count; i++)
		sum += m->negative.counts[i];
	for (uint32_t i = 0; i < m->positive.count; i++)
		sum += upper(m, &m->positive, i) <= exponent ? m->positive.counts[i] : 0;
	return sum + (m->zero_threshold == 0 || log2(m->zero_threshold) <= exponent ? m->zero : 0);
}

/* What is not above −2^exponent: buckets whose nearer end is not below that, but everything is at the last bound. */
static uint64_t below_negative(const struct meant *m, double exponent)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < m->negative.count; i++) {
		double nearer = ldexp((double)((int64_t)m->negative.offset + i), -m->scale);
		sum += nearer >= exponent ? m->negative.counts[i] : 0;
	}
	return sum;
}

static uint64_t below_zero(const struct meant *m)
{
	return below_negative(m, -1e300) + (m->zero_threshold == 0 ? m->zero : 0);
}

static bool has_negative(const struct meant *m)
{
	return below_negative(m, -1e300) > 0;
}

static void is_bucket(const struct sample_series *s, double bound, uint64_t want)
{
	char text[64];
	struct slice le = labels_get(s->labels, SLICE("le"));
	assert_true(slice_eq(labels_get(s->labels, LABEL_METRIC_NAME), SLICE("e_bucket")));
	snprintf(text, sizeof text, "%.*s", SLICE_ARG(le));
	double got = strtod(text, NULL);
	assert_true(fabs(got - bound) <= fabs(bound) * 1e-15); /* pow() is not exact, the bounds are */
	if (s->samples[0].value != (double)want)
		fail_msg("le %s: %g, want %llu", text, s->samples[0].value, (unsigned long long)want);
}

static void compare(const struct meant *m)
{
	struct decoded d = decode_meant(m);
	const struct sample_series *s = d.batch->series;
	assert_int_equal(d.batch->series_count, POSITIVE_SERIES - 1 + (has_negative(m) ? STEPS : 0));
	for (int k = STEPS - 1; has_negative(m) && k >= 0; k--, s++)
		is_bucket(s, -pow(2, (LOWEST + k) / 2.0), below_negative(m, (LOWEST + k) / 2.0));
	is_bucket(s++, 0, below_zero(m));
	for (int k = 0; k < STEPS; k++, s++)
		is_bucket(s, pow(2, (LOWEST + k) / 2.0), below_positive(m, (LOWEST + k) / 2.0));
	assert_true(slice_eq(labels_get(s->labels, SLICE("le")), SLICE("+Inf")));
	assert_true(s->samples[0].value == (double)m->all);
	assert_true(slice_eq(labels_get(s[1].labels, LABEL_METRIC_NAME), SLICE("e_count")));
	assert_true(s[1].samples[0].value == (double)m->all);
	done(&d);
}

static void random_points(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct meant m = mean();
		compare(&m);
	}
}

/* Halving the resolution, as SDKs do when values spread, changes nothing as long as it is not coarser than the bounds. */
static void rescaled(void **state)
{
	uint32_t tried = 0;
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct meant fine = mean(), coarse = fine;
		if (fine.scale < 2)
			continue;
		coarse.scale--;
		memset(&coarse.positive.counts, 0, sizeof coarse.positive.counts);
		coarse.positive.offset = fine.positive.offset >> 1;
		for (uint32_t k = 0; k < fine.positive.count; k++)
			coarse.positive.counts[((fine.positive.offset + (int32_t)k) >> 1) - coarse.positive.offset] +=
			    fine.positive.counts[k];
		coarse.negative = fine.negative = (struct side){0};
		struct decoded a = decode_meant(&fine), b = decode_meant(&coarse);
		assert_string_equal(a.text.ptr, b.text.ptr);
		done(&a);
		done(&b);
		tried++;
	}
	assert_true(tried > ROUNDS / 4);
}

/* The bounds as they are read. */
static void bounds(void **state)
{
	struct meant m = {.scale = 0, .all = 1, .positive = {.count = 1, .counts = {1}}};
	struct decoded d = decode_meant(&m);
	(void)state;
	assert_non_null(strstr(d.text.ptr, "e_bucket{le=\"0\"} 0 @"));
	assert_non_null(strstr(d.text.ptr, "e_bucket{le=\"9.5367431640625e-07\"} 0 @"));
	assert_non_null(strstr(d.text.ptr, "e_bucket{le=\"1\"} 0 @"));
	assert_non_null(strstr(d.text.ptr, "e_bucket{le=\"1.4142135623730951\"} 0 @"));
	assert_non_null(strstr(d.text.ptr, "e_bucket{le=\"2\"} 1 @"));
	assert_non_null(strstr(d.text.ptr, "e_bucket{le=\"17592186044416\"} 1 @"));
	done(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(random_points),
	    cmocka_unit_test(rescaled),
	    cmocka_unit_test(bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
