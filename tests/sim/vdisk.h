/* A disk in memory, to be put under base/file.h: it records every change in order, and can say what a power loss right
 * after any of them may leave.
 *
 * What is certain after a power loss, and no more:
 *   - the bytes and the size of a file, up to its last sync (fsync or fdatasync) that succeeded;
 *   - a name (made, renamed, removed; a directory made), once its directory was synced. Syncing a file saves its bytes,
 *     not its name.
 * Everything later is, by sectors of 512 bytes, written, not written, or torn, whatever was written before it; sizes
 * and names have changed or not. A rename happens as a whole. What a failed sync of a file had to save stays in doubt for
 * ever, and later syncs succeed without saving it: that is what Linux does, which reports a lost page once and calls it
 * clean. Names are in the file system's own log, which is not forgotten: the next sync of the directory saves them.
 *
 * Threads: everything may be called on any thread, but for vdisk_install and vdisk_free. Out of memory it aborts. */
#ifndef MOONGATE_SIM_VDISK_H
#define MOONGATE_SIM_VDISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vdisk;

/* An empty disk: a root directory ("/", which is also the working directory). Owned by the caller. */
struct vdisk *vdisk_new(void);
/* No descriptor of it may be used any more; maps stay valid until they are unmapped. NULL is allowed. */
void vdisk_free(struct vdisk *d);

/* Puts it under base/file.h (NULL: the machine's own again). Only while no thread uses files. */
void vdisk_install(struct vdisk *d);

/* How many changes were recorded so far. Reading changes nothing; a sync, also a failed one, counts. */
uint64_t vdisk_mark(struct vdisk *d);

/* A NEW disk, in one of the states that a power loss right after change `at` may leave; the same `seed` gives the same
 * one. Its own record is empty: all that it holds is certain. */
struct vdisk *vdisk_crash(const struct vdisk *d, uint64_t at, uint64_t seed);

/* A NEW disk, as the next process finds it when the one that made the first `at` changes was killed: nothing is lost,
 * and what was not synced still is not. Its record goes on where this one is cut. */
struct vdisk *vdisk_kill(const struct vdisk *d, uint64_t at);

/* Makes a file with these bytes, and its directories; certain at once. 0 or a negative errno. */
int vdisk_put(struct vdisk *d, const char *path, const void *bytes, size_t len);
/* The file's bytes as a process sees them, followed by a NUL: to be freed with free(); NULL when there is no such file.
 * `len` may be NULL. */
char *vdisk_get(struct vdisk *d, const char *path, size_t *len);
/* Removes a file; certain at once. 0 or a negative errno. */
int vdisk_remove(struct vdisk *d, const char *path);

/* What is about to be done. */
enum vdisk_op {
	VDISK_OPEN,
	VDISK_READ,
	VDISK_WRITE,
	VDISK_SYNC, /* of a file */
	VDISK_SYNC_DIR,
	VDISK_ALLOCATE,
	VDISK_TRUNCATE,
	VDISK_MAP,
	VDISK_RENAME, /* the path is the old one */
	VDISK_UNLINK,
	VDISK_MAKE_DIR,
	VDISK_LIST,
	VDISK_LOCK
};

/* Asked before each operation, on the thread that does it and with no lock held: 0 to let it happen, or an errno to
 * fail with (a sync that fails puts what it had to save in doubt). It may lower *len, the bytes of a read or write,
 * which is then short. NULL: none; it may still be in the middle of an operation that began before. */
void vdisk_ask(struct vdisk *d, int (*before)(void *ctx, enum vdisk_op op, const char *path, size_t *len), void *ctx);

/* So many bytes fit (sizes of all files, with the zeros in them); what does not fit fails with ENOSPC, a write after
 * what still fits. 0: no bound. */
void vdisk_set_capacity(struct vdisk *d, uint64_t bytes);
uint64_t vdisk_used(struct vdisk *d);

/* Change `at` (from 0) as a line for people: "write journal/spare.tmp 4096+512". */
void vdisk_describe(struct vdisk *d, uint64_t at, char *out, size_t size);

#endif
