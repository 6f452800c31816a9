/* The implementations behind crc32c() of hash.h, for the tests that compare them. Private to base. */
#ifndef MOONGATE_BASE_CRC32C_H
#define MOONGATE_BASE_CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Eight tables of 256 entries, on any machine. */
uint32_t crc32c_with_tables(uint32_t crc, const unsigned char *at, size_t len);

/* Whether this processor (and this build) has a CRC32C instruction. */
bool crc32c_has_instruction(void);

/* With the instruction; only when there is one. */
uint32_t crc32c_with_instruction(uint32_t begin, const unsigned char *at, size_t len);

#endif
