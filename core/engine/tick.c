/* Ticks, see tick.h.
 *
 * A tick has two stages. First the snapshot is walked, and every living series gets its samples. Then what was not seen gets its stale markers: only now, because the same labels may have come back under another number, or in a family that
 * was made anew, and then have their sample already. */
#include "engine/tick.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "record/labels.h"

#define EXEMPLAR_LATE_NS (60 * NS_PER_S)
#define NO_SERIES UINT32_MAX /* the store gives no such number */

/* What is known of one number of a family. */
struct place {
	uint64_t birth;     /* of the series that has it; 0: none */
	uint32_t tick;      /* the last one that saw it */
	uint32_t numbers[]; /* in the store, of its values; NO_SERIES: it had no room */
};

struct family {
	uint64_t identity;
	unsigned char *places; /* owned */
	uint32_t room;         /* places */
	uint32_t place_size;   /* bytes */
	uint32_t value_count;
	uint32_t known; /* places that have a series */
	uint32_t seen;  /* of them, by `tick` */
	uint32_t tick;  /* the last one that saw the family */
};

struct ticker {
	struct tsdb *store;
	int64_t resolution_ns;
	int64_t last_ns; /* the last tick that was begun; INT64_MIN: not known */
	struct family *families;
	size_t family_count, family_cap;
	struct buf labels;

	/* The tick that is going on. */
	struct metrics_snapshot *snapshot; /* NULL: none is */
	struct metrics_cursor *cursor;     /* NULL: its first slice is to come */
	int64_t tick_ns;
	int64_t before_ns; /* the tick before it */
	uint32_t tick;     /* its number */
	bool swept;        /* walked; markers are due */
	struct metrics_family shown;
	bool in_family;        /* `shown` is being walked */
	struct family *family; /* of `shown`, while it is */
	struct metrics_sampled series;
	bool has_series;   /* it has not got all its samples */
	size_t at;         /* the walk: where the next family is looked for first; the sweep: the family at hand */
	uint32_t place_at; /* the sweep */
	uint32_t *gone;    /* numbers in the store of series whose place was taken by others */
	size_t gone_count, gone_cap;
	uint64_t no_room; /* in this tick */
	bool was_full;    /* the tick before had such */

	struct ticker_stats stats;
};

struct ticker *ticker_new(struct tsdb *store, int64_t resolution_ns)
{
	struct ticker *tk = mem_zalloc(1, sizeof *tk);

	CHECK(resolution_ns > 0 && resolution_ns % NS_PER_MS == 0);
	if (tk == NULL)
		return NULL;
	tk->store = store;
	tk->resolution_ns = resolution_ns;
	tk->last_ns = INT64_MIN;
	return tk;
}

static void end_tick(struct ticker *tk)
{
	metrics_cursor_free(tk->cursor);
	metrics_snapshot_unref(tk->snapshot);
	tk->cursor = NULL;
	tk->snapshot = NULL;
}

void ticker_free(struct ticker *tk)
{
	if (tk == NULL)
		return;
	end_tick(tk);
	for (size_t i = 0; i < tk->family_count; i++)
		mem_free(tk->families[i].places);
	mem_free(tk->families);
	mem_free(tk->gone);
	buf_free(&tk->labels);
	mem_free(tk);
}

static int64_t tick_at(const struct ticker *tk, int64_t now_ns)
{
	return now_ns < 0 ? 0 : now_ns - now_ns % tk->resolution_ns;
}

int64_t ticker_last(const struct ticker *tk, int64_t now_ns)
{
	return tick_at(tk, now_ns);
}

bool ticker_due(const struct ticker *tk, int64_t now_ns, int64_t *tick_ns)
{
	*tick_ns = tick_at(tk, now_ns);
	return *tick_ns > tk->last_ns;
}

bool ticker_pending(const struct ticker *tk)
{
	return tk->snapshot != NULL;
}

