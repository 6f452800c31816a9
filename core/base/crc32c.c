/* CRC32C: polynomial 0x1EDC6F41, reflected 0x82F63B78 (RFC 3720, appendix B.4).
 *
 * Three implementations that agree: the SSE4.2 or ARMv8 instruction over three streams at once (one instruction takes
 * three cycles but a new one can begin every cycle), and eight tables for machines without. The streams of a block are
 * put together by shifting the CRC over the bytes that follow, which is linear, hence four table look-ups. */
#include "base/crc32c.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/hash.h"

#define POLYNOMIAL UINT32_C(0x82f63b78)

enum { LONG_STREAM = 2048, SHORT_STREAM = 256 };

typedef uint32_t crc_function(uint32_t crc, const unsigned char *at, size_t len);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint32_t slices[8][256];      /* slices[k][b]: byte b followed by k zero bytes */
static uint32_t shift_long[4][256];  /* a CRC's byte i, shifted over LONG_STREAM zero bytes */
static uint32_t shift_short[4][256]; /* the same over SHORT_STREAM */
static pthread_once_t powers_once = PTHREAD_ONCE_INIT;
static uint32_t powers[8][256]; /* powers[k][d]: x^(8 · d · 256^k), what d · 256^k bytes behind it make of a CRC */
static crc_function *chosen = crc32c_with_tables; /* set once, before its first use */

/* crc after `count` zero bytes. */
static uint32_t over_zeros(uint32_t crc, size_t count)
{
	while (count-- != 0)
		crc = crc >> 8 ^ slices[0][crc & 0xff];
	return crc;
}

static void make_shift(uint32_t table[4][256], size_t count)
{
	for (uint32_t i = 0; i < 4; i++) {
		/* Linear: the entries of the eight bits give all others. */
		for (uint32_t bit = 0; bit < 8; bit++)
			table[i][UINT32_C(1) << bit] = over_zeros(UINT32_C(1) << (8 * i + bit), count);
		for (uint32_t b = 1; b < 256; b++) {
			uint32_t low = b & (0 - b);
			table[i][b] = table[i][low] ^ (b == low ? 0 : table[i][b ^ low]);
		}
	}
}

static void prepare(void)
{
	for (uint32_t b = 0; b < 256; b++) {
		uint32_t crc = b;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		slices[0][b] = crc;
	}
	for (int k = 1; k < 8; k++) {
		for (uint32_t b = 0; b < 256; b++)
			slices[k][b] = over_zeros(slices[k - 1][b], 1);
	}
	make_shift(shift_long, LONG_STREAM);
	make_shift(shift_short, SHORT_STREAM);
	if (crc32c_has_instruction())
		chosen = crc32c_with_instruction;
}

uint32_t crc32c_with_tables(uint32_t crc, const unsigned char *at, size_t len)
{
	pthread_once(&once, prepare);
	crc = ~crc;
	for (; len >= 8; at += 8, len -= 8) {
		uint64_t v = hash_load64(at) ^ crc;
		crc = slices[7][v & 0xff] ^ slices[6][v >> 8 & 0xff] ^ slices[5][v >> 16 & 0xff] ^
		      slices[4][v >> 24 & 0xff] ^ slices[3][v >> 32 & 0xff] ^ slices[2][v >> 40 & 0xff] ^
		      slices[1][v >> 48 & 0xff] ^ slices[0][v >> 56];
	}
	for (; len != 0; at++, len--)
		crc = crc >> 8 ^ slices[0][(crc ^ *at) & 0xff];
	return ~crc;
}

#if defined(__x86_64__)
#define TARGET __attribute__((target("sse4.2")))
#define STEP8(crc, v) __builtin_ia32_crc32di((crc), (v))
#define STEP1(crc, v) __builtin_ia32_crc32qi((uint32_t)(crc), (v))
#define HAS_INSTRUCTION 1
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#define TARGET
#define STEP8(crc, v) __crc32cd((uint32_t)(crc), (v))
#define STEP1(crc, v) __crc32cb((uint32_t)(crc), (v))
#define HAS_INSTRUCTION 1
#else
#define HAS_INSTRUCTION 0
#endif

#if HAS_INSTRUCTION

bool crc32c_has_instruction(void)
{
#if defined(__x86_64__)
	return __builtin_cpu_supports("sse4.2") != 0;
#else
	return true;
#endif
}

static uint32_t shift(uint32_t table[4][256], uint64_t crc)
{
	return table[0][crc & 0xff] ^ table[1][crc >> 8 & 0xff] ^ table[2][crc >> 16 & 0xff] ^
	       table[3][crc >> 24 & 0xff];
}

/* Takes blocks of three streams of `stream` bytes each while there are any; moves *at and *len. */
TARGET static uint64_t three_streams(uint64_t crc, const unsigned char **at, size_t *len, size_t stream,
                                     uint32_t table[4][256])
{
	for (; *len >= 3 * stream; *at += 3 * stream, *len -= 3 * stream) {
		uint64_t second = 0;
		uint64_t third = 0;
		for (const unsigned char *p = *at; p < *at + stream; p += 8) {
			crc = STEP8(crc, hash_load64(p));
			second = STEP8(second, hash_load64(p + stream));
			third = STEP8(third, hash_load64(p + 2 * stream));
		}
		crc = shift(table, crc) ^ second;
		crc = shift(table, crc) ^ third;
	}
	return crc;
}

TARGET uint32_t crc32c_with_instruction(uint32_t begin, const unsigned char *at, size_t len)
{
	uint64_t crc = ~begin;

	pthread_once(&once, prepare);
	crc = three_streams(crc, &at, &len, LONG_STREAM, shift_long);
	crc = three_streams(crc, &at, &len, SHORT_STREAM, shift_short);
	for (; len >= 8; at += 8, len -= 8)
		crc = STEP8(crc, hash_load64(at));
	for (; len != 0; at++, len--)
		crc = STEP1(crc, *at);
	return ~(uint32_t)crc;
}

#else

bool crc32c_has_instruction(void)
{
	return false;
}

uint32_t crc32c_with_instruction(uint32_t begin, const unsigned char *at, size_t len)
{
	return crc32c_with_tables(begin, at, len);
}

#endif

uint32_t crc32c(uint32_t crc, const void *bytes, size_t len)
{
	pthread_once(&once, prepare);
	return chosen(crc, bytes, len);
}

/* ---- putting CRCs together ---- */

/* The product of two polynomials modulo that of the CRC; bit 31 is x^0, as CRCs are reflected. */
static uint32_t multiply(uint32_t a, uint32_t b)
{
	uint32_t product = 0;
	for (; a != 0; a <<= 1) {
		product ^= a >> 31 ? b : 0;
		b = b >> 1 ^ (b & 1 ? POLYNOMIAL : 0);
	}
	return product;
}

static void prepare_powers(void)
{
	uint32_t step = UINT32_C(1) << 23; /* x^8: one byte */
	for (int k = 0; k < 8; k++) {
		powers[k][0] = UINT32_C(1) << 31;
		for (int d = 1; d < 256; d++)
			powers[k][d] = multiply(powers[k][d - 1], step);
		step = multiply(powers[k][255], step);
	}
}

uint32_t crc32c_combine(uint32_t first, uint32_t second, uint64_t second_len)
{
	pthread_once(&powers_once, prepare_powers);
	for (int k = 0; second_len != 0; k++, second_len >>= 8) {
		if ((second_len & 0xff) != 0)
			first = multiply(powers[k][second_len & 0xff], first);
	}
	return first ^ second;
}
