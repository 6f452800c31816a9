/* What remote_write refuses and why, what it takes though it is odd, its limits, its metadata; and that nothing costs more memory than ingest.h says. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fault.h"
#include "remote_write.h"

/* ---- refusals ---- */

static void refuses(struct slice body, enum ingest_remote_write version, const char *why, uint32_t taken)
{
	struct decoded d = decode(body, version);
	if (d.code != 0)
		fail_msg("refused whole: %s", d.err.text);
	assert_int_equal(d.rejects.count, 1);
	assert_int_equal(d.rejects.items[0].index, 0);
	assert_memory_equal(d.rejects.items[0].text.ptr, "series 0: ", 10);
	if (strstr(d.rejects.items[0].text.ptr, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", d.rejects.items[0].text.ptr, why);
	assert_int_equal(d.batch->sample_count, taken);
	assert_int_equal(d.rejects.samples, 1 - taken);
	done(&d);
}

static void series_refused(void **state)
{
	(void)state;
	refuses(SLICE("\x0a\x0c\x0a\x06\x0a\x01"
	              "a\x12\x01"
	              "b" SAMPLE_7),
	        INGEST_REMOTE_WRITE_1, "it has no label __name__", 0);
	refuses(SLICE("\x0a\x04" SAMPLE_7), INGEST_REMOTE_WRITE_1, "it has no label __name__", 0);
	refuses(SLICE("\x0a\x14\x0a\x0e\x0a\x08__name__\x12\x02\xc3(" SAMPLE_7), INGEST_REMOTE_WRITE_1, "is not UTF-8",
	        0);
	refuses(SLICE("\x0a\x21" NAME_UP "\x0a\x09\x0a\x03"
	              "abc\x12\x02"
	              "de" SAMPLE_7 "\x0a\x00"),
	        INGEST_REMOTE_WRITE_1, "has no name", 0);
	refuses(SLICE("\x0a\x24" NAME_UP NAME_UP SAMPLE_7), INGEST_REMOTE_WRITE_1, "the label \"__name__\" comes twice",
	        0);
	refuses(SLICE("\x0a\x16" NAME_UP SAMPLE_7 "\x22\x00"), INGEST_REMOTE_WRITE_1,
	        "native histograms are not taken (1)", 1);
	refuses(SLICE("\x2a\x08\x0a\x02\x01\x02" SAMPLE_7 "\x22\x00"), INGEST_REMOTE_WRITE_2,
	        "the name of a label is symbol 1, and there are 1", 0);
	refuses(SLICE("\x22\x00\x22\x08__name__\x22\x02up\x2a\x09\x0a\x03\x01\x02\x01" SAMPLE_7), INGEST_REMOTE_WRITE_2,
	        "odd length", 0);
	refuses(SLICE("\x22\x00\x22\x08__name__\x22\x02\xc3(\x2a\x08\x0a\x02\x01\x02" SAMPLE_7), INGEST_REMOTE_WRITE_2,
	        "the value of a label is symbol 2, which is not UTF-8", 0);
	refuses(SLICE("\x22\x00\x22\x08__name__\x22\x02up\x2a\x0c\x0a\x02\x01\x02" SAMPLE_7 "\x2a\x02\x18\x09"),
	        INGEST_REMOTE_WRITE_2, "the help is symbol 9", 1);
}

/* An exemplar that is refused leaves its series. */
static void exemplars_refused(void **state)
{
	char body[400] = "\x0a\xa5\x01" NAME_UP SAMPLE_7 "\x1a\x8e\x01\x0a\x8b\x01\x0a\x03"
	                 "abc\x12\x83\x01";
	size_t head = 3 + 16 + 4 + 3 + 3 + 5 + 3;
	(void)state;
	memset(body + head, 'x', 131);
	struct slice bytes = slice_new(body, head + 131);
	body[1] = (char)((bytes.len - 3) & 0x7f) | (char)0x80;
	refuses(bytes, INGEST_REMOTE_WRITE_1, "an exemplar was left out: its labels have more than 128 characters", 1);
	struct decoded d = decode(bytes, INGEST_REMOTE_WRITE_1);
	assert_int_equal(d.rejects.exemplars, 1);
	assert_int_equal(d.batch->exemplar_count + d.batch->series[0].exemplar_count, 0);
	done(&d);
	for (size_t i = head; i + 1 < bytes.len; i += 2) /* two bytes a character: half as many */
		memcpy(body + i, "\xc3\xa9", 2);
	d = decode(bytes, INGEST_REMOTE_WRITE_1);
	assert_int_equal(d.rejects.count, 0);
	assert_int_equal(d.batch->exemplar_count, 1);
	done(&d);
}

/* Labels in any order and place, one with an empty value, the last of two fields: all that protobuf allows. */
static void same_set(struct slice set, const char *const *names, const char *const *values, uint32_t count)
{
	struct label labels[LABELS_OF_ONE];
	struct buf want = {0};
	for (uint32_t i = 0; i < count; i++)
		labels[i] = (struct label){slice_cstr(names[i]), slice_cstr(values[i])};
	assert_int_equal(labels_canonical(labels, count, &want, NULL), 0);
	assert_true(slice_eq(buf_slice(&want), set));
	buf_free(&want);
}

static void odd_but_allowed(void **state)
{
	static const char *const names[] = {"__name__", "a"}, *const values[] = {"up", "b"};
	(void)state;
	struct slice bodies[] = {
	    SLICE("\x0a\x1c" SAMPLE_7 "\x0a\x06\x0a\x01"
	          "a\x12\x01"
	          "b" NAME_UP),
	    SLICE("\x0a\x1c" NAME_UP SAMPLE_7 "\x0a\x06\x0a\x01"
	          "a\x12\x01"
	          "b"),
	    SLICE("\x0a\x23" NAME_UP "\x0a\x05\x0a\x03"
	          "xyz" SAMPLE_7 "\x0a\x06\x0a\x01"
	          "a\x12\x01"
	          "b"),
	    SLICE("\x0a\x1c" NAME_UP "\x0a\x06\x12\x01"
	          "b\x0a\x01"
	          "a" SAMPLE_7),
	    SLICE("\x0a\x1f" NAME_UP "\x0a\x09\x0a\x01"
	          "z\x0a\x01"
	          "a\x12\x01"
	          "b" SAMPLE_7),
	};
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		struct decoded d = decode(bodies[i], INGEST_REMOTE_WRITE_1);
		assert_int_equal(d.code, 0);
		assert_int_equal(d.rejects.count, 0);
		assert_int_equal(d.batch->sample_count, 1);
		same_set(d.batch->series[0].labels, names, values, 2);
		assert_true(d.batch->series[0].samples[0].time_ms == 7);
		done(&d);
	}
}

/* Each version passes over what only the other one knows. */
static void the_other_version(void **state)
{
	struct slice bodies[] = {SLICE("\x22\x00\x22\x08__name__\x22\x02up\x2a\x08\x0a\x02\x01\x02" SAMPLE_7),
	                         SLICE("\x0a\x14" NAME_UP SAMPLE_7 "\x1a\x03\x12\x01m"), SLICE("\x20\x01\x28\x01")};
	(void)state;
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		for (int version = 1; version <= 2; version++) {
			struct decoded d = decode(bodies[i], (enum ingest_remote_write)version);
			bool known = (i == 0 && version == 2) || (i == 1 && version == 1);
			assert_int_equal(d.code, i == 2 && version == 2 ? -EINVAL : 0);
			assert_int_equal(d.batch->series_count, known);
			assert_int_equal(d.batch->metadata_count, i == 1 && known);
			done(&d);
		}
	}
}

