/* Label sets.
 *
 * The walk over an encoded set is what each sample from the wire costs, so it looks at the structure alone: lengths, bounds, the order of names by their first eight bytes as one number.
 * UTF-8 is one sweep over the whole set afterwards: tags and short lengths are ASCII too, so that only sets with other text are looked at string by string. */
#include "record/labels.h"

#include <errno.h>

#include "base/hash.h"
#include "base/utf8.h"

enum { TAG_LABEL = 0x0a, TAG_NAME = 0x0a, TAG_VALUE = 0x12, SHOWN_MAX = 64 };

/* What keeps a set from being canonical. */
enum fault {
	FINE,
	BAD_ENCODING,
	NO_NAME,
	NO_VALUE,
	LONG_NAME,
	LONG_VALUE,
	NOT_RISING,
	TWICE,
	NOT_UTF8,
	TOO_MANY,
	TOO_LONG
};

static const char *const faults[] = {
    [BAD_ENCODING] = "is no label in its shortest encoding",
    [NO_NAME] = "has no name",
    [NO_VALUE] = "has no value",
    [LONG_NAME] = "has a name of more than 1024 bytes",
    [LONG_VALUE] = "has a value of more than 4096 bytes",
    [NOT_RISING] = "comes after one with a greater name",
    [TWICE] = "has the same name as the one before",
    [NOT_UTF8] = "is not UTF-8",
    [TOO_MANY] = "is one more than the 128 that a set may have",
    [TOO_LONG] = "makes the set longer than 65536 bytes",
};

_Static_assert(LABEL_NAME_BYTES_MAX == 1024 && LABEL_VALUE_BYTES_MAX == 4096 && LABELS_MAX == 128 &&
                   LABELS_BYTES_MAX == 65536,
               "the sentences name the bounds");

/* ---- walking ---- */

/* A varint of at most two bytes in its shortest form: every length within the bounds. NULL when it is none. */
static inline const char *read_length(const char *at, const char *end, size_t *out)
{
	if (at >= end)
		return NULL;
	unsigned char low = (unsigned char)*at++;
	*out = low;
	if (low < 0x80)
		return at;
	if (at >= end)
		return NULL;
	unsigned char high = (unsigned char)*at++;
	if (high == 0 || high > 0x7f)
		return NULL;
	*out = (low & 0x7f) | (size_t)high << 7;
	return at;
}

/* One label, its tag checked. Moves *at behind it. The bytes of name and value are in front of `end`, whatever comes out but BAD_ENCODING. */
static inline enum fault read_label(const char **at, const char *end, struct label *out)
{
	size_t pair, name, value;
	const char *p = read_length(*at + 1, end, &pair);

	if (p == NULL || pair > (size_t)(end - p))
		return BAD_ENCODING;
	const char *stop = p + pair;
	if (p == stop || *p != TAG_NAME || (p = read_length(p + 1, stop, &name)) == NULL || name > (size_t)(stop - p))
		return BAD_ENCODING;
	out->name = slice_new(p, name);
	p += name;
	if (p == stop || *p != TAG_VALUE || (p = read_length(p + 1, stop, &value)) == NULL ||
	    value != (size_t)(stop - p))
		return BAD_ENCODING;
	out->value = slice_new(p, value);
	*at = stop;
	if (name == 0)
		return NO_NAME;
	if (value == 0)
		return NO_VALUE;
	if (name > LABEL_NAME_BYTES_MAX)
		return LONG_NAME;
	return value > LABEL_VALUE_BYTES_MAX ? LONG_VALUE : FINE;
}

/* The label that nearly all are: within `end`, each of its lengths in one byte, nothing empty. False, with nothing said, of any other one, right or wrong: read_label says. */
static inline bool read_short_label(const char **at, const char *end, struct label *out)
{
	enum {
		LEAST = 6,
		NAME_AT = 4,
		FRAME = 4
	}; /* of a pair: its least length; the name's begin, from the tag on; what it is more than name and value */
	const char *p = *at;
	size_t left = (size_t)(end - p);

	if (left < 2 + LEAST)
		return false;
	size_t pair = (unsigned char)p[1], name = (unsigned char)p[3];
	if (pair < LEAST || pair > 0x7f || pair > left - 2 || p[2] != TAG_NAME || name == 0 || name >= pair - FRAME)
		return false;
	size_t value = pair - FRAME - name;
	const char *behind = p + NAME_AT + name;
	if (behind[0] != TAG_VALUE || (unsigned char)behind[1] != value)
		return false;
	out->name = slice_new(p + NAME_AT, name);
	out->value = slice_new(behind + 2, value);
	*at = p + 2 + pair;
	return true;
}

