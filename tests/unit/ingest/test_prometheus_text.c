/* Prometheus's text formats: each case is a body and what comes out of it, shown as one line a series; what is refused says where and why; and the bodies of a real client, where they are kept. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/fault.h"
#include "captures.h"
#include "ingest/ingest.h"
#include "ingest/number.h"
#include "record/labels.h"

enum { ARRIVAL = 1000 };

struct decoded {
	struct sample_batch *batch;
	struct ingest_rejects rejects;
	struct error err;
	int code;
	char *body; /* of just its length: AddressSanitizer watches its end */
};

static struct decoded decode_limited(struct slice text, enum ingest_text format,
                                     const struct ingest_sample_limits *limits)
{
	struct decoded d = {.batch = sample_batch_new(), .body = malloc(text.len + (text.len == 0))};
	if (text.len > 0)
		memcpy(d.body, text.ptr, text.len);
	d.code =
	    ingest_prometheus_text(d.batch, slice_new(d.body, text.len), format, ARRIVAL, limits, &d.rejects, &d.err);
	return d;
}

static struct decoded decode(struct slice text, enum ingest_text format)
{
	struct ingest_sample_limits limits;
	ingest_sample_limits_default(&limits);
	return decode_limited(text, format, &limits);
}

static void done(struct decoded *d)
{
	sample_batch_free(d->batch);
	ingest_rejects_free(&d->rejects);
	free(d->body);
}

/* name{a="b"} value @time #exemplar, a line each; then the metadata; then what was refused. */
static struct buf shown(const struct decoded *d)
{
	static const char *const types[] = {"unknown",        "counter", "gauge", "histogram",
	                                    "gaugehistogram", "summary", "info",  "stateset"};
	struct buf out = {0};
	for (uint32_t i = 0; i < d->batch->series_count; i++) {
		const struct sample_series *s = &d->batch->series[i];
		assert_int_equal(s->sample_count, 1);
		assert_int_equal(labels_check(s->labels, NULL, NULL), 0);
		assert_true(s->hash == labels_hash(s->labels));
		labels_text(s->labels, &out);
		buf_byte(&out, ' ');
		buf_number(&out, s->samples[0].value);
		buf_printf(&out, " @%" PRId64, s->samples[0].time_ms);
		if (s->exemplar_count > 0) {
			buf_str(&out, " #");
			labels_text(s->exemplars[0].labels, &out);
			buf_byte(&out, ' ');
			buf_number(&out, s->exemplars[0].value);
			buf_printf(&out, " @%" PRId64, s->exemplars[0].time_ms);
		}
		buf_byte(&out, '\n');
	}
	for (uint32_t i = 0; i < d->batch->metadata_count; i++) {
		const struct sample_metadata *m = &d->batch->metadata[i];
		buf_printf(&out, "%.*s is %s [%.*s] %.*s\n", SLICE_ARG(m->name), types[m->type], SLICE_ARG(m->unit),
		           SLICE_ARG(m->help));
	}
	for (uint32_t i = 0; i < d->rejects.count; i++)
		buf_printf(&out, "! %u %s\n", d->rejects.items[i].index, d->rejects.items[i].text.ptr);
	buf_byte(&out, '\0');
	return out;
}

static void is(const char *text, enum ingest_text format, const char *want)
{
	struct decoded d = decode(slice_cstr(text), format);
	if (d.code != 0)
		fail_msg("%s\n%s", text, d.err.text);
	struct buf out = shown(&d);
	assert_string_equal(out.ptr, want);
	buf_free(&out);
	done(&d);
}

static void text_is(const char *text, const char *want)
{
	is(text, INGEST_TEXT, want);
}

static void open_is(const char *text, const char *want)
{
	is(text, INGEST_OPENMETRICS, want);
}

static void fails(const char *text, enum ingest_text format, const char *why)
{
	struct decoded d = decode(slice_cstr(text), format);
	if (d.code != -EINVAL || strstr(d.err.text, why) == NULL)
		fail_msg("%s\n%d: \"%s\" does not say \"%s\"", text, d.code, d.err.text, why);
	done(&d);
}

