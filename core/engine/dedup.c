/* A partitioned set whose keys carry the generation they were added in.
 *
 * Time is cut into generations, a new one every 1/64 of the window or every max/64 keys, whichever comes first. A key is live while its
 * generation is; forgetting is moving `oldest` on, which costs nothing: the place of a dead key is free.
 *
 * A partition is an array of buckets of one cache line, in which six keys lie. A key goes into its home bucket, or the next one with a free place; each bucket that it passes
 * notes the key's generation, and a look-up goes on past a bucket only while that generation lives. So a look-up, which mostly is that of a key that is not there, reads one
 * line and has no run of keys to follow, however full of dead keys the table is, and nothing ever has to move.
 *
 * Numbers of generations have 16 bits: before they come round, a cursor that passes over the whole table has cleared what is dead. Sixteen partitions grow by half one at a time, up to what a full
 * window needs, and begin with sizes that lie apart, since keys fill them all alike: so no growth, nor a row of them, stalls the writer for more than a few milliseconds.
 *
 * Roads not taken: a ring of keys with an index beside it forgets exactly in order, but needs a second cache miss a look-up and
 * twice the memory; linear probing over single slots read two lines and more where dead keys had gathered, at twice the time. */
#include "engine/dedup.h"

#include <errno.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

enum {
	PARTITIONS = 16,
	GENERATIONS = 256,   /* of the ring: live ones, at most some 64 by time and 64 by number */
	WINDOW_PARTS = 64,   /* generations in a window */
	UNSWEPT_MAX = 60000, /* generations that may wait for the sweep: below 2^16 */
	BUCKET_KEYS = 6,
	ALL_PLACES = (1 << BUCKET_KEYS) - 1,
	PASSED = 1 << BUCKET_KEYS, /* in what lives() gives */
	PARTITION_START = 43,      /* buckets */
	SWEEP_STEP = 341           /* buckets a call of dedup_advance */
};

/* Six keys with the generations they were added in, 0: the place is empty. What lies behind those is one more generation, so that all are looked at at once. */
struct bucket {
	uint64_t keys[BUCKET_KEYS];
	uint16_t generations[BUCKET_KEYS];
	uint16_t passed; /* of the newest key that found no place here; 0: there was none */
	uint16_t unused;
};
_Static_assert(sizeof(struct bucket) == 64, "a bucket is a cache line");

struct partition {
	struct bucket *buckets; /* at a cache line within memory */
	void *memory;           /* owned */
	uint32_t cap;           /* buckets */
	uint32_t used;          /* keys, live and dead */
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
	uint32_t cursor_part, cursor_bucket;
};

struct dedup *dedup_new(int64_t window_ns, uint32_t max)
{
	struct dedup *d = mem_zalloc(1, sizeof *d);
	if (d == NULL)
		return NULL;
	d->window_ns = window_ns < WINDOW_PARTS ? WINDOW_PARTS : window_ns;
	d->max = max < WINDOW_PARTS ? WINDOW_PARTS : max;
	d->now_ns = INT64_MIN;
	d->oldest = d->current = d->swept = d->pass = 1; /* 0 is none */
	return d;
}

