/* The virtual disk keeps to its own words: what a sync saved is there after every power loss, everything else is there,
 * is not, or is there in part, and each of these does happen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "vdisk.h"

enum { STATES = 200 };

static struct vdisk *disk;

static int set_up(void **state)
{
	(void)state;
	disk = vdisk_new();
	vdisk_install(disk);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	vdisk_install(NULL);
	vdisk_free(disk);
	return 0;
}

static int make_file(const char *path)
{
	int fd = file_open(path, O_RDWR | O_CREAT);
	assert_true(fd >= 0);
	return fd;
}

/* What the states after a power loss now look like. */
struct seen {
	unsigned missing, empty, whole, part;
};

static struct seen look(const char *path, const char *bytes, size_t len)
{
	struct seen seen = {0};
	for (uint64_t seed = 0; seed < STATES; seed++) {
		struct vdisk *after = vdisk_crash(disk, vdisk_mark(disk), seed);
		size_t have = 0;
		char *found = vdisk_get(after, path, &have);
		if (found == NULL)
			seen.missing++;
		else if (have == 0)
			seen.empty++;
		else if (have == len && memcmp(found, bytes, len) == 0)
			seen.whole++;
		else
			seen.part++;
		free(found);
		vdisk_free(after);
	}
	return seen;
}

static void works_as_a_disk(void **state)
{
	struct error err = {0};
	struct buf b = {0};
	char bytes[16] = {0};
	int code = 0;
	(void)state;
	assert_int_equal(file_make_dirs("a/b", &err), 0);
	assert_int_equal(file_make_dirs("/a/b/c", &err), 0);
	assert_int_equal(file_open("a/missing", O_RDONLY), -ENOENT);
	assert_int_equal(file_open("nowhere/x", O_RDWR | O_CREAT), -ENOENT);
	int fd = make_file("a/x");
	assert_int_equal(file_write(fd, "hello ", 6), 0);
	assert_int_equal(file_write(fd, "world", 5), 0);
	assert_int_equal(file_pwrite(fd, "W", 1, 6), 0);
	assert_int_equal(file_size(fd), 11);
	assert_int_equal(file_pread(fd, bytes, sizeof bytes, 6), 5);
	assert_string_equal(bytes, "World");
	const char *map = file_map(fd, 20, &code);
	assert_memory_equal(map, "hello World\0\0\0\0\0\0\0\0", 20);
	file_unmap(map, 20);
	assert_int_equal(file_truncate(fd, 5), 0);
	assert_int_equal(file_allocate(fd, 8), 0);
	assert_int_equal(file_close(fd), 0);
	assert_int_equal(file_close(fd), -EBADF);
	assert_int_equal(file_rename("a/x", "a/b/y"), 0);
	assert_int_equal(file_read_all("a/b/y", 100, &b, &err), 0);
	assert_memory_equal(b.ptr, "hello\0\0\0", 8);
	assert_int_equal(b.len, 8);
	buf_free(&b);
	assert_int_equal(file_unlink("a/b"), -EISDIR);
	assert_int_equal(file_unlink("a/b/y"), 0);
	assert_int_equal(file_unlink("a/b/y"), -ENOENT);
	assert_int_equal(vdisk_used(disk), 0);
}

static int count_name(void *ctx, const char *name)
{
	strcat(strcat(ctx, name), " ");
	return 0;
}

static void lists_and_locks(void **state)
{
	struct error err = {0};
	char names[64] = "";
	(void)state;
	assert_int_equal(vdisk_put(disk, "d/two", "2", 1), 0);
	assert_int_equal(vdisk_put(disk, "d/one", "1", 1), 0);
	assert_int_equal(vdisk_put(disk, "d/e/three", "3", 1), 0);
	assert_int_equal(file_list("d", count_name, names, &err), 0);
	assert_string_equal(names, "e one two ");
	assert_int_equal(file_list("d/one", count_name, names, &err), -ENOTDIR);
	int fd = file_lock("d/LOCK", &err);
	assert_true(fd >= 0);
	assert_int_equal(file_lock("d/LOCK", &err), -EWOULDBLOCK);
	file_close(fd);
	fd = file_lock("d/LOCK", &err);
	assert_true(fd >= 0);
	file_close(fd);
}