static void reads_text(void **state)
{
	(void)state;
	text_is("", "");
	text_is("up 1", "up 1 @1000\n");
	text_is("up 1\n\n \t\n# a comment\n#\n#HELP not this\n# HELPLESS\n# EOF\n", "up 1 @1000\n");
	text_is("  up \t 1 \t 1520879607789 \n", "up 1 @1520879607789\n");
	text_is("up{} 1 -5\nup{a=\"b\",} 2 +7\n", "up 1 @-5\nup{a=\"b\"} 2 @7\n");
	text_is("x { b = \"1\" , a=\"2\" } 3\n", "x{a=\"2\", b=\"1\"} 3 @1000\n");
	text_is("x{a=\"1\" b=\"2\"}3\n", "x{a=\"1\", b=\"2\"} 3 @1000\n");
	text_is("x{a=\"\"} 1\n", "x 1 @1000\n");
	text_is("job:x:rate5m{_a9=\"1\"} 1\n", "job:x:rate5m{_a9=\"1\"} 1 @1000\n");
	text_is("x{a=\"\\\\ \\\" \\n \\t \xc3\xbc\"} 1\n", "x{a=\"\\\\ \\\" \\n \\\\t \xc3\xbc\"} 1 @1000\n");
	text_is("x{a=\"1\n2\"} 1\nx{a=\"\\\\\n\"} 2\n", "x{a=\"1\\n2\"} 1 @1000\nx{a=\"\\\\\\n\"} 2 @1000\n");
	text_is("x 1 9223372036854775807\nx 1 -9223372036854775808\n",
	        "x 1 @9223372036854775807\nx 1 @-9223372036854775808\n");
	text_is("# TYPE only_metadata gauge", "only_metadata is gauge [] \n");
}

static void reads_quoted_names(void **state)
{
	(void)state;
	text_is("{\"my.metric\",\"a.b\"=\"c\"} 1\n", "{\"my.metric\", \"a.b\"=\"c\"} 1 @1000\n");
	text_is("{ a=\"1\" , \"my.metric\" } 1\n", "{\"my.metric\", a=\"1\"} 1 @1000\n");
	text_is("{\"up\"} 1\n", "up 1 @1000\n");
	text_is("x{\"a\\\"b\"=\"c\"} 1\n", "x{\"a\\\"b\"=\"c\"} 1 @1000\n");
	text_is("# TYPE \"my.metric\" counter\n# HELP \"my.metric\" Help\n", "my.metric is counter [] Help\n");
	open_is(
	    "# TYPE \"my.metric_s\" counter\n# UNIT \"my.metric_s\" s\n{\"my.metric_s_total\",\"a.b\"=\"c\"} 1\n# EOF",
	    "{\"my.metric_s_total\", \"a.b\"=\"c\"} 1 @1000\nmy.metric_s is counter [s] \n");
	fails("{a=\"b\"} 1\n", INGEST_TEXT, "line 1, byte 8 of it: the name of a metric was wanted");
	fails("x{\"y\"} 1\n", INGEST_TEXT, "the metric has a second name");
	fails("{\"x\",\"y\"} 1\n", INGEST_TEXT, "the metric has a second name");
	fails("{\"\"} 1\n", INGEST_TEXT, "the name of a label was wanted");
}

static void reads_metadata(void **state)
{
	(void)state;
	text_is("# HELP a  Two spaces, \\\\ and \\n and \\\" kept \n# TYPE a histogram \na_sum 1\n# TYPE b untyped\n# "
	        "HELP c\n#\tTYPE\td\tsummary\n",
	        "a_sum 1 @1000\na is histogram []  Two spaces, \\ and \n and \\\" kept \nb is unknown [] \nc is "
	        "unknown [] \nd is summary [] \n");
	open_is("# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# HELP a_seconds \\\"quoted\\\"\n# TYPE b info\n# "
	        "TYPE c stateset\n# TYPE d gaugehistogram\n# TYPE e unknown\n# EOF\n",
	        "a_seconds is counter [seconds] \"quoted\"\nb is info [] \nc is stateset [] \nd is gaugehistogram [] "
	        "\ne is unknown [] \n");
	text_is("# UNIT a_seconds seconds\n# HELP a \xff\n# HELP b fine\n",
	        "b is unknown [] fine\n! 1 line 2: it is not UTF-8\n");
	fails("# TYPE a nothing\n", INGEST_TEXT, "line 1, byte 10 of it: a type of metric was wanted");
	fails("# TYPE a info\n", INGEST_TEXT, "a type of metric");
	fails("# TYPE a untyped\n# EOF", INGEST_OPENMETRICS, "a type of metric");
	fails("# TYPE 9 gauge\n", INGEST_TEXT, "the name of a metric");
	fails("# TYPE a.b gauge\n", INGEST_TEXT, "a space was wanted");
	fails("# UNIT a_seconds minutes\n# EOF\n", INGEST_OPENMETRICS, "line 1, byte 18 of it: the unit");
	fails("# UNIT seconds seconds\n# EOF\n", INGEST_OPENMETRICS, "the unit");
}

