/* Running a template over data. Everything that is made on the way lies in one arena of the run. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "template/internal.h"

enum {
	BYTES_DEFAULT = 1 << 20,
	STEPS_DEFAULT = 1000000,
	NESTING_MAX = 600 /* blocks, calls and templates within each other: 3 KiB of stack each */
};

struct variable {
	struct slice name;
	struct template_value value;
};

struct execution {
	const struct template_set *set;
	const struct template_run *run;
	const struct definition *definition; /* at work */
	struct template_call call;
	struct arena arena;
	struct buf *out;
	size_t begin; /* of what this run has written, in `out` */
	size_t max_bytes;
	uint32_t steps; /* that are left */
	uint32_t depth; /* of templates that call each other */
	uint32_t nesting;
	struct variable variables[TEMPLATE_VARIABLES_MAX];
	uint32_t variable_count;
	uint32_t base; /* of the template at work: its $ */
};

/* What a list of nodes ends with, beside negative errnos. */
enum walk { WALK_ON, WALK_BREAK, WALK_CONTINUE };

static int walk_list(struct execution *x, const struct node *n, const struct template_value *dot);
static int eval_pipeline(struct execution *x, const struct pipeline *pipe, const struct template_value *dot,
                         struct template_value *out);

/* ---- errors ---- */

/* Puts the place before what the call's error says, unless it has one. */
static int at_place(struct execution *x, uint32_t at, struct slice source, int code)
{
	static const char prefix[] = "template: ";
	struct error *err = x->call.err;
	char why[ERROR_TEXT_MAX];
	uint32_t line, column;

	if (err == NULL || code == -ENOMEM || strncmp(err->text, prefix, sizeof prefix - 1) == 0)
		return code;
	snprintf(why, sizeof why, "%s", err->text);
	template_place(x->definition->input, at, &line, &column);
	bool cut = source.len > 20;
	return error_set(err, code, "template: %.*s:%u:%u: executing \"%.*s\" at <%.*s%s>: %s",
	                 SLICE_ARG(x->definition->file), line, column, SLICE_ARG(x->definition->name),
	                 cut ? 20 : (int)source.len, source.ptr, cut ? "..." : "", why);
}

