/* The store: its life, its writer, and the set of its blocks. See tsdb.h. */
#include "tsdb/tsdb.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "tsdb/store.h"

#define MS_PER_HOUR INT64_C(3600000)
#define REPLAY_SLACK_MS INT64_C(60000)

enum {
	EXEMPLARS_DEFAULT = 100000,
	TRIM_VISITS = 2000 /* series that a tick looks at: about a millisecond where their memory is cold */
};

/* ---- the set of blocks ---- */

static void held_unref(struct held_block *h)
{
	if (atomic_fetch_sub(&h->refs, 1) > 1)
		return;
	block_close(h->block);
	mem_free(h);
}

void block_set_unref(struct block_set *s)
{
	if (s == NULL || atomic_fetch_sub(&s->refs, 1) > 1)
		return;
	for (uint32_t i = 0; i < s->count; i++)
		held_unref(s->items[i]);
	mem_free(s);
}

struct block_set *block_set_get(struct tsdb *t)
{
	mutex_lock(&t->lock);
	struct block_set *s = t->set;
	atomic_fetch_add(&s->refs, 1);
	mutex_unlock(&t->lock);
	return s;
}

static struct block_set *new_set(uint32_t count, int64_t sealed_ms)
{
	struct block_set *s = mem_zalloc(1, sizeof *s + count * sizeof s->items[0]);
	if (s == NULL)
		return NULL;
	atomic_init(&s->refs, 1);
	s->sealed_ms = sealed_ms;
	return s;
}

static void add_held(struct block_set *s, struct held_block *h)
{
	atomic_fetch_add(&h->refs, 1);
	s->items[s->count++] = h;
}

int block_set_replace(struct tsdb *t, uint32_t from, uint32_t gone, struct block *instead, int64_t sealed_ms)
{
	struct block_set *old = t->set; /* only the keeper changes it */
	struct block_set *s = new_set(old->count + 1, sealed_ms);
	struct held_block *held = instead == NULL ? NULL : mem_zalloc(1, sizeof *held);
	if (s == NULL || (instead != NULL && held == NULL)) {
		mem_free(s);
		mem_free(held);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < from; i++)
		add_held(s, old->items[i]);
	if (held != NULL) {
		held->block = instead;
		add_held(s, held);
	}
	for (uint32_t i = from + gone; i < old->count; i++)
		add_held(s, old->items[i]);
	mutex_lock(&t->lock);
	t->set = s;
	mutex_unlock(&t->lock);
	atomic_store(&t->sealed_ms, sealed_ms);
	block_set_unref(old);
	return 0;
}

/* ---- opening ---- */

struct opening {
	struct tsdb *t;
	struct block *blocks[4096]; /* in the order of their names; sorted afterwards */
	uint32_t count;
	void (*refused)(void *ctx, const struct error *why);
	void *ctx;
	struct error *err;
	int code;
};

static int path_of(const struct tsdb *t, const char *name, const char *suffix, struct buf *out)
{
	buf_reset(out);
	buf_printf(out, "%s/%s%s", t->dir, name, suffix);
	buf_byte(out, '\0');
	return buf_failed(out) ? -ENOMEM : 0;
}

/* Out of the way, for people; what reads the directory passes over it. */
static int set_aside(struct opening *o, const char *name, const struct error *why)
{
	struct buf from = {0}, to = {0};
	int code = path_of(o->t, name, "", &from);
	if (code == 0)
		code = path_of(o->t, name, ".damaged", &to);
	if (code == 0)
		code = file_rename(from.ptr, to.ptr);
	buf_free(&from);
	buf_free(&to);
	if (code != 0)
		return error_set(o->err, code, "%s/%s is damaged and cannot be set aside: %s", o->t->dir, name,
		                 strerror(-code));
	atomic_fetch_add(&o->t->refused, 1);
	if (o->refused != NULL)
		o->refused(o->ctx, why);
	return 0;
}

