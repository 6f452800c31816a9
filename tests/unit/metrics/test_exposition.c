/* Both text formats, to the letter; read by a strict reader and by promtool. */
#include "openmetrics.h"

#include <unistd.h>

/* One family of each type, with two series where that shows something. */
static struct registry *sample_registry(void)
{
	struct registry *r = new_registry(0);
	struct metric_def def = def_of("cost_usd_total", METRIC_COUNTER, "user", "model");

	def.help = SLICE("Money \\ \"spent\"\non calls");
	def.unit = SLICE("usd");
	struct metric *cost = define(r, &def);
	struct slice values[][2] = {{SLICE("a\"\\\nb"), SLICE("gpt")}, {SLICE("c"), SLICE("")}};
	struct series_ref s;
	assert_int_equal(metric_series(cost, values[0], &s), 0);
	registry_set_exemplar(r, SLICE("0af7"), SLICE("b7ad"), START + 1500 * NS_PER_MS);
	assert_int_equal(metric_add(cost, s, 0.25), 0);
	registry_set_exemplar(r, SLICE(""), SLICE(""), 0);
	assert_int_equal(metric_series(cost, values[1], &s), 0);
	assert_int_equal(metric_add(cost, s, 3), 0);

	struct metric *gauge = define_simple(r, "pool_size", METRIC_GAUGE, NULL);
	assert_int_equal(metric_set(gauge, series1(gauge, NULL), -1.5), 0);

	def = def_of("latency_seconds", METRIC_HISTOGRAM, "path", NULL);
	def.unit = SLICE("seconds");
	struct metric *latency = define(r, &def);
	s = series1(latency, "/a");
	assert_int_equal(metric_observe(latency, s, 0.3, START), 0);
	registry_set_exemplar(r, SLICE("0af7"), SLICE(""), START + NS_PER_S);
	assert_int_equal(metric_observe(latency, s, 20, START), 0);
	registry_set_exemplar(r, SLICE(""), SLICE(""), 0);

	struct metric *duration = define_simple(r, "duration_seconds", METRIC_SUMMARY, NULL);
	s = series1(duration, NULL);
	assert_int_equal(metric_observe(duration, s, 0, START), 0);

	struct metric *users = define_simple(r, "daily_users", METRIC_DISTINCT, NULL);
	assert_int_equal(metric_see(users, series1(users, NULL), SLICE("u1"), START), 0);

	def = def_of("top_spenders", METRIC_TOPK, "user", NULL);
	def.k = 1;
	struct metric *top = define(r, &def);
	struct slice names[] = {SLICE("x"), SLICE("y")};
	assert_int_equal(metric_topk_add(top, &names[0], 1), 0);
	assert_int_equal(metric_topk_add(top, &names[1], 5), 0);

	struct metric *rate = define_simple(r, "success_rate", METRIC_RATIO, NULL);
	assert_int_equal(metric_hit(rate, series1(rate, NULL), true, START), 0);
	struct metric *mean = define_simple(r, "avg_seconds", METRIC_MEAN, NULL);
	series1(mean, NULL);
	struct metric *plain = define_simple(r, "requests", METRIC_COUNTER, NULL); /* without _total */
	assert_int_equal(metric_add(plain, series1(plain, NULL), 1e21), 0);
	define_simple(r, "nothing_total", METRIC_COUNTER, "x"); /* no series: not shown */
	return r;
}

