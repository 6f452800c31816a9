/* The functions that every template may call. */
#include <math.h>
#include <stdio.h>

#include "template/internal.h"

static int fn_last(struct template_call *call, const struct template_value *args, uint32_t count,
                   struct template_value *out)
{
	(void)call; /* of and, and of or: what came before did not decide */
	*out = args[count - 1];
	return 0;
}

static int fn_not(struct template_call *call, const struct template_value *args, uint32_t count,
                  struct template_value *out)
{
	(void)call;
	(void)count;
	*out = template_bool(!template_is_true(&args[0]));
	return 0;
}

/* ---- comparisons ---- */

static bool is_basic(const struct template_value *v)
{
	return v->type != TEMPLATE_LIST && v->type != TEMPLATE_MAP && v->type != TEMPLATE_TIME;
}

/* Integers and durations are of one kind. */
static int kind_of(const struct template_value *v)
{
	return v->type == TEMPLATE_DURATION ? TEMPLATE_INT : (int)v->type;
}

static bool equal(const struct template_value *a, const struct template_value *b)
{
	switch (kind_of(a)) {
	case TEMPLATE_BOOL:
		return a->boolean == b->boolean;
	case TEMPLATE_INT:
		return a->integer == b->integer;
	case TEMPLATE_FLOAT:
		return a->number == b->number;
	case TEMPLATE_STRING:
		return slice_eq(a->text, b->text);
	default:
		return true; /* nil */
	}
}

static int fn_eq(struct template_call *call, const struct template_value *args, uint32_t count,
                 struct template_value *out)
{
	if (count < 2)
		return template_fail(call, "missing argument for comparison");
	*out = template_bool(false);
	for (uint32_t i = 1; i < count; i++) {
		if (!is_basic(&args[0]) || !is_basic(&args[i]))
			return template_fail(call, "non-comparable type %s: %s",
			                     template_type_name(is_basic(&args[0]) ? &args[i] : &args[0]),
			                     template_type_name(&args[0]));
		bool nil = args[0].type == TEMPLATE_NIL || args[i].type == TEMPLATE_NIL;
		if (kind_of(&args[0]) != kind_of(&args[i])) {
			if (nil)
				continue;
			return template_fail(call, "incompatible types for comparison");
		}
		if (equal(&args[0], &args[i])) {
			*out = template_bool(true);
			return 0;
		}
	}
	return 0;
}

static int fn_ne(struct template_call *call, const struct template_value *args, uint32_t count,
                 struct template_value *out)
{
	int code = fn_eq(call, args, count, out);
	out->boolean = !out->boolean;
	return code;
}

/* a < b, a == b, and whether they can be compared. */
static int order(struct template_call *call, const struct template_value *args, bool *less, bool *same)
{
	if (kind_of(&args[0]) != kind_of(&args[1]))
		return template_fail(call, "incompatible types for comparison");
	switch (kind_of(&args[0])) {
	case TEMPLATE_INT:
		*less = args[0].integer < args[1].integer;
		break;
	case TEMPLATE_FLOAT:
		*less = args[0].number < args[1].number;
		break;
	case TEMPLATE_STRING:
		*less = slice_compare(args[0].text, args[1].text) < 0;
		break;
	default:
		return template_fail(call, "invalid type for comparison");
	}
	*same = equal(&args[0], &args[1]);
	return 0;
}

static int fn_lt(struct template_call *call, const struct template_value *args, uint32_t count,
                 struct template_value *out)
{
	bool less = false, same = false;
	int code = order(call, args, &less, &same);
	(void)count;
	*out = template_bool(less);
	return code;
}

static int fn_le(struct template_call *call, const struct template_value *args, uint32_t count,
                 struct template_value *out)
{
	bool less = false, same = false;
	int code = order(call, args, &less, &same);
	(void)count;
	*out = template_bool(less || same);
	return code;
}

/* Go has gt as "not le": of NaN it is true. */
static int fn_gt(struct template_call *call, const struct template_value *args, uint32_t count,
                 struct template_value *out)
{
	int code = fn_le(call, args, count, out);
	out->boolean = !out->boolean;
	return code;
}

static int fn_ge(struct template_call *call, const struct template_value *args, uint32_t count,
                 struct template_value *out)
{
	int code = fn_lt(call, args, count, out);
	out->boolean = !out->boolean;
	return code;
}

/* ---- parts ---- */

