/* Hashes and checksums. */
#ifndef MOONGATE_BASE_HASH_H
#define MOONGATE_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Odd numbers without structure, 32 ones each, drawn once from the kernel's random source for this file. Changing one
 * changes every hash, and with it which traces are sampled. */
#define HASH_K0 UINT64_C(0x20f77ab8a9d86983)
#define HASH_K1 UINT64_C(0x886b3b555c8ce0d7)
#define HASH_K2 UINT64_C(0x424a7f8347bc391b)
#define HASH_K3 UINT64_C(0x163dff0bc6510c63)

__extension__ typedef unsigned __int128 hash_u128;

/* Private to hash_bytes: the two halves of the 128-bit product, folded; and loads that do not care for alignment, in
 * little-endian. */
static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
	hash_u128 product = (hash_u128)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_load64(const unsigned char *at)
{
	uint64_t v;
	memcpy(&v, at, sizeof v);
	return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(v) : v;
}

static inline uint64_t hash_load32(const unsigned char *at)
{
	uint32_t v;
	memcpy(&v, at, sizeof v);
	return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap32(v) : v;
}

/* Private to hash_bytes: from 17 bytes on. */
uint64_t hash_bytes_long(const unsigned char *at, size_t len, uint64_t seed);

/* A fast 64-bit hash of `len` bytes. With a secret `seed` it resists flooding; the value is the same on every machine
 * and in every release for the same seed (it decides sampling), but is not cryptographic. Any thread. */
static inline uint64_t hash_bytes(const void *bytes, size_t len, uint64_t seed)
{
	const unsigned char *at = (const unsigned char *)bytes;
	uint64_t a = 0;
	uint64_t b = 0;

	if (len > 16)
		return hash_bytes_long(at, len, seed);
	if (len >= 8) {
		a = hash_load64(at);
		b = hash_load64(at + len - 8);
	} else if (len >= 4) {
		a = hash_load32(at);
		b = hash_load32(at + len - 4);
	} else if (len > 0) {
		a = (uint64_t)at[0] << 16 | (uint64_t)at[len / 2] << 8 | at[len - 1];
	}
	seed ^= HASH_K0;
	uint64_t mixed = hash_fold(a ^ seed, b ^ hash_fold(seed, HASH_K1));
	return hash_fold(mixed ^ HASH_K2, seed ^ HASH_K3 ^ len);
}

/* Mixes a 64-bit number into another; for combining hashes. The order matters. Any thread. */
static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
	return hash_fold(hash_fold(a ^ HASH_K1, HASH_K2) ^ b, HASH_K3);
}

/* A random seed of this process, drawn from the kernel once. Tests fix it with hash_seed_set. Any thread. */
uint64_t hash_seed(void);

/* Fixes the process's seed; call before any thread starts. */
void hash_seed_set(uint64_t seed);

/* CRC32C (Castagnoli, RFC 3720 B.4), continued from `crc` (0 to begin). Uses the processor's instruction where there is
 * one. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t len);

/* The CRC of two texts one behind the other from the CRC of each and the length of the second, in a time that does not depend on it. */
uint32_t crc32c_combine(uint32_t first, uint32_t second, uint64_t second_len);

#endif
