/* The tree: nodes, names, bytes. No thread, no record, no doubt: what a change does when it happens. */
#include "tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *sim_alloc(size_t count, size_t size)
{
	void *at = calloc(count, size);
	if (at == NULL) {
		fprintf(stderr, "sim: out of memory\n");
		abort();
	}
	return at;
}

void *sim_grow(void *items, uint32_t *cap, uint32_t used, size_t size)
{
	if (used < *cap)
		return items;
	*cap = *cap == 0 ? 16 : *cap * 2;
	items = realloc(items, *cap * size);
	if (items == NULL) {
		fprintf(stderr, "sim: out of memory\n");
		abort();
	}
	return items;
}

char *sim_strdup(const char *s)
{
	size_t len = strlen(s) + 1;
	return memcpy(sim_alloc(1, len), s, len);
}

struct blob *blob_new(const void *bytes, size_t len, size_t cap)
{
	struct blob *b = sim_alloc(1, sizeof *b + cap);
	atomic_init(&b->refs, 1);
	b->cap = cap;
	if (len > 0)
		memcpy(b->bytes, bytes, len);
	return b;
}

struct blob *blob_ref(struct blob *b)
{
	if (b != NULL)
		atomic_fetch_add(&b->refs, 1);
	return b;
}

void blob_unref(struct blob *b)
{
	if (b != NULL && atomic_fetch_sub(&b->refs, 1) == 1)
		free(b);
}

/* ---- nodes ---- */

void tree_node(struct tree *t, uint32_t node, bool dir)
{
	while (t->count <= node) {
		t->nodes = sim_grow(t->nodes, &t->cap, t->count, sizeof *t->nodes);
		t->nodes[t->count++] = (struct node){0};
	}
	t->nodes[node].dir = dir;
}

void tree_init(struct tree *t)
{
	*t = (struct tree){0};
	tree_node(t, ROOT, true);
}

void tree_copy(struct tree *to, const struct tree *from)
{
	*to = (struct tree){0};
	for (uint32_t i = 0; i < from->count; i++) {
		tree_node(to, i, from->nodes[i].dir);
		to->nodes[i].size = from->nodes[i].size;
		to->nodes[i].data = blob_ref(from->nodes[i].data);
	}
	for (uint32_t i = 0; i < from->entry_count; i++)
		tree_link(to, from->entries[i].dir, from->entries[i].name, from->entries[i].node);
}

void tree_deinit(struct tree *t)
{
	for (uint32_t i = 0; i < t->count; i++)
		blob_unref(t->nodes[i].data);
	for (uint32_t i = 0; i < t->entry_count; i++)
		free(t->entries[i].name);
	free(t->nodes);
	free(t->entries);
	*t = (struct tree){0};
}

/* The node's bytes, its own and at least `need` of them. */
static char *own_bytes(struct node *n, uint64_t need)
{
	struct blob *b = n->data;
	if (b != NULL && b->cap >= need && atomic_load(&b->refs) == 1)
		return b->bytes;
	size_t cap = need < 4096 ? 4096 : need;
	if (b != NULL && b->cap < need && cap < b->cap * 2)
		cap = b->cap * 2;
	if (b != NULL && cap < b->cap)
		cap = b->cap;
	n->data = blob_new(b != NULL ? b->bytes : NULL, b != NULL ? b->cap : 0, cap);
	blob_unref(b);
	return n->data->bytes;
}

void tree_write(struct tree *t, uint32_t node, uint64_t offset, const char *bytes, uint64_t len)
{
	struct node *n = &t->nodes[node];
	if (bytes != NULL) {
		memcpy(own_bytes(n, offset + len) + offset, bytes, len);
	} else if (n->data != NULL && offset < n->data->cap) {
		uint64_t end = offset + len < n->data->cap ? offset + len : n->data->cap;
		memset(own_bytes(n, end) + offset, 0, end - offset);
	}
	if (n->size < offset + len)
		n->size = offset + len;
}

size_t tree_read(const struct tree *t, uint32_t node, uint64_t offset, char *to, size_t len)
{
	const struct node *n = &t->nodes[node];
	if (offset >= n->size)
		return 0;
	if (len > n->size - offset)
		len = n->size - offset;
	size_t stored = n->data != NULL && offset < n->data->cap ? n->data->cap - offset : 0;
	if (stored > len)
		stored = len;
	if (stored > 0)
		memcpy(to, n->data->bytes + offset, stored);
	memset(to + stored, 0, len - stored);
	return len;
}

