/* A journal in a temporary directory, and a way to write and read it in one line. */
#ifndef TEST_JOURNAL_HARNESS_H
#define TEST_JOURNAL_HARNESS_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "journal/journal.h"

struct harness {
	char dir[64];
	struct journal *journal;
	struct journal_recovery found;
	struct journal_options options;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct journal_group *done; /* the last one handed back */
};

static void harness_on_commit(void *ctx, struct journal_group *g)
{
	struct harness *h = ctx;
	pthread_mutex_lock(&h->lock);
	h->done = g;
	pthread_cond_signal(&h->wake);
	pthread_mutex_unlock(&h->lock);
}

static inline void harness_open(struct harness *h)
{
	struct error err = {0};
	h->journal = journal_open(&h->options, &h->found, &err);
	if (h->journal == NULL)
		fail_msg("%s", err.text);
}

/* Of one that is open. */
static inline void harness_run(struct harness *h)
{
	struct error err = {0};
	if (journal_start(h->journal, &err) != 0)
		fail_msg("%s", err.text);
}

/* Of an empty one maintenance does nothing until half a segment is written: a call that fails until then is one of the writer's. */
static inline void harness_start(struct harness *h)
{
	harness_open(h);
	harness_run(h);
}

static inline void harness_init(struct harness *h)
{
	*h = (struct harness){.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};
	snprintf(h->dir, sizeof h->dir, "/tmp/moongate-journal-XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	h->options = (struct journal_options){.dir = h->dir,
	                                      .segment_bytes = 1 << 20,
	                                      .retention_bytes = UINT64_C(1) << 30,
	                                      .zstd_level = 1,
	                                      .on_commit = harness_on_commit,
	                                      .ctx = h};
}

static inline void harness_close(struct harness *h)
{
	journal_close(h->journal);
	h->journal = NULL;
}

static inline void harness_deinit(struct harness *h)
{
	char command[128];
	harness_close(h);
	snprintf(command, sizeof command, "rm -rf %s", h->dir);
	assert_int_equal(system(command), 0);
}

/* As another process finds it. */
static inline void harness_reopen(struct harness *h)
{
	harness_close(h);
	harness_open(h);
}

/* Commits and waits for the answer, which is returned; the group is given back. */
static inline int harness_commit(struct harness *h, struct journal_group *g)
{
	struct error err = {0};
	pthread_mutex_lock(&h->lock);
	h->done = NULL;
	pthread_mutex_unlock(&h->lock);
	journal_group_commit(g);
	pthread_mutex_lock(&h->lock);
	while (h->done == NULL)
		pthread_cond_wait(&h->wake, &h->lock);
	pthread_mutex_unlock(&h->lock);
	assert_ptr_equal(h->done, g);
	int status = journal_group_status(g, &err);
	journal_group_free(g);
	return status;
}

/* A record {"n":n,"id":"id-n","model":one of three,"cost":n/100,"pad":bytes}. */
static inline struct record *harness_record(struct batch *b, int64_t n, uint32_t pad)
{
	static const char *const models[] = {"gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5"};
	static const char *const names[] = {"n", "id", "model", "cost", "pad"};
	uint32_t keys[5];
	char id[32];
	for (int i = 0; i < 5; i++)
		keys[i] = (uint32_t)batch_key(b, slice_cstr(names[i]));
	int len = snprintf(id, sizeof id, "id-%lld", (long long)n);
	struct slice copy = arena_copy(&b->arena, slice_new(id, (size_t)len));
	struct value *v = batch_values(b, 5);
	char *bytes = arena_alloc(&b->arena, pad + 1);
	for (uint32_t i = 0; i < pad; i++)
		bytes[i] = (char)('a' + (n * 31 + i * (i + 7)) % 26);
	v[0] = (struct value){.integer = n, .type = VALUE_INT};
	v[1] = (struct value){.str = copy.ptr, .len = (uint32_t)copy.len, .type = VALUE_STRING};
	v[2] = (struct value){.str = models[n % 3], .len = (uint32_t)strlen(models[n % 3]), .type = VALUE_STRING};
	v[3] = (struct value){.number = (double)n / 100, .type = VALUE_DOUBLE};
	v[4] = (struct value){.str = bytes, .len = pad, .type = VALUE_STRING};
	struct record *r = batch_add(b);
	r->shape = (uint32_t)batch_shape(b, keys, 5);
	r->type = (uint16_t)batch_type(b, SLICE("test"));
	r->values = v;
	r->time_ns = 1700000000 * NS_PER_S + n * NS_PER_MS;
	return r;
}

/* Commits one group of one frame with records n..n+count-1. */
static inline int harness_write(struct harness *h, int64_t n, uint32_t count, uint32_t pad)
{
	int code = 0;
	struct batch *b = batch_new();
	for (uint32_t i = 0; i < count; i++)
		harness_record(b, n + i, pad);
	struct journal_group *g = journal_group_begin(h->journal, &code);
	if (g == NULL) {
		batch_free(b);
		return code;
	}
	assert_int_equal(journal_frame_begin(g, FRAME_EVENTS, 1700000000 * NS_PER_S + n), 0);
	for (uint32_t i = 0; i < count; i++)
		assert_true(journal_frame_add(g, &b->records[i]) >= 0);
	journal_frame_end(g);
	code = harness_commit(h, g);
	batch_free(b);
	return code;
}

/* What a replay found: how many records, their numbers in order, whether each was whole. */
struct harness_read {
	uint32_t frames, records;
	int64_t first, last;
	uint64_t last_seq;
	bool in_order, whole;
};

static int harness_read_frame(void *ctx, const struct frame *f)
{
	struct harness_read *r = ctx;
	struct batch *b = batch_new();
	struct error err = {0};
	if (frame_decode(f, b, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(b->count, f->count);
	r->in_order = r->in_order && f->seq > r->last_seq;
	r->last_seq = f->seq;
	r->frames++;
	for (uint32_t i = 0; i < b->count; i++) {
		const struct value *v = b->records[i].values;
		int64_t n = v[0].integer;
		r->in_order = r->in_order && (r->records == 0 || n > r->last);
		r->whole = r->whole && v[3].number == (double)n / 100 &&
		           b->records[i].time_ns == 1700000000 * NS_PER_S + n * NS_PER_MS;
		r->first = r->records == 0 ? n : r->first;
		r->last = n;
		r->records++;
	}
	batch_free(b);
	return 0;
}

static inline struct harness_read harness_replay(struct harness *h, uint64_t after)
{
	struct harness_read r = {.in_order = true, .whole = true};
	struct error err = {0};
	if (journal_replay(h->journal, after, 0, harness_read_frame, &r, &err) != 0)
		fail_msg("%s", err.text);
	return r;
}

/* The path of the newest open segment. */
static inline void harness_segment(const struct harness *h, char out[512])
{
	char name[256] = "";
	DIR *d = opendir(h->dir);
	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		if (strncmp(e->d_name, "segment-", 8) == 0 && strstr(e->d_name, ".open") != NULL &&
		    strcmp(e->d_name, name) > 0)
			snprintf(name, sizeof name, "%s", e->d_name);
	}
	closedir(d);
	assert_true(name[0] != '\0');
	snprintf(out, 512, "%s/%s", h->dir, name);
}

#endif
