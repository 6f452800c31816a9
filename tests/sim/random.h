/* Random numbers that a seed repeats: splitmix64, whose every seed is as good as any other. One stream for each question, so that a question more in one place
 * changes nothing in the others. */
#ifndef MOONGATE_SIM_RANDOM_H
#define MOONGATE_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
	uint64_t state;
};

static inline uint64_t random_next(struct random *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* From 0 to n − 1; n is at least 1. */
static inline uint64_t random_below(struct random *r, uint64_t n)
{
	return random_next(r) % n;
}

/* True once in n. */
static inline bool random_once_in(struct random *r, uint64_t n)
{
	return n != 0 && random_below(r, n) == 0;
}

/* A stream of its own, named by a number. */
static inline struct random random_fork(uint64_t seed, uint64_t stream)
{
	struct random r = {seed ^ (stream + 1) * UINT64_C(0xd6e8feb86659fd93)};
	random_next(&r);
	return r;
}

#endif
