/* The head's index, see head_index.h. */
#include "tsdb/head_index.h"

#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"
#include "record/labels.h"

enum { MAP_SLOTS_MIN = 64, LIST_MIN = 2 };

/* What a map points to begins with its hash. */
struct entry {
	uint64_t hash;
};

struct pointer_map {
	uint64_t mask; /* slots − 1 */
	uint64_t used; /* the writer's */
	_Atomic(struct entry *) slots[];
};

struct label_pair;

struct label_name {
	struct entry entry;
	_Atomic(struct label_pair *) first; /* newest first */
	uint32_t len;
	char bytes[];
};

struct label_pair {
	struct entry entry;
	struct label_name *name;
	_Atomic(struct label_pair *) next;
	_Atomic(struct number_list *) list;
	uint32_t removal; /* the writer's: the last one that took numbers out of `list` */
	uint32_t len;
	char bytes[]; /* the value */
};

/* ---- the maps ---- */

struct wanted {
	uint64_t hash;
	const struct label_name *name; /* of a pair; NULL: a name is sought */
	struct slice bytes;
};

static bool is_wanted(const struct entry *entry, const struct wanted *w)
{
	if (entry->hash != w->hash)
		return false;
	if (w->name == NULL) {
		const struct label_name *name = (const struct label_name *)entry;
		return slice_eq(slice_new(name->bytes, name->len), w->bytes);
	}
	const struct label_pair *pair = (const struct label_pair *)entry;
	return pair->name == w->name && slice_eq(slice_new(pair->bytes, pair->len), w->bytes);
}

static struct entry *map_find(const struct pointer_map *map, const struct wanted *w)
{
	for (uint64_t i = w->hash & map->mask;; i = (i + 1) & map->mask) {
		struct entry *entry = atomic_load_explicit(&map->slots[i], memory_order_acquire);
		if (entry == NULL || is_wanted(entry, w))
			return entry;
	}
}

static struct pointer_map *map_new(uint64_t slots)
{
	struct pointer_map *map = mem_zalloc(1, sizeof *map + slots * sizeof map->slots[0]);
	if (map != NULL)
		map->mask = slots - 1;
	return map;
}

static void map_put(struct pointer_map *map, struct entry *entry)
{
	uint64_t i = entry->hash & map->mask;
	while (atomic_load_explicit(&map->slots[i], memory_order_relaxed) != NULL)
		i = (i + 1) & map->mask;
	atomic_store_explicit(&map->slots[i], entry, memory_order_release);
	map->used++;
}

static uint64_t map_bytes(const struct pointer_map *map)
{
	return sizeof *map + (map->mask + 1) * sizeof map->slots[0];
}

/* Replaces a map by one of `slots` with the entries that `keep` wants (NULL: all). There is room for one retirement. */
static int map_rebuild(struct head_index *ix, _Atomic(struct pointer_map *) *at, uint64_t slots,
                       bool (*keep)(const struct entry *entry))
{
	struct pointer_map *old = atomic_load_explicit(at, memory_order_relaxed);
	struct pointer_map *map = map_new(slots);
	if (map == NULL)
		return -ENOMEM;
	for (uint64_t i = 0; i <= old->mask; i++) {
		struct entry *entry = atomic_load_explicit(&old->slots[i], memory_order_relaxed);
		if (entry != NULL && (keep == NULL || keep(entry)))
			map_put(map, entry);
	}
	ix->bytes += map_bytes(map) - map_bytes(old);
	atomic_store_explicit(at, map, memory_order_release);
	epoch_retire(ix->epochs, old, mem_free);
	return 0;
}

/* Room for one more entry: at most half of the slots are used. */
static int map_grow(struct head_index *ix, _Atomic(struct pointer_map *) *at)
{
	struct pointer_map *map = atomic_load_explicit(at, memory_order_relaxed);
	if ((map->used + 1) * 2 <= map->mask + 1)
		return 0;
	int code = epoch_reserve(ix->epochs, 1);
	return code != 0 ? code : map_rebuild(ix, at, (map->mask + 1) * 2, NULL);
}

