/* The engine inside a row's own process, on a virtual disk, with a client that keeps books: which events it sent, and which were acknowledged after
 * which change of the disk. An event's id and weight follow from its number, so that two sums show whether every event was counted exactly once. */
#ifndef MOONGATE_TORTURE_GATEWAY_H
#define MOONGATE_TORTURE_GATEWAY_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/engine.h"
#include "row.h"
#include "vdisk.h"

#define NEVER UINT64_MAX

/* The script that counts; `%s` makes variants of it. */
#define COUNT_SCRIPT                                                                                                   \
	"-- %s\n"                                                                                                      \
	"local events = counter 'events_total' {}\n"                                                                   \
	"local weight = counter 'weight_total' {}\n"                                                                   \
	"on('torture', function(ev) events:inc() weight:add(ev.weight) end)\n"

/* ---- the engine ---- */

struct gateway {
	const struct row *row;
	struct config config;
	struct engine *engine;
};

/* Conf as the rows want it: paths on the virtual disk, segments of 1 MiB. What fails ends the row. */
static inline void gateway_init(struct gateway *g, const struct row *row)
{
	*g = (struct gateway){.row = row};
	struct error err = {0};
	const char *const set[][2] = {{"data", "data"}, {"scripts", "scripts"}, {"plugins", "plugins"}};
	if (config_init(&g->config) != 0)
		row_failed(row, "out of memory");
	for (size_t i = 0; i < sizeof set / sizeof *set; i++) {
		if (config_set(&g->config, set[i][0], set[i][1], &err) != 0)
			row_failed(row, "%s", err.text);
	}
	g->config.journal.segment_bytes = 1 << 20;
	g->config.store.resolution_ns = INT64_C(365) * 86400 * NS_PER_S; /* frames come from the rows alone */
	g->config.limits.call_ms = 10000;                                /* a busy machine does not cut a call off */
	g->config.limits.load_ms = 10000;
	if (getenv("TORTURE_LOG") == NULL && log_start(&(struct log_options){.level = LOG_FATAL}, &err) != 0)
		row_failed(row, "%s", err.text);
}

static inline int gateway_start(struct gateway *g, struct error *err)
{
	g->engine = engine_new(&g->config, err);
	if (g->engine == NULL)
		return err->code != 0 ? err->code : -EIO;
	return engine_start(g->engine, err);
}

static inline void gateway_stop(struct gateway *g)
{
	if (g->engine != NULL) {
		engine_stop(g->engine);
		engine_free(g->engine);
	}
	g->engine = NULL;
}

static inline void gateway_deinit(struct gateway *g)
{
	gateway_stop(g);
	config_deinit(&g->config);
	log_stop();
}

/* ---- what it shows ---- */

struct gateway_wait {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool over;
	int status;
	struct engine_view *view;
};

static inline struct gateway_wait gateway_wait_new(void)
{
	return (struct gateway_wait){.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};
}

