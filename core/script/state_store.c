/* See state_store.h. A state is an array of entries in the order of their creation, an index by key and a heap by time of expiry. Removed
 * entries leave gaps, which are closed when they are half of the array. */
#include "script/state_store.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/table.h"

enum {
	NOT_QUEUED = 0xffffffffu,
	GAP = 0xffffffffu, /* as key_len: a removed entry */
	KEY_INLINE = 24
};

/* 64 bytes: with a short key an entry is one place in memory. */
struct state_entry {
	union {
		char inline_key[KEY_INLINE]; /* up to KEY_INLINE bytes */
		char *long_key;              /* owned */
	};
	union {
		double number; /* STATE_NUMBER */
		char *text;    /* STATE_STRING; owned */
	};
	uint64_t hash;
	int64_t expires_ns;
	uint32_t key_len;
	uint32_t text_len;
	uint32_t queued; /* place in the heap, NOT_QUEUED */
	enum state_type type;
};
_Static_assert(sizeof(struct state_entry) == 64, "an entry is a cache line");

/* The heap's order is by `due_ns`, which is never later than the entry's own time: an entry that is set again with a later time stays
 * where it is, and moves when its turn comes. */
struct state_due {
	int64_t due_ns;
	uint32_t entry;
};

struct state {
	struct state_store *store;
	struct slice name;           /* owned */
	struct state_entry *entries; /* owned */
	uint32_t used;               /* entries and gaps */
	uint32_t count;
	size_t cap;
	struct state_due *heap; /* owned */
	uint32_t heap_len;
	size_t heap_cap;
	struct table index;
};

struct state_store {
	struct state **states; /* owned, in the order of creation */
	uint32_t count;
	size_t cap;
	uint64_t used, max;
	uint64_t generation;
};

struct state_store *state_store_new(uint64_t max)
{
	struct state_store *s = mem_zalloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->max = max;
	s->generation = 1;
	return s;
}

static struct slice key_of(const struct state_entry *e)
{
	return slice_new(e->key_len <= KEY_INLINE ? e->inline_key : e->long_key, e->key_len);
}

static struct slice text_of_entry(const struct state_entry *e)
{
	return slice_new(e->type == STATE_STRING ? e->text : NULL, e->text_len);
}

static void free_text(struct state_entry *e)
{
	if (e->type == STATE_STRING)
		mem_free(e->text);
}

/* Frees what an entry owns and makes it a gap. */
static void release(struct state_entry *e)
{
	if (e->key_len == GAP)
		return;
	if (e->key_len > KEY_INLINE)
		mem_free(e->long_key);
	free_text(e);
	e->key_len = GAP;
}

static void state_free(struct state *t)
{
	for (uint32_t i = 0; i < t->used; i++)
		release(&t->entries[i]);
	mem_free(t->entries);
	mem_free(t->heap);
	table_deinit(&t->index);
	mem_free((char *)(uintptr_t)t->name.ptr);
	mem_free(t);
}

static void clear(struct state_store *s)
{
	for (uint32_t i = 0; i < s->count; i++)
		state_free(s->states[i]);
	mem_free(s->states);
	s->states = NULL;
	s->count = 0;
	s->cap = 0;
	s->used = 0;
}

void state_store_free(struct state_store *s)
{
	if (s == NULL)
		return;
	clear(s);
	mem_free(s);
}

uint64_t state_store_used(const struct state_store *s)
{
	return s->used;
}

uint64_t state_store_generation(const struct state_store *s)
{
	return s->generation;
}

static struct state *state_new(struct state_store *s, struct slice name)
{
	struct state *t = mem_zalloc(1, sizeof *t);

	if (t == NULL)
		return NULL;
	t->store = s;
	table_init(&t->index);
	t->name = slice_new(mem_strndup(name.ptr, name.len), name.len);
	if (t->name.ptr == NULL) {
		mem_free(t);
		return NULL;
	}
	return t;
}

int state_open(struct state_store *s, struct slice name, struct state **out)
{
	for (uint32_t i = 0; i < s->count; i++) {
		if (slice_eq(s->states[i]->name, name)) {
			*out = s->states[i];
			return 0;
		}
	}
	if (s->count >= STATES_MAX)
		return -ENOSPC;
	void *states = s->states;
	if (mem_grow(&states, &s->cap, s->count, sizeof *s->states) != 0)
		return -ENOMEM;
	s->states = states;
	*out = state_new(s, name);
	if (*out == NULL)
		return -ENOMEM;
	s->states[s->count++] = *out;
	return 0;
}

