/* Templates in the language of Go's text/template, as the annotations of Prometheus's rules, Alertmanager's notifications and Loki's line_format are written: the language, its built-in functions, and the
 * functions that Prometheus adds. What a template is given are values of the kinds below; who wants functions of its own gives a table of them.
 *
 * Grammar (https://pkg.go.dev/text/template; spaces stand between tokens, "{{- " and " -}}" trim what lies beside them):
 *
 *   template  = { text | "{{" action "}}" }
 *   action    = "/" "*" … "*" "/" | pipeline | "if" pipeline | "else" [ ("if" | "with") pipeline ] | "end" | "range" pipeline | "break" | "continue" | "with" pipeline
 *             | "define" string | "block" string pipeline | "template" string [ pipeline ]
 *   pipeline  = [ variable [ "," variable ] ( ":=" | "=" ) ] command { "|" command }
 *   command   = operand { operand }
 *   operand   = ( "." | field | variable | function | constant | "(" pipeline ")" ) { field }
 *   field     = "." name        variable = "$" [ name ]        constant = number | string | `raw string` | 'character' | "true" | "false" | "nil"
 *
 * A set holds the templates that may call each other by name. It is filled by one thread, and then run by any number of threads at once. Errors read as Go's do:
 * "template: NAME:LINE:COLUMN: executing …". */
#ifndef MOONGATE_TEMPLATE_TEMPLATE_H
#define MOONGATE_TEMPLATE_TEMPLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

enum {
	TEMPLATE_TEXT_MAX = 1 << 20, /* bytes of one template's text */
	TEMPLATE_DEPTH_MAX =
	    100,                /* of blocks and parentheses within each other, and of templates that call each other */
	TEMPLATE_ARGS_MAX = 64, /* of one call */
	TEMPLATE_VARIABLES_MAX = 256 /* at a time */
};

/* ---- values ---- */

enum template_type {
	TEMPLATE_NIL, /* prints as <no value> */
	TEMPLATE_BOOL,
	TEMPLATE_INT,
	TEMPLATE_FLOAT,
	TEMPLATE_STRING,
	TEMPLATE_LIST,
	TEMPLATE_MAP,
	TEMPLATE_TIME,    /* nanoseconds since the Unix epoch, UTC */
	TEMPLATE_DURATION /* nanoseconds */
};

struct template_map;

/* A value. What it points to is borrowed, and lives as long as the run, at least. */
struct template_value {
	enum template_type type;
	bool safe; /* of a text: it is HTML already, and not escaped */
	union {
		bool boolean;
		int64_t integer; /* of times and durations too */
		double number;
		struct slice text;
		struct {
			const struct template_value *items;
			uint32_t count;
		} list;
		const struct template_map *map;
	};
};

struct template_pair {
	struct slice key;
	struct template_value value;
};

struct template_call;

/* A function, or a method. `args` are its arguments; of a method the value that it is called of is the first one. 0; or a negative errno after template_fail. */
typedef int template_fn(struct template_call *call, const struct template_value *args, uint32_t count,
                        struct template_value *out);

struct template_function {
	const char *name;
	template_fn *fn;
	uint8_t min, max; /* arguments; of a method without the value. max TEMPLATE_ANY: any number */
};
enum { TEMPLATE_ANY = 255 };

struct template_functions {
	const struct template_function *items;
	uint32_t count;
};

/* A map, or with `name` a structure: of one a field that is not there is an error, of the other it is `absent`. */
struct template_map {
	const char *name;                  /* the structure's type, for messages: "template.Alert"; NULL: a map */
	const struct template_pair *pairs; /* of a map in the order of the keys, each once */
	uint32_t count;
	struct template_value absent;      /* what a map gives for other keys: "" of texts, nil of anything */
	struct template_functions methods; /* also called without arguments, as fields are */
};

