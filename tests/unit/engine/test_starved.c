/* Submissions for which memory is out before they reach a group: each is answered once, whatever waits behind it. */
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
#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "engine/engine.h"

enum {
	RECORDS = 4000,
	ROUNDS = 40,
	SENT = 4
}; /* so many records that the list of their failures is an allocation of its own */

static struct mutex lock;
static struct condition wake;
static bool held;              /* the answer to the first submission waits until this is false */
static unsigned answers[SENT]; /* to each submission of a round */
static struct submission s[SENT];

static void on_done(struct submission *of)
{
	mutex_lock(&lock);
	answers[of - s]++;
	condition_broadcast(&wake);
	while (of == s && held)
		condition_wait(&wake, &lock);
	mutex_unlock(&lock);
}

static void submit(struct engine *e, struct submission *at, const char *type, int count)
{
	struct batch *b = batch_new();
	for (int i = 0; i < count; i++) {
		struct record *r = batch_add(b);
		r->shape = (uint32_t)batch_shape(b, NULL, 0);
		r->type = (uint16_t)batch_type(b, slice_cstr(type));
		r->index = (uint32_t)i;
	}
	*at = (struct submission){.batch = b, .done = on_done};
	engine_submit(e, at);
}

static void wait_for_answer(unsigned i)
{
	mutex_lock(&lock);
	while (answers[i] == 0)
		condition_wait(&wake, &lock);
	mutex_unlock(&lock);
}

static void hold(bool value)
{
	mutex_lock(&lock);
	held = value;
	condition_broadcast(&wake);
	mutex_unlock(&lock);
}

static struct engine *open_engine(struct config *c, char dir[64])
{
	static const char script[] = "filter('t', function() error('no') end)\n";
	struct error err = {0};
	char path[128];
	strcpy(dir, "/tmp/moongate-starved-XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(config_init(c), 0);
	snprintf(path, sizeof path, "%s/data", dir);
	assert_int_equal(config_set(c, "data", path, &err), 0);
	snprintf(path, sizeof path, "%s/scripts", dir);
	assert_int_equal(config_set(c, "scripts", path, &err), 0);
	snprintf(path, sizeof path, "%s/scripts/metrics", dir);
	assert_int_equal(file_make_dirs(path, &err), 0);
	snprintf(path, sizeof path, "%s/scripts/metrics/a.lua", dir);
	assert_int_equal(file_write_atomic(path, script, strlen(script), &err), 0);
	struct engine *e = engine_new(c, &err);
	if (e == NULL || engine_start(e, &err) != 0)
		fail_msg("%s", err.text);
	return e;
}

/* One allocation fails while two submissions wait, one behind the other. How many of them were refused for it. */
static int refused_of(struct engine *e, uint64_t nth)
{
	memset(answers, 0, sizeof answers);
	hold(true);
	submit(e, &s[0], "u", 1);
	wait_for_answer(0);
	submit(e, &s[1], "t", RECORDS);
	submit(e, &s[2], "t", RECORDS);
	fault_set(FAULT_MALLOC, nth, false, ENOMEM);
	hold(false);
	wait_for_answer(1);
	wait_for_answer(2);
	fault_set(FAULT_MALLOC, 0, false, 0);
	submit(e, &s[3], "u", 1); /* an answer that is given twice comes before this one's */
	wait_for_answer(3);
	int refused = 0;
	for (int i = 0; i < SENT; i++) {
		assert_int_equal(answers[i], 1);
		assert_true(s[i].status == 0 || s[i].status == -ENOMEM);
		refused += s[i].status == -ENOMEM;
		batch_free(s[i].batch);
	}
	return refused;
}

static void each_is_answered_once(void **state)
{
	(void)state;
	struct config c;
	char dir[64], command[96];
	int refused = 0;
	fault_clear();
	struct engine *e = open_engine(&c, dir);
	for (uint64_t nth = 1; nth <= ROUNDS; nth++)
		refused += refused_of(e, nth);
	assert_true(refused > 0);
	engine_stop(e);
	engine_free(e);
	config_deinit(&c);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(each_is_answered_once)};
	mutex_init(&lock);
	condition_init(&wake);
	if (log_start(&(struct log_options){.level = LOG_FATAL}, NULL) != 0)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	log_stop();
	return failed;
}
