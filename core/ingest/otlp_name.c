/* Names of metrics, units and labels. */
#include "ingest/otlp_name.h"

#include "base/utf8.h"

enum { NAME_EXTRA = 32 }; /* the longest unit that is known, "_per_minute", "_total", and an underscore in front */

struct word {
	struct slice unit, name;
};

/* Units of UCUM that instruments have. */
static const struct word units[] = {
    {SLICE("d"), SLICE("days")},          {SLICE("h"), SLICE("hours")},
    {SLICE("min"), SLICE("minutes")},     {SLICE("s"), SLICE("seconds")},
    {SLICE("ms"), SLICE("milliseconds")}, {SLICE("us"), SLICE("microseconds")},
    {SLICE("ns"), SLICE("nanoseconds")},  {SLICE("By"), SLICE("bytes")},
    {SLICE("KiBy"), SLICE("kibibytes")},  {SLICE("MiBy"), SLICE("mebibytes")},
    {SLICE("GiBy"), SLICE("gibibytes")},  {SLICE("TiBy"), SLICE("tebibytes")},
    {SLICE("KBy"), SLICE("kilobytes")},   {SLICE("kBy"), SLICE("kilobytes")},
    {SLICE("MBy"), SLICE("megabytes")},   {SLICE("GBy"), SLICE("gigabytes")},
    {SLICE("TBy"), SLICE("terabytes")},   {SLICE("m"), SLICE("meters")},
    {SLICE("V"), SLICE("volts")},         {SLICE("A"), SLICE("amperes")},
    {SLICE("J"), SLICE("joules")},        {SLICE("W"), SLICE("watts")},
    {SLICE("g"), SLICE("grams")},         {SLICE("Cel"), SLICE("celsius")},
    {SLICE("Hz"), SLICE("hertz")},        {SLICE("1"), SLICE("")},
    {SLICE("%"), SLICE("percent")},
};

/* What is behind "per" is said in the singular. */
static const struct word per_units[] = {
    {SLICE("s"), SLICE("second")}, {SLICE("m"), SLICE("minute")}, {SLICE("h"), SLICE("hour")},
    {SLICE("d"), SLICE("day")},    {SLICE("w"), SLICE("week")},   {SLICE("mo"), SLICE("month")},
    {SLICE("y"), SLICE("year")},
};

static struct slice lookup(const struct word *words, size_t count, struct slice unit)
{
	for (size_t i = 0; i < count; i++) {
		if (slice_eq(words[i].unit, unit))
			return words[i].name;
	}
	return unit;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
	char letter = (char)(c | 0x20);
	return (letter >= 'a' && letter <= 'z') || is_digit(c);
}

/* ---- metrics ---- */

/* A name that is being put together of tokens, with '_' between them. */
struct joined {
	char *ptr;
	size_t len;
};

/* Letters, digits and ':' up to the next of anything else. */
static bool next_token(struct slice *rest, struct slice *out)
{
	const char *at = rest->ptr, *end = rest->len == 0 ? at : at + rest->len;

	while (at < end && !is_word(*at) && *at != ':')
		at++;
	const char *begin = at;
	while (at < end && (is_word(*at) || *at == ':'))
		at++;
	*rest = slice_new(at, (size_t)(end - at));
	*out = slice_new(begin, (size_t)(at - begin));
	return out->len > 0;
}

/* Adds all tokens of a text but those that are `without`. */
static void add(struct joined *to, struct slice text, struct slice without)
{
	for (struct slice token; next_token(&text, &token);) {
		if (slice_eq(token, without))
			continue;
		if (to->len > 0)
			to->ptr[to->len++] = '_';
		memcpy(to->ptr + to->len, token.ptr, token.len);
		to->len += token.len;
	}
}

/* Are the tokens of a suffix, joined, among those of a name? */
static bool contains(const struct joined *name, struct slice suffix)
{
	for (size_t at = 0; at + suffix.len <= name->len; at++) {
		bool begins = at == 0 || name->ptr[at - 1] == '_';
		bool ends = at + suffix.len == name->len || name->ptr[at + suffix.len] == '_';
		if (begins && ends && memcmp(name->ptr + at, suffix.ptr, suffix.len) == 0)
			return true;
	}
	return false;
}

