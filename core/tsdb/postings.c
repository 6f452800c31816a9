/* Intersections, differences, unions of rising lists. What is inside loops has no branch that data decides, where lists are alike: a mispredicted one costs as much as ten numbers. */
#include "tsdb/postings.h"

#include <errno.h>
#include <string.h>

#include "tsdb/merge.h"

enum {
	GALLOP_RATIO =
	    8, /* from so many times the length on; where this and SPARSE lie was measured (tests/bench/bench_postings.c) */
	/* A bitmap is taken up to so many numbers of the range for each in the lists: it costs 1.1 ns for each number and 0.012 for each of the range, merging 1.8 for each number in each round. By time alone it would be up to a
	 * thousand where lists are many; the bitmap's memory is what keeps it lower. */
	SPARSE = 128
};

/* The first place from `at` on, of `count`, whose number is not below `x`: by steps of 1, 2, 4, … and then between the last two. */
static inline uint32_t gallop(const uint32_t *numbers, uint32_t at, uint32_t count, uint32_t x)
{
	uint32_t low = at, step = 1;
	if (at >= count || numbers[at] >= x)
		return at;
	/* numbers[low] < x */
	while (step < count - low && numbers[low + step] < x) {
		low += step;
		step *= 2;
	}
	uint32_t length = step < count - low ? step : count - low;
	/* The answer is in (low, low + length]. */
	while (length > 1) {
		uint32_t half = length / 2;
		low += numbers[low + half] < x ? half : 0;
		length -= half;
	}
	return low + 1;
}

uint32_t merge_intersect(uint32_t *to, struct postings a, struct postings b)
{
	uint32_t i = 0, j = 0, kept = 0;
	if (a.count > b.count) {
		struct postings swap = a;
		a = b;
		b = swap;
	}
	if (b.count / GALLOP_RATIO >= a.count) {
		for (i = 0; i < a.count && j < b.count; i++) {
			uint32_t x = a.numbers[i];
			j = gallop(b.numbers, j, b.count, x);
			if (j < b.count && b.numbers[j] == x)
				to[kept++] = x;
		}
		return kept;
	}
	while (i < a.count && j < b.count) {
		uint32_t x = a.numbers[i], y = b.numbers[j];
		to[kept] = x;
		kept += x == y;
		i += x <= y;
		j += y <= x;
	}
	return kept;
}

/* `without` is short: what lies between its numbers is moved as a whole. */
static uint32_t subtract_few(uint32_t *to, struct postings from, struct postings without)
{
	uint32_t at = 0, kept = 0;
	for (uint32_t j = 0; j < without.count && at < from.count; j++) {
		uint32_t next = gallop(from.numbers, at, from.count, without.numbers[j]);
		memmove(to + kept, from.numbers + at, (size_t)(next - at) * sizeof *to);
		kept += next - at;
		at = next + (next < from.count && from.numbers[next] == without.numbers[j]);
	}
	memmove(to + kept, from.numbers + at, (size_t)(from.count - at) * sizeof *to);
	return kept + from.count - at;
}

uint32_t merge_subtract(uint32_t *to, struct postings from, struct postings without)
{
	uint32_t i = 0, j = 0, kept = 0;
	if (from.count == 0)
		return 0;
	if (from.count / GALLOP_RATIO >= without.count)
		return subtract_few(to, from, without);
	if (without.count / GALLOP_RATIO >= from.count) {
		for (; i < from.count; i++) {
			uint32_t x = from.numbers[i];
			j = gallop(without.numbers, j, without.count, x);
			if (j >= without.count || without.numbers[j] != x)
				to[kept++] = x;
		}
		return kept;
	}
	while (i < from.count && j < without.count) {
		uint32_t x = from.numbers[i], y = without.numbers[j];
		to[kept] = x;
		kept += x < y;
		i += x <= y;
		j += y <= x;
	}
	memmove(to + kept, from.numbers + i, (size_t)(from.count - i) * sizeof *to);
	return kept + from.count - i;
}

/* ---- unions ---- */

/* Into room of its own. */
static uint32_t merge_two(uint32_t *to, struct postings a, struct postings b)
{
	uint32_t i = 0, j = 0, kept = 0;
	while (i < a.count && j < b.count) {
		uint32_t x = a.numbers[i], y = b.numbers[j];
		to[kept++] = x < y ? x : y;
		i += x <= y;
		j += y <= x;
	}
	if (i < a.count)
		memcpy(to + kept, a.numbers + i, (size_t)(a.count - i) * sizeof *to);
	kept += a.count - i;
	if (j < b.count)
		memcpy(to + kept, b.numbers + j, (size_t)(b.count - j) * sizeof *to);
	return kept + b.count - j;
}

