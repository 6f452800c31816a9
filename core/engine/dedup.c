/* A partitioned open-addressing set whose keys carry the generation they were added in.
 *
 * Time is cut into generations, a new one every 1/64 of the window or every max/64 keys, whichever comes first. A key is live while its
 * generation is; forgetting is moving `oldest` on, which costs nothing. Dead keys are swept by a cursor that passes over the
 * whole table before the 16-bit generation numbers come round, and all at once, in place, where a partition is nearly full. Sixteen partitions grow by half one at a time, up to what a full
 * window needs, and begin with sizes that lie apart, since keys fill them all alike: so no growth, nor a row of them, stalls the writer for more than a few milliseconds.
 *
 * Road not taken: a ring of keys with an index beside it forgets exactly in order, but needs a second cache miss a look-up and
 * twice the memory. */
#include "engine/dedup.h"

#include <errno.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

enum {
	PARTITIONS = 16,
	GENERATIONS = 256,     /* of the ring: live ones, at most some 64 by time and 64 by number */
	WINDOW_PARTS = 64,     /* generations in a window */
	UNSWEPT_MAX = 60000,   /* generations that may wait for the sweep: below 2^16 */
	PARTITION_START = 256, /* slots */
	SWEEP_STEP = 2048      /* slots a call of dedup_advance */
};

struct slot {
	uint64_t key; /* 0: empty */
	uint16_t generation;
} __attribute__((packed));

struct partition {
	struct slot *slots;
	uint32_t cap;
	uint32_t used; /* live and dead */
};

struct generation {
	int64_t start_ns;
	int64_t last_ns; /* when its newest key was added */
	uint32_t live;
};

struct dedup {
	struct partition parts[PARTITIONS];
	struct generation ring[GENERATIONS];
	int64_t window_ns;
	int64_t now_ns;
	uint64_t live;
	uint64_t evicted;
	uint32_t max;
	uint64_t oldest;  /* first live generation, counted from the start */
	uint64_t current; /* generation of new keys */
	uint64_t swept;   /* all generations before it have left the table */
	uint64_t pass;    /* what `oldest` was when the sweep's pass began */
	uint32_t cursor_part, cursor_slot;
};

struct dedup *dedup_new(int64_t window_ns, uint32_t max)
{
	struct dedup *d = mem_zalloc(1, sizeof *d);
	if (d == NULL)
		return NULL;
	d->window_ns = window_ns < WINDOW_PARTS ? WINDOW_PARTS : window_ns;
	d->max = max < WINDOW_PARTS ? WINDOW_PARTS : max;
	d->now_ns = INT64_MIN;
	return d;
}

void dedup_free(struct dedup *d)
{
	if (d == NULL)
		return;
	for (int i = 0; i < PARTITIONS; i++)
		mem_free(d->parts[i].slots);
	mem_free(d);
}

uint64_t dedup_key(struct slice tenant, struct slice id)
{
	uint64_t key = hash_bytes(id.ptr, id.len, hash_seed() ^ UINT64_C(0x6d6f6f6e67617465));
	if (tenant.len > 0)
		key = hash_mix(key, hash_bytes(tenant.ptr, tenant.len, hash_seed()));
	return key == 0 ? 1 : key;
}

static inline struct partition *partition_of(const struct dedup *d, uint64_t key)
{
	return (struct partition *)&d->parts[key >> 60];
}

/* The low half of the key spread over [0, cap): a multiplication instead of a division, and any capacity. */
static inline uint32_t home_of(uint64_t key, uint32_t cap)
{
	return (uint32_t)(((key & 0xffffffffu) * cap) >> 32);
}

static inline uint32_t next_slot(uint32_t i, uint32_t cap)
{
	return i + 1 == cap ? 0 : i + 1;
}

void dedup_prefetch(const struct dedup *d, uint64_t key)
{
	const struct partition *p = partition_of(d, key);
	if (p->cap == 0)
		return;
	const char *at = (const char *)&p->slots[home_of(key, p->cap)];
	__builtin_prefetch(at);
	__builtin_prefetch(at + 6 * sizeof(struct slot)); /* a run often goes on in the next line */
}

/* The full number of a stored generation: the one with these 16 bits that is not after `current`. */
static inline uint64_t full_generation(const struct dedup *d, uint16_t g)
{
	return d->current - (uint16_t)((uint16_t)d->current - g);
}

