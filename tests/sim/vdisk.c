/* The disk's life, and its functions as base/disk.h wants them. Each takes the lock for what it does; what changes the
 * tree is recorded and applied in one step, so that the record's order is the order in which things happened. */
#include "vdisk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/disk.h"
#include "base/file.h"
#include "tree.h"

enum { FD_FIRST = 1 << 20 }; /* no descriptor of the kernel is taken for one of ours */

static const struct disk vdisk_functions;

struct vdisk *vdisk_new(void)
{
	struct vdisk *d = sim_alloc(1, sizeof *d);
	pthread_mutex_init(&d->lock, NULL);
	tree_init(&d->base);
	tree_init(&d->live);
	return d;
}

static void change_deinit(struct change *c)
{
	free(c->name);
	free(c->to_name);
	blob_unref(c->bytes);
}

void vdisk_free(struct vdisk *d)
{
	if (d == NULL)
		return;
	for (uint32_t i = 0; i < d->log_count; i++)
		change_deinit(&d->log[i]);
	for (uint32_t i = 0; i < d->file_count; i++)
		free(d->files[i].path);
	free(d->log);
	free(d->files);
	tree_deinit(&d->base);
	tree_deinit(&d->live);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

void vdisk_install(struct vdisk *d)
{
	file_set_disk(d != NULL ? &vdisk_functions : NULL, d);
}

uint64_t vdisk_mark(struct vdisk *d)
{
	pthread_mutex_lock(&d->lock);
	uint64_t n = d->log_count;
	pthread_mutex_unlock(&d->lock);
	return n;
}

void vdisk_ask(struct vdisk *d, int (*before)(void *ctx, enum vdisk_op op, const char *path, size_t *len), void *ctx)
{
	d->before = before;
	d->before_ctx = ctx;
}

static uint64_t used(const struct vdisk *d)
{
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < d->live.count; i++)
		bytes += d->live.nodes[i].size;
	return bytes;
}

/* How much more fits. Under the lock. */
static uint64_t room(const struct vdisk *d)
{
	uint64_t bytes = used(d);
	if (d->capacity == 0)
		return INT64_MAX;
	return bytes < d->capacity ? d->capacity - bytes : 0;
}

void vdisk_set_capacity(struct vdisk *d, uint64_t bytes)
{
	pthread_mutex_lock(&d->lock);
	d->capacity = bytes;
	pthread_mutex_unlock(&d->lock);
}

uint64_t vdisk_used(struct vdisk *d)
{
	pthread_mutex_lock(&d->lock);
	uint64_t bytes = used(d);
	pthread_mutex_unlock(&d->lock);
	return bytes;
}

/* ---- the record ---- */

static void keep(struct vdisk *d, struct change c)
{
	d->log = sim_grow(d->log, &d->log_cap, d->log_count, sizeof *d->log);
	d->log[d->log_count++] = c;
}

/* Does it and records it. Takes what `c` owns. Under the lock. */
static void change(struct vdisk *d, struct change c)
{
	tree_apply(&d->live, &c);
	keep(d, c);
}

struct vdisk *vdisk_kill(const struct vdisk *d, uint64_t at)
{
	struct vdisk *out = vdisk_new();
	pthread_mutex_lock((pthread_mutex_t *)(uintptr_t)&d->lock);
	tree_deinit(&out->base);
	tree_deinit(&out->live);
	tree_copy(&out->base, &d->base);
	tree_copy(&out->live, &d->base);
	for (uint32_t i = 0; i < d->log_count && i < at; i++) {
		struct change c = d->log[i];
		c.name = c.name != NULL ? sim_strdup(c.name) : NULL;
		c.to_name = c.to_name != NULL ? sim_strdup(c.to_name) : NULL;
		blob_ref(c.bytes);
		change(out, c);
	}
	pthread_mutex_unlock((pthread_mutex_t *)(uintptr_t)&d->lock);
	tree_sweep(&out->live);
	return out;
}

