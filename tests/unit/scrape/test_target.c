/* Targets: their labels and URLs, the files that they come from, and when they are due. */
#include "support.h"

#include <errno.h>

#include "base/clock.h"
#include "scrape/due.h"
#include "scrape/schedule.h"
#include "scrape/target.h"

static struct config_scrape job = {.honor_timestamps = true};
static char job_name[] = "j", job_path[] = "/metrics";

/* ---- labels and URLs ---- */

static void assert_target(struct target *t, const char *labels, const char *url)
{
	struct buf text = {0};

	assert_non_null(t);
	labels_text(buf_slice(&t->set), &text);
	buf_byte(&text, '\0');
	assert_string_equal(text.ptr, labels);
	assert_string_equal(t->url, url);
	for (int i = 0; i < REPORTS; i++) {
		assert_int_equal(labels_check(t->reports[i].labels, NULL, NULL), 0);
		assert_int_equal(t->reports[i].hash, labels_hash(t->reports[i].labels));
	}
	buf_free(&text);
	target_free(t);
}

static void has_the_labels_of_job_and_group(void **state)
{
	struct config_pair pairs[] = {{"env", "prod"}, {"team", "a"}},
	                   params[] = {{"b", "1 &"}, {"m[]", "up"}, {"m[]", "x"}};
	struct error err = {0};

	(void)state;
	assert_target(target_new(&job, "x:1", NULL, 0, &err), "{instance=\"x:1\", job=\"j\"}", "http://x:1/metrics");
	job.labels = (struct config_pairs){pairs, 2};
	job.params = (struct config_pairs){params, 3};
	job.scheme = SCHEME_HTTPS;
	assert_target(target_new(&job, "[::1]:1", NULL, 0, &err),
	              "{env=\"prod\", instance=\"[::1]:1\", job=\"j\", team=\"a\"}",
	              "https://[::1]:1/metrics?b=1%20%26&m%5B%5D=up&m%5B%5D=x");
	const struct target_file_label labels[] = {{"team", "b"},
	                                           {"env", ""},
	                                           {"job", "k"},
	                                           {"instance", ""},
	                                           {"__scheme__", "http"},
	                                           {"__metrics_path__", "/m"},
	                                           {"__param_m[]", "z"},
	                                           {"__param_a", "1"},
	                                           {"__scrape_interval__", "1m"},
	                                           {"__scrape_timeout__", "7s"},
	                                           {"__meta_x", "y"}};
	struct target *t = target_new(&job, "x", labels, sizeof labels / sizeof *labels, &err);
	assert_non_null(t);
	assert_int_equal(t->interval_ns, 60 * NS_PER_S);
	assert_int_equal(t->timeout_ns, 7 * NS_PER_S);
	assert_target(t, "{instance=\"x\", job=\"k\", team=\"b\"}", "http://x/m?a=1&b=1%20%26&m%5B%5D=z&m%5B%5D=x");
	job.labels = job.params = (struct config_pairs){0};
	job.scheme = SCHEME_HTTP;
}

