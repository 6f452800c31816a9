/* What the files of the virtual disk share: the tree (what is on a disk at a moment; tree.c), the record of its changes, and the disk itself. */
#ifndef MOONGATE_SIM_TREE_H
#define MOONGATE_SIM_TREE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "vdisk.h"

enum { SECTOR = 512, ROOT = 0 };

/* Shared bytes: copied before they are changed while anyone else has them. */
struct blob {
	atomic_uint refs;
	size_t cap;
	char bytes[];
};

/* A file or a directory. Its number is its place in the tree, and the same in all trees of one disk. */
struct node {
	bool dir;
	uint64_t size;
	struct blob *data; /* bytes that it does not reach are zero */
};

/* A name in a directory. */
struct entry {
	uint32_t dir, node;
	char *name; /* owned */
};

struct tree {
	struct node *nodes;
	uint32_t count, cap;
	struct entry *entries;
	uint32_t entry_count, entry_cap;
};

enum change_kind {
	CHANGE_WRITE,
	CHANGE_TRUNCATE,
	CHANGE_ALLOCATE,
	CHANGE_SYNC,
	CHANGE_LINK, /* a file or directory is made */
	CHANGE_RENAME,
	CHANGE_UNLINK
};

struct change {
	enum change_kind kind;
	uint32_t node;
	uint32_t dir, to_dir; /* of names */
	char *name, *to_name; /* owned; of a write and a sync: the path, for people */
	bool is_dir;          /* link: what is made; sync: what is synced */
	bool failed;          /* sync */
	uint64_t offset, len; /* write; truncate and allocate: len */
	struct blob *bytes;   /* write; NULL: zeros */
};

void *sim_alloc(size_t count, size_t size); /* zeroed */
void *sim_grow(void *items, uint32_t *cap, uint32_t used, size_t size);
char *sim_strdup(const char *s);

struct blob *blob_new(const void *bytes, size_t len, size_t cap);
struct blob *blob_ref(struct blob *b);
void blob_unref(struct blob *b);

void tree_init(struct tree *t);
void tree_copy(struct tree *to, const struct tree *from);
void tree_deinit(struct tree *t);
/* Sees to it that the node is there. */
void tree_node(struct tree *t, uint32_t node, bool dir);
/* The node of a name, or −1. */
int64_t tree_find(const struct tree *t, uint32_t dir, const char *name);
/* Resolves a path to the directory of its last part and that part's name (`last` of 256 bytes; "" for the root).
 * 0, -ENOENT, -ENOTDIR, -ENAMETOOLONG. */
int tree_resolve(const struct tree *t, const char *path, uint32_t *dir, char last[256]);
/* The node of a path, or a negative errno. */
int64_t tree_lookup(const struct tree *t, const char *path);
void tree_write(struct tree *t, uint32_t node, uint64_t offset, const char *bytes, uint64_t len);
size_t tree_read(const struct tree *t, uint32_t node, uint64_t offset, char *to, size_t len);
void tree_resize(struct tree *t, uint32_t node, uint64_t size);
void tree_link(struct tree *t, uint32_t dir, const char *name, uint32_t node);
/* Removes every name of the node: it has one at most. */
void tree_unlink(struct tree *t, uint32_t node);
bool tree_has_name(const struct tree *t, uint32_t node);
/* Frees the bytes of nodes without a name. */
void tree_sweep(struct tree *t);
/* Does the whole change. */
void tree_apply(struct tree *t, const struct change *c);

struct open_file {
	bool used, readable, writable, locked;
	uint32_t node;
	uint64_t position;
	char *path;
};

/* A file as somebody has mapped it: a copy, which is kept the same. */
struct file_map {
	uint32_t node;
	size_t len;
	char *at; /* owned */
};

struct vdisk {
	pthread_mutex_t lock; /* everything below */
	struct tree base;     /* before the first change; certain */
	struct tree live;     /* as processes see it */
	struct change *log;
	uint32_t log_count, log_cap;
	struct open_file *files;
	uint32_t file_count, file_cap;
	struct file_map *maps;
	uint32_t map_count, map_cap;
	uint64_t capacity;
	int (*before)(void *ctx, enum vdisk_op op, const char *path, size_t *len);
	void *before_ctx;
};

/* ---- vdisk.c ---- */

/* Does a change and records it. Takes what `c` owns. Under the lock, as everything below. */
void sim_change(struct vdisk *d, struct change c);
/* How many bytes more fit. */
uint64_t sim_room(const struct vdisk *d);

/* ---- calls.c ---- */

struct disk;
extern const struct disk sim_calls;

/* The open file of a descriptor, or NULL. */
struct open_file *sim_file(const struct vdisk *d, int fd);
int sim_open(struct vdisk *d, const char *path, int flags);
int sim_close(struct vdisk *d, int fd);
/* At the descriptor's position when `offset` is negative. */
ssize_t sim_write(struct vdisk *d, int fd, const char *from, size_t len, int64_t offset);
int sim_make_dir(struct vdisk *d, const char *path);
int sim_unlink(struct vdisk *d, const char *path);

#endif