static int fn_len(struct template_call *call, const struct template_value *args, uint32_t count,
                  struct template_value *out)
{
	const struct template_value *v = &args[0];
	(void)count;
	if (v->type == TEMPLATE_STRING)
		*out = template_int((int64_t)v->text.len);
	else if (v->type == TEMPLATE_LIST)
		*out = template_int(v->list.count);
	else if (v->type == TEMPLATE_MAP && v->map->name == NULL)
		*out = template_int(v->map->count);
	else
		return template_fail(call, "len of type %s", template_type_name(v));
	return 0;
}

/* A place in something that is `len` long; `past` is how far it may be. */
static int read_place(struct template_call *call, const struct template_value *v, uint64_t past, uint64_t *out)
{
	if (v->type != TEMPLATE_INT)
		return template_fail(call, "cannot index slice/array with type %s", template_type_name(v));
	if (v->integer < 0 || (uint64_t)v->integer > past)
		return template_fail(call, "index out of range: %lld", (long long)v->integer);
	*out = (uint64_t)v->integer;
	return 0;
}

static int index_once(struct template_call *call, const struct template_value *of, const struct template_value *at,
                      struct template_value *out)
{
	uint64_t i = 0;

	if (of->type == TEMPLATE_MAP && of->map->name == NULL) {
		if (at->type != TEMPLATE_STRING)
			return template_fail(call, "value has type %s; should be string", template_type_name(at));
		const struct template_value *v = template_map_find(of->map, at->text);
		*out = v != NULL ? *v : of->map->absent;
		return 0;
	}
	if (of->type == TEMPLATE_NIL)
		return template_fail(call, "index of untyped nil");
	size_t len = of->type == TEMPLATE_LIST ? of->list.count : of->text.len;
	if (of->type != TEMPLATE_LIST && of->type != TEMPLATE_STRING)
		return template_fail(call, "can't index item of type %s", template_type_name(of));
	int code = read_place(call, at, len, &i);
	if (code == 0 && i == len)
		return template_fail(call, "index out of range: %llu", (unsigned long long)i);
	if (code == 0)
		*out = of->type == TEMPLATE_LIST ? of->list.items[i] : template_int((unsigned char)of->text.ptr[i]);
	return code;
}

static int fn_index(struct template_call *call, const struct template_value *args, uint32_t count,
                    struct template_value *out)
{
	*out = args[0];
	for (uint32_t i = 1; i < count; i++) {
		struct template_value of = *out;
		int code = index_once(call, &of, &args[i], out);
		if (code != 0)
			return code;
	}
	return 0;
}

static int fn_slice(struct template_call *call, const struct template_value *args, uint32_t count,
                    struct template_value *out)
{
	const struct template_value *of = &args[0];
	bool text = of->type == TEMPLATE_STRING;

	if (!text && of->type != TEMPLATE_LIST)
		return template_fail(call, "can't slice item of type %s", template_type_name(of));
	if (text && count == 4)
		return template_fail(call, "cannot 3-index slice a string");
	uint64_t len = text ? of->text.len : of->list.count;
	uint64_t bounds[3] = {0, len, len};
	for (uint32_t i = 1; i < count; i++) {
		int code = read_place(call, &args[i], len, &bounds[i - 1]);
		if (code != 0)
			return code;
	}
	if (bounds[0] > bounds[1] || bounds[1] > bounds[2])
		return template_fail(call, "invalid slice index: %llu > %llu", (unsigned long long)bounds[0],
		                     (unsigned long long)bounds[1]);
	*out = text ? template_string(slice_new(of->text.ptr + bounds[0], bounds[1] - bounds[0]))
	            : template_list(of->list.items + bounds[0], (uint32_t)(bounds[1] - bounds[0]));
	return 0;
}

/* ---- printing ---- */

static void print_one(struct buf *out, const struct template_value *v)
{
	if (v->type == TEMPLATE_NIL)
		buf_str(out, "<nil>");
	else
		template_print(out, v);
}

/* Between two that are no texts stands a space. */
static int fn_print(struct template_call *call, const struct template_value *args, uint32_t count,
                    struct template_value *out)
{
	struct buf text = {0};

	for (uint32_t i = 0; i < count; i++) {
		if (i > 0 && args[i].type != TEMPLATE_STRING && args[i - 1].type != TEMPLATE_STRING)
			buf_byte(&text, ' ');
		print_one(&text, &args[i]);
	}
	return template_take(call, &text, out);
}

static int fn_println(struct template_call *call, const struct template_value *args, uint32_t count,
                      struct template_value *out)
{
	struct buf text = {0};