static int remove_name(const struct tsdb *t, const char *name)
{
	struct buf path = {0};
	int code = path_of(t, name, "", &path);
	if (code == 0)
		code = file_unlink(path.ptr);
	buf_free(&path);
	return code;
}

static bool ends_with(const char *name, const char *suffix)
{
	size_t len = strlen(name), tail = strlen(suffix);
	return len >= tail && strcmp(name + len - tail, suffix) == 0;
}

static int find_block(void *ctx, const char *name)
{
	struct opening *o = ctx;
	struct error why = {0};
	int64_t from, to;
	if (ends_with(name, ".tmp"))
		remove_name(o->t, name); /* unfinished; where it stays the next start tries again */
	if (!block_name_parse(name, &from, &to))
		return 0;
	if (o->count == sizeof o->blocks / sizeof *o->blocks) {
		o->code = error_set(o->err, -EFBIG, "%s has more than %u blocks", o->t->dir, o->count);
		return o->code;
	}
	struct block *b = block_open(o->t->dir, name, &why);
	if (b != NULL)
		o->blocks[o->count++] = b;
	else if (why.code == -EBADMSG)
		o->code = set_aside(o, name, &why);
	else
		o->code = error_set(o->err, why.code, "%s", why.text);
	return o->code;
}

/* Earlier first; of those that begin together the longer one. */
static bool comes_before(const struct block *a, const struct block *b)
{
	const struct block_info *x = block_info(a), *y = block_info(b);
	return x->from_ms < y->from_ms || (x->from_ms == y->from_ms && x->to_ms > y->to_ms);
}

/* In order, and without those that a larger one was made of. */
static void settle(struct opening *o)
{
	for (uint32_t i = 1; i < o->count; i++) {
		struct block *b = o->blocks[i];
		uint32_t at = i;
		for (; at > 0 && comes_before(b, o->blocks[at - 1]); at--)
			o->blocks[at] = o->blocks[at - 1];
		o->blocks[at] = b;
	}
	uint32_t kept = 0;
	for (uint32_t i = 0; i < o->count; i++) {
		struct block *b = o->blocks[i];
		if (kept > 0 && block_info(b)->to_ms <= block_info(o->blocks[kept - 1])->to_ms) {
			remove_name(o->t, block_name(b));
			block_close(b);
			continue;
		}
		o->blocks[kept++] = b;
	}
	o->count = kept;
}

static int open_blocks(struct opening *o)
{
	struct tsdb *t = o->t;
	int code = file_list(t->dir, find_block, o, o->err);
	if (code != 0)
		return code;
	settle(o);
	int64_t sealed = o->count == 0 ? INT64_MIN : block_info(o->blocks[o->count - 1])->to_ms;
	t->set = new_set(o->count, sealed);
	if (t->set == NULL)
		return error_set(o->err, -ENOMEM, "out of memory while opening %s", t->dir);
	while (t->set->count < o->count) {
		struct held_block *h = mem_zalloc(1, sizeof *h);
		if (h == NULL)
			return error_set(o->err, -ENOMEM, "out of memory while opening %s", t->dir);
		h->block = o->blocks[t->set->count];
		o->blocks[t->set->count] = NULL;
		add_held(t->set, h);
	}
	atomic_store(&t->sealed_ms, sealed);
	atomic_store(&t->seal_to_ms, sealed);
	return 0;
}

static void set_defaults(struct tsdb_options *o)
{
	if (o->block_ms == 0)
		o->block_ms = 2 * MS_PER_HOUR;
	if (o->retention_ms == 0)
		o->retention_ms = 15 * 24 * MS_PER_HOUR;
	if (o->retention_bytes == 0)
		o->retention_bytes = UINT64_C(10) << 30;
	if (o->out_of_order_ms == 0)
		o->out_of_order_ms = MS_PER_HOUR / 6;
	if (o->max_series == 0)
		o->max_series = 1000000;
	if (o->idle_ms == 0)
		o->idle_ms = MS_PER_HOUR;
	if (o->exemplars == 0)
		o->exemplars = EXEMPLARS_DEFAULT;
}

