/* What a scrape comes to: the samples of its answer, stale markers, and the reports on it. */
#include "support.h"

#include <errno.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "scrape/collect.h"

static struct config_scrape job;

static int64_t mono_ns;
static int64_t read_clock(void *ctx)
{
	(void)ctx;
	return mono_ns;
}

/* A target j of x:1 without other labels. */
static struct target *make(void)
{
	static char name[] = "j", path[] = "/metrics";
	struct error err = {0};

	job.job = name;
	job.path = path;
	job.interval_ns = job.timeout_ns = 10 * NS_PER_S;
	clock_set_source(read_clock, read_clock, NULL);
	struct target *t = target_new(&job, "x:1", NULL, 0, &err);
	assert_non_null(t);
	return t;
}

static int reset_job(void **state)
{
	(void)state;
	job = (struct config_scrape){.honor_timestamps = true};
	return 0;
}

/* Gives the batch a body of its own, padded. */
static struct slice own_body(struct sample_batch *b, const char *text)
{
	size_t len = strlen(text);

	b->body_size = len + INGEST_PADDING;
	b->body = mem_zalloc(1, b->body_size);
	assert_non_null(b->body);
	memcpy(b->body, text, len);
	return slice_new(b->body, len);
}

/* A round at that time, begun half a second ago, whose samples are `wanted`; the lines of the reports are written "= up samples remaining added". NULL `answer`: the target could not be reached. */
static void scrape_as(struct target *t, int64_t at_ms, enum ingest_text format, const char *answer, const char *wanted,
                      bool taken)
{
	struct sample_batch *b = sample_batch_new();
	struct buf text = {0}, reports = {0};

	mono_ns += 10 * NS_PER_S;
	t->round = (struct scrape_round){.at_ms = at_ms, .began_ns = mono_ns - NS_PER_S / 2};
	if (answer == NULL)
		round_fail(&t->round, SCRAPE_UNREACHABLE, "nobody is there");
	struct slice body = own_body(b, answer != NULL ? answer : "");
	assert_int_equal(collect(t, body, format, b), 0);
	batch_text(b, &text);
	buf_byte(&text, '\0');
	const char *equals = strrchr(wanted, '=');
	assert_non_null(equals);
	buf_append(&reports, wanted, (size_t)(equals - wanted));
	int up, samples, remaining, added;
	assert_int_equal(sscanf(equals, "= %d %d %d %d", &up, &samples, &remaining, &added), 4);
	const char *const names[] = {"up", "scrape_duration_seconds", "scrape_samples_scraped",
	                             "scrape_samples_post_metric_relabeling", "scrape_series_added"};
	const double values[] = {up, 0.5, samples, remaining, added};
	for (int i = 0; i < REPORTS; i++)
		buf_printf(&reports, "%s{instance=\"x:1\", job=\"j\"} %g @%lld\n", names[i], values[i],
		           (long long)at_ms);
	buf_byte(&reports, '\0');
	assert_string_equal(text.ptr, reports.ptr);
	sample_batch_free(b);
	seen_settle(&t->series, taken);
	t->reported |= taken;
	buf_free(&text);
	buf_free(&reports);
}

static void scrape_text(struct target *t, int64_t at_ms, const char *answer, const char *wanted)
{
	scrape_as(t, at_ms, INGEST_TEXT, answer, wanted, true);
}

static void puts_samples_under_the_target(void **state)
{
	struct target *t = make();

	(void)state;
	scrape_text(t, 1000, "# TYPE a counter\na{k=\"v\"} 1\nb 2.5\nb{job=\"own\"} NaN\n",
	            "a{instance=\"x:1\", job=\"j\", k=\"v\"} 1 @1000\n"
	            "b{instance=\"x:1\", job=\"j\"} 2.5 @1000\n"
	            "b{exported_job=\"own\", instance=\"x:1\", job=\"j\"} NaN @1000\n"
	            "= 1 3 3 3");
	scrape_text(t, 11000, "a{k=\"v\"} 2\nb 2.5\nb{job=\"own\"} 1\nc 1\n",
	            "a{instance=\"x:1\", job=\"j\", k=\"v\"} 2 @11000\n"
	            "b{instance=\"x:1\", job=\"j\"} 2.5 @11000\n"
	            "b{exported_job=\"own\", instance=\"x:1\", job=\"j\"} 1 @11000\n"
	            "c{instance=\"x:1\", job=\"j\"} 1 @11000\n"
	            "= 1 4 4 1");
	scrape_text(t, 21000, "",
	            "a{instance=\"x:1\", job=\"j\", k=\"v\"} stale @21000\n"
	            "b{instance=\"x:1\", job=\"j\"} stale @21000\n"
	            "b{exported_job=\"own\", instance=\"x:1\", job=\"j\"} stale @21000\n"
	            "c{instance=\"x:1\", job=\"j\"} stale @21000\n"
	            "= 1 0 0 0");
	target_free(t);
}

