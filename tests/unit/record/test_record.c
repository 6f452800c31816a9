/* Batches, fields by path, changes, copies, JSON. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/hash.h"
#include "record/record.h"

/* Sanitizers make everything some ten times as slow. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SLOW = 20 };
#else
enum { SLOW = 1 };
#endif

static struct value str(const char *s)
{
	return (struct value){.str = s, .len = (uint32_t)strlen(s), .type = VALUE_STRING};
}

static struct value integer(int64_t i)
{
	return (struct value){.integer = i, .type = VALUE_INT};
}

static uint32_t shape_of(struct batch *b, const char *const *names, uint32_t count)
{
	uint32_t keys[16];
	for (uint32_t i = 0; i < count; i++) {
		int64_t key = batch_key(b, slice_cstr(names[i]));
		assert_true(key >= 0);
		keys[i] = (uint32_t)key;
	}
	int64_t shape = batch_shape(b, keys, count);
	assert_true(shape >= 0);
	return (uint32_t)shape;
}

static struct value object(struct batch *b, const char *const *names, const struct value *values, uint32_t count)
{
	struct object *o = arena_alloc(&b->arena, sizeof *o);
	struct value *copy = batch_values(b, count);
	memcpy(copy, values, count * sizeof *copy);
	*o = (struct object){shape_of(b, names, count), copy};
	return (struct value){.object = o, .type = VALUE_OBJECT};
}

/* {"user_id":"ann","usage":{"in":5,"deep":{"x":1}},"usage.in":7,"list":[10,{"k":"v"}],"id":"e1"} */
static struct record *sample(struct batch *b)
{
	struct value deep = object(b, (const char *[]){"x"}, (struct value[]){integer(1)}, 1);
	struct value usage = object(b, (const char *[]){"in", "deep"}, (struct value[]){integer(5), deep}, 2);
	struct value *items = batch_values(b, 2);
	items[0] = integer(10);
	items[1] = object(b, (const char *[]){"k"}, (struct value[]){str("v")}, 1);
	struct value list = {.items = items, .len = 2, .type = VALUE_ARRAY};
	struct record *r = batch_add(b);
	r->shape = shape_of(b, (const char *[]){"user_id", "usage", "usage.in", "list", "id"}, 5);
	struct value *values = batch_values(b, 5);
	values[0] = str("ann");
	values[1] = usage;
	values[2] = integer(7);
	values[3] = list;
	values[4] = str("e1");
	r->values = values;
	r->type = (uint16_t)batch_type(b, SLICE("model.call"));
	r->time_ns = 1767323045 * NS_PER_S;
	return r;
}

static const struct value *get(const struct record *r, const char *name)
{
	struct slice s = slice_cstr(name);
	return record_get(r, s, hash_bytes(s.ptr, s.len, hash_seed()));
}

static void assert_json(const struct record *r, const char *wanted)
{
	struct buf b = {0};
	record_json(&b, r);
	buf_byte(&b, '\0');
	assert_string_equal(b.ptr, wanted);
	buf_free(&b);
}

#define HEAD "{\"type\":\"model.call\",\"time\":\"2026-01-02T03:04:05.000Z\","
#define WHOLE                                                                                                          \
	HEAD "\"user_id\":\"ann\",\"usage\":{\"in\":5,\"deep\":{\"x\":1}},\"usage.in\":7,\"list\":[10,{\"k\":\"v\"}]," \
	     "\"id\":\"e1\"}"

static void names_and_shapes_are_unique_in_a_batch(void **state)
{
	(void)state;
	struct batch *b = batch_new();
	assert_int_equal(batch_key(b, SLICE("a")), 0);
	assert_int_equal(batch_key(b, SLICE("b")), 1);
	assert_int_equal(batch_key(b, SLICE("a")), 0);
	assert_int_equal(batch_shape(b, (uint32_t[]){0, 1}, 2), 0);
	assert_int_equal(batch_shape(b, (uint32_t[]){1, 0}, 2), 1);
	assert_int_equal(batch_shape(b, (uint32_t[]){0, 1}, 2), 0);
	assert_int_equal(batch_type(b, SLICE("t")), 0);
	assert_int_equal(batch_type(b, SLICE("t")), 0);
	batch_free(b);
}