void ticker_begin(struct ticker *tk, struct metrics_snapshot *s, int64_t tick_ns)
{
	CHECK(tick_ns > tk->last_ns && tick_ns % tk->resolution_ns == 0);
	if (ticker_pending(tk)) {
		tk->stats.cut++;
		end_tick(tk);
	}
	tk->snapshot = s;
	tk->tick_ns = tick_ns;
	tk->before_ns = tk->last_ns != INT64_MIN ? tk->last_ns : tick_ns - tk->resolution_ns;
	tk->last_ns = tick_ns;
	tk->tick++;
	tk->swept = tk->in_family = tk->has_series = false;
	tk->at = 0;
	tk->no_room = 0;
	tk->stats.ticks++;
}

/* ---- appending ---- */

static void count_outcome(struct ticker *tk, int outcome)
{
	switch (outcome) {
	case APPEND_STORED:
		tk->stats.samples++;
		return;
	case APPEND_DUPLICATE:
	case APPEND_TOO_OLD:
		tk->stats.known++;
		return;
	case APPEND_CONFLICT:
		tk->stats.conflicts++;
		return;
	default:
		tk->stats.refused++;
		return;
	}
}

/* 1: stored; 0: not, which is counted; -ENOMEM. */
static int append(struct ticker *tk, uint32_t number, int64_t time_ns, double value)
{
	int outcome = tsdb_append(tk->store, number, time_ns / NS_PER_MS, value);

	if (outcome < 0)
		return outcome;
	count_outcome(tk, outcome);
	return outcome == APPEND_STORED;
}

/* The zero before the first sample. 0 or -ENOMEM. */
static int append_zero(struct ticker *tk, uint32_t number)
{
	int64_t time_ns = tk->tick_ns - tk->resolution_ns;
	struct sample newest;

	if (tsdb_newest(tk->store, number, &newest) && newest.time_ms >= time_ns / NS_PER_MS)
		return 0;
	int code = append(tk, number, time_ns, 0);
	if (code < 0)
		return code;
	tk->stats.zeros += (uint64_t)code;
	return 0;
}

/* The end of a series of the store, unless it goes on under another place or has ended already. 0 or -ENOMEM. */
static int append_stale(struct ticker *tk, uint32_t number)
{
	struct sample newest;

	if (!tsdb_has(tk->store, number) || !tsdb_newest(tk->store, number, &newest) ||
	    newest.time_ms >= tk->tick_ns / NS_PER_MS || sample_is_stale(newest.value))
		return 0;
	int code = append(tk, number, tk->tick_ns, sample_stale());
	if (code < 0)
		return code;
	tk->stats.stales += (uint64_t)code;
	return 0;
}

/* ---- places ---- */

static struct place *place_of(const struct family *f, uint32_t number)
{
	return (struct place *)(f->places + (size_t)number * f->place_size);
}

/* Room for as many numbers as the family has, and some more of one that grows. 0 or -ENOMEM. */
static int make_places(struct ticker *tk, struct family *f, uint32_t numbers)
{
	if (numbers <= f->room)
		return 0;
	uint32_t room = f->room == 0 || numbers > UINT32_MAX / 2 ? numbers : numbers + numbers / 2;
	/* Zeroed by the kernel where it is large, page by page as the walk comes to them: not all of it in one slice. */
	unsigned char *places = mem_zalloc(room, f->place_size);
	if (places == NULL)
		return -ENOMEM;
	if (f->room > 0)
		memcpy(places, f->places, (size_t)f->room * f->place_size);
	mem_free(f->places);
	tk->stats.bytes += (uint64_t)(room - f->room) * f->place_size;
	f->places = places;
	f->room = room;
	return 0;
}

/* The family of `shown`, which mostly comes behind the one before as it did in the last tick. NULL: memory is out. */
static struct family *find_family(struct ticker *tk)
{
	uint64_t identity = tk->shown.identity;
	void *families = tk->families;
	size_t i = tk->at;