/* Floor and cut of the head, after what is sealed has changed. */
static void follow_sealed(struct tsdb *t)
{
	int64_t sealed = atomic_load(&t->sealed_ms);
	if (sealed == t->cut_ms)
		return;
	t->cut_ms = sealed;
	head_cut(t->head, sealed);
}

static void set_floor(struct tsdb *t)
{
	head_set_floor(t->head, atomic_load(&t->seal_to_ms));
}

struct tsdb *tsdb_open(const struct tsdb_options *options, void (*refused)(void *ctx, const struct error *why),
                       void *ctx, struct error *err)
{
	struct tsdb *t = mem_zalloc(1, sizeof *t);
	struct opening *o = mem_zalloc(1, sizeof *o);
	struct buf chunks = {0};
	int code = -ENOMEM;
	if (t == NULL || o == NULL)
		goto out;
	t->options = *options;
	set_defaults(&t->options);
	t->cut_ms = INT64_MIN;
	t->now_ms = INT64_MAX;
	atomic_store(&t->oldest_ms, INT64_MAX);
	atomic_store(&t->newest_ms, INT64_MIN);
	mutex_init(&t->lock);
	*o = (struct opening){.t = t, .refused = refused, .ctx = ctx, .err = err};
	t->dir = mem_strndup(options->dir, strlen(options->dir));
	buf_printf(&chunks, "%s/head", options->dir);
	buf_byte(&chunks, '\0');
	t->extras = mem_zalloc(1, sizeof *t->extras);
	if (t->extras != NULL)
		extras_init(t->extras, t->options.exemplars);
	if (t->dir == NULL || t->extras == NULL || buf_failed(&chunks))
		goto out;
	t->chunks_dir = chunks.ptr;
	t->options.dir = t->dir;
	code = file_make_dirs(t->dir, err);
	if (code == 0)
		code = open_blocks(o);
	if (code == 0) {
		t->head = head_new(&(struct head_options){.dir = t->chunks_dir,
		                                          .out_of_order_ms = t->options.out_of_order_ms,
		                                          .max_series = t->options.max_series,
		                                          .max_per_metric = t->options.max_per_metric},
		                   err);
		code = t->head == NULL ? err->code : 0;
	}
	if (code == 0) {
		set_floor(t);
		follow_sealed(t);
	}
out:
	if (code == -ENOMEM)
		error_set(err, code, "out of memory while opening %s", options->dir);
	for (uint32_t i = 0; o != NULL && i < o->count; i++)
		block_close(o->blocks[i]); /* those that the set did not take */
	mem_free(o);
	if (code == 0)
		return t;
	if (t != NULL && t->chunks_dir == NULL)
		buf_free(&chunks);
	tsdb_close(t);
	return NULL;
}

void tsdb_close(struct tsdb *t)
{
	if (t == NULL)
		return;
	head_free(t->head);
	if (t->extras != NULL)
		extras_deinit(t->extras);
	mem_free(t->extras);
	block_set_unref(t->set);
	mutex_deinit(&t->lock);
	mem_free(t->dir);
	mem_free(t->chunks_dir);
	mem_free(t);
}

/* ---- the writer ---- */

uint32_t tsdb_numbers(const struct tsdb *t)
{
	struct head_state state;
	head_state(t->head, &state);
	return state.next_number;
}

void tsdb_set_now(struct tsdb *t, int64_t now_ms)
{
	t->now_ms = now_ms;
	head_set_now(t->head, now_ms);
}

void tsdb_batch_begin(struct tsdb *t)
{
	head_batch_begin(t->head);
}

void tsdb_batch_end(struct tsdb *t)
{
	head_batch_end(t->head);
}