	for (uint32_t i = 0; i < count; i++) {
		if (i > 0)
			buf_byte(&text, ' ');
		print_one(&text, &args[i]);
	}
	buf_byte(&text, '\n');
	return template_take(call, &text, out);
}

static int fn_printf(struct template_call *call, const struct template_value *args, uint32_t count,
                     struct template_value *out)
{
	struct buf text = {0};

	if (args[0].type != TEMPLATE_STRING)
		return template_fail(call, "wrong type for value; expected string; got %s",
		                     template_type_name(&args[0]));
	template_format_print(&text, args[0].text, args + 1, count - 1, call->max_bytes);
	return template_take(call, &text, out);
}

/* The arguments as one text, as the escaping functions take them. */
static void join_args(struct buf *out, const struct template_value *args, uint32_t count)
{
	if (count == 1 && args[0].type == TEMPLATE_STRING) {
		buf_slice_append(out, args[0].text);
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (i > 0 && args[i].type != TEMPLATE_STRING && args[i - 1].type != TEMPLATE_STRING)
			buf_byte(out, ' ');
		print_one(out, &args[i]);
	}
}

static void escape_js(struct buf *out, unsigned char c)
{
	if (c == '\\' || c == '\'' || c == '"')
		buf_printf(out, "\\%c", c);
	else if (c == '<' || c == '>' || c == '&' || c == '=' || c < ' ')
		buf_printf(out, "\\u%04X", c);
	else
		buf_byte(out, (char)c);
}

static void escape_query(struct buf *out, unsigned char c)
{
	bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	             (c != '\0' && strchr("-_.~", c) != NULL);
	if (plain)
		buf_byte(out, (char)c);
	else if (c == ' ')
		buf_byte(out, '+');
	else
		buf_printf(out, "%%%02X", c);
}

static int escaped(struct template_call *call, const struct template_value *args, uint32_t count,
                   void (*escape)(struct buf *out, unsigned char c), struct template_value *out)
{
	struct buf from = {0}, to = {0};

	join_args(&from, args, count);
	for (size_t i = 0; i < from.len; i++)
		escape(&to, (unsigned char)from.ptr[i]);
	to.failed |= from.failed;
	buf_free(&from);
	return template_take(call, &to, out);
}

static int fn_html(struct template_call *call, const struct template_value *args, uint32_t count,
                   struct template_value *out)
{
	struct buf from = {0}, to = {0};

	join_args(&from, args, count);
	template_format_escape_html(&to, buf_slice(&from));
	to.failed |= from.failed;
	buf_free(&from);
	int code = template_take(call, &to, out);
	out->safe = true;
	return code;
}

static int fn_js(struct template_call *call, const struct template_value *args, uint32_t count,
                 struct template_value *out)
{
	return escaped(call, args, count, escape_js, out);
}

static int fn_urlquery(struct template_call *call, const struct template_value *args, uint32_t count,
                       struct template_value *out)
{
	return escaped(call, args, count, escape_query, out);
}

static int fn_call(struct template_call *call, const struct template_value *args, uint32_t count,
                   struct template_value *out)
{
	(void)count;
	(void)out;
	return template_fail(call, "non-function of type %s", template_type_name(&args[0]));
}

static const struct template_function items[] = {
    {"and", fn_last, 1, TEMPLATE_ANY},
    {"or", fn_last, 1, TEMPLATE_ANY},
    {"not", fn_not, 1, 1},
    {"eq", fn_eq, 1, TEMPLATE_ANY},
    {"ne", fn_ne, 2, 2},
    {"lt", fn_lt, 2, 2},
    {"le", fn_le, 2, 2},
    {"gt", fn_gt, 2, 2},
    {"ge", fn_ge, 2, 2},
    {"len", fn_len, 1, 1},
    {"index", fn_index, 1, TEMPLATE_ANY},
    {"slice", fn_slice, 1, 4},
    {"print", fn_print, 0, TEMPLATE_ANY},
    {"println", fn_println, 0, TEMPLATE_ANY},
    {"printf", fn_printf, 1, TEMPLATE_ANY},
    {"html", fn_html, 1, TEMPLATE_ANY},
    {"js", fn_js, 1, TEMPLATE_ANY},
    {"urlquery", fn_urlquery, 1, TEMPLATE_ANY},
    {"call", fn_call, 1, TEMPLATE_ANY},
};
const struct template_functions template_builtins = {items, sizeof items / sizeof *items};
