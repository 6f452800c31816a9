/* The disk's functions as base/disk.h wants them. Each takes the lock for what it does; what changes the tree is recorded
 * and applied in one step, so that the record's order is the order in which things happened. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/disk.h"
#include "tree.h"

enum { FD_FIRST = 1 << 20 }; /* no descriptor of the kernel is taken for one of ours */

/* ---- asking ---- */

static int ask(struct vdisk *d, enum vdisk_op op, const char *path, size_t *len)
{
	size_t none = 0;
	pthread_mutex_lock(&d->lock);
	int (*before)(void *, enum vdisk_op, const char *, size_t *) = d->before;
	void *ctx = d->before_ctx;
	pthread_mutex_unlock(&d->lock);
	return before != NULL ? -before(ctx, op, path, len != NULL ? len : &none) : 0;
}

struct open_file *sim_file(const struct vdisk *d, int fd)
{
	if (fd < FD_FIRST || (uint32_t)(fd - FD_FIRST) >= d->file_count || !d->files[fd - FD_FIRST].used)
		return NULL;
	return &d->files[fd - FD_FIRST];
}

/* Asks for an operation on a descriptor, whose path it looks up. */
static int ask_file(struct vdisk *d, enum vdisk_op op, int fd, size_t *len)
{
	char path[1024];
	pthread_mutex_lock(&d->lock);
	const struct open_file *f = sim_file(d, fd);
	bool dir = f != NULL && d->live.nodes[f->node].dir;
	snprintf(path, sizeof path, "%s", f != NULL ? f->path : "");
	pthread_mutex_unlock(&d->lock);
	if (f == NULL)
		return -EBADF;
	return ask(d, op == VDISK_SYNC && dir ? VDISK_SYNC_DIR : op, path, len);
}

/* ---- opening ---- */

static int take_descriptor(struct vdisk *d, uint32_t node, const char *path, int flags)
{
	uint32_t i = 0;
	while (i < d->file_count && d->files[i].used)
		i++;
	if (i == d->file_count) {
		d->files = sim_grow(d->files, &d->file_cap, d->file_count, sizeof *d->files);
		d->file_count++;
	}
	int mode = flags & O_ACCMODE;
	d->files[i] = (struct open_file){.used = true,
	                                 .node = node,
	                                 .readable = mode != O_WRONLY,
	                                 .writable = mode != O_RDONLY,
	                                 .path = sim_strdup(path)};
	return FD_FIRST + (int)i;
}

/* Makes a file or a directory. Under the lock. */
static uint32_t make(struct vdisk *d, uint32_t dir, const char *name, bool is_dir)
{
	uint32_t node = d->live.count;
	sim_change(d, (struct change){
	                  .kind = CHANGE_LINK, .node = node, .dir = dir, .name = sim_strdup(name), .is_dir = is_dir});
	return node;
}

int sim_open(struct vdisk *d, const char *path, int flags)
{
	char last[256];
	uint32_t dir;
	int code = tree_resolve(&d->live, path, &dir, last);
	if (code != 0)
		return code;
	int64_t at = last[0] != '\0' ? tree_find(&d->live, dir, last) : -1;
	if (at < 0 && last[0] != '\0') {
		if (!(flags & O_CREAT))
			return -ENOENT;
		return take_descriptor(d, make(d, dir, last, false), path, flags);
	}
	uint32_t node = at < 0 ? ROOT : d->live.entries[at].node;
	bool is_dir = d->live.nodes[node].dir;
	if ((flags & O_CREAT) && (flags & O_EXCL))
		return -EEXIST;
	if (is_dir && (flags & O_ACCMODE) != O_RDONLY)
		return -EISDIR;
	if (!is_dir && (flags & O_DIRECTORY))
		return -ENOTDIR;
	if ((flags & O_TRUNC) && d->live.nodes[node].size > 0)
		sim_change(d, (struct change){.kind = CHANGE_TRUNCATE, .node = node, .name = sim_strdup(path)});
	return take_descriptor(d, node, path, flags);
}

static int vdisk_open(void *ctx, const char *path, int flags)
{
	struct vdisk *d = ctx;
	int code = ask(d, VDISK_OPEN, path, NULL);
	if (code != 0)
		return code;
	pthread_mutex_lock(&d->lock);
	int fd = sim_open(d, path, flags);
	pthread_mutex_unlock(&d->lock);
	return fd;
}

static bool is_open(const struct vdisk *d, uint32_t node)
{
	for (uint32_t i = 0; i < d->file_count; i++) {
		if (d->files[i].used && d->files[i].node == node)
			return true;
	}
	return false;
}