static int fail_at(struct execution *x, uint32_t at, struct slice source, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static int fail_at(struct execution *x, uint32_t at, struct slice source, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	error_set(x->call.err, -EINVAL, "%s", text);
	return at_place(x, at, source, -EINVAL);
}

static int step(struct execution *x)
{
	if (x->steps == 0)
		return error_set(x->call.err, -E2BIG, "template: %.*s: takes too many steps",
		                 SLICE_ARG(x->definition->name));
	x->steps--;
	if (x->out->len - x->begin > x->max_bytes || x->arena.total > 8 * x->max_bytes)
		return error_set(x->call.err, -E2BIG, "template: %.*s: gives more than %zu bytes",
		                 SLICE_ARG(x->definition->name), x->max_bytes);
	return buf_failed(x->out) ? template_starve(&x->call) : 0;
}

/* One more call or block within others; the caller takes it back. */
static int nest(struct execution *x)
{
	if (x->nesting == NESTING_MAX)
		return error_set(x->call.err, -E2BIG, "template: %.*s: nested too deeply",
		                 SLICE_ARG(x->definition->name));
	x->nesting++;
	return step(x);
}

/* ---- variables ---- */

static struct variable *find_variable(struct execution *x, struct slice name)
{
	for (uint32_t i = x->variable_count; i > x->base; i--) {
		if (slice_eq(x->variables[i - 1].name, name))
			return &x->variables[i - 1];
	}
	return &x->variables[x->base]; /* the parser has seen to it that it is there: this is $ */
}

static int push_variable(struct execution *x, struct slice name, const struct template_value *v)
{
	if (x->variable_count == TEMPLATE_VARIABLES_MAX)
		return error_set(x->call.err, -E2BIG, "template: %.*s: more than %d variables at a time",
		                 SLICE_ARG(x->definition->name), TEMPLATE_VARIABLES_MAX);
	x->variables[x->variable_count++] = (struct variable){name, *v};
	return 0;
}

/* ---- fields and calls ---- */

/* The arguments of a call: operands that are yet to be evaluated, and what the pipeline gives. */
struct arguments {
	const struct operand *operands;
	uint32_t count;
	const struct template_value *final; /* NULL: it is the pipeline's first command */
};

static int eval_operand(struct execution *x, const struct operand *o, const struct template_value *dot,
                        const struct arguments *args, struct template_value *out);

static int check_count(struct execution *x, const struct template_function *f, uint32_t count, uint32_t at,
                       struct slice source)
{
	if (count >= f->min && (f->max == TEMPLATE_ANY || count <= f->max))
		return 0;
	if (f->max == TEMPLATE_ANY)
		return fail_at(x, at, source, "wrong number of args for %s: want at least %u got %u", f->name, f->min,
		               count);
	return fail_at(x, at, source, "wrong number of args for %s: want %u got %u", f->name,
	               count < f->min ? f->min : f->max, count);
}

/* Is it `and` or `or`, whose arguments are evaluated as far as they matter? */
static bool decides(const struct template_function *f, bool *on)
{
	*on = strcmp(f->name, "or") == 0;
	return *on || strcmp(f->name, "and") == 0;
}

/* Calls a function with its arguments; `self` is the value that a method is called of. */
static int call_function(struct execution *x, const struct template_function *f, const struct template_value *self,
                         const struct arguments *args, const struct template_value *dot, uint32_t at,
                         struct slice source, struct template_value *out)
{
	struct template_value values[TEMPLATE_ARGS_MAX + 2];
	uint32_t count = 0;
	bool ends_on;
	bool lazy = self == NULL && decides(f, &ends_on);

	int code = check_count(x, f, args->count + (args->final != NULL), at, source);
	if (code != 0)
		return code;
	if (self != NULL)
		values[count++] = *self;
	for (uint32_t i = 0; i < args->count; i++) {
		const struct arguments none = {0};
		code = nest(x);
		if (code != 0)
			return code;
		code = eval_operand(x, &args->operands[i], dot, &none, &values[count]);
		x->nesting--;
		if (code != 0)
			return code;
		count++;
		if (lazy && template_is_true(&values[count - 1]) == ends_on) {
			*out = values[count - 1];
			return 0;
		}
	}
	if (args->final != NULL)
		values[count++] = *args->final;
	*out = (struct template_value){0};
	code = f->fn(&x->call, values, count, out);
	if (code != 0 && code != -ENOMEM && x->call.err != NULL && self == NULL) {
		char why[ERROR_TEXT_MAX];
		snprintf(why, sizeof why, "%s", x->call.err->text);
		error_set(x->call.err, code, "error calling %s: %s", f->name, why);
	}
	return code == 0 ? 0 : at_place(x, at, source, code);
}

static const struct template_function *find_method(const struct template_map *map, struct slice name)
{
	for (uint32_t i = 0; i < map->methods.count; i++) {
		if (slice_eq(slice_cstr(map->methods.items[i].name), name))
			return &map->methods.items[i];
	}
	return NULL;
}

static int eval_field(struct execution *x, const struct operand *o, struct slice name,
                      const struct template_value *receiver, const struct arguments *args,
                      const struct template_value *dot, struct template_value *out)
{
	bool has_args = args->count > 0 || args->final != NULL;

	if (receiver->type == TEMPLATE_NIL)
		return fail_at(x, o->at, o->source, "nil pointer evaluating interface {}.%.*s", SLICE_ARG(name));
	if (receiver->type != TEMPLATE_MAP)
		return fail_at(x, o->at, o->source, "can't evaluate field %.*s in type %s", SLICE_ARG(name),
		               template_type_name(receiver));
	const struct template_map *map = receiver->map;
	const struct template_function *method = find_method(map, name);
	if (method != NULL)
		return call_function(x, method, receiver, args, dot, o->at, o->source, out);
	const struct template_value *v = template_map_find(map, name);
	if (v == NULL && map->name != NULL)
		return fail_at(x, o->at, o->source, "can't evaluate field %.*s in type %s", SLICE_ARG(name), map->name);
	if (has_args)
		return fail_at(x, o->at, o->source,
		               map->name != NULL ? "%.*s has arguments but cannot be invoked as function"
		                                 : "%.*s is not a method but has arguments",
		               SLICE_ARG(name));
	*out = v != NULL ? *v : map->absent;
	return 0;
}

/* The fields of an operand, one after the other; the last one gets the arguments. */
static int eval_fields(struct execution *x, const struct operand *o, const struct template_value *of,
                       const struct arguments *args, const struct template_value *dot, struct template_value *out)
{
	const struct arguments none = {0};

	*out = *of;
	for (uint32_t i = 0; i < o->field_count; i++) {
		struct template_value receiver = *out;
		bool last = i + 1 == o->field_count;
		int code = eval_field(x, o, o->fields[i], &receiver, last ? args : &none, dot, out);
		if (code != 0)
			return code;
	}
	return 0;
}

static int eval_base(struct execution *x, const struct operand *o, const struct template_value *dot,
                     const struct arguments *args, struct template_value *out)
{
	const struct arguments none = {0};

	switch (o->type) {
	case OPERAND_DOT:
		*out = *dot;
		return 0;
	case OPERAND_VARIABLE:
		*out = find_variable(x, o->name)->value;
		return 0;
	case OPERAND_FUNCTION:
		return call_function(x, o->function, NULL, o->field_count > 0 ? &none : args, dot, o->at, o->source,
		                     out);
	case OPERAND_PIPELINE: {
		uint32_t variables = x->variable_count;
		int code = nest(x);
		if (code != 0)
			return code;
		code = eval_pipeline(x, o->pipeline, dot, out);
		x->nesting--;
		x->variable_count = variables;
		return code;
	}
	default:
		*out = o->value;
		return 0;
	}
}

static int eval_operand(struct execution *x, const struct operand *o, const struct template_value *dot,
                        const struct arguments *args, struct template_value *out)
{
	struct template_value base;
	bool has_args = args->count > 0 || args->final != NULL;

	if (has_args && o->field_count == 0 && o->type != OPERAND_FUNCTION)
		return fail_at(x, o->at, o->source, "can't give argument to non-function %.*s", SLICE_ARG(o->source));
	int code = eval_base(x, o, dot, args, &base);
	return code == 0 ? eval_fields(x, o, &base, args, dot, out) : code;
}

/* ---- pipelines ---- */

/* The value of the commands, without what is declared. */
static int eval_commands(struct execution *x, const struct pipeline *pipe, const struct template_value *dot,
                         struct template_value *out)
{
	struct template_value value;

	for (uint32_t i = 0; i < pipe->count; i++) {
		const struct command *c = &pipe->commands[i];
		const struct arguments args = {c->operands + 1, c->count - 1, i > 0 ? &value : NULL};
		const struct operand *first = &c->operands[0];
		if (first->type == OPERAND_VALUE && first->value.type == TEMPLATE_NIL)
			return fail_at(x, first->at, first->source, "nil is not a command");
		struct template_value result;
		int code = eval_operand(x, first, dot, &args, &result);
		if (code != 0)
			return code;
		value = result;
	}
	*out = value;
	return 0;
}

static int eval_pipeline(struct execution *x, const struct pipeline *pipe, const struct template_value *dot,
                         struct template_value *out)
{
	int code = eval_commands(x, pipe, dot, out);

	if (code != 0 || pipe->variable_count == 0)
		return code;
	if (pipe->declares)
		return push_variable(x, pipe->variables[0], out);
	find_variable(x, pipe->variables[0])->value = *out;
	return 0;
}

/* ---- nodes ---- */

static int walk_print(struct execution *x, const struct node *n, const struct template_value *dot)
{
	struct template_value v;
	int code = eval_pipeline(x, n->pipeline, dot, &v);

	if (code != 0 || n->pipeline->variable_count > 0)
		return code;
	if (!x->run->html || v.safe) {
		template_print(x->out, &v);
		return 0;
	}
	struct buf text = {0};
	template_print(&text, &v);
	if (buf_failed(&text))
		code = template_starve(&x->call);
	template_format_escape_html(x->out, buf_slice(&text));
	buf_free(&text);
	return code;
}

static int walk_condition(struct execution *x, const struct node *n, const struct template_value *dot)
{
	struct template_value v;
	int code = eval_pipeline(x, n->pipeline, dot, &v);

	if (code != 0)
		return code;
	if (!template_is_true(&v))
		return walk_list(x, n->otherwise, dot);
	return walk_list(x, n->body, n->type == NODE_WITH ? &v : dot);
}

/* A turn of a loop. */
static int walk_turn(struct execution *x, const struct node *n, const struct template_value *key,
                     const struct template_value *item)
{
	const struct pipeline *pipe = n->pipeline;
	uint32_t variables = x->variable_count;
	int code = step(x);

	for (uint32_t i = 0; code == 0 && i < pipe->variable_count; i++) {
		const struct template_value *v = i + 1 == pipe->variable_count ? item : key;
		if (pipe->declares)
			code = push_variable(x, pipe->variables[i], v);
		else
			find_variable(x, pipe->variables[i])->value = *v;
	}
	if (code == 0)
		code = walk_list(x, n->body, item);
	x->variable_count = variables;
	return code == WALK_CONTINUE ? WALK_ON : code;
}

/* The key and item at a place of what is looped over; false: there is none. */
static bool nth(const struct template_value *v, int64_t i, struct template_value *key, struct template_value *item)
{
	*key = template_int(i);
	switch (v->type) {
	case TEMPLATE_LIST:
		if (i >= v->list.count)
			return false;
		*item = v->list.items[i];
		return true;
	case TEMPLATE_MAP:
		if (i >= v->map->count)
			return false;
		*key = template_string(v->map->pairs[i].key);
		*item = v->map->pairs[i].value;
		return true;
	case TEMPLATE_INT:
		*item = *key;
		return i < v->integer;
	default:
		return false;
	}
}

static int walk_range(struct execution *x, const struct node *n, const struct template_value *dot)
{
	struct template_value v, key, item;
	int code = eval_commands(x, n->pipeline, dot, &v);

	if (code != 0)
		return code;
	bool loops = v.type == TEMPLATE_LIST || v.type == TEMPLATE_INT || v.type == TEMPLATE_NIL ||
	             (v.type == TEMPLATE_MAP && v.map->name == NULL);
	if (!loops) {
		struct buf text = {0};
		template_print(&text, &v);
		code = fail_at(x, n->pipeline->at, n->pipeline->source, "range can't iterate over %.*s", (int)text.len,
		               text.ptr != NULL ? text.ptr : "");
		buf_free(&text);
		return code;
	}
	int64_t i = 0;
	for (; code == WALK_ON && nth(&v, i, &key, &item); i++)
		code = walk_turn(x, n, &key, &item);
	if (code == WALK_BREAK)
		code = WALK_ON;
	return code == WALK_ON && i == 0 ? walk_list(x, n->otherwise, dot) : code;
}

static int walk_definition(struct execution *x, const struct definition *d, const struct template_value *data)
{
	const struct definition *outer = x->definition;
	uint32_t base = x->base, variables = x->variable_count;

	x->definition = d;
	x->base = x->variable_count;
	x->depth++;
	int code = push_variable(x, SLICE("$"), data);
	if (code == 0)
		code = walk_list(x, d->body, data);
	x->depth--;
	x->base = base;
	x->variable_count = variables;
	x->definition = outer;
	return code;
}

static int walk_template(struct execution *x, const struct node *n, const struct template_value *dot)
{
	const struct definition *d = template_set_find(x->set, n->text);
	struct template_value data = {0};

	if (d == NULL)
		return fail_at(x, n->at, n->text, "template \"%.*s\" not defined", SLICE_ARG(n->text));
	if (x->depth == TEMPLATE_DEPTH_MAX)
		return fail_at(x, n->at, n->text, "exceeded maximum template depth (%d)", TEMPLATE_DEPTH_MAX);
	uint32_t variables = x->variable_count;
	int code = n->pipeline == NULL ? 0 : eval_pipeline(x, n->pipeline, dot, &data);
	if (code == 0)
		code = walk_definition(x, d, &data);
	x->variable_count = variables;
	return code;
}

static int walk_node(struct execution *x, const struct node *n, const struct template_value *dot)
{
	uint32_t variables = x->variable_count;
	int code;

	switch (n->type) {
	case NODE_TEXT:
		buf_slice_append(x->out, n->text);
		return WALK_ON;
	case NODE_PRINT: /* what it declares stays */
		return walk_print(x, n, dot);
	case NODE_TEMPLATE:
		return walk_template(x, n, dot);
	case NODE_BREAK:
		return WALK_BREAK;
	case NODE_CONTINUE:
		return WALK_CONTINUE;
	case NODE_RANGE:
		code = walk_range(x, n, dot);
		break;
	default:
		code = walk_condition(x, n, dot);
		break;
	}
	x->variable_count = variables;
	return code;
}

static int walk_list(struct execution *x, const struct node *n, const struct template_value *dot)
{
	int code = nest(x);

	if (code != 0)
		return code;
	for (; n != NULL && code == WALK_ON; n = n->next) {
		code = step(x);
		if (code == 0)
			code = walk_node(x, n, dot);
	}
	x->nesting--;
	return code;
}

int template_execute(const struct template_set *set, struct slice name, const struct template_value *data,
                     const struct template_run *run, struct buf *out, struct error *err)
{
	const struct definition *d = template_set_find(set, name);
	struct error unread;
	if (err == NULL)
		err = &unread;
	if (d == NULL)
		return error_set(err, -ENOENT, "template: no template \"%.*s\"", SLICE_ARG(name));
	struct execution x = {.set = set, .run = run, .definition = d, .out = out, .begin = out->len};
	x.max_bytes = run->max_bytes != 0 ? run->max_bytes : BYTES_DEFAULT;
	x.steps = run->max_steps != 0 ? run->max_steps : STEPS_DEFAULT;
	arena_init(&x.arena);
	x.call = (struct template_call){&x.arena, run->ctx, x.max_bytes, err};
	int code = walk_definition(&x, d, data);
	if (code == 0 && buf_failed(out))
		code = template_starve(&x.call);
	if (code == 0 && out->len - x.begin > x.max_bytes)
		code =
		    error_set(err, -E2BIG, "template: %.*s: gives more than %zu bytes", SLICE_ARG(name), x.max_bytes);
	arena_deinit(&x.arena);
	return code;
}