static inline bool is_live(const struct dedup *d, const struct slot *s)
{
	return full_generation(d, s->generation) >= d->oldest;
}

/* Empties slot `i` and moves later ones of its run up, so that no look-up needs tombstones. */
static void slot_clear(struct partition *p, uint32_t i)
{
	uint32_t hole = i;
	for (uint32_t j = next_slot(i, p->cap); p->slots[j].key != 0; j = next_slot(j, p->cap)) {
		uint32_t home = home_of(p->slots[j].key, p->cap);
		bool reaches_hole = hole <= j ? (home <= hole || home > j) : (home <= hole && home > j);
		if (reaches_hole) {
			p->slots[hole] = p->slots[j];
			hole = j;
		}
	}
	p->slots[hole].key = 0;
	p->used--;
}

static void slot_place(struct partition *p, struct slot s)
{
	uint32_t i = home_of(s.key, p->cap);
	while (p->slots[i].key != 0)
		i = next_slot(i, p->cap);
	p->slots[i] = s;
	p->used++;
}

/* Rebuilds a partition with `cap` slots, leaving dead keys behind. */
static int partition_rebuild(const struct dedup *d, struct partition *p, uint32_t cap)
{
	struct partition bigger = {mem_zalloc(cap, sizeof(struct slot)), cap, 0};
	if (bigger.slots == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < p->cap; i++) {
		if (p->slots[i].key != 0 && is_live(d, &p->slots[i]))
			slot_place(&bigger, p->slots[i]);
	}
	mem_free(p->slots);
	*p = bigger;
	return 0;
}

/* An empty slot; there always is one. */
static uint32_t empty_slot(const struct partition *p)
{
	uint32_t i = 0;
	while (p->slots[i].key != 0)
		i++;
	return i;
}

/* Clears all dead keys where they lie. Each slot in turn, from behind an empty one on, is emptied and a live key put where it is now found first: at its slot or before it, among those that
 * have had their turn. So no memory is taken, and no run is moved once for each dead key in it. */
static void partition_purge(const struct dedup *d, struct partition *p)
{
	uint32_t i = empty_slot(p);
	p->used = 0;
	for (uint32_t n = 0; n < p->cap; n++) {
		i = next_slot(i, p->cap);
		struct slot s = p->slots[i];
		if (s.key == 0)
			continue;
		p->slots[i].key = 0;
		if (is_live(d, &s))
			slot_place(p, s);
	}
}

/* The slots that a partition's share of a full window needs: 4 live ones in 7, so that as many dead ones as 23 in 100 may gather before they are cleared away. Shares differ a
 * little, since all are filled alike and would be cleared in a row. */
static uint32_t full_cap(const struct dedup *d, const struct partition *p)
{
	uint32_t cap = (uint32_t)((uint64_t)d->max * 7 / 4 / PARTITIONS);
	return cap + (uint32_t)((uint64_t)cap * (uint32_t)(p - d->parts) / (PARTITIONS * PARTITIONS));
}

/* By half, but not past what a full window needs. */
static uint32_t grown_cap(const struct dedup *d, const struct partition *p)
{
	uint32_t full = full_cap(d, p), grown = p->cap + p->cap / 2;
	return p->cap < full && full < grown ? full : grown;
}

static int partition_make_room(const struct dedup *d, struct partition *p)
{
	if (p->cap == 0)
		return partition_rebuild(d, p,
		                         PARTITION_START + PARTITION_START / 2 * (uint32_t)(p - d->parts) / PARTITIONS);
	if ((uint64_t)p->used * 5 < (uint64_t)p->cap * 4)
		return 0;
	partition_purge(d, p);
	if ((uint64_t)p->used * 10 < (uint64_t)p->cap * 7)
		return 0;
	return partition_rebuild(d, p, grown_cap(d, p));
}

static struct generation *generation_at(struct dedup *d, uint64_t g)
{
	return &d->ring[g % GENERATIONS];
}

static void forget_oldest(struct dedup *d)
{
	struct generation *g = generation_at(d, d->oldest);
	d->live -= g->live;
	g->live = 0;
	d->oldest++;
}