/* The bytes of a file that has neither name nor descriptor go. Under the lock. */
static void forget(struct vdisk *d, uint32_t node)
{
	if (!is_open(d, node) && !tree_has_name(&d->live, node))
		tree_resize(&d->live, node, 0);
}

int sim_close(struct vdisk *d, int fd)
{
	struct open_file *f = sim_file(d, fd);
	if (f == NULL)
		return -EBADF;
	uint32_t node = f->node;
	free(f->path);
	*f = (struct open_file){0};
	forget(d, node);
	return 0;
}

static int vdisk_close(void *ctx, int fd)
{
	struct vdisk *d = ctx;
	pthread_mutex_lock(&d->lock);
	int code = sim_close(d, fd);
	pthread_mutex_unlock(&d->lock);
	return code;
}

static int vdisk_lock(void *ctx, int fd)
{
	struct vdisk *d = ctx;
	int code = ask_file(d, VDISK_LOCK, fd, NULL);
	if (code != 0)
		return code;
	pthread_mutex_lock(&d->lock);
	struct open_file *f = sim_file(d, fd);
	for (uint32_t i = 0; i < d->file_count; i++) {
		if (d->files[i].used && &d->files[i] != f && d->files[i].locked && d->files[i].node == f->node)
			code = -EWOULDBLOCK;
	}
	f->locked = code == 0;
	pthread_mutex_unlock(&d->lock);
	return code;
}

/* ---- bytes ---- */

static ssize_t vdisk_pread(void *ctx, int fd, void *to, size_t len, int64_t offset)
{
	struct vdisk *d = ctx;
	int code = ask_file(d, VDISK_READ, fd, &len);
	if (code != 0)
		return code;
	pthread_mutex_lock(&d->lock);
	const struct open_file *f = sim_file(d, fd);
	ssize_t n;
	if (!f->readable)
		n = -EBADF;
	else if (d->live.nodes[f->node].dir)
		n = -EISDIR;
	else
		n = (ssize_t)tree_read(&d->live, f->node, (uint64_t)offset, to, len);
	pthread_mutex_unlock(&d->lock);
	return n;
}

