/* Label values as keys and as text, against a plain reading of the rules. */
#include "support.h"

#include "metrics/labels.h"

static void clean_is(const char *value, size_t len, const char *wanted, uint64_t wanted_cut)
{
	char key[KEY_MAX];
	struct slice v = slice_new(value, len), back;
	uint64_t cut = 0;

	size_t key_len = key_clean(key, &v, 1, &cut);
	assert_int_equal(cut, wanted_cut);
	assert_true(key_valid(slice_new(key, key_len), 1));
	key_values(slice_new(key, key_len), &back, 1);
	assert_int_equal(back.len, strlen(wanted));
	assert_memory_equal(back.ptr, wanted, back.len);
}

static void test_clean(void **state)
{
	(void)state;
	char key[KEY_MAX];
	uint64_t cut = 0;
	struct slice zero = slice_new("a\0b", 3), back;

	clean_is("plain", 5, "plain", 0);
	clean_is("", 0, "", 0);
	clean_is("\xff", 1, "\xef\xbf\xbd", 0);
	clean_is("a\xc3", 2, "a\xef\xbf\xbd", 0);
	clean_is("a\xc3\xbc!", 4, "a\xc3\xbc!", 0);
	clean_is("\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", 0);
	clean_is("\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80", 0);
	size_t len = key_clean(key, &zero, 1, &cut);
	key_values(slice_new(key, len), &back, 1);
	assert_true(slice_eq(back, zero));
}

static void test_cut(void **state)
{
	(void)state;
	char value[4096], wanted[1100];
	char key[KEY_MAX];
	struct slice many[METRIC_LABELS_MAX];
	uint64_t cut = 0;

	memset(value, 'x', sizeof value);
	memset(wanted, 'x', sizeof wanted);
	wanted[METRIC_LABEL_VALUE_MAX] = '\0';
	clean_is(value, METRIC_LABEL_VALUE_MAX, wanted, 0);
	clean_is(value, METRIC_LABEL_VALUE_MAX + 1, wanted, 1);
	value[METRIC_LABEL_VALUE_MAX - 1] = (char)0xc3; /* ü does not fit */
	value[METRIC_LABEL_VALUE_MAX] = (char)0xbc;
	wanted[METRIC_LABEL_VALUE_MAX - 1] = '\0';
	clean_is(value, METRIC_LABEL_VALUE_MAX + 1, wanted, 1);
	memset(value, 0xff, sizeof value); /* each byte becomes three */
	for (int i = 0; i < METRIC_LABELS_MAX; i++)
		many[i] = slice_new(value, sizeof value);
	size_t len = key_clean(key, many, METRIC_LABELS_MAX, &cut);
	assert_int_equal(cut, METRIC_LABELS_MAX);
	assert_true(len <= KEY_MAX);
	assert_true(key_valid(slice_new(key, len), METRIC_LABELS_MAX));
}

static void test_keys(void **state)
{
	(void)state;
	struct slice a[] = {SLICE("ab"), SLICE("c")}, b[] = {SLICE("a"), SLICE("bc")}, c[] = {SLICE("abc"), SLICE("")};
	struct slice *lists[] = {a, b, c};
	char key[KEY_MAX];
	uint64_t cut = 0;

	for (int i = 0; i < 3; i++) {
		size_t len = key_clean(key, lists[i], 2, &cut);
		for (int j = 0; j < 3; j++) {
			assert_int_equal(key_is(key, lists[j], 2), i == j);
			if (i != j)
				assert_true(values_hash(lists[i], 2, 1) != values_hash(lists[j], 2, 1));
		}
		assert_true(key_valid(slice_new(key, len), 2));
		assert_false(key_valid(slice_new(key, len), 1));
		assert_false(key_valid(slice_new(key, len), 3));
		for (size_t less = 0; less < len; less++)
			assert_false(key_valid(slice_new(key, less), 2));
	}
	assert_false(key_valid(OVERFLOW_KEY, 1));
	assert_false(key_valid(SLICE("\x01\x00\xff"), 1)); /* not UTF-8 */
	assert_false(key_valid(SLICE("\x01\x04"), 1));     /* 1025 bytes */
}

static void text_is(const struct slice *values, uint32_t count, const char *wanted)
{
	static const struct slice names[] = {{"a", 1}, {"user_id", 7}, {"z", 1}};
	struct metric_def def = {.labels = names, .label_count = count};
	struct registry *r = new_registry(0);
	char key[KEY_MAX];
	uint64_t cut = 0;

	size_t len = key_clean(key, values, count, &cut);
	struct series_labels *l = labels_new(r, &def, slice_new(key, len), 1, 2);
	assert_non_null(l);
	assert_true(slice_eq(series_labels_text(l), slice_cstr(wanted)));
	assert_true(slice_eq(series_labels_key(l), slice_new(key, len)));
	registry_retire(r, l, series_labels_size(l));
	registry_free(r);
}

static void test_text(void **state)
{
	(void)state;

	text_is(NULL, 0, "");
	text_is((struct slice[]){SLICE("x")}, 1, "{a=\"x\"}");
	text_is((struct slice[]){SLICE("x"), SLICE("y"), SLICE("z")}, 3, "{a=\"x\",user_id=\"y\",z=\"z\"}");
	text_is((struct slice[]){SLICE(""), SLICE("y"), SLICE("")}, 3, "{user_id=\"y\"}");
	text_is((struct slice[]){SLICE(""), SLICE(""), SLICE("")}, 3, "");
	text_is((struct slice[]){SLICE("\"\\\n"), SLICE(""), SLICE("}{,=")}, 3, "{a=\"\\\"\\\\\\n\",z=\"}{,=\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_clean),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_keys),
	    cmocka_unit_test(test_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