int tsdb_series(struct tsdb *t, struct slice labels, uint64_t hash, uint32_t *number)
{
	return head_series(t->head, labels, hash, number);
}

int tsdb_series_admitted(struct tsdb *t, struct slice labels, uint64_t hash, uint32_t *number)
{
	return head_series_admitted(t->head, labels, hash, number);
}

bool tsdb_has(const struct tsdb *t, uint32_t number)
{
	return head_has(t->head, number);
}

void tsdb_prefetch_slot(const struct tsdb *t, uint64_t hash)
{
	head_prefetch_slot(t->head, hash);
}

void tsdb_prefetch_labels(const struct tsdb *t, uint64_t hash)
{
	head_prefetch_labels(t->head, hash);
}

void tsdb_prefetch_series(const struct tsdb *t, uint32_t number)
{
	head_prefetch_series(t->head, number);
}

void tsdb_prefetch_chunk(const struct tsdb *t, uint32_t number)
{
	head_prefetch_chunk(t->head, number);
}

bool tsdb_is_marked(const struct tsdb *t, uint32_t number)
{
	return head_is_marked(t->head, number);
}

void tsdb_mark(struct tsdb *t, uint32_t number, bool marked)
{
	head_mark(t->head, number, marked);
}

static uint32_t a_quarter_more(uint32_t bound)
{
	return bound > UINT32_MAX - bound / 4 ? UINT32_MAX : bound + bound / 4;
}

void tsdb_replay_begin(struct tsdb *t)
{
	struct head_stats h;
	head_stats(t->head, &h);
	uint32_t most = h.series > t->options.max_series ? (uint32_t)h.series : t->options.max_series;
	head_set_max(t->head, a_quarter_more(most), a_quarter_more(t->options.max_per_metric));
	head_set_out_of_order(t->head, t->options.out_of_order_ms + REPLAY_SLACK_MS);
}

void tsdb_replay_end(struct tsdb *t)
{
	head_set_max(t->head, t->options.max_series, t->options.max_per_metric);
	head_set_out_of_order(t->head, t->options.out_of_order_ms);
}

struct slice tsdb_labels(const struct tsdb *t, uint32_t number)
{
	return head_labels(t->head, number);
}

bool tsdb_newest(const struct tsdb *t, uint32_t number, struct sample *out)
{
	return head_newest(t->head, number, out);
}

int tsdb_has_sample(struct tsdb *t, uint32_t number, int64_t time_ms)
{
	return head_has_sample(t->head, number, time_ms);
}

int tsdb_append(struct tsdb *t, uint32_t number, int64_t time_ms, double value)
{
	return head_append(t->head, number, time_ms, value);
}

/* Until when blocks may be made: half a block behind the newest sample, and further than anything may still come out of order. */
static int64_t seal_edge(const struct tsdb *t, int64_t newest_ms)
{
	int64_t behind =
	    t->options.block_ms / 2 > t->options.out_of_order_ms ? t->options.block_ms / 2 : t->options.out_of_order_ms;
	if (newest_ms < INT64_MIN + behind + t->options.block_ms)
		return INT64_MIN;
	return floor_to(newest_ms - behind, t->options.block_ms);
}

bool tsdb_tick(struct tsdb *t)
{
	struct head_state state;
	head_state(t->head, &state);
	atomic_store(&t->oldest_ms, state.oldest_ms);
	atomic_store(&t->newest_ms, state.newest_ms);
	int64_t newest_ms = state.newest_ms < t->now_ms ? state.newest_ms : t->now_ms;
	int64_t edge = state.samples == 0 ? INT64_MIN : seal_edge(t, newest_ms);
	if (edge > atomic_load(&t->seal_to_ms) && edge > state.oldest_ms) {
		/* First nothing more is taken, then the keeper may look. */
		head_set_floor(t->head, edge);
		atomic_store(&t->seal_to_ms, edge);
	}
	follow_sealed(t);
	/* Also before anything was cut: series that never got a sample leave. What memory does not suffice for is done at another tick. */
	int64_t idle_ms =
	    state.newest_ms < INT64_MIN + t->options.idle_ms ? INT64_MIN : state.newest_ms - t->options.idle_ms;
	bool more = head_trim(t->head, idle_ms, TRIM_VISITS) == 1;
	head_collect(t->head);
	extras_collect(t->extras);
	return more;
}

