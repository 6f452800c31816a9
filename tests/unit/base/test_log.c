/* The log: what a line looks like, where it goes, what sampling leaves out, and outputs that fail. */
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

#include "base/buf.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/log_sample.h"

static char dir[64];
static char path[128];
static char errors_path[128];
static int64_t now;
static struct buf content; /* of the last file that was read, NUL-terminated */

static int64_t read_now(void *ctx)
{
	(void)ctx;
	return now;
}

static int begin(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/moongate-log-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/log", dir);
	snprintf(errors_path, sizeof errors_path, "%s/errors", dir);
	now = INT64_C(1767323045) * NS_PER_S + 678 * NS_PER_MS;
	clock_set_source(read_now, read_now, NULL);
	return 0;
}

static int end(void **state)
{
	char other[140];

	(void)state;
	log_stop();
	fault_clear();
	clock_set_source(NULL, NULL, NULL);
	buf_free(&content);
	snprintf(other, sizeof other, "%s.1", path);
	unlink(path);
	unlink(other);
	unlink(errors_path);
	return rmdir(dir);
}

static struct log_options to_file(void)
{
	return (struct log_options){.level = LOG_INFO, .file = path, .sample_first = 100, .sample_then = 100};
}

static void start(struct log_options options)
{
	struct error err = {0};

	if (log_start(&options, &err) != 0)
		fail_msg("%s", err.text);
}

/* The file's text. */
static const char *text(const char *name)
{
	struct error err = {0};

	buf_reset(&content);
	if (file_read_all(name, 64 << 20, &content, &err) != 0)
		fail_msg("%s", err.text);
	buf_byte(&content, '\0');
	return content.ptr;
}

static int count_lines(const char *name)
{
	int n = 0;

	for (const char *c = text(name); *c != '\0'; c++)
		n += *c == '\n';
	return n;
}

#define TIME "\"time\":\"2026-01-02T03:04:05.678Z\""

static void writes_json_lines(void **state)
{
	(void)state;
	start(to_file());
	LOG(LOG_INFO, "plain");
	LOG(LOG_WARN, "with fields", log_str("s", "x"), log_slice("l", slice_new("longer", 4)), log_int("i", -7),
	    log_num("n", 0.25), log_bool("t", true), log_bool("f", false));
	LOG(LOG_ERROR, "odd", log_str("s", "a\"b\\c\nd\x01\xff<"), log_num("n", 0.0 / 0.0));
	log_write(LOG_INFO, SLICE("no fields"), NULL, 0);
	assert_string_equal(
	    text(path),
	    "{\"level\":\"info\"," TIME ",\"msg\":\"plain\"}\n"
	    "{\"level\":\"warn\"," TIME
	    ",\"msg\":\"with fields\",\"s\":\"x\",\"l\":\"long\",\"i\":-7,\"n\":0.25,\"t\":true,\"f\":false}\n"
	    "{\"level\":\"error\"," TIME
	    ",\"msg\":\"odd\",\"s\":\"a\\\"b\\\\c\\nd\\u0001\xef\xbf\xbd\\u003c\",\"n\":null}\n"
	    "{\"level\":\"info\"," TIME ",\"msg\":\"no fields\"}\n");
}

static void obeys_the_level(void **state)
{
	struct log_options options = to_file();
	uint64_t before[5];

	(void)state;
	options.level = LOG_WARN;
	options.errors_file = errors_path;
	start(options);
	for (int level = LOG_DEBUG; level <= LOG_FATAL; level++) {
		before[level] = log_lines((enum log_level)level);
		assert_int_equal(log_enabled((enum log_level)level), level >= LOG_WARN);
		LOG((enum log_level)level, "message");
		assert_int_equal(log_lines((enum log_level)level) - before[level], level >= LOG_WARN);
	}
	assert_int_equal(count_lines(path), 3);
	options.level = LOG_DEBUG;
	start(options);
	LOG(LOG_DEBUG, "now");
	LOG(LOG_INFO, "this too");
	assert_int_equal(count_lines(path), 5);
	/* Only warn, error and fatal are errors. */
	assert_int_equal(count_lines(errors_path), 3);
	assert_non_null(strstr(text(errors_path), "\"fatal\""));
	assert_null(strstr(text(errors_path), "\"info\""));
}

static void samples(void **state)
{
	struct log_options options = to_file();
	uint64_t sampled = log_sampled();
	uint64_t lines = log_lines(LOG_INFO);

	(void)state;
	options.sample_first = 3;
	options.sample_then = 5;
	start(options);
	for (int i = 1; i <= 14; i++)
		LOG(LOG_INFO, "flood", log_int("i", i));
	/* 1, 2, 3, then the 5th and 10th after these. */
	assert_int_equal(count_lines(path), 5);
	assert_non_null(strstr(text(path), "\"i\":3}\n"));
	assert_non_null(strstr(text(path), "\"i\":8,\"sampled\":4}\n"));
	assert_non_null(strstr(text(path), "\"i\":13,\"sampled\":4}\n"));
	assert_int_equal(log_sampled() - sampled, 9);
	assert_int_equal(log_lines(LOG_INFO) - lines, 5);
	/* Another message and another level are another kind. */
	LOG(LOG_INFO, "another");
	LOG(LOG_WARN, "flood");
	assert_int_equal(count_lines(path), 7);
	/* The next second begins anew and says what the last one left out. */
	now += NS_PER_S;
	LOG(LOG_INFO, "flood", log_int("i", 15));
	assert_non_null(strstr(text(path), "\"i\":15,\"sampled\":1}\n"));
	LOG(LOG_INFO, "flood", log_int("i", 16));
	assert_non_null(strstr(text(path), "\"i\":16}\n"));
}