static void refuses_what_is_no_target(void **state)
{
	static const struct {
		const char *address, *name, *value, *wanted;
	} mistakes[] = {
	    {"", "a", "b", "wanted host:port"},
	    {"http://x", "a", "b", "found \"http://x\", wanted host:port"},
	    {"x:1\n", "a", "b", "wanted host:port"},
	    {"x", "__scheme__", "gopher", "__scheme__: found \"gopher\", wanted http or https"},
	    {"x", "__metrics_path__", "m", "__metrics_path__: found \"m\""},
	    {"x", "__scrape_interval__", "soon", "__scrape_interval__: "},
	    {"x", "__scrape_interval__", "0s", "__scrape_interval__: found 0s"},
	    {"x", "__scrape_interval__", "9s", "the timeout is longer than the interval"},
	    {"x", "__scrape_timeout__", "2h", "the timeout is longer than the interval"},
	    {"x", "", "b", "name"},
	    {"x", "a", "\xff", "UTF-8"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
		const struct target_file_label label = {mistakes[i].name, mistakes[i].value};
		struct error err = {0};
		assert_null(target_new(&job, mistakes[i].address, &label, 1, &err));
		assert_int_equal(err.code, -EINVAL);
		if (strstr(err.text, mistakes[i].wanted) == NULL)
			fail_msg("%s %s: %s", mistakes[i].address, mistakes[i].name, err.text);
	}
}

static void is_one_by_what_it_is(void **state)
{
	const struct target_file_label label = {"a", "b"};
	struct error err = {0};
	struct target *t[4] = {target_new(&job, "x", NULL, 0, &err), target_new(&job, "x", NULL, 0, &err),
	                       target_new(&job, "y", NULL, 0, &err), target_new(&job, "x", &label, 1, &err)};

	(void)state;
	assert_true(slice_eq(buf_slice(&t[0]->identity), buf_slice(&t[1]->identity)));
	assert_int_equal(t[0]->hash, t[1]->hash);
	assert_false(slice_eq(buf_slice(&t[0]->identity), buf_slice(&t[2]->identity)));
	assert_false(slice_eq(buf_slice(&t[0]->identity), buf_slice(&t[3]->identity)));
	for (int i = 0; i < 4; i++)
		target_free(t[i]);
}

/* ---- files ---- */

static int note(void *ctx, const char *address, const struct target_file_label *labels, uint32_t label_count,
                struct error *err)
{
	struct buf *out = ctx;

	(void)err;
	buf_printf(out, "%s", address);
	for (uint32_t i = 0; i < label_count; i++)
		buf_printf(out, " %s=%s", labels[i].name, labels[i].value);
	buf_byte(out, ';');
	return strcmp(address, "stop") == 0 ? -EXDEV : 0;
}

static void assert_file(const char *text, int code, const char *wanted)
{
	struct buf out = {0};
	struct error err = {0};

	buf_str(&out, "");
	assert_int_equal(target_file_read(slice_cstr(text), note, &out, &err), code);
	buf_byte(&out, '\0');
	if (strstr(code == -EINVAL ? err.text : out.ptr, wanted) == NULL)
		fail_msg("%s gave %s / %s", text, out.ptr, err.text);
	buf_free(&out);
}

static void reads_files(void **state)
{
	(void)state;
	assert_file("[]", 0, "");
	assert_file(
	    " [ {\"targets\": [\"x:1\", \"y\"], \"labels\": {\"a\": \"b\", \"c\": \"\"}},\n{\"targets\": [\"z\"]}]\n",
	    0, "x:1 a=b c=;y a=b c=;z;");
	assert_file("[{\"targets\":[],\"labels\":null}]", 0, "");
	assert_file("[{\"targets\":[\"a\",\"stop\",\"b\"]}]", -EXDEV, "a;stop;");
	assert_file("", -EINVAL, "no JSON");
	assert_file("- targets: [ x ]", -EINVAL, "no JSON, from byte 0 on");
	assert_file("[{\"targets\":[\"x\"]}", -EINVAL, "no JSON");
	assert_file("[] []", -EINVAL, "something is behind the JSON, at byte 2");
	assert_file("{}", -EINVAL, "found no array");
	assert_file("[5]", -EINVAL, "group 1 is no object");
	assert_file("[{\"targets\":[]},{}]", -EINVAL, "group 2 has no array of targets");
	assert_file("[{\"targets\":\"x\"}]", -EINVAL, "group 1 has no array of targets");
	assert_file("[{\"targets\":[5]}]", -EINVAL, "group 1 has a target that is no string");
	assert_file("[{\"targets\":[],\"labels\":[]}]", -EINVAL, "group 1: labels are no object");
	assert_file("[{\"targets\":[],\"labels\":{\"a\":1}}]", -EINVAL,
	            "the label \"a\" has a value that is no string");
	assert_file("[{\"targets\":[],\"label\":{}}]", -EINVAL, "group 1 has \"label\", wanted targets and labels");
	struct buf deep = {0};
	for (int i = 0; i < 200000; i++)
		buf_byte(&deep, '[');
	buf_byte(&deep, '\0');
	assert_file(deep.ptr, -EINVAL, "no JSON");
	buf_free(&deep);
}

/* ---- times ---- */

static void spreads_targets_over_the_interval(void **state)
{
	const int64_t now = INT64_C(1700000000123456789), interval = 15 * NS_PER_S;
	int parts[15] = {0};

	(void)state;
	for (uint64_t hash = 0; hash < 15000; hash++) {
		uint64_t spread = hash * UINT64_C(0x9e3779b97f4a7c15);
		int64_t next = schedule_next(now, interval, spread);
		assert_true(next > now && next <= now + interval);
		/* The same whenever it is asked, one interval on from itself. */
		assert_int_equal(schedule_next(next - 1, interval, spread), next);
		assert_int_equal(schedule_next(next, interval, spread), next + interval);
		assert_int_equal((next - (int64_t)(spread % (uint64_t)interval)) % interval, 0);
		parts[(next - now - 1) / NS_PER_S]++;
	}
	for (int i = 0; i < 15; i++)
		assert_in_range(parts[i], 800, 1200);
	assert_int_equal(schedule_next(-5, 10, 3), 3);
	assert_int_equal(schedule_next(-8, 10, 3), -7);
}

static void puts_samples_on_the_schedule(void **state)
{
	const int64_t due = 1000 * NS_PER_S, ms = NS_PER_MS;

	(void)state;
	assert_int_equal(schedule_time_ms(due, due, 15 * NS_PER_S), 1000000);
	assert_int_equal(schedule_time_ms(due, due + 2 * ms, 15 * NS_PER_S), 1000000);
	assert_int_equal(schedule_time_ms(due, due - 2 * ms, 15 * NS_PER_S), 1000000);
	assert_int_equal(schedule_time_ms(due, due + 3 * ms, 15 * NS_PER_S), 1000003);
	assert_int_equal(schedule_time_ms(due, due - 3 * ms, 15 * NS_PER_S), 999997);
	/* A hundredth of a short interval is less. */
	assert_int_equal(schedule_time_ms(due, due + 2 * ms, 100 * ms), 1000002);
	assert_int_equal(schedule_time_ms(due, due + 1 * ms, 100 * ms), 1000000);
}

static void gives_the_first_that_is_due(void **state)
{
	enum { COUNT = 500 };
	static struct target targets[COUNT];
	static bool in[COUNT];
	struct due h = {0};
	uint32_t random = 7;

	(void)state;
	assert_null(due_first(&h));
	assert_int_equal(due_reserve(&h, COUNT), 0);
	for (int turn = 0; turn < 20000; turn++) {
		random = random * 1664525 + 1013904223;
		uint32_t at = (random >> 8) % COUNT;
		if (in[at]) {
			due_remove(&h, &targets[at]);
		} else {
			targets[at].due_ns = (random >> 4) % 1000;
			due_add(&h, &targets[at]);
		}
		in[at] = !in[at];
		int64_t least = INT64_MAX;
		for (int i = 0; i < COUNT; i++)
			least = in[i] && targets[i].due_ns < least ? targets[i].due_ns : least;
		const struct target *first = due_first(&h);
		assert_true(first == NULL ? least == INT64_MAX : first->due_ns == least);
	}
	due_deinit(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(has_the_labels_of_job_and_group),
	    cmocka_unit_test(refuses_what_is_no_target),
	    cmocka_unit_test(is_one_by_what_it_is),
	    cmocka_unit_test(reads_files),
	    cmocka_unit_test(spreads_targets_over_the_interval),
	    cmocka_unit_test(puts_samples_on_the_schedule),
	    cmocka_unit_test(gives_the_first_that_is_due),
	};
	job.job = job_name;
	job.path = job_path;
	job.interval_ns = 15 * NS_PER_S;
	job.timeout_ns = 10 * NS_PER_S;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
