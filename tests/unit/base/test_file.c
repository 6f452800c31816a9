/* Files on a real directory: what is written is read, and every call fails the way it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/file.h"

static char dir[64];
static char path[128];
static char path_2[128];

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/moongate-file-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/a", dir);
	snprintf(path_2, sizeof path_2, "%s/b", dir);
	return 0;
}

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(name);
}

static int remove_dir(void **state)
{
	(void)state;
	fault_clear();
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void has(const char *name, const void *bytes, size_t len)
{
	struct buf b = {0};
	struct error err = {0};

	if (file_read_all(name, 1 << 20, &b, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(b.len, len);
	if (len != 0)
		assert_memory_equal(b.ptr, bytes, len);
	buf_free(&b);
}

static void missing(const char *name)
{
	assert_int_equal(access(name, F_OK), -1);
	assert_int_equal(errno, ENOENT);
}

static void reads_what_was_written(void **state)
{
	char bytes[100];
	struct stat st;

	(void)state;
	int fd = file_open(path, O_RDWR | O_CREAT);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 0777 & ~0640, 0);
	assert_int_equal(file_write(fd, "hello ", 6), 0);
	assert_int_equal(file_write(fd, "world", 5), 0);
	assert_int_equal(file_pwrite(fd, "W", 1, 6), 0);
	assert_int_equal(file_pwrite(fd, "!", 1, 20), 0);
	assert_int_equal(file_size(fd), 21);
	assert_int_equal(file_datasync(fd), 0);
	assert_int_equal(file_sync(fd), 0);
	assert_int_equal(file_pread(fd, bytes, sizeof bytes, 0), 21);
	assert_memory_equal(bytes, "hello World\0\0\0\0\0\0\0\0\0!", 21);
	assert_int_equal(file_pread(fd, bytes, 5, 6), 5);
	assert_memory_equal(bytes, "World", 5);
	assert_int_equal(file_pread(fd, bytes, 5, 100), 0);
	assert_int_equal(file_truncate(fd, 5), 0);
	assert_int_equal(file_size(fd), 5);
	assert_int_equal(file_allocate(fd, 8192), 0);
	assert_int_equal(file_size(fd), 8192);
	assert_int_equal(file_pread(fd, bytes, 10, 0), 10);
	assert_memory_equal(bytes, "hello\0\0\0\0\0", 10);
	assert_int_equal(file_close(fd), 0);
}

static void says_what_went_wrong(void **state)
{
	char byte;

	(void)state;
	assert_int_equal(file_open(path, O_RDONLY), -ENOENT);
	assert_int_equal(file_pread(-1, &byte, 1, 0), -EBADF);
	assert_int_equal(file_pwrite(-1, "x", 1, 0), -EBADF);
	assert_int_equal(file_write(-1, "x", 1), -EBADF);
	assert_int_equal(file_sync(-1), -EBADF);
	assert_int_equal(file_datasync(-1), -EBADF);
	assert_int_equal(file_truncate(-1, 0), -EBADF);
	assert_int_equal(file_allocate(-1, 1), -EBADF);
	assert_int_equal(file_size(-1), -EBADF);
	assert_int_equal(file_close(-1), -EBADF);
	assert_int_equal(file_unlink(path), -ENOENT);
	assert_int_equal(file_rename(path, path_2), -ENOENT);
	assert_int_equal(file_sync_dir(path), -ENOENT);
	assert_true(file_free_bytes(path) == -ENOENT);
	int fd = file_open("/dev/full", O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(file_write(fd, "x", 1), -ENOSPC);
	assert_int_equal(file_pwrite(fd, "x", 1, -1), -EINVAL);
	file_close(fd);
}

static void failing_writes_are_torn(void **state)
{
	(void)state;
	int fd = file_open(path, O_RDWR | O_CREAT);
	assert_true(fd >= 0);
	fault_set(FAULT_WRITE, 2, false, ENOSPC);
	assert_int_equal(file_pwrite(fd, "0123456789", 10, 0), 0);
	assert_int_equal(file_pwrite(fd, "abcdefghij", 10, 10), -ENOSPC);
	assert_int_equal(file_size(fd), 15);
	has(path, "0123456789abcde", 15);
	assert_int_equal(file_truncate(fd, 0), 0);
	fault_set(FAULT_WRITE, 1, false, EIO);
	assert_int_equal(file_write(fd, "xyz", 3), -EIO);
	has(path, "x", 1);
	assert_int_equal(file_write(fd, "yz", 2), 0);
	has(path, "xyz", 3);
	file_close(fd);
}

static void every_call_has_its_fault(void **state)
{
	struct error err = {0};
	struct buf b = {0};
	char byte;
	int code;

	(void)state;
	int fd = file_open(path, O_RDWR | O_CREAT);
	assert_int_equal(file_write(fd, "x", 1), 0);
	fault_set(FAULT_OPEN, 1, true, EMFILE);
	assert_int_equal(file_open(path, O_RDONLY), -EMFILE);
	assert_int_equal(file_read_all(path, 10, &b, &err), -EMFILE);
	assert_int_equal(file_lock(path, &err), -EMFILE);
	assert_int_equal(file_sync_dir(dir), -EMFILE);
	assert_int_equal(file_list(dir, NULL, NULL, &err), -EMFILE);
	assert_int_equal(file_make_dirs(path_2, &err), -EMFILE);
	fault_clear();
	fault_set(FAULT_READ, 1, true, EIO);
	assert_int_equal(file_pread(fd, &byte, 1, 0), -EIO);
	assert_int_equal(file_read_all(path, 10, &b, &err), -EIO);
	fault_set(FAULT_FSYNC, 1, true, EIO);
	assert_int_equal(file_sync(fd), -EIO);
	assert_int_equal(file_datasync(fd), -EIO);
	assert_int_equal(file_sync_dir(dir), -EIO);
	fault_set(FAULT_RENAME, 1, true, EACCES);
	assert_int_equal(file_rename(path, path_2), -EACCES);
	assert_int_equal(file_unlink(path), -EACCES);
	fault_set(FAULT_ALLOCATE, 1, true, ENOSPC);
	assert_int_equal(file_allocate(fd, 10), -ENOSPC);
	assert_int_equal(file_truncate(fd, 0), -ENOSPC);
	fault_set(FAULT_MMAP, 1, true, ENOMEM);
	assert_null(file_map(fd, 1, &code));
	assert_int_equal(code, -ENOMEM);
	fault_clear();
	has(path, "x", 1);
	missing(path_2);
	buf_free(&b);
	file_close(fd);
}

static void nothing(int signal)
{
	(void)signal;
}

/* A pipe takes a part of a big write, and a timer interrupts: everything arrives once and in order. */
static void goes_on_after_short_writes(void **state)
{
	enum { LEN = 1 << 20 };
	struct sigaction act = {.sa_handler = nothing}; /* no SA_RESTART */
	struct itimerval often = {{0, 300}, {0, 300}};
	struct itimerval never = {{0, 0}, {0, 0}};
	unsigned char *bytes = malloc(LEN);
	int ends[2];
	int status;

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < LEN; i++)
		bytes[i] = (unsigned char)(i ^ i >> 8 ^ i >> 16);
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		unsigned char got[4096];
		size_t have = 0;
		close(ends[1]);
		for (ssize_t n; (n = read(ends[0], got, sizeof got)) > 0; have += (size_t)n) {
			if (have + (size_t)n > LEN || memcmp(got, bytes + have, (size_t)n) != 0)
				_exit(1);
		}
		_exit(have == LEN ? 0 : 2);
	}
	close(ends[0]);
	assert_int_equal(sigaction(SIGALRM, &act, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	int rc = file_write(ends[1], bytes, LEN);
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	close(ends[1]);
	assert_int_equal(rc, 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	free(bytes);
}

static void makes_directories(void **state)
{
	struct error err = {0};
	char deep[200];
	struct stat st;

	(void)state;
	snprintf(deep, sizeof deep, "%s/x/y//z/", dir);
	assert_int_equal(file_make_dirs(deep, &err), 0);
	assert_int_equal(file_make_dirs(deep, &err), 0);
	assert_int_equal(stat(deep, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_mode & 0777 & ~0750, 0);
	assert_int_equal(file_write_atomic(path, "x", 1, &err), 0);
	assert_int_equal(file_make_dirs(path, &err), -ENOTDIR);
	assert_non_null(strstr(err.text, path));
	snprintf(deep, sizeof deep, "%s/more", path);
	assert_int_equal(file_make_dirs(deep, &err), -ENOTDIR);
	assert_int_equal(file_make_dirs("", &err), -ENOENT);
	char *endless = malloc(9000);
	memset(endless, 'x', 8999);
	endless[8999] = '\0';
	assert_int_equal(file_make_dirs(endless, &err), -ENAMETOOLONG);
	assert_int_equal(file_write_atomic(endless, "x", 1, &err), -ENAMETOOLONG);
	free(endless);
}

static void reads_whole_files(void **state)
{
	struct error err = {0};
	struct buf b = {0};
	char *big = malloc(300000);

	(void)state;
	memset(big, 'q', 300000);
	assert_int_equal(file_write_atomic(path, big, 300000, &err), 0);
	has(path, big, 300000);
	buf_str(&b, "kept");
	assert_int_equal(file_read_all(path, 299999, &b, &err), -EFBIG);
	assert_non_null(strstr(err.text, "over 299999 bytes"));
	assert_non_null(strstr(err.text, path));
	assert_int_equal(b.len, 4);
	assert_int_equal(file_read_all(path, 300000, &b, &err), 0);
	assert_int_equal(b.len, 300004);
	assert_memory_equal(b.ptr, "keptqqq", 7);
	assert_int_equal(file_read_all(path_2, 10, &b, &err), -ENOENT);
	assert_non_null(strstr(err.text, path_2));
	assert_int_equal(file_read_all(dir, SIZE_MAX, &b, &err), -EISDIR);
	/* A file without a size, as /proc has them. */
	buf_reset(&b);
	assert_int_equal(file_read_all("/proc/self/status", 1 << 20, &b, &err), 0);
	assert_true(b.len > 100);
	buf_reset(&b);
	assert_int_equal(file_read_all("/proc/self/status", 100, &b, &err), -EFBIG);
	buf_free(&b);
	fault_set(FAULT_MALLOC, 1, false, ENOMEM);
	assert_int_equal(file_read_all(path, 1 << 20, &b, &err), -ENOMEM);
	buf_free(&b);
	free(big);
}

static void replaces_atomically(void **state)
{
	static const enum fault_point points[] = {FAULT_OPEN, FAULT_WRITE, FAULT_FSYNC, FAULT_RENAME};
	struct error err = {0};

	(void)state;
	assert_int_equal(file_write_atomic(path, "old", 3, &err), 0);
	has(path, "old", 3);
	for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
		err = (struct error){0};
		fault_set(points[i], 1, false, EIO);
		assert_int_equal(file_write_atomic(path, "new content", 11, &err), -EIO);
		fault_clear();
		has(path, "old", 3);
		assert_non_null(strstr(err.text, path));
		char temporary[140];
		snprintf(temporary, sizeof temporary, "%s.tmp", path);
		missing(temporary);
	}
	/* Only the directory's sync fails: the new content is there, but it was not promised. */
	fault_set(FAULT_FSYNC, 2, false, EIO);
	assert_int_equal(file_write_atomic(path, "new", 3, &err), -EIO);
	fault_clear();
	has(path, "new", 3);
	assert_int_equal(file_write_atomic(path, "", 0, &err), 0);
	has(path, "", 0);
	snprintf(path_2, sizeof path_2, "%s/none/b", dir);
	assert_int_equal(file_write_atomic(path_2, "x", 1, &err), -ENOENT);
}

static void maps(void **state)
{
	struct error err = {0};
	int code = 1;

	(void)state;
	assert_int_equal(file_write_atomic(path, "mapped bytes", 12, &err), 0);
	int fd = file_open(path, O_RDONLY);
	const char *at = file_map(fd, 12, &code);
	assert_non_null(at);
	assert_int_equal(code, 0);
	file_close(fd);
	assert_memory_equal(at, "mapped bytes", 12);
	file_unmap(at, 12);
	file_unmap(NULL, 0);
	assert_null(file_map(-1, 12, &code));
	assert_int_equal(code, -EBADF);
	assert_null(file_map(fd, 0, &code));
	assert_true(code < 0);
}

static void locks_one_process_out(void **state)
{
	struct error err = {0};
	int status;

	(void)state;
	int fd = file_lock(path, &err);
	assert_true(fd >= 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(file_lock(path, NULL) == -EWOULDBLOCK ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(file_lock(path, &err), -EWOULDBLOCK);
	assert_non_null(strstr(err.text, path));
	file_close(fd);
	fd = file_lock(path, &err);
	assert_true(fd >= 0);
	file_close(fd);
}

struct listed {
	char names[200];
	int stop_at;
	int count;
};

static int note(void *ctx, const char *name)
{
	struct listed *l = ctx;

	strcat(l->names, name);
	strcat(l->names, " ");
	return ++l->count == l->stop_at ? 42 : 0;
}

static void lists_in_order(void **state)
{
	static const char *const names[] = {"b", "a", "c10", "c9", "B", "\xc3\xa4"};
	struct error err = {0};
	struct listed l = {0};

	(void)state;
	assert_int_equal(file_list(dir, note, &l, &err), 0);
	assert_string_equal(l.names, "");
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		assert_int_equal(file_write_atomic(path, "", 0, &err), 0);
	}
	assert_int_equal(file_list(dir, note, &l, &err), 0);
	assert_string_equal(l.names, "B a b c10 c9 \xc3\xa4 ");
	l = (struct listed){.stop_at = 2};
	assert_int_equal(file_list(dir, note, &l, &err), 42);
	assert_string_equal(l.names, "B a ");
	assert_int_equal(file_list(path, note, &l, &err), -ENOTDIR);
	assert_non_null(strstr(err.text, path));
	for (uint64_t nth = 1; nth < 7; nth++) {
		l = (struct listed){0};
		fault_set(FAULT_MALLOC, nth, false, ENOMEM);
		assert_int_equal(file_list(dir, note, &l, &err), -ENOMEM);
		assert_int_equal(l.count, 0);
	}
}

static void knows_the_free_space(void **state)
{
	(void)state;
	assert_true(file_free_bytes(dir) > 0);
}

#define WITH_DIR(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_DIR(reads_what_was_written),
	    WITH_DIR(says_what_went_wrong),
	    WITH_DIR(failing_writes_are_torn),
	    WITH_DIR(every_call_has_its_fault),
	    WITH_DIR(goes_on_after_short_writes),
	    WITH_DIR(makes_directories),
	    WITH_DIR(reads_whole_files),
	    WITH_DIR(replaces_atomically),
	    WITH_DIR(maps),
	    WITH_DIR(locks_one_process_out),
	    WITH_DIR(lists_in_order),
	    WITH_DIR(knows_the_free_space),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
