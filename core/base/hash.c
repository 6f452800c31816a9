/* The hash of byte strings.
 *
 * Its step is the 64×64→128 bit product with the halves folded together by XOR, as several published hashes have it:
 * one multiplication mixes 16 bytes. Both factors carry a secret (the seed, or the state that came from it), because a
 * factor that someone outside can make zero would swallow the other one. Reads overlap instead of handling tails byte
 * by byte.
 *
 * The road not taken: SipHash is safe against a known-seed attack too, but costs three times as much on keys of 20
 * bytes, and this runs several times an event. */
#include "base/hash.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static pthread_once_t seed_once = PTHREAD_ONCE_INIT;
static uint64_t process_seed;
static atomic_bool seed_drawn; /* asked for with every hash of a label set, and dearer by pthread_once */

uint64_t hash_bytes_long(const unsigned char *at, size_t len, uint64_t seed)
{
	const unsigned char *end = at + len;
	uint64_t a = seed ^ HASH_K0;
	uint64_t key = hash_fold(a, HASH_K1);
	uint64_t b = key;

	/* Two chains, so that the multiplications of one wait while the other's run. The last 32 bytes (or all) are
	 * left. */
	while (end - at > 32) {
		a = hash_fold(hash_load64(at) ^ a, hash_load64(at + 8) ^ HASH_K2 ^ key);
		b = hash_fold(hash_load64(at + 16) ^ b, hash_load64(at + 24) ^ HASH_K3 ^ key);
		at += 32;
	}
	if (end - at > 16)
		a = hash_fold(hash_load64(at) ^ a, hash_load64(at + 8) ^ HASH_K2 ^ key);
	uint64_t last = hash_fold(hash_load64(end - 16) ^ b, hash_load64(end - 8) ^ HASH_K1 ^ key);
	return hash_fold(a ^ last ^ HASH_K2, hash_fold(last, HASH_K1) ^ seed ^ HASH_K3 ^ len);
}

static void draw_seed(void)
{
	struct timespec now;
	uint64_t drawn;

	if (getrandom(&drawn, sizeof drawn, 0) == (ssize_t)sizeof drawn) {
		process_seed = drawn;
		return;
	}
	/* A kernel without getrandom: what differs from process to process is the best there is. */
	clock_gettime(CLOCK_REALTIME, &now);
	process_seed = hash_mix((uint64_t)now.tv_nsec ^ (uint64_t)now.tv_sec << 30, (uint64_t)getpid());
	process_seed = hash_mix(process_seed, (uint64_t)(uintptr_t)&now);
}

uint64_t hash_seed(void)
{
	if (!atomic_load_explicit(&seed_drawn, memory_order_acquire)) {
		pthread_once(&seed_once, draw_seed);
		atomic_store_explicit(&seed_drawn, true, memory_order_release);
	}
	return process_seed;
}

void hash_seed_set(uint64_t seed)
{
	pthread_once(&seed_once, draw_seed);
	process_seed = seed;
}