/* The first eight bytes of a name as a number that orders like them; a shorter name is filled up with zeros. `end` is the end of what may be read. */
static inline uint64_t order_of(struct slice name, const char *end)
{
	uint64_t word = 0;

	if (end - name.ptr < 8) {
		for (size_t i = 0; i < name.len; i++)
			word |= (uint64_t)(unsigned char)name.ptr[i] << (56 - 8 * i);
		return word;
	}
	memcpy(&word, name.ptr, 8);
	if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
		word = __builtin_bswap64(word);
	return name.len >= 8 ? word : word & ~(~UINT64_C(0) >> (8 * name.len));
}

#define METRIC_NAME_ORDER UINT64_C(0x5f5f6e616d655f5f) /* order_of LABEL_METRIC_NAME, which has eight bytes */

static bool is_utf8(const struct label *l)
{
	return utf8_valid(l->name, NULL) && utf8_valid(l->value, NULL);
}

/* The first label of a well-formed set that is not UTF-8, or its count. */
static uint32_t first_not_utf8(struct slice labels)
{
	uint32_t index = 0;

	for (struct label l; labels_next(&labels, &l); index++) {
		if (!is_utf8(&l))
			break;
	}
	return index;
}

/* Walks the labels at the beginning of `from`. out->count is the number of those before the one at fault. */
static enum fault walk(struct slice from, struct labels_found *out)
{
	const char *at = from.ptr, *end = from.len == 0 ? at : at + from.len;
	struct label l, before = {0};
	uint64_t order_before = 0;

	*out = (struct labels_found){.labels = slice_new(from.ptr, 0)};
	while (at < end && *at == TAG_LABEL) {
		if (!read_short_label(&at, end, &l)) {
			struct label other; /* so that the other one stays in registers */
			enum fault fault = read_label(&at, end, &other);
			if (fault != FINE)
				return fault;
			l = other;
		}
		uint64_t order = order_of(l.name, end);
		if (order <= order_before && out->count > 0) {
			int real = slice_compare(before.name, l.name);
			if (real >= 0)
				return real == 0 ? TWICE : NOT_RISING;
		}
		if (out->count == LABELS_MAX)
			return TOO_MANY;
		if (at - from.ptr > LABELS_BYTES_MAX)
			return TOO_LONG;
		if (order == METRIC_NAME_ORDER && l.name.len == LABEL_METRIC_NAME.len)
			out->metric_name = l.value;
		out->count++;
		order_before = order;
		before.name = l.name;
	}
	out->labels.len = (size_t)(at - from.ptr);
	if (!utf8_is_ascii(out->labels.ptr, out->labels.len)) {
		uint32_t bad = first_not_utf8(out->labels);
		if (bad < out->count) {
			out->count = bad;
			return NOT_UTF8;
		}
	}
	return FINE;
}

bool labels_take(struct slice *from, struct labels_found *out)
{
	if (walk(*from, out) != FINE)
		return false;
	if (out->labels.len > 0)
		*from = slice_new(from->ptr + out->labels.len, from->len - out->labels.len);
	return true;
}

int labels_check(struct slice labels, uint32_t *count, struct error *err)
{
	struct labels_found found;
	enum fault fault = walk(labels, &found);

	if (fault == FINE && found.labels.len != labels.len)
		fault = BAD_ENCODING;
	if (fault != FINE)
		return error_set(err, -EINVAL, "label %u %s", found.count + 1, faults[fault]);
	if (count != NULL)
		*count = found.count;
	return 0;
}