static void bodies_refused(void **state)
{
	static const struct {
		struct slice body;
		enum ingest_remote_write version;
		const char *why;
	} cases[] = {
	    {SLICE("\x0a\x80"), INGEST_REMOTE_WRITE_1, "byte 1: a number is cut off"},
	    {SLICE("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), INGEST_REMOTE_WRITE_1, "byte 10: a field is longer"},
	    {SLICE("\x08\x01"), INGEST_REMOTE_WRITE_1, "byte 2: a field has another wire type"},
	    {SLICE("\x0a\x12" NAME_UP "\x10\x01"), INGEST_REMOTE_WRITE_1, "byte 20: a field has another wire type"},
	    {SLICE("\x0a\x15" NAME_UP "\x12\x03\x09\x01\x02"), INGEST_REMOTE_WRITE_1, "byte 21: a number is cut off"},
	    {SLICE("\x0a\x02\x0b\x0c"), INGEST_REMOTE_WRITE_1, "byte 2: groups are not taken"},
	    {SLICE("\x1a\x02\x10\x01"), INGEST_REMOTE_WRITE_1, "byte 4: a field has another wire type"},
	    {SLICE("\x2a\x03\x0a\x01\x80"), INGEST_REMOTE_WRITE_2, "byte 4: a number is cut off"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct decoded d = decode(cases[i].body, cases[i].version);
		assert_int_equal(d.code, -EINVAL);
		if (strstr(d.err.text, cases[i].why) == NULL)
			fail_msg("case %zu: \"%s\" does not say \"%s\"", i, d.err.text, cases[i].why);
		done(&d);
	}
	struct decoded d = decode(slice_new(NULL, 0), INGEST_REMOTE_WRITE_1);
	assert_int_equal(d.code, 0);
	assert_int_equal(d.batch->series_count, 0);
	done(&d);
}

static void limits_hold(void **state)
{
	struct slice two = SLICE("\x0a\x14" NAME_UP SAMPLE_7 "\x0a\x1a" NAME_UP SAMPLE_7 SAMPLE_7
	                         "\x1a\x00\x1a\x03\x12\x01m\x1a\x03\x12\x01n");
	struct ingest_sample_limits fits = {.series = 2, .samples = 3, .exemplars = 1, .metadata = 2, .label_bytes = 0};
	(void)state;
	for (int field = 0; field <= 4; field++) {
		struct ingest_sample_limits limits = fits;
		limits.series -= field == 1;
		limits.samples -= field == 2;
		limits.exemplars -= field == 3;
		limits.metadata -= field == 4;
		struct decoded d = decode_limited(two, INGEST_REMOTE_WRITE_1, &limits);
		assert_int_equal(d.code, field == 0 ? 0 : -EFBIG);
		done(&d);
	}
	struct slice written = SLICE("\x22\x00\x22\x08__name__\x22\x02up\x2a\x08\x0a\x02\x01\x02" SAMPLE_7
	                             "\x2a\x08\x0a\x02\x01\x02" SAMPLE_7);
	for (size_t bytes = 31; bytes <= 32; bytes++) {
		fits.label_bytes = bytes;
		struct decoded d = decode_limited(written, INGEST_REMOTE_WRITE_2, &fits);
		assert_int_equal(d.code, bytes == 32 ? 0 : -EFBIG);
		done(&d);
	}
}

/* ---- metadata ---- */

static void metadata_is(const struct sample_metadata *m, const char *name, enum metadata_type type, const char *help,
                        const char *unit)
{
	assert_true(slice_eq(m->name, slice_cstr(name)));
	assert_true(slice_eq(m->help, slice_cstr(help)));
	assert_true(slice_eq(m->unit, slice_cstr(unit)));
	assert_int_equal(m->type, type);
}

static void metadata_of_1(void **state)
{
	(void)state;
	struct decoded d = decode(SLICE("\x1a\x0c\x08\x01\x12\x01"
	                                "c\x22\x01h\x2a\x02"
	                                "By\x1a\x05\x08\x63\x12\x01"
	                                "d\x1a\x02\x22\x00\x1a\x03\x12\x01\xff"),
	                          INGEST_REMOTE_WRITE_1);
	assert_int_equal(d.code, 0);
	assert_int_equal(d.batch->metadata_count, 2);
	metadata_is(&d.batch->metadata[0], "c", METADATA_COUNTER, "h", "By");
	metadata_is(&d.batch->metadata[1], "d", METADATA_UNKNOWN, "", "");
	assert_int_equal(d.rejects.count, 2);
	assert_string_equal(d.rejects.items[0].text.ptr, "metadata 2: it has no metric_family_name");
	assert_string_equal(d.rejects.items[1].text.ptr, "metadata 3: it is not UTF-8");
	done(&d);
}

/* A histogram of three series has its metadata once, under the family's name. */
static void metadata_of_2(void **state)
{
	static const struct {
		const char *name, *family;
		int32_t type;
	} cases[] = {{"a_bucket", "a", 3},        {"a_sum", "a", 3},  {"a_count", "a", 3},       {"b_count", "b", 5},
	             {"b_bucket", "b_bucket", 5}, {"c_gsum", "c", 4}, {"d_total", "d_total", 1}, {"e_sum", "e_sum", 2}};
	static const uint32_t seen_at[] = {0, 0, 0, 1, 2, 3, 4, 5};
	struct meant meant[8] = {0};
	char *owned;
	(void)state;
	for (size_t i = 0; i < 8; i++)
		meant[i] = (struct meant){.names = {"__name__"},
		                          .values = {cases[i].name},
		                          .labels = 1,
		                          .samples = 1,
		                          .type = cases[i].type,
		                          .help = "help",
		                          .unit = "",
		                          .exemplar_value = "x"};
	struct decoded d = decode(request(meant, 8, INGEST_REMOTE_WRITE_2, &owned), INGEST_REMOTE_WRITE_2);
	assert_int_equal(d.batch->metadata_count, 6);
	for (size_t i = 0; i < 8; i++)
		metadata_is(&d.batch->metadata[seen_at[i]], cases[i].family, (enum metadata_type)cases[i].type, "help",
		            "");
	done(&d);
	free(owned);
}

/* The start of a sample (2.0-rc.4) is that of the series where the series says none. */
static void start_timestamps(void **state)
{
	(void)state;
	struct slice body = SLICE("\x22\x00\x22\x08__name__"
	                          "\x22\x02up\x2a\x0a\x0a\x02\x01\x02\x12\x04\x10\x07\x18\x05\x2a\x0c\x0a\x02\x01\x02"
	                          "\x12\x04\x10\x07\x18\x05\x30\x03");
	struct decoded d = decode(body, INGEST_REMOTE_WRITE_2);
	assert_int_equal(d.code, 0);
	assert_int_equal(d.batch->series[0].created_ms, 5);
	assert_int_equal(d.batch->series[1].created_ms, 3);
	done(&d);
}

/* ---- memory ---- */

static void costs(const char *head, size_t head_len, const char *dense, size_t dense_len,
                  enum ingest_remote_write version, bool fits)
{
	enum { BODY = 2 << 20 };
	struct ingest_sample_limits limits = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, 64 << 20, false};
	struct buf body = {0};
	buf_append(&body, head, head_len);
	while (body.len + dense_len <= BODY)
		buf_append(&body, dense, dense_len);
	struct decoded d = decode_limited(buf_slice(&body), version, &limits);
	assert_int_equal(d.code, fits ? 0 : -EFBIG);
	size_t bytes = sample_batch_bytes(d.batch) + d.rejects.cap * sizeof *d.rejects.items;
	size_t most = 16 * body.len + (1 << 20) + (version == INGEST_REMOTE_WRITE_2 ? limits.label_bytes : 0);
	if (bytes > most)
		fail_msg("%zu bytes for a body of %zu", bytes, body.len);
	done(&d);
	buf_free(&body);
}

#define COSTS(head, dense, version, fits) costs(head, sizeof(head) - 1, dense, sizeof(dense) - 1, version, fits)

/* Bodies of the smallest things there are. */
static void dense_bodies(void **state)
{
	char long_value[4200] = "\x22\x00\x22\x08__name__\x22\x80\x20";
	size_t head = 2 + 10 + 3;
	(void)state;
	COSTS("", "\x0a\x00", INGEST_REMOTE_WRITE_1, true);
	COSTS("", "\x0a\x02\x12\x00", INGEST_REMOTE_WRITE_1, true);
	COSTS("",
	      "\x0a\x11\x0a\x0d\x0a\x08__name__\x12\x01"
	      "a\x12\x00",
	      INGEST_REMOTE_WRITE_1, true);
	COSTS("",
	      "\x0a\x11\x0a\x0d\x0a\x08__name__\x12\x01"
	      "a\x1a\x00",
	      INGEST_REMOTE_WRITE_1, true);
	COSTS("",
	      "\x0a\x17\x12\x00\x0a\x0d\x0a\x08__name__\x12\x01"
	      "a\x0a\x04\x0a\x02xy",
	      INGEST_REMOTE_WRITE_1, true);
	COSTS("", "\x1a\x00", INGEST_REMOTE_WRITE_1, true);
	COSTS("",
	      "\x1a\x03\x12\x01"
	      "a",
	      INGEST_REMOTE_WRITE_1, true);
	COSTS("", "\x22\x00", INGEST_REMOTE_WRITE_2, true);
	COSTS("", "\x2a\x00", INGEST_REMOTE_WRITE_2, true);
	COSTS("\x22\x00\x22\x08__name__\x22\x01"
	      "a",
	      "\x2a\x06\x0a\x02\x01\x02\x12\x00", INGEST_REMOTE_WRITE_2, true);
	COSTS("\x22\x00\x22\x08__name__\x22\x01"
	      "a",
	      "\x2a\x06\x0a\x02\x01\x02\x22\x00", INGEST_REMOTE_WRITE_2, true);
	COSTS("\x22\x00\x22\x08__name__\x22\x01"
	      "a\x22\x01"
	      "b",
	      "\x2a\x0a\x0a\x02\x01\x02\x2a\x02\x18\x02\x12\x00\x2a\x0a\x0a\x02\x01\x02\x2a\x02\x18\x03\x12\x00",
	      INGEST_REMOTE_WRITE_2, true);
	/* one value of 4 KiB, referred to again and again */
	memset(long_value + head, 'x', 4096);
	costs(long_value, head + 4096, "\x2a\x06\x0a\x02\x01\x02\x12\x00", 8, INGEST_REMOTE_WRITE_2, false);
}

/* One series of nothing but samples, or exemplars. */
static void dense_series(void **state)
{
	(void)state;
	for (int exemplars = 0; exemplars < 2; exemplars++) {
		enum { COUNT = 500000 };
		struct ingest_sample_limits limits = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, 0, false};
		struct buf body = {0};
		buf_append(&body, "\x0a\xd0\x84\x3d", 4);
		buf_append(&body, NAME_UP, 16);
		for (int i = 0; i < COUNT; i++)
			buf_append(&body, exemplars ? "\x1a\x00" : "\x12\x00", 2);
		struct decoded d = decode_limited(buf_slice(&body), INGEST_REMOTE_WRITE_1, &limits);
		assert_int_equal(d.code, 0);
		assert_int_equal(exemplars ? d.batch->exemplar_count : d.batch->sample_count, COUNT);
		assert_true(sample_batch_bytes(d.batch) <= 16 * body.len + (1 << 20));
		done(&d);
		buf_free(&body);
	}
}

static void no_memory(void **state)
{
	struct meant meant[SERIES_MAX];
	char *owned[2];
	uint32_t failed = 0;
	(void)state;
	for (uint32_t i = 0; i < SERIES_MAX; i++)
		meant[i] = mean(true);
	for (int version = 1; version <= 2; version++) {
		struct slice body = request(meant, SERIES_MAX, (enum ingest_remote_write)version, &owned[version - 1]);
		for (uint64_t nth = 1;; nth++) {
			struct decoded d = {.batch = sample_batch_new(), .body = calloc(1, body.len + INGEST_PADDING)};
			struct ingest_sample_limits limits;
			ingest_sample_limits_default(&limits);
			memcpy(d.body, body.ptr, body.len);
			fault_set(FAULT_MALLOC, nth, true, ENOMEM);
			d.code = ingest_remote_write(d.batch, slice_new(d.body, body.len),
			                             (enum ingest_remote_write)version, &limits, &d.rejects, &d.err);
			fault_clear();
			int code = d.code;
			assert_true(code == 0 || (code == -ENOMEM && d.err.text[0] != '\0'));
			done(&d);
			if (code == 0)
				break;
			failed++;
		}
		free(owned[version - 1]);
	}
	assert_true(failed >= 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(series_refused),   cmocka_unit_test(exemplars_refused),
	    cmocka_unit_test(odd_but_allowed),  cmocka_unit_test(the_other_version),
	    cmocka_unit_test(bodies_refused),   cmocka_unit_test(limits_hold),
	    cmocka_unit_test(metadata_of_1),    cmocka_unit_test(metadata_of_2),
	    cmocka_unit_test(start_timestamps), cmocka_unit_test(dense_bodies),
	    cmocka_unit_test(dense_series),     cmocka_unit_test(no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