static struct slice trim(struct slice s)
{
	while (s.len > 0 && (*s.ptr == ' ' || *s.ptr == '\t'))
		s = slice_new(s.ptr + 1, s.len - 1);
	while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* What stands in braces is a remark and no unit. */
static bool is_remark(struct slice unit)
{
	return unit.len == 0 || memchr(unit.ptr, '{', unit.len) != NULL || memchr(unit.ptr, '}', unit.len) != NULL;
}

/* Takes a unit apart at its first '/'; either half is empty where there is none. */
static void halves(struct slice unit, struct slice *main, struct slice *per)
{
	const char *slash = unit.len == 0 ? NULL : memchr(unit.ptr, '/', unit.len);

	*main = *per = slice_new(NULL, 0);
	struct slice first = trim(slash == NULL ? unit : slice_new(unit.ptr, (size_t)(slash - unit.ptr)));
	if (!is_remark(first))
		*main = lookup(units, sizeof units / sizeof *units, first);
	if (slash == NULL)
		return;
	struct slice second = trim(slice_new(slash + 1, unit.len - (size_t)(slash + 1 - unit.ptr)));
	if (!is_remark(second))
		*per = lookup(per_units, sizeof per_units / sizeof *per_units, second);
}

/* Adds a suffix unless the name has it: written behind the name, where there is room for it, looked for, and left there or not. */
static void add_suffix(struct joined *to, struct slice before, struct slice text)
{
	struct joined suffix = {to->ptr + to->len + 1, 0};
	struct slice rest = text, token;

	if (!next_token(&rest, &token))
		return;
	add(&suffix, before, SLICE(""));
	add(&suffix, text, SLICE(""));
	if (contains(to, slice_new(suffix.ptr, suffix.len)))
		return;
	if (to->len == 0) {
		memmove(to->ptr, suffix.ptr, suffix.len);
		to->len = suffix.len;
		return;
	}
	to->ptr[to->len] = '_';
	to->len += 1 + suffix.len;
}

size_t otlp_metric_name_max(struct slice name, struct slice unit)
{
	return name.len + unit.len + NAME_EXTRA;
}

size_t otlp_metric_name(char *to, struct slice name, struct slice unit, enum otlp_name_kind kind)
{
	struct joined out = {to + 1, 0}; /* behind room for an underscore */
	struct slice last = SLICE(""), main, per;

	if (kind == OTLP_NAME_COUNTER)
		last = SLICE("total");
	else if (kind == OTLP_NAME_GAUGE && slice_eq(unit, SLICE("1")))
		last = SLICE("ratio");
	halves(unit, &main, &per);
	add(&out, name, last);
	if (last.len == 0 || !slice_eq(main, last))
		add_suffix(&out, SLICE(""), main);
	add_suffix(&out, SLICE("per"), per);
	add(&out, last, SLICE(""));
	if (out.len == 0)
		return 0;
	if (is_digit(*out.ptr)) {
		*to = '_';
		return out.len + 1;
	}
	memmove(to, out.ptr, out.len);
	return out.len;
}

size_t otlp_unit_name(char *to, struct slice unit)
{
	struct joined out = {to, 0};
	struct slice main, per;

	halves(unit, &main, &per);
	add(&out, main, SLICE(""));
	add_suffix(&out, SLICE("per"), per);
	return out.len;
}

/* ---- labels ---- */

bool otlp_label_name_fine(struct slice key)
{
	bool word = false;

	if (key.len == 0 || is_digit(*key.ptr) || (*key.ptr == '_' && (key.len == 1 || key.ptr[1] != '_')))
		return false;
	for (size_t i = 0; i < key.len; i++) {
		if (!is_word(key.ptr[i]) && key.ptr[i] != '_')
			return false;
		word |= key.ptr[i] != '_';
	}
	return word;
}

size_t otlp_label_name(char *to, struct slice key)
{
	const char *at = key.ptr, *end = key.len == 0 ? at : at + key.len;
	char *begin = to + 4, *out = begin;
	bool word = false;

	while (at < end) {
		size_t len = utf8_char(at, (size_t)(end - at));
		*out++ = is_word(*at) ? *at : '_';
		word |= is_word(*at);
		at += len > 0 ? len : 1;
	}
	size_t written = (size_t)(out - begin);
	const char *front = "";
	if (written > 0 && is_digit(*begin))
		front = "key_";
	else if (written > 0 && *begin == '_' && (written == 1 || begin[1] != '_'))
		front = "key";
	if (!word && *front == '\0')
		return 0;
	size_t extra = strlen(front);
	memmove(to + extra, begin, written);
	memcpy(to, front, extra);
	return extra + written;
}
