#include "base/regex_class.h"

#include <string.h>

#include "base/hex.h"
#include "base/utf8.h"

size_t regex_rune_read(const char *at, const char *end, uint32_t *out)
{
	size_t len = at < end ? utf8_char(at, (size_t)(end - at)) : 0;
	if (len == 0)
		return 0;
	*out = len == 1 ? (unsigned char)*at : (unsigned char)*at & (0x7fU >> len);
	for (size_t i = 1; i < len; i++)
		*out = *out << 6 | ((unsigned char)at[i] & 0x3f);
	return len;
}

size_t regex_rune_write(uint32_t rune, char *out)
{
	if (rune < 0x80) {
		out[0] = (char)rune;
		return 1;
	}
	size_t len = rune < 0x800 ? 2 : rune < 0x10000 ? 3 : 4;
	static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};
	for (size_t i = len - 1; i > 0; i--, rune >>= 6)
		out[i] = (char)(0x80 | (rune & 0x3f));
	out[0] = (char)(first[len] | rune);
	return len;
}

static bool is_alphanumeric(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Behind \x: two digits, or any in braces. */
static bool hex_escape(const char **at, const char *end, uint32_t *out)
{
	const char *s = *at;
	*out = 0;
	if (s < end && *s == '{') {
		const char *begin = ++s;
		while (s < end && hex_digit((unsigned char)*s) >= 0 && *out <= 0x10ffff)
			*out = *out * 16 + (uint32_t)hex_digit((unsigned char)*s++);
		if (s >= end || *s != '}' || s == begin || *out > 0x10ffff)
			return false;
		*at = s + 1;
	} else {
		int byte = end - s < 2 ? -1 : hex_byte(s);
		if (byte < 0)
			return false;
		*out = (uint32_t)byte;
		*at = s + 2;
	}
	return *out < 0xd800 || *out >= 0xe000;
}

/* Up to three octal digits; one that is not 0 alone would refer to a group. */
static bool octal_escape(const char **at, const char *end, uint32_t *out)
{
	const char *s = *at;
	*out = 0;
	if (*s != '0' && (end - s < 2 || s[1] < '0' || s[1] > '7'))
		return false;
	for (int i = 0; i < 3 && s < end && *s >= '0' && *s <= '7'; i++)
		*out = *out * 8 + (uint32_t)(*s++ - '0');
	*at = s;
	return true;
}

bool regex_rune_escape(const char **at, const char *end, uint32_t *out)
{
	static const char letters[] = "afnrtv", meant[] = "\a\f\n\r\t\v";
	const char *s = *at;
	if (*s >= '0' && *s <= '7' && octal_escape(at, end, out))
		return true;
	if (*s == 'x') {
		(*at)++;
		return hex_escape(at, end, out);
	}
	(*at)++;
	const char *letter = memchr(letters, *s, sizeof letters - 1);
	*out = letter != NULL ? (uint32_t)meant[letter - letters] : (uint32_t)(unsigned char)*s;
	/* Punctuation stands for itself. */
	return letter != NULL || (*out < 0x80 && !is_alphanumeric(*s));
}

/* ---- classes ---- */

static void add_range(struct regex_class *c, uint32_t low, uint32_t high)
{
	for (uint32_t i = low; i <= high && i < 128; i++)
		c->ascii[i / 64] |= UINT64_C(1) << (i % 64);
	if (high >= 128)
		c->wide = true;
	c->items++;
}

/* Adds the characters of a class of ASCII, or all others. */
static void add_named(struct regex_class *c, const char *ranges, bool negated)
{
	struct regex_class named = {0};
	for (; *ranges != '\0'; ranges += 2)
		add_range(&named, (unsigned char)ranges[0], (unsigned char)ranges[1]);
	c->ascii[0] |= negated ? ~named.ascii[0] : named.ascii[0];
	c->ascii[1] |= negated ? ~named.ascii[1] : named.ascii[1];
	c->wide = c->wide || negated;
	c->items += named.items + 1;
}

/* \pL, \p{^Greek}: which characters is not looked at. */
static bool unicode_class(const char **at, const char *end, struct regex_class *c)
{
	const char *s = *at + 1;
	if (s >= end)
		return false;
	if (*s == '{') {
		s = memchr(s, '}', (size_t)(end - s));
		if (s == NULL)
			return false;
	}
	uint32_t rune;
	size_t len = regex_rune_read(s, end, &rune);
	*at = s + (len != 0 ? len : 1);
	c->ascii[0] = c->ascii[1] = UINT64_MAX;
	c->wide = true;
	c->items++;
	c->unicode++;
	return true;
}

bool regex_class_escape(const char **at, const char *end, struct regex_class *out)
{
	switch (**at) {
	case 'd':
	case 'D':
		add_named(out, "09", **at == 'D');
		break;
	case 's':
	case 'S':
		add_named(out, "\t\n\f\r  ", **at == 'S');
		break;
	case 'w':
	case 'W':
		add_named(out, "09AZ__az", **at == 'W');
		break;
	case 'p':
	case 'P':
		return unicode_class(at, end, out);
	default:
		return false;
	}
	(*at)++;
	return true;
}

/* [:alpha:], [:^alpha:] within brackets. */
static bool posix_class(const char **at, const char *end, struct regex_class *c)
{
	static const struct {
		const char *name, *ranges;
	} classes[] = {{"alnum:]", "09AZaz"},
	               {"alpha:]", "AZaz"},
	               {"ascii:]", "\001\177"},
	               {"blank:]", "\t\t  "},
	               {"cntrl:]", "\001\037\177\177"},
	               {"digit:]", "09"},
	               {"graph:]", "!~"},
	               {"lower:]", "az"},
	               {"print:]", " ~"},
	               {"punct:]", "!/:@[`{~"},
	               {"space:]", "\t\r  "},
	               {"upper:]", "AZ"},
	               {"word:]", "09AZaz__"},
	               {"xdigit:]", "09AFaf"}};
	const char *s = *at + 2;
	bool negated = s < end && *s == '^';
	s += negated;
	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
		size_t len = strlen(classes[i].name);
		if ((size_t)(end - s) < len || memcmp(s, classes[i].name, len) != 0)
			continue;
		add_named(c, classes[i].ranges, negated);
		/* NUL ends a list of ranges, and is a control character. */
		if (strcmp(classes[i].name, "cntrl:]") == 0 || strcmp(classes[i].name, "ascii:]") == 0)
			c->ascii[0] = negated ? c->ascii[0] & ~UINT64_C(1) : c->ascii[0] | 1;
		*at = s + len;
		return true;
	}
	return false;
}