void dedup_free(struct dedup *d)
{
	if (d == NULL)
		return;
	for (int i = 0; i < PARTITIONS; i++)
		mem_free(d->parts[i].memory);
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

void dedup_prefetch(const struct dedup *d, uint64_t key)
{
	const struct partition *p = partition_of(d, key);
	if (p->cap != 0)
		__builtin_prefetch(&p->buckets[home_of(key, p->cap)], 1);
}

/* ---- generations ---- */

/* How many generations ago the one with these 16 bits was. */
static inline uint16_t age_of(const struct dedup *d, uint16_t generation)
{
	return (uint16_t)((uint16_t)d->current - generation);
}

/* ---- buckets ---- */

#if defined(__SSE2__)
/* Ones in the 16 bits of each generation of the bucket that lives. */
static inline __m128i live_lanes(const struct dedup *d, __m128i generations)
{
	__m128i age = _mm_sub_epi16(_mm_set1_epi16((short)(uint16_t)d->current), generations);
	__m128i beyond = _mm_subs_epu16(age, _mm_set1_epi16((short)(uint16_t)(d->current - d->oldest)));
	__m128i none = _mm_setzero_si128();
	return _mm_andnot_si128(_mm_cmpeq_epi16(generations, none), _mm_cmpeq_epi16(beyond, none));
}
#endif

/* The places of a bucket whose keys live, a bit each, and PASSED: a live key may lie behind the bucket. */
static inline unsigned lives(const struct dedup *d, const struct bucket *b)
{
#if defined(__SSE2__)
	__m128i live = live_lanes(d, _mm_load_si128((const __m128i *)(const void *)b->generations));
	return (unsigned)_mm_movemask_epi8(_mm_packs_epi16(live, _mm_setzero_si128())) & (ALL_PLACES | PASSED);
#else
	unsigned live = 0;
	for (unsigned i = 0; i <= BUCKET_KEYS; i++) {
		uint16_t g = i < BUCKET_KEYS ? b->generations[i] : b->passed;
		live |= (unsigned)(g != 0 && age_of(d, g) <= d->current - d->oldest) << i;
	}
	return live;
#endif
}

/* The places of a bucket that hold these bits as a key, a bit each. */
static inline unsigned places_of(const struct bucket *b, uint64_t key)
{
	const uint64_t *k = b->keys;
	return (unsigned)(k[0] == key) | (unsigned)(k[1] == key) << 1 | (unsigned)(k[2] == key) << 2 |
	       (unsigned)(k[3] == key) << 3 | (unsigned)(k[4] == key) << 4 | (unsigned)(k[5] == key) << 5;
}
_Static_assert(BUCKET_KEYS == 6, "places_of names each");

static inline struct bucket *next_bucket(const struct partition *p, struct bucket *b)
{
	return ++b == p->buckets + p->cap ? p->buckets : b;
}

/* The bucket with the live key, whose place goes to *place; NULL where there is none. A partition has free places, hence an end. */
static inline struct bucket *find(const struct dedup *d, const struct partition *p, uint64_t key, unsigned *place)
{
	struct bucket *b = &p->buckets[home_of(key, p->cap)];
	for (;; b = next_bucket(p, b)) {
		unsigned live = lives(d, b);
		unsigned at = places_of(b, key) & live;
		if (at != 0) {
			*place = (unsigned)__builtin_ctz(at);
			return b;
		}
		if ((live & PASSED) == 0)
			return NULL;
	}
}

/* Puts a key that is not there into the first free place on its way. */
static inline void place(const struct dedup *d, struct partition *p, uint64_t key, uint16_t generation)
{
	struct bucket *b = &p->buckets[home_of(key, p->cap)];
	unsigned live;
	while (((live = lives(d, b)) & ALL_PLACES) == ALL_PLACES) {
		if ((live & PASSED) == 0 || age_of(d, generation) < age_of(d, b->passed))
			b->passed = generation;
		b = next_bucket(p, b);
	}
	unsigned at = (unsigned)__builtin_ctz(~live);
	p->used += b->generations[at] == 0;
	b->keys[at] = key;
	b->generations[at] = generation;
}

/* Clears what is dead; returns how many keys that were. */
static uint32_t bucket_clear(const struct dedup *d, struct bucket *b)
{
	unsigned live = lives(d, b);
	uint32_t cleared = 0;
	for (unsigned i = 0; i < BUCKET_KEYS; i++) {
		unsigned is_dead = (b->generations[i] != 0) & ~(live >> i);
		b->generations[i] = is_dead ? 0 : b->generations[i];
		cleared += is_dead;
	}
	b->passed = (live & PASSED) != 0 ? b->passed : 0;
	return cleared;
}

/* ---- partitions ---- */

/* Rebuilds a partition with `cap` buckets, leaving dead keys behind. */
static int partition_rebuild(const struct dedup *d, struct partition *p, uint32_t cap)
{
	void *memory = mem_zalloc((size_t)cap + 1, sizeof(struct bucket));
	if (memory == NULL)
		return -ENOMEM;
	uintptr_t line = ((uintptr_t)memory + sizeof(struct bucket) - 1) / sizeof(struct bucket);
	struct partition bigger = {(struct bucket *)(line * sizeof(struct bucket)), memory, cap, 0};
	for (uint32_t i = 0; i < p->cap; i++) {
		const struct bucket *b = &p->buckets[i];
		for (unsigned live = lives(d, b) & ALL_PLACES; live != 0; live &= live - 1) {
			int at = __builtin_ctz(live);
			place(d, &bigger, b->keys[at], b->generations[at]);
		}
	}
	mem_free(p->memory);
	*p = bigger;
	return 0;
}

static void partition_purge(const struct dedup *d, struct partition *p)
{
	for (uint32_t i = 0; i < p->cap; i++)
		p->used -= bucket_clear(d, &p->buckets[i]);
}

/* The buckets that a partition's share of a full window needs: 3 live keys in 5 places. Shares differ a
 * little, since all are filled alike and would be cleared in a row. */
static uint32_t full_cap(const struct dedup *d, const struct partition *p)
{
	uint32_t cap = (uint32_t)((uint64_t)d->max * 5 / 3 / PARTITIONS / BUCKET_KEYS) + 1;
	return cap + (uint32_t)((uint64_t)cap * (uint32_t)(p - d->parts) / (PARTITIONS * PARTITIONS));
}

/* By half, but not past what a full window needs. */
static uint32_t grown_cap(const struct dedup *d, const struct partition *p)
{
	uint32_t full = full_cap(d, p), grown = p->cap + p->cap / 2;
	return p->cap < full && full < grown ? full : grown;
}

/* A partition in use has a free place: at most four fifths of them are taken. */
static int partition_make_room(const struct dedup *d, struct partition *p)
{
	if (p->cap == 0)
		return partition_rebuild(d, p,
		                         PARTITION_START + PARTITION_START / 2 * (uint32_t)(p - d->parts) / PARTITIONS);
	uint64_t places = (uint64_t)p->cap * BUCKET_KEYS;
	if (__builtin_expect((uint64_t)p->used * 5 < places * 4, 1))
		return 0;
	partition_purge(d, p);
	if ((uint64_t)p->used * 10 < places * 7)
		return 0;
	return partition_rebuild(d, p, grown_cap(d, p));
}

/* ---- the window ---- */

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

/* Sweeps up to `steps` buckets; returns whether the table is clean of what was dead when the pass began. */
static bool sweep(struct dedup *d, uint32_t steps)
{
	while (steps-- > 0) {
		struct partition *p = &d->parts[d->cursor_part];
		if (d->cursor_bucket >= p->cap) {
			d->cursor_bucket = 0;
			if (++d->cursor_part < PARTITIONS)
				continue;
			d->cursor_part = 0;
			d->swept = d->pass;
			d->pass = d->oldest;
			return true;
		}
		p->used -= bucket_clear(d, &p->buckets[d->cursor_bucket++]);
	}
	return false;
}

static void begin_generation(struct dedup *d)
{
	/* The pass that is under way may have begun long ago, hence a second one. */
	if (d->current - d->swept >= UNSWEPT_MAX) {
		for (int passes = 0; passes < 2; passes++) {
			while (!sweep(d, UINT32_MAX))
				;
		}
	}
	while (d->current + 2 - d->oldest >= GENERATIONS)
		evict_oldest(d);
	d->current++;
	*generation_at(d, d->current) = (struct generation){d->now_ns, d->now_ns, 0};
	if ((uint16_t)d->current == 0) { /* a number that stands for none: this one stays empty */
		d->current++;
		*generation_at(d, d->current) = (struct generation){d->now_ns, d->now_ns, 0};
	}
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

int dedup_add(struct dedup *d, uint64_t key)
{
	struct partition *p = partition_of(d, key);
	unsigned at;
	int code = partition_make_room(d, p);
	if (code != 0)
		return code;
	if (find(d, p, key, &at) != NULL)
		return 0;
	struct generation *g = generation_at(d, d->current);
	if (g->live >= d->max / WINDOW_PARTS || d->live >= d->max) {
		if (g->live >= d->max / WINDOW_PARTS)
			begin_generation(d);
		while (d->live >= d->max && d->oldest < d->current)
			evict_oldest(d);
		g = generation_at(d, d->current);
	}
	place(d, p, key, (uint16_t)d->current);
	g->live++;
	g->last_ns = d->now_ns;
	d->live++;
	return 1;
}

void dedup_remove(struct dedup *d, uint64_t key)
{
	struct partition *p = partition_of(d, key);
	unsigned at;
	struct bucket *b = p->cap != 0 ? find(d, p, key, &at) : NULL;
	if (b == NULL)
		return;
	generation_at(d, d->current - age_of(d, b->generations[at]))->live--;
	d->live--;
	b->generations[at] = 0;
	p->used--;
}

void dedup_stats(const struct dedup *d, struct dedup_stats *out)
{
	*out = (struct dedup_stats){.keys = d->live, .evicted = d->evicted, .bytes = sizeof *d};
	for (int i = 0; i < PARTITIONS; i++)
		out->bytes += (uint64_t)d->parts[i].cap * sizeof(struct bucket);
}
