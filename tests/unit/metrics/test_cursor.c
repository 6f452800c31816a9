/* The cursor gives what the exposition shows: the samples of a scrape, read by the decoder that scrapes are read by. */
#include "scenario.h"

#include "base/fault.h"
#include "ingest/ingest.h"
#include "record/labels.h"
#include "record/samples.h"

static const uint64_t nan_bits = UINT64_C(0x7ff8000000000001);

static uint64_t bits_of(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	return bits;
}

/* ---- what a scrape gives ---- */

struct scrape {
	struct buf text;
	struct sample_batch *batch;
	uint32_t found; /* of its series, by the cursor */
	bool *met;
};

static struct scrape scrape_of(const struct metrics_snapshot *s)
{
	struct scrape out = {.batch = sample_batch_new()};
	struct ingest_sample_limits limits;
	struct ingest_rejects rejects = {0};
	struct error err = {0};

	ingest_sample_limits_default(&limits);
	assert_non_null(out.batch);
	assert_int_equal(exposition_render(s, EXPOSITION_TEXT, 0, &out.text), 0);
	struct slice body = buf_slice(&out.text);
	memset(buf_room(&out.text, INGEST_PADDING), 0, INGEST_PADDING);
	body.ptr = out.text.ptr;
	if (ingest_prometheus_text(out.batch, body, INGEST_TEXT, 7, &limits, &rejects, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(rejects.samples, 0);
	out.met = calloc(out.batch->series_count + 1, sizeof *out.met);
	assert_non_null(out.met);
	return out;
}

static void end_scrape(struct scrape *s)
{
	assert_int_equal(s->found, s->batch->series_count);
	sample_batch_free(s->batch);
	buf_free(&s->text);
	free(s->met);
}

static void expect(struct scrape *s, struct slice labels, double v)
{
	for (uint32_t i = 0; i < s->batch->series_count; i++) {
		const struct sample_series *series = &s->batch->series[i];
		if (!slice_eq(series->labels, labels))
			continue;
		assert_false(s->met[i]);
		assert_int_equal(bits_of(series->samples[0].value), bits_of(v));
		s->met[i] = true;
		s->found++;
		return;
	}
	struct buf text = {0};
	labels_text(labels, &text);
	fail_msg("the exposition does not have %.*s", SLICE_ARG(buf_slice(&text)));
}

/* Walks the whole snapshot; how many series there were. */
static uint32_t compare(const struct metrics_snapshot *s)
{
	struct scrape scrape = scrape_of(s);
	struct metrics_cursor *c = metrics_cursor_new(s);
	struct metrics_family family;
	struct metrics_sampled series;
	struct buf labels = {0};
	struct error err = {0};
	uint32_t count = 0;

	assert_non_null(c);
	while (metrics_cursor_family(c, &family)) {
		assert_true(family.value_count >= 1 && family.value_count <= METRIC_VALUES_MAX);
		assert_true(family.cumulative <= family.value_count);
		for (uint32_t last = 0; metrics_cursor_next(c, &series); last = series.number + 1, count++) {
			assert_true(series.number >= last && series.number < family.numbers);
			for (uint32_t i = 0; i < family.value_count; i++) {
				buf_reset(&labels);
				assert_int_equal(metrics_cursor_labels(c, i, &labels), 0);
				assert_int_equal(labels_check(buf_slice(&labels), NULL, &err), 0);
				expect(&scrape, buf_slice(&labels), series.values[i]);
			}
		}
	}
	metrics_cursor_free(c);
	buf_free(&labels);
	end_scrape(&scrape);
	return count;
}

static uint32_t compare_now(struct registry *r)
{
	struct metrics_snapshot *s = registry_snapshot(r);

	assert_non_null(s);
	uint32_t count = compare(s);
	metrics_snapshot_unref(s);
	return count;
}

/* ---- tests ---- */

/* All types, overflow series, series that end and whose numbers are used again, invalid text. */
static void test_busy(void **state)
{
	struct scenario s;

	(void)state;
	scenario_start(&s, 5);
	for (int i = 0; i < 40; i++) {
		scenario_run(&s, 300);
		assert_true(compare_now(s.r) > 100);
	}
	assert_true(stats_of(s.r).overflowed > 0 && stats_of(s.r).expired > 0);
	registry_free(s.r);
}

/* Bounds whose text is not what it looks like at first. */
static void test_bounds(void **state)
{
	static const double buckets[] = {-2, -0.0, 1e-7, 0.25, 1, 123456, 1234567, 1e21};
	static const double quantiles[] = {-0.0, 0.5, 1};
	struct registry *r = new_registry(0);
	struct metric_def def = def_of("h", METRIC_HISTOGRAM, "a", NULL);

	(void)state;
	def.buckets = buckets;
	def.bucket_count = 8;
	struct metric *h = define(r, &def);
	def = def_of("s", METRIC_SUMMARY, NULL, NULL);
	def.quantiles = quantiles;
	struct metric *s = define(r, &def);
	assert_int_equal(metric_observe(h, series1(h, "\n\"\\é"), 3, START), 0);
	assert_int_equal(metric_observe(h, series1(h, ""), -1e300, START), 0);
	assert_int_equal(metric_observe(s, series1(s, NULL), 0.5, START), 0);
	assert_int_equal(compare_now(r), 3);
	registry_set_now(r, START + 3600 * NS_PER_S); /* the summary's window is empty: its quantiles are NaN */
	assert_int_equal(compare_now(r), 3);
	registry_free(r);
}

/* Numbers that text has in one form; a gauge cannot end a series. */
static void test_values(void **state)
{
	static const uint64_t bits[] = {SAMPLE_STALE_BITS,
	                                UINT64_C(0xfff8000000000000),
	                                UINT64_C(0x8000000000000000),
	                                1,
	                                UINT64_C(0x7ff0000000000000),
	                                UINT64_C(0xfff0000000000000),
	                                UINT64_C(0x3fb999999999999a)};
	struct registry *r = new_registry(0);
	struct metric *g = define_simple(r, "g", METRIC_GAUGE, "n");
	char name[2] = "a";

	(void)state;
	for (size_t i = 0; i < sizeof bits / sizeof *bits; i++, name[0]++) {
		double v;
		memcpy(&v, &bits[i], sizeof v);
		assert_int_equal(metric_set(g, series1(g, name), v), 0);
	}
	assert_int_equal(compare_now(r), sizeof bits / sizeof *bits);
	struct metrics_snapshot *s = registry_snapshot(r);
	struct metrics_cursor *c = metrics_cursor_new(s);
	struct metrics_family family;
	struct metrics_sampled series;
	assert_true(metrics_cursor_family(c, &family));
	assert_int_equal(family.cumulative, 1);
	for (int i = 0; i < 2; i++) {
		assert_true(metrics_cursor_next(c, &series));
		assert_int_equal(bits_of(series.values[0]), nan_bits);
	}
	metrics_cursor_free(c);
	metrics_snapshot_unref(s);
	registry_free(r);
}

/* What a look at the only family gives of a series by number; birth 0: it is not there. */
static struct metrics_sampled look(struct registry *r, uint32_t number, struct metrics_family *family)
{
	struct metrics_snapshot *s = registry_snapshot(r);
	struct metrics_cursor *c = metrics_cursor_new(s);
	struct metrics_sampled series, found = {0};

	assert_true(metrics_cursor_family(c, family));
	while (metrics_cursor_next(c, &series)) {
		if (series.number == number)
			found = series;
	}
	found.values = NULL;
	assert_false(metrics_cursor_next(c, &series));
	assert_false(metrics_cursor_family(c, family) && family->numbers > 0);
	metrics_cursor_free(c);
	metrics_snapshot_unref(s);
	return found;
}

/* A number that is used again has another birth; a family that starts anew, another identity. */
static void test_identity(void **state)
{
	struct registry *r = new_registry(0);
	struct metric_def def = def_of("c_total", METRIC_COUNTER, "a", NULL);
	struct metrics_family family, again;

	(void)state;
	def.idle_ns = 10 * NS_PER_S;
	struct metric *m = define(r, &def);
	assert_int_equal(metric_add(m, series1(m, "x"), 1), 0);
	struct metrics_sampled first = look(r, 0, &family);
	assert_true(first.birth > 0);
	assert_int_equal(first.created_ns, START);
	assert_int_equal(family.cumulative, 0);
	assert_int_equal(family.type, METRIC_COUNTER);
	registry_set_now(r, START + 10 * NS_PER_S);
	assert_int_equal(look(r, 0, &again).birth, 0); /* idle */
	assert_int_equal(metric_add(m, series1(m, "x"), 1), 0);
	struct metrics_sampled second = look(r, 0, &again);
	assert_true(second.birth > first.birth);
	assert_int_equal(second.created_ns, START + 10 * NS_PER_S);

	registry_reload_begin(r);
	define(r, &def);
	registry_reload_end(r);
	assert_int_equal(look(r, 0, &again).birth, second.birth);
	assert_int_equal(again.identity, family.identity);

	registry_reload_begin(r);
	def = def_of("c_total", METRIC_COUNTER, "b", NULL);
	m = define(r, &def);
	registry_reload_end(r);
	assert_int_equal(metric_add(m, series1(m, "x"), 1), 0);
	assert_true(look(r, 0, &again).birth > 0);
	assert_int_not_equal(again.identity, family.identity);
	registry_free(r);
}

/* What memory does not suffice for is an error with nothing done. */
static void test_memory(void **state)
{
	struct registry *r = new_registry(0);
	struct metric *h = define_simple(r, "h", METRIC_HISTOGRAM, "a");
	struct metrics_family family;
	struct metrics_sampled series;
	struct buf labels = {0};
	int failed = 0;

	(void)state;
	assert_int_equal(metric_observe(h, series1(h, "x"), 3, START), 0);
	struct metrics_snapshot *s = registry_snapshot(r);
	fault_set(FAULT_MALLOC, 1, false, ENOMEM);
	assert_null(metrics_cursor_new(s));
	fault_clear();
	struct metrics_cursor *c = metrics_cursor_new(s);
	assert_true(metrics_cursor_family(c, &family));
	assert_true(metrics_cursor_next(c, &series));
	for (int rc = -ENOMEM; rc != 0;) {
		buf_free(&labels);
		fault_set(FAULT_MALLOC, (uint64_t)++failed, false, ENOMEM);
		rc = metrics_cursor_labels(c, 0, &labels);
		fault_clear();
		assert_true(rc == 0 || (rc == -ENOMEM && labels.len == 0));
	}
	assert_true(failed > 3);
	assert_true(slice_eq(labels_get(buf_slice(&labels), SLICE("le")), SLICE("0.1")));
	buf_free(&labels);
	metrics_cursor_free(c);
	metrics_cursor_free(NULL);
	metrics_snapshot_unref(s);
	registry_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_busy),     cmocka_unit_test(test_bounds), cmocka_unit_test(test_values),
	    cmocka_unit_test(test_identity), cmocka_unit_test(test_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