static inline struct template_value template_bool(bool b)
{
	return (struct template_value){.type = TEMPLATE_BOOL, .boolean = b};
}
static inline struct template_value template_int(int64_t i)
{
	return (struct template_value){.type = TEMPLATE_INT, .integer = i};
}
static inline struct template_value template_float(double v)
{
	return (struct template_value){.type = TEMPLATE_FLOAT, .number = v};
}
/* The text's address is never NULL: functions reckon with it. */
static inline struct template_value template_string(struct slice s)
{
	return (struct template_value){.type = TEMPLATE_STRING, .text = s.ptr != NULL ? s : SLICE("")};
}
static inline struct template_value template_list(const struct template_value *items, uint32_t count)
{
	return (struct template_value){.type = TEMPLATE_LIST, .list = {items, count}};
}
static inline struct template_value template_of_map(const struct template_map *map)
{
	return (struct template_value){.type = TEMPLATE_MAP, .map = map};
}

/* Appends the value as Go's fmt prints it with %v. */
void template_print(struct buf *out, const struct template_value *v);
/* Is it other than false, 0, an empty text, list or map, or nil? */
bool template_is_true(const struct template_value *v);
/* The field or key of a map by name, or NULL. */
const struct template_value *template_map_find(const struct template_map *map, struct slice key);

/* ---- functions ---- */

/* The call that a function serves. */
struct template_call {
	struct arena *arena; /* for what it makes; lives until the run is over */
	void *ctx;           /* the run's */
	size_t max_bytes;    /* what a function makes should not be larger */
	struct error *err;
};

/* Sets the call's error; returns -EINVAL. */
int template_fail(struct template_call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for want of memory; returns -ENOMEM. */
int template_starve(struct template_call *call);
/* A text made of what the buffer holds, which is freed. 0, -ENOMEM. */
int template_take(struct template_call *call, struct buf *text, struct template_value *out);

/* What every set has: and, or, not, eq, ne, lt, le, gt, ge, len, index, slice, print, printf, println, html, js, urlquery, call. */
extern const struct template_functions template_builtins;
/* Those of Prometheus's functions that want nothing of their caller: humanize, humanize1024, humanizeDuration, humanizePercentage, humanizeTimestamp, toTime, toDuration, parseDuration, title, toUpper, toLower, match, reReplaceAll,
 * stripPort, stripDomain, safeHtml, urlQueryEscape, args, first, value, label, strvalue, sortByLabel, graphLink, tableLink. A sample, of which query gives a list, is a structure with the fields Labels (a map) and Value (a float). What is left for the caller's own table:
 * query, now, externalURL, pathPrefix. */
extern const struct template_functions template_prometheus;

/* ---- sets ---- */

struct template_set;

/* An empty set whose templates may call the built-in functions and those of `packs`, which outlive it; later ones win. NULL: memory is out. */
struct template_set *template_set_new(const struct template_functions *const *packs, uint32_t count);
void template_set_free(struct template_set *set); /* NULL is allowed */

/* Adds a template under a name, and those that it defines; one of a name that there is takes its place, unless it is empty but for space and comments. The text is copied. 0; -EINVAL with Go's sentence; -E2BIG; -ENOMEM: then the set is to be freed. */
int template_set_parse(struct template_set *set, struct slice name, struct slice text, struct error *err);

/* Is there a template of that name? */
bool template_set_has(const struct template_set *set, struct slice name);

struct template_run {
	void *ctx;          /* for functions */
	bool html;          /* what actions print is escaped for HTML, but for what safeHtml gives */
	size_t max_bytes;   /* of the result. 0: 1 MiB */
	uint32_t max_steps; /* actions, turns of loops and calls. 0: 1,000,000 */
};

/* Runs a template over `data`, appending to `out`; after an error what was written before it stands there. 0; -EINVAL with Go's sentence; -ENOENT: there is no such template; -E2BIG: over a bound; -ENOMEM. */
int template_execute(const struct template_set *set, struct slice name, const struct template_value *data,
                     const struct template_run *run, struct buf *out, struct error *err);

#endif