void vdisk_describe(struct vdisk *d, uint64_t at, char *out, size_t size)
{
	static const char *const names[] = {"write", "truncate", "allocate", "sync", "make", "rename", "unlink"};
	pthread_mutex_lock(&d->lock);
	if (at >= d->log_count) {
		snprintf(out, size, "nothing");
	} else {
		const struct change *c = &d->log[at];
		int n = snprintf(out, size, "%s%s %s", c->failed ? "failed " : "", names[c->kind], c->name);
		if (n >= 0 && (size_t)n < size && c->to_name != NULL)
			snprintf(out + n, size - (size_t)n, " to %s", c->to_name);
		else if (n >= 0 && (size_t)n < size && c->len != 0)
			snprintf(out + n, size - (size_t)n, " %llu+%llu", (unsigned long long)c->offset,
			         (unsigned long long)c->len);
	}
	pthread_mutex_unlock(&d->lock);
}

/* ---- asking ---- */

static int ask(const struct vdisk *d, enum vdisk_op op, const char *path, size_t *len)
{
	size_t none = 0;
	return d->before != NULL ? -d->before(d->before_ctx, op, path, len != NULL ? len : &none) : 0;
}

/* The open file of a descriptor, or NULL. Under the lock. */
static struct open_file *file_of(const struct vdisk *d, int fd)
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
	const struct open_file *f = file_of(d, fd);
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
	change(d, (struct change){
	              .kind = CHANGE_LINK, .node = node, .dir = dir, .name = sim_strdup(name), .is_dir = is_dir});
	return node;
}

static int open_node(struct vdisk *d, const char *path, int flags)
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
		change(d, (struct change){.kind = CHANGE_TRUNCATE, .node = node, .name = sim_strdup(path)});
	return take_descriptor(d, node, path, flags);
}

