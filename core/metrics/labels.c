/* Label values as keys and as text; labels.h has the form of keys.
 *
 * The text that expositions show is made once, when the series is made: showing a series is then one copy. Label
 * values live as long as their series, so that the text costs memory (as much again as the key), and no time ever
 * after. */
#include "metrics/labels.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* Writes one value; returns its length. */
static size_t clean_value(char *to, struct slice v, uint64_t *cut)
{
	size_t out = 0;

	for (size_t at = 0; at < v.len;) {
		size_t len = utf8_char(v.ptr + at, v.len - at);
		const char *from = len != 0 ? v.ptr + at : replacement;
		size_t add = len != 0 ? len : sizeof replacement - 1;
		if (out + add > METRIC_LABEL_VALUE_MAX) {
			++*cut;
			break;
		}
		memcpy(to + out, from, add);
		out += add;
		at += len != 0 ? len : 1;
	}
	return out;
}

size_t key_clean(char *to, const struct slice *values, uint32_t count, uint64_t *cut)
{
	size_t at = 0;

	for (uint32_t i = 0; i < count; i++) {
		size_t len = clean_value(to + at + 2, values[i], cut);
		to[at] = (char)(len & 0xff);
		to[at + 1] = (char)(len >> 8);
		at += 2 + len;
	}
	return at;
}

/* The next value of a valid key; advances `key` past it. */
static struct slice key_next(struct slice *key)
{
	size_t len = (unsigned char)key->ptr[0] | (size_t)(unsigned char)key->ptr[1] << 8;
	struct slice value = slice_new(key->ptr + 2, len);

	key->ptr += 2 + len;
	key->len -= 2 + len;
	return value;
}

void key_values(struct slice key, struct slice *values, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		values[i] = key_next(&key);
}

bool key_valid(struct slice key, uint32_t count)
{
	size_t chars = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (key.len < 2)
			return false;
		size_t len = (unsigned char)key.ptr[0] | (size_t)(unsigned char)key.ptr[1] << 8;
		if (len > METRIC_LABEL_VALUE_MAX || len > key.len - 2)
			return false;
		if (!utf8_valid(key_next(&key), &chars))
			return false;
	}
	return key.len == 0;
}

static bool needs_escape(char c)
{
	return c == '\\' || c == '"' || c == '\n';
}

static size_t escaped_len(struct slice v)
{
	size_t len = v.len;

	for (size_t i = 0; i < v.len; i++)
		len += needs_escape(v.ptr[i]);
	return len;
}

static char *write_escaped(char *to, struct slice v)
{
	for (size_t i = 0; i < v.len; i++) {
		if (needs_escape(v.ptr[i]))
			*to++ = '\\';
		*to++ = v.ptr[i] == '\n' ? 'n' : v.ptr[i];
	}
	return to;
}

/* The length of the text of a key; labels without a value are left out. */
static size_t text_len(const struct metric_def *def, struct slice key)
{
	size_t len = 0;

	for (uint32_t i = 0; i < def->label_count; i++) {
		struct slice value = key_next(&key);
		if (value.len != 0)
			len += 1 + def->labels[i].len + 3 + escaped_len(value); /* ,name="value" */
	}
	return len == 0 ? 0 : len + 1; /* the first comma is the brace */
}

static void write_text(char *to, const struct metric_def *def, struct slice key)
{
	char *at = to;

	for (uint32_t i = 0; i < def->label_count; i++) {
		struct slice value = key_next(&key);
		if (value.len == 0)
			continue;
		*at = at == to ? '{' : ',';
		memcpy(at + 1, def->labels[i].ptr, def->labels[i].len);
		at += 1 + def->labels[i].len;
		*at++ = '=';
		*at++ = '"';
		at = write_escaped(at, value);
		*at++ = '"';
	}
	if (at != to)
		*at = '}';
}

struct series_labels *labels_new(struct registry *r, const struct metric_def *def, struct slice key, uint64_t birth,
                                 int64_t created_ns)
{
	static const struct slice overflow_text = {"{moongate_overflow=\"true\"}", 26};
	bool overflow = slice_eq(key, OVERFLOW_KEY);
	size_t len = overflow ? overflow_text.len : text_len(def, key);
	struct series_labels *l = registry_block(r, sizeof *l + key.len + len);

	if (l == NULL)
		return NULL;
	l->birth = birth;
	l->created_ns = created_ns;
	l->key_len = (uint32_t)key.len;
	l->text_len = (uint32_t)len;
	if (key.len != 0)
		memcpy(l->bytes, key.ptr, key.len);
	if (overflow)
		memcpy(l->bytes + key.len, overflow_text.ptr, len);
	else
		write_text(l->bytes + key.len, def, key);
	return l;
}