bool labels_next(struct slice *rest, struct label *out)
{
	if (rest->len == 0)
		return false;
	const char *at = rest->ptr, *end = at + rest->len;
	if (read_label(&at, end, out) == BAD_ENCODING)
		return false;
	*rest = slice_new(at, (size_t)(end - at));
	return true;
}

struct slice labels_get(struct slice labels, struct slice name)
{
	for (struct label l; labels_next(&labels, &l);) {
		if (l.name.len == name.len && bytes_same(l.name.ptr, name.ptr, name.len))
			return l.value;
	}
	return slice_new(NULL, 0);
}

/* ---- making ---- */

/* Merges the sorted runs [from, middle) and [middle, to) by way of `spare`. Runs that follow each other already are left alone. */
static void merge(struct label *labels, struct label *spare, uint32_t from, uint32_t middle, uint32_t to)
{
	uint32_t left = from, right = middle, out = 0;

	if (slice_compare(labels[middle - 1].name, labels[middle].name) <= 0)
		return;
	while (left < middle && right < to) {
		bool second = slice_compare(labels[right].name, labels[left].name) < 0;
		spare[out++] = labels[second ? right++ : left++];
	}
	memmove(labels + to - (middle - left), labels + left, (middle - left) * sizeof *labels);
	memcpy(labels + from, spare, out * sizeof *labels);
}

static void sort(struct label *labels, uint32_t count)
{
	struct label spare[LABELS_MAX];

	for (uint32_t width = 1; width < count; width *= 2) {
		for (uint32_t i = 0; i + width < count; i += 2 * width) {
			uint32_t to = i + 2 * width < count ? i + 2 * width : count;
			merge(labels, spare, i, i + width, to);
		}
	}
}

/* Sorted already, and no name twice? Mostly the first bytes say so. */
static bool is_rising(const struct label *labels, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		struct slice a = labels[i - 1].name, b = labels[i].name;
		if ((unsigned char)*a.ptr >= (unsigned char)*b.ptr && slice_compare(a, b) >= 0)
			return false;
	}
	return true;
}

static enum fault check_label(const struct label *l, bool utf8)
{
	if (l->name.len == 0)
		return NO_NAME;
	if (l->name.len > LABEL_NAME_BYTES_MAX)
		return LONG_NAME;
	if (l->value.len > LABEL_VALUE_BYTES_MAX)
		return LONG_VALUE;
	return utf8 || is_utf8(l) ? FINE : NOT_UTF8;
}

/* Names the label by its name, where that can be shown. */
static int refuse(const struct label *l, uint32_t index, enum fault fault, struct error *err)
{
	struct slice shown = utf8_cut(l->name, SHOWN_MAX);

	if (fault == NO_NAME || !utf8_valid(l->name, NULL))
		return error_set(err, -EINVAL, "label %u %s", index + 1, faults[fault]);
	return error_set(err, -EINVAL, "label %u, \"%.*s\", %s", index + 1, SLICE_ARG(shown), faults[fault]);
}

static int prepare(struct label *labels, uint32_t *count, bool utf8, bool empty, struct error *err)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < *count; i++) {
		enum fault fault = check_label(&labels[i], utf8);
		if (fault == FINE && labels[i].value.len == 0 && !empty)
			continue;
		if (fault == FINE && kept == LABELS_MAX)
			fault = TOO_MANY;
		if (fault != FINE)
			return refuse(&labels[i], i, fault, err);
		labels[kept++] = labels[i];
	}
	if (!is_rising(labels, kept)) {
		sort(labels, kept);
		for (uint32_t i = 1; i < kept; i++) {
			if (slice_compare(labels[i - 1].name, labels[i].name) == 0)
				return error_set(err, -EINVAL, "the label \"%.*s\" comes twice",
				                 SLICE_ARG(utf8_cut(labels[i].name, SHOWN_MAX)));
		}
	}
	*count = kept;
	if (labels_size(labels, kept) > LABELS_BYTES_MAX)
		return error_set(err, -EINVAL, "the labels have more than %d bytes", LABELS_BYTES_MAX);
	return 0;
}

int labels_prepare(struct label *labels, uint32_t *count, bool utf8, struct error *err)
{
	return prepare(labels, count, utf8, false, err);
}