	if (i >= tk->family_count || tk->families[i].identity != identity)
		for (i = 0; i < tk->family_count && tk->families[i].identity != identity;)
			i++;
	if (i == tk->family_count) {
		if (mem_grow(&families, &tk->family_cap, tk->family_count, sizeof *tk->families) != 0)
			return NULL;
		tk->families = families;
		size_t size = offsetof(struct place, numbers) + tk->shown.value_count * sizeof(uint32_t);
		tk->families[tk->family_count++] = (struct family){
		    .identity = identity,
		    .place_size = (uint32_t)((size + 7) / 8 * 8),
		    .value_count = tk->shown.value_count,
		};
	}
	tk->at = i + 1;
	return &tk->families[i];
}

/* The series that had this place is another's by now: its end is due, unless that one has the same labels. 0 or -ENOMEM. */
static int leave_place(struct ticker *tk, struct family *f, struct place *p)
{
	void *gone = tk->gone;

	for (uint32_t i = 0; i < f->value_count; i++) {
		if (mem_grow(&gone, &tk->gone_cap, tk->gone_count + i, sizeof *tk->gone) != 0)
			return -ENOMEM;
		tk->gone = gone;
		tk->gone[tk->gone_count + i] = p->numbers[i];
	}
	tk->gone_count += f->value_count;
	p->birth = 0;
	f->known--;
	tk->stats.series--;
	return 0;
}

/* The number in the store of value `i` of the series at hand. 0 or -ENOMEM. */
static int find_number(struct ticker *tk, uint32_t i, uint32_t *number)
{
	*number = NO_SERIES;
	buf_reset(&tk->labels);
	int code = metrics_cursor_labels(tk->cursor, i, &tk->labels);
	if (code != 0)
		return code;
	struct slice labels = buf_slice(&tk->labels);
	code = tsdb_series(tk->store, labels, labels_hash(labels), number);
	if (code == 0 || code == -ENOMEM)
		return code;
	*number = NO_SERIES;
	return 0;
}

/* Gives the series at hand its place. 0 or -ENOMEM. */
static int take_place(struct ticker *tk, struct family *f, struct place *p)
{
	int code = p->birth != 0 ? leave_place(tk, f, p) : 0;

	for (uint32_t i = 0; i < f->value_count && code == 0; i++)
		code = find_number(tk, i, &p->numbers[i]);
	if (code != 0)
		return code;
	p->birth = tk->series.birth;
	p->tick = tk->tick - 1;
	f->known++;
	tk->stats.series++;
	return 0;
}

/* ---- the walk ---- */

/* The exemplar of the value, if it is new: it is asked for as long as its record may have been late. What the store has already it knows. 0 or -ENOMEM. */
static int keep_exemplar(struct ticker *tk, uint32_t number, uint32_t i)
{
	struct metrics_exemplar e;
	struct error err;

	if (!metrics_cursor_exemplar(tk->cursor, i, &e) || e.time_ns < tk->before_ns - EXEMPLAR_LATE_NS)
		return 0;
	struct label ids[] = {{SLICE("span_id"), e.span_id}, {SLICE("trace_id"), e.trace_id}};
	buf_reset(&tk->labels);
	int code = labels_canonical(ids, 2, &tk->labels, &err);
	CHECK(code != -EINVAL); /* the registry holds OpenMetrics' bounds, which are stricter */
	struct slice series = tsdb_labels(tk->store, number);
	if (code == 0)
		code = tsdb_exemplar_add(
		    tk->store, series, labels_hash(series),
		    &(struct sample_exemplar){buf_slice(&tk->labels), e.value, e.time_ns / NS_PER_MS});
	return code < 0 ? code : 0;
}

static int sample_value(struct ticker *tk, struct place *p, uint32_t i)
{
	/* It may have left the store, or there may be room for it by now. */
	int code = tsdb_has(tk->store, p->numbers[i]) ? 0 : find_number(tk, i, &p->numbers[i]);
	if (code != 0)
		return code;
	if (p->numbers[i] == NO_SERIES) {
		tk->no_room++;
		tk->stats.no_room++;
		return 0;
	}
	if (i >= tk->shown.cumulative && tk->series.created_ns >= tk->before_ns)
		code = append_zero(tk, p->numbers[i]);
	if (code == 0)
		code = append(tk, p->numbers[i], tk->tick_ns, tk->series.values[i]);
	return code < 0 ? code : keep_exemplar(tk, p->numbers[i], i);
}