#define A(rest) "a{instance=\"x:1\", job=\"j\"} " rest "\n"
#define B(rest) "b{instance=\"x:1\", job=\"j\"} " rest "\n"

static void ends_all_series_when_a_scrape_fails(void **state)
{
	struct target *t = make();

	(void)state;
	scrape_text(t, 1000, "a 1\nb 1\n", A("1 @1000") B("1 @1000") "= 1 2 2 2");
	scrape_text(t, 2000, NULL, A("stale @2000") B("stale @2000") "= 0 0 0 0");
	assert_string_equal(t->round.error, "nobody is there");
	scrape_text(t, 3000, NULL, "= 0 0 0 0");
	scrape_text(t, 4000, "a 1\n", A("1 @4000") "= 1 1 1 1");
	/* What was read before the fault is no part of it. */
	scrape_text(t, 5000, "a 1\nc 1\nnonsense\n", A("stale @5000") "= 0 2 0 0");
	assert_int_equal(t->round.result, SCRAPE_MALFORMED);
	assert_non_null(strstr(t->round.error, "line 3"));
	scrape_text(t, 6000, "a 1\n", A("1 @6000") "= 1 1 1 1");
	job.sample_limit = 1;
	scrape_text(t, 7000, "a 1\nb 1\n", A("stale @7000") "= 0 2 0 0");
	assert_int_equal(t->round.result, SCRAPE_LIMIT);
	assert_string_equal(t->round.error, "the answer has 2 samples, sample_limit is 1");
	scrape_text(t, 8000, "a 1\n", A("1 @8000") "= 1 1 1 1");
	target_free(t);
}

static void says_a_marker_again_that_was_not_taken(void **state)
{
	struct target *t = make();

	(void)state;
	scrape_text(t, 1000, "a 1\n", A("1 @1000") "= 1 1 1 1");
	scrape_as(t, 2000, INGEST_TEXT, "b 1\n", B("1 @2000") A("stale @2000") "= 1 1 1 1", false);
	scrape_text(t, 3000, "b 1\n", B("1 @3000") A("stale @3000") "= 1 1 1 1");
	scrape_text(t, 4000, "b 1\n", B("1 @4000") "= 1 1 1 0");
	target_free(t);
}

static void keeps_times_that_are_sent(void **state)
{
	struct target *t = make();

	(void)state;
	scrape_text(t, 1000, "a 1 500\nb 1\n", A("1 @500") B("1 @1000") "= 1 2 2 2");
	scrape_text(t, 2000, "a 1 2000\n", A("1 @2000") B("stale @2000") "= 1 1 1 0");
	scrape_text(t, 3000, "", "= 1 0 0 0");
	job.honor_timestamps = false;
	scrape_text(t, 4000, "a 1 500\n", A("1 @4000") "= 1 1 1 1");
	scrape_text(t, 5000, "", A("stale @5000") "= 1 0 0 0");
	target_free(t);
}

static void reads_openmetrics(void **state)
{
	struct target *t = make();

	(void)state;
	scrape_as(t, 1000, INGEST_OPENMETRICS,
	          "# TYPE a counter\na_total 1 # {id=\"x\"} 7\na_total{k=\"v\"} 2 # {id=\"y\"} 8 0.25\n"
	          "a_total{k=\"w\"} 3 0.5 # {id=\"z\"} 9\n# EOF\n",
	          "a_total{instance=\"x:1\", job=\"j\"} 1 @1000 # 7 @1000\n"
	          "a_total{instance=\"x:1\", job=\"j\", k=\"v\"} 2 @1000 # 8 @250\n"
	          "a_total{instance=\"x:1\", job=\"j\", k=\"w\"} 3 @500 # 9 @500\n= 1 3 3 3",
	          true);
	scrape_as(t, 2000, INGEST_OPENMETRICS, "a_total 1\n",
	          "a_total{instance=\"x:1\", job=\"j\"} stale @2000\n"
	          "a_total{instance=\"x:1\", job=\"j\", k=\"v\"} stale @2000\n= 0 1 0 0",
	          true);
	target_free(t);
}