/* ---- lists of numbers ---- */

static uint64_t list_bytes(const struct number_list *list)
{
	return sizeof *list + list->capacity * sizeof list->numbers[0];
}

static struct number_list *list_new(uint32_t capacity)
{
	struct number_list *list = mem_alloc(sizeof *list + capacity * sizeof list->numbers[0]);
	if (list == NULL)
		return NULL;
	atomic_init(&list->count, 0);
	list->capacity = capacity;
	return list;
}

/* Room for one more number. */
static int list_grow(struct head_index *ix, _Atomic(struct number_list *) *at)
{
	struct number_list *old = atomic_load_explicit(at, memory_order_relaxed);
	uint32_t count = atomic_load_explicit(&old->count, memory_order_relaxed);
	if (count < old->capacity)
		return 0;
	int code = epoch_reserve(ix->epochs, 1);
	if (code != 0)
		return code;
	/* By half: most labels' lists are short, and the long ones are what memory goes into. */
	struct number_list *list = list_new(old->capacity + old->capacity / 2 + 1);
	if (list == NULL)
		return -ENOMEM;
	memcpy(list->numbers, old->numbers, count * sizeof old->numbers[0]);
	atomic_store_explicit(&list->count, count, memory_order_relaxed);
	ix->bytes += list_bytes(list) - list_bytes(old);
	atomic_store_explicit(at, list, memory_order_release);
	epoch_retire(ix->epochs, old, mem_free);
	return 0;
}

static void list_push(_Atomic(struct number_list *) *at, uint32_t number)
{
	struct number_list *list = atomic_load_explicit(at, memory_order_relaxed);
	uint32_t count = atomic_load_explicit(&list->count, memory_order_relaxed);
	CHECK(count < list->capacity && (count == 0 || list->numbers[count - 1] < number));
	list->numbers[count] = number;
	atomic_store_explicit(&list->count, count + 1, memory_order_release);
}

static struct postings list_postings(_Atomic(struct number_list *) *at)
{
	struct number_list *list = atomic_load_explicit(at, memory_order_acquire);
	return (struct postings){list->numbers, atomic_load_explicit(&list->count, memory_order_acquire)};
}

/* Replaces a list by one without these numbers. 0 or -ENOMEM. */
static int list_subtract(struct head_index *ix, _Atomic(struct number_list *) *at, struct postings without)
{
	struct number_list *old = atomic_load_explicit(at, memory_order_relaxed);
	uint32_t had = atomic_load_explicit(&old->count, memory_order_relaxed);
	int code = epoch_reserve(ix->epochs, 1);
	struct number_list *list = code == 0 ? list_new(had < LIST_MIN ? LIST_MIN : had) : NULL;
	if (list == NULL)
		return -ENOMEM;
	uint32_t count = 0;
	for (uint32_t i = 0, gone = 0; i < had; i++) {
		while (gone < without.count && without.numbers[gone] < old->numbers[i])
			gone++;
		if (gone == without.count || without.numbers[gone] != old->numbers[i])
			list->numbers[count++] = old->numbers[i];
	}
	atomic_store_explicit(&list->count, count, memory_order_relaxed);
	ix->bytes += list_bytes(list) - list_bytes(old);
	atomic_store_explicit(at, list, memory_order_release);
	epoch_retire(ix->epochs, old, mem_free);
	return 0;
}

/* ---- life ---- */

int head_index_init(struct head_index *ix, struct epochs *epochs)
{
	struct pointer_map *names = map_new(MAP_SLOTS_MIN);
	struct pointer_map *pairs = map_new(MAP_SLOTS_MIN);
	struct number_list *all = list_new(LIST_MIN);
	ix->epochs = epochs;
	atomic_init(&ix->names, names);
	atomic_init(&ix->pairs, pairs);
	atomic_init(&ix->all, all);
	ix->removal = 0;
	ix->bytes = 0;
	if (names == NULL || pairs == NULL || all == NULL)
		return -ENOMEM;
	ix->bytes = map_bytes(names) + map_bytes(pairs) + list_bytes(all);
	return 0;
}

