/* /api/v1/metadata and /api/v1/query_exemplars: what a query answers, over a store of our own. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/internal.h"
#include "base/clock.h"
#include "record/labels.h"
#include "tsdb/tsdb.h"

static char dir[64];
static struct tsdb *store;
static struct api api; /* its queue of queries */

static struct buf labels_of(const char *metric, const char *name, const char *value)
{
	struct buf b = {0};
	struct label labels[] = {{LABEL_METRIC_NAME, slice_cstr(metric)}, {slice_cstr(name), slice_cstr(value)}};
	assert_int_equal(labels_canonical(labels, 2, &b, NULL), 0);
	return b;
}

static void add_exemplar(const char *metric, const char *job, const char *trace, double value, int64_t time_ms)
{
	struct buf series = labels_of(metric, "job", job), own = {0};
	struct label label = {SLICE("trace_id"), slice_cstr(trace)};
	assert_int_equal(labels_canonical(&label, 1, &own, NULL), 0);
	struct sample_exemplar e = {buf_slice(&own), value, time_ms};
	assert_int_equal(tsdb_exemplar_add(store, buf_slice(&series), labels_hash(buf_slice(&series)), &e),
	                 EXEMPLAR_STORED);
	buf_free(&series);
	buf_free(&own);
}

static void put_metadata(const char *name, enum metadata_type type, const char *help, const char *unit)
{
	struct sample_metadata m = {slice_cstr(name), slice_cstr(help), slice_cstr(unit), type};
	assert_int_equal(tsdb_metadata_put(store, &m), 0);
}

static int begin(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/moongate-tsdb-XXXXXX");
	assert_non_null(mkdtemp(dir));
	store = tsdb_open(&(struct tsdb_options){.dir = dir}, NULL, NULL, NULL);
	assert_non_null(store);
	query_queue_init(&api.queries, 2);
	put_metadata("calls_total", METADATA_COUNTER, "Calls \"made\".", "");
	put_metadata("wait_seconds", METADATA_GAUGE_HISTOGRAM, "", "seconds");
	put_metadata("odd", METADATA_UNKNOWN, "", "");
	add_exemplar("calls_total", "a", "t1", 1, 1700000000000);
	add_exemplar("calls_total", "a", "t2", 0.25, 1700000000500);
	add_exemplar("calls_total", "b", "t3", INFINITY, 1700000001007);
	add_exemplar("other", "a", "t4", 1e-7, -1500);
	return 0;
}

static int end(void **state)
{
	char command[128];
	(void)state;
	tsdb_close(store);
	query_queue_deinit(&api.queries);
	snprintf(command, sizeof command, "rm -r '%s'", dir);
	return system(command);
}

/* The answer to a query, or its error. */
static void check(void (*answer)(struct query *q), const char *query, const char *wanted)
{
	struct query q = {.api = &api, .history = store, .deadline_ns = INT64_MAX};
	struct error err = {0};
	arena_init(&q.arena);
	assert_int_equal(params_read(SLICE(""), slice_cstr(query), &q.arena, &q.params, &err), 0);
	answer(&q);
	buf_byte(&q.out, '\0');
	assert_false(buf_failed(&q.out));
	assert_string_equal(q.status == 0 ? q.out.ptr : q.error.text, wanted);
	arena_deinit(&q.arena);
	buf_free(&q.out);
}

#define CALLS "\"calls_total\":[{\"type\":\"counter\",\"help\":\"Calls \\\"made\\\".\",\"unit\":\"\"}]"
#define ODD "\"odd\":[{\"type\":\"unknown\",\"help\":\"\",\"unit\":\"\"}]"
#define WAIT "\"wait_seconds\":[{\"type\":\"gaugehistogram\",\"help\":\"\",\"unit\":\"seconds\"}]"