static void sync_saves_bytes_not_the_name(void **state)
{
	char bytes[2000];
	(void)state;
	memset(bytes, 'x', sizeof bytes);
	int fd = make_file("f");
	file_pwrite(fd, bytes, sizeof bytes, 0);
	struct seen seen = look("f", bytes, sizeof bytes);
	assert_true(seen.missing > 0 && seen.empty > 0 && seen.whole > 0 && seen.part > 0);
	assert_int_equal(file_datasync(fd), 0);
	seen = look("f", bytes, sizeof bytes);
	assert_true(seen.missing > 0 && seen.whole > 0);
	assert_int_equal(seen.missing + seen.whole, STATES);
	assert_int_equal(file_sync_dir("/"), 0);
	assert_int_equal(look("f", bytes, sizeof bytes).whole, STATES);
	/* What comes later does not take what is certain away, but by writing over it. */
	file_pwrite(fd, "yy", 2, 600);
	for (uint64_t seed = 0; seed < STATES; seed++) {
		struct vdisk *after = vdisk_crash(disk, vdisk_mark(disk), seed);
		char *found = vdisk_get(after, "f", NULL);
		assert_memory_equal(found, bytes, 600);
		assert_memory_equal(found + 602, bytes + 602, sizeof bytes - 602);
		free(found);
		vdisk_free(after);
	}
	file_close(fd);
}

static void rename_is_whole(void **state)
{
	struct error err = {0};
	unsigned old = 0, new = 0;
	(void)state;
	assert_int_equal(vdisk_put(disk, "d/f", "old", 3), 0);
	uint64_t before = vdisk_mark(disk);
	assert_int_equal(file_write_atomic("d/f", "newer", 5, &err), 0);
	for (uint64_t at = before; at <= vdisk_mark(disk); at++) {
		for (uint64_t seed = 0; seed < STATES / 4; seed++) {
			struct vdisk *after = vdisk_crash(disk, at, seed);
			char *found = vdisk_get(after, "d/f", NULL);
			assert_non_null(found);
			old += strcmp(found, "old") == 0;
			new += strcmp(found, "newer") == 0;
			assert_true(strcmp(found, "old") == 0 || strcmp(found, "newer") == 0);
			assert_true(at < vdisk_mark(disk) || strcmp(found, "newer") == 0);
			free(found);
			vdisk_free(after);
		}
	}
	assert_true(old > 0 && new > STATES / 4);
}

static void a_directory_takes_all_with_it(void **state)
{
	(void)state;
	assert_int_equal(file_open("d", O_RDONLY | O_DIRECTORY), -ENOENT);
	uint64_t before = vdisk_mark(disk);
	assert_int_equal(vdisk_put(disk, "d/f", "x", 1), 0);
	assert_int_equal(look("d/f", "x", 1).whole, STATES);
	struct vdisk *after = vdisk_crash(disk, before, 1);
	assert_null(vdisk_get(after, "d/f", NULL));
	vdisk_free(after);
}

static int fail_sync(void *ctx, enum vdisk_op op, const char *path, size_t *len)
{
	(void)ctx, (void)path, (void)len;
	return op == VDISK_SYNC ? EIO : 0;
}

static void a_failed_sync_loses_for_ever(void **state)
{
	(void)state;
	assert_int_equal(vdisk_put(disk, "f", "", 0), 0);
	int fd = make_file("f");
	file_pwrite(fd, "x", 1, 0);
	vdisk_ask(disk, fail_sync, NULL);
	assert_int_equal(file_sync(fd), -EIO);
	vdisk_ask(disk, NULL, NULL);
	assert_int_equal(file_sync(fd), 0);
	assert_true(look("f", "x", 1).empty > 0);
	/* The next process still reads it, and a power loss then takes it. */
	struct vdisk *next = vdisk_kill(disk, vdisk_mark(disk));
	char *found = vdisk_get(next, "f", NULL);
	assert_string_equal(found, "x");
	free(found);
	unsigned lost = 0;
	for (uint64_t seed = 0; seed < STATES; seed++) {
		struct vdisk *after = vdisk_crash(next, vdisk_mark(next), seed);
		size_t len = 1;
		free(vdisk_get(after, "f", &len));
		lost += len == 0;
		vdisk_free(after);
	}
	assert_true(lost > 0);
	vdisk_free(next);
	/* Written again, it is saved. */
	file_pwrite(fd, "x", 1, 0);
	assert_int_equal(file_sync(fd), 0);
	assert_int_equal(look("f", "x", 1).whole, STATES);
	file_close(fd);
}

