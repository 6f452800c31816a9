/* CRC32C against the values of RFC 3720 and a bit-by-bit computation; all implementations agree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/hash.h"

/* The definition, one bit at a time. */
static uint32_t slow(uint32_t crc, const unsigned char *at, size_t len)
{
	crc = ~crc;
	for (size_t i = 0; i < len; i++) {
		crc ^= at[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
	}
	return ~crc;
}

static void all_agree(const unsigned char *at, size_t len, uint32_t begin, uint32_t want)
{
	assert_true(crc32c(begin, at, len) == want);
	assert_true(crc32c_with_tables(begin, at, len) == want);
	if (crc32c_has_instruction())
		assert_true(crc32c_with_instruction(begin, at, len) == want);
}

static void has_the_values_of_the_rfc(void **state)
{
	static const unsigned char command[48] = {
	    0x01, 0xc0, [16] = 0x14, [22] = 0x04, [27] = 0x14, [31] = 0x18, [32] = 0x28, [40] = 0x02,
	};
	unsigned char bytes[32];

	(void)state;
	memset(bytes, 0, sizeof bytes);
	all_agree(bytes, sizeof bytes, 0, 0x8a9136aa);
	memset(bytes, 0xff, sizeof bytes);
	all_agree(bytes, sizeof bytes, 0, 0x62a8ab43);
	for (unsigned char i = 0; i < 32; i++)
		bytes[i] = i;
	all_agree(bytes, sizeof bytes, 0, 0x46dd794e);
	for (unsigned char i = 0; i < 32; i++)
		bytes[i] = (unsigned char)(31 - i);
	all_agree(bytes, sizeof bytes, 0, 0x113fdb5c);
	all_agree(command, sizeof command, 0, 0xd9963a56);
	all_agree((const unsigned char *)"123456789", 9, 0, 0xe3069283);
	all_agree(bytes, 0, 0, 0);
}

/* Lengths around each block size, at each alignment. */
static void agree_at_all_lengths(void **state)
{
	static const size_t around[] = {0, 64, 768, 768 + 256, 2 * 768, 6144, 6144 + 768, 2 * 6144, 20000};
	unsigned char *bytes = malloc(20100);

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < 20100; i++)
		bytes[i] = (unsigned char)(i * i >> 3 ^ i * 131);
	for (size_t i = 0; i < sizeof around / sizeof *around; i++) {
		for (size_t more = 0; more < 20; more++) {
			size_t shift = more % 8;
			size_t len = around[i] + more;
			all_agree(bytes + shift, len, 0, slow(0, bytes + shift, len));
		}
	}
	free(bytes);
}

static void continues(void **state)
{
	unsigned char bytes[7000];

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)(i * 7);
	uint32_t whole = crc32c(0, bytes, sizeof bytes);
	for (size_t cut = 0; cut <= sizeof bytes; cut += 211)
		all_agree(bytes + cut, sizeof bytes - cut, crc32c(0, bytes, cut), whole);
}

static void is_put_together(void **state)
{
	enum { LEN = 70000 };
	unsigned char *bytes = malloc(LEN);

	(void)state;
	for (size_t i = 0; i < LEN; i++)
		bytes[i] = (unsigned char)(i * i >> 3);
	uint32_t whole = crc32c(0, bytes, LEN);
	for (size_t cut = 0; cut <= LEN; cut += cut < 600 ? 1 : 997)
		assert_int_equal(crc32c_combine(crc32c(0, bytes, cut), crc32c(0, bytes + cut, LEN - cut), LEN - cut),
		                 whole);
	free(bytes);
}

static void notices_every_single_bit(void **state)
{
	unsigned char bytes[300] = {0};
	uint32_t whole = crc32c(0, bytes, sizeof bytes);

	(void)state;
	for (size_t bit = 0; bit < sizeof bytes * 8; bit++) {
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_true(crc32c(0, bytes, sizeof bytes) != whole);
		bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(has_the_values_of_the_rfc),
	    cmocka_unit_test(agree_at_all_lengths),
	    cmocka_unit_test(continues),
	    cmocka_unit_test(is_put_together),
	    cmocka_unit_test(notices_every_single_bit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
