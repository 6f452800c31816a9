/* A store in a directory of its own, and series that any test can tell again: 150 of them with a sample a minute, a third of them in some hours only. */
#ifndef MOONGATE_UNIT_TSDB_STORE_H
#define MOONGATE_UNIT_TSDB_STORE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "record/labels.h"
#include "tsdb/tsdb.h"

#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)

enum { SERIES = 150 };

static char dir[64];
static uint32_t refused;

static inline void on_refused(void *ctx, const struct error *why)
{
	(void)ctx;
	assert_non_null(strstr(why->text, ".block"));
	refused++;
}

static inline void begin(void)
{
	snprintf(dir, sizeof dir, "/tmp/moongate-tsdb-XXXXXX");
	assert_non_null(mkdtemp(dir));
	refused = 0;
}

static inline void end(void)
{
	char command[128];
	snprintf(command, sizeof command, "rm -r '%s'", dir);
	assert_int_equal(system(command), 0);
}

static inline struct tsdb *open_with(struct tsdb_options o)
{
	struct error err = {0};
	o.dir = dir;
	struct tsdb *t = tsdb_open(&o, on_refused, NULL, &err);
	if (t == NULL)
		fail_msg("%s", err.text);
	return t;
}

static inline struct tsdb *open_store(void)
{
	return open_with((struct tsdb_options){.max_series = 1000});
}

static inline uint32_t series(struct tsdb *t, uint32_t n)
{
	char text[16];
	static struct buf b;
	uint32_t number;
	struct error err = {0};
	snprintf(text, sizeof text, "%03u", n);
	struct label labels[] = {{LABEL_METRIC_NAME, SLICE("m")},
	                         {SLICE("n"), slice_cstr(text)},
	                         {SLICE("odd"), n % 2 == 1 ? SLICE("yes") : SLICE("no")}};
	buf_reset(&b);
	assert_int_equal(labels_canonical(labels, 3, &b, &err), 0);
	struct slice s = slice_new(b.ptr, b.len);
	assert_int_equal(tsdb_series(t, s, labels_hash(s), &number), 0);
	return number;
}

/* Series n has a sample at minute i: every third one only in some hours. */
static inline bool has(uint32_t n, uint32_t i)
{
	return n % 3 != 0 || (i / 60 + n) % 5 < 2;
}

static inline double value_of(uint32_t n, uint32_t i)
{
	return n + i * 0.125;
}

static inline void maintain(struct tsdb *t)
{
	struct error err = {0};
	int code;
	do {
		tsdb_tick(t);
		code = tsdb_maintain(t, &err);
		if (code < 0)
			fail_msg("%s", err.text);
	} while (code == 1);
	for (int i = 0; i < 3; i++)
		tsdb_tick(t);
}

/* Minutes first..last of all series; the keeper comes by every half hour. */
static inline void fill(struct tsdb *t, uint32_t first, uint32_t last)
{
	for (uint32_t i = first; i < last; i++) {
		tsdb_batch_begin(t);
		for (uint32_t n = 0; n < SERIES; n++) {
			if (has(n, i))
				assert_int_equal(tsdb_append(t, series(t, n), i * MINUTE, value_of(n, i)),
				                 APPEND_STORED);
		}
		tsdb_batch_end(t);
		if (i % 30 == 29)
			maintain(t);
	}
}

static inline bool has_any(uint32_t n, uint32_t first, uint32_t last)
{
	while (first < last && !has(n, first))
		first++;
	return first < last;
}

#endif