static void equal_shapes_of_two_batches_have_equal_hashes(void **state)
{
	(void)state;
	struct batch *a = batch_new(), *b = batch_new();
	batch_key(b, SLICE("something else"));
	uint32_t x = shape_of(a, (const char *[]){"one", "two"}, 2);
	uint32_t y = shape_of(b, (const char *[]){"one", "two"}, 2);
	uint32_t z = shape_of(b, (const char *[]){"two", "one"}, 2);
	assert_int_equal(a->shapes[x].hash, b->shapes[y].hash);
	assert_int_not_equal(b->shapes[z].hash, b->shapes[y].hash);
	batch_free(a);
	batch_free(b);
}

static void names_over_the_bound_are_refused(void **state)
{
	(void)state;
	struct batch *b = batch_new();
	char name[32];
	for (int i = 0; i < BATCH_KEYS_MAX; i++) {
		int len = snprintf(name, sizeof name, "k%d", i);
		assert_int_equal(batch_key(b, slice_new(name, (size_t)len)), i);
	}
	assert_int_equal(batch_key(b, SLICE("one more")), -E2BIG);
	assert_int_equal(batch_key(b, SLICE("k7")), 7);
	batch_free(b);
}

static void a_reset_batch_is_empty_and_usable(void **state)
{
	(void)state;
	struct batch *b = batch_new();
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 1000; i++)
			sample(b);
		assert_json(&b->records[999], WHOLE);
		batch_reset(b, round == 1 ? 0 : 1 << 20);
		assert_int_equal(b->count, 0);
		assert_int_equal(b->key_count, 0);
	}
	batch_free(b);
}

static void known_fields_have_positions(void **state)
{
	(void)state;
	struct batch *b = batch_new();
	struct record *r = sample(b);
	assert_memory_equal(record_known(r, KNOWN_ID)->str, "e1", 2);
	assert_memory_equal(record_known(r, KNOWN_USER_ID)->str, "ann", 3);
	assert_null(record_known(r, KNOWN_TENANT_ID));
	batch_free(b);
}

static void fields_are_found_by_exact_name_then_by_path(void **state)
{
	(void)state;
	struct batch *b = batch_new();
	struct record *r = sample(b);
	assert_int_equal(get(r, "usage.in")->integer, 7);
	assert_int_equal(get(r, "usage.deep.x")->integer, 1);
	assert_int_equal(get(r, "list.0")->integer, 10);
	assert_memory_equal(get(r, "list.1.k")->str, "v", 1);
	const char *missing[] = {"nothing", "usage.out", "usage.deep.x.y", "list.2",
	                         "list.01", "list.x",    "list.",          ".",
	                         "",        "user_id.x", "usage.",         "list.99999999999"};
	for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
		assert_null(get(r, missing[i]));
	batch_free(b);
}

static void the_longest_first_key_wins_and_others_are_tried(void **state)
{
	(void)state;
	struct batch *b = batch_new();
	struct value short_one = object(b, (const char *[]){"b.c", "b.d"}, (struct value[]){integer(1), integer(3)}, 2);
	struct value long_one = object(b, (const char *[]){"c", ""}, (struct value[]){integer(2), integer(4)}, 2);
	struct record *r = batch_add(b);
	struct value *values = batch_values(b, 2);
	r->shape = shape_of(b, (const char *[]){"a", "a.b"}, 2);
	values[0] = short_one;
	values[1] = long_one;
	r->values = values;
	assert_int_equal(get(r, "a.b.c")->integer, 2);
	assert_int_equal(get(r, "a.b.d")->integer, 3);
	assert_int_equal(get(r, "a.b.")->integer, 4);
	assert_int_equal(record_set(r, SLICE("a.b.d"), integer(5)), 0);
	assert_int_equal(get(r, "a.b.d")->integer, 5);
	assert_int_equal(get(r, "a.b.c")->integer, 2);
	batch_free(b);
}

