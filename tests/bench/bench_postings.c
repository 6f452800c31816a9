/* Postings of a million series: what intersections, unions, and selections with the matchers of common queries cost. Prints µs of CPU a call, the best of some, ns for each number that comes in, and how many come out. */
#include <time.h>

#include "base/error.h"
#include "record/matcher.h"
#include "tsdb/postings.h"

#include "../unit/tsdb/support.h"

enum { SERIES = 1000000, ROUNDS = 7 };

static double cpu_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static struct arena arena;
static uint32_t seed = 1;

static void say(const char *what, double us, uint64_t in, uint32_t out)
{
	printf("%-44s %10.1f us", what, us);
	if (in != 0)
		printf(" %8.2f ns", us * 1e3 / (double)in);
	else
		printf(" %11s", "");
	printf(" %10u\n", out);
}

/* `count` numbers below `range`, at even chances. */
static struct postings draw(uint32_t count, uint32_t range)
{
	uint32_t *numbers = memory_room(count, sizeof *numbers);
	uint32_t n = 0, step = range / count;
	for (uint32_t at = 0; n < count; at += step)
		numbers[n++] = at + memory_draw(&seed, step);
	return (struct postings){numbers, n};
}

static void pairs(void)
{
	static const uint32_t ratios[] = {1, 4, 8, 16, 32, 100, 10000};
	struct postings found, all = draw(SERIES / 2, SERIES);
	char what[64];
	for (size_t i = 0; i < sizeof ratios / sizeof *ratios; i++) {
		struct postings few = draw(SERIES / 2 / ratios[i], SERIES);
		double best[3] = {1e12, 1e12, 1e12};
		uint32_t out[3];
		for (int round = 0; round < ROUNDS; round++) {
			for (int op = 0; op < 3; op++) {
				double began = cpu_us();
				int code = op == 0   ? postings_intersect(&arena, few, all, &found)
				           : op == 1 ? postings_subtract(&arena, few, all, &found)
				                     : postings_subtract(&arena, all, few, &found);
				double us = cpu_us() - began;
				best[op] = us < best[op] && code == 0 ? us : best[op];
				out[op] = found.count;
				arena_reset(&arena, 64 << 20);
			}
		}
		static const char *const names[] = {"intersect, 500,000 and 1/%u", "subtract all from 1/%u",
		                                    "subtract 1/%u from 500,000"};
		for (int op = 0; op < 3; op++) {
			snprintf(what, sizeof what, names[op], ratios[i]);
			say(what, best[op], few.count, out[op]);
		}
		free((void *)(uintptr_t)few.numbers);
	}
	free((void *)(uintptr_t)all.numbers);
}

/* Of lists as long as `length`; those of one label's values are disjoint, these mostly are. */
static void one_union(uint32_t count, uint32_t length, uint32_t range)
{
	struct postings *lists = memory_room(count, sizeof *lists), found = {0};
	double best = 1e12;
	char what[64];
	for (uint32_t i = 0; i < count; i++)
		lists[i] = draw(length, range);
	for (int round = 0; round < ROUNDS; round++) {
		double began = cpu_us();
		int code = postings_union(&arena, lists, count, &found);
		double us = cpu_us() - began;
		best = us < best && code == 0 ? us : best;
		arena_reset(&arena, 64 << 20);
	}
	snprintf(what, sizeof what, "union of %u x %u in %u", count, length, range);
	say(what, best, (uint64_t)count * length, found.count);
	for (uint32_t i = 0; i < count; i++)
		free((void *)(uintptr_t)lists[i].numbers);
	free(lists);
}

static void unions(void)
{
	static const uint32_t shapes[][3] = {{2, 200000, SERIES}, {2, 1000, SERIES},    {2, 1000, 1000000000},
	                                     {10, 50000, SERIES}, {10, 100, SERIES},    {1000, 500, SERIES},
	                                     {1000, 10, SERIES},  {1000, 10, 10000000}, {1000, 10, 1000000000},
	                                     {50000, 10, SERIES}, {50000, 2, 10000000}};
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
		one_union(shapes[i][0], shapes[i][1], shapes[i][2]);
}

