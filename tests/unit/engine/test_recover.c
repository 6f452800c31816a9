/* Recovery from a journal that was written by hand: what an engine makes of frames in an order that a running one seldom writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/thread.h"
#include "engine/internal.h"
#include "record/labels.h"

#define T0 (INT64_C(1767355445) * NS_PER_S)

static char dir[64];

/* ---- a journal ---- */

struct writing {
	struct journal *journal;
	struct journal_group *group;
	struct mutex lock;
	struct condition committed;
	bool over;
};

static void on_commit(void *ctx, struct journal_group *group)
{
	struct writing *w = ctx;
	(void)group;
	mutex_lock(&w->lock);
	w->over = true;
	condition_signal(&w->committed);
	mutex_unlock(&w->lock);
}

static void begin(struct writing *w)
{
	char path[128];
	struct journal_recovery found;
	struct error err = {0};
	int code;
	snprintf(path, sizeof path, "%s/journal", dir);
	memset(w, 0, sizeof *w);
	struct journal_options o = {.dir = path, .segment_bytes = 1 << 20, .on_commit = on_commit, .ctx = w};
	w->journal = journal_open(&o, &found, &err);
	assert_non_null(w->journal);
	assert_int_equal(journal_start(w->journal, &err), 0);
	w->group = journal_group_begin(w->journal, &code);
	assert_non_null(w->group);
}

static void end(struct writing *w)
{
	journal_group_commit(w->group);
	mutex_lock(&w->lock);
	while (!w->over)
		condition_wait(&w->committed, &w->lock);
	mutex_unlock(&w->lock);
	assert_int_equal(journal_group_status(w->group, NULL), 0);
	journal_group_free(w->group);
	journal_close(w->journal);
}

static void put_scripts(struct writing *w, const char *text)
{
	struct script_file file = {.path = SLICE("scripts/metrics/a.lua"), .text = slice_cstr(text)};
	struct script_bundle bundle = {.files = &file, .count = 1, .hash = strlen(text)};
	struct buf saved = {0};
	assert_int_equal(script_bundle_save(&bundle, &saved), 0);
	assert_int_equal(journal_control_add(w->group, T0, CONTROL_SCRIPTS, buf_slice(&saved)), 0);
	buf_free(&saved);
}

static void put_event(struct writing *w, const char *type)
{
	struct batch *b = batch_new();
	struct record *r = batch_add(b);
	r->time_ns = T0;
	r->type = (uint16_t)batch_type(b, slice_cstr(type));
	r->shape = (uint32_t)batch_shape(b, NULL, 0);
	assert_int_equal(journal_frame_begin(w->group, FRAME_EVENTS, T0), 0);
	assert_int_equal(journal_frame_add(w->group, r), 0);
	journal_frame_end(w->group);
	batch_free(b);
}

/* With seq 0 as early journals have it. */
static void put_quarantine(struct writing *w, uint64_t seq)
{
	struct buf b = {0};
	bytes_put_slice(&b, SLICE("scripts/metrics/a.lua"));
	bytes_put_slice(&b, SLICE("three strikes"));
	if (seq != 0)
		bytes_put_u64(&b, seq);
	assert_int_equal(journal_control_add(w->group, T0, CONTROL_QUARANTINE, buf_slice(&b)), 0);
	buf_free(&b);
}

/* ---- what comes back ---- */

/* The value of seen_total after recovery. */
static double recovered(void)
{
	struct config c;
	struct error err = {0};
	struct buf text = {0};
	assert_int_equal(config_init(&c), 0);
	assert_int_equal(config_set(&c, "data", dir, &err), 0);
	struct engine *e = engine_new(&c, &err);
	assert_non_null(e);
	struct engine_view *v = view_make(e);
	assert_int_equal(exposition_render(engine_view_metrics(v), EXPOSITION_TEXT, 0, &text), 0);
	buf_byte(&text, '\0');
	const char *at = strstr(text.ptr, "\nseen_total ");
	double value = at != NULL ? strtod(at + strlen("\nseen_total "), NULL) : 0;
	engine_view_free(v);
	engine_free(e);
	buf_free(&text);
	config_deinit(&c);
	return value;
}

#define COUNTS "local seen = counter \"seen_total\" {}\non(\"e\", function() seen:inc() end)\n"

static void a_quarantine_holds_behind_its_record(void **state)
{
	struct writing w;
	(void)state;
	begin(&w);
	put_scripts(&w, COUNTS); /* 1 */
	put_event(&w, "e");      /* 2 */
	put_quarantine(&w, 2);   /* 3 */
	put_event(&w, "e");      /* 4 */
	end(&w);
	assert_true(recovered() == 1);
}

/* The engine quarantines at once, and its record comes with the next group: a reload may have come before it. */
static void a_quarantine_does_not_hold_for_a_later_set(void **state)
{
	struct writing w;
	(void)state;
	begin(&w);
	put_scripts(&w, COUNTS);               /* 1 */
	put_event(&w, "e");                    /* 2 */
	put_scripts(&w, COUNTS "-- mended\n"); /* 3 */
	put_quarantine(&w, 2);                 /* 4 */
	put_event(&w, "e");                    /* 5 */
	end(&w);
	assert_true(recovered() == 2);
}

