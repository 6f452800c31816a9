/* The insides of script/, shared by its files only.
 *
 * A host has the watchdog and the states; a set has the scripts of one load; a script has one Lua state. Every C function that a script can
 * reach finds its script through the state's allocator (script_of), so that nothing is looked up in tables that Lua code could touch. */
#ifndef MOONGATE_SCRIPT_INTERNAL_H
#define MOONGATE_SCRIPT_INTERNAL_H

#include <lauxlib.h>
#include <lua.h>

#include "base/clock.h"
#include "script/event.h"
#include "script/heap.h"
#include "script/script.h"
#include "script/state_store.h"
#include "script/trace_object.h"
#include "script/watch.h"

enum {
	HANDLERS_MAX = 1024,    /* of a script: handlers, filters and timers each */
	METRICS_MAX = 1024,     /* of a set */
	TYPES_MAX = 256,        /* record types that get an event table of their own; further ones share one */
	SLOT_OTHER = TYPES_MAX, /* the slot of those */
	SLOT_SPAN,              /* the slot of spans, whatever types events have */
	SLOTS,
	TYPE_NAME_MAX = 128,   /* bytes; as the decoder of events has it */
	STACK_MAX = 256 << 10, /* bytes of C stack for Lua → C → Lua: coroutines, gsub, format */
	STACK_RUNNER = 1,      /* where script_runner lies on each state's stack */
	EMITS_PER_CALL = 1000,
	EMITS_PER_SPAN = 2, /* more, of a trace's spans */
	EMITS_PER_FRAME = 100000,
	EMIT_BYTES_MAX = 64 << 20,   /* of what waits */
	EMIT_BYTES_KEPT = 64 << 10,  /* of the batch, for the next time */
	EMIT_FIELDS_MAX = 1024,      /* of one event, nested ones counted */
	FILTER_BYTES_MAX = 32 << 20, /* that filters may write into the records of one batch */
	EMIT_NESTING_MAX = 32,
	NAME_BYTES_MAX = 256,     /* of a field in an emitted event or a filtered record */
	TEXT_MAX = 65536,         /* bytes of a string in an emitted event or a filtered record */
	LOAD_TEXT_MAX = 64 << 10, /* load() */
	PCALL_DEPTH_MAX = 2000,   /* frames below a pcall; of a coroutine inside n others an (n + 1)²th of it, */
	PCALL_DEPTH_MIN = 10,     /* but so many */
	KEPT_MAX = 8 << 20,       /* bytes of names, texts and definitions that a script may leave in its set */
	FILE_BYTES_MAX = 1 << 20, /* a script file */
	FILES_MAX = 4096,         /* of a bundle */
	SCRIPT_REASON_MAX = 384,
	WHERE_MAX = 256 /* a place in a script, as messages have it */
};

#define INTERVAL_MIN NS_PER_S
#define INTERVAL_MAX (366 * 86400 * NS_PER_S)
#define STRIKE_NS (60 * NS_PER_S)
#define NO_CUT UINT32_MAX

/* What a script may do at the moment. */
enum phase {
	PHASE_IDLE,
	PHASE_LOAD,  /* its top level runs: constructors and registration */
	PHASE_CALL,  /* a handler or timer runs: changes */
	PHASE_FILTER /* a filter runs: changes of the record only */
};

/* A metric of a set; scripts that define it alike share it. In the set's arena. */
struct script_metric {
	struct metric_def def;
	struct metric *metric; /* NULL until the set is bound */
};

/* A function that a script registered. */
struct handler {
	struct slice type;     /* "*": any; in the set's arena; empty for timers and spans */
	enum record_kind kind; /* of on: events or spans */
	uint64_t type_hash;    /* hash_bytes(type, hash_seed()) */
	const char *where;     /* "scripts/metrics/cost.lua:9", in the set's arena */
	int ref;               /* of the function in the registry of the state */
	int64_t interval_ns;   /* timers */
	bool open;             /* a timer that is called for each open trace */
};

struct handlers {
	struct handler *items; /* owned */
	uint32_t count;
	size_t cap;
};

/* What handlers have said of a trace. */
struct trace_words {
	bool drop, keep, drawn; /* `drawn`: one gave a probability */
	double probability;     /* the largest one */
};