/* All samples of the series at hand. 0; -ENOMEM: to be done again from its beginning. */
static int sample_series(struct ticker *tk)
{
	struct place *p = place_of(tk->family, tk->series.number);

	int code = p->birth != tk->series.birth ? take_place(tk, tk->family, p) : 0;
	if (code != 0)
		return code;
	for (uint32_t i = 0; i < tk->family->value_count; i++) {
		code = sample_value(tk, p, i);
		if (code < 0)
			return code;
	}
	p->tick = tk->tick;
	tk->family->seen++;
	tk->has_series = false;
	return 0;
}

static enum metadata_type metadata_type_of(enum metric_type type)
{
	switch (type) {
	case METRIC_COUNTER:
		return METADATA_COUNTER;
	case METRIC_HISTOGRAM:
		return METADATA_HISTOGRAM;
	case METRIC_SUMMARY:
		return METADATA_SUMMARY;
	default:
		return METADATA_GAUGE;
	}
}

/* What the scripts say of it. Where there is too much metadata it is without, which the store counts. */
static int say_what_it_is(struct ticker *tk)
{
	const struct metrics_family *f = &tk->shown;
	int code = tsdb_metadata_put(tk->store,
	                             &(struct sample_metadata){f->name, f->help, f->unit, metadata_type_of(f->type)});
	return code == -ENOSPC ? 0 : code;
}

/* Makes `shown` the family at hand. 0 or -ENOMEM. */
static int enter_family(struct ticker *tk)
{
	struct family *f = find_family(tk);
	int code = f == NULL ? -ENOMEM : make_places(tk, f, tk->shown.numbers);

	if (code == 0)
		code = say_what_it_is(tk);
	if (code != 0)
		return code;
	f->tick = tk->tick;
	f->seen = 0;
	tk->family = f;
	return 0;
}

/* Is it to be sampled in one go? */
static bool is_whole(const struct ticker *tk)
{
	return (uint64_t)tk->shown.numbers * tk->shown.value_count <= TICKER_WHOLE;
}

/* The rest of the family at hand, or of the budget. 1: the family is done; 0: the budget is; -ENOMEM. */
static int walk_family(struct ticker *tk, uint32_t *left)
{
	uint32_t each = tk->shown.value_count;
	bool whole = is_whole(tk);

	if (tk->family == NULL) {
		int code = enter_family(tk);
		if (code != 0)
			return code;
	}
	for (;;) {
		if (*left == 0 && !whole)
			return 0;
		if (!tk->has_series && !metrics_cursor_next(tk->cursor, &tk->series))
			return 1;
		tk->has_series = true;
		int code = sample_series(tk);
		if (code != 0)
			return code;
		*left = *left > each ? *left - each : 0;
	}
}

/* 1: all families are walked; 0: the budget is done; -ENOMEM. */
static int walk(struct ticker *tk, uint32_t *left)
{
	if (tk->cursor == NULL)
		tk->cursor = metrics_cursor_new(tk->snapshot);
	if (tk->cursor == NULL)
		return -ENOMEM;
	for (;;) {
		if (!tk->in_family && *left == 0)
			return 0;
		if (!tk->in_family && !metrics_cursor_family(tk->cursor, &tk->shown))
			return 1;
		if (!tk->in_family)
			tk->family = NULL;
		tk->in_family = true;
		int code = walk_family(tk, left);
		if (code <= 0)
			return code;
		tk->in_family = false;
	}
}

/* ---- the sweep ---- */

/* Ends the series of one place. 0 or -ENOMEM. */
static int end_place(struct ticker *tk, struct family *f, struct place *p)
{
	for (uint32_t i = 0; i < f->value_count; i++) {
		int code = append_stale(tk, p->numbers[i]);
		if (code != 0)
			return code;
	}
	p->birth = 0;
	f->known--;
	tk->stats.series--;
	return 0;
}