/* Thirty objects inside each other whose keys let a path be split in millions of ways, and paths with very many dots. */
static void hostile_paths_come_to_an_end(void **state)
{
	(void)state;
	enum { DOTS = 500000 };
	struct batch *b = batch_new();
	struct value v = integer(1);
	struct record *r = batch_add(b);
	struct value *values = batch_values(b, 2);
	char *path = malloc(2 * DOTS + 1);
	clock_t began = clock();

	for (int i = 0; i < 30; i++)
		v = object(b, (const char *[]){"a", "a.a"}, (struct value[]){v, v}, 2);
	values[0] = values[1] = v;
	r->shape = shape_of(b, (const char *[]){"a", "a.a"}, 2);
	r->values = values;
	assert_non_null(path);
	for (int i = 0; i < DOTS; i++)
		memcpy(path + 2 * (size_t)i, "a.", 2);
	path[2 * DOTS] = '\0';
	assert_null(get(r, path));
	path[120] = '\0';
	assert_null(get(r, path));
	assert_int_equal(record_remove(r, slice_cstr(path)), -ENOENT);
	assert_int_equal(record_set(r, slice_cstr(path), integer(2)), 0);
	assert_true(clock() - began < SLOW * CLOCKS_PER_SEC);
	free(path);
	batch_free(b);
}

static void a_change_touches_this_record_alone(void **state)
{
	(void)state;
	struct batch *b = batch_new();
	sample(b);
	sample(b);
	struct record *r = &b->records[0];
	b->records[1].values = r->values; /* as shared as can be */
	assert_int_equal(record_set(r, SLICE("usage.deep.x"), str("new")), 0);
	assert_int_equal(record_set(r, SLICE("list.1.k"), integer(3)), 0);
	assert_int_equal(record_set(r, SLICE("added"), integer(1)), 0);
	assert_int_equal(record_set(r, SLICE("user_id"), str("bob")), 0);
	assert_json(r, HEAD "\"user_id\":\"bob\",\"usage\":{\"in\":5,\"deep\":{\"x\":\"new\"}},\"usage.in\":7,"
	                    "\"list\":[10,{\"k\":3}],\"id\":\"e1\",\"added\":1}");
	assert_json(&b->records[1], WHOLE);
	batch_free(b);
}

static void fields_can_be_removed_at_any_depth(void **state)
{
	(void)state;
	struct batch *b = batch_new();
	struct record *r = sample(b);
	assert_int_equal(record_remove(r, SLICE("usage.deep.x")), 0);
	assert_int_equal(record_remove(r, SLICE("usage.in")), 0);
	assert_int_equal(record_remove(r, SLICE("list.0")), 0);
	assert_int_equal(record_remove(r, SLICE("user_id")), 0);
	assert_int_equal(record_remove(r, SLICE("user_id")), -ENOENT);
	assert_int_equal(record_remove(r, SLICE("usage.deep.nothing")), -ENOENT);
	assert_json(r, HEAD "\"usage\":{\"in\":5,\"deep\":{}},\"list\":[null,{\"k\":\"v\"}],\"id\":\"e1\"}");
	assert_int_equal(record_remove(r, SLICE("usage.in")), 0); /* the exact key is gone: now the path */
	assert_json(r, HEAD "\"usage\":{\"deep\":{}},\"list\":[null,{\"k\":\"v\"}],\"id\":\"e1\"}");
	assert_null(record_known(r, KNOWN_USER_ID));
	batch_free(b);
}

static void a_copy_outlives_its_source(void **state)
{
	(void)state;
	struct batch *a = batch_new(), *b = batch_new();
	batch_key(b, SLICE("other"));
	struct record *copy = record_copy(b, sample(a));
	batch_free(a);
	assert_non_null(copy);
	assert_json(copy, WHOLE);
	batch_free(b);
}

static void doubles_stay_doubles_in_json(void **state)
{
	(void)state;
	struct batch *b = batch_new();
	struct buf out = {0};
	const double in[] = {3.0, 0.5, -0.0, 1e300};
	for (int i = 0; i < 4; i++) {
		struct value v = {.number = in[i], .type = VALUE_DOUBLE};
		value_json(&out, b, &v);
		buf_byte(&out, ' ');
	}
	buf_byte(&out, '\0');
	assert_string_equal(out.ptr, "3.0 0.5 -0.0 1e+300 ");
	buf_free(&out);
	batch_free(b);
}