/* What the runner is to do, and how far it is. */
struct cursor {
	const struct handler *timer; /* call this; else: */
	const struct trace *trace;   /* the script's handlers for traces over this; `count` and `at` are theirs */
	struct traces *traces;       /* that takes annotations; may be NULL */
	struct trace_words *words;
	struct record *const *records;
	const uint16_t *slots; /* of the records; NULL: not looked up */
	uint32_t count;
	uint32_t at;      /* the record that is next */
	uint16_t handler; /* and the handler for it, by place in its view */
};

/* What a script has logged in the second at hand. */
struct log_share {
	int64_t second; /* of the machine's clock */
	uint32_t lines;
	size_t bytes;
	uint64_t left_out; /* lines, since that was last said */
};

struct script {
	struct heap heap; /* first: script_of() */
	lua_State *L;     /* owned; NULL until it is opened */
	struct script_set *set;
	struct script_host *host;
	const char *path;    /* in the set's arena */
	struct watch *watch; /* of the thread that runs it; NULL: it does not run */
	enum phase phase;
	int bound_metatables[METRIC_MEAN + 1]; /* by metric type, in the registry */
	bool sighted;                          /* some view looks ahead */

	size_t kept; /* bytes of the set's arena that it has taken */
	struct handlers on, filters, timers, traces;
	struct view *views[SLOTS]; /* by slot; NULL: no handler is for the type. Owned */

	/* The call under way. */
	const char *stack;   /* where the C stack was when the state was entered */
	uint32_t coroutines; /* that run inside each other */
	struct cursor *cursor;
	const struct handler *handler;
	struct view *view;           /* of the record at hand; NULL in timers and filters */
	const struct record *record; /* at hand; NULL in timers and filters, and over traces */
	struct trace_view trace_view;
	struct record *filtered;   /* at hand in filters */
	size_t filtered_bytes_max; /* of its batch; filters may not write beyond */
	uint32_t effects;          /* changes that this call has made */
	uint32_t cut_after;        /* the call ends after as many; NO_CUT */
	bool cut_starved;          /* it then was the machine that had no memory */
	uint32_t emits;            /* made by this call */
	/* "scripts/metrics/cost.lua:12": where it was when it was first told to end; "" while it was not. */
	char cut_at[WHERE_MAX];

	/* The frame under way. */
	uint32_t calls_in_frame; /* number of the next call */
	bool cuts_expected;      /* replay: some call of this frame is to be cut */
	bool random_seeded;
	uint64_t random; /* math.random's state */
	uint32_t runs;   /* small frames, for sampling */
	struct log_share log;

	struct script_stats stats;
	char reason[SCRIPT_REASON_MAX];
	int filter_ev;            /* what filters get, in the registry; LUA_NOREF until the first one runs */
	uint32_t filter_strikes;  /* filters cut off within the minute that began at */
	int64_t filter_strike_ns; /* engine time */
};

/* A record type that some handler is for, or that was seen while some handler is for all. */
struct type_slot {
	struct slice name; /* in the set's arena */
	uint64_t hash;     /* hash_bytes(name, hash_seed()) */
};

struct module {
	struct slice name, path, text; /* in the set's arena */
};

/* A name that state() was called with; the store's table is found when it is first used. */
struct state_ref {
	struct slice name;
	struct state *state;
	uint64_t generation; /* of the store when `state` was found */
};

struct due;

struct script_set {
	struct script_host *host;
	struct arena arena; /* names, texts, definitions */
	uint64_t hash;      /* of the bundle */
	bool sealed;        /* all scripts are loaded */
	bool bound;         /* the metrics are real */
	bool replaying;
	struct script **scripts; /* owned; in the order of their paths */
	uint32_t count;
	struct script_metric **metrics;
	uint32_t metric_count;
	size_t metric_cap;
	struct module *modules; /* in the arena */
	uint32_t module_count;
	struct type_slot types[TYPES_MAX];
	uint32_t type_count;
	struct table type_table; /* by hash */
	bool any_filter, any_handler_for_all;
	struct due *due; /* room for all timers; owned */
	uint32_t timer_count;