/* Ends what this tick did not see of a family. 1: all of it; 0: the budget is done; -ENOMEM. */
static int sweep_family(struct ticker *tk, struct family *f, uint32_t *left)
{
	uint32_t seen = f->tick == tk->tick ? f->seen : 0;

	for (; f->known != seen && tk->place_at < f->room; tk->place_at++) {
		struct place *p = place_of(f, tk->place_at);
		if (p->birth == 0 || p->tick == tk->tick)
			continue;
		if (*left == 0)
			return 0;
		int code = end_place(tk, f, p);
		if (code != 0)
			return code;
		*left = *left > f->value_count ? *left - f->value_count : 0;
	}
	CHECK(f->known == seen);
	return 1;
}

static void drop_family(struct ticker *tk, struct family *f)
{
	tk->stats.bytes -= (uint64_t)f->room * f->place_size;
	mem_free(f->places);
	memmove(f, f + 1, (size_t)(tk->families + tk->family_count - (f + 1)) * sizeof *f);
	tk->family_count--;
}

/* As sweep_family, of all. */
static int sweep(struct ticker *tk, uint32_t *left)
{
	for (; tk->gone_count > 0; tk->gone_count--) {
		if (*left == 0)
			return 0;
		int code = append_stale(tk, tk->gone[tk->gone_count - 1]);
		if (code != 0)
			return code;
		--*left;
	}
	while (tk->at < tk->family_count) {
		struct family *f = &tk->families[tk->at];
		int code = sweep_family(tk, f, left);
		if (code <= 0)
			return code;
		tk->place_at = 0;
		if (f->tick == tk->tick)
			tk->at++;
		else
			drop_family(tk, f);
	}
	return 1;
}

/* ---- a start ---- */

/* Remembers the series of `shown`, which have their samples. 0 or -ENOMEM. */
static int remember_family(struct ticker *tk)
{
	struct family *f = find_family(tk);
	int code = f == NULL ? -ENOMEM : make_places(tk, f, tk->shown.numbers);

	while (code == 0 && metrics_cursor_next(tk->cursor, &tk->series)) {
		struct place *p = place_of(f, tk->series.number);
		code = take_place(tk, f, p);
		p->tick = tk->tick;
	}
	return code;
}

int ticker_resume(struct ticker *tk, int64_t now_ns, struct metrics_snapshot *s)
{
	CHECK(!ticker_pending(tk));
	tk->last_ns = tick_at(tk, now_ns);
	if (s == NULL)
		return 0;
	tk->snapshot = s;
	tk->cursor = metrics_cursor_new(s);
	int code = tk->cursor == NULL ? -ENOMEM : 0;
	while (code == 0 && metrics_cursor_family(tk->cursor, &tk->shown))
		code = remember_family(tk);
	end_tick(tk);
	return code;
}

/* ---- a slice ---- */

static void say_full(struct ticker *tk)
{
	if (tk->no_room > 0 && !tk->was_full)
		LOG(LOG_WARN, "the store takes no more series: samples of live metrics are left out at each tick",
		    log_int("samples", tk->no_room));
	tk->was_full = tk->no_room > 0;
}

int ticker_run(struct ticker *tk, uint32_t max_series)
{
	uint32_t left = max_series > 0 ? max_series : 1;
	int code = 1;

	if (!ticker_pending(tk))
		return 0;
	tsdb_batch_begin(tk->store);
	if (!tk->swept) {
		code = walk(tk, &left);
		if (code == 1) {
			tk->swept = true;
			tk->at = tk->place_at = 0;
		}
	}
	if (code == 1)
		code = sweep(tk, &left);
	tsdb_batch_end(tk->store);
	if (code < 0)
		return code;
	if (code == 0)
		return 1;
	say_full(tk);
	end_tick(tk);
	return 0;
}

void ticker_stats(const struct ticker *tk, struct ticker_stats *out)
{
	*out = tk->stats;
	out->bytes +=
	    sizeof *tk + tk->family_cap * sizeof *tk->families + tk->gone_cap * sizeof *tk->gone + tk->labels.cap;
}
