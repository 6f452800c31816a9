/* Fault points: counting, once and always, the environment and the watched file. The environment is read once a
 * process, so each of those tests runs in a child; the parent reaches no fault point before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fault.h"

/* In a child, where cmocka's assertions would jump back into the parent's run: says what failed and ends it. */
#define EXPECT(condition)                                                                                              \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                \
			_exit(1);                                                                                      \
		}                                                                                                      \
	} while (0)

static void in_child(void (*body)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void environment_once(void)
{
	setenv("MOONGATE_FAULT", "fsync:3:once:EIO, write:1:always:ENOSPC", 1);
	EXPECT(fault_check(FAULT_FSYNC) == 0);
	EXPECT(fault_check(FAULT_FSYNC) == 0);
	EXPECT(fault_check(FAULT_FSYNC) == EIO);
	EXPECT(fault_check(FAULT_FSYNC) == 0);
	for (int i = 0; i < 5; i++)
		EXPECT(fault_check(FAULT_WRITE) == ENOSPC);
	EXPECT(fault_check(FAULT_READ) == 0);
	EXPECT(fault_hits(FAULT_FSYNC) == 4);
	EXPECT(fault_hits(FAULT_WRITE) == 5);
	fault_clear();
	EXPECT(fault_check(FAULT_WRITE) == 0);
	EXPECT(fault_armed == 0);
}

static void environment_none(void)
{
	unsetenv("MOONGATE_FAULT");
	unsetenv("MOONGATE_FAULT_FILE");
	EXPECT(fault_check(FAULT_MALLOC) == 0);
	EXPECT(fault_armed == 0);
	uint64_t hits = fault_hits(FAULT_MALLOC);
	EXPECT(fault_check(FAULT_MALLOC) == 0);
	EXPECT(fault_hits(FAULT_MALLOC) == hits);
}

static void refuse(const char *text, const char *why)
{
	struct error err = {0};
	int status;
	pid_t pid = fork();

	EXPECT(pid >= 0);
	if (pid == 0) {
		setenv("MOONGATE_FAULT", text, 1);
		EXPECT(fault_init(&err) == -EINVAL);
		if (strstr(err.text, why) == NULL)
			fprintf(stderr, "\"%s\" gives: %s\n", text, err.text);
		EXPECT(strstr(err.text, why) != NULL);
		EXPECT(strncmp(err.text, "MOONGATE_FAULT", 14) == 0);
		for (int i = 0; i < FAULT_POINTS; i++)
			EXPECT(fault_check((enum fault_point)i) == 0);
		_exit(0);
	}
	EXPECT(waitpid(pid, &status, 0) == pid);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void environment_wrong(void)
{
	char long_text[5000];

	refuse("fsync", "expected point:nth:once|always:ERRNO");
	refuse("fsync@:1:once:EIO", "no thread can be called \"\"");
	refuse("fsync@a-name-of-sixteen:1:once:EIO", "no thread can be called");
	refuse("sync@sync:1:once:EIO", "no point is called \"sync\"");
	refuse("fsync:1:once:DELAY", "unknown error \"DELAY\"");
	refuse("fsync:1:once:DELAY=", "unknown error");
	refuse("fsync:1:once:DELAY=0s", "unknown error");
	refuse("fsync:1:once:DELAY=soon", "unknown error");
	refuse("fsync:1:once:KILLED", "unknown error");
	refuse("fsync:1:once", "\"fsync:1:once\"");
	refuse("sync:1:once:EIO", "no point is called \"sync\"");
	refuse("fsync:0:once:EIO", "not a count from 1");
	refuse("fsync:x:once:EIO", "\"x\" is not a count");
	refuse("fsync:-1:once:EIO", "not a count");
	refuse("fsync:99999999999999999999:once:EIO", "not a count");
	refuse("fsync:1:twice:EIO", "neither once nor always");
	refuse("fsync:1:once:EWRONG", "unknown error \"EWRONG\"");
	/* What is right before the mistake is not switched on either. */
	refuse("write:1:always:EIO,fsync:1:once:E", "unknown error");
	memset(long_text, ' ', sizeof long_text - 1);
	long_text[sizeof long_text - 1] = '\0';
	refuse(long_text, "over 4095 bytes");
}

static void write_file(const char *path, const char *text)
{
	/* By way of a rename: another inode, so the change is seen however coarse the file's times are. */
	char other[300];
	snprintf(other, sizeof other, "%s.new", path);
	int fd = open(other, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	EXPECT(fd >= 0);
	EXPECT(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	EXPECT(rename(other, path) == 0);
}

static void watched_file(void)
{
	char dir[] = "/tmp/moongate-fault-XXXXXX";
	char path[64];

	EXPECT(mkdtemp(dir) != NULL);
	snprintf(path, sizeof path, "%s/faults", dir);
	setenv("MOONGATE_FAULT_FILE", path, 1);
	EXPECT(fault_check(FAULT_READ) == 0);
	EXPECT(fault_armed != 0);
	write_file(path, "read:1:always:EIO\nwrite:2:once:ENOSPC\n");
	EXPECT(fault_check(FAULT_READ) == EIO);
	EXPECT(fault_check(FAULT_WRITE) == 0);
	EXPECT(fault_check(FAULT_WRITE) == ENOSPC);
	EXPECT(fault_check(FAULT_WRITE) == 0);
	/* The file as a whole counts: what it does not name any more is off. */
	write_file(path, "open:1:once:EMFILE");
	EXPECT(fault_check(FAULT_READ) == 0);
	EXPECT(fault_check(FAULT_OPEN) == EMFILE);
	write_file(path, "read:1:always:EIO");
	EXPECT(fault_check(FAULT_READ) == EIO);
	write_file(path, "");
	EXPECT(fault_check(FAULT_READ) == 0);
	write_file(path, "read:1:always:EIO");
	EXPECT(fault_check(FAULT_READ) == EIO);
	EXPECT(unlink(path) == 0);
	EXPECT(fault_check(FAULT_READ) == 0);
	/* errno is the caller's. */
	errno = E2BIG;
	EXPECT(fault_check(FAULT_READ) == 0);
	EXPECT(errno == E2BIG);
	EXPECT(rmdir(dir) == 0);
}

static void forked(void)
{
	int status;

	fault_set(FAULT_WRITE, 1, true, EIO);
	pid_t pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0)
		_exit(fault_check(FAULT_WRITE) == EIO ? 0 : 1);
	EXPECT(waitpid(pid, &status, 0) == pid);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void killed(void)
{
	setenv("MOONGATE_FAULT", "rename:2:once:KILL", 1);
	EXPECT(fault_check(FAULT_RENAME) == 0);
	EXPECT(fault_check(FAULT_FSYNC) == 0);
	fault_check(FAULT_RENAME);
}

static void kills(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		killed();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void *check_three_times(void *arg)
{
	int *failed = arg;

	pthread_setname_np(pthread_self(), "worker");
	for (int i = 0; i < 3; i++)
		failed[i] = fault_check(FAULT_FSYNC);
	return NULL;
}

static void one_thread(void)
{
	pthread_t thread;
	int failed[3];

	setenv("MOONGATE_FAULT", "fsync@worker:2:once:EIO", 1);
	for (int i = 0; i < 5; i++)
		EXPECT(fault_check(FAULT_FSYNC) == 0);
	EXPECT(pthread_create(&thread, NULL, check_three_times, failed) == 0);
	EXPECT(pthread_join(thread, NULL) == 0);
	EXPECT(failed[0] == 0 && failed[1] == EIO && failed[2] == 0);
	EXPECT(fault_hits(FAULT_FSYNC) == 7); /* all threads'; the last came when nothing was on any more */
	/* A point that a test sets is anybody's again. */
	fault_set(FAULT_FSYNC, 1, false, EIO);
	EXPECT(fault_check(FAULT_FSYNC) == EIO);
}

static void delayed(void)
{
	setenv("MOONGATE_FAULT", "fsync:2:always:DELAY=30ms", 1);
	int64_t began = clock_mono_ns();
	EXPECT(fault_check(FAULT_FSYNC) == 0);
	int64_t undelayed = clock_mono_ns();
	EXPECT(fault_check(FAULT_FSYNC) == 0);
	EXPECT(fault_check(FAULT_FSYNC) == 0);
	EXPECT(clock_mono_ns() - undelayed >= 2 * 30 * NS_PER_MS);
	EXPECT(undelayed - began < 30 * NS_PER_MS);
}

static void counts_one_thread_alone(void **state)
{
	(void)state;
	in_child(one_thread);
}

static void delays(void **state)
{
	(void)state;
	in_child(delayed);
}

static void reads_the_environment(void **state)
{
	(void)state;
	in_child(environment_once);
	in_child(environment_none);
}

static void refuses_what_it_does_not_understand(void **state)
{
	(void)state;
	in_child(environment_wrong);
}

static void follows_a_file(void **state)
{
	(void)state;
	in_child(watched_file);
}

static void works_in_a_forked_child(void **state)
{
	(void)state;
	in_child(forked);
}

static void counts(void **state)
{
	(void)state;
	fault_clear();
	uint64_t before = fault_hits(FAULT_RENAME);
	fault_set(FAULT_RENAME, 2, false, EACCES);
	assert_int_equal(fault_check(FAULT_RENAME), 0);
	assert_int_equal(fault_check(FAULT_RENAME), EACCES);
	assert_int_equal(fault_check(FAULT_RENAME), 0);
	fault_set(FAULT_RENAME, 1, true, EPERM);
	assert_int_equal(fault_check(FAULT_RENAME), EPERM);
	assert_int_equal(fault_check(FAULT_RENAME), EPERM);
	assert_int_equal(fault_check(FAULT_OPEN), 0);
	fault_set(FAULT_RENAME, 0, false, 0);
	assert_int_equal(fault_armed, 0);
	assert_int_equal(fault_check(FAULT_RENAME), 0);
	assert_true(fault_hits(FAULT_RENAME) >= before + 4);
	fault_clear();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_the_environment),
	    cmocka_unit_test(refuses_what_it_does_not_understand),
	    cmocka_unit_test(follows_a_file),
	    cmocka_unit_test(works_in_a_forked_child),
	    cmocka_unit_test(kills),
	    cmocka_unit_test(counts_one_thread_alone),
	    cmocka_unit_test(delays),
	    cmocka_unit_test(counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