	/* The frame under way. */
	uint64_t seq;
	const struct batch *batch; /* whose types `batch_slots` speaks of */
	uint16_t *batch_slots;     /* by type of the batch: slot + 1; 0: not looked up. Owned */
	uint32_t batch_slot_count;
	size_t batch_slot_cap;
	uint16_t *slots; /* of the frame's records. Owned */
	size_t slot_cap;
	bool traced;           /* the registry was told of a trace */
	struct batch *emitted; /* what waits; record.index is the depth. Owned */
	uint32_t emit_at;      /* the next one to run */
	uint32_t emits_in_frame;
	bool draining;  /* emitted events are being run */
	uint32_t depth; /* of the record at hand; 0: it came from outside */

	const struct script_cut *expected; /* borrowed */
	uint32_t expected_count;
	struct script_totals totals;
};

struct strike {
	uint64_t script; /* hash of its path, fixed seed */
	int64_t time_ns;
};

struct script_host {
	struct script_options options;
	struct registry *registry;
	struct watchdog *watchdog;
	struct watch watch; /* of the engine thread */
	struct state_store *states;
	int64_t now_ns;             /* engine time of the last frame; 0: there was none */
	struct script_set *current; /* bound */
	struct strike *strikes;     /* of handlers, oldest first; owned */
	uint32_t strike_count;
	size_t strike_cap;
	uint64_t starved; /* calls that ended for want of memory in the machine */
	bool restored;    /* script_state_load gave time and strikes: the next bind keeps them */
};

/* The script that a state belongs to. */
static inline struct script *script_of(lua_State *L)
{
	void *ud;

	lua_getallocf(L, &ud);
	return ud;
}

/* ---- fail.c: errors that name script and line ---- */

/* Writes "scripts/metrics/cost.lua:12: " for the line of the script that is being executed; where a tail call hides it, the line where the handler begins; where there is neither,
 * the script's path. `out` has WHERE_MAX bytes. */
void script_where(lua_State *L, char *out);

/* The text of an error as people get to see it: with a place in front where it has none (the stock library finds none in a tail call, and
 * error(…, 0) wants none). May point into `buf` of LOCATED_MAX bytes. */
enum { LOCATED_MAX = WHERE_MAX + 1024 };
struct slice script_located(const struct script *s, struct slice text, char *buf);