static const char golden_text[] = "# HELP avg_seconds Help\n"
                                  "# TYPE avg_seconds gauge\n"
                                  "avg_seconds NaN\n"
                                  "# HELP cost_usd_total Money \\\\ \"spent\"\\non calls\n"
                                  "# TYPE cost_usd_total counter\n"
                                  "cost_usd_total{user=\"a\\\"\\\\\\nb\",model=\"gpt\"} 0.25\n"
                                  "cost_usd_total{user=\"c\"} 3\n"
                                  "# HELP daily_users Help\n"
                                  "# TYPE daily_users gauge\n"
                                  "daily_users 1\n"
                                  "# HELP duration_seconds Help\n"
                                  "# TYPE duration_seconds summary\n"
                                  "duration_seconds{quantile=\"0.5\"} 0\n"
                                  "duration_seconds{quantile=\"0.9\"} 0\n"
                                  "duration_seconds{quantile=\"0.99\"} 0\n"
                                  "duration_seconds_count 1\n"
                                  "duration_seconds_sum 0\n"
                                  "# HELP latency_seconds Help\n"
                                  "# TYPE latency_seconds histogram\n"
                                  "latency_seconds_bucket{path=\"/a\",le=\"0.1\"} 0\n"
                                  "latency_seconds_bucket{path=\"/a\",le=\"1\"} 1\n"
                                  "latency_seconds_bucket{path=\"/a\",le=\"10\"} 1\n"
                                  "latency_seconds_bucket{path=\"/a\",le=\"+Inf\"} 2\n"
                                  "latency_seconds_count{path=\"/a\"} 2\n"
                                  "latency_seconds_sum{path=\"/a\"} 20.3\n"
                                  "# HELP pool_size Help\n"
                                  "# TYPE pool_size gauge\n"
                                  "pool_size -1.5\n"
                                  "# HELP requests Help\n"
                                  "# TYPE requests counter\n"
                                  "requests 1e+21\n"
                                  "# HELP success_rate Help\n"
                                  "# TYPE success_rate gauge\n"
                                  "success_rate 1\n"
                                  "# HELP top_spenders Help\n"
                                  "# TYPE top_spenders gauge\n"
                                  "top_spenders{moongate_overflow=\"true\"} 1\n"
                                  "top_spenders{user=\"y\"} 5\n";

static const char golden_openmetrics[] =
    "# TYPE avg_seconds gauge\n"
    "# HELP avg_seconds Help\n"
    "avg_seconds NaN\n"
    "# TYPE cost_usd counter\n"
    "# UNIT cost_usd usd\n"
    "# HELP cost_usd Money \\\\ \\\"spent\\\"\\non calls\n"
    "cost_usd_total{user=\"a\\\"\\\\\\nb\",model=\"gpt\"} 0.25 # {trace_id=\"0af7\",span_id=\"b7ad\"} 0.25 "
    "1767225601.500\n"
    "cost_usd_created{user=\"a\\\"\\\\\\nb\",model=\"gpt\"} 1767225600.000\n"
    "cost_usd_total{user=\"c\"} 3\n"
    "cost_usd_created{user=\"c\"} 1767225600.000\n"
    "# TYPE daily_users gauge\n"
    "# HELP daily_users Help\n"
    "daily_users 1\n"
    "# TYPE duration_seconds summary\n"
    "# HELP duration_seconds Help\n"
    "duration_seconds{quantile=\"0.5\"} 0\n"
    "duration_seconds{quantile=\"0.9\"} 0\n"
    "duration_seconds{quantile=\"0.99\"} 0\n"
    "duration_seconds_count 1\n"
    "duration_seconds_sum 0\n"
    "duration_seconds_created 1767225600.000\n"
    "# TYPE latency_seconds histogram\n"
    "# UNIT latency_seconds seconds\n"
    "# HELP latency_seconds Help\n"
    "latency_seconds_bucket{path=\"/a\",le=\"0.1\"} 0\n"
    "latency_seconds_bucket{path=\"/a\",le=\"1.0\"} 1\n"
    "latency_seconds_bucket{path=\"/a\",le=\"10.0\"} 1\n"
    "latency_seconds_bucket{path=\"/a\",le=\"+Inf\"} 2 # {trace_id=\"0af7\"} 20 1767225601.000\n"
    "latency_seconds_count{path=\"/a\"} 2\n"
    "latency_seconds_sum{path=\"/a\"} 20.3\n"
    "latency_seconds_created{path=\"/a\"} 1767225600.000\n"
    "# TYPE pool_size gauge\n"
    "# HELP pool_size Help\n"
    "pool_size -1.5\n"
    "# TYPE requests counter\n"
    "# HELP requests Help\n"
    "requests_total 1e+21\n"
    "requests_created 1767225600.000\n"
    "# TYPE success_rate gauge\n"
    "# HELP success_rate Help\n"
    "success_rate 1\n"
    "# TYPE top_spenders gauge\n"
    "# HELP top_spenders Help\n"
    "top_spenders{moongate_overflow=\"true\"} 1\n"
    "top_spenders{user=\"y\"} 5\n";

