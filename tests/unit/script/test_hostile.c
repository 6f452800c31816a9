/* Every script of hostile/ does its worst in a host with small limits. Its first line says what is to come of it:
 *
 *   -- expect: ok                nothing failed
 *   -- expect: error TEXT        the call failed, and the log says TEXT
 *   -- expect: cut time          the call was cut off for taking too long
 *   -- expect: cut memory        the call was cut off at the memory limit
 *   -- expect: refused TEXT      it is not loaded
 *   -- expect: filter TEXT       its filter's failure refuses the record, and TEXT says why
 *   -- expect: any               any of these: what counts is that it comes to an end
 *
 * And in each case a call that is stopped has ended 50 ms later, another script counts on, the same one can be called again, also after a reload, memory stays below the cap, and what was cut off is named
 * in the log with script and line. */
#include "support.h"

#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "script/internal.h"

/* Sanitizers make everything some ten times as slow. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SLOW = 10 };
#else
enum { SLOW = 1 };
#endif
/* A call that never ends takes its whole limit, and LuaJIT, which most of them run in, is not slowed: beside sanitizers the limit grows less than what is waited for. */
enum {
	CALL_MS = SLOW > 1 ? 100 : 25,
	LOAD_MS = 60 * SLOW,
	MEMORY_MB = 8,
	LATE_MS = 50 * SLOW,
	RELOAD_AFTER = SLOW > 1 ? 1 : 2,
	ROUNDS = RELOAD_AFTER + 1
};
enum { LOG_BYTES = 4 << 20 }; /* of a script in a round, which is a second or less */

static char log_path[] = "/tmp/moongate-hostile-XXXXXX";

static double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static uint32_t complaints;

/* All that is wrong is told, not only the first. */
static void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	complaints++;
}

/* What was logged since the last time. */
static const char *logged(void)
{
	static struct buf text;
	struct error err = {0};

	buf_reset(&text);
	assert_int_equal(file_read_all(log_path, 64 << 20, &text, &err), 0);
	if (text.len > LOG_BYTES)
		complain("it has logged %zu bytes", text.len);
	buf_byte(&text, '\0');
	assert_int_equal(truncate(log_path, 0), 0);
	return text.ptr;
}

static void add_modules(struct world *w)
{
	static char names[8][16], texts[8][64];

	world_file(w, "conf/loop_a.lua", "loop_a", "local b = require 'loop_b' return b");
	world_file(w, "conf/loop_b.lua", "loop_b", "local a = require 'loop_a' return a");
	world_file(w, "conf/endless.lua", "endless", "while true do end");
	for (int i = 0; i < 8; i++) {
		snprintf(names[i], sizeof names[i], "deep_%d", i + 1);
		snprintf(texts[i], sizeof texts[i], "return require('deep_%d')", i + 2 > 8 ? 1 : i + 2);
		world_file(w, names[i], names[i], texts[i]);
	}
}

static int load_both(struct world *w, const char *path, const char *text)
{
	add_modules(w);
	world_file(w, path, NULL, text);
	world_file(w, "scripts/metrics/zz_good.lua", NULL,
	           "local good = counter 'good_total' {}\non('good', function() good:inc() end)");
	return world_try_load(w);
}

static struct world *hostile_world(void)
{
	struct world *w = world_new();

	world_close_host(w);
	w->options.call_ms = CALL_MS;
	w->options.load_ms = LOAD_MS;
	w->options.memory_mb = MEMORY_MB;
	w->options.state_mb = 1;
	w->options.strikes = 1000;
	world_open_host(w);
	return w;
}

/* Why the filter refused the record; "". */
static char refused[512];

static void note_refused(void *ctx, struct record *r, const char *why)
{
	(void)ctx;
	(void)r;
	snprintf(refused, sizeof refused, "%s", why);
}

/* A frame with an event for the hostile script and one for the other, through the filters first as the engine has it. */
static void run_frame(struct world *w)
{
	struct record *refs[2];
	uint32_t n = 0;

	refused[0] = '\0';
	event(w, "x", "a=1");
	event(w, "good", "a=1");
	if (script_set_has_filters(w->set))
		script_set_filter(w->set, w->batch, note_refused, NULL);
	for (uint32_t i = 0; i < w->batch->count; i++) {
		if (!w->batch->records[i].dropped)
			refs[n++] = &w->batch->records[i];
	}
	registry_set_now(w->registry, w->now_ns);
	script_set_apply(w->set, refs, n, ++w->seq, w->now_ns);
	batch_reset(w->batch, 1 << 16);
}

static void check_cut(const char *name, const char *log, bool memory, const struct script_stats *s, double took_ms)
{
	const char *reason = memory ? "it needed more memory than a script may have" : "it took longer than a call may";

	if (s->cuts == 0 || strstr(log, reason) == NULL)
		complain("%s: wanted a cut because %s, got %d errors, %d cuts: %s", name, reason, (int)s->errors,
		         (int)s->cuts, log);
	if (!memory && took_ms < CALL_MS - 1)
		complain("%s: cut off after %.1f ms, before its time", name, took_ms);
}