/* A line that no series can be made of is counted, and the others are taken. */
static void leaves_out_what_is_no_series(void **state)
{
	char text[2 * LABEL_VALUE_BYTES_MAX + 64];
	struct target *t = make();

	(void)state;
	memset(text, 'x', sizeof text);
	memcpy(text, "a 1\nb{k=\"", 9);
	snprintf(text + sizeof text - 16, 16, "\"} 1\nc 1\n");
	scrape_text(t, 1000, text, A("1 @1000") "c{instance=\"x:1\", job=\"j\"} 1 @1000\n= 1 3 2 2");
	assert_int_equal(t->round.rejected, 1);
	assert_non_null(strstr(t->round.rejected_why, "4096"));
	target_free(t);
}

static void ends_a_target(void **state)
{
	struct sample_batch *b = sample_batch_new();
	struct target *t = make();
	struct buf text = {0};

	(void)state;
	/* Of one that was never scraped there is nothing to say. */
	assert_int_equal(collect_end(t, 500, b), 0);
	assert_int_equal(b->series_count, 0);
	seen_settle(&t->series, true);
	scrape_text(t, 1000, "a 1\nb 1 5\n", A("1 @1000") B("1 @5") "= 1 2 2 2");
	assert_int_equal(collect_end(t, 1500, b), 0);
	batch_text(b, &text);
	buf_byte(&text, '\0');
	assert_string_equal(
	    text.ptr,
	    A("stale @1500") "up{instance=\"x:1\", job=\"j\"} stale @1500\n"
	                     "scrape_duration_seconds{instance=\"x:1\", job=\"j\"} stale @1500\n"
	                     "scrape_samples_scraped{instance=\"x:1\", job=\"j\"} stale @1500\n"
	                     "scrape_samples_post_metric_relabeling{instance=\"x:1\", job=\"j\"} stale @1500\n"
	                     "scrape_series_added{instance=\"x:1\", job=\"j\"} stale @1500\n");
	assert_int_equal(t->round.stale, 6);
	buf_free(&text);
	sample_batch_free(b);
	target_free(t);
}

static void knows_formats(void **state)
{
	static const struct {
		const char *type;
		int format;
	} types[] = {
	    {NULL, INGEST_TEXT},
	    {"", INGEST_TEXT},
	    {"text/plain", INGEST_TEXT},
	    {"text/plain; version=0.0.4; charset=utf-8", INGEST_TEXT},
	    {"Text/Plain;version=1.0.0", INGEST_TEXT},
	    {"application/openmetrics-text; version=1.0.0; charset=utf-8", INGEST_OPENMETRICS},
	    {"application/openmetrics-text", INGEST_OPENMETRICS},
	    {"text/html", 0},
	    {"text/plainer", 0},
	    {"application/json", 0},
	    {"application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily", 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		enum ingest_text format;
		bool known = collect_format(types[i].type, &format);
		if (known != (types[i].format != 0) || (known && (int)format != types[i].format))
			fail_msg("%s: %d %d", types[i].type, known, (int)format);
	}
}

/* Wherever memory is out, what was collected before is not lost, and nothing leaks. */
static void survives_without_memory(void **state)
{
	(void)state;
	for (uint64_t n = 1;; n++) {
		struct target *t = make();
		scrape_text(t, 1000, "a 1\n", A("1 @1000") "= 1 1 1 1");
		struct sample_batch *b = sample_batch_new();
		struct slice body = own_body(b, "b 1\nb{job=\"x\"} 1\n");
		t->round = (struct scrape_round){.at_ms = 2000, .began_ns = mono_ns};
		fault_set(FAULT_MALLOC, n, false, ENOMEM);
		int code = collect(t, body, INGEST_TEXT, b);
		fault_clear();
		assert_true(code == 0 || code == -ENOMEM);
		seen_settle(&t->series, code == 0);
		sample_batch_free(b);
		if (code != 0)
			scrape_text(t, 3000, "b 1\n", B("1 @3000") A("stale @3000") "= 1 1 1 1");
		target_free(t);
		if (code == 0 && n > 3)
			break;
		assert_true(n < 200);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(puts_samples_under_the_target, reset_job),
	    cmocka_unit_test_setup(ends_all_series_when_a_scrape_fails, reset_job),
	    cmocka_unit_test_setup(says_a_marker_again_that_was_not_taken, reset_job),
	    cmocka_unit_test_setup(keeps_times_that_are_sent, reset_job),
	    cmocka_unit_test_setup(reads_openmetrics, reset_job),
	    cmocka_unit_test_setup(leaves_out_what_is_no_series, reset_job),
	    cmocka_unit_test_setup(ends_a_target, reset_job),
	    cmocka_unit_test(knows_formats),
	    cmocka_unit_test_setup(survives_without_memory, reset_job),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