static bool all_zero(const char *bytes, size_t len)
{
	return len > 0 && bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

/* Whoever has mapped the file sees what is written to it. */
static void write_to_maps(struct vdisk *d, uint32_t node, uint64_t offset, const char *from, size_t len)
{
	for (uint32_t i = 0; i < d->map_count; i++) {
		const struct file_map *m = &d->maps[i];
		if (m->node == node && offset < m->len)
			memcpy(m->at + offset, from, m->len - offset < len ? m->len - offset : len);
	}
}

ssize_t sim_write(struct vdisk *d, int fd, const char *from, size_t len, int64_t offset)
{
	struct open_file *f = sim_file(d, fd);
	if (!f->writable)
		return -EBADF;
	uint64_t at = offset < 0 ? f->position : (uint64_t)offset;
	uint64_t size = d->live.nodes[f->node].size;
	uint64_t left = sim_room(d);
	if (at + len > size && at + len - size > left)
		len = size + left > at ? size + left - at : 0;
	if (len == 0)
		return -ENOSPC;
	struct change c = {
	    .kind = CHANGE_WRITE, .node = f->node, .offset = at, .len = len, .name = sim_strdup(f->path)};
	if (!all_zero(from, len))
		c.bytes = blob_new(from, len, len);
	write_to_maps(d, f->node, at, from, len);
	sim_change(d, c);
	if (offset < 0)
		f->position += len;
	return (ssize_t)len;
}

static ssize_t write_at(struct vdisk *d, int fd, const void *from, size_t len, int64_t offset)
{
	int code = ask_file(d, VDISK_WRITE, fd, &len);
	if (code != 0 || len == 0)
		return code;
	pthread_mutex_lock(&d->lock);
	ssize_t n = sim_write(d, fd, from, len, offset);
	pthread_mutex_unlock(&d->lock);
	return n;
}

static ssize_t vdisk_pwrite(void *ctx, int fd, const void *from, size_t len, int64_t offset)
{
	return offset < 0 ? -EINVAL : write_at(ctx, fd, from, len, offset);
}

static ssize_t vdisk_write(void *ctx, int fd, const void *from, size_t len)
{
	return write_at(ctx, fd, from, len, -1);
}

/* A data-only sync saves the size too, since the bytes could not be read without it. */
static int vdisk_sync(void *ctx, int fd, bool data_only)
{
	struct vdisk *d = ctx;
	(void)data_only;
	int code = ask_file(d, VDISK_SYNC, fd, NULL);
	pthread_mutex_lock(&d->lock);
	const struct open_file *f = sim_file(d, fd);
	if (f == NULL)
		code = -EBADF;
	else
		sim_change(d, (struct change){.kind = CHANGE_SYNC,
		                              .node = f->node,
		                              .is_dir = d->live.nodes[f->node].dir,
		                              .failed = code != 0,
		                              .name = sim_strdup(f->path)});
	pthread_mutex_unlock(&d->lock);
	return code;
}

/* Changes the size, upwards only where `grow` says so. */
static int resize(struct vdisk *d, int fd, int64_t len, bool grow)
{
	int code = ask_file(d, grow ? VDISK_ALLOCATE : VDISK_TRUNCATE, fd, NULL);
	if (code != 0)
		return code;
	if (len < 0 || (grow && len == 0))
		return -EINVAL;
	pthread_mutex_lock(&d->lock);
	const struct open_file *f = sim_file(d, fd);
	uint64_t size = d->live.nodes[f->node].size;
	if (!f->writable)
		code = -EBADF;
	else if ((uint64_t)len > size && (uint64_t)len - size > sim_room(d))
		code = -ENOSPC;
	else if (!grow || (uint64_t)len > size)
		sim_change(d, (struct change){.kind = grow ? CHANGE_ALLOCATE : CHANGE_TRUNCATE,
		                              .node = f->node,
		                              .len = (uint64_t)len,
		                              .name = sim_strdup(f->path)});
	pthread_mutex_unlock(&d->lock);
	return code;
}

static int vdisk_allocate(void *ctx, int fd, int64_t len)
{
	return resize(ctx, fd, len, true);
}

static int vdisk_truncate(void *ctx, int fd, int64_t len)
{
	return resize(ctx, fd, len, false);
}

static int64_t vdisk_size(void *ctx, int fd)
{
	struct vdisk *d = ctx;
	pthread_mutex_lock(&d->lock);
	const struct open_file *f = sim_file(d, fd);
	int64_t size = f != NULL ? (int64_t)d->live.nodes[f->node].size : -EBADF;
	pthread_mutex_unlock(&d->lock);
	return size;
}

static const void *vdisk_map(void *ctx, int fd, size_t len, int *code)
{
	struct vdisk *d = ctx;
	*code = len == 0 ? -EINVAL : ask_file(d, VDISK_MAP, fd, NULL);
	if (*code != 0)
		return NULL;
	char *at = sim_alloc(1, len);
	pthread_mutex_lock(&d->lock);
	uint32_t node = sim_file(d, fd)->node;
	tree_read(&d->live, node, 0, at, len);
	if (d->map_count == d->map_cap)
		d->maps = sim_grow(d->maps, &d->map_cap, d->map_count, sizeof *d->maps);
	d->maps[d->map_count++] = (struct file_map){node, len, at};
	pthread_mutex_unlock(&d->lock);
	return at;
}

static void vdisk_unmap(void *ctx, const void *at, size_t len)
{
	struct vdisk *d = ctx;
	(void)len;
	pthread_mutex_lock(&d->lock);
	for (uint32_t i = 0; i < d->map_count; i++) {
		if (d->maps[i].at == at)
			d->maps[i--] = d->maps[--d->map_count];
	}
	pthread_mutex_unlock(&d->lock);
	free((void *)(uintptr_t)at);
}

static void vdisk_pass(void *ctx, const void *at, size_t from, size_t to)
{
	(void)ctx, (void)at, (void)from, (void)to;
}

/* ---- names ---- */

static int rename_node(struct vdisk *d, const char *from, const char *to)
{
	char name[256], to_name[256];
	uint32_t dir, to_dir;
	int64_t node = tree_lookup(&d->live, from);
	int code = node < 0 ? (int)node : tree_resolve(&d->live, to, &to_dir, to_name);
	if (code == 0)
		code = tree_resolve(&d->live, from, &dir, name);
	if (code != 0)
		return code;
	int64_t over = tree_find(&d->live, to_dir, to_name);
	uint32_t displaced = over >= 0 ? d->live.entries[over].node : (uint32_t)node;
	if (node == ROOT || to_name[0] == '\0' || d->live.nodes[displaced].dir != d->live.nodes[node].dir)
		return -EBUSY;
	sim_change(d, (struct change){.kind = CHANGE_RENAME,
	                              .node = (uint32_t)node,
	                              .dir = dir,
	                              .to_dir = to_dir,
	                              .name = sim_strdup(name),
	                              .to_name = sim_strdup(to_name)});
	if (displaced != node)
		forget(d, displaced);
	return 0;
}

static int vdisk_rename(void *ctx, const char *from, const char *to)
{
	struct vdisk *d = ctx;
	int code = ask(d, VDISK_RENAME, from, NULL);
	if (code != 0)
		return code;
	pthread_mutex_lock(&d->lock);
	code = rename_node(d, from, to);
	pthread_mutex_unlock(&d->lock);
	return code;
}

int sim_unlink(struct vdisk *d, const char *path)
{
	char name[256];
	uint32_t dir;
	int64_t node = tree_lookup(&d->live, path);
	if (node < 0)
		return (int)node;
	if (d->live.nodes[node].dir)
		return -EISDIR;
	tree_resolve(&d->live, path, &dir, name);
	sim_change(
	    d, (struct change){.kind = CHANGE_UNLINK, .node = (uint32_t)node, .dir = dir, .name = sim_strdup(name)});
	forget(d, (uint32_t)node);
	return 0;
}

static int vdisk_unlink(void *ctx, const char *path)
{
	struct vdisk *d = ctx;
	int code = ask(d, VDISK_UNLINK, path, NULL);
	if (code != 0)
		return code;
	pthread_mutex_lock(&d->lock);
	code = sim_unlink(d, path);
	pthread_mutex_unlock(&d->lock);
	return code;
}

int sim_make_dir(struct vdisk *d, const char *path)
{
	char name[256];
	uint32_t dir;
	int code = tree_resolve(&d->live, path, &dir, name);
	if (code != 0)
		return code;
	int64_t at = name[0] != '\0' ? tree_find(&d->live, dir, name) : -1;
	if (name[0] == '\0')
		return -EEXIST;
	if (at >= 0)
		return d->live.nodes[d->live.entries[at].node].dir ? -EEXIST : -ENOTDIR;
	make(d, dir, name, true);
	return 0;
}

static int vdisk_make_dir(void *ctx, const char *path)
{
	struct vdisk *d = ctx;
	int code = ask(d, VDISK_MAKE_DIR, path, NULL);
	if (code != 0)
		return code;
	pthread_mutex_lock(&d->lock);
	code = sim_make_dir(d, path);
	pthread_mutex_unlock(&d->lock);
	return code;
}

/* The names are copied first: `each` may use the disk. */
static int vdisk_list(void *ctx, const char *path, int (*each)(void *to, const char *name), void *to)
{
	struct vdisk *d = ctx;
	int code = ask(d, VDISK_LIST, path, NULL);
	if (code != 0)
		return code;
	pthread_mutex_lock(&d->lock);
	int64_t node = tree_lookup(&d->live, path);
	code = node < 0 ? (int)node : d->live.nodes[node].dir ? 0 : -ENOTDIR;
	char **names = sim_alloc(d->live.entry_count + 1, sizeof *names);
	uint32_t count = 0;
	for (uint32_t i = 0; code == 0 && i < d->live.entry_count; i++) {
		if (d->live.entries[i].dir == (uint32_t)node)
			names[count++] = sim_strdup(d->live.entries[i].name);
	}
	pthread_mutex_unlock(&d->lock);
	for (uint32_t i = 0; i < count; i++) {
		if (code == 0)
			code = each(to, names[i]);
		free(names[i]);
	}
	free(names);
	return code;
}

static int64_t vdisk_free_bytes(void *ctx, const char *path)
{
	struct vdisk *d = ctx;
	pthread_mutex_lock(&d->lock);
	int64_t node = tree_lookup(&d->live, path);
	int64_t bytes = node < 0 ? node : (int64_t)sim_room(d);
	pthread_mutex_unlock(&d->lock);
	return bytes;
}

const struct disk sim_calls = {
    .open = vdisk_open,
    .close = vdisk_close,
    .pread = vdisk_pread,
    .pwrite = vdisk_pwrite,
    .write = vdisk_write,
    .sync = vdisk_sync,
    .allocate = vdisk_allocate,
    .truncate = vdisk_truncate,
    .size = vdisk_size,
    .map = vdisk_map,
    .unmap = vdisk_unmap,
    .pass = vdisk_pass,
    .rename = vdisk_rename,
    .unlink = vdisk_unlink,
    .make_dir = vdisk_make_dir,
    .list = vdisk_list,
    .lock = vdisk_lock,
    .free_bytes = vdisk_free_bytes,
};