static void evict_oldest(struct dedup *d)
{
	d->evicted += generation_at(d, d->oldest)->live;
	forget_oldest(d);
}

/* Sweeps up to `steps` slots; returns whether the table is clean of what was dead when the pass began. */
static bool sweep(struct dedup *d, uint32_t steps)
{
	while (steps-- > 0) {
		struct partition *p = &d->parts[d->cursor_part];
		if (d->cursor_slot >= p->cap) {
			d->cursor_slot = 0;
			if (++d->cursor_part < PARTITIONS)
				continue;
			d->cursor_part = 0;
			d->swept = d->pass;
			d->pass = d->oldest;
			return true;
		}
		struct slot *s = &p->slots[d->cursor_slot];
		if (s->key != 0 && !is_live(d, s))
			slot_clear(p, d->cursor_slot); /* what moved up is looked at next */
		else
			d->cursor_slot++;
	}
	return false;
}

static void begin_generation(struct dedup *d)
{
	/* A clearing can move a dead key over the end of a partition to its front, behind the cursor: it waits for the next pass, hence
	 * more than one. */
	if (d->current - d->swept >= UNSWEPT_MAX) {
		for (int passes = 0; passes < 3; passes++) {
			while (!sweep(d, UINT32_MAX))
				;
		}
	}
	if (d->current + 1 - d->oldest >= GENERATIONS)
		evict_oldest(d);
	d->current++;
	*generation_at(d, d->current) = (struct generation){d->now_ns, d->now_ns, 0};
}

void dedup_advance(struct dedup *d, int64_t now_ns)
{
	if (d->now_ns == INT64_MIN) {
		d->now_ns = now_ns;
		*generation_at(d, d->current) = (struct generation){now_ns, now_ns, 0};
		return;
	}
	if (now_ns > d->now_ns)
		d->now_ns = now_ns;
	if (d->now_ns - generation_at(d, d->current)->start_ns >= d->window_ns / WINDOW_PARTS)
		begin_generation(d);
	while (d->oldest < d->current && generation_at(d, d->oldest)->last_ns <= d->now_ns - d->window_ns)
		forget_oldest(d);
	if (d->pass > d->swept || d->oldest > d->pass)
		sweep(d, SWEEP_STEP);
}

/* The slot of the key, or the empty one where it would go: never full, so there is one. */
static inline struct slot *find(const struct partition *p, uint64_t key)
{
	struct slot *s = &p->slots[home_of(key, p->cap)];
	const struct slot *end = p->slots + p->cap;
	while (s->key != 0 && s->key != key) {
		if (++s == end)
			s = p->slots;
	}
	return s;
}

int dedup_add(struct dedup *d, uint64_t key)
{
	struct partition *p = partition_of(d, key);
	int code = partition_make_room(d, p);
	if (code != 0)
		return code;
	struct slot *s = find(p, key);
	if (s->key != 0 && is_live(d, s))
		return 0;
	struct generation *g = generation_at(d, d->current);
	if (g->live >= d->max / WINDOW_PARTS || d->live >= d->max) {
		if (g->live >= d->max / WINDOW_PARTS)
			begin_generation(d);
		while (d->live >= d->max && d->oldest < d->current)
			evict_oldest(d);
		s = find(p, key); /* a sweep may have moved it */
		g = generation_at(d, d->current);
	}
	p->used += s->key == 0;
	*s = (struct slot){key, (uint16_t)d->current};
	g->live++;
	g->last_ns = d->now_ns;
	d->live++;
	return 1;
}

void dedup_remove(struct dedup *d, uint64_t key)
{
	struct partition *p = partition_of(d, key);
	struct slot *s = p->cap != 0 ? find(p, key) : NULL;
	if (s == NULL || s->key == 0)
		return;
	if (is_live(d, s)) {
		generation_at(d, full_generation(d, s->generation))->live--;
		d->live--;
	}
	slot_clear(p, (uint32_t)(s - p->slots));
}

void dedup_stats(const struct dedup *d, struct dedup_stats *out)
{
	*out = (struct dedup_stats){.keys = d->live, .evicted = d->evicted, .bytes = sizeof *d};
	for (int i = 0; i < PARTITIONS; i++)
		out->bytes += (uint64_t)d->parts[i].cap * sizeof(struct slot);
}
