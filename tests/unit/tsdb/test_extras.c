/* Exemplars and metadata: what is kept, what goes, who may read it meanwhile, and that both come back from a checkpoint. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/thread.h"
#include "record/labels.h"
#include "tsdb/extras.h"

static char dir[64];
static struct tsdb *store;

static struct tsdb *open_store(uint32_t exemplars)
{
	struct error err = {0};
	struct tsdb *t = tsdb_open(&(struct tsdb_options){.dir = dir, .exemplars = exemplars}, NULL, NULL, &err);

	if (t == NULL)
		fail_msg("%s", err.text);
	return t;
}

static int begin(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/moongate-extras-XXXXXX");
	assert_non_null(mkdtemp(dir));
	store = open_store(10);
	return 0;
}

static int end(void **state)
{
	char command[128];

	(void)state;
	tsdb_close(store);
	snprintf(command, sizeof command, "rm -r '%s'", dir);
	return system(command);
}

/* {__name__="m", <name>="<value>"}, in static memory that the next eight calls leave alone. */
static struct slice set_of(const char *name, const char *value)
{
	static struct buf bufs[8];
	static int next;
	struct buf *b = &bufs[next++ % 8];
	struct error err = {0};
	struct label labels[] = {{LABEL_METRIC_NAME, SLICE("m")}, {slice_cstr(name), slice_cstr(value)}};

	buf_reset(b);
	assert_int_equal(labels_canonical(labels, 2, b, &err), 0);
	return buf_slice(b);
}

static int add(const char *series, int64_t time_ms, double v, const char *trace)
{
	struct slice labels = set_of("s", series);
	struct sample_exemplar e = {set_of("trace_id", trace), v, time_ms};

	return tsdb_exemplar_add(store, labels, labels_hash(labels), &e);
}

/* What a selection gives, as text; NUL-terminated, static. */
static const char *select_text(enum matcher_op op, const char *value, int64_t from_ms, int64_t to_ms)
{
	static struct buf out;
	struct error err = {0};
	struct arena arena;
	const struct exemplar_series *series;
	uint32_t count;
	struct matcher *m = matcher_new(op, SLICE("s"), slice_cstr(value), &err);

	arena_init(&arena);
	buf_reset(&out);
	assert_non_null(m);
	assert_int_equal(tsdb_exemplars_select(store, &m, 1, from_ms, to_ms, &arena, &series, &count, &err), 0);
	for (uint32_t i = 0; i < count; i++) {
		buf_slice_append(&out, labels_get(series[i].labels, SLICE("s")));
		for (uint32_t j = 0; j < series[i].count; j++) {
			const struct sample_exemplar *e = &series[i].exemplars[j];
			struct slice trace = labels_get(e->labels, SLICE("trace_id"));
			buf_printf(&out, " %lld=%g/%.*s", (long long)e->time_ms, e->value, SLICE_ARG(trace));
		}
		buf_byte(&out, '\n');
	}
	buf_byte(&out, '\0');
	matcher_free(m);
	arena_deinit(&arena);
	return out.ptr;
}

static struct tsdb_stats stats(void)
{
	struct tsdb_stats s;

	tsdb_stats(store, &s);
	return s;
}

/* ---- exemplars ---- */