static void running_out_of_memory_is_reported(void **state)
{
	(void)state;
	for (uint64_t nth = 1; nth < 40; nth++) {
		struct batch *a = batch_new();
		struct record *r = sample(a);
		fault_set(FAULT_MALLOC, nth, true, 12);
		struct batch *b = batch_new();
		struct record *copy = b == NULL ? NULL : record_copy(b, r);
		fault_clear();
		if (copy != NULL)
			assert_json(copy, WHOLE);
		batch_free(b);
		batch_free(a);
	}
}

/* {"name":"n","attributes":{"a.b":1}} as a span or as an event. */
static struct record *span_like(struct batch *b, enum record_kind kind)
{
	struct value *values = batch_values(b, 2);
	struct record *r = batch_add(b);

	values[0] = str("n");
	values[1] = object(b, (const char *[]){"a.b", "name"}, (struct value[]){integer(1), str("inner")}, 2);
	r->shape = shape_of(b, (const char *[]){"name", "attributes"}, 2);
	r->values = values;
	r->type = (uint16_t)batch_type(b, SLICE("model.call"));
	r->time_ns = 1767323045 * NS_PER_S;
	r->kind = kind;
	return r;
}

static void attributes_of_spans_are_found_last(void **state)
{
	(void)state;
	struct batch *b = batch_new();
	struct record *e = span_like(b, RECORD_EVENT);

	assert_null(get(e, "a.b"));
	struct record *s = span_like(b, RECORD_SPAN);
	assert_int_equal(get(s, "a.b")->integer, 1);
	assert_int_equal(get(s, "name")->len, 1);
	assert_int_equal(get(s, "attributes.name")->len, 5);
	assert_null(get(s, "a"));
	assert_null(get(s, "a.c"));
	batch_free(b);
}

static void attributes_of_spans_are_set_and_removed(void **state)
{
	(void)state;
	struct batch *b = batch_new();
	struct record *other = span_like(b, RECORD_SPAN);
	struct record copy = *other;

	assert_int_equal(record_set(&copy, SLICE("a.b"), integer(2)), 0);
	assert_int_equal(record_set(&copy, SLICE("new"), integer(3)), 0);
	assert_int_equal(record_set(&copy, SLICE("status_message"), str("m")), 0);
	assert_json(&copy, HEAD
	            "\"name\":\"n\",\"attributes\":{\"a.b\":2,\"name\":\"inner\",\"new\":3},\"status_message\":\"m\"}");
	assert_int_equal(record_remove(&copy, SLICE("a.b")), 0);
	assert_int_equal(record_remove(&copy, SLICE("a.b")), -ENOENT);
	assert_int_equal(record_remove(&copy, SLICE("attributes")), 0);
	assert_int_equal(record_remove(&copy, SLICE("new")), -ENOENT);
	assert_json(&copy, HEAD "\"name\":\"n\",\"status_message\":\"m\"}");
	assert_int_equal(record_set(&copy, SLICE("new"), integer(4)), 0);
	assert_json(&copy, HEAD "\"name\":\"n\",\"status_message\":\"m\",\"attributes\":{\"new\":4}}");
	assert_json(other, HEAD "\"name\":\"n\",\"attributes\":{\"a.b\":1,\"name\":\"inner\"}}");
	batch_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_and_shapes_are_unique_in_a_batch),
	    cmocka_unit_test(equal_shapes_of_two_batches_have_equal_hashes),
	    cmocka_unit_test(names_over_the_bound_are_refused),
	    cmocka_unit_test(a_reset_batch_is_empty_and_usable),
	    cmocka_unit_test(known_fields_have_positions),
	    cmocka_unit_test(fields_are_found_by_exact_name_then_by_path),
	    cmocka_unit_test(the_longest_first_key_wins_and_others_are_tried),
	    cmocka_unit_test(hostile_paths_come_to_an_end),
	    cmocka_unit_test(a_change_touches_this_record_alone),
	    cmocka_unit_test(fields_can_be_removed_at_any_depth),
	    cmocka_unit_test(a_copy_outlives_its_source),
	    cmocka_unit_test(doubles_stay_doubles_in_json),
	    cmocka_unit_test(running_out_of_memory_is_reported),
	    cmocka_unit_test(attributes_of_spans_are_found_last),
	    cmocka_unit_test(attributes_of_spans_are_set_and_removed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
