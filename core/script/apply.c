/* Applying a frame: the clock, the timers that it makes due, the records script by script, and what is emitted meanwhile. */
#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "script/internal.h"

/* Records that go through all scripts before the next ones do, so that the second script finds them in the cache. */
enum { BLOCK_RECORDS = 128 };

/* ---- types and slots ---- */

static bool same_type(const void *ctx, const void *key, uint32_t item)
{
	const struct script_set *set = ctx;

	return set->types[item].hash == *(const uint64_t *)key;
}

/* Makes the views of the scripts that handle a new type. 0 or -ENOMEM. */
static int add_views(struct script_set *set, uint32_t slot)
{
	if (!set->sealed)
		return 0; /* more handlers may come */
	for (uint32_t i = 0; i < set->count; i++) {
		int rc = script_add_view(set->scripts[i], slot, set->types[slot].name);
		if (rc != 0)
			return rc;
	}
	return 0;
}

int set_add_type(struct script_set *set, struct slice name, uint16_t *slot)
{
	uint64_t hash = hash_bytes(name.ptr, name.len, hash_seed());
	uint32_t known = table_find(&set->type_table, hash, same_type, set, &hash);

	if (known != TABLE_NONE) {
		*slot = (uint16_t)known;
		return 0;
	}
	struct slice copy = arena_copy(&set->arena, name);
	if (copy.ptr == NULL || table_reserve(&set->type_table, set->type_count + 1) != 0)
		return -ENOMEM;
	uint32_t at = set->type_count;
	set->types[at] = (struct type_slot){copy, hash};
	int rc = add_views(set, at);
	if (rc != 0)
		return rc;
	table_add(&set->type_table, hash, at);
	set->type_count++;
	*slot = (uint16_t)at;
	return 0;
}

/* The slot of a type; where some handler is for all types, a new one gets a slot of its own as long as there is room. */
static uint16_t find_slot(struct script_set *set, const struct record_type *type)
{
	uint32_t known = table_find(&set->type_table, type->hash, same_type, set, &type->hash);
	uint16_t slot;

	if (known != TABLE_NONE)
		return (uint16_t)known;
	if (!set->any_handler_for_all || set->type_count >= TYPES_MAX || set_add_type(set, type->name, &slot) != 0)
		return SLOT_OTHER;
	return slot;
}

/* Room for the types of a batch; those from `from` on are not looked up yet. */
static int reserve_batch_slots(struct script_set *set, uint32_t from, uint32_t count)
{
	while (set->batch_slot_cap < count) {
		void *slots = set->batch_slots;
		int rc = mem_grow(&slots, &set->batch_slot_cap, set->batch_slot_cap, sizeof *set->batch_slots);
		if (rc != 0)
			return rc;
		set->batch_slots = slots;
	}
	memset(set->batch_slots + from, 0, (count - from) * sizeof *set->batch_slots);
	set->batch_slot_count = count;
	return 0;
}

/* The slot of a record whose type was not looked up yet. */
static __attribute__((noinline)) uint16_t slot_new(struct script_set *set, const struct record *r)
{
	const struct batch *b = r->batch;

	if (r->kind == RECORD_SPAN)
		return SLOT_SPAN;
	if (set->batch != b || r->type >= set->batch_slot_count) {
		uint32_t from = set->batch == b ? set->batch_slot_count : 0;
		set->batch = b;
		if (reserve_batch_slots(set, from, b->type_count) != 0) {
			set->batch = NULL;
			return find_slot(set, &b->types[r->type]);
		}
	}
	uint16_t *slot = &set->batch_slots[r->type];
	if (*slot == 0)
		*slot = (uint16_t)(1 + find_slot(set, &b->types[r->type]));
	return (uint16_t)(*slot - 1);
}

uint16_t set_slot(struct script_set *set, const struct record *r)
{
	if (set->batch == r->batch && r->type < set->batch_slot_count && set->batch_slots[r->type] != 0)
		return (uint16_t)(set->batch_slots[r->type] - 1);
	return slot_new(set, r);
}

/* The slots of a frame's records; NULL when memory is out: each is then looked up when its turn comes. */
static const uint16_t *find_slots(struct script_set *set, struct record *const *records, uint32_t count)
{
	set->batch = NULL; /* another batch may lie where the last frame's was */
	while (set->slot_cap < count) {
		void *slots = set->slots;
		if (mem_grow(&slots, &set->slot_cap, set->slot_cap, sizeof *set->slots) != 0)
			return NULL;
		set->slots = slots;
	}
	for (uint32_t i = 0; i < count; i++)
		set->slots[i] = set_slot(set, records[i]);
	return set->slots;
}