static void exemplars_are_selected(void **state)
{
	(void)state;
	assert_string_equal(select_text(MATCH_REGEX, ".*", INT64_MIN, INT64_MAX), "");
	assert_int_equal(stats().oldest_exemplar_ms, INT64_MAX);
	assert_int_equal(add("b", 10, 1, "t1"), EXEMPLAR_STORED);
	assert_int_equal(add("a", 20, 2, "t2"), EXEMPLAR_STORED);
	assert_int_equal(add("b", 30, 3, "t3"), EXEMPLAR_STORED);
	assert_int_equal(add("c", -5, 4, "t4"), EXEMPLAR_STORED);
	assert_string_equal(select_text(MATCH_REGEX, ".*", INT64_MIN, INT64_MAX),
	                    "a 20=2/t2\nb 10=1/t1 30=3/t3\nc -5=4/t4\n");
	assert_string_equal(select_text(MATCH_EQUAL, "b", INT64_MIN, INT64_MAX), "b 10=1/t1 30=3/t3\n");
	assert_string_equal(select_text(MATCH_NOT_EQUAL, "b", 0, INT64_MAX), "a 20=2/t2\n");
	assert_string_equal(select_text(MATCH_REGEX, ".*", 20, 30), "a 20=2/t2\nb 30=3/t3\n");
	assert_string_equal(select_text(MATCH_REGEX, ".*", 31, 20), "");
	assert_int_equal(stats().exemplars, 4);
	assert_int_equal(stats().exemplar_series, 3);
	assert_int_equal(stats().oldest_exemplar_ms, 10);
}

static void order_is_that_of_prometheus(void **state)
{
	(void)state;
	assert_int_equal(add("a", 10, 2, "t2"), EXEMPLAR_STORED);
	assert_int_equal(add("a", 10, 2, "t2"), EXEMPLAR_DUPLICATE);
	assert_int_equal(add("a", 9, 3, "t2"), EXEMPLAR_TOO_OLD);
	assert_int_equal(add("a", 10, 1, "t3"), EXEMPLAR_TOO_OLD); /* a lower value */
	assert_int_equal(add("a", 10, 2, "t1"), EXEMPLAR_TOO_OLD); /* the same value, lower labels */
	assert_int_equal(add("a", 10, 2, "t3"), EXEMPLAR_STORED);
	assert_int_equal(add("a", 10, 3, "t0"), EXEMPLAR_STORED);
	assert_int_equal(add("a", 10, NAN, "t1"), EXEMPLAR_STORED); /* neither more nor less: the labels rise */
	assert_int_equal(add("a", 10, NAN, "t1"), EXEMPLAR_DUPLICATE);
	assert_int_equal(add("a", 10, NAN, "t0"), EXEMPLAR_TOO_OLD);
	assert_int_equal(add("a", 11, 1, "t0"), EXEMPLAR_STORED);
	assert_int_equal(add("a", INT64_MIN, 1, "t0"), EXEMPLAR_TOO_OLD);
	assert_int_equal(add("b", INT64_MIN, 1, "t0"), EXEMPLAR_STORED);
	assert_int_equal(stats().exemplar_outcomes[EXEMPLAR_STORED], 6);
	assert_int_equal(stats().exemplar_outcomes[EXEMPLAR_DUPLICATE], 2);
	assert_int_equal(stats().exemplar_outcomes[EXEMPLAR_TOO_OLD], 5);
}

static void the_oldest_go_first(void **state)
{
	char name[2] = "a";

	(void)state;
	for (int i = 0; i < 25; i++) {
		name[0] = (char)('a' + i % 3);
		assert_int_equal(add(name, i, i, "t"), EXEMPLAR_STORED);
	}
	assert_string_equal(
	    select_text(MATCH_REGEX, ".*", INT64_MIN, INT64_MAX),
	    "a 15=15/t 18=18/t 21=21/t 24=24/t\nb 16=16/t 19=19/t 22=22/t\nc 17=17/t 20=20/t 23=23/t\n");
	for (int i = 25; i < 35; i++)
		assert_int_equal(add("d", i, i, "t"), EXEMPLAR_STORED);
	assert_int_equal(stats().exemplar_series, 1); /* those without any are forgotten */
	assert_int_equal(stats().exemplars, 10);
	assert_int_equal(stats().exemplars_evicted, 25);
	assert_int_equal(add("a", 1, 1, "t"), EXEMPLAR_STORED); /* and so is their time */
	assert_int_equal(add("d", 1, 1, "t"), EXEMPLAR_TOO_OLD);
}

/* ---- a model: everything that was stored, of which the ring has the newest ---- */

enum { MODEL_MAX = 4000 };

struct model {
	struct {
		int64_t time_ms;
		uint32_t series;
	} stored[MODEL_MAX];
	uint32_t count;
};