void head_index_deinit(struct head_index *ix)
{
	struct pointer_map *pairs = atomic_load(&ix->pairs);
	for (uint64_t i = 0; pairs != NULL && i <= pairs->mask; i++) {
		struct label_pair *pair = (struct label_pair *)atomic_load(&pairs->slots[i]);
		if (pair != NULL)
			mem_free(atomic_load(&pair->list));
		mem_free(pair);
	}
	struct pointer_map *names = atomic_load(&ix->names);
	for (uint64_t i = 0; names != NULL && i <= names->mask; i++)
		mem_free(atomic_load(&names->slots[i]));
	mem_free(pairs);
	mem_free(names);
	mem_free(atomic_load(&ix->all));
}

/* ---- adding ---- */

static struct label_name *find_name(struct head_index *ix, struct slice name)
{
	struct wanted w = {hash_bytes(name.ptr, name.len, hash_seed()), NULL, name};
	return (struct label_name *)map_find(atomic_load_explicit(&ix->names, memory_order_acquire), &w);
}

static struct label_pair *find_pair(struct head_index *ix, const struct label_name *name, struct slice value)
{
	struct wanted w = {hash_bytes(value.ptr, value.len, name->entry.hash), name, value};
	return (struct label_pair *)map_find(atomic_load_explicit(&ix->pairs, memory_order_acquire), &w);
}

static struct label_name *make_name(struct head_index *ix, struct slice bytes)
{
	struct label_name *name = find_name(ix, bytes);
	if (name != NULL)
		return name;
	if (map_grow(ix, &ix->names) != 0)
		return NULL;
	name = mem_zalloc(1, sizeof *name + bytes.len);
	if (name == NULL)
		return NULL;
	name->entry.hash = hash_bytes(bytes.ptr, bytes.len, hash_seed());
	name->len = (uint32_t)bytes.len;
	memcpy(name->bytes, bytes.ptr, bytes.len);
	map_put(atomic_load_explicit(&ix->names, memory_order_relaxed), &name->entry);
	ix->bytes += sizeof *name + bytes.len;
	return name;
}

/* The pair, made where there is none, with room for one more number; NULL when memory is out. One that was made and gets no number goes with the next removal. */
static struct label_pair *ready_pair(struct head_index *ix, struct slice name_bytes, struct slice value)
{
	struct label_name *name = make_name(ix, name_bytes);
	if (name == NULL)
		return NULL;
	struct label_pair *pair = find_pair(ix, name, value);
	if (pair != NULL)
		return list_grow(ix, &pair->list) == 0 ? pair : NULL;
	if (map_grow(ix, &ix->pairs) != 0)
		return NULL;
	struct number_list *list = list_new(LIST_MIN);
	pair = mem_zalloc(1, sizeof *pair + value.len);
	if (list == NULL || pair == NULL) {
		mem_free(list);
		mem_free(pair);
		return NULL;
	}
	pair->entry.hash = hash_bytes(value.ptr, value.len, name->entry.hash);
	pair->name = name;
	pair->len = (uint32_t)value.len;
	memcpy(pair->bytes, value.ptr, value.len);
	atomic_init(&pair->list, list);
	atomic_init(&pair->next, atomic_load_explicit(&name->first, memory_order_relaxed));
	ix->bytes += sizeof *pair + value.len + list_bytes(list);
	map_put(atomic_load_explicit(&ix->pairs, memory_order_relaxed), &pair->entry);
	atomic_store_explicit(&name->first, pair, memory_order_release);
	return pair;
}

int head_index_add(struct head_index *ix, uint32_t number, struct slice labels)
{
	struct label_pair *pairs[LABELS_MAX];
	uint32_t count = 0;
	int code = list_grow(ix, &ix->all);
	if (code != 0)
		return code;
	for (struct label l; labels_next(&labels, &l);) {
		CHECK(count < LABELS_MAX);
		pairs[count] = ready_pair(ix, l.name, l.value);
		if (pairs[count++] == NULL)
			return -ENOMEM;
	}
	for (uint32_t i = 0; i < count; i++)
		list_push(&pairs[i]->list, number);
	list_push(&ix->all, number);
	return 0;
}

