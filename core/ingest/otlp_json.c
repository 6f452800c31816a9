/* JSON → Protocol Buffers.
 *
 * A message's length stands in front of it and is known behind it: four bytes are left for it. Where one is enough, which is mostly so, the message is moved by three.
 *
 * Roads not taken: a second walk of the same shape over JSON, which would have to meet each rule of the first one again; a tree, which costs more than the bytes. */
#include "ingest/otlp_json.h"

#include <errno.h>
#include <math.h>

#include "base/hex.h"
#include "base/varint.h"
#include "ingest/json.h"
#include "ingest/number.h"

enum { SCRATCH_KEPT = 16 << 10 };
enum {
	LENGTH_BYTES = 4,
	LENGTH_BITS = 7 * LENGTH_BYTES,
	TYPE_VARINT = 0,
	TYPE_FIXED64 = 1,
	TYPE_BYTES = 2,
	TYPE_FIXED32 = 5
};

/* A message that is being read. */
struct level {
	const struct otlp_json_message *message;
	const struct otlp_json_field *list; /* the list of messages that is being read in it, or NULL */
	size_t begin;                       /* where it begins in `out`, behind the room for its length */
	uint32_t next;                      /* the field that is likely to come next */
	bool first, list_first;             /* nothing of it, of the list was read yet */
};

struct transcoder {
	struct json j;
	struct buf *out;
	struct arena scratch; /* of strings without their escapes */
	bool no_memory, too_long;
	struct level levels[OTLP_JSON_DEPTH_MAX];
	uint32_t depth;
};

/* ---- writing ---- */

static void write_tag(struct buf *b, uint32_t number, uint32_t type)
{
	varint_put(b, number << 3 | type);
}

/* A number by its wire type. */
static void write_number(struct buf *b, uint32_t type, uint64_t v)
{
	if (type == TYPE_VARINT) {
		varint_put(b, v);
		return;
	}
	if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
		v = __builtin_bswap64(v);
	buf_append(b, &v, type == TYPE_FIXED32 ? sizeof(uint32_t) : sizeof v);
}

/* Leaves room for a length; returns where its message begins. */
static size_t leave_length(struct buf *b)
{
	static const char room[LENGTH_BYTES];

	buf_append(b, room, sizeof room);
	return b->len;
}

/* Writes the length of what was written since. */
static bool fill_length(struct transcoder *t, size_t begin)
{
	if (buf_failed(t->out))
		return true; /* which is seen at the end */
	char *to = t->out->ptr + begin - LENGTH_BYTES;
	size_t len = t->out->len - begin;
	if (len < 0x80) {
		*to = (char)len;
		memmove(to + 1, to + LENGTH_BYTES, len);
		t->out->len -= LENGTH_BYTES - 1;
		return true;
	}
	t->too_long = len >> LENGTH_BITS != 0;
	for (int i = 0; i < LENGTH_BYTES; i++)
		to[i] = (char)((len >> (7 * i) & 0x7f) | (i < LENGTH_BYTES - 1 ? 0x80 : 0));
	return !t->too_long || json_fail(&t->j, "a message has more than 256 MiB");
}

static bool out_of_memory(struct transcoder *t)
{
	t->no_memory = true;
	return json_fail(&t->j, "no memory");
}

/* ---- texts ---- */

static bool is_at(const struct transcoder *t, char c)
{
	return t->j.at < t->j.end && *t->j.at == c;
}

/* A string without its escapes, in the body or the scratch arena. */
static bool read_string(struct transcoder *t, struct slice *out)
{
	bool escaped = false;

	if (!is_at(t, '"'))
		return json_fail(&t->j, "a string was wanted");
	const char *close = json_plain_string(t->j.at + 1, t->j.end);
	if (close != NULL) {
		*out = slice_new(t->j.at + 1, (size_t)(close - t->j.at - 1));
		t->j.at = close + 1;
		return true;
	}
	if (!json_string_raw(&t->j, out, &escaped))
		return false;
	if (escaped)
		*out = json_unescape(&t->scratch, *out);
	return out->ptr != NULL || out_of_memory(t);
}

static bool write_hex(struct transcoder *t, struct slice text)
{
	bool fine = text.len % 2 == 0;

	for (size_t i = 0; fine && i < text.len; i += 2) {
		int byte = hex_byte(text.ptr + i);
		fine = byte >= 0;
		if (fine)
			buf_byte(t->out, (char)byte);
	}
	return fine || json_fail(&t->j, "hexadecimal digits were wanted, two for each byte");
}

