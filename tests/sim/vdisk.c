/* The disk's life: made, filled, recorded, copied. Its functions as base/disk.h wants them are in calls.c. */
#include "vdisk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "tree.h"

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
	for (uint32_t i = 0; i < d->map_count; i++)
		free(d->maps[i].at); /* of processes that were cut */
	free(d->log);
	free(d->files);
	free(d->maps);
	tree_deinit(&d->base);
	tree_deinit(&d->live);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

void vdisk_install(struct vdisk *d)
{
	file_set_disk(d != NULL ? &sim_calls : NULL, d);
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
	pthread_mutex_lock(&d->lock);
	d->before = before;
	d->before_ctx = ctx;
	pthread_mutex_unlock(&d->lock);
}

static uint64_t used_bytes(const struct vdisk *d)
{
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < d->live.count; i++)
		bytes += d->live.nodes[i].size;
	return bytes;
}

uint64_t sim_room(const struct vdisk *d)
{
	uint64_t bytes = used_bytes(d);
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
	uint64_t bytes = used_bytes(d);
	pthread_mutex_unlock(&d->lock);
	return bytes;
}

/* ---- the record ---- */

static void keep(struct vdisk *d, struct change c)
{
	d->log = sim_grow(d->log, &d->log_cap, d->log_count, sizeof *d->log);
	d->log[d->log_count++] = c;
}

void sim_change(struct vdisk *d, struct change c)
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
		sim_change(out, c);
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

/* ---- what tests do to it ---- */

/* Syncs a node, so that what was done to it is certain. Under the lock. */
static void settle(struct vdisk *d, uint32_t node)
{
	sim_change(d, (struct change){.kind = CHANGE_SYNC, .node = node, .name = sim_strdup("")});
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
		code = sim_make_dir(d, part);
		code = code == -EEXIST ? 0 : code;
		tree_resolve(&d->live, part, &dir, last);
		settle(d, dir);
		*slash = '/';
	}
	int fd = code == 0 ? sim_open(d, path, O_WRONLY | O_CREAT | O_TRUNC) : code;
	if (fd >= 0) {
		uint32_t node = sim_file(d, fd)->node;
		ssize_t n = len > 0 ? sim_write(d, fd, bytes, len, 0) : 0;
		code = n < 0 ? (int)n : (size_t)n != len ? -ENOSPC : 0;
		settle(d, node);
		tree_resolve(&d->live, path, &dir, last);
		settle(d, dir);
		sim_close(d, fd);
	}
	pthread_mutex_unlock(&d->lock);
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
	int code = sim_unlink(d, path);
	if (code == 0) {
		tree_resolve(&d->live, path, &dir, last);
		settle(d, dir);
	}
	pthread_mutex_unlock(&d->lock);
	return code;
}