/* ---- removing ---- */

static bool pair_is_empty(const struct label_pair *pair)
{
	struct number_list *list = atomic_load_explicit(&pair->list, memory_order_relaxed);
	return atomic_load_explicit(&list->count, memory_order_relaxed) == 0;
}

static bool keep_pair(const struct entry *entry)
{
	return !pair_is_empty((const struct label_pair *)entry);
}

static bool keep_name(const struct entry *entry)
{
	return atomic_load_explicit(&((const struct label_name *)entry)->first, memory_order_relaxed) != NULL;
}

/* Takes the numbers out of the lists of one series' labels, each list once. */
static int subtract_labels(struct head_index *ix, struct slice labels, struct postings numbers)
{
	for (struct label l; labels_next(&labels, &l);) {
		struct label_name *name = find_name(ix, l.name);
		struct label_pair *pair = name == NULL ? NULL : find_pair(ix, name, l.value);
		if (pair == NULL || pair->removal == ix->removal)
			continue;
		int code = list_subtract(ix, &pair->list, numbers);
		if (code != 0)
			return code;
		pair->removal = ix->removal;
	}
	return 0;
}

/* Takes the empty pairs off a name's list. A reader that stands on one goes on along its `next`, which stays. */
static void unlink_empty(struct label_name *name)
{
	_Atomic(struct label_pair *) *at = &name->first;
	for (struct label_pair *pair; (pair = atomic_load_explicit(at, memory_order_relaxed)) != NULL;) {
		if (pair_is_empty(pair))
			atomic_store_explicit(at, atomic_load_explicit(&pair->next, memory_order_relaxed),
			                      memory_order_release);
		else
			at = &pair->next;
	}
}

static void unlink_all_empty(struct head_index *ix)
{
	struct pointer_map *names = atomic_load_explicit(&ix->names, memory_order_relaxed);
	for (uint64_t i = 0; i <= names->mask; i++) {
		struct entry *entry = atomic_load_explicit(&names->slots[i], memory_order_relaxed);
		if (entry != NULL)
			unlink_empty((struct label_name *)entry);
	}
}

/* Retires what a map that is about to be rebuilt will not keep. */
static void retire_entries(struct head_index *ix, const struct pointer_map *map,
                           bool (*keep)(const struct entry *entry), bool are_pairs)
{
	for (uint64_t i = 0; i <= map->mask; i++) {
		struct entry *entry = atomic_load_explicit(&map->slots[i], memory_order_relaxed);
		if (entry == NULL || keep(entry))
			continue;
		if (are_pairs) {
			struct label_pair *pair = (struct label_pair *)entry;
			struct number_list *list = atomic_load_explicit(&pair->list, memory_order_relaxed);
			ix->bytes -= sizeof *pair + pair->len + list_bytes(list);
			epoch_retire(ix->epochs, list, mem_free);
		} else {
			ix->bytes -= sizeof(struct label_name) + ((struct label_name *)entry)->len;
		}
		epoch_retire(ix->epochs, entry, mem_free);
	}
}

static uint64_t count_unkept(const struct pointer_map *map, bool (*keep)(const struct entry *entry))
{
	uint64_t count = 0;
	for (uint64_t i = 0; i <= map->mask; i++) {
		const struct entry *entry = atomic_load_explicit(&map->slots[i], memory_order_relaxed);
		count += entry != NULL && !keep(entry);
	}
	return count;
}

/* Slots for what a map keeps. */
static uint64_t map_slots(uint64_t used)
{
	uint64_t slots = MAP_SLOTS_MIN;
	while (used * 2 > slots)
		slots *= 2;
	return slots;
}

