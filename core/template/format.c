/* Go's fmt.Sprintf over values: the verbs v d s q f e g x X o b c t U T and %, with flags, width and precision. What does not fit is said as Go says it: %!d(string=hi), %!v(MISSING), %!(EXTRA int=1). */
#include <math.h>
#include <stdio.h>

#include "base/utf8.h"
#include "template/internal.h"

struct verb {
	bool minus, plus, sharp, space, zero;
	int width, precision; /* −1: none */
	char letter;
};

enum { WIDTH_MAX = 10000 };

static bool is_one_of(char letter, const char *letters)
{
	return letter != '\0' && strchr(letters, letter) != NULL;
}

void template_format_duration(struct buf *out, int64_t ns)
{
	uint64_t u = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
	char text[48];

	if (ns < 0)
		buf_byte(out, '-');
	if (u < 1000000000) { /* one unit, with what is behind the point */
		const char *unit = u == 0 ? "s" : u < 1000 ? "ns" : u < 1000000 ? "µs" : "ms";
		double scale = u < 1000 ? 1 : u < 1000000 ? 1e3 : 1e6;
		snprintf(text, sizeof text, "%.15g%s", (double)u / scale, unit);
		buf_str(out, text);
		return;
	}
	uint64_t seconds = u / 1000000000;
	if (seconds >= 3600)
		buf_printf(out, "%lluh", (unsigned long long)(seconds / 3600));
	if (seconds >= 60)
		buf_printf(out, "%llum", (unsigned long long)(seconds / 60 % 60));
	int len = snprintf(text, sizeof text, "%llu.%09llu", (unsigned long long)(seconds % 60),
	                   (unsigned long long)(u % 1000000000));
	while (text[len - 1] == '0')
		len--;
	if (text[len - 1] == '.')
		len--;
	buf_append(out, text, (size_t)len);
	buf_byte(out, 's');
}

void template_format_quote(struct buf *out, struct slice s)
{
	buf_byte(out, '"');
	for (size_t i = 0; i < s.len;) {
		unsigned char c = (unsigned char)s.ptr[i];
		static const char escapes[] = "\a\b\f\n\r\t\v\\\"";
		const char *escape = c == '\0' ? NULL : strchr(escapes, c);
		size_t len = c < 0x80 ? 1 : utf8_char(s.ptr + i, s.len - i);
		if (escape != NULL)
			buf_printf(out, "\\%c", "abfnrtv\\\""[escape - escapes]);
		else if (len == 0 || c < 0x20 || c == 0x7f)
			buf_printf(out, "\\x%02x", c);
		else
			buf_append(out, s.ptr + i, len);
		i += len == 0 ? 1 : len;
	}
	buf_byte(out, '"');
}

void template_format_escape_html(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		const char *name = c == '&'    ? "&amp;"
		                   : c == '<'  ? "&lt;"
		                   : c == '>'  ? "&gt;"
		                   : c == '"'  ? "&#34;"
		                   : c == '\'' ? "&#39;"
		                   : c == '\0' ? "\xef\xbf\xbd"
		                               : NULL;
		if (name != NULL)
			buf_str(out, name);
		else
			buf_byte(out, c);
	}
}

/* Appends a text in its width: runes count, not bytes. */
static void pad(struct buf *out, const struct verb *v, struct slice s, bool number)
{
	size_t chars = 0;
	size_t sign = number && s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+' || s.ptr[0] == ' ') ? 1 : 0;

	for (size_t i = 0; i < s.len; i++)
		chars += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
	size_t missing = v->width > 0 && (size_t)v->width > chars ? (size_t)v->width - chars : 0;
	bool zeros = v->zero && !v->minus;
	if (zeros && number)
		buf_append(out, s.ptr, sign);
	for (size_t i = 0; i < missing && !v->minus; i++)
		buf_byte(out, zeros ? '0' : ' ');
	size_t from = zeros && number ? sign : 0;
	if (s.len > from) /* of an empty text the address may be NULL, and NULL + 0 is not defined */
		buf_append(out, s.ptr + from, s.len - from);
	for (size_t i = 0; i < missing && v->minus; i++)
		buf_byte(out, ' ');
}

static void bad_verb(struct buf *out, const struct verb *v, const struct template_value *arg)
{
	buf_printf(out, "%%!%c(", v->letter);
	if (arg->type == TEMPLATE_NIL) {
		buf_str(out, "<nil>)");
		return;
	}
	buf_printf(out, "%s=", template_type_name(arg));
	template_print(out, arg);
	buf_byte(out, ')');
}

