/* Which targets there should be, as files come, change, break and go. */
#include "support.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "scrape/discover.h"

static char dir[64], pattern[96], single[96];
static char name_a[] = "a", name_b[] = "b", path[] = "/metrics", address[] = "static:1";
static char *targets[] = {address};
static char *files_a[] = {pattern}, *files_b[] = {single};
static struct config_scrape jobs[2] = {
    {.job = name_a,
     .path = path,
     .files = {files_a, 1},
     .targets = {targets, 1},
     .interval_ns = 20 * NS_PER_S,
     .timeout_ns = NS_PER_S},
    {.job = name_b, .path = path, .files = {files_b, 1}, .interval_ns = 10 * NS_PER_S, .timeout_ns = NS_PER_S},
};
static const struct config config = {.scrapes = jobs, .scrape_count = 2};

static void put(const char *name, const char *text)
{
	char to[128];

	snprintf(to, sizeof to, "%s/%s", dir, name);
	if (text == NULL) {
		assert_int_equal(unlink(to), 0);
		return;
	}
	FILE *f = fopen(to, "wb");
	assert_non_null(f);
	assert_int_equal(fputs(text, f) >= 0, 1);
	assert_int_equal(fclose(f), 0);
}

static int note(void *ctx, struct target *t)
{
	struct buf *out = ctx;

	buf_printf(out, "%s/%s ", t->job->job, t->address);
	target_free(t);
	return 0;
}

/* The targets that there should be, in the order in which they are made. */
static void assert_targets(struct discovery *d, const char *wanted)
{
	struct buf out = {0};
	struct error err = {0};

	assert_int_equal(discovery_each(d, note, &out, &err), 0);
	buf_byte(&out, '\0');
	assert_string_equal(out.ptr, wanted);
	buf_free(&out);
}

static void follows_what_is_there(void **state)
{
	struct discovery *d = discovery_new(&config);

	(void)state;
	assert_int_equal(discovery_every_ns(d), 10 * NS_PER_S);
	assert_targets(d, "a/static:1 ");
	assert_true(discovery_look(d)); /* the first time */
	assert_false(discovery_look(d));
	put("one.json", "[{\"targets\":[\"x:1\",\"x:2\"]}]");
	put(".hidden.json", "[{\"targets\":[\"h:1\"]}]");
	put("other.txt", "no JSON");
	assert_true(discovery_look(d));
	assert_false(discovery_look(d));
	assert_int_equal(discovery_files(d), 1);
	assert_targets(d, "a/static:1 a/x:1 a/x:2 ");
	/* The one file of the other job matches the pattern of this one as well. */
	put("single.json", "[{\"targets\":[\"y:1\"]}]");
	assert_true(discovery_look(d));
	assert_int_equal(discovery_files(d), 3);
	assert_targets(d, "a/static:1 a/x:1 a/x:2 a/y:1 b/y:1 ");
	/* Broken, however it is, a file keeps its targets; back as it was, it is no change. */
	static const char *const broken[] = {"", "[", "[{\"targets\":[\"http://x\"]}]",
	                                     "[{\"targets\":[\"x:1\"],\"labels\":{\"a\":5}}]"};
	for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
		put("one.json", broken[i]);
		assert_false(discovery_look(d));
		assert_false(discovery_look(d));
		assert_int_equal(discovery_broken(d), 1);
		assert_targets(d, "a/static:1 a/x:1 a/x:2 a/y:1 b/y:1 ");
	}
	put("one.json", "[{\"targets\":[\"x:2\"]}]");
	assert_true(discovery_look(d));
	assert_int_equal(discovery_broken(d), 0);
	assert_targets(d, "a/static:1 a/x:2 a/y:1 b/y:1 ");
	put("one.json", NULL);
	put("single.json", NULL);
	assert_true(discovery_look(d));
	assert_false(discovery_look(d));
	assert_targets(d, "a/static:1 ");
	put(".hidden.json", NULL);
	put("other.txt", NULL);
	discovery_free(d);
}

