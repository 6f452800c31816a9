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
	/* The writer's. */
	uint64_t used; /* slots that are not NULL */
	uint64_t live; /* of them with an entry */
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
	struct label_pair *prev; /* the writer's, as the next one; NULL: it is the name's first */
	uint32_t removal;        /* the last one that took numbers out of `list` */
	uint32_t len;
	char bytes[]; /* the value */
};

/* ---- the maps ---- */

/* Stands where an entry was taken out: what lies behind it is still found. */
static struct entry taken_out;

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
		if (entry == NULL || (entry != &taken_out && is_wanted(entry, w)))
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
	struct entry *there;
	while ((there = atomic_load_explicit(&map->slots[i], memory_order_relaxed)) != NULL && there != &taken_out)
		i = (i + 1) & map->mask;
	atomic_store_explicit(&map->slots[i], entry, memory_order_release);
	map->used += there == NULL;
	map->live++;
}

static void map_remove(struct pointer_map *map, const struct entry *entry)
{
	uint64_t i = entry->hash & map->mask;
	for (struct entry *at; (at = atomic_load_explicit(&map->slots[i], memory_order_relaxed)) != entry;) {
		CHECK(at != NULL);
		i = (i + 1) & map->mask;
	}
	atomic_store_explicit(&map->slots[i], &taken_out, memory_order_release);
	map->live--;
}

static uint64_t map_bytes(const struct pointer_map *map)
{
	return sizeof *map + (map->mask + 1) * sizeof map->slots[0];
}

/* Replaces a map by one of `slots` with the same entries. 0 or -ENOMEM. */
static int map_rebuild(struct head_index *ix, _Atomic(struct pointer_map *) *at, uint64_t slots)
{
	struct pointer_map *old = atomic_load_explicit(at, memory_order_relaxed);
	int code = epoch_reserve(ix->epochs, 1);
	struct pointer_map *map = code == 0 ? map_new(slots) : NULL;
	if (map == NULL)
		return -ENOMEM;
	for (uint64_t i = 0; i <= old->mask; i++) {
		struct entry *entry = atomic_load_explicit(&old->slots[i], memory_order_relaxed);
		if (entry != NULL && entry != &taken_out)
			map_put(map, entry);
	}
	ix->bytes += map_bytes(map) - map_bytes(old);
	atomic_store_explicit(at, map, memory_order_release);
	epoch_retire(ix->epochs, old, mem_free);
	return 0;
}

/* Slots for so many entries: a third of them at most, so that there is room for more. */
static uint64_t map_slots(uint64_t entries)
{
	uint64_t slots = MAP_SLOTS_MIN;
	while (entries * 3 > slots)
		slots *= 2;
	return slots;
}

/* Room for one more entry: at most half of the slots are used. */
static int map_grow(struct head_index *ix, _Atomic(struct pointer_map *) *at)
{
	struct pointer_map *map = atomic_load_explicit(at, memory_order_relaxed);
	if ((map->used + 1) * 2 <= map->mask + 1)
		return 0;
	return map_rebuild(ix, at, map_slots(map->live + 1));
}