static void test_golden(void **state)
{
	(void)state;
	struct registry *r = sample_registry();
	struct buf text = text_of(r);
	struct buf open = text_at(r, EXPOSITION_OPENMETRICS, 0);

	assert_string_equal(text.ptr, golden_text);
	assert_string_equal(open.ptr, golden_openmetrics);
	open.len--; /* the NUL */
	exposition_end(&open, EXPOSITION_OPENMETRICS);
	buf_byte(&open, '\0');
	assert_int_equal(openmetrics_check(open.ptr), 11);
	text.len--;
	size_t len = text.len;
	exposition_end(&text, EXPOSITION_TEXT);
	assert_int_equal(text.len, len);
	buf_free(&text);
	buf_free(&open);
	registry_free(r);
}

static void test_empty(void **state)
{
	(void)state;
	struct registry *r = new_registry(0);
	struct buf text = text_of(r), open = text_at(r, EXPOSITION_OPENMETRICS, 0);

	assert_string_equal(text.ptr, "");
	open.len--;
	exposition_end(&open, EXPOSITION_OPENMETRICS);
	buf_byte(&open, '\0');
	assert_string_equal(open.ptr, "# EOF\n");
	buf_free(&text);
	buf_free(&open);
	registry_free(r);
}

/* Sums that may fall are no counters: OpenMetrics leaves them out, the text format does not. */
static void test_negative_sums(void **state)
{
	(void)state;
	static const double below[] = {-10, 0};
	struct registry *r = new_registry(0);
	struct metric_def def = def_of("h1", METRIC_HISTOGRAM, NULL, NULL);

	def.buckets = below;
	def.bucket_count = 2;
	struct metric *h1 = define(r, &def);
	struct metric *h2 = define_simple(r, "h2", METRIC_HISTOGRAM, NULL);
	struct metric *s = define_simple(r, "s", METRIC_SUMMARY, NULL);
	assert_int_equal(metric_observe(h1, series1(h1, NULL), 5, START), 0);
	assert_int_equal(metric_observe(h2, series1(h2, NULL), -5, START), 0);
	assert_int_equal(metric_observe(s, series1(s, NULL), -5, START), 0);
	struct buf open = text_at(r, EXPOSITION_OPENMETRICS, 0);
	open.len--;
	exposition_end(&open, EXPOSITION_OPENMETRICS);
	buf_byte(&open, '\0');
	openmetrics_check(open.ptr);
	assert_null(strstr(open.ptr, "_sum"));
	assert_null(strstr(open.ptr, "h1_count"));
	assert_non_null(strstr(open.ptr, "s_count 1\n"));
	assert_non_null(strstr(open.ptr, "h1_bucket{le=\"-10.0\"} 0\n"));
	assert_float_equal(value_of(r, "h1_sum"), 5, 0);
	assert_float_equal(value_of(r, "h2_sum"), -5, 0);
	assert_float_equal(value_of(r, "s_sum"), -5, 0);
	buf_free(&open);
	registry_free(r);
}