void tree_resize(struct tree *t, uint32_t node, uint64_t size)
{
	struct node *n = &t->nodes[node];
	if (size == 0) {
		blob_unref(n->data);
		n->data = NULL;
	} else if (size < n->size) {
		tree_write(t, node, size, NULL, n->size - size);
	}
	n->size = size;
}

/* ---- names ---- */

int64_t tree_find(const struct tree *t, uint32_t dir, const char *name)
{
	for (uint32_t i = 0; i < t->entry_count; i++) {
		if (t->entries[i].dir == dir && strcmp(t->entries[i].name, name) == 0)
			return i;
	}
	return -1;
}

static void drop_entry(struct tree *t, uint32_t i)
{
	free(t->entries[i].name);
	t->entries[i] = t->entries[--t->entry_count];
}

void tree_link(struct tree *t, uint32_t dir, const char *name, uint32_t node)
{
	int64_t at = tree_find(t, dir, name);
	if (at >= 0)
		drop_entry(t, (uint32_t)at);
	t->entries = sim_grow(t->entries, &t->entry_cap, t->entry_count, sizeof *t->entries);
	t->entries[t->entry_count++] = (struct entry){dir, node, sim_strdup(name)};
}

void tree_unlink(struct tree *t, uint32_t node)
{
	for (uint32_t i = t->entry_count; i-- > 0;) {
		if (t->entries[i].node == node)
			drop_entry(t, i);
	}
}

bool tree_has_name(const struct tree *t, uint32_t node)
{
	for (uint32_t i = 0; i < t->entry_count; i++) {
		if (t->entries[i].node == node)
			return true;
	}
	return false;
}

void tree_sweep(struct tree *t)
{
	for (uint32_t i = 0; i < t->count; i++) {
		if (t->nodes[i].data != NULL && !tree_has_name(t, i))
			tree_resize(t, i, 0);
	}
}

int tree_resolve(const struct tree *t, const char *path, uint32_t *dir, char last[256])
{
	*dir = ROOT;
	last[0] = '\0';
	if (*path == '\0')
		return -ENOENT;
	for (;;) {
		path += strspn(path, "/");
		size_t len = strcspn(path, "/");
		if (len == 0)
			return 0;
		if (len >= 256)
			return -ENAMETOOLONG;
		if (len == 1 && path[0] == '.') {
			path += len;
			continue;
		}
		if (last[0] != '\0') { /* there was a part before: it has to be a directory */
			int64_t at = tree_find(t, *dir, last);
			if (at < 0)
				return -ENOENT;
			*dir = t->entries[at].node;
			if (!t->nodes[*dir].dir)
				return -ENOTDIR;
		}
		memcpy(last, path, len);
		last[len] = '\0';
		path += len;
	}
}

int64_t tree_lookup(const struct tree *t, const char *path)
{
	uint32_t dir;
	char last[256];
	int code = tree_resolve(t, path, &dir, last);
	if (code != 0)
		return code;
	if (last[0] == '\0')
		return ROOT;
	int64_t at = tree_find(t, dir, last);
	return at < 0 ? -ENOENT : (int64_t)t->entries[at].node;
}

void tree_apply(struct tree *t, const struct change *c)
{
	switch (c->kind) {
	case CHANGE_WRITE:
		tree_write(t, c->node, c->offset, c->bytes != NULL ? c->bytes->bytes : NULL, c->len);
		return;
	case CHANGE_TRUNCATE:
		tree_resize(t, c->node, c->len);
		return;
	case CHANGE_ALLOCATE:
		if (t->nodes[c->node].size < c->len)
			tree_resize(t, c->node, c->len);
		return;
	case CHANGE_SYNC:
		return;
	case CHANGE_LINK:
		tree_node(t, c->node, c->is_dir);
		tree_link(t, c->dir, c->name, c->node);
		return;
	case CHANGE_RENAME:
		tree_unlink(t, c->node);
		tree_link(t, c->to_dir, c->to_name, c->node);
		return;
	case CHANGE_UNLINK:
		tree_unlink(t, c->node);
		return;
	}
}
