/* Batches of samples: they grow, are counted, are kept within bounds when they are emptied, and survive memory that is not there. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/mem.h"
#include "record/samples.h"

static void grows(void **state)
{
	struct sample_batch *b = sample_batch_new();
	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		struct sample_series *s = sample_batch_add(b);
		struct sample_metadata *m = sample_batch_add_metadata(b);
		assert_non_null(s);
		assert_non_null(m);
		assert_true(s->labels.ptr == NULL && s->created_ms == 0 && s->samples == NULL);
		assert_int_equal(m->type, METADATA_UNKNOWN);
		s->index = i;
		m->type = METADATA_GAUGE;
	}
	assert_int_equal(b->series_count, 1000);
	assert_int_equal(b->metadata_count, 1000);
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(b->series[i].index, i);
	assert_true(sample_batch_bytes(b) >= 1000 * (sizeof *b->series + sizeof *b->metadata));
	sample_batch_free(b);
	sample_batch_free(NULL);
}

/* What is reserved is enough, and no more. */
static void reserves(void **state)
{
	struct sample_batch *b = sample_batch_new();
	(void)state;
	assert_int_equal(sample_batch_reserve(b, 100, 3), 0);
	struct sample_series *first = sample_batch_add(b);
	for (int i = 1; i < 100; i++)
		assert_ptr_equal(sample_batch_add(b), first + i);
	assert_int_equal(b->series_cap, 100);
	assert_int_equal(b->metadata_cap, 3);
	assert_int_equal(sample_batch_reserve(b, 1, 0), 0);
	assert_int_equal(b->series_cap, 101);
	assert_int_equal(b->series[99].index, 0);
	sample_batch_free(b);
}

static void reset_keeps_little(void **state)
{
	struct sample_batch *b = sample_batch_new();
	(void)state;
	for (int round = 0; round < 2; round++) {
		b->body = mem_alloc(100);
		b->body_size = 100;
		b->sample_count = b->exemplar_count = 7;
		for (int i = 0; i < 5000; i++) {
			sample_batch_add(b);
			sample_batch_add_metadata(b);
			arena_alloc(&b->arena, 64);
		}
		assert_true(sample_batch_bytes(b) > 64 << 10);
		sample_batch_reset(b, round == 0 ? 64 << 10 : 0);
		assert_true(sample_batch_bytes(b) <= (round == 0 ? 64 << 10 : 0));
		assert_true(b->series_count == 0 && b->metadata_count == 0 && b->body == NULL && b->body_size == 0);
		assert_true(b->sample_count == 0 && b->exemplar_count == 0);
	}
	sample_batch_free(b);
}

static void survives_no_memory(void **state)
{
	(void)state;
	fault_set(FAULT_MALLOC, 1, true, ENOMEM);
	assert_null(sample_batch_new());
	fault_clear();
	struct sample_batch *b = sample_batch_new();
	fault_set(FAULT_MALLOC, 1, true, ENOMEM);
	assert_null(sample_batch_add(b));
	assert_null(sample_batch_add_metadata(b));
	assert_int_equal(sample_batch_reserve(b, 1, 0), -ENOMEM);
	assert_int_equal(sample_batch_reserve(b, 0, 1), -ENOMEM);
	fault_clear();
	assert_int_equal(b->series_count + b->metadata_count, 0);
	assert_non_null(sample_batch_add(b));
	sample_batch_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(grows),
	    cmocka_unit_test(reserves),
	    cmocka_unit_test(reset_keeps_little),
	    cmocka_unit_test(survives_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