/* ---- timers ---- */

/* The latest multiple of the interval that is not after `now_ns`. */
static int64_t last_due(const struct handler *h, int64_t now_ns)
{
	return now_ns / h->interval_ns * h->interval_ns;
}

struct due {
	int64_t time_ns;
	struct script *script;
	const struct handler *timer;
	uint32_t order; /* of registration, over all scripts */
};

static int by_time(const void *a, const void *b)
{
	const struct due *x = a;
	const struct due *y = b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

static uint32_t collect_due(struct script_set *set, int64_t before_ns, int64_t now_ns)
{
	uint32_t n = 0;
	uint32_t order = 0;

	for (uint32_t i = 0; i < set->count; i++) {
		struct script *s = set->scripts[i];
		for (uint32_t k = 0; k < s->timers.count; k++, order++) {
			const struct handler *h = &s->timers.items[k];
			int64_t time_ns = last_due(h, now_ns);
			if (time_ns > before_ns)
				set->due[n++] = (struct due){time_ns, s, h, order};
		}
	}
	return n;
}

/* A timer over what is open. */
struct over_open {
	struct script *script;
	const struct handler *timer;
};

static bool run_over_open(void *ctx, const struct trace *trace)
{
	const struct over_open *o = ctx;
	struct cursor c = {.timer = o->timer, .trace = trace, .count = 1};

	script_run(o->script, &c);
	return !o->script->stats.quarantined;
}

static void run_timer(const struct due *due, struct traces *traces)
{
	struct over_open over = {due->script, due->timer};
	struct cursor c = {.timer = due->timer};

	if (due->script->stats.quarantined)
		return;
	if (!due->timer->open) {
		script_run(due->script, &c);
	} else if (traces != NULL && traces_each_open(traces, run_over_open, &over) != 0) {
		due->script->host->starved++;
		LOG(LOG_ERROR, "out of memory: a handler has not seen all open traces",
		    log_str("script", due->script->path), log_str("handler", due->timer->where));
	}
	set_untrace(due->script->set);
}

/* Runs the timers whose time lies behind `before_ns` and not behind `now_ns`, each once. On the very first frame there is no time before, so
 * none is due. */
static void run_timers(struct script_set *set, int64_t before_ns, int64_t now_ns, struct traces *traces)
{
	if (set->timer_count == 0 || before_ns == 0)
		return;
	uint32_t n = collect_due(set, before_ns, now_ns);
	qsort(set->due, n, sizeof *set->due, by_time);
	for (uint32_t i = 0; i < n; i++)
		run_timer(&set->due[i], traces);
}

static int reserve_due(struct script_set *set)
{
	set->timer_count = 0;
	for (uint32_t i = 0; i < set->count; i++)
		set->timer_count += set->scripts[i]->timers.count;
	set->due = mem_zalloc(set->timer_count, sizeof *set->due);
	return set->due != NULL ? 0 : -ENOMEM;
}

int set_seal(struct script_set *set)
{
	int rc = 0;

	set->sealed = true;
	for (uint32_t slot = 0; slot < set->type_count && rc == 0; slot++)
		rc = add_views(set, slot);
	for (uint32_t i = 0; i < set->count && rc == 0; i++) {
		rc = script_add_view(set->scripts[i], SLOT_OTHER, (struct slice){"", 0});
		if (rc == 0)
			rc = script_add_view(set->scripts[i], SLOT_SPAN, (struct slice){"", 0});
	}
	return rc == 0 ? reserve_due(set) : rc;
}

int64_t script_set_next_due(const struct script_set *set)
{
	int64_t now_ns = set->host->now_ns;
	int64_t next = INT64_MAX;

	for (uint32_t i = 0; i < set->count; i++) {
		const struct script *s = set->scripts[i];
		for (uint32_t k = 0; k < s->timers.count && !s->stats.quarantined; k++) {
			int64_t due = last_due(&s->timers.items[k], now_ns) + s->timers.items[k].interval_ns;
			next = due < next ? due : next;
		}
	}
	return next != INT64_MAX && now_ns == 0 ? 0 : next; /* the first frame, whatever it is, starts the clock */
}

/* ---- records ---- */

/* Runs a script over records from the first one on that it has a handler for. */
static void run_records(struct script *s, struct record *const *records, const uint16_t *slots, uint32_t count)
{
	struct cursor c = {.records = records, .slots = slots, .count = count};

	while (c.at < count && cursor_view(s, &c) == NULL)
		c.at++;
	if (c.at < count && !s->stats.quarantined)
		script_run(s, &c);
}

bool emits_wait(const struct script_set *set)
{
	return set->emit_at < set->emitted->count;
}

void emits_run(struct script_set *set)
{
	if (!emits_wait(set))
		return;
	set->draining = true;
	while (emits_wait(set)) {
		struct record r =
		    set->emitted->records[set->emit_at++]; /* a copy: what is emitted meanwhile moves the array */
		struct record *one = &r;
		uint16_t slot = set_slot(set, one);
		set->depth = r.index;
		for (uint32_t i = 0; i < set->count; i++)
			run_records(set->scripts[i], &one, &slot, 1);
	}
	set->draining = false;
	set->depth = 0;
	set->emit_at = 0;
	set->batch = NULL;
	batch_reset(set->emitted, EMIT_BYTES_KEPT);
}

static bool cuts_expected(const struct script_set *set, const struct script *s)
{
	for (uint32_t i = 0; i < set->expected_count; i++) {
		if (set->expected[i].seq == set->seq && slice_eq(set->expected[i].script, s->stats.script))
			return true;
	}
	return false;
}

static void begin_frame(struct script_set *set, uint64_t seq)
{
	set->seq = seq;
	set->emits_in_frame = 0;
	if (set->emitted->arena.total > EMIT_BYTES_KEPT)
		batch_reset(set->emitted, EMIT_BYTES_KEPT); /* what emits that failed have left */
	for (uint32_t i = 0; i < set->count; i++) {
		struct script *s = set->scripts[i];
		s->calls_in_frame = 0;
		s->random_seeded = false;
		s->cuts_expected = set->expected_count != 0 && cuts_expected(set, s);
	}
}

void script_set_begin(struct script_set *set, uint64_t seq, int64_t now_ns, struct traces *traces)
{
	struct script_host *h = set->host;
	int64_t before_ns = h->now_ns;

	CHECK(set->bound && h->current == set);
	begin_frame(set, seq);
	if (now_ns > h->now_ns)
		h->now_ns = now_ns;
	run_timers(set, before_ns, h->now_ns, traces);
}

/* A number from 0 up to 1 that is the same for a trace in any process. */
static double draw(const struct trace *trace)
{
	return (double)(hash_bytes((const char *)trace->id, sizeof trace->id, 0) >> 11) * 0x1p-53;
}

static enum trace_verdict verdict_of(const struct trace_words *words, const struct trace *trace)
{
	if (words->drop)
		return TRACE_DROP;
	if (words->keep || !words->drawn)
		return TRACE_KEEP;
	return draw(trace) < words->probability ? TRACE_KEEP : TRACE_DROP;
}

enum trace_verdict script_set_trace(struct script_set *set, struct traces *traces, const struct trace *trace)
{
	struct trace_words words = {.probability = 0};
	uint32_t emits = set->emits_in_frame; /* many may close at one frame: each has the room of one */

	CHECK(set->bound && set->host->current == set);
	set->emits_in_frame = 0;
	for (uint32_t i = 0; i < set->count; i++) {
		struct script *s = set->scripts[i];
		struct cursor c = {.trace = trace, .traces = traces, .words = &words, .count = s->traces.count};
		if (c.count != 0 && !s->stats.quarantined)
			script_run(s, &c);
	}
	set->emits_in_frame = emits;
	set_untrace(set);
	return verdict_of(&words, trace);
}

void script_set_records(struct script_set *set, struct record *const *records, uint32_t count)
{
	const uint16_t *slots = find_slots(set, records, count);

	for (uint32_t at = 0; at < count; at += BLOCK_RECORDS) {
		uint32_t n = count - at < BLOCK_RECORDS ? count - at : BLOCK_RECORDS;
		for (uint32_t i = 0; i < set->count; i++) {
			if (slots != NULL)
				sight_ahead(set->scripts[i], records + at, slots + at, n);
			run_records(set->scripts[i], records + at, slots != NULL ? slots + at : NULL, n);
		}
	}
	set_untrace(set);
}

void script_set_apply(struct script_set *set, struct record *const *records, uint32_t count, uint64_t seq,
                      int64_t now_ns)
{
	script_set_begin(set, seq, now_ns, NULL);
	script_set_records(set, records, count);
}
