/* Files by name: renames, directories, locks, and whole files at once. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/disk.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"

int file_rename(const char *from, const char *to)
{
	int error = fault_check(FAULT_RENAME);
	if (error != 0)
		return -error;
	return disk_used->rename(disk_used_ctx, from, to);
}

int file_unlink(const char *path)
{
	int error = fault_check(FAULT_RENAME);
	if (error != 0)
		return -error;
	return disk_used->unlink(disk_used_ctx, path);
}

int file_sync_dir(const char *path)
{
	int fd = file_open(path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd;
	int rc = file_sync(fd);
	file_close(fd);
	return rc;
}

/* The directory part of `path`, into `dir` of `size` bytes. */
static int parent(const char *path, char *dir, size_t size)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);

	if (len >= size)
		return -ENAMETOOLONG;
	memcpy(dir, slash == NULL ? "." : path, len);
	dir[len] = '\0';
	return 0;
}

/* Makes the name of a directory durable. One that was `there` already may be of a process that was killed before it
 * came to this; but one whose parent we may not read, or that lies on a file system without syncs, is not ours. */
static int sync_name(const char *path, bool there)
{
	char dir[PATH_MAX];
	int rc = parent(path, dir, sizeof dir);

	if (rc == 0)
		rc = file_sync_dir(dir);
	return there && (rc == -EACCES || rc == -EINVAL || rc == -EROFS) ? 0 : rc;
}

/* 0, or -EEXIST where there is one. */
static int make_dir(const char *path)
{
	int error = fault_check(FAULT_OPEN);

	return error != 0 ? -error : disk_used->make_dir(disk_used_ctx, path);
}

/* Makes the directory, after those above it. None is made in one whose name could still be lost: so where a directory
 * holds another, its name and those above it are certain, and a start with everything in place syncs one directory. */
static int make_dirs(char *path)
{
	char *slash = strrchr(path, '/');
	int rc = make_dir(path);

	if (slash != NULL && slash != path && (rc == 0 || rc == -ENOENT)) {
		*slash = '\0';
		int above = rc == 0 ? sync_name(path, true) : make_dirs(path);
		*slash = '/';
		if (above != 0)
			return above;
		if (rc == -ENOENT)
			rc = make_dir(path);
	}
	return rc == 0 || rc == -EEXIST ? sync_name(path, rc == -EEXIST) : rc;
}

int file_make_dirs(const char *path, struct error *err)
{
	char copy[PATH_MAX];
	size_t len = strlen(path);

	if (len == 0)
		return error_set(err, -ENOENT, "cannot make a directory of an empty name");
	if (len >= sizeof copy)
		return error_set(err, -ENAMETOOLONG, "directory name of %zu bytes is too long: %.100s...", len, path);
	memcpy(copy, path, len + 1);
	while (len > 1 && copy[len - 1] == '/')
		copy[--len] = '\0';
	int rc = make_dirs(copy);
	return rc == 0 ? 0 : error_set(err, rc, "cannot make the directory %s: %s", path, strerror(-rc));
}

/* Appends what `fd` has to `out` until its end, at most `max` bytes. */
static int read_to_end(int fd, size_t max, struct buf *out)
{
	size_t have = 0;
	int64_t size = file_size(fd);

	if (size < 0)
		return (int)size;
	if ((uint64_t)size > max)
		return -EFBIG;
	/* The size is a hint only: files in /proc have none, others grow. */
	for (size_t room = (size_t)size + 1;; room = 65536) {
		if (room > max - have)
			room = max - have + 1;
		char *to = buf_room(out, room);
		if (to == NULL)
			return -ENOMEM;
		ssize_t n = file_pread(fd, to, room, (int64_t)have);
		if (n < 0)
			return (int)n;
		have += (size_t)n;
		if (have > max)
			return -EFBIG;
		out->len += (size_t)n;
		if ((size_t)n < room)
			return 0;
	}
}