/* A disk that cannot be read does not say that its files have gone. */
static void keeps_targets_while_the_disk_fails(void **state)
{
	struct discovery *d = discovery_new(&config);

	(void)state;
	put("one.json", "[{\"targets\":[\"x:1\"]}]");
	put("single.json", "[{\"targets\":[\"y:1\"]}]");
	assert_true(discovery_look(d));
	fault_set(FAULT_OPEN, 1, true, EIO);
	assert_false(discovery_look(d));
	assert_false(discovery_look(d));
	fault_set(FAULT_OPEN, 0, false, 0);
	fault_set(FAULT_READ, 1, true, EIO);
	assert_false(discovery_look(d));
	assert_int_equal(discovery_broken(d), 3);
	fault_clear();
	assert_targets(d, "a/static:1 a/x:1 a/y:1 b/y:1 ");
	discovery_look(d);
	assert_int_equal(discovery_broken(d), 0);
	assert_targets(d, "a/static:1 a/x:1 a/y:1 b/y:1 ");
	discovery_free(d);
	put("one.json", NULL);
	put("single.json", NULL);
}

/* What stays broken is not said at each look. */
static void says_what_is_broken_once(void **state)
{
	struct discovery *d = discovery_new(&config);
	char text[64];

	(void)state;
	uint64_t before = log_lines(LOG_ERROR);
	for (int i = 0; i < 20; i++) {
		snprintf(text, sizeof text, "[ \"%d\"", i); /* broken in the same way, and never the same */
		put("one.json", text);
		discovery_look(d);
	}
	assert_int_equal(log_lines(LOG_ERROR), before + 1);
	put("one.json", "[]");
	discovery_look(d);
	put("one.json", "[");
	discovery_look(d);
	assert_int_equal(log_lines(LOG_ERROR), before + 2);
	/* It is broken in another way from one look to the next: that can wait. */
	for (int i = 0; i < 20; i++) {
		put("one.json", i % 2 == 0 ? "[{}" : "5");
		discovery_look(d);
	}
	assert_int_equal(log_lines(LOG_ERROR), before + 2);
	/* Nothing of the folder can be seen, and of the one file of the other job neither. */
	put("one.json", "[]");
	discovery_look(d);
	fault_set(FAULT_OPEN, 1, true, EIO);
	for (int i = 0; i < 20; i++)
		discovery_look(d);
	fault_clear();
	assert_in_range(log_lines(LOG_ERROR), before + 3, before + 4);
	discovery_free(d);
	put("one.json", NULL);
}

/* What memory was missing for is there after the next look. */
static void makes_good_what_memory_was_missing_for(void **state)
{
	(void)state;
	put("one.json", "[{\"targets\":[\"x:1\"]}]");
	put("single.json", "[{\"targets\":[\"y:1\"]}]");
	for (uint64_t n = 1;; n++) {
		struct buf out = {0};
		struct error err = {0};
		struct discovery *d = discovery_new(&config);
		assert_non_null(d);
		uint64_t before = fault_hits(FAULT_MALLOC);
		fault_set(FAULT_MALLOC, n, false, ENOMEM);
		discovery_look(d);
		int code = discovery_each(d, note, &out, &err);
		bool reached = fault_hits(FAULT_MALLOC) - before >= n;
		fault_clear();
		assert_true(code == 0 || code == -ENOMEM);
		discovery_look(d);
		assert_int_equal(discovery_broken(d), 0);
		buf_reset(&out); /* in any order: files may have been found in the second look */
		assert_int_equal(discovery_each(d, note, &out, &err), 0);
		buf_byte(&out, '\0');
		assert_int_equal(out.len, sizeof "a/static:1 a/x:1 a/y:1 b/y:1 ");
		assert_true(strstr(out.ptr, "a/x:1 ") && strstr(out.ptr, "a/y:1 ") && strstr(out.ptr, "b/y:1 "));
		buf_free(&out);
		discovery_free(d);
		if (!reached)
			break;
	}
	put("one.json", NULL);
	put("single.json", NULL);
}

static int make_dir(void **state)
{
	(void)state;
	const struct log_options quiet = {.level = LOG_ERROR, .file = "/dev/null"};
	snprintf(dir, sizeof dir, "/tmp/moongate-discover-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(pattern, sizeof pattern, "%s/*.json", dir);
	snprintf(single, sizeof single, "%s/single.json", dir);
	return log_start(&quiet, NULL);
}

static int remove_dir(void **state)
{
	(void)state;
	log_stop();
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(follows_what_is_there),
	    cmocka_unit_test(keeps_targets_while_the_disk_fails),
	    cmocka_unit_test(says_what_is_broken_once),
	    cmocka_unit_test(makes_good_what_memory_was_missing_for),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