static void check_model(struct exemplars *x, const struct model *m)
{
	struct exemplars_copy c;

	assert_int_equal(exemplars_copy(x, &c), 0);
	assert_true(c.count <= m->count && c.count <= x->max);
	assert_true(x->bytes <= x->max_bytes);
	for (uint32_t i = 0; i < c.count; i++) {
		char wanted[16];
		snprintf(wanted, sizeof wanted, "%u", m->stored[m->count - c.count + i].series);
		assert_int_equal(c.items[i]->time_ms, m->stored[m->count - c.count + i].time_ms);
		assert_true(slice_eq(labels_get(row_labels(c.items[i]->row), SLICE("s")), slice_cstr(wanted)));
	}
	exemplars_copy_deinit(&c);
}

/* Labels of a series whose size goes with its number. */
static struct slice model_labels(uint32_t series, uint32_t bytes)
{
	static struct buf b;
	static char filler[LABEL_VALUE_BYTES_MAX];
	char name[16];
	struct error err = {0};

	memset(filler, 'x', sizeof filler);
	snprintf(name, sizeof name, "%u", series);
	struct label labels[] = {{SLICE("s"), slice_cstr(name)}, {SLICE("t"), slice_new(filler, bytes)}};
	buf_reset(&b);
	assert_int_equal(labels_canonical(labels, 2, &b, &err), 0);
	return buf_slice(&b);
}

/* `bytes`: how long the labels of a series are at most. */
static void run_model(uint32_t max, uint32_t series_count, uint32_t bytes)
{
	struct epochs epochs;
	struct exemplars x;
	struct model *m = calloc(1, sizeof *m);

	epochs_init(&epochs);
	exemplars_init(&x, &epochs, max);
	for (uint32_t i = 0; i < MODEL_MAX; i++) {
		uint32_t series = (uint32_t)(hash_mix(i, max) % series_count);
		struct slice labels = model_labels(series, series % bytes);
		struct sample_exemplar e = {SLICE(""), i, (int64_t)i / 3};
		assert_int_equal(exemplars_add(&x, labels, labels_hash(labels), &e), EXEMPLAR_STORED);
		m->stored[m->count].time_ms = e.time_ms;
		m->stored[m->count++].series = series;
		if (i % 97 == 0)
			check_model(&x, m);
	}
	check_model(&x, m);
	assert_int_equal(x.outcomes[EXEMPLAR_STORED], MODEL_MAX);
	assert_int_equal(x.evicted + x.count, MODEL_MAX);
	epochs_deinit(&epochs);
	exemplars_deinit(&x);
	free(m);
}

static void the_ring_is_the_newest_of_all(void **state)
{
	(void)state;
	run_model(1, 3, 1);
	run_model(100, 7, 10);
	run_model(100, 3000, 10);
	run_model(5000, 50, 10);
	run_model(3000, 2500, 4000); /* bounded by bytes */
}

static void bytes_are_bounded(void **state)
{
	static char value[LABEL_VALUE_BYTES_MAX + 1];
	struct slice labels = {0};
	struct label all[16];
	char names[16][2];
	struct buf b = {0};
	struct error err = {0};

	(void)state;
	memset(value, 'v', LABEL_VALUE_BYTES_MAX);
	for (uint32_t i = 0; i < 300; i++) {
		struct sample_exemplar e = {SLICE(""), 1, i};
		snprintf(value, sizeof value, "%u", i); /* NUL is a character as any */
		for (uint32_t j = 0; j < 15; j++) {
			snprintf(names[j], sizeof names[j], "%c", 'a' + (char)j);
			all[j] = (struct label){slice_cstr(names[j]), slice_new(value, LABEL_VALUE_BYTES_MAX)};
		}
		buf_reset(&b);
		assert_int_equal(labels_canonical(all, 15, &b, &err), 0);
		labels = buf_slice(&b);
		assert_int_equal(tsdb_exemplar_add(store, labels, labels_hash(labels), &e), EXEMPLAR_STORED);
		assert_true(stats().exemplar_bytes <= 1024 * 1024);
	}
	assert_int_equal(stats().exemplars, 10);
	tsdb_close(store);
	store = open_store(1000);
	for (uint32_t i = 0; i < 100; i++) {
		struct sample_exemplar e = {SLICE(""), 1, i};
		snprintf(value, sizeof value, "%u", i);
		buf_reset(&b);
		assert_int_equal(labels_canonical(all, 15, &b, &err), 0);
		labels = buf_slice(&b);
		assert_int_equal(tsdb_exemplar_add(store, labels, labels_hash(labels), &e), EXEMPLAR_STORED);
	}
	assert_in_range(stats().exemplars, 10, 17);
	assert_int_equal(stats().exemplar_series, stats().exemplars);
	buf_free(&b);
}