int file_read_all(const char *path, size_t max, struct buf *out, struct error *err)
{
	size_t before = out->len;

	if (max > SIZE_MAX / 4)
		max = SIZE_MAX / 4;
	int fd = file_open(path, O_RDONLY);
	if (fd < 0)
		return error_set(err, fd, "cannot open %s: %s", path, strerror(-fd));
	int rc = read_to_end(fd, max, out);
	file_close(fd);
	if (rc == 0)
		return 0;
	out->len = before;
	if (rc == -EFBIG)
		return error_set(err, rc, "%s is over %zu bytes", path, max);
	return error_set(err, rc, "cannot read %s: %s", path, strerror(-rc));
}

/* Makes `path` with these bytes, synced. */
static int write_synced(const char *path, const void *bytes, size_t len)
{
	int fd = file_open(path, O_WRONLY | O_CREAT | O_TRUNC);
	if (fd < 0)
		return fd;
	int rc = file_write(fd, bytes, len);
	if (rc == 0)
		rc = file_sync(fd);
	int closed = file_close(fd);
	return rc != 0 ? rc : closed;
}

int file_write_atomic(const char *path, const void *bytes, size_t len, struct error *err)
{
	char temporary[PATH_MAX];
	char dir[PATH_MAX];
	int rc = parent(path, dir, sizeof dir);

	if ((size_t)snprintf(temporary, sizeof temporary, "%s.tmp", path) >= sizeof temporary)
		rc = -ENAMETOOLONG;
	if (rc != 0)
		return error_set(err, rc, "cannot write %.100s...: the name is too long", path);
	rc = write_synced(temporary, bytes, len);
	if (rc == 0)
		rc = file_rename(temporary, path);
	if (rc != 0) {
		/* Best effort: the next write of this file truncates what is left over. */
		(void)disk_used->unlink(disk_used_ctx, temporary);
		return error_set(err, rc, "cannot write %s: %s", path, strerror(-rc));
	}
	rc = file_sync_dir(dir);
	return rc == 0 ? 0 : error_set(err, rc, "cannot sync the directory of %s: %s", path, strerror(-rc));
}

int file_lock(const char *path, struct error *err)
{
	int fd = file_open(path, O_RDWR | O_CREAT);
	if (fd < 0)
		return error_set(err, fd, "cannot open the lock file %s: %s", path, strerror(-fd));
	int rc = disk_used->lock(disk_used_ctx, fd);
	if (rc == 0)
		return fd;
	file_close(fd);
	if (rc == -EWOULDBLOCK)
		return error_set(err, rc, "%s is locked by another process", path);
	return error_set(err, rc, "cannot lock %s: %s", path, strerror(-rc));
}

int64_t file_free_bytes(const char *path)
{
	return disk_used->free_bytes(disk_used_ctx, path);
}

/* A growing list of names, all owned. */
struct names {
	char **at;
	size_t count, cap;
};

static void free_names(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		mem_free(names->at[i]);
	mem_free(names->at);
}

static int add_name(void *to, const char *name)
{
	struct names *names = to;

	if (mem_grow((void **)&names->at, &names->cap, names->count, sizeof *names->at) != 0)
		return -ENOMEM;
	char *copy = mem_strndup(name, strlen(name));
	if (copy == NULL)
		return -ENOMEM;
	names->at[names->count++] = copy;
	return 0;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int file_list(const char *path, int (*each)(void *ctx, const char *name), void *ctx, struct error *err)
{
	struct names names = {0};
	int rc = -fault_check(FAULT_OPEN);

	if (rc == 0)
		rc = disk_used->list(disk_used_ctx, path, add_name, &names);
	if (rc != 0) {
		error_set(err, rc, "cannot list the directory %s: %s", path, strerror(-rc));
		goto out;
	}
	if (names.count != 0)
		qsort(names.at, names.count, sizeof *names.at, by_bytes);
	for (size_t i = 0; i < names.count && rc == 0; i++)
		rc = each(ctx, names.at[i]);
out:
	free_names(&names);
	return rc;
}
