/* Label sets: what is canonical and why not, against an encoder that is written here without haste; order, hash and text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fault.h"
#include "record/labels.h"

static uint64_t seed = 88172645463325252;

/* xorshift64 (Marsaglia, "Xorshift RNGs", 2003). */
static uint32_t draw(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 33) % below;
}

static void put_varint(struct buf *out, size_t v)
{
	for (; v >= 0x80; v >>= 7)
		buf_byte(out, (char)(v | 0x80));
	buf_byte(out, (char)v);
}

static void put_field(struct buf *out, char tag, struct slice bytes)
{
	buf_byte(out, tag);
	put_varint(out, bytes.len);
	buf_slice_append(out, bytes);
}

static void put_label(struct buf *out, struct slice name, struct slice value)
{
	struct buf pair = {0};
	put_field(&pair, 0x0a, name);
	put_field(&pair, 0x12, value);
	put_field(out, 0x0a, buf_slice(&pair));
	buf_free(&pair);
}

#define PUT(out, name, value) put_label(out, slice_cstr(name), slice_cstr(value))

/* In memory of just its length, so that AddressSanitizer watches its end. */
static int check(struct slice bytes, struct error *err)
{
	char *copy = malloc(bytes.len + (bytes.len == 0));
	struct slice from = slice_new(copy, bytes.len);
	struct labels_found found;
	struct slice rest = from;
	if (bytes.len > 0)
		memcpy(copy, bytes.ptr, bytes.len);
	int code = labels_check(from, NULL, err);
	bool taken = labels_take(&rest, &found);
	assert_int_equal(code == 0, taken && rest.len == 0);
	assert_true(taken || rest.len == bytes.len);
	free(copy);
	return code;
}