/* Where few of many entries are left. One that cannot be made smaller now is at another time. */
static void map_shrink(struct head_index *ix, _Atomic(struct pointer_map *) *at)
{
	struct pointer_map *map = atomic_load_explicit(at, memory_order_relaxed);
	if (map->mask + 1 > MAP_SLOTS_MIN && map->live * 16 < map->mask + 1)
		(void)map_rebuild(ix, at, map_slots(map->live + 1));
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

/* The first place from `at` on whose number is not below. */
static uint32_t place_of(const uint32_t *numbers, uint32_t at, uint32_t count, uint32_t number)
{
	while (at < count) {
		uint32_t middle = at + (count - at) / 2;
		if (numbers[middle] < number)
			at = middle + 1;
		else
			count = middle;
	}
	return at;
}

/* Replaces a list by one without these numbers, by stretches: of a million few go at a time. 0 or -ENOMEM. */
static int list_subtract(struct head_index *ix, _Atomic(struct number_list *) *at, struct postings without)
{
	struct number_list *old = atomic_load_explicit(at, memory_order_relaxed);
	uint32_t had = atomic_load_explicit(&old->count, memory_order_relaxed);
	int code = epoch_reserve(ix->epochs, 1);
	struct number_list *list = code == 0 ? list_new(had < LIST_MIN ? LIST_MIN : had) : NULL;
	if (list == NULL)
		return -ENOMEM;
	uint32_t count = 0, gone = 0;
	for (uint32_t i = 0, end; i < had; i = end) {
		gone = place_of(without.numbers, gone, without.count, old->numbers[i]);
		end = gone == without.count ? had : place_of(old->numbers, i, had, without.numbers[gone]);
		memcpy(list->numbers + count, old->numbers + i, (end - i) * sizeof old->numbers[0]);
		count += end - i;
		end += end < had && old->numbers[end] == without.numbers[gone];
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
		struct entry *entry = atomic_load(&pairs->slots[i]);
		if (entry == NULL || entry == &taken_out)
			continue;
		mem_free(atomic_load(&((struct label_pair *)entry)->list));
		mem_free(entry);
	}
	struct pointer_map *names = atomic_load(&ix->names);
	for (uint64_t i = 0; names != NULL && i <= names->mask; i++) {
		struct entry *entry = atomic_load(&names->slots[i]);
		if (entry != &taken_out)
			mem_free(entry);
	}
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

/* The pair, made where there is none, with room for one more number; NULL when memory is out. One that was made and gets no number waits for one: readers pass over it. */
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
	struct label_pair *next = atomic_load_explicit(&name->first, memory_order_relaxed);
	atomic_init(&pair->next, next);
	if (next != NULL)
		next->prev = pair;
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

/* Off its name's list. A reader that stands on it goes on along its `next`, which stays. */
static void unlink_pair(struct label_pair *pair)
{
	struct label_pair *next = atomic_load_explicit(&pair->next, memory_order_relaxed);
	if (next != NULL)
		next->prev = pair->prev;
	atomic_store_explicit(pair->prev == NULL ? &pair->name->first : &pair->prev->next, next, memory_order_release);
}

enum { RETIRED_BY_DROP = 3 };

/* Takes away a pair that no series has, and its name with the last one. There is room for RETIRED_BY_DROP retirements. */
static void drop_pair(struct head_index *ix, struct label_pair *pair)
{
	struct label_name *name = pair->name;
	struct number_list *list = atomic_load_explicit(&pair->list, memory_order_relaxed);
	unlink_pair(pair);
	map_remove(atomic_load_explicit(&ix->pairs, memory_order_relaxed), &pair->entry);
	ix->bytes -= sizeof *pair + pair->len + list_bytes(list);
	epoch_retire(ix->epochs, list, mem_free);
	epoch_retire(ix->epochs, pair, mem_free);
	if (atomic_load_explicit(&name->first, memory_order_relaxed) != NULL)
		return;
	map_remove(atomic_load_explicit(&ix->names, memory_order_relaxed), &name->entry);
	ix->bytes -= sizeof *name + name->len;
	epoch_retire(ix->epochs, name, mem_free);
}

/* Takes the numbers out of the lists of one series' labels, each list once. */
static int subtract_labels(struct head_index *ix, struct slice labels, struct postings numbers)
{
	for (struct label l; labels_next(&labels, &l);) {
		struct label_name *name = find_name(ix, l.name);
		struct label_pair *pair = name == NULL ? NULL : find_pair(ix, name, l.value);
		if (pair == NULL || pair->removal == ix->removal)
			continue;
		int code = epoch_reserve(ix->epochs, 1 + RETIRED_BY_DROP);
		if (code == 0)
			code = list_subtract(ix, &pair->list, numbers);
		if (code != 0)
			return code;
		pair->removal = ix->removal;
		if (pair_is_empty(pair))
			drop_pair(ix, pair);
	}
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
	map_shrink(ix, &ix->pairs);
	map_shrink(ix, &ix->names);
	return 0;
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

/* Has the pair a series that the filter wants? 1, 0, or a negative errno. */
static int is_wanted_pair(struct label_pair *p, const struct head_index_filter *filter)
{
	struct postings list = list_postings(&p->list);
	int wanted = filter == NULL ? list.count > 0 : 0;
	for (uint32_t i = 0; i < list.count && wanted == 0; i++)
		wanted = filter->wants(filter->ctx, list.numbers[i]);
	return wanted;
}

/* The same of any pair of the name. */
static int is_wanted_name(const struct label_name *name, const struct head_index_filter *filter)
{
	struct label_pair *p = atomic_load_explicit(&name->first, memory_order_acquire);
	int wanted = filter == NULL ? p != NULL : 0;
	for (; p != NULL && wanted == 0; p = atomic_load_explicit(&p->next, memory_order_acquire))
		wanted = is_wanted_pair(p, filter);
	return wanted;
}

int head_index_values_of(struct head_index *ix, struct slice name_bytes, const struct head_index_filter *filter,
                         struct arena *arena, const struct slice **values, uint32_t *count)
{
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
		int wanted = is_wanted_pair(p, filter);
		if (wanted < 0)
			return wanted;
		if (wanted > 0)
			out[n++] = slice_new(p->bytes, p->len);
	}
	qsort(out, n, sizeof *out, slice_order);
	*values = out;
	*count = n;
	return 0;
}

int head_index_values(void *ctx, struct slice name, struct arena *arena, const struct slice **values, uint32_t *count)
{
	return head_index_values_of(ctx, name, NULL, arena, values, count);
}

int head_index_names(struct head_index *ix, const struct head_index_filter *filter, struct arena *arena,
                     const struct slice **names, uint32_t *count)
{
	const struct pointer_map *map = atomic_load_explicit(&ix->names, memory_order_acquire);
	struct slice *out = arena_alloc(arena, (map->mask + 1) * sizeof *out);
	uint32_t n = 0;
	if (out == NULL)
		return -ENOMEM;
	for (uint64_t i = 0; i <= map->mask; i++) {
		struct entry *entry = atomic_load_explicit(&map->slots[i], memory_order_acquire);
		const struct label_name *name = (const struct label_name *)entry;
		int wanted = entry != NULL && entry != &taken_out ? is_wanted_name(name, filter) : 0;
		if (wanted < 0)
			return wanted;
		if (wanted > 0)
			out[n++] = slice_new(name->bytes, name->len);
	}
	qsort(out, n, sizeof *out, slice_order);
	*names = out;
	*count = n;
	return 0;
}