static int fail_sync_of_dirs(void *ctx, enum vdisk_op op, const char *path, size_t *len)
{
	(void)ctx, (void)path, (void)len;
	return op == VDISK_SYNC_DIR ? EIO : 0;
}

static void names_wait_for_the_next_sync(void **state)
{
	(void)state;
	int fd = make_file("f");
	file_pwrite(fd, "x", 1, 0);
	assert_int_equal(file_sync(fd), 0);
	vdisk_ask(disk, fail_sync_of_dirs, NULL);
	assert_int_equal(file_sync_dir("."), -EIO);
	vdisk_ask(disk, NULL, NULL);
	assert_true(look("f", "x", 1).missing > 0);
	assert_int_equal(file_sync_dir("."), 0);
	assert_int_equal(look("f", "x", 1).whole, STATES);
	file_close(fd);
}

static int shorten(void *ctx, enum vdisk_op op, const char *path, size_t *len)
{
	unsigned *left = ctx;
	(void)path;
	if (op == VDISK_WRITE && *len > 3)
		*len = 3;
	return op == VDISK_WRITE && (*left)-- == 0 ? EIO : 0;
}

static void fails_and_stops_short_on_demand(void **state)
{
	unsigned left = 3;
	char bytes[16] = {0};
	(void)state;
	int fd = make_file("f");
	vdisk_ask(disk, shorten, &left);
	assert_int_equal(file_pwrite(fd, "abcdefghijkl", 12, 0), -EIO);
	vdisk_ask(disk, NULL, NULL);
	assert_int_equal(file_pread(fd, bytes, sizeof bytes, 0), 9);
	assert_string_equal(bytes, "abcdefghi");
	file_close(fd);
}

static void holds_so_much_and_no_more(void **state)
{
	char bytes[100];
	(void)state;
	memset(bytes, 'x', sizeof bytes);
	vdisk_set_capacity(disk, 150);
	int fd = make_file("f");
	assert_int_equal(file_pwrite(fd, bytes, 100, 0), 0);
	assert_int_equal(file_pwrite(fd, bytes, 100, 0), 0);
	assert_int_equal(file_free_bytes("/"), 50);
	assert_int_equal(file_pwrite(fd, bytes, 100, 100), -ENOSPC);
	assert_int_equal(file_size(fd), 150);
	int other = make_file("g");
	assert_int_equal(file_allocate(other, 1), -ENOSPC);
	assert_int_equal(file_truncate(fd, 100), 0);
	assert_int_equal(file_allocate(other, 50), 0);
	file_close(other);
	file_close(fd);
	assert_int_equal(file_unlink("f"), 0);
	assert_int_equal(file_free_bytes("/"), 100);
}

static void the_same_seed_gives_the_same_state(void **state)
{
	char bytes[5000];
	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)i;
	int fd = make_file("f");
	file_sync_dir("/");
	file_pwrite(fd, bytes, sizeof bytes, 0);
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct vdisk *a = vdisk_crash(disk, vdisk_mark(disk), seed),
		             *b = vdisk_crash(disk, vdisk_mark(disk), seed);
		size_t a_len = 0, b_len = 0;
		char *x = vdisk_get(a, "f", &a_len), *y = vdisk_get(b, "f", &b_len);
		assert_int_equal(a_len, b_len);
		assert_memory_equal(x, y, a_len);
		free(x);
		free(y);
		vdisk_free(a);
		vdisk_free(b);
	}
	file_close(fd);
}

static void says_what_was_done(void **state)
{
	char line[128];
	(void)state;
	int fd = make_file("f");
	file_pwrite(fd, "abc", 3, 7);
	file_sync(fd);
	file_close(fd);
	file_rename("f", "g");
	const char *const wanted[] = {"make f", "write f 7+3", "sync f", "rename f to g", "nothing"};
	for (uint64_t i = 0; i < 5; i++) {
		vdisk_describe(disk, i, line, sizeof line);
		assert_string_equal(line, wanted[i]);
	}
	assert_int_equal(vdisk_mark(disk), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(works_as_a_disk, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(lists_and_locks, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(sync_saves_bytes_not_the_name, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(rename_is_whole, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_directory_takes_all_with_it, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_failed_sync_loses_for_ever, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(names_wait_for_the_next_sync, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(fails_and_stops_short_on_demand, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(holds_so_much_and_no_more, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(the_same_seed_gives_the_same_state, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(says_what_was_done, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
