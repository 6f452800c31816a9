/* The tags of values in a payload (FORMAT.md). */
#ifndef MOONGATE_JOURNAL_TAGS_H
#define MOONGATE_JOURNAL_TAGS_H

enum tag {
	TAG_SHORT_REFS = 0x80, /* below: a dictionary entry by itself */
	TAG_REF = 0x80,
	TAG_STRING = 0x81,
	TAG_DEFINE = 0x82,
	TAG_NULL = 0x83,
	TAG_FALSE = 0x84,
	TAG_TRUE = 0x85,
	TAG_DOUBLE = 0x86,
	TAG_ARRAY = 0x87,
	TAG_OBJECT = 0x88,
	TAG_DECIMAL = 0x89,
	TAG_HEX = 0x8a,
	TAG_HEX_DEFINE = 0x8b,
	TAG_OBJECT_DEFINE = 0x8c,
	TAG_OBJECT_REF = 0x8d,
	TAG_GOES_ON = 0x8e,  /* a string that begins as another did */
	TAG_UNSIGNED = 0x90, /* + bytes − 1 */
	TAG_NEGATIVE = 0x98, /* + bytes − 1 */
	TAG_SMALL = 0xa0     /* + the number */
};

enum { SMALL_INTEGERS = 0x60, DECIMAL_EXPONENT_MAX = 4 };

/* Of strings with so many bytes the last one of each length is remembered. */
enum { BEGUN_MIN = 8, BEGUN_MAX = 40 };

#endif