static void metadata_is_listed(void **state)
{
	(void)state;
	check(answer_metadata, "", "{" CALLS "," ODD "," WAIT "}");
	check(answer_metadata, "limit=2", "{" CALLS "," ODD "}");
	check(answer_metadata, "limit=40000&limit_per_metric=1", "{" CALLS "," ODD "," WAIT "}");
	check(answer_metadata, "limit=0", "{}");
	check(answer_metadata, "limit_per_metric=0", "{" CALLS "," ODD "," WAIT "}"); /* 0: without a limit */
	check(answer_metadata, "metric=odd", "{" ODD "}");
	check(answer_metadata, "metric=none", "{}");
	check(answer_metadata, "limit=x", "invalid parameter \"limit\": strconv.Atoi: parsing \"x\": invalid syntax");
}

#define T1 "{\"labels\":{\"trace_id\":\"t1\"},\"value\":\"1\",\"timestamp\":1700000000}"
#define T2 "{\"labels\":{\"trace_id\":\"t2\"},\"value\":\"0.25\",\"timestamp\":1700000000.500}"
#define T3 "{\"labels\":{\"trace_id\":\"t3\"},\"value\":\"+Inf\",\"timestamp\":1700000001.007}"
#define T4 "{\"labels\":{\"trace_id\":\"t4\"},\"value\":\"1e-7\",\"timestamp\":-1.500}"
#define SERIES(name, job, exemplars)                                                                                   \
	"{\"seriesLabels\":{\"__name__\":\"" name "\",\"job\":\"" job "\"},\"exemplars\":[" exemplars "]}"

static void exemplars_are_selected(void **state)
{
	(void)state;
	check(answer_exemplars, "query=calls_total",
	      "[" SERIES("calls_total", "a", T1 "," T2) "," SERIES("calls_total", "b", T3) "]");
	check(answer_exemplars, "query=rate(calls_total{job=%22b%22}[5m])/on()other%2Bsum(calls_total{job=%22b%22})",
	      "[" SERIES("calls_total", "b", T3) "," SERIES("other", "a", T4) "]");
	check(answer_exemplars, "query=other&start=-2&end=0", "[" SERIES("other", "a", T4) "]");
	check(answer_exemplars, "query=calls_total&start=1700000000.5&end=1700000001",
	      "[" SERIES("calls_total", "a", T2) "]");
	check(answer_exemplars, "query=1", "[]");
	check(answer_exemplars, "query=test&start=1764000000000&end=1764003600000", "[]"); /* Grafana's probe */
	check(answer_exemplars, "query=test&start=2&end=1", "end timestamp must not be before start timestamp");
	check(answer_exemplars, "query=a%2B", "1:3: parse error: unexpected end of input");
	check(answer_exemplars, "", "unknown position: parse error: no expression found in input");
}

/* One selector may take long: the clock is looked at between them. */
static void a_query_ends_with_its_time(void **state)
{
	struct query q = {.api = &api, .history = store, .timeout_ns = 30 * NS_PER_S};
	struct error err = {0};
	(void)state;
	arena_init(&q.arena);
	assert_int_equal(params_read(SLICE(""), SLICE("query=calls_total%2Bother"), &q.arena, &q.params, &err), 0);
	answer_exemplars(&q);
	assert_int_equal(q.status, 503);
	assert_string_equal(q.error.text, "query timed out: it took more than 30 s");
	arena_deinit(&q.arena);
	buf_free(&q.out);
}

/* How many steps a query makes, of a thousand. */
static unsigned steps_of(struct query *q)
{
	unsigned steps = 0;
	while (steps < 1000 && query_goes_on(q))
		steps++;
	return steps;
}

static void a_query_ends_with_the_gateway(void **state)
{
	struct query going = {.api = &api, .deadline_ns = INT64_MAX};
	struct query stopped = {.api = &api, .deadline_ns = INT64_MAX};
	(void)state;
	query_queue_stop(&api.queries, clock_mono_ns() + 3600 * NS_PER_S);
	assert_int_equal(steps_of(&going), 1000);
	query_queue_stop(&api.queries, clock_mono_ns() - 1);
	assert_true(steps_of(&stopped) < 1000);
	assert_int_equal(stopped.status, 503);
	assert_string_equal(stopped.error.text, "the gateway is stopping");
	query_queue_stop(&api.queries, INT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(metadata_is_listed),
	    cmocka_unit_test(exemplars_are_selected),
	    cmocka_unit_test(a_query_ends_with_its_time),
	    cmocka_unit_test(a_query_ends_with_the_gateway),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