/* Raises an error with that place in front. */
_Noreturn int script_raise(lua_State *L, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Remembers in script->cut_at the line that is being executed, unless an earlier one is there. Allocates nothing: the allocator calls it, too. */
void script_note_cut(lua_State *L, struct script *s);

/* Raises what ends a call that is cut off, and remembers where that was. */
_Noreturn int script_raise_cut(lua_State *L);

/* Raises if the script may not use `what` now: changes are for handlers. */
void script_check_changes(lua_State *L, const struct script *s, const char *what);
/* The same for what is for the top level. */
void script_check_loading(lua_State *L, const struct script *s, const char *what);
/* Reports a wrong use of what a handler was given, also where the script catches the error (script_options.on_misuse), and raises. */
_Noreturn void script_misused(lua_State *L, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Raises if C functions and Lua code have called each other so deeply that the C stack may run out. */
void script_check_stack(lua_State *L);

/* Room in the set's arena, for what a script's top level defines. It lies outside of the Lua heap, so it has a bound of its own: beyond KEPT_MAX bytes of one script, and
 * when memory is out, it raises. `what` begins the message. */
void *script_keep_room(lua_State *L, size_t size, const char *what);
/* A copy there, NUL-terminated. */
struct slice script_keep(lua_State *L, struct slice s, const char *what);

/* Pushes the compiled text and returns 0, or pushes what is wrong and returns Lua's status. Bytecode is refused. `chunk` is "@path" or "=name". */
int script_load_text(lua_State *L, struct slice text, const char *chunk);

/* ---- sandbox.c: states ---- */

/* Opens the script's state with its library. 0, or a negative errno with a sentence. */
int sandbox_open(struct script *s, struct error *err);
/* Lets the collector wait again when little memory is used. */
void sandbox_ease(struct script *s);
/* Runs the file's top level. 0, or a negative errno with "file:line: …". The script is entered. */
int sandbox_run_file(struct script *s, struct slice text, struct error *err);

/* Libraries: each adds to the table on top of the stack. */
void lib_base_open(lua_State *L);      /* globals */
void lib_base_core(lua_State *L);      /* what the Lua half gets */
void lib_string_open(lua_State *L);    /* string */
void lib_coroutine_open(lua_State *L); /* coroutine */
void lib_os_open(lua_State *L);        /* os */
void lib_math_open(lua_State *L);      /* math */
void lib_state_open(lua_State *L);     /* globals */
void lib_log_open(lua_State *L);       /* globals: log */
void lib_log_core(lua_State *L);       /* the Lua half: print */
void lib_emit_open(lua_State *L);      /* globals */
void lib_register_open(lua_State *L);  /* globals: on, filter, every */
void lib_metric_open(lua_State *L);    /* metatables of bound metrics; leaves the stack as it is */
void metric_define_open(lua_State *L); /* the Lua half: define */

/* Pushes the table of a metric's methods. */
void metric_push_methods(lua_State *L, struct script_metric *m);

/* ---- run.c ---- */

/* From now on the calling thread runs the state, within limits; until script_leave. */
void script_enter(struct script *s, struct watch *watch, enum phase phase, int64_t limit_ns);
void script_leave(struct script *s);
/* What a call may take. */
int64_t script_limit_ns(const struct script *s);
/* Collects garbage after the memory limit was reached. */
void script_collect(struct script *s);
/* The text of the error on top of the stack. */
struct slice script_error_text(lua_State *L);
/* Runs the script over what the cursor says, and what it emits. */
void script_run(struct script *s, struct cursor *c);
int script_runner(lua_State *L);
void script_quarantine(struct script *s, struct slice reason);

/* Memory is out, though not in the Lua heap, which sees to itself: ends the call for good, as a refusal there does. No pcall holds it, so that a replay can
 * end the call at the same place. At the top level: ends the load with -ENOMEM. */
_Noreturn int script_starve(lua_State *L);

/* Ends the call: it has made as many effects as it may. */
_Noreturn void script_cut_here(lua_State *L);

/* Counts a change. Every function that changes something outside of Lua calls it after the change, last. */
static inline void script_effect(lua_State *L, struct script *s)
{
	if (__builtin_expect(++s->effects == s->cut_after, 0))
		script_cut_here(L);
}

/* For loops in C, in which the hook cannot raise: ends the call if it is to end. */
static inline void script_check_stopped(lua_State *L)
{
	const struct watch *watch = script_of(L)->watch;

	if (watch != NULL && watch_stopped(watch))
		script_raise_cut(L);
}

/* When what is at hand happened. */
static inline int64_t script_time_ns(const struct script *s)
{
	return s->record != NULL ? s->record->time_ns : trace_view_time(s);
}

/* ---- register.c ---- */

/* Makes the script's view for a slot, if it has handlers for the type (an empty name: only those for all; of SLOT_SPAN: those for spans). 0 or -ENOMEM. */
int script_add_view(struct script *s, uint32_t slot, struct slice type);

/* ---- apply.c ---- */

/* The slot of a type, added if new. 0, -ENOMEM; the caller has checked that there is room. */
int set_add_type(struct script_set *set, struct slice name, uint16_t *slot);
/* The slot of a record's type. */
uint16_t set_slot(struct script_set *set, const struct record *r);
/* All scripts are loaded: makes their views and room for their timers' turns. 0 or -ENOMEM. */
int set_seal(struct script_set *set);
/* No record with a trace is at hand any more. */
static inline void set_untrace(struct script_set *set)
{
	if (set->traced)
		registry_set_exemplar(set->host->registry, (struct slice){NULL, 0}, (struct slice){NULL, 0}, 0);
	set->traced = false;
}

/* Do emitted events wait? */
bool emits_wait(const struct script_set *set);
/* Runs them, and what they emit. */
void emits_run(struct script_set *set);

/* The view of the script for the cursor's record, or NULL. */
static inline struct view *cursor_view(const struct script *s, const struct cursor *c)
{
	return s->views[c->slots != NULL ? c->slots[c->at] : set_slot(s->set, c->records[c->at])];
}

/* ---- host.c ---- */

/* Notes that a call was cut off; returns how many were, of this script, within a minute of engine time. */
uint32_t host_strike(struct script_host *h, const char *path);

#endif
