/* Labels of a target and of what it answers, made one set. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "scrape/merge.h"

/* "a=1 b=2" as a canonical set. */
static void encode(const char *text, struct buf *out)
{
	struct label labels[LABELS_MAX];
	uint32_t count = 0;
	struct error err = {0};

	while (*text != '\0') {
		size_t len = strcspn(text, " ");
		const char *equals = memchr(text, '=', len);
		assert_non_null(equals);
		labels[count++] = (struct label){slice_new(text, (size_t)(equals - text)),
		                                 slice_new(equals + 1, len - (size_t)(equals - text) - 1)};
		text += len + (text[len] == ' ');
	}
	assert_int_equal(labels_prepare_all(labels, &count, false, &err), 0);
	char *to = buf_room(out, labels_size(labels, count) + 1);
	out->len += (size_t)(labels_write(to, labels, count) - to);
}

static void assert_merged(bool honor, const char *target, const char *scraped, const char *wanted)
{
	struct buf own = {0}, theirs = {0}, out = {0}, expected = {0}, text = {0};
	struct merge m;
	struct error err = {0};

	encode(target, &own);
	encode(scraped, &theirs);
	encode(wanted, &expected);
	buf_str(&out, "x");
	assert_int_equal(merge_init(&m, buf_slice(&own), honor), 0);
	assert_int_equal(merge_labels(&m, buf_slice(&theirs), &out, &err), 0);
	struct slice got = slice_new(out.ptr + 1, out.len - 1);
	if (!slice_eq(got, buf_slice(&expected))) {
		labels_text(got, &text);
		fail_msg("%s + %s gave %.*s, wanted %s", target, scraped, SLICE_ARG(buf_slice(&text)), wanted);
	}
	assert_int_equal(labels_check(got, NULL, &err), 0);
	merge_deinit(&m);
	buf_free(&own);
	buf_free(&theirs);
	buf_free(&out);
	buf_free(&expected);
}

static void puts_both_in_order(void **state)
{
	(void)state;
	for (int honor = 0; honor < 2; honor++) {
		assert_merged(honor, "instance=i job=j", "__name__=up", "__name__=up instance=i job=j");
		assert_merged(honor, "instance=i job=j", "__name__=up a=1 k=2 z=3",
		              "__name__=up a=1 instance=i job=j k=2 z=3");
		assert_merged(honor, "instance=i job=j zone=z", "__name__=up", "__name__=up instance=i job=j zone=z");
		assert_merged(honor, "", "__name__=up a=1", "__name__=up a=1");
		assert_merged(honor, "a=1", "", "a=1");
		assert_merged(honor, "", "", "");
	}
}

/* What Prometheus's TestScrapeLoop… and its documentation say of honor_labels. */
static void renames_what_clashes(void **state)
{
	(void)state;
	assert_merged(false, "instance=i job=j", "__name__=m job=x", "__name__=m exported_job=x instance=i job=j");
	assert_merged(false, "foo=1", "foo=0", "exported_foo=0 foo=1");
	assert_merged(false, "foo=1", "foo=0 exported_foo=1", "exported_exported_foo=0 exported_foo=1 foo=1");
	assert_merged(false, "foo=1 exported_foo=2", "foo=0", "exported_exported_foo=0 exported_foo=2 foo=1");
	/* The shorter name is renamed first, and takes the name that the longer one wanted. */
	assert_merged(false, "foo=1 exported_foo=2", "foo=3 exported_foo=4",
	              "exported_exported_foo=3 exported_exported_exported_foo=4 exported_foo=2 foo=1");
	assert_merged(false, "a=1 b=2", "a=3 b=4", "a=1 b=2 exported_a=3 exported_b=4");
}

static void keeps_what_is_honored(void **state)
{
	(void)state;
	assert_merged(true, "instance=i job=j", "__name__=m job=x", "__name__=m instance=i job=x");
	assert_merged(true, "instance=i job=j", "instance=y job=x", "instance=y job=x");
	assert_merged(true, "foo=1", "foo=0 exported_foo=1", "exported_foo=1 foo=0");
}

/* Seen of a real Prometheus in tests/spec/scrape_spec.lua. */
static void takes_an_empty_value_for_none(void **state)
{
	(void)state;
	assert_merged(false, "instance=i job=j",
	              "__name__=m instance= job=x z=", "__name__=m exported_job=x instance=i job=j");
	assert_merged(false, "instance=i job=j", "__name__=m a= instance=", "__name__=m instance=i job=j");
	assert_merged(true, "instance=i job=j", "__name__=m a= instance= job=x", "__name__=m job=x");
	assert_merged(true, "instance=i job=j", "__name__=m instance= job= z=", "__name__=m");
	assert_merged(false, "foo=1", "exported_foo= foo=0", "exported_foo=0 foo=1");
}

static void refuse(struct merge *m, struct slice scraped, const char *wanted)
{
	struct buf out = {0};
	struct error err = {0};

	buf_str(&out, "kept");
	assert_int_equal(merge_labels(m, scraped, &out, &err), -EINVAL);
	assert_int_equal(out.len, 4);
	if (strstr(err.text, wanted) == NULL)
		fail_msg("gave: %s", err.text);
	buf_free(&out);
}

static void refuses_what_is_too_much(void **state)
{
	struct buf own = {0}, theirs = {0};
	struct merge m;
	char text[8192] = "", name[LABEL_NAME_BYTES_MAX + 1];

	(void)state;
	encode("aa=1 bb=2", &own);
	for (int i = 0; i < LABELS_MAX - 1; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%sl%03d=v", i > 0 ? " " : "", i);
	encode(text, &theirs);
	for (int honor = 0; honor < 2; honor++) {
		assert_int_equal(merge_init(&m, buf_slice(&own), honor), 0);
		refuse(&m, buf_slice(&theirs), honor ? "more labels than a series may have" : "one more than the 128");
		merge_deinit(&m);
	}
	buf_free(&own);
	buf_free(&theirs);
	/* A name that has no room for exported_. */
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	snprintf(text, sizeof text, "%s=1", name);
	encode(text, &own);
	encode(text, &theirs);
	assert_int_equal(merge_init(&m, buf_slice(&own), false), 0);
	refuse(&m, buf_slice(&theirs), "1024");
	merge_deinit(&m);
	buf_free(&own);
	buf_free(&theirs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(puts_both_in_order),       cmocka_unit_test(renames_what_clashes),
	    cmocka_unit_test(keeps_what_is_honored),    cmocka_unit_test(takes_an_empty_value_for_none),
	    cmocka_unit_test(refuses_what_is_too_much),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
