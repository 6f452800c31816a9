/* Hashes and checksums. */
#ifndef MOONGATE_BASE_HASH_H
#define MOONGATE_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* A fast 64-bit hash of `len` bytes. With a secret `seed` it resists flooding; the value is the same on every machine and in
 * every release for the same seed (it decides sampling), but is not cryptographic. Any thread. */
uint64_t hash_bytes(const void *bytes, size_t len, uint64_t seed);

/* Mixes a 64-bit number into another; for combining hashes. */
uint64_t hash_mix(uint64_t a, uint64_t b);

/* A random seed of this process, drawn from the kernel once. Tests fix it with hash_seed_set. Any thread. */
uint64_t hash_seed(void);

/* Fixes the process's seed; call before any thread starts. */
void hash_seed_set(uint64_t seed);

/* CRC32C (Castagnoli, RFC 3720 B.4), continued from `crc` (0 to begin). Uses the processor's instruction where there is one. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t len);

#endif
