/* OTLP traces by hand: every field, what is taken although it is odd, what is refused, and what is no body at all. */
#include <errno.h>
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
#include "otlp.h"

#define BEGIN UINT64_C(1700000000000000000)
#define TIME "\"time\":\"2023-11-14T22:13:20.000Z\""
#define TRACE "01010101010101010101010101010101"

static struct batch *batch;
static struct ingest_rejects rejects;
static struct error err;
static struct ingest_span_limits limits;

static int setup(void **state)
{
	(void)state;
	batch = batch_new();
	ingest_span_limits_default(&limits);
	return batch == NULL;
}

static int teardown(void **state)
{
	(void)state;
	batch_free(batch);
	ingest_rejects_free(&rejects);
	return 0;
}

/* ---- bodies ---- */

static struct buf id(uint32_t field, size_t len, int byte)
{
	struct buf b = {0};
	char bytes[32];
	memset(bytes, byte, sizeof bytes);
	put_slice(&b, field, slice_new(bytes, len));
	return b;
}

static void put_id(struct buf *b, uint32_t field, size_t len, int byte)
{
	struct buf m = id(field, len, byte);
	buf_slice_append(b, buf_slice(&m));
	buf_free(&m);
}

/* A span of two ids, a name and times; attributes and the rest may follow. */
static struct buf span(int number)
{
	struct buf b = {0};
	put_id(&b, 1, 16, 1);
	put_id(&b, 2, 8, number);
	put_text(&b, 5, "s");
	put_fixed(&b, 7, BEGIN);
	put_fixed(&b, 8, BEGIN + 5);
	return b;
}

/* Spans in one scope of one resource, both without words of their own. Takes them. */
static struct buf spans_body(struct buf *spans, size_t count)
{
	struct buf b = {0}, scopes = {0}, all = {0};
	for (size_t i = 0; i < count; i++)
		put_message(&scopes, 2, spans[i]);
	put_message(&all, 2, scopes);
	put_message(&b, 1, all);
	return b;
}

/* Decodes a body, which is taken, from memory of its very size and the padding. It stays to the end of the test. */
static char *bodies[64];
static uint32_t body_count;

static int decode_body(struct buf body)
{
	char *copy = malloc(body.len + INGEST_PADDING);
	assert_true(copy != NULL && body_count < 64);
	if (body.len > 0)
		memcpy(copy, body.ptr, body.len);
	memset(copy + body.len, 0xff, INGEST_PADDING);
	bodies[body_count++] = copy;
	batch_reset(batch, 1 << 20);
	rejects.count = rejects.unlisted = 0;
	err = (struct error){0};
	int code = ingest_otlp_traces_protobuf(batch, slice_new(copy, body.len), &limits, &rejects, &err);
	buf_free(&body);
	return code;
}

static void drop_bodies(void)
{
	while (body_count > 0)
		free(bodies[--body_count]);
}

static int decode_span(struct buf s)
{
	return decode_body(spans_body(&s, 1));
}

static void assert_record(uint32_t i, const char *wanted)
{
	struct buf text = {0};
	assert_in_range(i, 0, batch->count - 1);
	record_json(&text, &batch->records[i]);
	buf_byte(&text, '\0');
	assert_string_equal(text.ptr, wanted);
	buf_free(&text);
}