/* Rebuilds a map without what it is not to keep, which is retired. 0, or -ENOMEM with nothing changed. */
static int map_sweep(struct head_index *ix, _Atomic(struct pointer_map *) *at, bool (*keep)(const struct entry *entry),
                     bool are_pairs)
{
	struct pointer_map *map = atomic_load_explicit(at, memory_order_relaxed);
	uint64_t gone = count_unkept(map, keep);
	if (gone == 0)
		return 0;
	int code = epoch_reserve(ix->epochs, 2 * gone + 1);
	if (code != 0)
		return code;
	/* The new map first: it is what can fail. The old one can still be read, being retired only. */
	code = map_rebuild(ix, at, map_slots(map->used - gone), keep);
	if (code != 0)
		return code;
	if (are_pairs)
		unlink_all_empty(ix);
	retire_entries(ix, map, keep, are_pairs);
	return 0;
}

int head_index_remove(struct head_index *ix, struct postings numbers,
                      struct slice (*labels_of)(void *ctx, uint32_t number), void *ctx)
{
	ix->removal++;
	for (uint32_t i = 0; i < numbers.count; i++) {
		int code = subtract_labels(ix, labels_of(ctx, numbers.numbers[i]), numbers);
		if (code != 0)
			return code;
	}
	int code = list_subtract(ix, &ix->all, numbers);
	if (code != 0)
		return code;
	code = map_sweep(ix, &ix->pairs, keep_pair, true);
	return code != 0 ? code : map_sweep(ix, &ix->names, keep_name, false);
}

/* ---- reading ---- */

struct postings head_index_equal(void *ctx, struct slice name_bytes, struct slice value)
{
	struct head_index *ix = ctx;
	struct label_name *name = find_name(ix, name_bytes);
	struct label_pair *pair = name == NULL ? NULL : find_pair(ix, name, value);
	return pair == NULL ? (struct postings){NULL, 0} : list_postings(&pair->list);
}

struct postings head_index_all(void *ctx)
{
	struct head_index *ix = ctx;
	return list_postings(&ix->all);
}

static int compare_slices(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;
	size_t len = x->len < y->len ? x->len : y->len;
	int order = len == 0 ? 0 : memcmp(x->ptr, y->ptr, len);
	return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

int head_index_values(void *ctx, struct slice name_bytes, struct arena *arena, const struct slice **values,
                      uint32_t *count)
{
	struct head_index *ix = ctx;
	struct label_name *name = find_name(ix, name_bytes);
	struct label_pair *first = name == NULL ? NULL : atomic_load_explicit(&name->first, memory_order_acquire);
	uint32_t n = 0, room = 0;
	for (struct label_pair *p = first; p != NULL; p = atomic_load_explicit(&p->next, memory_order_acquire))
		room++;
	struct slice *out = arena_alloc(arena, (room > 0 ? room : 1) * sizeof *out);
	if (out == NULL)
		return -ENOMEM;
	/* From the same pair on the list only becomes shorter. */
	for (struct label_pair *p = first; p != NULL && n < room;
	     p = atomic_load_explicit(&p->next, memory_order_acquire)) {
		if (list_postings(&p->list).count > 0)
			out[n++] = slice_new(p->bytes, p->len);
	}
	qsort(out, n, sizeof *out, compare_slices);
	*values = out;
	*count = n;
	return 0;
}

int head_index_names(struct head_index *ix, struct arena *arena, const struct slice **names, uint32_t *count)
{
	const struct pointer_map *map = atomic_load_explicit(&ix->names, memory_order_acquire);
	struct slice *out = arena_alloc(arena, (map->mask + 1) * sizeof *out);
	uint32_t n = 0;
	if (out == NULL)
		return -ENOMEM;
	for (uint64_t i = 0; i <= map->mask; i++) {
		const struct label_name *name =
		    (const struct label_name *)atomic_load_explicit(&map->slots[i], memory_order_acquire);
		if (name != NULL && atomic_load_explicit(&name->first, memory_order_acquire) != NULL)
			out[n++] = slice_new(name->bytes, name->len);
	}
	qsort(out, n, sizeof *out, compare_slices);
	*names = out;
	*count = n;
	return 0;
}