static void reads_openmetrics(void **state)
{
	(void)state;
	open_is("# EOF", "");
	open_is("a 1 1520879607.789\nb{c=\"d\"} 2\n# EOF\n", "a 1 @1520879607789\nb{c=\"d\"} 2 @1000\n");
	open_is("a 1 -0.0015\na 1 1.5e3\n# EOF\n", "a 1 @-1\na 1 @1500000\n");
	open_is("a_bucket{le=\"1\"} 3 # {trace_id=\"x\\\"y\"} 0.5\na 1 2 # {} 3 4.5\na 1 # {\"b.c\"=\"d\",e=\"f\"} "
	        "NaN\n# EOF\n",
	        "a_bucket{le=\"1\"} 3 @1000 #{trace_id=\"x\\\"y\"} 0.5 @1000\na 1 @2000 #{} 3 @4500\na 1 @1000 "
	        "#{\"b.c\"=\"d\", e=\"f\"} NaN @1000\n");
	open_is("a_total 1\na_created 1520872607.123\n# EOF\n", "a_total 1 @1000\na_created 1520872607.123 @1000\n");
	fails("", INGEST_OPENMETRICS, "line 1, byte 1 of it: the text does not end in # EOF");
	fails("a 1\n", INGEST_OPENMETRICS, "line 2, byte 1 of it: the text does not end in # EOF");
	fails("a 1\n# EOF\n\n", INGEST_OPENMETRICS, "nothing was wanted behind # EOF");
	fails("a 1\n# EOF\na 1\n", INGEST_OPENMETRICS, "nothing was wanted");
	fails("a 1\n\n# EOF\n", INGEST_OPENMETRICS, "line 2, byte 1 of it: the name of a metric");
	fails("a  1\n# EOF\n", INGEST_OPENMETRICS, "line 1, byte 3 of it: a number");
	fails("a\t1\n# EOF\n", INGEST_OPENMETRICS, "a space was wanted in front of the value");
	fails("a 1 \n# EOF\n", INGEST_OPENMETRICS, "a number was wanted");
	fails("a 1", INGEST_OPENMETRICS, "the end of the line was wanted");
	fails("a{b=\"c\" d=\"e\"} 1\n# EOF\n", INGEST_OPENMETRICS, "',' or '}' was wanted");
	fails("a{ b=\"c\"} 1\n# EOF\n", INGEST_OPENMETRICS, "the name of a label");
	fails("a{b=\"c\nd\"} 1\n# EOF\n", INGEST_OPENMETRICS, "a string ends before its line does");
	fails("# a comment\n# EOF\n", INGEST_OPENMETRICS, "HELP, TYPE, UNIT or EOF");
	fails("#EOF\n", INGEST_OPENMETRICS, "HELP, TYPE, UNIT or EOF");
	fails("a 1 NaN\n# EOF\n", INGEST_OPENMETRICS, "line 1, byte 5 of it: a time was wanted, in seconds");
	fails("a 1 1e300\n# EOF\n", INGEST_OPENMETRICS, "a time was wanted, in seconds");
	fails("a 1 # {\"x\"} 1\n# EOF\n", INGEST_OPENMETRICS, "'=' was wanted");
	fails("a 1 # {x=\"y\"}\n# EOF\n", INGEST_OPENMETRICS, "in front of the exemplar's value");
	fails("a 1 # {x=\"y\"} 1 2 3\n# EOF\n", INGEST_OPENMETRICS, "the end of the line was wanted");
}

