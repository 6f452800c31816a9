/* Row 27. Every script of the hostile corpus that runs out of its memory does so again and again, and so do some whose memory lies outside of the Lua heap:
 * what the process takes stays within the cap (and what those may take), each call ends as a cut or an error, and another script counts on.
 *
 * The process's memory is measured, not what the host says of itself: the peak that the kernel saw, above what was in use before. Each shape has a process of its own,
 * so that one does not find the gaps that another has left in malloc's heap; ended in any way but the orderly one, it has not held. */
#include <sys/wait.h>
#include <unistd.h>

#include "support/scene.h"

static const struct row row = {27, "shapes of memory exhaustion"};

/* A sanitizer's own memory is many times the scripts': then it is the ends that count. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

enum { MEMORY_MB = 32, SHAPES_MIN = 15 };

/* What lies outside of the Lua heap, by shape, in MiB: bounds of their own (core/script/internal.h). */
static const struct {
	const char *name;
	int extra_mb;
} outside[] = {
    {"emit_big_texts.lua", 128},                           /* EMIT_BYTES_MAX waits, and one event more */
    {"emit_wide.lua", 128},      {"filter_texts.lua", 33}, /* FILTER_BYTES_MAX */
    {"filter_fields.lua", 33},   {"state_flood.lua", 2},   /* state_mb */
};

/* What a shape's process says at its end. */
struct result {
	double peak_mb, allowed_mb;
	long calls;
};

static int rounds;
static int shapes;
static long calls;
static double worst; /* of all shapes: peak in proportion to what is allowed */
static char worst_name[64];

static long read_kib(const char *what)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	long kib = -1;

	while (f != NULL && fgets(line, sizeof line, f) != NULL) {
		if (strncmp(line, what, strlen(what)) == 0)
			kib = strtol(line + strlen(what) + 1, NULL, 10);
	}
	if (f == NULL || kib < 0)
		row_failed(&row, "/proc/self/status does not say %s", what);
	fclose(f);
	return kib;
}

/* Forgets the peak seen so far. */
static void begin_peak(void)
{
	FILE *f = fopen("/proc/self/clear_refs", "w");

	if (f == NULL || fputs("5", f) < 0 || fclose(f) != 0)
		row_failed(&row, "the kernel does not let the peak of memory be measured anew");
}

/* In the process of the shape. */
static void exhaust(const char *name, struct slice text, struct result *out)
{
	const struct script_options options = {.call_ms = 5000,
	                                       .load_ms = 5000,
	                                       .memory_mb = MEMORY_MB,
	                                       .strikes = UINT32_MAX,
	                                       .state_mb = 1,
	                                       .emit_depth = 8};
	struct script_file files[] = {
	    scene_script("scripts/metrics/hostile.lua", text),
	    scene_script("scripts/metrics/zz_good.lua",
	                 SLICE("local good = counter 'good_total' {}\non('good', function() good:inc() end)"))};
	struct scene s;
	struct error err;

	scene_open(&s, &options);
	long before = read_kib("VmRSS");
	begin_peak();
	if (scene_load(&s, files, 2, &err) != 0)
		row_failed(&row, "%s: %s", name, err.text);
	for (int i = 0; i < rounds; i++) {
		scene_post(&s, "x", SLICE("text"), 2 * NS_PER_S);
		scene_post(&s, "good", SLICE("text"), 0);
	}
	out->peak_mb = (double)(read_kib("VmHWM") - before) / 1024;
	struct script_stats st = scene_stats(&s, 0);
	out->calls = (long)st.calls;
	if (st.cuts + st.errors < (uint64_t)rounds)
		row_failed(&row, "%s: %d rounds, and %d cuts and %d errors", name, rounds, (int)st.cuts,
		           (int)st.errors);
	if (scene_value(&s, "good_total") != rounds)
		row_failed(&row, "%s: the other script counted %g of %d", name, scene_value(&s, "good_total"), rounds);
	scene_close(&s);
}

/* Runs a shape in a process of its own. */
static void exhaust_apart(const char *name, struct slice text, double allowed_mb)
{
	struct result r = {.allowed_mb = allowed_mb};
	int ends[2];
	int status;

	fflush(stdout);
	if (pipe(ends) != 0)
		row_failed(&row, "no pipe");
	pid_t pid = fork();
	if (pid < 0)
		row_failed(&row, "no process");
	if (pid == 0) {
		close(ends[0]);
		exhaust(name, text, &r);
		_exit(write(ends[1], &r, sizeof r) == sizeof r ? 0 : 1);
	}
	close(ends[1]);
	bool told = read(ends[0], &r, sizeof r) == sizeof r;
	close(ends[0]);
	if (waitpid(pid, &status, 0) != pid || status != 0 || !told)
		row_failed(&row, "%s: its process ended with status %d", name, status);
	if (getenv("TORTURE_VERBOSE") != NULL)
		fprintf(stderr, "%-32s %6.2f of %6.2f MiB\n", name, r.peak_mb, r.allowed_mb);
	if (r.peak_mb > r.allowed_mb && !SANITIZED)
		row_failed(&row, "%s: %.2f MiB, allowed are %.2f", name, r.peak_mb, r.allowed_mb);
	if (r.peak_mb / r.allowed_mb > worst) {
		worst = r.peak_mb / r.allowed_mb;
		snprintf(worst_name, sizeof worst_name, "%s", name);
	}
	calls += r.calls;
	shapes++;
}

static int run_file(void *ctx, const char *name)
{
	char path[512];
	struct buf text = {0};
	struct error err = {0};
	double allowed_mb = MEMORY_MB * 1.1;
	bool known = false;

	(void)ctx;
	snprintf(path, sizeof path, SOURCE_ROOT "/tests/unit/script/hostile/%s", name);
	if (file_read_all(path, 1 << 20, &text, &err) != 0)
		row_failed(&row, "%s", err.text);
	for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
		if (strcmp(name, outside[i].name) != 0)
			continue;
		allowed_mb += outside[i].extra_mb;
		known = true;
	}
	buf_byte(&text, '\0');
	if (known || strncmp(text.ptr, "-- expect: cut memory\n", 22) == 0)
		exhaust_apart(name, slice_new(text.ptr, text.len - 1), allowed_mb);
	buf_free(&text);
	return 0;
}

int main(void)
{
	struct error err = {0};

	rounds = row_long() ? 1000 : 4;
	if (file_list(SOURCE_ROOT "/tests/unit/script/hostile", run_file, NULL, &err) != 0)
		row_failed(&row, "%s", err.text);
	if (shapes < SHAPES_MIN)
		row_failed(&row, "%d shapes; at least %d are wanted", shapes, SHAPES_MIN);
	if (SANITIZED)
		return row_held(&row, "%d shapes x %d, %ld calls, memory not measured, 0 exits", shapes, rounds, calls);
	return row_held(&row, "%d shapes x %d, %ld calls, at most %.0f %% of what is allowed (%s), 0 exits", shapes,
	                rounds, calls, 100 * worst, worst_name);
}