/* Is that what happened? */
static void check_outcome(struct world *w, const char *name, const char *expect, double took_ms)
{
	struct script_stats s = stats_of(w, 0);
	const char *log = logged();

	if (strcmp(expect, "ok") == 0) {
		if (s.errors + s.cuts != 0 || refused[0] != '\0')
			complain("%s: it should have gone well: %s%s", name, refused, log);
	} else if (strncmp(expect, "error", 5) == 0) {
		if (s.errors == 0 || s.cuts != 0 || strstr(log, expect[5] == '\0' ? "" : expect + 6) == NULL)
			complain("%s: wanted the error \"%s\", got %d errors, %d cuts: %s", name, expect, (int)s.errors,
			         (int)s.cuts, log);
	} else if (strncmp(expect, "filter", 6) == 0) {
		if (refused[0] == '\0' || strstr(refused, expect[6] == '\0' ? "" : expect + 7) == NULL)
			complain("%s: wanted a record refused with \"%s\", got \"%s\"", name, expect, refused);
	} else if (strncmp(expect, "cut ", 4) == 0) {
		check_cut(name, log, strcmp(expect, "cut memory") == 0, &s, took_ms);
	} else if (strcmp(expect, "any") != 0) {
		complain("%s: \"%s\" is no expectation", name, expect);
	}
	if (strstr(log, "was cut off") != NULL && strstr(log, "\"at\":\"scripts/metrics/") == NULL &&
	    strstr(log, "\"at\":\"conf/") == NULL)
		complain("%s: the log does not say where it was cut off: %s", name, log);
}

static uint32_t stopped, stopped_in_time;

/* When the watchdog looks depends on what else the machine does, so that most calls have to end in time, and all soon after it has looked. */
static void check_time(const struct world *w, const char *name, double began_ms, double ended_ms, uint64_t calls)
{
	double late_ms = (double)w->host->watch.late_cpu_ns / 1e6;
	double most_ms = (double)calls * (CALL_MS + LATE_MS);
	bool in_time = ended_ms - began_ms <= most_ms;

	if (late_ms == 0) {
		if (!in_time)
			complain("%s: %.1f ms for %d calls", name, ended_ms - began_ms, (int)calls);
		return;
	}
	stopped++;
	stopped_in_time += in_time;
	if (ended_ms - late_ms > LATE_MS + (double)(calls - 1) * CALL_MS)
		complain("%s: %.1f ms after it was stopped", name, ended_ms - late_ms);
}

static void run_rounds(struct world *w, const char *name, const char *path, const char *text, const char *expect)
{
	script_set_apply(w->set, NULL, 0, ++w->seq, w->now_ns); /* the clock runs: every() is due from now on */
	for (int round = 1; round <= ROUNDS; round++) {
		w->now_ns += 2 * NS_PER_S;
		uint64_t calls = stats_of(w, 0).calls;
		w->host->watch.late_cpu_ns = 0;
		double began = cpu_ms();
		run_frame(w);
		double ended = cpu_ms();
		calls = stats_of(w, 0).calls - calls;
		check_outcome(w, name, expect, ended - began);
		check_time(w, name, began, ended, calls > 0 ? calls : 1);
		if (stats_of(w, 0).memory_bytes > (MEMORY_MB << 20) * 11 / 10)
			complain("%s: %d bytes", name, (int)stats_of(w, 0).memory_bytes);
		if (value(w, "good_total") != round)
			complain("%s: the other script did not run", name);
		if (round == RELOAD_AFTER && load_both(w, path, text) != 0)
			complain("%s: it does not load again: %s", name, w->err.text);
	}
}

static void run_hostile(const char *name, const char *text, const char *expect)
{
	char path[128];

	snprintf(path, sizeof path, "scripts/metrics/%s", name);
	struct world *w = hostile_world();
	int rc = load_both(w, path, text);
	if (strncmp(expect, "refused ", 8) == 0) {
		if (rc == 0 || strstr(w->err.text, expect + 8) == NULL || strstr(w->err.text, path) == NULL)
			complain("%s: wanted a refusal with \"%s\", got %d: %s", name, expect + 8, rc, w->err.text);
		logged();
	} else if (rc != 0) {
		complain("%s: it does not load: %s", name, w->err.text);
	} else {
		logged();
		run_rounds(w, name, path, text, expect);
	}
	world_free(w);
}

static uint32_t scripts_run;
static const char *only; /* the program's argument: run this script alone */

static int run_file(void *ctx, const char *name)
{
	(void)ctx;
	if (only != NULL && strcmp(only, name) != 0)
		return 0;
	char path[512];
	char expect[256];
	struct buf text = {0};
	struct error err = {0};

	snprintf(path, sizeof path, TEST_DIR "/hostile/%s", name);
	assert_int_equal(file_read_all(path, 1 << 20, &text, &err), 0);
	buf_byte(&text, '\0');
	if (sscanf(text.ptr, "-- expect: %255[^\n]", expect) != 1)
		fail_msg("%s: its first line says what to expect", name);
	run_hostile(name, text.ptr, expect);
	buf_free(&text);
	scripts_run++;
	return 0;
}

static void test_hostile_scripts(void **state)
{
	(void)state;
	struct error err = {0};

	assert_int_equal(file_list(TEST_DIR "/hostile", run_file, NULL, &err), 0);
	assert_true(scripts_run >= (only != NULL ? 1 : 80));
	assert_int_equal(complaints, 0);
	assert_true(only != NULL || (stopped > 100 && stopped_in_time > stopped / 2));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_hostile_scripts)};
	int fd = mkstemp(log_path);
	struct log_options o = {.level = LOG_WARN, .to_stdout = false, .file = log_path};
	struct error err = {0};

	only = argc > 1 ? argv[1] : NULL;
	if (fd < 0 || log_start(&o, &err) != 0)
		return 1;
	close(fd);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	log_stop();
	unlink(log_path);
	return failed;
}
