/* sim: the whole engine on a virtual disk and clock. README.md beside this folder.
 *
 *   sim --seed N [--steps M] [--verbose]    one run; its number is printed and is the same each time
 *   sim --runs N [--from SEED]              N runs from that seed on (without it from one that the clock gives); the first failure ends it
 *   sim --check                             the short form for tests: some fixed seeds, each twice, then some from the clock */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "run.h"

enum { CHECK_SEEDS = 4, CHECK_RANDOM = 4, PROGRESS = 500 };

/* What a run tells the process that started it. */
struct result {
	uint64_t hash;
	uint64_t lives, crashes, acks, sample_acks, refusals, duplicates, reloads, views, faults, not_started, compared,
	    decisions;
};

static struct result run_here(uint64_t seed, uint32_t steps, bool verbose)
{
	static struct run r; /* large, and stays reachable for what a crash abandons */
	struct error err = {0};
	struct log_options quiet = {.level = verbose ? LOG_INFO : LOG_FATAL, .to_stdout = verbose};
	memset(&r, 0, sizeof r);
	r.seed = seed;
	r.steps = steps;
	r.verbose = verbose;
	if (log_start(&quiet, &err) != 0) {
		fprintf(stderr, "sim: %s\n", err.text);
		exit(2);
	}
	struct result out = {.hash = run_seed(&r)};
	out.lives = r.lives;
	out.crashes = r.crashes;
	out.acks = r.acks;
	out.sample_acks = r.sample_acks;
	out.refusals = r.refusals;
	out.duplicates = r.duplicates;
	out.reloads = r.reloads;
	out.views = r.views;
	out.faults = r.faults_injected;
	out.not_started = r.not_started;
	out.compared = r.compared;
	out.decisions = sched_decisions(r.sched);
	sched_free(r.sched);
	return out;
}

/* The end of a process that has run something. What crashes have abandoned is no leak. */
static _Noreturn void leave(const struct result *r, int code)
{
	fflush(stdout);
	if (r->crashes > 0)
		_exit(code);
	exit(code);
}

/* In a process of its own: nothing of one run reaches the next. False: it failed, and has said how. */
static bool run_apart(uint64_t seed, uint32_t steps, struct result *out)
{
	int ends[2], status;
	if (pipe(ends) != 0)
		return false;
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		struct result r = run_here(seed, steps, false);
		leave(&r, write(ends[1], &r, sizeof r) == sizeof r ? 0 : 2);
	}
	close(ends[1]);
	bool whole = child > 0 && read(ends[0], out, sizeof *out) == sizeof *out;
	close(ends[0]);
	if (child < 0 || waitpid(child, &status, 0) != child)
		return false;
	if (whole && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	if (WIFSIGNALED(status))
		fprintf(stderr, "seed %" PRIu64 ": signal %d\nrepeat it: build/tests/sim --seed %" PRIu64 "\n", seed,
		        WTERMSIG(status), seed);
	return false;
}

static void sum_up(struct result *sum, const struct result *r)
{
	uint64_t *to = &sum->lives;
	const uint64_t *from = &r->lives;
	for (size_t i = 0; i < sizeof *r / sizeof(uint64_t) - 1; i++)
		to[i] += from[i];
}

static void print(const char *what, const struct result *r)
{
	printf("%s: %" PRIu64 " lives, %" PRIu64 " crashes, %" PRIu64 " submissions and %" PRIu64
	       " batches of samples accepted, %" PRIu64 " refused, %" PRIu64 " duplicates, %" PRIu64
	       " reloads, %" PRIu64 " views, %" PRIu64 " faults, %" PRIu64 " starts refused, %" PRIu64
	       " comparisons, %" PRIu64 " decisions\n",
	       what, r->lives, r->crashes, r->acks, r->sample_acks, r->refusals, r->duplicates, r->reloads, r->views,
	       r->faults, r->not_started, r->compared, r->decisions);
}

static _Noreturn void run_one(uint64_t seed, uint32_t steps, bool verbose)
{
	char what[64];
	struct result r = run_here(seed, steps, verbose);
	snprintf(what, sizeof what, "seed %" PRIu64 ": %016" PRIx64, seed, r.hash);
	print(what, &r);
	leave(&r, 0);
}

static uint64_t seed_of_clock(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return ((uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000) % 1000000000000;
}

static int run_many(uint64_t from, uint64_t count, uint32_t steps)
{
	struct result sum = {0}, r;
	char what[64];
	printf("seeds %" PRIu64 " to %" PRIu64 "\n", from, from + count - 1);
	for (uint64_t i = 0; i < count; i++) {
		if (!run_apart(from + i, steps, &r)) {
			printf("seed %" PRIu64 " failed after %" PRIu64 " that held\n", from + i, i);
			return 1;
		}
		sum_up(&sum, &r);
		if (i % PROGRESS == PROGRESS - 1) {
			printf("%" PRIu64 " runs held\n", i + 1);
			fflush(stdout);
		}
	}
	snprintf(what, sizeof what, "%" PRIu64 " runs held", count);
	print(what, &sum);
	return 0;
}

static int run_check(uint32_t steps)
{
	struct result first, again;
	for (uint64_t seed = 1; seed <= CHECK_SEEDS; seed++) {
		if (!run_apart(seed, steps, &first) || !run_apart(seed, steps, &again))
			return 1;
		if (memcmp(&first, &again, sizeof first) != 0) {
			print("once", &first);
			print("again", &again);
			printf("seed %" PRIu64 " ran differently: %016" PRIx64 ", then %016" PRIx64 "\n", seed,
			       first.hash, again.hash);
			return 1;
		}
	}
	printf("%d fixed seeds held, and ran twice alike\n", CHECK_SEEDS);
	return run_many(seed_of_clock(), CHECK_RANDOM, steps);
}

static uint64_t number(const char *text)
{
	char *end;
	errno = 0;
	uint64_t n = strtoull(text, &end, 10);
	if (*text == '\0' || *end != '\0' || errno != 0) {
		fprintf(stderr, "sim: \"%s\" is no number\n", text);
		exit(2);
	}
	return n;
}

int main(int argc, char **argv)
{
	uint64_t seed = 0, runs = 0, from = 0, steps = 0;
	bool one = false, check = false, verbose = false, given = false;
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";
		if (strcmp(argv[i], "--check") == 0) {
			check = true;
		} else if (strcmp(argv[i], "--verbose") == 0) {
			verbose = true;
		} else if (strcmp(argv[i], "--seed") == 0) {
			one = true;
			seed = number(value);
			i++;
		} else if (strcmp(argv[i], "--runs") == 0) {
			runs = number(value);
			i++;
		} else if (strcmp(argv[i], "--from") == 0) {
			given = true;
			from = number(value);
			i++;
		} else if (strcmp(argv[i], "--steps") == 0) {
			steps = number(value);
			i++;
		} else {
			fprintf(stderr,
			        "usage: sim --seed N [--steps M] [--verbose] | --runs N [--from SEED] | --check\n");
			return 2;
		}
	}
	if (check)
		return run_check((uint32_t)steps);
	if (one)
		run_one(seed, (uint32_t)steps, verbose);
	return run_many(given ? from : seed_of_clock(), runs > 0 ? runs : 1, (uint32_t)steps);
}
