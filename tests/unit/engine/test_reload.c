/* Reloads while no group is free: they wait, and come in the order in which they were asked for. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "engine/engine.h"

enum { SUBMISSIONS = 3, RELOADS = 4, PAD_BYTES = 300 * 1024 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static bool held;          /* the next sync waits until this is false */
static bool in_sync;       /* and one does */
static unsigned done;      /* submissions answered */
static int loads;          /* reloads answered */
static int order[RELOADS]; /* in which */

/* In the place of libc's: a disk that takes its time. */
int fdatasync(int fd)
{
	pthread_mutex_lock(&lock);
	in_sync = true;
	pthread_cond_broadcast(&wake);
	while (held)
		pthread_cond_wait(&wake, &lock);
	in_sync = false;
	pthread_mutex_unlock(&lock);
	return (int)syscall(SYS_fdatasync, fd);
}

static void hold(bool value)
{
	pthread_mutex_lock(&lock);
	held = value;
	pthread_cond_broadcast(&wake);
	pthread_mutex_unlock(&lock);
}

static void on_done(struct submission *s)
{
	pthread_mutex_lock(&lock);
	done += s->status == 0;
	pthread_cond_broadcast(&wake);
	pthread_mutex_unlock(&lock);
}

static void on_reload(void *user, int status, const struct error *err)
{
	if (status != 0)
		fail_msg("%s", err->text);
	pthread_mutex_lock(&lock);
	order[loads++] = (int)(intptr_t)user;
	pthread_cond_broadcast(&wake);
	pthread_mutex_unlock(&lock);
}

/* A submission of one record that fills a group. */
static void submit(struct engine *e, struct submission *s)
{
	struct batch *b = batch_new();
	uint32_t key = (uint32_t)batch_key(b, SLICE("pad"));
	char *pad = arena_alloc(&b->arena, PAD_BYTES);
	struct value *v = batch_values(b, 1);
	memset(pad, 'x', PAD_BYTES);
	*v = (struct value){.str = pad, .len = PAD_BYTES, .type = VALUE_STRING};
	struct record *r = batch_add(b);
	r->shape = (uint32_t)batch_shape(b, &key, 1);
	r->type = (uint16_t)batch_type(b, SLICE("t"));
	r->values = v;
	*s = (struct submission){.batch = b, .done = on_done};
	engine_submit(e, s);
}

static void wait_until(bool (*fine)(void))
{
	pthread_mutex_lock(&lock);
	while (!fine())
		pthread_cond_wait(&wake, &lock);
	pthread_mutex_unlock(&lock);
}

static bool is_in_sync(void)
{
	return in_sync;
}

static bool all_over(void)
{
	return done == SUBMISSIONS && loads == RELOADS;
}

static struct engine *open_engine(struct config *c, char dir[64])
{
	struct error err = {0};
	char path[128];
	strcpy(dir, "/tmp/moongate-reload-XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(config_init(c), 0);
	snprintf(path, sizeof path, "%s/data", dir);
	assert_int_equal(config_set(c, "data", path, &err), 0);
	snprintf(path, sizeof path, "%s/scripts", dir);
	assert_int_equal(config_set(c, "scripts", path, &err), 0);
	snprintf(path, sizeof path, "%s/scripts/metrics", dir);
	assert_int_equal(file_make_dirs(path, &err), 0);
	snprintf(path, sizeof path, "%s/scripts/metrics/a.lua", dir);
	assert_int_equal(file_write_atomic(path, "on('t', function() end)\n", 24, &err), 0);
	struct engine *e = engine_new(c, &err);
	if (e == NULL || engine_start(e, &err) != 0)
		fail_msg("%s", err.text);
	return e;
}

static void reloads_that_wait_keep_their_order(void **state)
{
	(void)state;
	struct config c;
	struct submission s[SUBMISSIONS];
	char dir[64], command[96];
	struct engine *e = open_engine(&c, dir);
	hold(true);
	submit(e, &s[0]);
	wait_until(is_in_sync);
	for (int i = 1; i < SUBMISSIONS; i++)
		submit(e, &s[i]);
	for (int i = 0; i < RELOADS; i++)
		engine_reload(e, on_reload, (void *)(intptr_t)i);
	usleep(
	    300 *
	    1000); /* the worker loads them and the engine finds no group for them; sooner, this proves less but fails no more */
	hold(false);
	wait_until(all_over);
	for (int i = 0; i < RELOADS; i++)
		assert_int_equal(order[i], i);
	engine_stop(e);
	engine_free(e);
	for (int i = 0; i < SUBMISSIONS; i++)
		batch_free(s[i].batch);
	config_deinit(&c);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reloads_that_wait_keep_their_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
