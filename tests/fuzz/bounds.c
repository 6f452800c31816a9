/* What one input may cost: 100 ms of CPU time and 64 MB of memory. The linker's --wrap puts this around every target, in libFuzzer's builds and in those that
 * replay a corpus alike: an input that costs more is a finding like a crash.
 *
 * FUZZ_SLOW is how many times slower the build is than the release that the bound is meant for. The machine may be busy, which makes
 * caches cold and clocks uneven: an input is over the bound when its third run is, too. Memory is counted where a sanitizer owns the heap: bytes that live at a time, whoever
 * took them; what went through mmap is not seen, and none of the decoders maps anything. */
#include "bounds.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CPU_MS = 100, HEAP_MB = 64, RUNS = 3 };

/* The names are the linker's. NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
int __real_LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __wrap_LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of the sanitizers' runtimes; NULL in other builds. */
extern int __sanitizer_install_malloc_and_free_hooks(void (*taken)(const volatile void *at, size_t size),
                                                     void (*freed)(const volatile void *at)) __attribute__((weak));
extern size_t __sanitizer_get_allocated_size(const volatile void *at) __attribute__((weak));
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

static int64_t live, peak; /* atomic: a target may have threads */
static bool paused;
static int64_t dearest_ms, most_mb; /* of all inputs */
static int64_t paused_at_ms, paused_ms;

static void on_taken(const volatile void *at, size_t size)
{
	(void)at;
	int64_t now = __atomic_add_fetch(&live, (int64_t)size, __ATOMIC_RELAXED);
	int64_t most = __atomic_load_n(&peak, __ATOMIC_RELAXED);
	while (!paused && now > most &&
	       !__atomic_compare_exchange_n(&peak, &most, now, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		continue;
}

static void on_freed(const volatile void *at)
{
	if (at != NULL)
		__atomic_sub_fetch(&live, (int64_t)__sanitizer_get_allocated_size(at), __ATOMIC_RELAXED);
}

static void say_cost(void)
{
	if (__sanitizer_install_malloc_and_free_hooks != NULL)
		fprintf(stderr, "bounds: at most %lld ms of CPU and %lld MB\n", (long long)dearest_ms,
		        (long long)most_mb);
	else
		fprintf(stderr, "bounds: at most %lld ms of CPU\n", (long long)dearest_ms);
}

static void begin(void)
{
	static bool begun;
	if (begun)
		return;
	begun = true;
	atexit(say_cost);
	if (__sanitizer_install_malloc_and_free_hooks != NULL &&
	    __sanitizer_install_malloc_and_free_hooks(on_taken, on_freed) == 0) {
		fputs("the sanitizer takes no hooks: memory cannot be counted\n", stderr);
		abort();
	}
}

static int64_t cpu_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void bounds_pause(void)
{
	paused = true;
	paused_at_ms = cpu_ms();
}

void bounds_resume(void)
{
	paused = false;
	paused_ms += cpu_ms() - paused_at_ms;
}

static void over(const char *what, int64_t found, int64_t most, size_t size)
{
	fprintf(stderr, "an input of %zu bytes took %lld %s, and may take %lld\n", size, (long long)found, what,
	        (long long)most);
	abort();
}

int __wrap_LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int64_t spent = 0;
	int result = 0;

	begin();
	for (int run = 0; run < RUNS; run++) {
		int64_t before = __atomic_load_n(&live, __ATOMIC_RELAXED);
		__atomic_store_n(&peak, before, __ATOMIC_RELAXED);
		paused_ms = 0;
		int64_t began = cpu_ms();
		result = __real_LLVMFuzzerTestOneInput(data, size);
		spent = cpu_ms() - began - paused_ms;
		int64_t mb = (__atomic_load_n(&peak, __ATOMIC_RELAXED) - before) >> 20;
		most_mb = mb > most_mb ? mb : most_mb;
		if (mb >= HEAP_MB)
			over("MB of memory", mb, HEAP_MB, size);
		if (spent <= CPU_MS * FUZZ_SLOW) {
			dearest_ms = spent > dearest_ms ? spent : dearest_ms;
			return result;
		}
	}
	over("ms of CPU time", spent, CPU_MS * FUZZ_SLOW, size);
	return result;
}