/* ---- metadata ---- */

static int put(const char *name, enum metadata_type type, const char *help, const char *unit)
{
	return tsdb_metadata_put(store,
	                         &(struct sample_metadata){slice_cstr(name), slice_cstr(help), slice_cstr(unit), type});
}

struct listing {
	struct buf out;
	uint32_t most;
};

static bool list_one(void *ctx, const struct sample_metadata *m)
{
	struct listing *l = ctx;

	buf_printf(&l->out, "%.*s:%d:%.*s:%.*s ", SLICE_ARG(m->name), (int)m->type, SLICE_ARG(m->help),
	           SLICE_ARG(m->unit));
	return --l->most > 0;
}

static void expect_metadata(const char *name, uint32_t most, const char *wanted)
{
	struct listing l = {.most = most};
	struct error err = {0};

	assert_int_equal(tsdb_metadata_each(store, slice_cstr(name), list_one, &l, &err), 0);
	buf_byte(&l.out, '\0');
	assert_string_equal(l.out.ptr, wanted);
	buf_free(&l.out);
}

static void metadata_is_what_was_said_last(void **state)
{
	(void)state;
	expect_metadata("", 9, "");
	assert_int_equal(put("b", METADATA_COUNTER, "Bees", "bytes"), 0);
	assert_int_equal(put("c", METADATA_UNKNOWN, "", ""), 0);
	assert_int_equal(put("a", METADATA_GAUGE, "As", ""), 0);
	expect_metadata("", 9, "a:2:As: b:1:Bees:bytes c:0:: ");
	uint64_t bytes = stats().metadata_bytes;
	assert_int_equal(put("b", METADATA_COUNTER, "Bees", "bytes"), 0);
	assert_int_equal(put("b", METADATA_COUNTER, "More bees", "bytes"), 0);
	assert_int_equal(put("b", METADATA_HISTOGRAM, "More bees", "bytes"), 0);
	assert_int_equal(stats().metadata_bytes, bytes + 5);
	expect_metadata("b", 9, "b:3:More bees:bytes ");
	expect_metadata("d", 9, "");
	expect_metadata("", 2, "a:2:As: b:3:More bees:bytes ");
	assert_int_equal(stats().metadata, 3);
}

static void metadata_is_bounded(void **state)
{
	static char help[METADATA_ENTRY_MAX + 1];
	char name[16];

	(void)state;
	memset(help, 'h', METADATA_ENTRY_MAX);
	assert_int_equal(put("m", METADATA_GAUGE, "kept", ""), 0);
	assert_int_equal(put("m", METADATA_GAUGE, help, ""), -ENOSPC); /* with its name it is a byte too long */
	expect_metadata("m", 9, "m:2:kept: ");
	help[METADATA_ENTRY_MAX - 8] = '\0';
	uint32_t fit = 0;
	for (int rc = 0; rc == 0; fit += rc == 0) {
		snprintf(name, sizeof name, "m%06u", fit);
		rc = put(name, METADATA_GAUGE, help, "");
	}
	assert_in_range(fit, 256, 257);
	assert_true(stats().metadata_bytes <= METADATA_BYTES_MAX);
	assert_int_equal(stats().metadata_refused, 2);
	for (uint32_t i = 0; i < 20; i++) { /* makes room */
		snprintf(name, sizeof name, "m%06u", i);
		assert_int_equal(put(name, METADATA_GAUGE, "short", ""), 0);
	}
	assert_int_equal(put("n", METADATA_GAUGE, "fits", ""), 0);
	for (uint32_t i = fit; i < METADATA_METRICS_MAX - 2; i++) {
		snprintf(name, sizeof name, "m%06u", i);
		assert_int_equal(put(name, METADATA_GAUGE, "", ""), 0);
	}
	assert_int_equal(stats().metadata, METADATA_METRICS_MAX);
	assert_int_equal(put("one too many", METADATA_GAUGE, "", ""), -ENOSPC);
	assert_int_equal(put("n", METADATA_GAUGE, "still", ""), 0);
}