static void test_bounds(void **state)
{
	(void)state;
	static const double buckets[] = {-1.5, 0, 1e-9, 0.0001, 0.25, 1, 100, 100000, 1e6, 1234567, 1e10};
	static const char *const text[] = {"-1.5", "0",      "1e-09", "0.0001",       "0.25", "1",
	                                   "100",  "100000", "1e+06", "1.234567e+06", "1e+10"};
	static const char *const open[] = {"-1.5",  "0.0",      "1e-09", "0.0001",       "0.25", "1.0",
	                                   "100.0", "100000.0", "1e+06", "1.234567e+06", "1e+10"};
	struct registry *r = new_registry(0);
	struct metric_def def = def_of("h", METRIC_HISTOGRAM, NULL, NULL);
	char wanted[64];

	def.buckets = buckets;
	def.bucket_count = sizeof buckets / sizeof *buckets;
	struct metric *h = define(r, &def);
	series1(h, NULL);
	struct buf plain = text_of(r), om = text_at(r, EXPOSITION_OPENMETRICS, 0);
	for (uint32_t i = 0; i < def.bucket_count; i++) {
		snprintf(wanted, sizeof wanted, "h_bucket{le=\"%s\"} 0\n", text[i]);
		assert_non_null(strstr(plain.ptr, wanted));
		snprintf(wanted, sizeof wanted, "h_bucket{le=\"%s\"} 0\n", open[i]);
		assert_non_null(strstr(om.ptr, wanted));
	}
	buf_free(&plain);
	buf_free(&om);
	registry_free(r);
}

/* The longest names and the most buckets there may be. */
static void test_the_largest_family(void **state)
{
	(void)state;
	static double buckets[METRIC_BUCKETS_MAX];
	char name[256];
	struct registry *r = new_registry(0);
	struct metric_def def = def_of("h", METRIC_HISTOGRAM, NULL, NULL);

	memset(name, 'n', sizeof name);
	for (int i = 0; i < METRIC_BUCKETS_MAX; i++)
		buckets[i] = -1.2345678901234567e-300 * (METRIC_BUCKETS_MAX - i);
	def.name = slice_new(name, sizeof name);
	def.buckets = buckets;
	def.bucket_count = METRIC_BUCKETS_MAX;
	series1(define(r, &def), NULL);
	struct buf open = text_at(r, EXPOSITION_OPENMETRICS, 0);
	open.len--;
	exposition_end(&open, EXPOSITION_OPENMETRICS);
	buf_byte(&open, '\0');
	assert_int_equal(openmetrics_check(open.ptr), 1);
	buf_free(&open);
	registry_free(r);
}

static void own_families(struct buf *out, enum exposition_format format)
{
	const struct exposition_label labels[] = {{"script", SLICE("a\"b")}, {"empty", SLICE("")}, {"x", SLICE("y")}};

	exposition_family(out, format, "moongate_records", METRIC_COUNTER, "", "Records");
	exposition_sample(out, format, "moongate_records", METRIC_COUNTER, labels, 3, 7);
	exposition_sample(out, format, "moongate_records", METRIC_COUNTER, NULL, 0, 8);
	exposition_family(out, format, "moongate_memory_bytes", METRIC_GAUGE, "bytes", "Memory");
	exposition_sample(out, format, "moongate_memory_bytes", METRIC_GAUGE, labels + 1, 1, 0.5);
	exposition_family(out, format, "moongate_bare", METRIC_GAUGE, NULL, NULL);
	exposition_end(out, format);
	buf_byte(out, '\0');
}

static void test_own_families(void **state)
{
	(void)state;
	struct buf text = {0}, open = {0};

	own_families(&text, EXPOSITION_TEXT);
	assert_string_equal(text.ptr, "# HELP moongate_records_total Records\n"
	                              "# TYPE moongate_records_total counter\n"
	                              "moongate_records_total{script=\"a\\\"b\",x=\"y\"} 7\n"
	                              "moongate_records_total 8\n"
	                              "# HELP moongate_memory_bytes Memory\n"
	                              "# TYPE moongate_memory_bytes gauge\n"
	                              "moongate_memory_bytes 0.5\n"
	                              "# TYPE moongate_bare gauge\n");
	own_families(&open, EXPOSITION_OPENMETRICS);
	assert_string_equal(open.ptr, "# TYPE moongate_records counter\n"
	                              "# HELP moongate_records Records\n"
	                              "moongate_records_total{script=\"a\\\"b\",x=\"y\"} 7\n"
	                              "moongate_records_total 8\n"
	                              "# TYPE moongate_memory_bytes gauge\n"
	                              "# UNIT moongate_memory_bytes bytes\n"
	                              "# HELP moongate_memory_bytes Memory\n"
	                              "moongate_memory_bytes 0.5\n"
	                              "# TYPE moongate_bare gauge\n"
	                              "# EOF\n");
	openmetrics_check(open.ptr);
	buf_free(&text);
	buf_free(&open);
}