static int vdisk_open(void *ctx, const char *path, int flags)
{
	struct vdisk *d = ctx;
	int code = ask(d, VDISK_OPEN, path, NULL);
	if (code != 0)
		return code;
	pthread_mutex_lock(&d->lock);
	int fd = open_node(d, path, flags);
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

static int vdisk_close(void *ctx, int fd)
{
	struct vdisk *d = ctx;
	pthread_mutex_lock(&d->lock);
	struct open_file *f = file_of(d, fd);
	if (f != NULL) {
		uint32_t node = f->node;
		free(f->path);
		*f = (struct open_file){0};
		forget(d, node);
	}
	pthread_mutex_unlock(&d->lock);
	return f != NULL ? 0 : -EBADF;
}

static int vdisk_lock(void *ctx, int fd)
{
	struct vdisk *d = ctx;
	int code = ask_file(d, VDISK_LOCK, fd, NULL);
	if (code != 0)
		return code;
	pthread_mutex_lock(&d->lock);
	struct open_file *f = file_of(d, fd);
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
	const struct open_file *f = file_of(d, fd);
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

/* Under the lock; at the descriptor's position when `offset` is negative. */
static ssize_t write_node(struct vdisk *d, int fd, const char *from, size_t len, int64_t offset)
{
	struct open_file *f = file_of(d, fd);
	if (!f->writable)
		return -EBADF;
	uint64_t at = offset < 0 ? f->position : (uint64_t)offset;
	uint64_t size = d->live.nodes[f->node].size;
	uint64_t left = room(d);
	if (at + len > size && at + len - size > left)
		len = size + left > at ? size + left - at : 0;
	if (len == 0)
		return -ENOSPC;
	struct change c = {
	    .kind = CHANGE_WRITE, .node = f->node, .offset = at, .len = len, .name = sim_strdup(f->path)};
	if (!all_zero(from, len))
		c.bytes = blob_new(from, len, len);
	change(d, c);
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
	ssize_t n = write_node(d, fd, from, len, offset);
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
	const struct open_file *f = file_of(d, fd);
	if (f == NULL)
		code = -EBADF;
	else
		change(d, (struct change){
		              .kind = CHANGE_SYNC, .node = f->node, .failed = code != 0, .name = sim_strdup(f->path)});
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
	const struct open_file *f = file_of(d, fd);
	uint64_t size = d->live.nodes[f->node].size;
	if (!f->writable)
		code = -EBADF;
	else if ((uint64_t)len > size && (uint64_t)len - size > room(d))
		code = -ENOSPC;
	else if (!grow || (uint64_t)len > size)
		change(d, (struct change){.kind = grow ? CHANGE_ALLOCATE : CHANGE_TRUNCATE,
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
	const struct open_file *f = file_of(d, fd);
	int64_t size = f != NULL ? (int64_t)d->live.nodes[f->node].size : -EBADF;
	pthread_mutex_unlock(&d->lock);
	return size;
}

/* A copy: what is mapped here is not written any more while it is read. */
static const void *vdisk_map(void *ctx, int fd, size_t len, int *code)
{
	struct vdisk *d = ctx;
	*code = len == 0 ? -EINVAL : ask_file(d, VDISK_MAP, fd, NULL);
	if (*code != 0)
		return NULL;
	char *at = sim_alloc(1, len);
	pthread_mutex_lock(&d->lock);
	tree_read(&d->live, file_of(d, fd)->node, 0, at, len);
	pthread_mutex_unlock(&d->lock);
	return at;
}

static void vdisk_unmap(void *ctx, const void *at, size_t len)
{
	(void)ctx, (void)len;
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
	change(d, (struct change){.kind = CHANGE_RENAME,
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

static int unlink_node(struct vdisk *d, const char *path)
{
	char name[256];
	uint32_t dir;
	int64_t node = tree_lookup(&d->live, path);
	if (node < 0)
		return (int)node;
	if (d->live.nodes[node].dir)
		return -EISDIR;
	tree_resolve(&d->live, path, &dir, name);
	change(d, (struct change){.kind = CHANGE_UNLINK, .node = (uint32_t)node, .dir = dir, .name = sim_strdup(name)});
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
	code = unlink_node(d, path);
	pthread_mutex_unlock(&d->lock);
	return code;
}

/* Under the lock. */
static int make_dir_node(struct vdisk *d, const char *path)
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
	code = make_dir_node(d, path);
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
	int64_t bytes = node < 0 ? node : (int64_t)room(d);
	pthread_mutex_unlock(&d->lock);
	return bytes;
}

static const struct disk vdisk_functions = {
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

/* ---- what tests do to it ---- */

/* Syncs a node, so that what was done to it is certain. Under the lock. */
static void settle(struct vdisk *d, uint32_t node)
{
	change(d, (struct change){.kind = CHANGE_SYNC, .node = node, .name = sim_strdup("")});
}

int vdisk_put(struct vdisk *d, const char *path, const void *bytes, size_t len)
{
	char part[1024], last[256];
	uint32_t dir;
	if (snprintf(part, sizeof part, "%s", path) >= (int)sizeof part)
		return -ENAMETOOLONG;
	pthread_mutex_lock(&d->lock);
	int code = 0;
	for (char *slash = strchr(part + 1, '/'); code == 0 && slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		code = make_dir_node(d, part);
		code = code == -EEXIST ? 0 : code;
		tree_resolve(&d->live, part, &dir, last);
		settle(d, dir);
		*slash = '/';
	}
	int fd = code == 0 ? open_node(d, path, O_WRONLY | O_CREAT | O_TRUNC) : code;
	if (fd >= 0) {
		uint32_t node = file_of(d, fd)->node;
		ssize_t n = len > 0 ? write_node(d, fd, bytes, len, 0) : 0;
		code = n < 0 ? (int)n : (size_t)n != len ? -ENOSPC : 0;
		settle(d, node);
		tree_resolve(&d->live, path, &dir, last);
		settle(d, dir);
	}
	pthread_mutex_unlock(&d->lock);
	if (fd >= 0)
		vdisk_close(d, fd);
	return fd < 0 ? fd : code;
}

char *vdisk_get(struct vdisk *d, const char *path, size_t *len)
{
	char *bytes = NULL;
	pthread_mutex_lock(&d->lock);
	int64_t node = tree_lookup(&d->live, path);
	if (node >= 0 && !d->live.nodes[node].dir) {
		size_t size = d->live.nodes[node].size;
		bytes = sim_alloc(1, size + 1);
		tree_read(&d->live, (uint32_t)node, 0, bytes, size);
		if (len != NULL)
			*len = size;
	}
	pthread_mutex_unlock(&d->lock);
	return bytes;
}

int vdisk_remove(struct vdisk *d, const char *path)
{
	char last[256];
	uint32_t dir;
	pthread_mutex_lock(&d->lock);
	int code = unlink_node(d, path);
	if (code == 0) {
		tree_resolve(&d->live, path, &dir, last);
		settle(d, dir);
	}
	pthread_mutex_unlock(&d->lock);
	return code;
}