/* ---- saved and loaded ---- */

static struct buf save_of(struct tsdb *t)
{
	struct buf out = {0};
	int code;
	struct tsdb_cut *c = tsdb_cut(t, &code);

	assert_non_null(c);
	assert_int_equal(tsdb_cut_extras(c, &out), 0);
	tsdb_cut_free(c);
	return out;
}

static void fill(void)
{
	for (int i = 0; i < 14; i++) {
		char name[2] = {(char)('a' + i * i % 5), '\0'};
		assert_int_equal(
		    add(name, 1767225600000 + i * 250, i * 0.1, i % 3 == 0 ? "0af7651916cd43dd" : "b7ad6b71"),
		    EXEMPLAR_STORED);
	}
	assert_int_equal(put("m", METADATA_COUNTER, "Some \"help\"\n", "seconds"), 0);
	assert_int_equal(put("é", METADATA_STATESET, "", ""), 0);
}

static void reopen(uint32_t exemplars)
{
	tsdb_close(store);
	store = open_store(exemplars);
}

static void a_checkpoint_has_both_as_they_were(void **state)
{
	struct error err = {0};
	int code;
	struct buf saved = {0};

	(void)state;
	struct buf none = save_of(store);
	fill();
	char *wanted = strdup(select_text(MATCH_REGEX, ".*", INT64_MIN, INT64_MAX));
	struct tsdb_cut *c = tsdb_cut(store, &code);
	assert_non_null(c);
	for (int i = 0; i < 12; i++)
		assert_int_equal(add("z", i, 1, "later"), EXEMPLAR_STORED);
	assert_int_equal(put("m", METADATA_GAUGE, "later", ""), 0);
	assert_int_equal(put("later", METADATA_GAUGE, "later", ""), 0);
	assert_int_equal(tsdb_cut_extras(c, &saved), 0);
	tsdb_cut_free(c);

	reopen(10);
	assert_int_equal(tsdb_load_extras(store, buf_slice(&saved), &err), 0);
	assert_string_equal(select_text(MATCH_REGEX, ".*", INT64_MIN, INT64_MAX), wanted);
	expect_metadata("", 9, "m:1:Some \"help\"\n:seconds é:7:: ");
	struct buf again = save_of(store);
	assert_int_equal(again.len, saved.len);
	assert_memory_equal(again.ptr, saved.ptr, saved.len);
	assert_int_equal(add("z", 7, 1, "t"), EXEMPLAR_STORED); /* and it goes on */

	reopen(3); /* a smaller ring keeps the newest */
	assert_int_equal(tsdb_load_extras(store, buf_slice(&saved), &err), 0);
	assert_int_equal(stats().exemplars, 3);
	assert_int_equal(stats().oldest_exemplar_ms, 1767225600000 + 11 * 250);

	reopen(10);
	assert_int_equal(tsdb_load_extras(store, buf_slice(&none), &err), 0);
	assert_int_equal(stats().exemplars + stats().metadata, 0);
	buf_free(&again);
	buf_free(&saved);
	buf_free(&none);
	free(wanted);
}