/* promtool reads everything and finds nothing to mend. */
static void test_promtool(void **state)
{
	(void)state;
	struct registry *r = sample_registry();
	struct buf text = text_of(r);
	char dir[] = "/tmp/moongate_exposition_XXXXXX", path[64], command[256], said[4096] = "";

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/metrics", dir);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	char *requests = strstr(text.ptr, "# HELP requests"); /* badly named on purpose: no _total */
	char *after = strstr(text.ptr, "# HELP success_rate");
	assert_true(requests != NULL && after > requests);
	fwrite(text.ptr, 1, (size_t)(requests - text.ptr), file);
	fputs(after, file);
	assert_int_equal(fclose(file), 0);
	snprintf(command, sizeof command, "promtool check metrics <%s 2>&1", path);
	FILE *promtool = popen(command, "re");
	assert_non_null(promtool);
	size_t len = fread(said, 1, sizeof said - 1, promtool);
	said[len] = '\0';
	int status = pclose(promtool);
	unlink(path);
	rmdir(dir);
	assert_string_equal(said, "");
	assert_int_equal(status, 0);
	buf_free(&text);
	registry_free(r);
}

static void test_choose(void **state)
{
	(void)state;
	static const struct {
		const char *accept;
		bool open;
	} cases[] = {
	    {"", false},
	    {"*/*", false},
	    {"text/plain", false},
	    {"application/json", false},
	    {"application/openmetrics-text", true},
	    {"Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8", true},
	    {"application/openmetrics-text; version=\"1.0.0\"", true},
	    {"application/openmetrics-text; version=0.0.1", false},
	    {"application/openmetrics-text;q=0, */*", false},
	    {"application/openmetrics-text;version=1.0.0,text/plain;q=0.5", true},
	    {"application/openmetrics-text;q=0.4,text/plain;q=0.5", false},
	    {"application/openmetrics-text;q=0.5 , text/plain;q=0.5", true},
	    {"application/openmetrics-text;q=0.5,*/*;q=0.7", false},
	    {"text/plain;q=0.1, */*;q=0.9", true},
	    {"application/*", true},
	    {"application/*,text/*", false},
	    {"text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8", false},
	    {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
	     "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
	     "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
	     true}, /* Prometheus 3 */
	    {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,"
	     "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
	     false},
	    {"application/openmetrics-text;q=1.1", false},
	    {"application/openmetrics-text;q=", false},
	    {"application/openmetrics-text;q=0.12345", false},
	    {"application/openmetrics-text;q=2", false},
	    {"application/openmetrics-text;x=\"a,b;q=0\\\"\";q=1,text/plain;q=0.1", true},
	    {";;;,,,=;q=,\"", false},
	    {"application/openmetrics-text;q=0.0", false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		bool open = exposition_choose(slice_cstr(cases[i].accept)) == EXPOSITION_OPENMETRICS;
		if (open != cases[i].open)
			fail_msg("Accept: %s", cases[i].accept);
	}
	assert_int_equal(exposition_choose((struct slice){NULL, 0}), EXPOSITION_TEXT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_golden),
	    cmocka_unit_test(test_empty),
	    cmocka_unit_test(test_negative_sums),
	    cmocka_unit_test(test_bounds),
	    cmocka_unit_test(test_the_largest_family),
	    cmocka_unit_test(test_own_families),
	    cmocka_unit_test(test_promtool),
	    cmocka_unit_test(test_choose),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