static void says_where(void **state)
{
	(void)state;
	fails("a 1\nb x\n", INGEST_TEXT, "line 2, byte 3 of it: a number was wanted");
	fails("a{b=\"1\n2\"} 1\nb x\n", INGEST_TEXT, "line 3, byte 3");
	fails("a 1 2 3\n", INGEST_TEXT, "line 1, byte 7 of it: the end of the line");
	fails("a 1 2.5\n", INGEST_TEXT, "line 1, byte 5 of it: a time was wanted, in milliseconds");
	fails("a 1 9223372036854775808\n", INGEST_TEXT, "in milliseconds");
	fails("a 1 -\n", INGEST_TEXT, "in milliseconds");
	fails("a\n", INGEST_TEXT, "a number was wanted");
	fails("a 1\r\n", INGEST_TEXT, "a number was wanted");
	fails("9a 1\n", INGEST_TEXT, "line 1, byte 1 of it: the name of a metric");
	fails("a{b} 1\n", INGEST_TEXT, "'=' was wanted");
	fails("a{b=c} 1\n", INGEST_TEXT, "a quoted string was wanted");
	fails("a{b=\"c} 1\n", INGEST_TEXT, "a string has no end");
	fails("a{b=\"c\\", INGEST_TEXT, "a string has no end");
	fails("a{b=\"c\\\nd\"} 1", INGEST_TEXT, "a string ends before");
	fails("a{b=\"c\"", INGEST_TEXT, "the name of a label");
	fails("a{,} 1\n", INGEST_TEXT, "the name of a label");
	fails("a{b:c=\"d\"} 1\n", INGEST_TEXT, "'=' was wanted");
}

/* Alone, by its line; the others are taken. */
static void refuses_samples(void **state)
{
	struct buf text = {0};
	(void)state;
	text_is("a 1\nb{c=\"1\",c=\"2\"} 1\nd{e=\"\xff\"} 1\nf{__name__=\"g\"} 1\nh 1\n",
	        "a 1 @1000\nh 1 @1000\n! 1 line 2: the label \"c\" comes twice\n! 2 line 3: label 1, \"e\", is not "
	        "UTF-8\n! 3 line 4: the label \"__name__\" comes twice\n");
	buf_str(&text, "a 1 # {x=\"");
	for (int i = 0; i < 128; i++)
		buf_str(&text, "\xc3\xa9");
	buf_str(&text, "\"} 1\n# EOF\n");
	struct decoded d = decode(buf_slice(&text), INGEST_OPENMETRICS);
	assert_int_equal(d.code, 0);
	assert_int_equal(d.batch->sample_count, 1);
	assert_int_equal(d.batch->exemplar_count, 0);
	assert_int_equal(d.rejects.exemplars, 1);
	assert_string_equal(d.rejects.items[0].text.ptr,
	                    "line 1: an exemplar was left out: its labels have more than 128 characters");
	done(&d);
	buf_reset(&text);
	buf_str(&text, "a{");
	for (int i = 0; i < 200; i++)
		buf_printf(&text, "l%d=\"v\",", i);
	buf_str(&text, "} 1\nb 2\n");
	d = decode(buf_slice(&text), INGEST_TEXT);
	assert_int_equal(d.code, 0);
	assert_int_equal(d.batch->sample_count, 1);
	assert_int_equal(d.rejects.samples, 1);
	assert_non_null(strstr(d.rejects.items[0].text.ptr, "one more than the 128"));
	done(&d);
	buf_free(&text);
}

/* le and quantile, by the type that was said last. */
static void bounds_have_one_form(void **state)
{
	static const char *const forms[][2] = {{"1", "1.0"},
	                                       {"+1", "1.0"},
	                                       {"0", "0.0"},
	                                       {"-0", "0.0"},
	                                       {"-1", "-1.0"},
	                                       {"1.0", "1.0"},
	                                       {"0.10", "0.1"},
	                                       {"10", "10.0"},
	                                       {"262144", "262144.0"},
	                                       {"1000000", "1e+06"},
	                                       {"1e3", "1000.0"},
	                                       {"1.5e+21", "1.5e+21"},
	                                       {"1234567", "1.234567e+06"},
	                                       {"0.00001", "1e-05"},
	                                       {"Inf", "+Inf"},
	                                       {"+inf", "+Inf"},
	                                       {"-Inf", "-Inf"},
	                                       {"nan", "NaN"},
	                                       {"none", "none"},
	                                       {"1e999", "1e999"}};
	(void)state;
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		struct buf text = {0}, want = {0};
		buf_printf(&text,
		           "# TYPE a histogram\na_bucket{le=\"%s\",quantile=\"%s\"} 1\n# TYPE a "
		           "summary\na{le=\"%s\",quantile=\"%s\"} 1\n# TYPE a gauge\na{le=\"%s\"} 1\n%c",
		           forms[i][0], forms[i][0], forms[i][0], forms[i][0], forms[i][0], '\0');
		buf_printf(&want,
		           "a_bucket{le=\"%s\", quantile=\"%s\"} 1 @1000\na{le=\"%s\", quantile=\"%s\"} 1 "
		           "@1000\na{le=\"%s\"} 1 @1000\na is gauge [] \n%c",
		           forms[i][1], forms[i][0], forms[i][0], forms[i][1], forms[i][0], '\0');
		text_is(text.ptr, want.ptr);
		buf_free(&text);
		buf_free(&want);
	}
}