static void refused(struct buf *bytes, const char *why)
{
	struct error err = {0};
	assert_int_equal(check(buf_slice(bytes), &err), -EINVAL);
	if (strstr(err.text, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
	buf_reset(bytes);
}

static void takes_what_senders_write(void **state)
{
	struct buf set = {0};
	struct labels_found found;
	uint32_t count = 0;
	(void)state;
	PUT(&set, "__name__", "up");
	PUT(&set, "a", "1");
	PUT(&set, "a.b", "\xc3\xbcn\xc3\xaf");
	put_label(&set, SLICE("b"), SLICE("nul\0nul"));
	assert_int_equal(labels_check(buf_slice(&set), &count, NULL), 0);
	assert_int_equal(count, 4);
	assert_true(slice_eq(labels_get(buf_slice(&set), SLICE("b")), SLICE("nul\0nul")));
	assert_int_equal(labels_get(buf_slice(&set), SLICE("c")).len, 0);

	size_t len = set.len;
	buf_append(&set, "\x12\x00", 2);
	struct slice rest = buf_slice(&set);
	assert_true(labels_take(&rest, &found));
	assert_int_equal(found.labels.len, len);
	assert_int_equal(found.count, 4);
	assert_true(slice_eq(found.metric_name, SLICE("up")));
	assert_int_equal(rest.len, 2);
	buf_free(&set);

	rest = slice_new(NULL, 0);
	assert_true(labels_take(&rest, &found));
	assert_int_equal(found.count, 0);
	assert_int_equal(labels_check(rest, &count, NULL), 0);
	assert_int_equal(count, 0);
}

static void says_what_is_wrong(void **state)
{
	struct buf b = {0};
	char *text = calloc(1, 5000);
	(void)state;
	memset(text, 'x', 4999);
	PUT(&b, "b", "1"), PUT(&b, "a", "1"), refused(&b, "label 2 comes after one with a greater name");
	PUT(&b, "longername1", "1"), PUT(&b, "longername0", "1"), refused(&b, "label 2 comes after");
	PUT(&b, "a", "1"), PUT(&b, "a", "2"), refused(&b, "label 2 has the same name");
	PUT(&b, "longer_name", "1"), PUT(&b, "longer_name", "2"), refused(&b, "label 2 has the same name");
	PUT(&b, "", "1"), refused(&b, "label 1 has no name");
	PUT(&b, "a", ""), refused(&b, "label 1 has no value");
	PUT(&b, "a", "b"), PUT(&b, "b", "\xff"), refused(&b, "label 2 is not UTF-8");
	PUT(&b, "\xed\xa0\x80", "1"), refused(&b, "label 1 is not UTF-8");
	put_label(&b, slice_new(text, 1025), SLICE("1")), refused(&b, "more than 1024");
	put_label(&b, SLICE("a"), slice_new(text, 4097)), refused(&b, "more than 4096");
	put_label(&b, slice_new(text, 1024), slice_new(text, 4096));
	assert_int_equal(check(buf_slice(&b), NULL), 0);
	buf_reset(&b);
	for (int i = 0; i < 129; i++) {
		char name[8];
		snprintf(name, sizeof name, "n%03d", i);
		PUT(&b, name, "1");
	}
	refused(&b, "label 129 is one more than");
	for (int i = 0; i < 17; i++) {
		char name[8];
		snprintf(name, sizeof name, "n%03d", i);
		put_label(&b, slice_cstr(name), slice_new(text, 4000));
	}
	refused(&b, "longer than 65536");
	/* not the shortest form of a length, though it says the same; a third field; the fields turned round */
	buf_append(&b,
	           "\x0a\x86\x00\x0a\x01"
	           "a\x12\x01"
	           "b",
	           9),
	    refused(&b, "no label");
	buf_append(&b,
	           "\x0a\x08\x0a\x01"
	           "a\x12\x01"
	           "b\x18\x01",
	           10),
	    refused(&b, "no label");
	buf_append(&b,
	           "\x0a\x06\x12\x01"
	           "b\x0a\x01"
	           "a",
	           8),
	    refused(&b, "no label");
	buf_append(&b, "\x0a\xff\xff\xff\xff\x0f", 6), refused(&b, "no label");
	PUT(&b, "a", "1"), buf_append(&b, "\x12\x00", 2), refused(&b, "label 2 is no label");
	free(text);
	buf_free(&b);
}

/* Short names order like longer ones that begin with them, NULs included. */
static void orders_names_by_bytes(void **state)
{
	static const struct slice names[] = {
	    SLICE("\0"),         SLICE("\0\0"),      SLICE("A"),  SLICE("__name__"), SLICE("__name__a"),
	    SLICE("a"),          SLICE("a\0"),       SLICE("aa"), SLICE("aaaaaaa"),  SLICE("aaaaaaaa"),
	    SLICE("aaaaaaaa\0"), SLICE("aaaaaaaab"), SLICE("b"),  SLICE("\xc3\xa9"), SLICE("\xf0\x9f\x98\x80")};
	enum { NAMES = sizeof names / sizeof *names };
	(void)state;
	for (int i = 0; i < NAMES; i++) {
		for (int j = 0; j < NAMES; j++) {
			struct buf two = {0};
			put_label(&two, names[i], SLICE("x"));
			put_label(&two, names[j], SLICE("x"));
			assert_int_equal(check(buf_slice(&two), NULL) == 0, i < j);
			buf_free(&two);
		}
	}
}

static int by_name(const void *a, const void *b)
{
	const struct label *x = a, *y = b;
	size_t len = x->name.len < y->name.len ? x->name.len : y->name.len;
	int order = memcmp(x->name.ptr, y->name.ptr, len);
	return order != 0 ? order : (x->name.len > y->name.len) - (x->name.len < y->name.len);
}

/* Random sets: put in order, they are what the encoder here makes of them sorted; a name twice is refused. */
static void makes_canonical(void **state)
{
	(void)state;
	for (int round = 0; round < 20000; round++) {
		char names[LABELS_MAX][4];
		struct label labels[LABELS_MAX], sorted[LABELS_MAX];
		uint32_t count = draw(round % 10 == 0 ? LABELS_MAX + 1 : 8), kept = 0;
		struct buf want = {0}, got = {0};
		struct error err = {0};
		bool twice = false;
		for (uint32_t i = 0; i < count; i++) {
			size_t len = 1 + draw(3);
			for (size_t c = 0; c < len; c++)
				names[i][c] = (char)('a' + draw(26));
			labels[i] = (struct label){slice_new(names[i], len), slice_new("value", draw(6))};
			if (labels[i].value.len > 0)
				sorted[kept++] = labels[i];
		}
		qsort(sorted, kept, sizeof *sorted, by_name);
		for (uint32_t i = 0; i < kept; i++) {
			twice |= i > 0 && by_name(&sorted[i - 1], &sorted[i]) == 0;
			put_label(&want, sorted[i].name, sorted[i].value);
		}
		buf_str(&got, "before");
		int code = labels_canonical(labels, count, &got, &err);
		assert_int_equal(code, twice ? -EINVAL : 0);
		if (twice) {
			assert_non_null(strstr(err.text, "comes twice"));
			assert_int_equal(got.len, 6);
		} else {
			struct slice set = slice_new(got.ptr + 6, got.len - 6);
			assert_true(slice_eq(set, buf_slice(&want)));
			assert_int_equal(check(set, NULL), 0);
			assert_true(labels_hash(set) == labels_hash(buf_slice(&want)));
		}
		buf_free(&want);
		buf_free(&got);
	}
}

static void canonical_refuses(struct label *labels, uint32_t count, const char *why)
{
	struct buf out = {0};
	struct error err = {0};
	assert_int_equal(labels_canonical(labels, count, &out, &err), -EINVAL);
	if (strstr(err.text, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, why);
	assert_int_equal(out.len, 0);
	buf_free(&out);
}

static void refuses_unfit_labels(void **state)
{
	static char text[5000];
	struct label many[LABELS_MAX + 1], one;
	(void)state;
	memset(text, 'x', sizeof text);
	one = (struct label){SLICE(""), SLICE("a")}, canonical_refuses(&one, 1, "label 1 has no name");
	one = (struct label){SLICE("a"), SLICE("\xc3")}, canonical_refuses(&one, 1, "label 1, \"a\", is not UTF-8");
	one = (struct label){SLICE("\xff"), SLICE("a")}, canonical_refuses(&one, 1, "label 1 is not UTF-8");
	one = (struct label){slice_new(text, 1025), SLICE("a")}, canonical_refuses(&one, 1, "name of more than 1024");
	one = (struct label){SLICE("a"), slice_new(text, 4097)}, canonical_refuses(&one, 1, "value of more than 4096");
	for (size_t i = 0; i < LABELS_MAX + 1; i++)
		many[i] = (struct label){slice_new(text, i + 1), SLICE("a")};
	canonical_refuses(many, LABELS_MAX + 1, "is one more than the 128");
	for (size_t i = 0; i < LABELS_MAX; i++)
		many[i] = (struct label){slice_new(text, i + 1), slice_new(text, 600)};
	canonical_refuses(many, LABELS_MAX, "more than 65536 bytes");

	/* empty ones do not count */
	struct label *empties = calloc(1000, sizeof *empties);
	struct buf out = {0};
	for (int i = 0; i < 1000; i++)
		empties[i] = (struct label){SLICE("a"), SLICE("")};
	assert_int_equal(labels_canonical(empties, 1000, &out, NULL), 0);
	assert_int_equal(out.len, 0);
	fault_set(FAULT_MALLOC, 1, false, ENOMEM);
	one = (struct label){SLICE("a"), SLICE("b")};
	assert_int_equal(labels_canonical(&one, 1, &out, NULL), -ENOMEM);
	fault_clear();
	assert_int_equal(out.len, 0);
	free(empties);
	buf_free(&out);
}

static struct slice set_of(struct buf *b, const char *const *names)
{
	for (; *names != NULL; names += 2)
		PUT(b, names[0], names[1]);
	return buf_slice(b);
}

#define SET(b, ...) set_of(b, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

/* Each is behind those before it. */
static void compares_like_prometheus(void **state)
{
	struct buf b[7] = {0};
	struct slice sets[7] = {SET(&b[0]),
	                        SET(&b[1], "a", "1"),
	                        SET(&b[2], "a", "1", "b", "1"),
	                        SET(&b[3], "a", "1", "c", "0"),
	                        SET(&b[4], "a", "11"),
	                        SET(&b[5], "a", "2", "b", "0"),
	                        SET(&b[6], "aa", "0")};
	(void)state;
	for (int i = 0; i < 7; i++) {
		for (int j = 0; j < 7; j++) {
			int order = labels_compare(sets[i], sets[j]);
			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
		}
	}
	for (int i = 0; i < 7; i++)
		buf_free(&b[i]);
}

static void text_is(struct slice set, const char *want)
{
	struct buf out = {0};
	labels_text(set, &out);
	buf_byte(&out, '\0');
	assert_string_equal(out.ptr, want);
	buf_free(&out);
}

static void shows_series(void **state)
{
	struct buf b[7] = {0};
	(void)state;
	text_is(SET(&b[0]), "{}");
	text_is(SET(&b[1], "__name__", "up"), "up");
	text_is(SET(&b[2], "A", "0", "__name__", "job:up", "a", "1\n\"\\"), "job:up{A=\"0\", a=\"1\\n\\\"\\\\\"}");
	text_is(SET(&b[3], "a", "1"), "{a=\"1\"}");
	text_is(SET(&b[4], "__name__", "my.metric"), "{\"my.metric\"}");
	text_is(SET(&b[5], "__name__", "my.metric", "a.b", "c", "d", "e"), "{\"my.metric\", \"a.b\"=\"c\", d=\"e\"}");
	text_is(SET(&b[6], "9", "1", "a:b", "2"), "{\"9\"=\"1\", \"a:b\"=\"2\"}");
	for (int i = 0; i < 7; i++)
		buf_free(&b[i]);
}

/* Damaged sets: labels_take and labels_check agree, and what is taken is a fixed point of labels_canonical. */
static void damaged_sets(void **state)
{
	uint32_t fine = 0;
	(void)state;
	for (int round = 0; round < 200000; round++) {
		struct buf set = {0};
		for (uint32_t i = 0, n = draw(4); i < n; i++) {
			char name[16];
			snprintf(name, sizeof name, "%c%s", 'a' + (int)i * 2, draw(2) ? "name" : "");
			put_label(&set, slice_cstr(name), draw(2) ? SLICE("v") : SLICE("\xc3\xa9\xe2\x82\xac"));
		}
		if (set.len > 0 && draw(4) > 0)
			set.ptr[draw((uint32_t)set.len)] ^= (char)(1u << draw(8));
		if (set.len > 0 && draw(8) == 0)
			set.len -= draw((uint32_t)set.len);
		if (check(buf_slice(&set), NULL) == 0) {
			struct label labels[LABELS_MAX];
			struct buf again = {0};
			uint32_t count = 0;
			struct slice rest = buf_slice(&set);
			while (labels_next(&rest, &labels[count]))
				count++;
			assert_int_equal(labels_canonical(labels, count, &again, NULL), 0);
			assert_true(slice_eq(buf_slice(&set), buf_slice(&again)));
			buf_free(&again);
			fine++;
		}
		buf_free(&set);
	}
	assert_in_range(fine, 50000, 150000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_what_senders_write),
	    cmocka_unit_test(says_what_is_wrong),
	    cmocka_unit_test(orders_names_by_bytes),
	    cmocka_unit_test(makes_canonical),
	    cmocka_unit_test(refuses_unfit_labels),
	    cmocka_unit_test(compares_like_prometheus),
	    cmocka_unit_test(shows_series),
	    cmocka_unit_test(damaged_sets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
