/* How much stack the deepest expressions take: what promql_eval promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/asked.h"

/* AddressSanitizer's frames are several times as large. */
#ifdef __SANITIZE_ADDRESS__
enum { STACK_BYTES = 8 << 20 };
#else
enum { STACK_BYTES = 1 << 20 };
#endif

/* In a process whose stack ends there: is there a result? */
static bool is_evaluated(struct db *db, const char *query)
{
	int status = 0;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		const struct rlimit stack = {STACK_BYTES, STACK_BYTES};
		bool set = setrlimit(RLIMIT_STACK, &stack) == 0;
		asked(db, query, 0, 0, 0);
		_exit(set && db->code == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Calls as deep as they may be, at the end of a chain of operators that is as long as it may be then. */
static void test_deepest(void **state)
{
	(void)state;
	enum { CALLS = PROMQL_NESTING_MAX - 6, OPERATORS = PROMQL_DEPTH_MAX - 2 * PROMQL_NESTING_MAX };
	static const struct {
		const char *before, *behind;
	} calls[] = {
	    {"histogram_quantile(0.5, ", ")"},
	    {"label_replace(", ", \"a\", \"$1\", \"a\", \"(.*)\")"},
	    {"max_over_time(", "[2m:1m])"},
	    {"info(", ")"},
	    {"sum(", ")"},
	};
	static const char *const operators[] = {" + x", " + on (a) x", " or x", " unless x"};
	struct buf query = {0};
	struct db db;

	db_init(&db);
	series(&db, "x{a=\"1\"}", 0, 10, "1");
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		for (size_t k = 0; k < sizeof operators / sizeof *operators; k++) {
			buf_reset(&query);
			for (int n = 0; n < CALLS; n++)
				buf_str(&query, calls[i].before);
			buf_byte(&query, 'x');
			for (int n = 0; n < CALLS; n++)
				buf_str(&query, calls[i].behind);
			for (int n = 0; n < OPERATORS; n++)
				buf_str(&query, operators[k]);
			buf_byte(&query, '\0');
			if (!is_evaluated(&db, query.ptr))
				fail_msg("%s within %s", calls[i].before, operators[k]);
		}
	}
	buf_free(&query);
	db_free(&db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_deepest)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