struct wanted {
	const char *name;
	enum matcher_op op;
	const char *value;
};

/* What the matchers of one query cost; NULL ends them. */
static void one_select(const struct postings_source *source, const char *what, const struct wanted *wanted)
{
	struct matcher *m[4];
	struct postings found = {0};
	uint32_t count = 0;
	double best = 1e12;
	for (; wanted[count].name != NULL; count++) {
		m[count] = matcher_new(wanted[count].op, slice_cstr(wanted[count].name),
		                       slice_cstr(wanted[count].value), NULL);
		if (m[count] == NULL)
			abort();
	}
	for (int round = 0; round < ROUNDS; round++) {
		double began = cpu_us();
		int code = postings_select(source, m, count, &arena, &found);
		double us = cpu_us() - began;
		best = us < best && code == 0 ? us : best;
		arena_reset(&arena, 64 << 20);
	}
	say(what, best, 0, found.count);
	for (uint32_t i = 0; i < count; i++)
		matcher_free(m[i]);
}

static void selections(void)
{
	static const struct memory_label labels[] = {
	    {"name", 200, 0}, {"job", 20, 0}, {"instance", 1000, 0}, {"pod", 50000, 10}, {"le", 12, 50}};
	static const struct {
		const char *what;
		struct wanted m[4];
	} queries[] = {
	    {"name", {{"name", MATCH_EQUAL, "v000001"}}},
	    {"name, job", {{"name", MATCH_EQUAL, "v000001"}, {"job", MATCH_EQUAL, "v000001"}}},
	    {"name, instance", {{"name", MATCH_EQUAL, "v000001"}, {"instance", MATCH_EQUAL, "v000001"}}},
	    {"name, job!=", {{"name", MATCH_EQUAL, "v000001"}, {"job", MATCH_NOT_EQUAL, "v000001"}}},
	    {"name, instance=~a|b|c",
	     {{"name", MATCH_EQUAL, "v000001"}, {"instance", MATCH_REGEX, "v000001|v000002|v000003"}}},
	    {"name, instance=~prefix.*", {{"name", MATCH_EQUAL, "v000001"}, {"instance", MATCH_REGEX, "v00001.*"}}},
	    {"name, instance=~.*suffix", {{"name", MATCH_EQUAL, "v000001"}, {"instance", MATCH_REGEX, ".*7"}}},
	    {"name, pod=~.*suffix", {{"name", MATCH_EQUAL, "v000001"}, {"pod", MATCH_REGEX, ".*77"}}},
	    {"name, pod=~.+", {{"name", MATCH_EQUAL, "v000001"}, {"pod", MATCH_REGEX, ".+"}}},
	    {"name, pod=\"\"", {{"name", MATCH_EQUAL, "v000001"}, {"pod", MATCH_EQUAL, ""}}},
	    {"name, pod!~.*suffix", {{"name", MATCH_EQUAL, "v000001"}, {"pod", MATCH_NOT_REGEX, ".*77"}}},
	    {"name=~.+, job", {{"name", MATCH_REGEX, ".+"}, {"job", MATCH_EQUAL, "v000001"}}},
	    {"job, le!=\"\"", {{"job", MATCH_EQUAL, "v000001"}, {"le", MATCH_NOT_EQUAL, ""}}},
	    {"pod!=", {{"pod", MATCH_NOT_EQUAL, "v000001"}}},
	    {"all", {{NULL, MATCH_EQUAL, NULL}}},
	};
	struct memory_index x;
	memory_index_init(&x, labels, sizeof labels / sizeof *labels, SERIES, 1, 1);
	struct postings_source source = memory_source(&x);
	for (size_t i = 0; i < sizeof queries / sizeof *queries; i++)
		one_select(&source, queries[i].what, queries[i].m);
	memory_index_deinit(&x);
}

int main(void)
{
	arena_init(&arena);
	pairs();
	unions();
	selections();
	arena_deinit(&arena);
	return 0;
}