static void a_record_without_a_frame_holds_where_it_lies(void **state)
{
	struct writing w;
	(void)state;
	begin(&w);
	put_scripts(&w, COUNTS);
	put_event(&w, "e");
	put_quarantine(&w, 0);
	put_event(&w, "e");
	end(&w);
	assert_true(recovered() == 1);
}

/* A call of frame 2, cut off after one change; without the byte that says why, as early journals have it, or with it. */
static void put_cut(struct writing *w, bool early)
{
	struct buf b = {0};
	bytes_put_u64(&b, 2);
	bytes_put_u32(&b, 0);
	bytes_put_u32(&b, 1);
	bytes_put_slice(&b, SLICE("scripts/metrics/a.lua"));
	if (!early)
		buf_byte(&b, 1);
	assert_int_equal(journal_control_add(w->group, T0, CONTROL_CUT, buf_slice(&b)), 0);
	buf_free(&b);
}

static void a_cut_is_repeated(bool early)
{
	struct writing w;
	begin(&w);
	put_scripts(
	    &w, "local seen = counter \"seen_total\" {}\non(\"e\", function() seen:inc() seen:inc() end)\n"); /* 1 */
	put_event(&w, "e");                                                                                   /* 2 */
	put_event(&w, "e");                                                                                   /* 3 */
	put_cut(&w, early);                                                                                   /* 4 */
	end(&w);
	assert_true(recovered() == 3);
}

static void cuts_are_repeated(void **state)
{
	(void)state;
	a_cut_is_repeated(false);
}

static void cuts_of_early_journals_are_repeated(void **state)
{
	(void)state;
	a_cut_is_repeated(true);
}

static void scripts_that_were_not_bound_do_not_come_in(void **state)
{
	struct writing w;
	struct buf b = {0};
	(void)state;
	begin(&w);
	put_scripts(&w, COUNTS);                                                                             /* 1 */
	put_event(&w, "e");                                                                                  /* 2 */
	put_scripts(&w, "local seen = counter \"seen_total\" {}\non(\"e\", function() seen:inc(10) end)\n"); /* 3 */
	put_event(&w, "e");                                                                                  /* 4 */
	bytes_put_u64(&b, 3);
	assert_int_equal(journal_control_add(w.group, T0, CONTROL_NOT_BOUND, buf_slice(&b)), 0);
	buf_free(&b);
	end(&w);
	assert_true(recovered() == 2);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/moongate-recover-XXXXXX");
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

/* A sample of series number 5, whose labels are said where `metric` names it. */
static void put_sample(struct writing *w, const char *metric, int64_t time_ms)
{
	struct buf labels = {0};
	struct error err = {0};
	struct label name = {LABEL_METRIC_NAME, slice_cstr(metric != NULL ? metric : "")};
	struct sample one = {time_ms, 1};
	if (metric != NULL)
		assert_int_equal(labels_canonical(&name, 1, &labels, &err), 0);
	assert_int_equal(journal_frame_begin(w->group, FRAME_SAMPLES, T0), 0);
	assert_int_equal(journal_samples_add(w->group, 5, buf_slice(&labels), &one, 1), 0);
	journal_frame_end(w->group);
	buf_free(&labels);
}

static void put_numbers(struct writing *w)
{
	assert_int_equal(journal_control_add(w->group, T0, CONTROL_NUMBERS, SLICE("")), 0);
}

/* What a process says of a number holds for its own frames alone: of the second one, the frame that said what 5 is was damaged. */
static void a_number_is_of_one_process(void **state)
{
	struct writing w;
	struct config c;
	struct error err = {0};
	struct tsdb_stats stats;
	(void)state;
	begin(&w);
	put_numbers(&w);
	put_sample(&w, "first", 1000);
	put_sample(&w, NULL, 2000);
	put_numbers(&w);
	put_sample(&w, NULL, 3000);
	put_sample(&w, "second", 4000);
	put_sample(&w, NULL, 5000);
	end(&w);
	assert_int_equal(config_init(&c), 0);
	assert_int_equal(config_set(&c, "data", dir, &err), 0);
	struct engine *e = engine_new(&c, &err);
	assert_non_null(e);
	assert_int_equal(e->counters.samples[APPEND_STORED], 4);
	assert_int_equal(e->counters.lost_samples, 1);
	tsdb_stats(engine_history(e), &stats);
	assert_int_equal(stats.series, 2);
	engine_free(e);
	config_deinit(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_quarantine_holds_behind_its_record, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_number_is_of_one_process, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_quarantine_does_not_hold_for_a_later_set, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_record_without_a_frame_holds_where_it_lies, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(cuts_are_repeated, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(cuts_of_early_journals_are_repeated, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(scripts_that_were_not_bound_do_not_come_in, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