static void samples_nothing_when_off(void **state)
{
	struct log_options options = to_file();

	(void)state;
	options.sample_first = 0;
	start(options);
	for (int i = 0; i < 1000; i++)
		LOG(LOG_INFO, "flood");
	assert_int_equal(count_lines(path), 1000);
}

/* More kinds than slots: each still gets its lines out, and its own flood is still held. */
static void sampling_is_bounded(void **state)
{
	static struct log_sample s;
	uint64_t missed = 0;

	(void)state;
	for (uint64_t kind = 1; kind <= 5000; kind++)
		assert_true(log_sample_take(&s, kind * UINT64_C(0x9e3779b97f4a7c15), 10, 2, 0, &missed));
	uint64_t kind = 77;
	assert_true(log_sample_take(&s, kind, 11, 2, 0, &missed));
	assert_true(log_sample_take(&s, kind, 11, 2, 0, &missed));
	for (int i = 0; i < 1000; i++)
		assert_false(log_sample_take(&s, kind, 11, 2, 0, &missed));
	assert_true(log_sample_take(&s, kind, 12, 2, 0, &missed));
	assert_int_equal(missed, 1000);
	assert_true(log_sample_take(&s, kind, 12, 2, 0, &missed));
	assert_int_equal(missed, 0);
}

static void opens_again_for_rotation(void **state)
{
	char rotated[140];

	(void)state;
	start(to_file());
	LOG(LOG_INFO, "one");
	snprintf(rotated, sizeof rotated, "%s.1", path);
	assert_int_equal(rename(path, rotated), 0);
	LOG(LOG_INFO, "two");
	log_reopen();
	LOG(LOG_INFO, "three");
	assert_int_equal(count_lines(rotated), 2);
	assert_int_equal(count_lines(path), 1);
	/* A file that does not open leaves the old one in use, and a line says so. */
	fault_set(FAULT_OPEN, 1, false, EMFILE);
	log_reopen();
	LOG(LOG_INFO, "four");
	assert_int_equal(count_lines(path), 3);
	assert_non_null(strstr(text(path), "not opened again"));
}

static void refuses_files_that_do_not_open(void **state)
{
	struct log_options options = to_file();
	struct error err = {0};

	(void)state;
	start(options);
	options.errors_file = "/nonexistent/errors";
	assert_int_equal(log_start(&options, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/errors"));
	/* The log goes on as it was. */
	LOG(LOG_INFO, "still here");
	assert_int_equal(count_lines(path), 1);
	assert_int_equal(mkfifo(errors_path, 0600), 0);
	options.errors_file = errors_path;
	assert_int_equal(log_start(&options, &err), -ENXIO);
}

static void cuts_long_texts(void **state)
{
	char *big = malloc(100000);

	(void)state;
	assert_non_null(big);
	start(to_file());
	memset(big, 'x', 100000);
	/* The limit falls into this character: it goes as a whole. */
	memcpy(big + 8191, "\xe6\x9c\x88", 3);
	LOG(LOG_INFO, "big", log_slice("text", slice_new(big, 100000)), log_int("after", 1));
	const char *line = text(path);
	assert_true(strlen(line) < 8400);
	assert_non_null(strstr(line, "xxx\xe2\x80\xa6\",\"after\":1}\n"));
	assert_null(strstr(line, "\xe6"));
	memset(big, 'y', 8192);
	LOG(LOG_INFO, "exact", log_slice("text", slice_new(big, 8192)));
	assert_non_null(strstr(text(path), "yyy\"}\n"));
	free(big);
}

static void works_without_memory(void **state)
{
	(void)state;
	start(to_file());
	fault_set(FAULT_MALLOC, 1, true, ENOMEM);
	char big[9000];
	memset(big, 'z', sizeof big);
	for (int i = 0; i < 20; i++)
		LOG(LOG_ERROR, "no room", log_slice("a", slice_new(big, sizeof big)),
		    log_slice("b", slice_new(big, sizeof big)), log_slice("c", slice_new(big, sizeof big)),
		    log_slice("d", slice_new(big, sizeof big)));
	fault_clear();
	assert_int_equal(count_lines(path), 20);
	assert_non_null(strstr(text(path), "\"error\"," TIME ",\"msg\":\"log line lost: out of memory\"}\n"));
	errno = E2BIG;
	LOG(LOG_ERROR, "again");
	assert_int_equal(errno, E2BIG);
	assert_non_null(strstr(text(path), "\"again\"}\n"));
}

/* Runs `body` in a child whose stdout and stderr are these descriptors; 0 is success. A child that hangs is ended by
 * the alarm. */
static void in_child(int (*body)(void), int out, int errors)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGPIPE, SIG_DFL);
		alarm(20);
		dup2(out, STDOUT_FILENO);
		dup2(errors, STDERR_FILENO);
		_exit(body());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int log_to_stdout(void)
{
	struct log_options options = {.level = LOG_INFO, .to_stdout = true, .sample_first = 0};
	uint64_t lost = log_lost();

	LOG(LOG_INFO, "before the start");
	if (log_start(&options, NULL) != 0)
		return 1;
	for (int i = 0; i < 1000; i++)
		LOG(LOG_INFO, "a line that is long enough to fill the pipe, which takes sixty-four kilobytes, with a "
		              "thousand of them");
	return log_lost() == lost ? 2 : 0;
}

static int make_file(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_APPEND, 0600);

	assert_true(fd >= 0);
	return fd;
}