/* ---- the heap ---- */

static void place(struct state *t, uint32_t at, struct state_due due)
{
	t->heap[at] = due;
	t->entries[due.entry].queued = at;
}

static void sift_up(struct state *t, uint32_t at)
{
	struct state_due due = t->heap[at];

	while (at > 0 && t->heap[(at - 1) / 2].due_ns > due.due_ns) {
		place(t, at, t->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	place(t, at, due);
}

static void sift_down(struct state *t, uint32_t at)
{
	struct state_due due = t->heap[at];

	for (;;) {
		uint32_t child = 2 * at + 1;
		if (child >= t->heap_len)
			break;
		if (child + 1 < t->heap_len && t->heap[child + 1].due_ns < t->heap[child].due_ns)
			child++;
		if (t->heap[child].due_ns >= due.due_ns)
			break;
		place(t, at, t->heap[child]);
		at = child;
	}
	place(t, at, due);
}

static void unqueue(struct state *t, struct state_entry *e)
{
	uint32_t at = e->queued;

	if (at == NOT_QUEUED)
		return;
	e->queued = NOT_QUEUED;
	struct state_due last = t->heap[--t->heap_len];
	if (at == t->heap_len)
		return;
	place(t, at, last);
	sift_down(t, at);
	sift_up(t, t->entries[last.entry].queued);
}

/* The heap has room. */
static void queue(struct state *t, uint32_t entry, int64_t expires_ns)
{
	struct state_entry *e = &t->entries[entry];
	bool later = expires_ns >= e->expires_ns;

	e->expires_ns = expires_ns;
	if (e->queued != NOT_QUEUED && later && expires_ns != INT64_MAX)
		return; /* the heap need not know yet */
	if (expires_ns == INT64_MAX) {
		unqueue(t, e);
	} else if (e->queued == NOT_QUEUED) {
		t->heap[t->heap_len] = (struct state_due){expires_ns, entry};
		sift_up(t, t->heap_len++);
	} else if (expires_ns < t->heap[e->queued].due_ns) {
		t->heap[e->queued].due_ns = expires_ns;
		sift_up(t, e->queued);
	}
}

/* ---- entries ---- */

struct wanted {
	struct slice key;
	uint64_t hash;
};

static bool same_key(const void *ctx, const void *key, uint32_t item)
{
	const struct state_entry *e = &((const struct state *)ctx)->entries[item];
	const struct wanted *w = key;

	return e->hash == w->hash && slice_eq(key_of(e), w->key);
}

static struct state_entry *find(const struct state *t, struct slice key)
{
	struct wanted w = {key, hash_bytes(key.ptr, key.len, hash_seed())};
	uint32_t i = table_find(&t->index, w.hash, same_key, t, &w);

	return i == TABLE_NONE ? NULL : &t->entries[i];
}

static uint64_t bill(size_t key_len, size_t text_len)
{
	return STATE_ENTRY_BYTES + key_len + text_len;
}

/* Closes the gaps. Nothing is allocated: the index has room for what it had. */
static void compact(struct state *t)
{
	uint32_t to = 0;

	table_clear(&t->index);
	for (uint32_t i = 0; i < t->used; i++) {
		if (t->entries[i].key_len == GAP)
			continue;
		t->entries[to] = t->entries[i];
		if (t->entries[to].queued != NOT_QUEUED)
			t->heap[t->entries[to].queued].entry = to;
		table_add(&t->index, t->entries[to].hash, to);
		to++;
	}
	t->used = to;
}

static void remove_entry(struct state *t, struct state_entry *e)
{
	t->store->used -= bill(e->key_len, e->text_len);
	unqueue(t, e);
	table_remove(&t->index, e->hash, (uint32_t)(e - t->entries));
	release(e);
	t->count--;
	if (t->used >= 16 && t->count < t->used / 2)
		compact(t);
}

void state_expire(struct state *t, int64_t now_ns)
{
	while (t->heap_len > 0 && t->heap[0].due_ns <= now_ns) {
		struct state_entry *e = &t->entries[t->heap[0].entry];
		if (e->expires_ns <= now_ns) {
			remove_entry(t, e);
			continue;
		}
		t->heap[0].due_ns = e->expires_ns;
		sift_down(t, 0);
	}
}

void state_store_expire(struct state_store *s, int64_t now_ns)
{
	for (uint32_t i = 0; i < s->count; i++)
		state_expire(s->states[i], now_ns);
}

bool state_get(const struct state *t, struct slice key, struct state_value *out)
{
	const struct state_entry *e = find(t, key);

	if (e == NULL)
		return false;
	*out = (struct state_value){e->type, e->type == STATE_NUMBER ? e->number : 0, text_of_entry(e)};
	return true;
}

int64_t state_expires(const struct state *t, struct slice key)
{
	const struct state_entry *e = find(t, key);

	return e == NULL ? INT64_MAX : e->expires_ns;
}

static int reserve_heap(struct state *t)
{
	void *heap = t->heap;
	int rc = mem_grow(&heap, &t->heap_cap, t->heap_len, sizeof *t->heap);

	if (rc == 0)
		t->heap = heap;
	return rc;
}

/* Makes room for one more entry in array, heap and index. */
static int reserve(struct state *t)
{
	void *entries = t->entries;
	int rc = mem_grow(&entries, &t->cap, t->used, sizeof *t->entries);

	if (rc != 0)
		return rc;
	t->entries = entries;
	rc = reserve_heap(t);
	return rc == 0 ? table_reserve(&t->index, t->count + 1) : rc;
}

/* Takes over a value; `text` is its text, to be owned. */
static void put_value(struct state_entry *e, const struct state_value *v, char *text)
{
	e->type = v->type;
	e->text_len = (uint32_t)v->text.len;
	if (v->type == STATE_STRING)
		e->text = text;
	else
		e->number = v->number;
}

static bool put_key(struct state_entry *e, struct slice key)
{
	e->key_len = (uint32_t)key.len;
	if (key.len <= KEY_INLINE) {
		memcpy(e->inline_key, key.ptr, key.len);
		return true;
	}
	e->long_key = mem_strndup(key.ptr, key.len);
	return e->long_key != NULL;
}

/* There is room, and the key is new. Takes `text`. 0 or -ENOMEM. */
static int add(struct state *t, struct slice key, const struct state_value *v, char *text, int64_t expires_ns)
{
	uint64_t hash = hash_bytes(key.ptr, key.len, hash_seed());
	struct state_entry *e = &t->entries[t->used];

	*e = (struct state_entry){.hash = hash, .queued = NOT_QUEUED};
	if (!put_key(e, key))
		return -ENOMEM;
	put_value(e, v, text);
	table_add(&t->index, hash, t->used);
	t->count++;
	queue(t, t->used++, expires_ns);
	return 0;
}

/* The key is new. 1, or -ENOMEM. */
static int set_new(struct state *t, struct slice key, const struct state_value *v, char *text, int64_t expires_ns)
{
	if (reserve(t) != 0 || add(t, key, v, text, expires_ns) != 0)
		return -ENOMEM;
	return 1;
}

/* The entry is there. 0, or -ENOMEM. */
static int set_again(struct state *t, struct state_entry *e, const struct state_value *v, char *text,
                     int64_t expires_ns)
{
	if (expires_ns != INT64_MAX && e->queued == NOT_QUEUED && reserve_heap(t) != 0)
		return -ENOMEM;
	free_text(e);
	put_value(e, v, text);
	queue(t, (uint32_t)(e - t->entries), expires_ns);
	return 0;
}

int state_set(struct state *t, struct slice key, const struct state_value *v, int64_t expires_ns)
{
	struct state_entry *e = find(t, key);
	uint64_t had = e == NULL ? 0 : bill(e->key_len, e->text_len);
	uint64_t wanted = bill(key.len, v->text.len);
	char *text = NULL;

	if (t->store->used - had + wanted > t->store->max)
		return -ENOSPC;
	if (v->type == STATE_STRING) {
		text = mem_strndup(v->text.ptr, v->text.len);
		if (text == NULL)
			return -ENOMEM;
	}
	int rc = e == NULL ? set_new(t, key, v, text, expires_ns) : set_again(t, e, v, text, expires_ns);
	if (rc < 0)
		mem_free(text);
	else
		t->store->used += wanted - had;
	return rc;
}

bool state_remove(struct state *t, struct slice key)
{
	struct state_entry *e = find(t, key);

	if (e == NULL)
		return false;
	remove_entry(t, e);
	return true;
}

uint32_t state_count(const struct state *t)
{
	return t->count;
}

bool state_next(const struct state *t, uint32_t *at, struct slice *key)
{
	while (*at < t->used) {
		const struct state_entry *e = &t->entries[(*at)++];
		if (e->key_len == GAP)
			continue;
		*key = key_of(e);
		return true;
	}
	return false;
}

/* ---- on disk ---- */

static void save_entry(const struct state_entry *e, struct buf *out)
{
	bytes_put_slice(out, key_of(e));
	buf_byte(out, (char)e->type);
	if (e->type == STATE_NUMBER)
		bytes_put_double(out, e->number);
	else if (e->type == STATE_STRING)
		bytes_put_slice(out, text_of_entry(e));
	bytes_put_u64(out, (uint64_t)e->expires_ns);
}

int state_store_save(const struct state_store *s, struct buf *out)
{
	bytes_put_u32(out, s->count);
	for (uint32_t i = 0; i < s->count; i++) {
		const struct state *t = s->states[i];
		bytes_put_slice(out, t->name);
		bytes_put_u32(out, t->count);
		for (uint32_t k = 0; k < t->used; k++) {
			if (t->entries[k].key_len != GAP)
				save_entry(&t->entries[k], out);
		}
	}
	return buf_failed(out) ? -ENOMEM : 0;
}

static bool load_value(struct slice *in, struct state_value *v)
{
	uint8_t type;

	*v = (struct state_value){0};
	if (!bytes_get_u8(in, &type))
		return false;
	v->type = type;
	switch (type) {
	case STATE_NUMBER:
		return bytes_get_double(in, &v->number) && v->number == v->number;
	case STATE_STRING:
		return bytes_get_slice(in, &v->text) && v->text.len <= STATE_TEXT_MAX;
	case STATE_FALSE:
	case STATE_TRUE:
		return true;
	default:
		return false;
	}
}

static int load_entry(struct state *t, struct slice *in, struct error *err)
{
	struct slice key;
	struct state_value v;
	uint64_t expires;

	if (!bytes_get_slice(in, &key) || key.len > STATE_KEY_MAX || !load_value(in, &v) ||
	    !bytes_get_u64(in, &expires))
		return error_set(err, -EBADMSG, "an entry of the state \"%.*s\" is damaged", SLICE_ARG(t->name));
	int rc = state_set(t, key, &v, (int64_t)expires);
	if (rc == -ENOMEM)
		return error_set(err, rc, "out of memory for states");
	return rc == 1 ? 0 : error_set(err, -EBADMSG, "the state \"%.*s\" holds a key twice", SLICE_ARG(t->name));
}

static int load_state(struct state_store *s, struct slice *in, struct error *err)
{
	struct slice name;
	struct state *t;
	uint32_t had = s->count;
	uint32_t count;

	if (!bytes_get_slice(in, &name) || name.len > STATE_KEY_MAX || !bytes_get_u32(in, &count))
		return error_set(err, -EBADMSG, "the saved states end early");
	int rc = state_open(s, name, &t);
	if (rc == -ENOMEM)
		return error_set(err, rc, "out of memory for states");
	if (rc != 0 || s->count == had)
		return error_set(err, -EBADMSG, "the state \"%.*s\" is there twice, or one too many", SLICE_ARG(name));
	for (uint32_t i = 0; i < count && rc == 0; i++)
		rc = load_entry(t, in, err);
	return rc;
}

int state_store_load(struct state_store *s, struct slice saved, struct error *err)
{
	struct state_store fresh = {.max = UINT64_MAX, .generation = s->generation + 1};
	uint32_t count = 0;
	int rc = 0;

	if (!bytes_get_u32(&saved, &count))
		rc = error_set(err, -EBADMSG, "the saved states end early");
	for (uint32_t i = 0; i < count && rc == 0; i++)
		rc = load_state(&fresh, &saved, err);
	if (rc == 0 && saved.len != 0)
		rc = error_set(err, -EBADMSG, "%zu bytes behind the saved states", saved.len);
	if (rc != 0) {
		clear(&fresh);
		return rc;
	}
	clear(s);
	fresh.max = s->max; /* a limit that was lowered meanwhile refuses growth, not what is there */
	*s = fresh;
	for (uint32_t i = 0; i < s->count; i++)
		s->states[i]->store = s;
	return 0;
}