/* The first span is refused with these words, and nothing else is. */
static void assert_refused(struct buf s, const char *words)
{
	struct buf two[] = {s, span(2)};
	assert_int_equal(decode_body(spans_body(two, 2)), 0);
	assert_int_equal(rejects.count, 1);
	assert_int_equal(rejects.items[0].index, 0);
	if (strstr(rejects.items[0].text.ptr, words) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", words, rejects.items[0].text.ptr);
	assert_memory_equal(rejects.items[0].text.ptr, "resourceSpans[0].scopeSpans[0].spans[0], ", 41);
	assert_int_equal(batch->count, 1);
	assert_int_equal(batch->records[0].index, 1);
	drop_bodies();
}

/* ---- tests ---- */

static void put_flags(struct buf *b, uint32_t field, uint32_t v)
{
	put_varint(b, field << 3 | 5);
	buf_append(b, &v, sizeof v);
}

static void put_extras(struct buf *s)
{
	struct buf event = {0}, link = {0}, status = {0};
	put_fixed(&event, 1, BEGIN + 1);
	put_text(&event, 2, "exception");
	put_message(&event, 3, text_attribute("exception.type", "E"));
	put_int(&event, 4, 6);
	put_message(s, 11, event);
	put_id(&link, 1, 16, 9);
	put_id(&link, 2, 8, 8);
	put_text(&link, 3, "a=b");
	put_message(&link, 4, text_attribute("k", "v"));
	put_int(&link, 5, 7);
	put_flags(&link, 6, 0x301);
	put_message(s, 13, link);
	put_text(&status, 2, "bad");
	put_int(&status, 3, 2);
	put_message(s, 15, status);
}

static void every_field(void **state)
{
	struct buf s = {0}, b = {0}, resource = {0}, scope = {0}, scopes = {0}, all = {0};
	(void)state;
	put_id(&s, 1, 16, 1);
	put_id(&s, 2, 8, 2);
	put_text(&s, 3, "x=y");
	put_id(&s, 4, 8, 0xab);
	put_text(&s, 5, "chat");
	put_int(&s, 6, 3);
	put_fixed(&s, 7, BEGIN);
	put_fixed(&s, 8, BEGIN + 40470);
	put_message(&s, 9, text_attribute("model", "m"));
	put_message(&s, 9, attribute("tokens", int_value(-5)));
	put_int(&s, 10, 1);
	put_int(&s, 12, 2);
	put_int(&s, 14, 3);
	put_extras(&s);
	put_flags(&s, 16, 0x101);
	put_message(&resource, 1, text_attribute("service.name", "agent"));
	put_text(&scope, 1, "lib");
	put_text(&scope, 2, "1.0");
	put_message(&scope, 3, text_attribute("of", "scope"));
	put_message(&scopes, 2, s); /* in front of the scope that is its own */
	put_message(&scopes, 1, scope);
	put_text(&scopes, 3, "http://scope");
	put_message(&all, 2, scopes);
	put_message(&all, 1, resource);
	put_text(&all, 3, "http://resource");
	put_message(&b, 1, all);
	assert_int_equal(decode_body(b), 0);
	assert_record(0,
	              "{\"type\":\"span\"," TIME ",\"trace_id\":\"" TRACE
	              "\",\"span_id\":\"0202020202020202\",\"parent_span_id\":\"abababababababab\",\"name\":\"chat\","
	              "\"kind\":\"client\",\"duration_ns\":40470,\"status\":\"error\",\"status_message\":\"bad\","
	              "\"trace_state\":\"x=y\",\"flags\":257,\"attributes\":{\"model\":\"m\",\"tokens\":-5},"
	              "\"events\":[{\"time_ns\":1700000000000000001,\"name\":\"exception\",\"attributes\":{"
	              "\"exception.type\":\"E\"},\"dropped_attributes\":6}],"
	              "\"links\":[{\"trace_id\":\"09090909090909090909090909090909\",\"span_id\":"
	              "\"0808080808080808\",\"trace_state\":\"a=b\",\"flags\":769,\"attributes\":{\"k\":\"v\"},"
	              "\"dropped_attributes\":7}],\"dropped_attributes\":1,\"dropped_events\":2,\"dropped_links\":3,"
	              "\"resource\":{\"service.name\":\"agent\"},\"resource_schema_url\":\"http://resource\","
	              "\"scope\":{\"name\":\"lib\",\"version\":\"1.0\",\"attributes\":{\"of\":\"scope\"}},"
	              "\"scope_schema_url\":\"http://scope\"}");
	drop_bodies();
}

#define HEAD(number)                                                                                                   \
	"{\"type\":\"span\"," TIME ",\"trace_id\":\"" TRACE "\",\"span_id\":\"" number                                 \
	"\",\"name\":\"s\",\"kind\":\"unspecified\""

static void what_is_odd_is_taken(void **state)
{
	struct buf s = span(2), list = {0}, map = {0}, v = {0};
	(void)state;
	put_id(&s, 4, 8, 0);         /* a parent of zeros is none */
	put_int(&s, 6, 99);          /* a kind that there is not */
	put_fixed(&s, 8, BEGIN - 7); /* an end before the start; the last one counts */
	put_text(&s, 999, "a field of the future");
	assert_int_equal(decode_span(s), 0);
	assert_record(0, HEAD("0202020202020202") ",\"duration_ns\":-7,\"status\":\"unset\"}");

	s = span(3);
	put_message(&s, 9, text_attribute("twice", "a"));
	put_message(&s, 9, attribute("none", v));
	put_double(&v, 4, NAN);
	put_message(&s, 9, attribute("nan", v));
	put_message(&s, 9, text_attribute("twice", "b"));
	v = (struct buf){0};
	put_slice(&v, 7, slice_new("\x00\xff\x10", 3));
	put_message(&s, 9, attribute("bytes", v));
	v = (struct buf){0};
	put_slice(&v, 1, slice_new("n\0l", 3));
	put_message(&s, 9, attribute("nul", v));
	put_message(&list, 1, int_value(1));
	put_message(&list, 1, (struct buf){0});
	v = (struct buf){0};
	put_message(&v, 5, list);
	put_message(&s, 9, attribute("list", v));
	put_message(&map, 1, text_attribute("k", "1"));
	put_message(&map, 1, text_attribute("k", "2"));
	v = (struct buf){0};
	put_message(&v, 6, map);
	put_message(&s, 9, attribute("map", v));
	v = (struct buf){0};
	put_slice(&v, 6, SLICE(""));
	put_message(&s, 9, attribute("empty", v));
	assert_int_equal(decode_span(s), 0);
	assert_record(
	    0, HEAD("0303030303030303") ",\"duration_ns\":5,\"status\":\"unset\",\"attributes\":{\"twice\":\"b\","
	                                "\"none\":null,\"nan\":null,\"bytes\":\"AP8Q\",\"nul\":\"n\\u0000l\","
	                                "\"list\":[1,null],\"map\":{\"k\":\"2\"},\"empty\":{}}}");
	const struct value *attributes = NULL;
	const struct shape *shape = record_shape(&batch->records[0]);
	for (uint32_t i = 0; i < shape->count; i++) {
		if (slice_eq(batch->keys[shape->keys[i]].name, SLICE("attributes")))
			attributes = &batch->records[0].values[i];
	}
	assert_non_null(attributes);
	assert_true(isnan(attributes->object->values[2].number)); /* which JSON has no word for */
	assert_int_equal(decode_body((struct buf){0}), 0);
	assert_int_equal(batch->count, 0);
	drop_bodies();
}

/* Of one body, whatever the order of names: each span has its own. */
static void shapes_are_told_apart(void **state)
{
	struct buf spans[60];
	char text[256], name[8];
	(void)state;
	for (int i = 0; i < 60; i++) {
		spans[i] = span(i + 1);
		for (int k = 0; k < i % 7; k++) {
			snprintf(name, sizeof name, "a%d", (i * k * 3) % 11);
			put_message(&spans[i], 9, attribute(name, int_value(i * 100 + k)));
		}
	}
	assert_int_equal(decode_body(spans_body(spans, 60)), 0);
	assert_int_equal(batch->count, 60);
	for (uint32_t i = 0; i < 60; i++) {
		struct buf json = {0};
		record_json(&json, &batch->records[i]);
		buf_byte(&json, '\0');
		for (uint32_t k = 0; k < i % 7; k++) {
			bool last = true;
			for (uint32_t l = k + 1; l < i % 7; l++)
				last = last && (i * l * 3) % 11 != (i * k * 3) % 11;
			snprintf(text, sizeof text, "\"a%u\":%u", (i * k * 3) % 11, i * 100 + k);
			assert_int_equal(strstr(json.ptr, text) != NULL, last);
		}
		buf_free(&json);
	}
	drop_bodies();
}

static struct buf deep(uint32_t depth)
{
	struct buf v = text_value("x");
	for (uint32_t i = 0; i < depth; i++) {
		struct buf list = {0}, outer = {0};
		put_message(&list, 1, v);
		put_message(&outer, 5, list);
		v = outer;
	}
	return v;
}

static struct buf long_text(size_t len)
{
	struct buf v = {0};
	char *text = malloc(len);
	assert_non_null(text);
	memset(text, 'x', len);
	put_slice(&v, 1, slice_new(text, len));
	free(text);
	return v;
}

static struct buf with(struct buf s, uint32_t field, struct buf m)
{
	put_message(&s, field, m);
	return s;
}

static void what_is_refused(void **state)
{
	struct buf s = span(1);
	(void)state;
	put_id(&s, 1, 15, 1);
	assert_refused(s, "its traceId has 15 bytes, 16 were wanted");
	s = span(1);
	put_id(&s, 1, 16, 0);
	assert_refused(s, "its traceId is all 0");
	s = span(1);
	put_id(&s, 2, 9, 1);
	assert_refused(s, "its spanId has 9 bytes, 8 were wanted");
	s = span(0);
	assert_refused(s, "its spanId is all 0");
	s = span(1);
	put_id(&s, 4, 4, 1);
	assert_refused(s, "its parentSpanId has 4 bytes");
	s = span(1);
	put_fixed(&s, 7, 0);
	assert_refused(s, "it has no startTimeUnixNano");
	s = span(1);
	put_fixed(&s, 8, UINT64_MAX);
	assert_refused(s, "its endTimeUnixNano is past the year 2261");
	s = span(1);
	put_text(&s, 5, "\xff");
	assert_refused(s, "?: its name is not UTF-8");
	assert_refused(with(span(1), 9, text_attribute("k", "\xc0\x80")), "an attribute's text is not UTF-8");
	assert_refused(with(span(1), 9, text_attribute("\xed\xa0\x80", "v")), "an attribute's name is not UTF-8");
	assert_refused(with(span(1), 9, attribute("k", deep(33))), "lists and maps more than 32 deep");
	assert_refused(with(span(1), 9, attribute("k", deep(5000))), "lists and maps more than 32 deep");
	assert_refused(with(span(1), 9, attribute("k", long_text((1 << 20) + 1))), "has more than 1048576 bytes");
	assert_refused(with(span(1), 13, id(1, 3, 1)), "a link has an id of 3 bytes");
	limits.values = 2;
	s = with(span(1), 9, text_attribute("a", "1"));
	s = with(s, 11, (struct buf){0});
	assert_refused(with(s, 13, (struct buf){0}), "it has more than 2 attributes, events, links");
	limits.key_bytes = 3;
	assert_refused(with(span(1), 9, text_attribute("four", "1")), "an attribute's name has more than 3 bytes");
	limits.span_bytes = 100;
	assert_refused(with(span(1), 9, attribute("k", long_text(100))), "it has more than 100 bytes");
}

/* What stays just within the limits. */
static void large_values_are_taken(void **state)
{
	(void)state;
	assert_int_equal(decode_span(with(span(1), 9, attribute("k", long_text(1 << 20)))), 0);
	assert_int_equal(batch->count, 1);
	assert_int_equal(decode_span(with(span(1), 9, attribute("k", deep(32)))), 0);
	assert_int_equal(batch->count, 1);
	drop_bodies();
}

/* A resource or scope that is refused takes its spans with it, and those alone. */
static void of_a_resource(void **state)
{
	struct buf b = {0};
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct buf all = {0}, scopes = {0}, resource = {0};
		put_message(&scopes, 2, span(i + 1));
		put_message(&scopes, 2, span(i + 11));
		put_message(&resource, 1, text_attribute("k", i == 1 ? "\xff" : "v"));
		put_message(&all, 1, resource);
		put_message(&all, 2, scopes);
		put_message(&b, 1, all);
	}
	assert_int_equal(decode_body(b), 0);
	assert_int_equal(batch->count, 4);
	assert_int_equal(rejects.count, 2);
	assert_non_null(
	    strstr(rejects.items[1].text.ptr, "resourceSpans[1].scopeSpans[0].spans[1], s: its resource: "));
	uint32_t last = record_shape(&batch->records[0])->count - 1;
	assert_ptr_equal(batch->records[0].values[last].object, batch->records[1].values[last].object);
	assert_ptr_not_equal(batch->records[1].values[last].object, batch->records[2].values[last].object);
	drop_bodies();
}

