/* The program: its exit codes, and its last line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char template[] = "/tmp/promqltest-XXXXXX";
static char path[sizeof template];

static int make_file(void **state)
{
	(void)state;
	memcpy(path, template, sizeof path);
	int fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

/* Runs promqltest with these arguments on a script, FILE of which is the path; returns its exit code. */
static int run(const char *script, const char *arguments, char *out, size_t size)
{
	char command[512];
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(script, file);
	assert_int_equal(fclose(file), 0);
	snprintf(command, sizeof command, "FILE=%s; '%s' %s 2>&1", path, PROMQLTEST, arguments);
	FILE *said = popen(command, "r");
	assert_non_null(said);
	size_t len = fread(out, 1, size - 1, said);
	out[len] = '\0';
	int status = pclose(said);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void it_counts_and_exits_with_what_came_of_it(void **state)
{
	static const struct {
		const char *script, *arguments, *says;
		int code;
	} cases[] = {
	    {"eval instant at 0 1\n  1\n", "$FILE", "1 passed, 0 failed, 0 skipped\n", 0},
	    {"eval instant at 0 1\n  1\n", "$FILE $FILE", "2 passed, 0 failed, 0 skipped\n", 0},
	    {"eval instant at 0 1\n  1\n\neval instant at 0 1\n  2\n", "$FILE", "1 passed, 1 failed, 0 skipped\n", 1},
	    {"load 1m\n  x {{}}\n\neval instant at 0 x\n", "$FILE", "0 passed, 0 failed, 1 skipped\n", 0},
	    {"load 1m\n  x@st -1s\n  x 1\n", "$FILE",
	     "1 series have start times, which the engine does not take\n0 passed, 0 failed, 0 skipped\n", 0},
	    {"eval instant at 0 1\n  1\n\nevil\n", "$FILE", "0 passed, 0 failed, 0 skipped\n", 2},
	    {"eval instant at 0 1\n  2\n", "$FILE /nowhere/x.test", "0 passed, 1 failed, 0 skipped\n", 2},
	    {"", "", "usage: promqltest [-v] FILE…\n", 2},
	    {"", "-v", "usage: promqltest [-v] FILE…\n", 2},
	};
	char out[4096];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int code = run(cases[i].script, cases[i].arguments, out, sizeof out);
		size_t len = strlen(out), tail = strlen(cases[i].says);
		if (code != cases[i].code || len < tail || strcmp(out + len - tail, cases[i].says) != 0)
			fail_msg("%s\nexit code %d: %s", cases[i].script, code, out);
	}
}

static void a_script_that_cannot_be_read_is_named_with_its_line(void **state)
{
	char out[4096], wanted[256];

	(void)state;
	assert_int_equal(run("eval instant at 0 1\n  1\n\nevil\n", "$FILE", out, sizeof out), 2);
	snprintf(wanted, sizeof wanted, "%s:4: wanted a command", path);
	assert_non_null(strstr(out, wanted));
	assert_int_equal(run("", "/nowhere/x.test", out, sizeof out), 2);
	assert_non_null(strstr(out, "/nowhere/x.test"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(it_counts_and_exits_with_what_came_of_it, make_file, remove_file),
	    cmocka_unit_test_setup_teardown(a_script_that_cannot_be_read_is_named_with_its_line, make_file,
	                                    remove_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