static void numbers_are_go_s(void **state)
{
	static const struct {
		const char *text;
		double value;
	} good[] = {{"0", 0},
	            {"-0", -0.0},
	            {"+5", 5},
	            {"5.", 5},
	            {".5", 0.5},
	            {"1e5", 1e5},
	            {"1E-5", 1e-5},
	            {"1.e+2", 100},
	            {"00012", 12},
	            {"inf", INFINITY},
	            {"+Infinity", INFINITY},
	            {"-INF", -INFINITY},
	            {"1e-400", 0},
	            {"0e999999999", 0},
	            {"123456789012345678901234567890", 123456789012345678901234567890.0},
	            {"4.9e-324", 4.9e-324},
	            {"1.7976931348623157e308", 1.7976931348623157e308},
	            {"9007199254740993", 9007199254740992},
	            {"1.5e+21", 1.5e21},
	            {"0.1", 0.1},
	            {"-930.5", -930.5}};
	static const char *const bad[] = {"",        "+",     "-",     ".",      "e5",   "1e",   "1e+",
	                                  "1.2.3",   "1_000", "0x1",   "0x1p3",  "+nan", "-NaN", "in",
	                                  "infinit", "nano",  "1e999", "-1e999", "1 ",   "1f",   "--1"};
	double v;
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		if (number_go(slice_cstr(good[i].text), &v) != NULL)
			fail_msg("%s is not taken", good[i].text);
		assert_memory_equal(&v, &good[i].value, sizeof v);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		if (number_go(slice_cstr(bad[i]), &v) == NULL)
			fail_msg("%s is taken", bad[i]);
	}
	assert_null(number_go(SLICE("Nan"), &v));
	assert_true(isnan(v));
	text_is("a Nan\na NaN\na nAn\n", "a NaN @1000\na NaN @1000\na NaN @1000\n");
	struct decoded d = decode(SLICE("a NaN\n"), INGEST_TEXT);
	static const uint64_t bits = 0x7ff8000000000001;
	assert_memory_equal(&d.batch->series[0].samples[0].value, &bits, 8);
	done(&d);
	char *long_text = malloc(2000);
	memset(long_text, '1', 2000);
	assert_string_equal(number_go(slice_new(long_text, 1025), &v), "the number has more than 1024 bytes");
	free(long_text);
}

static void limits_hold(void **state)
{
	struct slice body = SLICE("# TYPE a gauge\n# TYPE b gauge\na 1 # {} 1\nb 1 # {} 1\n# EOF\n");
	(void)state;
	for (int field = 0; field <= 4; field++) {
		struct ingest_sample_limits limits = {.series = 2, .samples = 2, .exemplars = 2, .metadata = 2};
		limits.series -= field == 1;
		limits.samples -= field == 2;
		limits.exemplars -= field == 3;
		limits.metadata -= field == 4;
		struct decoded d = decode_limited(body, INGEST_OPENMETRICS, &limits);
		assert_int_equal(d.code, field == 0 ? 0 : -EFBIG);
		assert_true(field == 0 || d.err.text[0] != '\0');
		done(&d);
	}
}

