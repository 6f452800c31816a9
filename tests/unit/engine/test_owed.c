/* A checkpoint that stands in for a lost control record: it comes soon, and while none succeeds, ever more seldom, since each attempt copies the state. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/log.h"
#include "engine/internal.h"

struct fixture {
	char dir[64];
	struct config config;
	struct engine *engine; /* not started: no other thread */
};

static void fixture_init(struct fixture *f)
{
	struct error err = {0};
	char path[128];
	strcpy(f->dir, "/tmp/moongate-owed-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(config_init(&f->config), 0);
	snprintf(path, sizeof path, "%s/data", f->dir);
	assert_int_equal(config_set(&f->config, "data", path, &err), 0);
	f->engine = engine_new(&f->config, &err);
	if (f->engine == NULL)
		fail_msg("%s", err.text);
}

static void fixture_deinit(struct fixture *f)
{
	char command[96];
	engine_free(f->engine);
	config_deinit(&f->config);
	snprintf(command, sizeof command, "rm -rf %s", f->dir);
	assert_int_equal(system(command), 0);
}

static int64_t pause_after(const struct engine *e)
{
	return e->checkpoint_due_ns - e->checkpoint_begun_ns;
}

/* An attempt for which there is no memory. */
static void fail_to_begin(struct engine *e)
{
	fault_set(FAULT_MALLOC, 1, true, ENOMEM);
	checkpoint_begin(e);
	fault_clear();
	assert_false(e->checkpointing);
}

static void what_fails_again_waits_twice_as_long(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f);
	struct engine *e = f.engine;
	int64_t longest = f.config.journal.checkpoint_ns;
	e->checkpoint_due_ns = longest;
	checkpoint_owe(e);
	e->owed_seq = 1;
	assert_int_equal(e->checkpoint_due_ns, 0);
	for (int64_t wanted = 2 * RETRY_MS * NS_PER_MS, i = 0; i < 40; i++, wanted *= 2) {
		wanted = wanted < longest ? wanted : longest;
		fail_to_begin(e);
		assert_int_equal(pause_after(e), wanted);
		checkpoint_done(e, 1, -EIO); /* and one that was begun, but could not be written */
		wanted = 2 * wanted < longest ? 2 * wanted : longest;
		assert_int_equal(pause_after(e), wanted);
	}
	assert_int_equal(e->counters.checkpoint_failures, 80);
	fixture_deinit(&f);
}

/* A script that keeps losing records must not bring the attempts forward again. */
static void another_loss_does_not_end_the_wait(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f);
	struct engine *e = f.engine;
	e->owed_seq = 1;
	fail_to_begin(e);
	fail_to_begin(e);
	int64_t due = e->checkpoint_due_ns;
	checkpoint_owe(e);
	assert_int_equal(e->checkpoint_due_ns, due);
	fixture_deinit(&f);
}

static void one_that_succeeds_ends_the_waiting(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f);
	struct engine *e = f.engine;
	e->owed_seq = 1;
	fail_to_begin(e);
	fail_to_begin(e);
	checkpoint_done(e, 1, 0);
	assert_int_equal(e->owed_seq, 0);
	checkpoint_owe(e);
	assert_int_equal(e->checkpoint_due_ns, 0);
	e->owed_seq = 2;
	fail_to_begin(e);
	assert_int_equal(pause_after(e), 2 * RETRY_MS * NS_PER_MS);
	fixture_deinit(&f);
}

/* Others come when they would have come anyway. */
static void one_that_nothing_hangs_on_is_not_hurried(void **state)
{
	(void)state;
	struct fixture f;
	fixture_init(&f);
	fail_to_begin(f.engine);
	assert_int_equal(pause_after(f.engine), f.config.journal.checkpoint_ns);
	fixture_deinit(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_fails_again_waits_twice_as_long),
	    cmocka_unit_test(another_loss_does_not_end_the_wait),
	    cmocka_unit_test(one_that_succeeds_ends_the_waiting),
	    cmocka_unit_test(one_that_nothing_hangs_on_is_not_hurried),
	};
	if (log_start(&(struct log_options){.level = LOG_FATAL}, NULL) != 0)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	log_stop();
	return failed;
}