static void outlives_a_closed_pipe(void **state)
{
	int ends[2];

	(void)state;
	log_stop();
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	int errors = make_file(errors_path);
	in_child(log_to_stdout, ends[1], errors);
	close(ends[1]);
	close(errors);
	/* The line of before log_start, and one sentence about what is lost. */
	assert_int_equal(count_lines(errors_path), 2);
	assert_non_null(strstr(text(errors_path), "before the start"));
	assert_non_null(strstr(text(errors_path), "the log output stdout loses lines: Broken pipe"));
}

static void does_not_wait_for_a_full_pipe(void **state)
{
	int ends[2];

	(void)state;
	log_stop();
	assert_int_equal(pipe(ends), 0);
	int errors = make_file(errors_path);
	in_child(log_to_stdout, ends[1], errors);
	close(ends[1]);
	/* What went in are whole lines, but perhaps the last. */
	buf_reset(&content);
	for (;;) {
		char *to = buf_room(&content, 65536);
		ssize_t n = read(ends[0], to, 65536);
		assert_true(n >= 0);
		if (n == 0)
			break;
		content.len += (size_t)n;
	}
	close(ends[0]);
	close(errors);
	assert_true(content.len > 30000);
	for (size_t i = 1; i < content.len; i++) {
		if (content.ptr[i - 1] == '\n')
			assert_int_equal(content.ptr[i], '{');
	}
	assert_non_null(strstr(text(errors_path), "Resource temporarily unavailable"));
}

static int log_to_full_disk(void)
{
	struct log_options options = {.level = LOG_INFO, .file = "/dev/full", .errors_file = path, .sample_first = 0};
	uint64_t lost = log_lost();

	if (log_start(&options, NULL) != 0)
		return 1;
	for (int i = 0; i < 10; i++)
		LOG(LOG_ERROR, "message");
	return log_lost() - lost == 10 ? 0 : 2;
}

static void outlives_a_full_disk(void **state)
{
	(void)state;
	log_stop();
	int errors = make_file(errors_path);
	in_child(log_to_full_disk, errors, errors);
	close(errors);
	assert_int_equal(count_lines(path), 10);
	assert_int_equal(count_lines(errors_path), 1);
	assert_non_null(strstr(text(errors_path), "/dev/full loses lines: No space left on device"));
}

enum { THREADS = 4, EACH = 500 };

static void *write_many(void *ctx)
{
	for (int i = 0; i < EACH; i++)
		LOG(LOG_INFO, "from a thread", log_str("pad", "0123456789012345678901234567890123456789"),
		    log_int("i", i));
	return ctx;
}

static void threads_do_not_mix(void **state)
{
	struct log_options options = to_file();
	pthread_t threads[THREADS];

	(void)state;
	options.sample_first = 0;
	start(options);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_many, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	int lines = 0;
	for (char *line = strtok((char *)(uintptr_t)text(path), "\n"); line != NULL;
	     line = strtok(NULL, "\n"), lines++) {
		assert_memory_equal(line, "{\"level\":\"info\"", 15);
		assert_int_equal(line[strlen(line) - 1], '}');
		assert_null(strstr(line + 1, "{"));
	}
	assert_int_equal(lines, THREADS * EACH);
}

#define WITH_DIR(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_DIR(writes_json_lines),
	    WITH_DIR(obeys_the_level),
	    WITH_DIR(samples),
	    WITH_DIR(samples_nothing_when_off),
	    WITH_DIR(sampling_is_bounded),
	    WITH_DIR(opens_again_for_rotation),
	    WITH_DIR(refuses_files_that_do_not_open),
	    WITH_DIR(cuts_long_texts),
	    WITH_DIR(works_without_memory),
	    WITH_DIR(outlives_a_closed_pipe),
	    WITH_DIR(does_not_wait_for_a_full_pipe),
	    WITH_DIR(outlives_a_full_disk),
	    WITH_DIR(threads_do_not_mix),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