/* One character of brackets, maybe escaped. */
static bool class_rune(const char **at, const char *end, uint32_t *out)
{
	if (*at < end && **at == '\\' && *at + 1 < end) {
		(*at)++;
		return regex_rune_escape(at, end, out);
	}
	size_t len = *at < end && **at != '\\' ? regex_rune_read(*at, end, out) : 0;
	*at += len != 0 ? len : *at < end;
	return len != 0;
}

/* A character or a range of them. */
static bool class_range(const char **at, const char *end, struct regex_class *c)
{
	uint32_t low = 0, high;
	if (!class_rune(at, end, &low))
		return false;
	high = low;
	if (end - *at >= 2 && **at == '-' && (*at)[1] != ']') {
		(*at)++;
		if (!class_rune(at, end, &high) || high < low)
			return false;
	}
	add_range(c, low, high);
	return true;
}

static bool class_item(const char **at, const char *end, struct regex_class *c)
{
	const char *s = *at;
	if (s[0] == '[' && end - s >= 2 && s[1] == ':') {
		if (!posix_class(at, end, c)) {
			class_range(at, end, c); /* a bracket, or a class that there is not: RE2 knows */
			return false;
		}
		return true;
	} else if (s[0] == '\\' && end - s >= 2) {
		const char *behind = s + 1;
		if (regex_class_escape(&behind, end, c)) {
			*at = behind;
			return c->unicode == 0;
		}
	}
	return class_range(at, end, c);
}

bool regex_class_read(const char **at, const char *end, struct regex_flags flags, struct regex_class *out)
{
	const char *s = *at + 1;
	bool sure = true;
	bool negated = s < end && *s == '^';
	s += negated;
	for (bool first = true; s < end && (*s != ']' || first); first = false) {
		if (!class_item(&s, end, out))
			sure = false;
	}
	if (s < end)
		s++;
	else
		sure = false;
	*at = s;
	if (negated) {
		out->ascii[0] = ~out->ascii[0];
		out->ascii[1] = ~out->ascii[1];
		out->wide = true;
	}
	if (flags.fold && out->wide) /* what its ranges fold to is many more */
		out->unicode += out->items;
	out->wide = out->wide || flags.fold;
	return sure && out->unicode == 0;
}