/* Who merges label sets is told of empty values, of samples alone. */
static void empty_values_stay_when_asked(void **state)
{
	struct ingest_sample_limits limits;
	struct label l;
	(void)state;
	ingest_sample_limits_default(&limits);
	limits.keep_empty = true;
	struct decoded d = decode_limited(SLICE("a{z=\"\",b=\"\",c=\"1\"} 1 # {x=\"\",y=\"2\"} 1\n# EOF\n"),
	                                  INGEST_OPENMETRICS, &limits);
	assert_int_equal(d.code, 0);
	struct slice rest = d.batch->series[0].labels;
	static const char *const wanted[][2] = {{"__name__", "a"}, {"b", ""}, {"c", "1"}, {"z", ""}};
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
		assert_true(labels_next(&rest, &l));
		assert_true(slice_eq(l.name, slice_cstr(wanted[i][0])) && slice_eq(l.value, slice_cstr(wanted[i][1])));
	}
	assert_false(labels_next(&rest, &l));
	rest = d.batch->series[0].exemplars[0].labels;
	assert_true(labels_next(&rest, &l) && slice_eq(l.name, SLICE("y")) && !labels_next(&rest, &l));
	done(&d);
}

/* Bodies of the shortest lines. */
static void dense_bodies(void **state)
{
	static const char *const lines[] = {"a 1\n",
	                                    "\n",
	                                    "a{} 1\n",
	                                    "# HELP a\n# HELP b\n",
	                                    "a{b=\"\\\\\"}1\n",
	                                    "a{b=\"1\",b=\"1\"}1\n",
	                                    "#\n",
	                                    "{\"\\\\\"}1\n",
	                                    "# TYPE a histogram\na{le=\"1\"}1\n"};
	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		struct ingest_sample_limits limits = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, 0, false};
		struct buf body = {0};
		while (body.len < 1 << 20)
			buf_str(&body, lines[i]);
		struct decoded d = decode_limited(buf_slice(&body), INGEST_TEXT, &limits);
		assert_int_equal(d.code, 0);
		size_t bytes = sample_batch_bytes(d.batch) + d.rejects.cap * sizeof *d.rejects.items;
		if (bytes > 32 * body.len + (1 << 20))
			fail_msg("%zu bytes for a body of %zu: %s", bytes, body.len, lines[i]);
		done(&d);
		buf_free(&body);
	}
}

static void no_memory(void **state)
{
	struct slice body = SLICE("# TYPE a summary\n# HELP a \\\\\na{quantile=\"1\",b=\"\\\\\"} 1 # {c=\"\\\\\"} "
	                          "1\na{b=\"1\",b=\"2\"} 1\n# EOF\n");
	uint32_t failed = 0;
	(void)state;
	for (uint64_t nth = 1;; nth++) {
		struct ingest_sample_limits limits;
		ingest_sample_limits_default(&limits);
		struct decoded d = {.batch = sample_batch_new()};
		fault_set(FAULT_MALLOC, nth, true, ENOMEM);
		d.code =
		    ingest_prometheus_text(d.batch, body, INGEST_OPENMETRICS, ARRIVAL, &limits, &d.rejects, &d.err);
		fault_clear();
		int code = d.code;
		assert_true(code == 0 || (code == -ENOMEM && d.err.text[0] != '\0'));
		done(&d);
		if (code == 0)
			break;
		failed++;
	}
	assert_true(failed >= 5);
}

/* ---- a real client ---- */

/* Every sample line of a body in either format, read here without haste: `name{labels} value…` becomes what shown() says of it, where le and quantile are the only ones that change. */
static void compare_lines(const struct sample_batch *b, struct slice text)
{
	uint32_t at = 0, line = 0;
	for (const char *p = text.ptr, *end = text.ptr + text.len; p < end; line++) {
		const char *stop = memchr(p, '\n', (size_t)(end - p)), *brace = memchr(p, '{', (size_t)(stop - p));
		const char *close = stop;
		if (*p != '#' && p != stop) {
			const struct sample_series *s = &b->series[at++];
			struct slice name = labels_get(s->labels, LABEL_METRIC_NAME);
			assert_true(at <= b->series_count);
			assert_int_equal(s->index, line);
			while (brace != NULL && *close != '}')
				close--;
			if (brace != NULL &&
			    memchr(brace, '#', (size_t)(stop - brace)) != NULL) /* an exemplar has braces of its own */
				close = memchr(brace, '}', (size_t)(stop - brace));
			const char *value =
			    brace != NULL ? close + 2 : (const char *)memchr(p, ' ', (size_t)(stop - p)) + 1;
			assert_true(slice_eq(name, slice_new(p, (size_t)((brace != NULL ? brace : value - 1) - p))));
			double want = strtod(value, NULL);
			assert_true(isnan(want) ? isnan(s->samples[0].value) : want == s->samples[0].value);
			if (brace != NULL) { /* the labels, by counting and finding each */
				struct slice rest = s->labels;
				for (struct label l; labels_next(&rest, &l);) {
					if (slice_eq(l.name, LABEL_METRIC_NAME))
						continue;
					char key[256];
					snprintf(key, sizeof key, "%.*s=\"", SLICE_ARG(l.name));
					assert_non_null(memmem(brace, (size_t)(close - brace), key, strlen(key)));
				}
			}
		}
		p = stop + 1;
	}
	assert_int_equal(at, b->series_count);
}