static bool print_integer(struct buf *out, const struct verb *v, int64_t i)
{
	char digits[80];
	uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
	unsigned base = v->letter == 'x' || v->letter == 'X' ? 16 : v->letter == 'o' ? 8 : v->letter == 'b' ? 2 : 10;
	int at = sizeof digits;
	int wanted = v->precision;

	if (!is_one_of(v->letter, "vdxXob"))
		return false;
	do {
		digits[--at] = (v->letter == 'X' ? "0123456789ABCDEF" : "0123456789abcdef")[u % base];
		u /= base;
	} while (u != 0);
	while ((int)sizeof digits - at < wanted && at > 4)
		digits[--at] = '0';
	if (v->sharp && base == 16) {
		digits[--at] = v->letter;
		digits[--at] = '0';
	} else if (v->sharp && base == 8) {
		digits[--at] = '0';
	}
	if (i < 0 || v->plus || v->space)
		digits[--at] = i < 0 ? '-' : v->plus ? '+' : ' ';
	pad(out, v, slice_new(digits + at, sizeof digits - (size_t)at), true);
	return true;
}

static void print_rune(struct buf *out, const struct verb *v, int64_t i)
{
	char text[8];
	bool valid = i >= 0 && i <= 0x10ffff && (i < 0xd800 || i >= 0xe000);
	size_t len = utf8_encode(valid ? (uint32_t)i : 0xfffd, text);
	struct buf quoted = {0};

	if (v->letter == 'c') {
		pad(out, v, slice_new(text, len), false);
		return;
	}
	/* As in a text, but that of the quotes it is the single one that is escaped. */
	if (i == '\'' || i == '"')
		buf_str(&quoted, i == '"' ? "\"\"\"" : "\"\\'\"");
	else
		template_format_quote(&quoted, slice_new(text, len));
	if (quoted.len > 1)
		quoted.ptr[0] = quoted.ptr[quoted.len - 1] = '\'';
	pad(out, v, buf_slice(&quoted), false);
	out->failed |= quoted.failed;
	buf_free(&quoted);
}

static bool print_float(struct buf *out, const struct verb *v, double f)
{
	struct buf text = {0};
	char format[16];

	if (!is_one_of(v->letter, "veEfFgG"))
		return false;
	if ((v->plus || v->space) && !signbit(f) && !isnan(f))
		buf_byte(&text, v->plus ? '+' : ' ');
	if (!isfinite(f)) {
		buf_str(&text, isnan(f) ? "NaN" : f > 0 ? (v->plus ? "Inf" : "+Inf") : "-Inf");
		struct verb plain = *v;
		plain.zero = false;
		pad(out, &plain, buf_slice(&text), true);
	} else {
		char letter = v->letter == 'v' ? 'g' : v->letter == 'F' ? 'f' : v->letter;
		if (letter == 'g' && v->precision < 0) {
			buf_number_go(&text, f);
		} else {
			snprintf(format, sizeof format, "%%%s.*%c", v->sharp ? "#" : "", letter);
			buf_printf(&text, format, v->precision < 0 ? 6 : v->precision, f);
		}
		pad(out, v, buf_slice(&text), true);
	}
	out->failed |= text.failed;
	buf_free(&text);
	return true;
}

static bool print_text(struct buf *out, const struct verb *v, struct slice s)
{
	struct buf text = {0};

	if (v->precision >= 0) { /* that many runes */
		size_t end = 0;
		for (int runes = 0; end < s.len && runes < v->precision; runes++) {
			end++;
			while (end < s.len && ((unsigned char)s.ptr[end] & 0xc0) == 0x80)
				end++;
		}
		s.len = end;
	}
	switch (v->letter) {
	case 'v':
	case 's':
		pad(out, v, s, false);
		break;
	case 'q':
		template_format_quote(&text, s);
		pad(out, v, buf_slice(&text), false);
		break;
	case 'x':
	case 'X':
		for (size_t i = 0; i < s.len; i++)
			buf_printf(&text, v->letter == 'x' ? "%02x" : "%02X", (unsigned char)s.ptr[i]);
		pad(out, v, buf_slice(&text), false);
		break;
	default:
		return false;
	}
	out->failed |= text.failed;
	buf_free(&text);
	return true;
}

