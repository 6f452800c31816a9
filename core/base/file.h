/* Files: the only place of the C core that touches the disk. Each call passes its fault point (fault.h), then the disk
 * in use (disk.h). All return 0 (or a descriptor, or a count) or a negative errno; nothing is printed. Any thread; a
 * descriptor is its owner's. */
#ifndef MOONGATE_BASE_FILE_H
#define MOONGATE_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

struct disk;

/* Replaces the disk under everything here, for tests and simulation (NULL: the machine's own). `d` and `ctx` are
 * borrowed until the next call. Call before any thread starts. */
void file_set_disk(const struct disk *d, void *ctx);

/* open(2) with O_CLOEXEC; mode 0640 where a file is made. */
int file_open(const char *path, int flags);
int file_close(int fd);

/* Reads until `len` bytes or the end of the file. The bytes read, or a negative errno. */
ssize_t file_pread(int fd, void *to, size_t len, int64_t offset);

/* Writes all `len` bytes (short writes are continued); 0 or a negative errno, after which any part may have been
 * written. */
int file_pwrite(int fd, const void *from, size_t len, int64_t offset);

/* write(2) at the file's position, all of it. */
int file_write(int fd, const void *from, size_t len);

int file_datasync(int fd);
int file_sync(int fd);

/* Reserves `len` bytes from the start (posix_fallocate semantics: they exist and read as zero). */
int file_allocate(int fd, int64_t len);
int file_truncate(int fd, int64_t len);

/* Size in bytes, or a negative errno. */
int64_t file_size(int fd);

int file_rename(const char *from, const char *to);
int file_unlink(const char *path);

/* fsync of a directory, after a file in it was made, renamed or removed. */
int file_sync_dir(const char *path);

/* mkdir -p, mode 0750; the names are durable when it returns. */
int file_make_dirs(const char *path, struct error *err);

/* Appends the whole file to `out`, refusing one over `max` bytes with -EFBIG. */
int file_read_all(const char *path, size_t max, struct buf *out, struct error *err);

/* Writes `path` so that after a crash either the old or the new content is there: temporary file, fsync, rename, fsync
 * of the directory. */
int file_write_atomic(const char *path, const void *bytes, size_t len, struct error *err);

/* Maps `len` bytes read-only; NULL with a negative errno in *code. file_unmap undoes it. */
const void *file_map(int fd, size_t len, int *code);
void file_unmap(const void *at, size_t len);

/* The bytes from `from` to `to` of a map have been read and will not be soon again: whole pages of them leave this process's memory. Reading them
 * all the same works, and reads the file anew. */
void file_map_pass(const void *at, size_t from, size_t to);

/* An exclusive lock on `path` (made where missing), held until the descriptor is closed: the descriptor, or
 * -EWOULDBLOCK when another process has it. */
int file_lock(const char *path, struct error *err);

/* Free bytes for unprivileged users on the file system of `path`, or a negative errno. */
int64_t file_free_bytes(const char *path);

/* The names in a directory (without "." and ".."), sorted by bytes; calls `each` for every one, stops when it returns
 * non-zero and returns that. */
int file_list(const char *path, int (*each)(void *ctx, const char *name), void *ctx, struct error *err);

/* The paths that a pattern with `*`, `?` and `[…]` matches, sorted by bytes; a name without them is its own match where it is there. Hidden files only where the pattern has their dot. Of the machine's own disk, whatever file_set_disk says. 0,
 * -ENOMEM, or -EIO with the pattern: a folder cannot be read. file_matches_free in any case. */
struct file_matches {
	char **paths; /* owned */
	size_t count;
};
int file_glob(const char *pattern, struct file_matches *out, struct error *err);
void file_matches_free(struct file_matches *m);

#endif