void tsdb_stats(struct tsdb *t, struct tsdb_stats *out)
{
	struct head_stats h;
	head_stats(t->head, &h);
	struct block_set *s = block_set_get(t);
	*out = (struct tsdb_stats){.series = h.series,
	                           .created = h.created,
	                           .expired = h.expired,
	                           .samples = h.samples,
	                           .late = h.late,
	                           .head_bytes = h.bytes,
	                           .head_file_bytes = h.spill_bytes,
	                           .blocks = s->count,
	                           .sealed = t->sealed,
	                           .merged = t->merged,
	                           .removed = t->removed,
	                           .refused = t->refused,
	                           .lost = t->lost,
	                           .oldest_ms = s->count > 0 ? block_info(s->items[0]->block)->from_ms : h.oldest_ms,
	                           .newest_ms = h.newest_ms};
	extras_stats(t->extras, out);
	for (uint32_t i = 0; i < s->count; i++)
		out->block_bytes += block_info(s->items[i]->block)->bytes;
	block_set_unref(s);
}

/* ---- checkpoints ---- */

struct tsdb_cut {
	struct tsdb *t;
	struct head_view *view;
	struct head_state state;
	struct extras_cut extras;
};

struct tsdb_cut *tsdb_cut(struct tsdb *t, int *code)
{
	*code = head_mend(t->head);
	if (*code != 0)
		return NULL;
	struct tsdb_cut *c = mem_zalloc(1, sizeof *c);
	*code = -ENOMEM;
	if (c == NULL)
		return NULL;
	c->t = t;
	*code = extras_cut(t->extras, &c->extras);
	if (*code == 0)
		c->view = head_view_open_kept(t->head, HEAD_CHECKPOINT, code);
	if (c->view == NULL) {
		extras_cut_deinit(&c->extras);
		mem_free(c);
		return NULL;
	}
	head_state(t->head, &c->state);
	return c;
}

int tsdb_cut_extras(const struct tsdb_cut *c, struct buf *out)
{
	return extras_save(&c->extras, out);
}

int tsdb_cut_write(struct tsdb_cut *c, const char *name, struct error *err)
{
	int code = head_save(c->view, &c->state, c->t->dir, name, err);
	if (code != 0)
		return code;
	/* Afterwards: what was in memory when the view was opened may have gone to a file until it was saved. */
	code = head_sync(c->view);
	if (code == 0)
		return 0;
	(void)remove_name(c->t, name); /* where it stays, no checkpoint refers to it */
	return error_set(err, code, "%s cannot be synced: %s", c->t->chunks_dir, strerror(-code));
}

void tsdb_cut_free(struct tsdb_cut *c)
{
	if (c == NULL)
		return;
	head_view_close(c->view);
	extras_cut_deinit(&c->extras);
	mem_free(c);
}

int tsdb_load(struct tsdb *t, const char *name, struct error *err)
{
	int code = head_load(t->head, t->dir, name, err);
	if (code != 0)
		return code;
	/* Blocks may have been made since: what they have is refused when it comes again. */
	struct head_state state;
	head_state(t->head, &state);
	if (state.from_ms > atomic_load(&t->seal_to_ms))
		atomic_store(&t->seal_to_ms, state.from_ms);
	set_floor(t);
	return 0;
}

int tsdb_cut_remove(struct tsdb *t, const char *name)
{
	return remove_name(t, name);
}