int labels_prepare_all(struct label *labels, uint32_t *count, bool utf8, struct error *err)
{
	return prepare(labels, count, utf8, true, err);
}

/* A length that is within the bounds of a label has one byte or two. */
static size_t with_length(size_t len)
{
	return 1 + (len < 0x80 ? 1 : 2) + len;
}

static size_t pair_size(const struct label *l)
{
	return with_length(l->name.len) + with_length(l->value.len);
}

size_t labels_size(const struct label *labels, uint32_t count)
{
	size_t size = 0;

	for (uint32_t i = 0; i < count; i++)
		size += with_length(pair_size(&labels[i]));
	return size;
}

static inline char *write_head(char *to, int tag, size_t len)
{
	*to++ = (char)tag;
	if (len >= 0x80) {
		*to++ = (char)(len | 0x80);
		len >>= 7;
	}
	*to++ = (char)len;
	return to;
}

static inline char *write_text(char *to, int tag, struct slice text)
{
	to = write_head(to, tag, text.len);
	memcpy(to, text.ptr, text.len);
	return to + text.len;
}

char *labels_write(char *to, const struct label *labels, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		to = write_head(to, TAG_LABEL, pair_size(&labels[i]));
		to = write_text(to, TAG_NAME, labels[i].name);
		to = write_text(to, TAG_VALUE, labels[i].value);
	}
	return to;
}

int labels_canonical(struct label *labels, uint32_t count, struct buf *out, struct error *err)
{
	int code = labels_prepare(labels, &count, false, err);
	if (code != 0 || count == 0)
		return code;
	size_t size = labels_size(labels, count);
	char *to = buf_room(out, size);
	if (to == NULL)
		return error_set(err, -ENOMEM, "no memory for labels");
	labels_write(to, labels, count);
	out->len += size;
	return 0;
}

/* ---- using ---- */

uint64_t labels_hash(struct slice labels)
{
	return hash_bytes(labels.ptr, labels.len, hash_seed());
}

int labels_compare(struct slice a, struct slice b)
{
	struct label x, y;

	for (;;) {
		bool more_a = labels_next(&a, &x), more_b = labels_next(&b, &y);
		if (!more_a || !more_b)
			return (int)more_a - (int)more_b;
		int order = slice_compare(x.name, y.name);
		if (order == 0)
			order = slice_compare(x.value, y.value);
		if (order != 0)
			return order;
	}
}

/* [a-zA-Z_][a-zA-Z0-9_]*, a metric's name with colons too: what needs no quotes. */
static bool is_legacy(struct slice name, bool metric)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i], letter = (char)(c | 0x20);
		bool word = (letter >= 'a' && letter <= 'z') || c == '_' || (metric && c == ':');
		if (!word && (i == 0 || c < '0' || c > '9'))
			return false;
	}
	return name.len > 0;
}

void label_value_text(struct slice value, struct buf *out)
{
	buf_byte(out, '"');
	for (size_t i = 0; i < value.len; i++) {
		char c = value.ptr[i];
		if (c == '\\' || c == '"' || c == '\n')
			buf_byte(out, '\\');
		buf_byte(out, c == '\n' ? 'n' : c);
	}
	buf_byte(out, '"');
}

void label_name_text(struct slice name, struct buf *out)
{
	if (is_legacy(name, false))
		buf_slice_append(out, name);
	else
		label_value_text(name, out);
}

void labels_text(struct slice labels, struct buf *out)
{
	struct slice metric = labels_get(labels, LABEL_METRIC_NAME);
	bool bare = is_legacy(metric, true);
	const char *between = "{";

	if (bare) {
		buf_slice_append(out, metric);
	} else if (metric.len > 0) {
		buf_str(out, "{");
		label_value_text(metric, out);
		between = ", ";
	}
	for (struct label l; labels_next(&labels, &l);) {
		if (slice_eq(l.name, LABEL_METRIC_NAME))
			continue;
		buf_str(out, between);
		between = ", ";
		label_name_text(l.name, out);
		buf_byte(out, '=');
		label_value_text(l.value, out);
	}
	if (*between != '{')
		buf_byte(out, '}');
	else if (!bare)
		buf_str(out, "{}");
}