static void a_real_client(void **state)
{
	static const char *const files[] = {"metrics.prom.txt", "metrics.openmetrics.txt"};
	static const char *const own[2][2] = {
	    {"agent_chat_latency_seconds_bucket{app=\"agent-svc\", le=\"1.0\", model=\"gpt-4o\"} 10 @1000\n",
	     "agent_step_duration_seconds{app=\"agent-svc\", quantile=\"0.99\", step=\"plan\"} 0.9938165782922025 "
	     "@1000\n"},
	    {"agent_chat_latency_seconds_bucket{app=\"agent-svc\", le=\"1.0\", model=\"gpt-4o\"} 6 @1000 "
	     "#{span_id=\"00f067aa0ba902b7\", trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"} 0.7234928127021961 "
	     "@1795351725969\n",
	     "agent_step_duration_seconds{app=\"agent-svc\", quantile=\"0.99\", step=\"plan\"} 0.9565822002275765 "
	     "@1000\n"},
	};
	char folder[2048];
	(void)state;
	if (!captures_folder(folder, sizeof folder, "prom-client")) {
		print_message("no captures beside the repository: a body made here is all there is\n");
		text_is("a{le=\"0.1\",app=\"x\"} 1.5e+21\n", "a{app=\"x\", le=\"0.1\"} 1.5e+21 @1000\n");
		return;
	}
	for (int i = 0; i < 2; i++) {
		struct slice text = captures_read(folder, files[i]);
		assert_non_null(text.ptr);
		struct decoded d = decode(text, i == 0 ? INGEST_TEXT : INGEST_OPENMETRICS);
		if (d.code != 0)
			fail_msg("%s: %s", files[i], d.err.text);
		assert_int_equal(d.rejects.count + d.rejects.unlisted, 0);
		compare_lines(d.batch, text);
		struct buf out = shown(&d);
		for (int j = 0; j < 2; j++)
			assert_non_null(strstr(out.ptr, own[i][j]));
		assert_non_null(strstr(
		    out.ptr, "agent_active_sessions is gauge [] Active sessions\nsecond line with \\ backslash\n"));
		assert_non_null(strstr(out.ptr, "agent_odd_values{app=\"agent-svc\", k=\"nan\"} NaN @1000\n"));
		assert_non_null(strstr(out.ptr, "agent_odd_values{app=\"agent-svc\", k=\"big\"} 1.5e+21 @1000\n"));
		assert_non_null(strstr(
		    out.ptr,
		    "agent_odd_values{app=\"agent-svc\", k=\"\xc3\xbcn\xc3\xaf \\\"q\\\" \\\\ \\n\"} 1 @1000\n"));
		print_message("%s: %u samples, %u exemplars, %u metrics\n", files[i], d.batch->series_count,
		              (unsigned)d.batch->exemplar_count, d.batch->metadata_count);
		buf_free(&out);
		done(&d);
		free((void *)(uintptr_t)text.ptr);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_text),           cmocka_unit_test(reads_quoted_names),
	    cmocka_unit_test(reads_metadata),       cmocka_unit_test(reads_openmetrics),
	    cmocka_unit_test(says_where),           cmocka_unit_test(refuses_samples),
	    cmocka_unit_test(bounds_have_one_form), cmocka_unit_test(numbers_are_go_s),
	    cmocka_unit_test(limits_hold),          cmocka_unit_test(empty_values_stay_when_asked),
	    cmocka_unit_test(dense_bodies),         cmocka_unit_test(no_memory),
	    cmocka_unit_test(a_real_client),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