static int base64_digit(char c)
{
	char letter = (char)(c | 0x20);

	if (letter >= 'a' && letter <= 'z')
		return letter == c ? c - 'a' + 26 : c - 'A';
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

static bool write_base64(struct transcoder *t, struct slice text)
{
	uint32_t bits = 0, count = 0;

	while (text.len > 0 && text.len % 4 == 0 && text.ptr[text.len - 1] == '=' && count++ < 2)
		text.len--;
	count = 0;
	for (size_t i = 0; i < text.len; i++) {
		int digit = base64_digit(text.ptr[i]);
		if (digit < 0)
			return json_fail(&t->j, "base64 was wanted");
		bits = bits << 6 | (uint32_t)digit;
		count += 6;
		if (count < 8)
			continue;
		count -= 8;
		buf_byte(t->out, (char)(bits >> count));
	}
	return count < 6 || json_fail(&t->j, "base64 was wanted");
}

/* A field of bytes of any kind. */
static bool read_text(struct transcoder *t, const struct otlp_json_field *f)
{
	const char *begin = t->j.at;
	struct slice text;
	bool fine = true;

	if (!read_string(t, &text))
		return false;
	write_tag(t->out, f->number, TYPE_BYTES);
	if (f->kind == OTLP_JSON_STRING) {
		varint_put(t->out, text.len);
		buf_slice_append(t->out, text);
		return true;
	}
	size_t at = leave_length(t->out);
	fine = f->kind == OTLP_JSON_HEX ? write_hex(t, text) : write_base64(t, text);
	if (!fine)
		t->j.at = begin;
	return fine && fill_length(t, at);
}

/* ---- numbers ---- */

/* The text of a number, with or without quotes. */
static bool read_number_text(struct transcoder *t, struct slice *out)
{
	struct value v;
	const char *unfit, *begin = t->j.at;

	if (is_at(t, '"'))
		return read_string(t, out);
	bool number = begin < t->j.end && (*begin == '-' || (*begin >= '0' && *begin <= '9'));
	if (!number)
		return json_fail(&t->j, "a number was wanted");
	if (!json_number(&t->j, &v, &unfit))
		return false;
	*out = slice_new(begin, (size_t)(t->j.at - begin));
	if (unfit == NULL)
		return true;
	t->j.at = begin;
	return json_fail(&t->j, unfit);
}

/* Decimal digits: exactly, as far as 64 bits go. */
static bool read_digits(struct slice text, uint64_t *out)
{
	bool fits = text.len > 0;

	*out = 0;
	for (size_t i = 0; i < text.len && fits; i++) {
		uint64_t digit = (uint64_t)(unsigned char)text.ptr[i] - '0';
		fits =
		    digit <= 9 && !__builtin_mul_overflow(*out, 10, out) && !__builtin_add_overflow(*out, digit, out);
	}
	return fits;
}

/* A whole number; also one that is written as 3.0 or 1e3. */
static bool whole_number(struct slice text, bool is_signed, uint64_t *out)
{
	bool minus = text.len > 0 && *text.ptr == '-';
	const uint64_t most = is_signed ? (uint64_t)INT64_MAX + minus : UINT64_MAX;
	double v;

	if (minus)
		text = slice_new(text.ptr + 1, text.len - 1);
	if (!read_digits(text, out)) {
		if (number_go(text, &v) != NULL || !(v >= 0 && v < 0x1p64) || v != floor(v))
			return false;
		*out = (uint64_t)v;
	}
	if (*out > most || (minus && !is_signed && *out > 0))
		return false;
	if (minus)
		*out = 0 - *out;
	return true;
}

static uint32_t wire_type(enum otlp_json_kind kind)
{
	if (kind == OTLP_JSON_FIXED32)
		return TYPE_FIXED32;
	return kind == OTLP_JSON_FIXED64 || kind == OTLP_JSON_SFIXED64 || kind == OTLP_JSON_DOUBLE ? TYPE_FIXED64
	                                                                                           : TYPE_VARINT;
}

/* A field's number, as it is on the wire. */
static bool read_integer(struct transcoder *t, enum otlp_json_kind kind, uint64_t *out)
{
	const char *begin = t->j.at;
	bool is_signed = kind == OTLP_JSON_INT64 || kind == OTLP_JSON_SINT32 || kind == OTLP_JSON_SFIXED64;
	struct slice text;

	if (!read_number_text(t, &text))
		return false;
	bool fits = whole_number(text, is_signed, out);
	if (kind == OTLP_JSON_UINT32 || kind == OTLP_JSON_FIXED32)
		fits = fits && *out <= UINT32_MAX;
	if (kind == OTLP_JSON_SINT32) {
		int64_t v = (int64_t)*out;
		fits = fits && v >= INT32_MIN && v <= INT32_MAX;
		*out = (uint32_t)v << 1 ^ (uint32_t)(v >> 63);
	}
	if (!fits)
		t->j.at = begin;
	return fits || json_fail(&t->j, "a whole number was wanted that fits the field");
}

static bool read_double(struct transcoder *t, uint64_t *out)
{
	const char *begin = t->j.at;
	struct slice text;
	double v;

	if (!read_number_text(t, &text))
		return false;
	if (number_go(text, &v) != NULL) {
		t->j.at = begin;
		return json_fail(&t->j, "a number was wanted, or \"NaN\", \"Infinity\" or \"-Infinity\"");
	}
	memcpy(out, &v, sizeof *out);
	return true;
}

static bool read_bool(struct transcoder *t, uint64_t *out)
{
	struct value v;

	if (!is_at(t, 't') && !is_at(t, 'f'))
		return json_fail(&t->j, "true or false was wanted");
	bool fine = json_literal(&t->j, &v);
	*out = fine && v.boolean;
	return fine;
}

/* A number, in quotes or not, or a name. Names that are not known are 0, which says that it is not known. */
static bool read_enum(struct transcoder *t, const struct otlp_json_field *f, uint64_t *out)
{
	struct slice name;

	if (!is_at(t, '"'))
		return read_integer(t, OTLP_JSON_UINT32, out);
	if (!read_string(t, &name))
		return false;
	if (!read_digits(name, out) || *out > UINT32_MAX)
		*out = 0;
	for (uint64_t i = 0; f->names[i].len > 0; i++) {
		if (slice_eq(f->names[i], name))
			*out = i;
	}
	return true;
}

/* The value of any field that is a number. */
static bool read_value(struct transcoder *t, const struct otlp_json_field *f, uint64_t *out)
{
	switch (f->kind) {
	case OTLP_JSON_BOOL:
		return read_bool(t, out);
	case OTLP_JSON_ENUM:
		return read_enum(t, f, out);
	case OTLP_JSON_DOUBLE:
		return read_double(t, out);
	default:
		return read_integer(t, f->kind, out);
	}
}

static bool read_number(struct transcoder *t, const struct otlp_json_field *f)
{
	uint64_t v;

	if (!read_value(t, f, &v))
		return false;
	write_tag(t->out, f->number, wire_type(f->kind));
	write_number(t->out, wire_type(f->kind), v);
	return true;
}

/* ---- lists ---- */

/* Behind an opening bracket or an item. 1: an item follows; 0: the list is closed; −1: an error. */
static int next_item(struct transcoder *t, bool first, char close, const char *error)
{
	json_space(&t->j);
	if (is_at(t, close)) {
		t->j.at++;
		return 0;
	}
	if (!first && !json_take(&t->j, ',', error))
		return -1;
	json_space(&t->j);
	return 1;
}

/* A list of numbers, the cursor on its bracket. */
static bool read_numbers(struct transcoder *t, const struct otlp_json_field *f)
{
	int more;

	if (!json_take(&t->j, '[', "a list was wanted"))
		return false;
	write_tag(t->out, f->number, TYPE_BYTES);
	size_t at = leave_length(t->out);
	for (bool first = true; (more = next_item(t, first, ']', "',' or ']' was wanted")) > 0; first = false) {
		uint64_t v;
		if (!read_value(t, f, &v))
			return false;
		write_number(t->out, wire_type(f->kind), v);
	}
	return more == 0 && fill_length(t, at);
}

/* ---- messages ---- */

/* Enters a message, the cursor on its brace. */
static bool enter(struct transcoder *t, const struct otlp_json_message *message, uint32_t number)
{
	if (t->depth == OTLP_JSON_DEPTH_MAX)
		return json_fail(&t->j, "messages are nested more than 100 deep");
	if (!json_take(&t->j, '{', "an object was wanted"))
		return false;
	size_t begin = 0;
	if (number != 0) {
		write_tag(t->out, number, TYPE_BYTES);
		begin = leave_length(t->out);
	}
	t->levels[t->depth++] = (struct level){.message = message, .begin = begin, .first = true};
	return true;
}

/* Is a key the name of a field? It may be the original one, with '_' before what is a capital here. */
static bool is_name(struct slice key, struct slice name)
{
	size_t at = 0;

	for (size_t i = 0; i < name.len; i++, at++) {
		if (at < key.len && key.ptr[at] == name.ptr[i])
			continue;
		bool capital = name.ptr[i] >= 'A' && name.ptr[i] <= 'Z';
		if (!capital || at + 1 >= key.len || key.ptr[at] != '_' || key.ptr[at + 1] != (name.ptr[i] | 0x20))
			return false;
		at++;
	}
	return at == key.len;
}

/* The field that a key names, or NULL. */
static const struct otlp_json_field *find_field(struct level *l, struct slice key)
{
	for (uint32_t i = 0; i < l->message->count; i++) {
		uint32_t at = (l->next + i) % l->message->count;
		if (is_name(key, l->message->fields[at].name)) {
			l->next = (at + 1) % l->message->count;
			return &l->message->fields[at];
		}
	}
	return NULL;
}

/* A key of the innermost message, up to its value. 1: *f is its field, or NULL; 0: the message ends; −1: an error. */
static int read_key(struct transcoder *t, const struct otlp_json_field **f)
{
	struct level *l = &t->levels[t->depth - 1];
	struct slice key;
	int more = next_item(t, l->first, '}', "',' or '}' was wanted");

	l->first = false;
	if (more <= 0)
		return more;
	if (!is_at(t, '"')) {
		json_fail(&t->j, "a field name in quotes was wanted");
		return -1;
	}
	if (!read_string(t, &key) || !json_take(&t->j, ':', "':' was wanted after a field name"))
		return -1;
	json_space(&t->j);
	*f = find_field(l, key);
	return 1;
}

static bool skip(struct transcoder *t)
{
	int code = json_skip(&t->j);

	return code == 0 || (code == -ENOMEM && out_of_memory(t));
}

/* A field's value. Of a message or a list of them only the beginning. */
static bool read_field(struct transcoder *t, const struct otlp_json_field *f)
{
	struct level *l = &t->levels[t->depth - 1];
	struct value null;

	if (is_at(t, 'n'))
		return json_literal(&t->j, &null);
	if (f->kind != OTLP_JSON_MESSAGE) {
		bool text = f->kind == OTLP_JSON_STRING || f->kind == OTLP_JSON_BYTES || f->kind == OTLP_JSON_HEX;
		return text ? read_text(t, f) : f->repeated ? read_numbers(t, f) : read_number(t, f);
	}
	if (!f->repeated)
		return enter(t, f->message, f->number);
	if (!json_take(&t->j, '[', "a list was wanted"))
		return false;
	l->list = f;
	l->list_first = true;
	return true;
}

/* One step: the next message of a list, or the next field. */
static bool step(struct transcoder *t)
{
	struct level *l = &t->levels[t->depth - 1];
	const struct otlp_json_field *f;

	if (t->scratch.blocks != NULL) /* what was in it is written by now */
		arena_reset(&t->scratch, SCRATCH_KEPT);
	if (l->list != NULL) {
		int more = next_item(t, l->list_first, ']', "',' or ']' was wanted");
		l->list_first = false;
		if (more > 0)
			return enter(t, l->list->message, l->list->number);
		l->list = NULL;
		return more == 0;
	}
	int more = read_key(t, &f);
	if (more < 0)
		return false;
	if (more > 0)
		return f == NULL ? skip(t) : read_field(t, f);
	t->depth--;
	return t->depth == 0 || fill_length(t, l->begin);
}

static bool read_body(struct transcoder *t, const struct otlp_json_message *message)
{
	bool fine = enter(t, message, 0);

	while (fine && t->depth > 0)
		fine = step(t);
	json_space(&t->j);
	return fine && (t->j.at == t->j.end || json_fail(&t->j, "nothing was wanted behind the object"));
}

int otlp_json_to_protobuf(struct slice body, const struct otlp_json_message *message, struct buf *out,
                          struct error *err)
{
	struct transcoder t;

	if (body.len == 0)
		return error_set(err, -EINVAL, "byte 0: an object was wanted");
	t.j = (struct json){body.ptr, body.ptr + body.len, NULL};
	t.out = out;
	t.no_memory = t.too_long = false;
	t.depth = 0;
	arena_init(&t.scratch);
	bool fine = read_body(&t, message);
	arena_deinit(&t.scratch);
	if (t.no_memory || buf_failed(out))
		return error_set(err, -ENOMEM, "no memory for the body");
	if (fine)
		return 0;
	return error_set(err, t.too_long ? -EFBIG : -EINVAL, "byte %zu: %s", (size_t)(t.j.at - body.ptr), t.j.error);
}