/* What was written by version 1 is read for as long as there is one. */
static void golden(void **state)
{
	struct error err = {0};
	static char bytes[4096];

	(void)state;
	fill();
	struct buf saved = save_of(store);
	FILE *f = fopen(TEST_DIR "/golden/extras.bin", "rb");
	assert_non_null(f);
	size_t len = fread(bytes, 1, sizeof bytes, f);
	fclose(f);
	assert_int_equal(len, saved.len);
	assert_memory_equal(bytes, saved.ptr, len);
	reopen(10);
	assert_int_equal(tsdb_load_extras(store, slice_new(bytes, len), &err), 0);
	assert_int_equal(stats().exemplars, 10);
	buf_free(&saved);
}

/* Cut at every byte it is refused with a sentence, and leaves nothing; with any byte changed nothing breaks. */
static void damage_is_refused(void **state)
{
	(void)state;
	fill();
	struct buf saved = save_of(store);
	reopen(10);
	for (size_t len = 0; len < saved.len; len++) {
		struct error err = {0};
		char *exact = malloc(len + (len == 0));
		memcpy(exact, saved.ptr, len);
		assert_int_equal(tsdb_load_extras(store, slice_new(exact, len), &err), -EBADMSG);
		assert_true(err.text[0] != '\0');
		assert_int_equal(stats().exemplars + stats().exemplar_series + stats().metadata, 0);
		free(exact);
	}
	for (size_t at = 0; at < saved.len; at++) {
		for (int bit = 0; bit < 8; bit++) {
			struct error err = {0};
			saved.ptr[at] ^= (char)(1 << bit);
			int code = tsdb_load_extras(store, buf_slice(&saved), &err);
			saved.ptr[at] ^= (char)(1 << bit);
			assert_true(code == 0 || (code == -EBADMSG && err.text[0] != '\0'));
			if (code == 0)
				reopen(10);
		}
	}
	buf_byte(&saved, '\0');
	struct error err = {0};
	assert_int_equal(tsdb_load_extras(store, buf_slice(&saved), &err), -EBADMSG);
	buf_free(&saved);
}

/* ---- memory ---- */

/* Each allocation of all this fails once. */
static void memory(void **state)
{
	struct error err = {0};
	uint64_t failed = 0;
	bool done = false;

	(void)state;
	for (uint64_t nth = 1; !done; nth++) {
		reopen(6);
		struct buf saved = {0};
		int code = 0, lost = 0;
		fault_set(FAULT_MALLOC, nth, false, ENOMEM);
		for (int i = 0; i < 12; i++) {
			char name[2] = {(char)('a' + i % 5), '\0'};
			code = add(name, i, 1, "t");
			assert_true(code == EXEMPLAR_STORED || code == -ENOMEM);
			lost += code == -ENOMEM;
			char metric[8];
			snprintf(metric, sizeof metric, "m%d", i % 9);
			code = put(metric, METADATA_GAUGE, name, "");
			assert_true(code == 0 || code == -ENOMEM);
			lost += code == -ENOMEM;
		}
		struct tsdb_cut *c = tsdb_cut(store, &code);
		assert_true(c != NULL || code == -ENOMEM);
		lost += c == NULL;
		if (c != NULL && tsdb_cut_extras(c, &saved) != 0)
			lost++;
		tsdb_cut_free(c);
		struct arena arena;
		const struct exemplar_series *series;
		uint32_t count;
		arena_init(&arena);
		code = tsdb_exemplars_select(store, NULL, 0, INT64_MIN, INT64_MAX, &arena, &series, &count, &err);
		assert_true(code == 0 || (code == -ENOMEM && count == 0));
		lost += code != 0;
		arena_deinit(&arena);
		struct listing l = {.most = 99};
		code = tsdb_metadata_each(store, SLICE(""), list_one, &l, &err);
		assert_true(code == 0 || code == -ENOMEM);
		lost += code != 0 || buf_failed(&l.out);
		buf_free(&l.out);
		failed += lost > 0;
		fault_clear();
		done = lost == 0;
		assert_true(stats().exemplars <= 6);
		buf_free(&saved);
	}
	assert_true(failed > 30);

	struct buf saved = save_of(store);
	done = false;
	for (uint64_t nth = 1; !done; nth++) {
		reopen(6);
		fault_set(FAULT_MALLOC, nth, false, ENOMEM);
		int code = tsdb_load_extras(store, buf_slice(&saved), &err);
		fault_clear();
		done = code == 0;
		assert_true(code == 0 || (code == -ENOMEM && stats().exemplars + stats().metadata == 0));
	}
	assert_true(stats().exemplars > 0);
	buf_free(&saved);
}