static void print_arg(struct buf *out, const struct verb *v, const struct template_value *arg)
{
	bool done = false;
	struct buf text = {0};

	if (v->letter == 'T') {
		pad(out, v, slice_cstr(arg->type == TEMPLATE_NIL ? "<nil>" : template_type_name(arg)), false);
		return;
	}
	switch (arg->type) {
	case TEMPLATE_INT:
		done = v->letter == 'c' || v->letter == 'q' || v->letter == 'U';
		if (v->letter == 'U')
			buf_printf(out, "U+%04llX", (unsigned long long)arg->integer);
		else if (done)
			print_rune(out, v, arg->integer);
		else
			done = print_integer(out, v, arg->integer);
		break;
	case TEMPLATE_FLOAT:
		done = print_float(out, v, arg->number);
		break;
	case TEMPLATE_STRING:
		done = print_text(out, v, arg->text);
		break;
	case TEMPLATE_BOOL:
		done = v->letter == 't' || v->letter == 'v';
		if (done)
			pad(out, v, slice_cstr(arg->boolean ? "true" : "false"), false);
		break;
	case TEMPLATE_DURATION:
		if (v->letter == 'd')
			done = print_integer(out, v, arg->integer);
		break;
	default:
		break;
	}
	bool as_text = !done && (v->letter == 'v' || (v->letter == 's' && arg->type >= TEMPLATE_LIST));
	if (as_text && arg->type == TEMPLATE_NIL) {
		pad(out, v, SLICE("<nil>"), false);
	} else if (as_text) {
		template_print(&text, arg);
		pad(out, v, buf_slice(&text), false);
	} else if (!done) {
		bad_verb(out, v, arg);
	}
	out->failed |= text.failed;
	buf_free(&text);
}

/* Reads flags, width, precision and the letter behind a '%'; false: the format ends before. `*` takes an argument. */
static bool read_verb(struct slice f, size_t *at, struct verb *v, const struct template_value *args, uint32_t count,
                      uint32_t *next)
{
	*v = (struct verb){.width = -1, .precision = -1};
	for (; *at < f.len; ++*at) {
		char c = f.ptr[*at];
		if (c == '-')
			v->minus = true;
		else if (c == '+')
			v->plus = true;
		else if (c == '#')
			v->sharp = true;
		else if (c == ' ')
			v->space = true;
		else if (c == '0')
			v->zero = true;
		else
			break;
	}
	for (int part = 0; part < 2; part++) {
		int *n = part == 0 ? &v->width : &v->precision;
		if (part == 1) {
			if (*at >= f.len || f.ptr[*at] != '.')
				break;
			++*at;
			*n = 0;
		}
		if (*at < f.len && f.ptr[*at] == '*') {
			++*at;
			if (*next < count && args[*next].type == TEMPLATE_INT && args[*next].integer >= 0 &&
			    args[*next].integer <= WIDTH_MAX)
				*n = (int)args[*next].integer;
			++*next;
		}
		for (; *at < f.len && f.ptr[*at] >= '0' && f.ptr[*at] <= '9'; ++*at) {
			*n = (*n < 0 ? 0 : *n) * 10 + (f.ptr[*at] - '0');
			if (*n > WIDTH_MAX)
				*n = WIDTH_MAX;
		}
	}
	if (*at >= f.len)
		return false;
	v->letter = f.ptr[(*at)++];
	return true;
}

static void print_extra(struct buf *out, const struct template_value *args, uint32_t count, uint32_t next)
{
	buf_str(out, "%!(EXTRA ");
	for (uint32_t i = next; i < count; i++) {
		if (i > next)
			buf_str(out, ", ");
		if (args[i].type == TEMPLATE_NIL) {
			buf_str(out, "<nil>");
			continue;
		}
		buf_printf(out, "%s=", template_type_name(&args[i]));
		template_print(out, &args[i]);
	}
	buf_byte(out, ')');
}

void template_format_print(struct buf *out, struct slice f, const struct template_value *args, uint32_t count,
                           size_t max_bytes)
{
	size_t begin = out->len;
	uint32_t next = 0;

	for (size_t at = 0; at < f.len && out->len - begin <= max_bytes;) {
		if (f.ptr[at] != '%') {
			buf_byte(out, f.ptr[at++]);
			continue;
		}
		struct verb v;
		at++;
		if (!read_verb(f, &at, &v, args, count, &next))
			buf_str(out, "%!(NOVERB)");
		else if (v.letter == '%')
			buf_byte(out, '%');
		else if (next >= count)
			buf_printf(out, "%%!%c(MISSING)", v.letter);
		else
			print_arg(out, &v, &args[next++]);
	}
	if (next < count)
		print_extra(out, args, count, next);
}
