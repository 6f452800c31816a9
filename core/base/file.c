/* Files: descriptors and their bytes. Paths, directories and whole files are in path.c, the kernel's calls in
 * disk_posix.c.
 *
 * Every call asks its fault point first. A write that is made to fail writes half of its bytes before, as a disk that
 * fills up does: whoever reads the file later has to cope with a torn write. */
#include "base/file.h"

#include <errno.h>

#include "base/disk.h"
#include "base/fault.h"

const struct disk *disk_used = &disk_posix;
void *disk_used_ctx;

void file_set_disk(const struct disk *d, void *ctx)
{
	disk_used = d != NULL ? d : &disk_posix;
	disk_used_ctx = d != NULL ? ctx : NULL;
}

int file_open(const char *path, int flags)
{
	int error = fault_check(FAULT_OPEN);

	return error != 0 ? -error : disk_used->open(disk_used_ctx, path, flags);
}

int file_close(int fd)
{
	return disk_used->close(disk_used_ctx, fd);
}

ssize_t file_pread(int fd, void *to, size_t len, int64_t offset)
{
	size_t have = 0;
	int error = fault_check(FAULT_READ);

	if (error != 0)
		return -error;
	while (have < len) {
		ssize_t n = disk_used->pread(disk_used_ctx, fd, (char *)to + have, len - have, offset + (int64_t)have);
		if (n < 0)
			return n;
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
		ssize_t n = offset < 0 ? disk_used->write(disk_used_ctx, fd, from, len)
		                       : disk_used->pwrite(disk_used_ctx, fd, from, len, offset);
		if (n < 0)
			return (int)n;
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

static int sync_file(int fd, bool data_only)
{
	int error = fault_check(FAULT_FSYNC);

	return error != 0 ? -error : disk_used->sync(disk_used_ctx, fd, data_only);
}

int file_datasync(int fd)
{
	return sync_file(fd, true);
}

int file_sync(int fd)
{
	return sync_file(fd, false);
}

int file_allocate(int fd, int64_t len)
{
	int error = fault_check(FAULT_ALLOCATE);

	return error != 0 ? -error : disk_used->allocate(disk_used_ctx, fd, len);
}

int file_truncate(int fd, int64_t len)
{
	int error = fault_check(FAULT_ALLOCATE);

	return error != 0 ? -error : disk_used->truncate(disk_used_ctx, fd, len);
}

int64_t file_size(int fd)
{
	return disk_used->size(disk_used_ctx, fd);
}

const void *file_map(int fd, size_t len, int *code)
{
	int error = fault_check(FAULT_MMAP);

	if (error != 0) {
		*code = -error;
		return NULL;
	}
	return disk_used->map(disk_used_ctx, fd, len, code);
}

void file_unmap(const void *at, size_t len)
{
	if (at != NULL)
		disk_used->unmap(disk_used_ctx, at, len);
}

void file_map_pass(const void *at, size_t from, size_t to)
{
	disk_used->pass(disk_used_ctx, at, from, to);
}
