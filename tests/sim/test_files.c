/* What base/file.h promises about durability, under power loss. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/file.h"
#include "vdisk.h"

enum { SEEDS = 50 };

/* A file that is made durable in a directory is found again, whatever else is lost. */
static void found_again(struct vdisk *disk, const char *path)
{
	int fd = file_open(path, O_WRONLY | O_CREAT);
	assert_true(fd >= 0);
	assert_int_equal(file_write(fd, "x", 1), 0);
	assert_int_equal(file_sync(fd), 0);
	file_close(fd);
	char dir[64];
	strcpy(dir, path);
	*strrchr(dir, '/') = '\0';
	assert_int_equal(file_sync_dir(dir), 0);
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct vdisk *after = vdisk_crash(disk, vdisk_mark(disk), seed);
		char *found = vdisk_get(after, path, NULL);
		assert_non_null(found);
		free(found);
		vdisk_free(after);
	}
}

static void directories_stay(void **state)
{
	struct error err = {0};
	struct vdisk *disk = vdisk_new();
	(void)state;
	vdisk_install(disk);
	assert_int_equal(file_make_dirs("a/b//c/", &err), 0);
	found_again(disk, "a/b/c/f");
	assert_int_equal(file_make_dirs("/a/d", &err), 0);
	found_again(disk, "a/d/f");
	vdisk_install(NULL);
	vdisk_free(disk);
}

/* Killed at any moment while they are made, and made again by the next process. */
static void directories_stay_after_a_kill(void **state)
{
	struct error err = {0};
	struct vdisk *first = vdisk_new();
	(void)state;
	vdisk_install(first);
	assert_int_equal(file_make_dirs("a/b/c", &err), 0);
	for (uint64_t at = 0; at <= vdisk_mark(first); at++) {
		struct vdisk *disk = vdisk_kill(first, at);
		vdisk_install(disk);
		assert_int_equal(file_make_dirs("a/b/c", &err), 0);
		found_again(disk, "a/b/c/f");
		vdisk_free(disk);
	}
	vdisk_install(NULL);
	vdisk_free(first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(directories_stay),
	    cmocka_unit_test(directories_stay_after_a_kill),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
