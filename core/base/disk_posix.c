/* The machine's own disk: one call of the kernel for each function. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/disk.h"

static int posix_open(void *ctx, const char *path, int flags)
{
	int fd;

	(void)ctx;
	do
		fd = open(path, flags | O_CLOEXEC, 0640);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

static int posix_close(void *ctx, int fd)
{
	(void)ctx;
	/* Linux has released the descriptor even when it says EINTR: closing again could hit someone else's. */
	return close(fd) != 0 && errno != EINTR ? -errno : 0;
}

static ssize_t posix_pread(void *ctx, int fd, void *to, size_t len, int64_t offset)
{
	ssize_t n;

	(void)ctx;
	do
		n = pread(fd, to, len, offset);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t posix_pwrite(void *ctx, int fd, const void *from, size_t len, int64_t offset)
{
	ssize_t n;

	(void)ctx;
	do
		n = pwrite(fd, from, len, offset);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t posix_write(void *ctx, int fd, const void *from, size_t len)
{
	ssize_t n;

	(void)ctx;
	do
		n = write(fd, from, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int posix_sync(void *ctx, int fd, bool data_only)
{
	int rc;

	(void)ctx;
	do
		rc = data_only ? fdatasync(fd) : fsync(fd);
	while (rc != 0 && errno == EINTR);
	return rc != 0 ? -errno : 0;
}

static int posix_allocate(void *ctx, int fd, int64_t len)
{
	int error;

	(void)ctx;
	do
		error = posix_fallocate(fd, 0, len);
	while (error == EINTR);
	return -error;
}

static int posix_truncate(void *ctx, int fd, int64_t len)
{
	int rc;

	(void)ctx;
	do
		rc = ftruncate(fd, len);
	while (rc != 0 && errno == EINTR);
	return rc != 0 ? -errno : 0;
}

static int64_t posix_size(void *ctx, int fd)
{
	struct stat st;

	(void)ctx;
	return fstat(fd, &st) != 0 ? -errno : (int64_t)st.st_size;
}

static const void *posix_map(void *ctx, int fd, size_t len, int *code)
{
	(void)ctx;
	void *at = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	*code = at == MAP_FAILED ? -errno : 0;
	return at == MAP_FAILED ? NULL : at;
}

static void posix_unmap(void *ctx, const void *at, size_t len)
{
	(void)ctx;
	munmap((void *)(uintptr_t)at, len);
}

static void posix_pass(void *ctx, const void *at, size_t from, size_t to)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t first = from / page * page, last = to / page * page;

	(void)ctx;
	if (last > first)
		(void)madvise((char *)(uintptr_t)at + first, last - first,
		              MADV_DONTNEED); /* a hint: failing costs memory only */
}

static int posix_rename(void *ctx, const char *from, const char *to)
{
	(void)ctx;
	return rename(from, to) != 0 ? -errno : 0;
}

static int posix_unlink(void *ctx, const char *path)
{
	(void)ctx;
	return unlink(path) != 0 ? -errno : 0;
}

static int posix_make_dir(void *ctx, const char *path)
{
	struct stat st;

	(void)ctx;
	if (mkdir(path, 0750) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &st) != 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? -EEXIST : -ENOTDIR;
}

static int posix_list(void *ctx, const char *path, int (*each)(void *to, const char *name), void *to)
{
	(void)ctx;
	DIR *dir = opendir(path);
	if (dir == NULL)
		return -errno;
	int rc = 0;
	while (rc == 0) {
		errno = 0;
		struct dirent *entry = readdir(dir);
		if (entry == NULL) {
			rc = -errno;
			break;
		}
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			rc = each(to, entry->d_name);
	}
	closedir(dir);
	return rc;
}

static int posix_lock(void *ctx, int fd)
{
	(void)ctx;
	return flock(fd, LOCK_EX | LOCK_NB) != 0 ? -errno : 0;
}

static int64_t posix_free_bytes(void *ctx, const char *path)
{
	struct statvfs st;
	uint64_t bytes;

	(void)ctx;
	if (statvfs(path, &st) != 0)
		return -errno;
	if (__builtin_mul_overflow((uint64_t)st.f_bavail, (uint64_t)st.f_frsize, &bytes) || bytes > INT64_MAX)
		return INT64_MAX;
	return (int64_t)bytes;
}

const struct disk disk_posix = {
    .open = posix_open,
    .close = posix_close,
    .pread = posix_pread,
    .pwrite = posix_pwrite,
    .write = posix_write,
    .sync = posix_sync,
    .allocate = posix_allocate,
    .truncate = posix_truncate,
    .size = posix_size,
    .map = posix_map,
    .unmap = posix_unmap,
    .pass = posix_pass,
    .rename = posix_rename,
    .unlink = posix_unlink,
    .make_dir = posix_make_dir,
    .list = posix_list,
    .lock = posix_lock,
    .free_bytes = posix_free_bytes,
};