static inline void gateway_wait_end(struct gateway_wait *w)
{
	pthread_mutex_lock(&w->lock);
	while (!w->over)
		pthread_cond_wait(&w->wake, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

static inline void gateway_over(struct gateway_wait *w, int status, struct engine_view *view)
{
	pthread_mutex_lock(&w->lock);
	w->status = status;
	w->view = view;
	w->over = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

static inline void gateway_view_done(void *user, struct engine_view *view)
{
	gateway_over(user, 0, view);
}

static inline void gateway_reload_done(void *user, int status, const struct error *err)
{
	(void)err;
	gateway_over(user, status, NULL);
}

/* All of /metrics, in `out`. */
static inline void gateway_metrics(struct gateway *g, struct buf *out)
{
	struct gateway_wait w = gateway_wait_new();
	engine_view_request(g->engine, gateway_view_done, &w);
	gateway_wait_end(&w);
	if (w.view == NULL)
		row_failed(g->row, "out of memory for a view");
	exposition_render(engine_view_metrics(w.view), EXPOSITION_TEXT, clock_wall_ns(), out);
	engine_view_render(w.view, EXPOSITION_TEXT, out);
	buf_byte(out, '\0');
	engine_view_free(w.view);
	if (buf_failed(out))
		row_failed(g->row, "out of memory for the metrics");
}

/* The value of the sample that has no labels; 0 when it is not there. */
static inline double gateway_metric_in(const struct buf *metrics, const char *name)
{
	size_t len = strlen(name);
	for (const char *line = metrics->ptr; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) == 0 && line[len] == ' ')
			return strtod(line + len, NULL);
	}
	return 0;
}

static inline double gateway_metric(struct gateway *g, const char *name)
{
	struct buf b = {0};
	gateway_metrics(g, &b);
	double v = gateway_metric_in(&b, name);
	buf_free(&b);
	return v;
}

/* Loads the scripts anew and waits for it; its status. */
static inline int gateway_reload(struct gateway *g)
{
	struct gateway_wait w = gateway_wait_new();
	engine_reload(g->engine, gateway_reload_done, &w);
	gateway_wait_end(&w);
	return w.status;
}

/* ---- the client ---- */

struct book {
	const struct row *row;
	struct vdisk *disk;     /* whose changes the marks count */
	uint32_t count;         /* events that there are in all */
	uint32_t pad;           /* bytes of text in each */
	uint64_t *sent, *acked; /* the disk's mark when the event was first sent, when it was acknowledged; NEVER */
	pthread_mutex_t lock;   /* `acked` and what follows */
	pthread_cond_t wake;
	uint32_t in_flight;
	uint64_t accepted, duplicate, failed; /* answers since the book was opened */
	uint64_t lost;                        /* acknowledged before, and not known any more */
};

static inline uint64_t event_weight(uint32_t n)
{
	return 1 + (n * UINT64_C(2654435761)) % 1000003;
}

static inline void book_init(struct book *b, const struct row *row, struct vdisk *disk, uint32_t count, uint32_t pad)
{
	*b = (struct book){.row = row,
	                   .disk = disk,
	                   .count = count,
	                   .pad = pad,
	                   .sent = malloc(count * sizeof *b->sent),
	                   .acked = malloc(count * sizeof *b->acked),
	                   .lock = PTHREAD_MUTEX_INITIALIZER,
	                   .wake = PTHREAD_COND_INITIALIZER};
	if (b->sent == NULL || b->acked == NULL)
		row_failed(row, "out of memory");
	for (uint32_t i = 0; i < count; i++)
		b->sent[i] = b->acked[i] = NEVER;
}

static inline void book_deinit(struct book *b)
{
	free(b->sent);
	free(b->acked);
}

/* The book as it stood after change `at`, for a disk that came out of that moment. With `same` the new disk's record goes on where the old one was cut, so
 * that its marks hold; else it begins anew. */
static inline void book_turn_back(struct book *b, const struct book *from, uint64_t at, struct vdisk *disk, bool same)
{
	book_init(b, from->row, disk, from->count, from->pad);
	for (uint32_t i = 0; i < b->count; i++) {
		if (from->sent[i] <= at)
			b->sent[i] = same ? from->sent[i] : 0;
		if (from->acked[i] <= at)
			b->acked[i] = same ? from->acked[i] : 0;
	}
}

static inline uint32_t book_counted(const struct book *b, const uint64_t *marks)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < b->count; i++)
		n += marks[i] != NEVER;
	return n;
}

static inline uint64_t book_weight(const struct book *b, const uint64_t *marks)
{
	uint64_t weight = 0;
	for (uint32_t i = 0; i < b->count; i++)
		weight += marks[i] != NEVER ? event_weight(i) : 0;
	return weight;
}

struct sending {
	struct submission submission;
	struct book *book;
	uint32_t first, count;
	uint32_t known; /* of them acknowledged before it was sent */
};

