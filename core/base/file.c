/* Files: descriptors and their bytes. Paths, directories and whole files are in path.c.
 *
 * Every call asks its fault point first. A write that is made to fail writes half of its bytes before, as a disk that
 * fills up does: whoever reads the file later has to cope with a torn write. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"

int file_open(const char *path, int flags)
{
	int error = fault_check(FAULT_OPEN);
	if (error != 0)
		return -error;
	int fd;
	do
		fd = open(path, flags | O_CLOEXEC, 0640);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

int file_close(int fd)
{
	/* Linux has released the descriptor even when it says EINTR: closing again could hit someone else's. */
	return close(fd) != 0 && errno != EINTR ? -errno : 0;
}

ssize_t file_pread(int fd, void *to, size_t len, int64_t offset)
{
	size_t have = 0;
	int error = fault_check(FAULT_READ);

	if (error != 0)
		return -error;
	while (have < len) {
		ssize_t n = pread(fd, (char *)to + have, len - have, offset + (int64_t)have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

/* Writes all at `offset`, or at the file's position when it is negative. */
static int write_all(int fd, const char *from, size_t len, int64_t offset)
{
	while (len != 0) {
		ssize_t n = offset < 0 ? write(fd, from, len) : pwrite(fd, from, len, offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		from += n;
		len -= (size_t)n;
		offset += offset < 0 ? 0 : n;
	}
	return 0;
}

int file_pwrite(int fd, const void *from, size_t len, int64_t offset)
{
	int error = fault_check(FAULT_WRITE);

	if (offset < 0)
		return -EINVAL;
	if (error == 0)
		return write_all(fd, from, len, offset);
	int rc = write_all(fd, from, len / 2, offset);
	return rc != 0 ? rc : -error;
}

int file_write(int fd, const void *from, size_t len)
{
	int error = fault_check(FAULT_WRITE);

	if (error == 0)
		return write_all(fd, from, len, -1);
	int rc = write_all(fd, from, len / 2, -1);
	return rc != 0 ? rc : -error;
}

int file_datasync(int fd)
{
	int error = fault_check(FAULT_FSYNC);
	if (error != 0)
		return -error;
	int rc;
	do
		rc = fdatasync(fd);
	while (rc != 0 && errno == EINTR);
	return rc != 0 ? -errno : 0;
}

int file_sync(int fd)
{
	int error = fault_check(FAULT_FSYNC);
	if (error != 0)
		return -error;
	int rc;
	do
		rc = fsync(fd);
	while (rc != 0 && errno == EINTR);
	return rc != 0 ? -errno : 0;
}

int file_allocate(int fd, int64_t len)
{
	int error = fault_check(FAULT_ALLOCATE);
	if (error != 0)
		return -error;
	do
		error = posix_fallocate(fd, 0, len);
	while (error == EINTR);
	return -error;
}

int file_truncate(int fd, int64_t len)
{
	int error = fault_check(FAULT_ALLOCATE);
	if (error != 0)
		return -error;
	int rc;
	do
		rc = ftruncate(fd, len);
	while (rc != 0 && errno == EINTR);
	return rc != 0 ? -errno : 0;
}

int64_t file_size(int fd)
{
	struct stat st;

	return fstat(fd, &st) != 0 ? -errno : (int64_t)st.st_size;
}

const void *file_map(int fd, size_t len, int *code)
{
	int error = fault_check(FAULT_MMAP);
	if (error != 0) {
		*code = -error;
		return NULL;
	}
	void *at = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	*code = at == MAP_FAILED ? -errno : 0;
	return at == MAP_FAILED ? NULL : at;
}

void file_unmap(const void *at, size_t len)
{
	if (at != NULL)
		munmap((void *)(uintptr_t)at, len);
}

void file_map_pass(const void *at, size_t from, size_t to)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t first = from / page * page, last = to / page * page;

	if (last > first)
		(void)madvise((char *)(uintptr_t)at + first, last - first,
		              MADV_DONTNEED); /* a hint: failing costs memory only */
}