static void what_is_no_body(void **state)
{
	static const uint64_t lengths[] = {UINT64_C(1) << 31, UINT64_C(1) << 32, UINT64_C(1) << 62,
	                                   UINT64_C(1) << 63, UINT64_MAX,        1000};
	(void)state;
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		struct buf s = span(1);
		put_varint(&s, 9 << 3 | 2); /* attributes of that length */
		put_varint(&s, lengths[i]);
		assert_int_equal(decode_span(s), -EINVAL);
		assert_non_null(strstr(err.text, "byte "));
	}
	struct buf s = span(1);
	put_int(&s, 7, 1); /* a start of another wire type */
	assert_int_equal(decode_span(s), -EINVAL);
	s = span(1);
	put_varint(&s, 5 << 3 | 3); /* a group */
	assert_int_equal(decode_span(s), -EINVAL);
	s = span(0); /* that it is refused does not hide what is malformed behind */
	put_text(&s, 9, "\x0a\x09");
	assert_int_equal(decode_span(s), -EINVAL);
	struct buf three[] = {span(1), span(2), span(3)};
	limits.spans = 2;
	assert_int_equal(decode_body(spans_body(three, 3)), -EFBIG);
	assert_string_equal(err.text, "the body has more than 2 spans");
	drop_bodies();
}

/* Each beginning of a body is malformed or a smaller one; nothing behind its end is read. */
static void cut_bodies(void **state)
{
	struct buf s = with(span(1), 9, attribute("k", deep(3)));
	put_extras(&s);
	struct buf whole = spans_body(&s, 1);
	(void)state;
	for (size_t len = 1; len < whole.len; len++) {
		struct buf part = {0};
		buf_append(&part, whole.ptr, len);
		assert_int_equal(decode_body(part), -EINVAL);
		drop_bodies();
	}
	assert_int_equal(decode_body(whole), 0);
	assert_int_equal(batch->count, 1);
	drop_bodies();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(every_field, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_is_odd_is_taken, setup, teardown),
	    cmocka_unit_test_setup_teardown(shapes_are_told_apart, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(large_values_are_taken, setup, teardown),
	    cmocka_unit_test_setup_teardown(of_a_resource, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_is_no_body, setup, teardown),
	    cmocka_unit_test_setup_teardown(cut_bodies, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