static inline void sending_done(struct submission *s)
{
	struct sending *m = s->user;
	struct book *b = m->book;
	uint64_t mark = vdisk_mark(b->disk);
	pthread_mutex_lock(&b->lock);
	if (s->status == 0) {
		b->accepted += s->accepted;
		b->duplicate += s->duplicate;
		if (s->duplicate < m->known)
			b->lost += m->known - s->duplicate;
		for (uint32_t i = 0; i < m->count; i++) {
			if (b->acked[m->first + i] == NEVER)
				b->acked[m->first + i] = mark;
		}
	} else {
		b->failed++;
	}
	b->in_flight--;
	pthread_cond_signal(&b->wake);
	pthread_mutex_unlock(&b->lock);
	batch_free(s->batch);
	free(m);
}

/* {"type":"torture","id":"e<n>","weight":…,"pad":"…"} */
static inline void book_add_event(const struct book *b, struct batch *batch, uint32_t n)
{
	static const char *const names[] = {"id", "weight", "pad"};
	uint32_t keys[3];
	char id[16];
	for (int i = 0; i < 3; i++)
		keys[i] = (uint32_t)batch_key(batch, slice_cstr(names[i]));
	int len = snprintf(id, sizeof id, "e%u", n);
	struct slice copy = arena_copy(&batch->arena, slice_new(id, (size_t)len));
	struct value *v = batch_values(batch, 3);
	char *pad = arena_alloc(&batch->arena, b->pad + 1);
	struct record *r = batch_add(batch);
	if (copy.ptr == NULL || v == NULL || pad == NULL || r == NULL)
		row_failed(b->row, "out of memory");
	uint64_t x = n + UINT64_C(0x9e3779b97f4a7c15);
	for (uint32_t i = 0; i < b->pad; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		pad[i] = (char)('!' + x % 90);
	}
	v[0] = (struct value){.str = copy.ptr, .len = (uint32_t)copy.len, .type = VALUE_STRING};
	v[1] = (struct value){.integer = (int64_t)event_weight(n), .type = VALUE_INT};
	v[2] = (struct value){.str = pad, .len = b->pad, .type = VALUE_STRING};
	r->shape = (uint32_t)batch_shape(batch, keys, 3);
	r->type = (uint16_t)batch_type(batch, SLICE("torture"));
	r->values = v;
	r->time_ns = clock_wall_ns();
}

/* Sends events [first, first + count) as one submission, waiting while `window` of them are in flight. */
static inline void book_send(struct book *b, struct engine *e, uint32_t first, uint32_t count, uint32_t window)
{
	struct sending *m = calloc(1, sizeof *m);
	struct batch *batch = batch_new();
	if (m == NULL || batch == NULL)
		row_failed(b->row, "out of memory");
	*m = (struct sending){
	    .submission = {.batch = batch, .done = sending_done, .user = m}, .book = b, .first = first, .count = count};
	for (uint32_t i = 0; i < count; i++)
		book_add_event(b, batch, first + i);
	uint64_t mark = vdisk_mark(b->disk);
	pthread_mutex_lock(&b->lock);
	while (b->in_flight >= window)
		pthread_cond_wait(&b->wake, &b->lock);
	b->in_flight++;
	for (uint32_t i = 0; i < count; i++) {
		m->known += b->acked[first + i] != NEVER;
		if (b->sent[first + i] == NEVER)
			b->sent[first + i] = mark;
	}
	pthread_mutex_unlock(&b->lock);
	engine_submit(e, &m->submission);
}

/* Sends events [first, first + count), `each` of them a submission. */
static inline void book_send_all(struct book *b, struct engine *e, uint32_t first, uint32_t count, uint32_t each,
                                 uint32_t window)
{
	for (uint32_t i = 0; i < count; i += each)
		book_send(b, e, first + i, count - i < each ? count - i : each, window);
}

/* Waits for all answers. */
static inline void book_settle(struct book *b)
{
	pthread_mutex_lock(&b->lock);
	while (b->in_flight > 0)
		pthread_cond_wait(&b->wake, &b->lock);
	pthread_mutex_unlock(&b->lock);
}

#endif
