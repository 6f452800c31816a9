/* The disk behind file.h: what files, directories and their durability stand on, as one table that a test can replace
 * by a disk in memory.
 *
 * An implementation does the one thing that the call of the kernel does, with its results: it may read or write less
 * than it was asked for. What is the same on every disk is in file.c and path.c: fault points, going on after a short
 * write, sorting. Calls that a signal interrupted are begun again here. Every function takes the `ctx` of
 * file_set_disk, may be called on any thread, and returns 0 (or what it says) or a negative errno. */
#ifndef MOONGATE_BASE_DISK_H
#define MOONGATE_BASE_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct disk {
	/* A descriptor, 0 or more. `flags` are those of open(2); a file that is made has mode 0640. */
	int (*open)(void *ctx, const char *path, int flags);
	int (*close)(void *ctx, int fd);

	/* The bytes read or written: fewer than `len` where the disk ends early, 0 at the end of the file. */
	ssize_t (*pread)(void *ctx, int fd, void *to, size_t len, int64_t offset);
	ssize_t (*pwrite)(void *ctx, int fd, const void *from, size_t len, int64_t offset);
	/* At the descriptor's position, which moves on. */
	ssize_t (*write)(void *ctx, int fd, const void *from, size_t len);

	/* fsync(2), of a file or a directory; with data_only fdatasync(2). After a failure the bytes are in doubt, and
	 * no later success says anything about them. */
	int (*sync)(void *ctx, int fd, bool data_only);

	/* posix_fallocate(3) from the start of the file; ftruncate(2). */
	int (*allocate)(void *ctx, int fd, int64_t len);
	int (*truncate)(void *ctx, int fd, int64_t len);

	/* Bytes. */
	int64_t (*size)(void *ctx, int fd);

	/* A read-only map of the first `len` bytes, or NULL with a negative errno in *code. It outlives the descriptor.
	 * `pass`: the bytes from `from` to `to` of it will not be read soon; a hint. */
	const void *(*map)(void *ctx, int fd, size_t len, int *code);
	void (*unmap)(void *ctx, const void *at, size_t len);
	void (*pass)(void *ctx, const void *at, size_t from, size_t to);

	int (*rename)(void *ctx, const char *from, const char *to);
	int (*unlink)(void *ctx, const char *path);
	/* One directory, mode 0750. -EEXIST: there is one already; -ENOTDIR: something else has the name. */
	int (*make_dir)(void *ctx, const char *path);
	/* The names in a directory but "." and "..", in any order, until `each` returns non-zero, which is returned. */
	int (*list)(void *ctx, const char *path, int (*each)(void *to, const char *name), void *to);

	/* An exclusive lock on the open file, which goes with the descriptor; -EWOULDBLOCK: somebody else has it. */
	int (*lock)(void *ctx, int fd);
	/* Free for unprivileged users on the file system of `path`; bytes. */
	int64_t (*free_bytes)(void *ctx, const char *path);
};

/* The machine's own; takes no ctx. */
extern const struct disk disk_posix;

/* Private to file.c and path.c: the disk in use. */
extern const struct disk *disk_used;
extern void *disk_used_ctx;

#endif