/* What all lists have together. */
struct extent {
	uint64_t total;
	uint32_t least, most;
	uint32_t lists; /* that are not empty */
	struct postings any;
};

static struct extent extent_of(const struct postings *lists, uint32_t count)
{
	struct extent e = {.least = UINT32_MAX};
	for (uint32_t i = 0; i < count; i++) {
		struct postings l = lists[i];
		if (l.count == 0)
			continue;
		e.total += l.count;
		e.least = l.numbers[0] < e.least ? l.numbers[0] : e.least;
		e.most = l.numbers[l.count - 1] > e.most ? l.numbers[l.count - 1] : e.most;
		e.lists++;
		e.any = l;
	}
	return e;
}

static int union_by_bitmap(struct arena *arena, const struct postings *lists, uint32_t count, const struct extent *e,
                           uint32_t *to, uint32_t *kept)
{
	size_t words = ((size_t)e->most - e->least) / 64 + 1;
	struct arena_mark mark = arena_mark(arena);
	uint64_t *bits = merge_room(arena, words, sizeof *bits);
	uint32_t n = 0;
	if (bits == NULL)
		return -ENOMEM;
	memset(bits, 0, words * sizeof *bits);
	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t j = 0; j < lists[i].count; j++) {
			uint32_t x = lists[i].numbers[j] - e->least;
			bits[x / 64] |= UINT64_C(1) << (x % 64);
		}
	}
	for (size_t w = 0; w < words; w++) {
		for (uint64_t word = bits[w]; word != 0; word &= word - 1)
			to[n++] = e->least + (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(word);
	}
	*kept = n;
	arena_rewind(arena, mark);
	return 0;
}

/* Merges neighbours, until one is left. Results go from one half of the room to the other; where they end is not said before. */
static int union_by_merging(struct arena *arena, const struct postings *lists, uint32_t count, const struct extent *e,
                            uint32_t *to, uint32_t *kept)
{
	struct arena_mark mark = arena_mark(arena);
	struct postings *round = merge_room(arena, e->lists, sizeof *round);
	uint32_t *room[2] = {to, merge_room(arena, e->total, sizeof **room)};
	uint32_t left = 0;
	int turn = 0;
	if (round == NULL || room[1] == NULL) {
		arena_rewind(arena, mark);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (lists[i].count != 0)
			round[left++] = lists[i];
	}
	for (; left > 1; turn ^= 1) {
		uint32_t *at = room[turn], next = 0;
		for (uint32_t i = 0; i < left; i += 2) {
			struct postings none = {0}, b = i + 1 < left ? round[i + 1] : none;
			uint32_t n = merge_two(at, round[i], b);
			round[next++] = (struct postings){at, n};
			at += n;
		}
		left = next;
	}
	*kept = round[0].count;
	if (round[0].numbers != to)
		memcpy(to, round[0].numbers, *kept * sizeof *to);
	arena_rewind(arena, mark);
	return 0;
}

int postings_union(struct arena *arena, const struct postings *lists, uint32_t count, struct postings *out)
{
	struct extent e = extent_of(lists, count);
	struct arena_mark mark = arena_mark(arena);
	if (e.lists < 2) {
		*out = e.any;
		return 0;
	}
	uint64_t range = (uint64_t)e.most - e.least + 1;
	bool dense = e.lists > 2 && range / SPARSE <= e.total;
	/* Merging has the room for all twice, also when the same number is in many. */
	size_t most = dense && range < e.total ? range : e.total;
	uint32_t kept, *to = merge_room(arena, most, sizeof *to);
	if (to == NULL)
		return -ENOMEM;
	int code = dense ? union_by_bitmap(arena, lists, count, &e, to, &kept)
	                 : union_by_merging(arena, lists, count, &e, to, &kept);
	if (code != 0) {
		arena_rewind(arena, mark);
		return code;
	}
	*out = (struct postings){to, kept};
	return 0;
}

/* ---- two lists, into the arena ---- */

int postings_intersect(struct arena *arena, struct postings a, struct postings b, struct postings *out)
{
	uint32_t most = a.count < b.count ? a.count : b.count;
	uint32_t *to = merge_room(arena, most, sizeof *to);
	if (to == NULL)
		return -ENOMEM;
	*out = (struct postings){to, merge_intersect(to, a, b)};
	return 0;
}

int postings_subtract(struct arena *arena, struct postings from, struct postings without, struct postings *out)
{
	uint32_t *to = merge_room(arena, from.count, sizeof *to);
	if (to == NULL)
		return -ENOMEM;
	*out = (struct postings){to, merge_subtract(to, from, without)};
	return 0;
}
