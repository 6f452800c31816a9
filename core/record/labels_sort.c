/* See labels_sort.h. */
#include "record/labels_sort.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "record/labels.h"

enum {
	FEW = 12,      /* are compared as they are */
	FEW_KEYS = 24, /* the same of keys */
	DEPTH_MAX = 64 /* of sets that differ late; what is deeper is compared as it is */
};

static int by_labels(const void *a, const void *b)
{
	return labels_compare(((const struct labels_item *)a)->labels, ((const struct labels_item *)b)->labels);
}

/* ---- by keys ---- */

static void insert_by_key(struct labels_item *items, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		struct labels_item item = items[i];
		uint32_t at = i;
		for (; at > 0 && items[at - 1].key > item.key; at--)
			items[at] = items[at - 1];
		items[at] = item;
	}
}

static uint32_t byte_of(const struct labels_item *item, uint32_t shift)
{
	return (uint32_t)(item->key >> shift) & 0xff;
}

/* Brings the items of each byte together, in its order, in place; ends[byte] is where they end. */
static void share_out(struct labels_item *items, uint32_t count, uint32_t shift, uint32_t ends[256])
{
	uint32_t at[256] = {0};
	uint32_t sum = 0;

	for (uint32_t i = 0; i < count; i++)
		at[byte_of(&items[i], shift)]++;
	for (uint32_t byte = 0; byte < 256; byte++) {
		sum += at[byte];
		ends[byte] = sum;
		at[byte] = sum - at[byte];
	}
	for (uint32_t byte = 0; byte < 256; byte++) {
		while (at[byte] < ends[byte]) {
			struct labels_item item = items[at[byte]];
			uint32_t to = byte_of(&item, shift);
			items[at[byte]] = items[at[to]];
			items[at[to]++] = item;
		}
	}
}

/* Each call is of the uppermost byte that is not the same in all, so that there are at most eight inside one another. */
static void sort_by_key(struct labels_item *items, uint32_t count)
{
	uint32_t ends[256], first = 0;
	uint64_t differ = 0;

	if (count <= FEW_KEYS) {
		insert_by_key(items, count);
		return;
	}
	for (uint32_t i = 1; i < count; i++)
		differ |= items[i].key ^ items[0].key;
	if (differ == 0)
		return;
	share_out(items, count, (63 - (uint32_t)__builtin_clzll(differ)) / 8 * 8, ends);
	for (uint32_t byte = 0; byte < 256; byte++) {
		sort_by_key(items + first, ends[byte] - first);
		first = ends[byte];
	}
}

/* ---- by labels ---- */

static struct slice from(struct slice labels, size_t at)
{
	return slice_new(labels.ptr + at, labels.len - at);
}

static bool all_have(const struct labels_item *items, uint32_t count, size_t at, struct slice bytes)
{
	for (uint32_t i = 1; i < count; i++) {
		if (items[i].labels.len < at + bytes.len || memcmp(items[i].labels.ptr + at, bytes.ptr, bytes.len) != 0)
			return false;
	}
	return true;
}

/* The end of the labels that all have in common, those before `at` among them. */
static size_t common_labels(const struct labels_item *items, uint32_t count, size_t at)
{
	struct slice rest = from(items[0].labels, at);

	for (struct label l; labels_next(&rest, &l);) {
		size_t end = items[0].labels.len - rest.len;
		if (!all_have(items, count, at, slice_new(items[0].labels.ptr + at, end - at)))
			break;
		at = end;
	}
	return at;
}

static size_t common_bytes(struct slice a, struct slice b, size_t most)
{
	size_t same = 0;

	most = a.len < most ? a.len : most;
	most = b.len < most ? b.len : most;
	while (same < most && a.ptr[same] == b.ptr[same])
		same++;
	return same;
}

/* How many bytes of the value behind `at` all have in common. False: some have no such label, or another one. */
static bool common_value(const struct labels_item *items, uint32_t count, size_t at, size_t *out)
{
	struct slice rest = from(items[0].labels, at);
	struct label first, l;
	size_t same = SIZE_MAX;

	if (!labels_next(&rest, &first))
		return false;
	for (uint32_t i = 1; i < count; i++) {
		rest = from(items[i].labels, at);
		if (!labels_next(&rest, &l) || !slice_eq(l.name, first.name))
			return false;
		same = common_bytes(first.value, l.value, same);
	}
	*out = same;
	return true;
}

/* Eight bytes of a value as a number of the same order; a shorter one is filled up with zeros. */
static uint64_t key_of(struct slice value, size_t at)
{
	uint64_t key = 0;

	for (size_t i = 0; i < 8; i++)
		key = key << 8 | (at + i < value.len ? (unsigned char)value.ptr[at + i] : 0);
	return key;
}

/* Gives all their keys. False: they do not tell any apart. */
static bool make_keys(struct labels_item *items, uint32_t count, size_t at)
{
	bool differ = false;
	struct label l;
	size_t same;

	if (!common_value(items, count, at, &same))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		struct slice rest = from(items[i].labels, at);
		items[i].key = labels_next(&rest, &l) ? key_of(l.value, same) : 0;
		differ = differ || items[i].key != items[0].key;
	}
	return differ;
}

/* Sorts items that have the labels before `at` in common. */
static void sort_from(struct labels_item *items, uint32_t count, size_t at, uint32_t depth)
{
	if (count < 2)
		return;
	at = count <= FEW || depth == DEPTH_MAX ? at : common_labels(items, count, at);
	if (count <= FEW || depth == DEPTH_MAX || !make_keys(items, count, at)) {
		qsort(items, count, sizeof *items, by_labels);
		return;
	}
	sort_by_key(items, count);
	for (uint32_t first = 0, end; first < count; first = end) {
		for (end = first + 1; end < count && items[end].key == items[first].key;)
			end++;
		sort_from(items + first, end - first, at, depth + 1);
	}
}

void labels_sort(struct labels_item *items, uint32_t count)
{
	sort_from(items, count, 0, 0);
}
