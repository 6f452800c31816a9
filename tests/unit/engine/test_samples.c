/* Samples through the whole engine: framed, stored, and there again after a kill, from the journal alone and from a checkpoint and what lies behind it. A kill is a copy of the data directory of an engine that runs on. */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/thread.h"
#include "engine/internal.h"
#include "record/labels.h"

#define MINUTE INT64_C(60000)

static char dir[64];

/* ---- an engine ---- */

static void run_command(const char *format, const char *a, const char *b)
{
	char command[512];
	snprintf(command, sizeof command, format, a, b);
	assert_int_equal(system(command), 0);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/moongate-samples-XXXXXX");
	assert_non_null(mkdtemp(dir));
	run_command("mkdir -p '%s/scripts' '%s/plugins'", dir, dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	run_command("rm -r '%s'%s", dir, "");
	return 0;
}

static struct config config, config_after; /* of the engine, and of what came of a kill */
static const char *max_series = "100";

static struct engine *open_engine(struct config *c, const char *name)
{
	struct error err = {0};
	char path[160];
	assert_int_equal(config_init(c), 0);
	snprintf(path, sizeof path, "%s/%s", dir, name);
	assert_int_equal(config_set(c, "data", path, &err), 0);
	snprintf(path, sizeof path, "%s/scripts", dir);
	assert_int_equal(config_set(c, "scripts", path, &err), 0);
	snprintf(path, sizeof path, "%s/plugins", dir);
	assert_int_equal(config_set(c, "plugins", path, &err), 0);
	assert_int_equal(config_set(c, "store.max_series", max_series, &err), 0);
	assert_int_equal(config_set(c, "store.max_series_per_metric", "50", &err), 0);
	struct engine *e = engine_new(c, &err);
	if (e == NULL)
		fail_msg("%s", err.text);
	return e;
}

/* New scripts are followed by a checkpoint, beside which the directory could not be copied. */
static void await_checkpoint(const char *name)
{
	char command[512];
	snprintf(command, sizeof command, "ls '%s/%s' | grep -q '^checkpoint-[0-9]*$'", dir, name);
	for (int tries = 0; tries < 1000 && system(command) != 0; tries++)
		usleep(10000);
	assert_int_equal(system(command), 0);
}

static struct engine *start_engine(const char *name)
{
	struct error err = {0};
	struct engine *e = open_engine(&config, name);
	if (engine_start(e, &err) != 0)
		fail_msg("%s", err.text);
	await_checkpoint(name);
	return e;
}

static void close_engine(struct engine *e)
{
	engine_stop(e);
	engine_free(e);
	config_deinit(&config);
}

/* What a kill at this moment would leave behind. */
static struct engine *killed(const char *name)
{
	char from[160], to[160];
	snprintf(from, sizeof from, "%s/%s", dir, name);
	snprintf(to, sizeof to, "%s/after", dir);
	run_command("rm -rf '%s'%s", to, "");
	run_command("cp -r '%s' '%s'", from, to);
	return open_engine(&config_after, "after");
}

static void free_killed(struct engine *e)
{
	engine_free(e);
	config_deinit(&config_after);
}

/* ---- sending ---- */

struct sending {
	struct submission s;
	struct mutex lock;
	struct condition wake;
	bool over;
};

static void on_done(struct submission *s)
{
	struct sending *sending = s->user;
	mutex_lock(&sending->lock);
	sending->over = true;
	condition_signal(&sending->wake);
	mutex_unlock(&sending->lock);
}

/* Labels of up{job="…"}. */
static struct slice labels_of(struct arena *arena, const char *metric, unsigned job)
{
	char text[16];
	struct buf b = {0};
	struct error err = {0};
	snprintf(text, sizeof text, "j%u", job);
	struct label labels[] = {{LABEL_METRIC_NAME, slice_cstr(metric)}, {SLICE("job"), slice_cstr(text)}};
	assert_int_equal(labels_canonical(labels, 2, &b, &err), 0);
	struct slice copy = arena_copy(arena, buf_slice(&b));
	buf_free(&b);
	return copy;
}

static struct sample_series *add(struct sending *w, const char *metric, unsigned job, const struct sample *samples,
                                 uint32_t count)
{
	struct sample_batch *b = w->s.samples;
	struct sample_series *series = sample_batch_add(b);
	series->labels = labels_of(&b->arena, metric, job);
	series->hash = labels_hash(series->labels);
	struct slice copy = arena_copy(&b->arena, slice_new((const char *)samples, count * sizeof *samples));
	series->samples = (const struct sample *)(const void *)copy.ptr;
	series->sample_count = count;
	b->sample_count += count;
	return series;
}

static struct sending *sending_new(void)
{
	struct sending *w = mem_zalloc(1, sizeof *w);
	w->s.samples = sample_batch_new();
	w->s.done = on_done;
	w->s.user = w;
	mutex_init(&w->lock);
	condition_init(&w->wake);
	return w;
}

static void await(struct sending *w)
{
	mutex_lock(&w->lock);
	while (!w->over)
		condition_wait(&w->wake, &w->lock);
	mutex_unlock(&w->lock);
}

static void send_off(struct engine *e, struct sending *w)
{
	engine_submit(e, &w->s);
	await(w);
}

static void sending_free(struct sending *w)
{
	sample_batch_free(w->s.samples);
	mutex_deinit(&w->lock);
	condition_deinit(&w->wake);
	mem_free(w);
}

/* Sends one sample of each of `jobs` series. */
static void send_round(struct engine *e, unsigned jobs, int64_t time_ms, double value, int status)
{
	struct sending *w = sending_new();
	for (unsigned job = 0; job < jobs; job++) {
		struct sample one = {time_ms, value + job};
		add(w, "up", job, &one, 1);
	}
	send_off(e, w);
	assert_int_equal(w->s.status, status);
	assert_int_equal(w->s.results.stored, status == 0 ? jobs : 0);
	sending_free(w);
}

/* ---- reading ---- */

/* The samples of one series, as "time=value …" with times since `from_ms`. */
static const char *samples_of(struct engine *e, const char *metric, unsigned job, int64_t from_ms)
{
	static char text[8192];
	struct arena arena = {0};
	struct error err = {0};
	int code;
	struct tsdb_view *v = tsdb_view_open(engine_history(e), &code);
	assert_non_null(v);
	char value[16];
	snprintf(value, sizeof value, "j%u", job);
	struct matcher *m[] = {matcher_new(MATCH_EQUAL, LABEL_METRIC_NAME, slice_cstr(metric), &err),
	                       matcher_new(MATCH_EQUAL, SLICE("job"), slice_cstr(value), &err)};
	struct series_set *set = tsdb_select(v, m, 2, INT64_MIN, INT64_MAX, &err);
	assert_non_null(set);
	struct slice labels;
	size_t len = 0;
	text[0] = '\0';
	while (series_set_next(set, &labels, &err) == 1) {
		struct series_samples s;
		assert_int_equal(series_set_samples(set, &s, &err), 0);
		for (uint32_t i = 0; i < s.count; i++) {
			double d;
			memcpy(&d, &s.values[i], sizeof d);
			len += (size_t)snprintf(text + len, sizeof text - len, "%s%lld=%g", len > 0 ? " " : "",
			                        (long long)(s.times_ms[i] - from_ms), d);
		}
	}
	series_set_free(set);
	matcher_free(m[0]);
	matcher_free(m[1]);
	tsdb_view_close(v);
	arena_deinit(&arena);
	return text;
}

static int64_t now_ms(void)
{
	return clock_wall_ns() / NS_PER_MS;
}

/* ---- tests ---- */

static void what_is_acknowledged_is_there(void **state)
{
	(void)state;
	struct engine *e = start_engine("data");
	int64_t t = now_ms() - MINUTE;
	send_round(e, 3, t, 10, 0);
	send_round(e, 3, t + 15, 20, 0);
	assert_string_equal(samples_of(e, "up", 1, t), "0=11 15=21");
	assert_string_equal(samples_of(e, "up", 2, t), "0=12 15=22");
	close_engine(e);
	e = open_engine(&config, "data");
	assert_string_equal(samples_of(e, "up", 1, t), "0=11 15=21");
	engine_free(e);
	config_deinit(&config);
}

static void what_becomes_of_each_is_told(void **state)
{
	(void)state;
	struct engine *e = start_engine("data");
	int64_t t = now_ms();
	struct sending *w = sending_new();
	struct sample first[] = {{t, 1}, {t, 1}, {t, 2}, {t + 20 * MINUTE, 3}, {t - 1, 4}, {t - 11 * MINUTE, 5}};
	add(w, "up", 0, first, 6);
	for (unsigned job = 1; job <= 51; job++)
		add(w, "up", job, first, 1);
	for (unsigned job = 0; job < 50; job++)
		add(w, "down", job, first, 1);
	add(w, "aside", 0, first, 1);
	add(w, "aside", 1, first, 1);
	send_off(e, w);
	const struct sample_results *r = &w->s.results;
	assert_int_equal(w->s.status, 0);
	assert_int_equal(r->stored, 2 + 49 + 50);
	assert_int_equal(r->duplicate, 1);
	assert_int_equal(r->refused[SAMPLE_REFUSED_CONFLICT], 1);
	assert_int_equal(r->refused[SAMPLE_REFUSED_TOO_NEW], 1);
	assert_int_equal(r->refused[SAMPLE_REFUSED_TOO_OLD], 1);
	assert_int_equal(r->refused[SAMPLE_REFUSED_METRIC], 2);
	assert_int_equal(r->refused[SAMPLE_REFUSED_SERIES], 2);
	assert_int_equal(r->refused_total, 7);
	assert_int_equal(r->refusal_count, 7);
	for (uint32_t i = 0; i < r->refusal_count; i++) {
		enum sample_refused why = r->refusals[i].why;
		int64_t after = why == SAMPLE_REFUSED_TOO_NEW ? 20 : why == SAMPLE_REFUSED_TOO_OLD ? -11 : 0;
		assert_non_null(sample_refused_text(why));
		assert_true(r->refusals[i].time_ms == t + after * MINUTE);
	}
	sending_free(w);
	assert_string_equal(samples_of(e, "up", 0, t), "-1=4 0=1");
	close_engine(e);
}

static void a_kill_loses_nothing(void **state)
{
	(void)state;
	struct engine *e = start_engine("data");
	int64_t t = now_ms() - MINUTE;
	send_round(e, 3, t, 10, 0);
	send_round(e, 4, t + 1, 20, 0);
	struct engine *again = killed("data");
	assert_string_equal(samples_of(again, "up", 0, t), "0=10 1=20");
	assert_string_equal(samples_of(again, "up", 3, t), "1=23");
	free_killed(again);
	close_engine(e);
}

static void a_checkpoint_and_what_lies_behind_it(void **state)
{
	(void)state;
	struct engine *e = start_engine("data");
	int64_t t = now_ms() - MINUTE;
	send_round(e, 3, t, 10, 0);
	close_engine(e); /* with a checkpoint */
	e = start_engine("data");
	send_round(e, 4, t + 1, 20, 0);
	struct engine *again = killed("data");
	for (int life = 0; life < 2; life++) { /* of which the second begins where the first ended */
		assert_int_equal(again->counters.lost_samples, 0);
		assert_string_equal(samples_of(again, "up", 2, t), "0=12 1=22");
		assert_string_equal(samples_of(again, "up", 3, t), "1=23");
		free_killed(again);
		again = open_engine(&config_after, "after");
	}
	free_killed(again);
	close_engine(e);
}

/* There are more series than the bound allows now: behind a checkpoint, and then in one. They stay, and no other one is made. */
static void what_was_taken_stays_within_lower_bounds(void **state)
{
	(void)state;
	max_series = "200";
	struct engine *e = start_engine("data");
	int64_t t = now_ms() - MINUTE;
	struct sending *w = sending_new();
	struct sample one = {t, 1};
	for (unsigned i = 0; i < 150; i++)
		add(w, i < 50 ? "up" : i < 100 ? "down" : "aside", i, &one, 1);
	send_off(e, w);
	assert_int_equal(w->s.results.stored, 150);
	sending_free(w);
	max_series = "100";
	struct engine *again = killed("data");
	for (int life = 0; life < 2; life++) {
		struct error err = {0};
		struct tsdb_stats stats;
		assert_int_equal(again->counters.lost_samples, 0);
		tsdb_stats(engine_history(again), &stats);
		assert_int_equal(stats.series, 150);
		assert_string_equal(samples_of(again, "up", 49, t), "0=1");
		assert_string_equal(samples_of(again, "aside", 149, t), life == 0 ? "0=1" : "0=1 1=2");
		if (engine_start(again, &err) != 0)
			fail_msg("%s", err.text);
		w = sending_new();
		struct sample more = {t + 1 + life, 2};
		add(w, "aside", 149, &more, 1);
		add(w, "more", 0, &more, 1);
		send_off(again, w);
		assert_int_equal(w->s.results.stored, 1);
		assert_int_equal(w->s.results.refused[SAMPLE_REFUSED_SERIES], 1);
		sending_free(w);
		engine_stop(again); /* with a checkpoint */
		free_killed(again);
		again = open_engine(&config_after, "after");
	}
	free_killed(again);
	close_engine(e);
}

/* Makes the metrics of the newest checkpoint unreadable, under a checksum that is right. */
static void spoil_newest_checkpoint(const char *name)
{
	enum { CHECKSUM_AT = 12, SUMMED_FROM = 16, SECTIONS_AT = 32 };
	char command[256], path[256] = "";
	struct buf b = {0};
	struct error err = {0};
	snprintf(command, sizeof command, "ls '%s/%s'/checkpoint-* | tail -n 1", dir, name);
	FILE *f = popen(command, "r");
	assert_non_null(fgets(path, sizeof path, f));
	assert_int_equal(pclose(f), 0);
	path[strcspn(path, "\n")] = '\0';
	assert_int_equal(file_read_all(path, 1 << 20, &b, &err), 0);
	size_t at = SECTIONS_AT;
	for (uint32_t tag = 0;;) {
		uint64_t len;
		memcpy(&tag, b.ptr + at, sizeof tag);
		memcpy(&len, b.ptr + at + sizeof tag, sizeof len);
		at += sizeof tag + sizeof len;
		if (tag == SECTION_METRICS)
			break;
		at += len;
	}
	memset(b.ptr + at, 0xff, 4);
	uint32_t crc = crc32c(0, b.ptr + SUMMED_FROM, b.len - SUMMED_FROM);
	memcpy(b.ptr + CHECKSUM_AT, &crc, sizeof crc);
	assert_int_equal(file_write_atomic(path, b.ptr, b.len, &err), 0);
	buf_free(&b);
}

static void behind_a_checkpoint_that_is_refused_stands_the_one_before(void **state)
{
	(void)state;
	int64_t t = now_ms() - MINUTE;
	struct engine *e = start_engine("data");
	send_round(e, 2, t, 10, 0);
	close_engine(e);
	e = start_engine("data");
	uint64_t before = e->checkpoint_seq;
	send_round(e, 3, t + 1, 20, 0);
	close_engine(e);
	spoil_newest_checkpoint("data");
	e = open_engine(&config, "data");
	assert_true(before > 0);
	assert_int_equal(e->checkpoint_seq, before);
	assert_int_equal(e->counters.lost_samples, 0);
	assert_string_equal(samples_of(e, "up", 1, t), "0=11 1=21");
	assert_string_equal(samples_of(e, "up", 2, t), "1=22");
	engine_free(e);
	config_deinit(&config);
}

static void a_group_that_failed_defines_nothing(void **state)
{
	(void)state;
	struct engine *e = start_engine("data");
	int64_t t = now_ms() - MINUTE;
	send_round(e, 1, t, 10, 0);
	fault_set(FAULT_FSYNC, 1, false, EIO);
	send_round(e, 3, t + 1, 20, -EIO);
	fault_clear();
	for (int tries = 0; tries < 100 && !atomic_load(&e->writable); tries++)
		usleep(50000);
	send_round(e, 3, t + 2, 30, 0);
	struct engine *again = killed("data");
	assert_int_equal(again->counters.lost_samples, 0);
	assert_string_equal(samples_of(again, "up", 0, t), "0=10 2=30");
	assert_string_equal(samples_of(again, "up", 2, t), "2=32");
	free_killed(again);
	close_engine(e);
}

static void send_increments(struct engine *e, const struct sample *samples, uint32_t count, int64_t created_ms,
                            uint32_t stored, uint32_t duplicate, uint32_t refused)
{
	struct sending *w = sending_new();
	struct sample_series *series = add(w, "spent_total", 1, samples, count);
	series->delta = true;
	series->created_ms = created_ms;
	send_off(e, w);
	assert_int_equal(w->s.status, 0);
	assert_int_equal(w->s.results.stored, stored);
	assert_int_equal(w->s.results.duplicate, duplicate);
	assert_int_equal(w->s.results.refused[SAMPLE_REFUSED_DELTA], refused);
	sending_free(w);
}

static void increments_are_added_up_once(void **state)
{
	(void)state;
	struct engine *e = start_engine("data");
	int64_t t = now_ms() - MINUTE;
	struct sample first[] = {{t, 1}, {t + 10, 2}}, second[] = {{t + 20, 4}, {t + 15, 8}}, third[] = {{t + 30, 16}};
	send_increments(e, first, 2, t - 10, 2, 0, 0);
	send_increments(e, first, 2, t - 10, 0, 2, 0); /* sent again */
	send_increments(e, second, 2, t, 1, 0, 1);
	assert_string_equal(samples_of(e, "spent_total", 1, t), "-10=0 0=1 10=3 20=7");
	close_engine(e);
	e = start_engine("data");
	send_increments(e, third, 1, t, 1, 0, 0);
	assert_string_equal(samples_of(e, "spent_total", 1, t), "-10=0 0=1 10=3 20=7 30=23");
	struct engine *again = killed("data");
	assert_string_equal(samples_of(again, "spent_total", 1, t), "-10=0 0=1 10=3 20=7 30=23");
	free_killed(again);
	close_engine(e);
}

/* A sender that had no answer in time sends again what is still under way: it is told what the first one is. */
static void increments_that_come_again_at_once_count_once(void **state)
{
	enum { ROUNDS = 50, TIMES = 3 };
	(void)state;
	struct engine *e = start_engine("data");
	int64_t t = now_ms() - MINUTE;
	for (int64_t round = 0; round < ROUNDS; round++) {
		struct sample points[] = {{t + 10 * round, 1}, {t + 10 * round + 3, 2}, {t + 10 * round + 6, 4}};
		struct sending *w[TIMES];
		uint64_t stored = 0, duplicate = 0;
		for (int i = 0; i < TIMES; i++) {
			w[i] = sending_new();
			add(w[i], "spent_total", 1, points, 3)->delta = true;
			engine_submit(e, &w[i]->s);
		}
		for (int i = 0; i < TIMES; i++) {
			await(w[i]);
			assert_int_equal(w[i]->s.status, 0);
			assert_int_equal(w[i]->s.results.refused_total, 0);
			stored += w[i]->s.results.stored;
			duplicate += w[i]->s.results.duplicate;
			sending_free(w[i]);
		}
		assert_int_equal(stored, 3);
		assert_int_equal(duplicate, 3 * (TIMES - 1));
	}
	close_engine(e);
}

/* An increment that is no number would be all that is ever seen of its series. */
static void increments_are_numbers(void **state)
{
	(void)state;
	struct engine *e = start_engine("data");
	int64_t t = now_ms() - MINUTE;
	struct sample points[] = {{t, NAN},   {t + 1, 1},       {t + 2, INFINITY}, {t + 3, -NAN},
	                          {t + 4, 2}, {t + 5, DBL_MAX}, {t + 6, DBL_MAX}};
	struct sending *w = sending_new();
	add(w, "spent_total", 1, points, 7)->delta = true;
	send_off(e, w);
	assert_int_equal(w->s.status, 0);
	assert_int_equal(w->s.results.stored, 3);
	assert_int_equal(w->s.results.refused[SAMPLE_REFUSED_INCREMENT], 4);
	sending_free(w);
	assert_string_equal(samples_of(e, "spent_total", 1, t), "1=1 4=3 5=1.79769e+308");
	/* What was written as no number, by whoever did, does not stay. */
	struct sample nan = {t + 7, NAN};
	w = sending_new();
	add(w, "spent_total", 1, &nan, 1);
	send_off(e, w);
	sending_free(w);
	send_increments(e, &(struct sample){t + 8, 6}, 1, 0, 1, 0, 0);
	send_increments(e, &(struct sample){t + 9, 7}, 1, 0, 1, 0, 0);
	assert_string_equal(samples_of(e, "spent_total", 1, t), "1=1 4=3 5=1.79769e+308 7=nan 8=6 9=13");
	close_engine(e);
}

/* The one exemplar of up{job="j1"}, and what is known of `up`. */
static const char *extras_of(struct engine *e)
{
	static char text[256];
	struct arena arena = {0};
	struct error err = {0};
	const struct exemplar_series *series;
	uint32_t count;
	text[0] = '\0';
	assert_int_equal(
	    tsdb_exemplars_select(engine_history(e), NULL, 0, INT64_MIN, INT64_MAX, &arena, &series, &count, &err), 0);
	for (uint32_t i = 0; i < count; i++) {
		struct buf b = {0};
		labels_text(series[i].labels, &b);
		labels_text(series[i].exemplars[0].labels, &b);
		buf_printf(&b, "=%g*%u ", series[i].exemplars[0].value, series[i].count);
		strncat(text, b.ptr, b.len);
		buf_free(&b);
	}
	arena_deinit(&arena);
	return text;
}

static bool help_of(void *ctx, const struct sample_metadata *m)
{
	snprintf(ctx, 64, "%.*s %d", (int)m->help.len, m->help.ptr, (int)m->type);
	return true;
}

static void check_extras(struct engine *e)
{
	char help[64] = "";
	struct error err = {0};
	assert_string_equal(extras_of(e), "up{job=\"j1\"}{trace_id=\"4bf9\"}=2.5*1 ");
	assert_int_equal(tsdb_metadata_each(engine_history(e), SLICE("up"), help_of, help, &err), 0);
	assert_string_equal(help, "Is it? 2");
}

static void exemplars_and_metadata_are_kept_too(void **state)
{
	(void)state;
	struct engine *e = start_engine("data");
	int64_t t = now_ms() - MINUTE;
	struct buf labels = {0};
	struct error err = {0};
	struct label trace = {SLICE("trace_id"), SLICE("4bf9")};
	assert_int_equal(labels_canonical(&trace, 1, &labels, &err), 0);
	struct sample_exemplar x = {buf_slice(&labels), 2.5, t};
	for (int times = 0; times < 2; times++) {
		struct sending *w = sending_new();
		struct sample_series *series = add(w, "up", 1, NULL, 0);
		series->exemplars = &x;
		series->exemplar_count = 1;
		*sample_batch_add_metadata(w->s.samples) =
		    (struct sample_metadata){SLICE("up"), SLICE("Is it?"), SLICE(""), METADATA_GAUGE};
		send_off(e, w);
		assert_int_equal(w->s.status, 0);
		assert_int_equal(w->s.results.exemplars, 1);
		sending_free(w);
	}
	check_extras(e);
	struct engine *again = killed("data");
	check_extras(again);
	free_killed(again);
	close_engine(e); /* with a checkpoint */
	e = open_engine(&config, "data");
	check_extras(e);
	engine_free(e);
	config_deinit(&config);
	buf_free(&labels);
}

/* Metadata that the store has no room for is said with every request, and fills no journal. */
static void metadata_that_is_refused_is_not_journaled(void **state)
{
	(void)state;
	struct engine *e = start_engine("data");
	int64_t t = now_ms() - MINUTE;
	char *help = mem_alloc(METADATA_ENTRY_MAX);
	memset(help, 'h', METADATA_ENTRY_MAX);
	send_round(e, 1, t, 10, 0);
	uint64_t frames = e->counters.applied_frames;
	for (uint32_t times = 1; times <= 3; times++) {
		struct tsdb_stats stats;
		struct sending *w = sending_new();
		*sample_batch_add_metadata(w->s.samples) = (struct sample_metadata){
		    SLICE("up"), slice_new(help, METADATA_ENTRY_MAX), SLICE(""), METADATA_GAUGE};
		send_off(e, w);
		assert_int_equal(w->s.status, 0);
		sending_free(w);
		tsdb_stats(engine_history(e), &stats);
		assert_int_equal(stats.metadata, 0);
		assert_int_equal(stats.metadata_refused, times);
		assert_int_equal(e->counters.applied_frames, frames);
	}
	mem_free(help);
	close_engine(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(what_is_acknowledged_is_there, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_becomes_of_each_is_told, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_kill_loses_nothing, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_checkpoint_and_what_lies_behind_it, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_was_taken_stays_within_lower_bounds, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(behind_a_checkpoint_that_is_refused_stands_the_one_before, set_up,
	                                    tear_down),
	    cmocka_unit_test_setup_teardown(a_group_that_failed_defines_nothing, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(increments_are_added_up_once, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(increments_that_come_again_at_once_count_once, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(increments_are_numbers, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(exemplars_and_metadata_are_kept_too, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(metadata_that_is_refused_is_not_journaled, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
