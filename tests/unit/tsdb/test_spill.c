/* Files of full chunks: how large they are made, and that what is in them is found, also after a start. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tsdb/spill.h"

enum { MIB = 1024 * 1024, LEAST = MIB / 4, RECORDS_MAX = 60000 };

static struct epochs epochs;
static char dir[64];
static struct spill *spill;
static spill_ref refs[RECORDS_MAX];

static void open_spill(void)
{
	struct error err = {0};
	spill = spill_open(&(struct spill_options){.dir = dir, .epochs = &epochs}, &err);
	if (spill == NULL)
		fail_msg("%s", err.text);
}

static int setup(void **state)
{
	(void)state;
	epochs_init(&epochs);
	snprintf(dir, sizeof dir, "/tmp/moongate-spill-XXXXXX");
	assert_non_null(mkdtemp(dir));
	open_spill();
	return 0;
}

static int teardown(void **state)
{
	char command[96];
	(void)state;
	epochs_deinit(&epochs);
	spill_close(spill);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

/* A record of `words` words that are its number, which ends at that time as well. */
static void add(uint32_t number, uint32_t words)
{
	_Atomic uint64_t chunk[CHUNK_WORDS_MAX];
	for (uint32_t i = 0; i < words; i++)
		chunk[i] = number;
	struct spilled r = {.words = words, .series = number, .summary.last_ms = number};
	assert_int_equal(spill_add(spill, &r, chunk, &refs[number]), 0);
}

static void is_there(uint32_t number, uint32_t words)
{
	const struct spilled *r;
	assert_int_equal(spill_at(spill, refs[number], &r), 0);
	assert_int_equal(r->series, number);
	assert_int_equal(r->words, words);
	assert_int_equal(r->bits[words - 1], number);
}

static int64_t size_of(uint32_t file)
{
	char path[96];
	struct stat st;
	snprintf(path, sizeof path, "%s/chunks-%010u", dir, file);
	return stat(path, &st) == 0 ? st.st_size : -1;
}

static void files_are_as_large_as_there_is_much(void **state)
{
	(void)state;
	uint32_t count = 0, words = CHUNK_WORDS_MAX;
	for (; spill_bytes(spill) < 100 * MIB; count++) {
		assert_in_range(count, 0, RECORDS_MAX - 1);
		add(count, words);
	}
	int64_t held = 0;
	uint32_t files = (uint32_t)(refs[count - 1] >> 32) + 1;
	for (uint32_t file = 0; file < files; file++) {
		int64_t size = size_of(file);
		assert_in_range(size, LEAST, 16 * MIB);
		assert_true(size == LEAST || size <= held / 4);
		held += size;
	}
	assert_int_equal(size_of(0), LEAST);
	assert_int_equal(size_of(files - 1), 16 * MIB);
	assert_in_range(files, 20, 60);
	assert_int_equal(held, spill_bytes(spill));
	for (uint32_t i = 0; i < count; i += 97)
		is_there(i, words);

	/* While the last one is asked for it stays; then a small one takes its place, and numbers go on. */
	assert_int_equal(spill_release(spill, count - 1), 0);
	epoch_collect(&epochs);
	assert_int_equal(spill_bytes(spill), 16 * MIB);
	assert_int_equal(size_of(0), -1);
	is_there(count - 1, words);
	assert_int_equal(spill_release(spill, count), 0);
	epoch_collect(&epochs);
	const struct spilled *gone;
	assert_int_equal(spill_at(spill, refs[count - 1], &gone), -ENOENT);
	assert_int_equal(size_of(files - 1), -1);
	assert_int_equal(spill_bytes(spill), LEAST);
	assert_int_equal(spill_release(spill, INT64_MAX), 0);
	assert_int_equal(size_of(files), LEAST);
	add(count++, words);
	assert_int_equal(refs[count - 1] >> 32, files);
	assert_int_equal(spill_sync(spill), 0);
	spill_close(spill);
	open_spill();
	is_there(count - 1, words);
	add(count, words);
	assert_int_equal(refs[count] >> 32, files + 1); /* those of before are only read */
	is_there(count, words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(files_are_as_large_as_there_is_much, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