/* ---- readers beside the writer ---- */

struct reading {
	_Atomic bool stop;
	_Atomic uint32_t rounds;
};

/* What a selection sees is of one moment: a ring's length of consecutive exemplars. */
static void *read_all(void *arg)
{
	struct reading *r = arg;
	struct error err = {0};
	struct arena arena;

	arena_init(&arena);
	while (!atomic_load(&r->stop)) {
		const struct exemplar_series *series;
		uint32_t count, all = 0;
		int64_t first = INT64_MAX, last = INT64_MIN;
		if (tsdb_exemplars_select(store, NULL, 0, INT64_MIN, INT64_MAX, &arena, &series, &count, &err) != 0)
			continue;
		for (uint32_t i = 0; i < count; i++) {
			for (uint32_t j = 0; j < series[i].count; j++) {
				int64_t time_ms = series[i].exemplars[j].time_ms;
				first = time_ms < first ? time_ms : first;
				last = time_ms > last ? time_ms : last;
				all++;
				if (slice_eq(labels_get(series[i].exemplars[j].labels, SLICE("trace_id")), SLICE("t")))
					continue;
				return (void *)1;
			}
		}
		if (all > 0 && last - first != (int64_t)all - 1)
			return (void *)2;
		struct listing l = {.most = 999};
		if (tsdb_metadata_each(store, SLICE(""), list_one, &l, &err) != 0)
			return (void *)3;
		buf_free(&l.out);
		arena_reset(&arena, 1 << 20);
		atomic_fetch_add(&r->rounds, all > 0);
	}
	arena_deinit(&arena);
	return NULL;
}

static void *read_and_note(void *arg)
{
	void *wrong = read_all(arg);

	if (wrong != NULL)
		atomic_store(&((struct reading *)arg)->rounds, UINT32_MAX);
	return wrong;
}

static void readers_beside_the_writer(void **state)
{
	struct reading r = {0};
	struct thread threads[2];

	(void)state;
	reopen(64);
	for (int i = 0; i < 2; i++)
		assert_int_equal(thread_start(&threads[i], "reader", read_and_note, &r), 0);
	for (int64_t n = 0; n < 1000 || (n < 1000000 && atomic_load(&r.rounds) < 300); n++) {
		char name[16];
		snprintf(name, sizeof name, "%d", (int)(hash_mix((uint64_t)n, 1) % 90));
		assert_int_equal(add(name, n, 1, "t"), EXEMPLAR_STORED);
		assert_int_equal(put(name, METADATA_GAUGE, n % 2 == 0 ? "even" : "odd", ""), 0);
	}
	atomic_store(&r.stop, true);
	for (int i = 0; i < 2; i++)
		thread_join(&threads[i]);
	assert_in_range(atomic_load(&r.rounds), 1, UINT32_MAX - 1);
	tsdb_tick(store);
	assert_int_equal(stats().exemplars, 64);
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(exemplars_are_selected),
	    TEST(order_is_that_of_prometheus),
	    TEST(the_oldest_go_first),
	    TEST(the_ring_is_the_newest_of_all),
	    TEST(bytes_are_bounded),
	    TEST(metadata_is_what_was_said_last),
	    TEST(metadata_is_bounded),
	    TEST(a_checkpoint_has_both_as_they_were),
	    TEST(golden),
	    TEST(damage_is_refused),
	    TEST(memory),
	    TEST(readers_beside_the_writer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
