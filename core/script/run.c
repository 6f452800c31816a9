/* Running a script over records: the calls, and what becomes of those that fail.
 *
 * One protected C function a script and frame (runner) makes the calls, each protected by itself; it returns early when something has to be done
 * outside of it (emitted events, a collection after a memory cut) and is entered again where it left off.
 *
 * A call that is cut off ends with an error that no pcall holds. Which call it was and how many effects it had made is all that a
 * replay needs to end it at the same place: changes are made by C functions, of which each counts one effect. */
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "script/internal.h"

enum {
	CALL_FIELDS = 6,
	ERROR_SHOWN_MAX = 4096, /* bytes of an error's text: it is a script's, and goes to the log */
	/* Reading the clock is a system call: of runs over so many records each fourth is timed, and counts for four, of shorter ones each 16th. */
	CPU_SAMPLE_RECORDS = 64,
	CPU_SAMPLE_LONG = 4,
	CPU_SAMPLE_SHORT = 16
};

#define REPLAY_LIMIT_NS (2 * NS_PER_S)

/* ---- entering and leaving a state ---- */

void script_enter(struct script *s, struct watch *watch, enum phase phase, int64_t limit_ns)
{
	s->watch = watch;
	s->phase = phase;
	s->stack = __builtin_frame_address(0);
	s->coroutines = 0;
	s->cut_at[0] = '\0';
	s->heap.refused = s->heap.starved = false;
	s->heap.capped = true;
	watch_begin(s->host->watchdog, watch, s->L, s->path, s->set->seq, limit_ns);
}

void script_leave(struct script *s)
{
	watch_end(s->host->watchdog, s->watch);
	sandbox_ease(s);
	s->heap.capped = false;
	s->phase = PHASE_IDLE;
	s->watch = NULL;
}

int64_t script_limit_ns(const struct script *s)
{
	return s->set->replaying ? REPLAY_LIMIT_NS : s->host->options.call_ms * NS_PER_MS;
}

static int collect(lua_State *L)
{
	lua_gc(L, LUA_GCCOLLECT, 0);
	return 0;
}

/* After a call has reached the memory limit: what it left behind would let the next ones fail, too. */
void script_collect(struct script *s)
{
	s->heap.refused = s->heap.starved = false;
	if (lua_cpcall(s->L, collect, NULL) != 0)
		lua_pop(s->L, 1); /* no memory for that either: the next call says so */
}

/* ---- strikes and quarantine ---- */

void script_quarantine(struct script *s, struct slice reason)
{
	const struct script_options *o = &s->host->options;
	size_t len = reason.len < sizeof s->reason ? reason.len : sizeof s->reason;

	if (s->stats.quarantined &&
	    !s->set->replaying) /* in a replay the journal's reason, which comes later, is the true one */
		return;
	memcpy(s->reason, reason.ptr, len);
	s->stats.quarantined = true;
	s->stats.reason = slice_new(s->reason, len);
	if (o->on_quarantine != NULL)
		o->on_quarantine(o->ctx, s->stats.script, s->stats.reason);
}

/* `what` happened to the call of s->handler, `at` a place. */
static void strike(struct script *s, const char *what, const char *at)
{
	char reason[SCRIPT_REASON_MAX];
	uint32_t strikes = host_strike(s->host, s->path);

	if (strikes < s->host->options.strikes)
		return;
	int len = snprintf(reason, sizeof reason, "%u calls cut off within a minute, the last one because %s at %s",
	                   strikes, what, at);
	script_quarantine(s, slice_new(reason, len < (int)sizeof reason ? (size_t)len : sizeof reason - 1));
}

/* ---- how calls end ---- */

/* The fields of a log line about the call under way: at most CALL_FIELDS. */
static uint32_t describe(const struct script *s, struct log_field *fields)
{
	const struct value *id = s->record != NULL ? record_known(s->record, KNOWN_ID) : NULL;
	uint32_t n = 0;

	fields[n++] = log_str("script", s->path);
	if (s->handler != NULL)
		fields[n++] = log_str("handler", s->handler->where);
	if (s->record != NULL)
		fields[n++] = log_slice("type", record_type_name(s->record));
	if (s->trace_view.trace != NULL)
		fields[n++] = log_str("trace_id", s->trace_view.trace_id);
	if (id != NULL && id->type == VALUE_STRING)
		fields[n++] = log_slice("id", slice_new(id->str, id->len));
	if (s->cut_at[0] != '\0')
		fields[n++] = log_str("at", s->cut_at);
	return n;
}

/* One kind of line a script, so that a noisy one does not use up the others' share of the log. */
static void log_call(const struct script *s, enum log_level level, const char *what, const char *name,
                     struct slice text)
{
	struct log_field fields[CALL_FIELDS + 1];
	char msg[WHERE_MAX];

	if (s->set->replaying)
		return; /* it was written when it happened */
	uint32_t n = describe(s, fields);
	fields[n++] = log_slice(name, text);
	int len = snprintf(msg, sizeof msg, "a call of %s %s", s->path, what);
	log_write(level, slice_new(msg, len < (int)sizeof msg ? (size_t)len : sizeof msg - 1), fields, n);
}

struct slice script_error_text(lua_State *L)
{
	struct slice text;

	if (lua_type(L, -1) != LUA_TSTRING)
		return SLICE("the error is no text");
	text.ptr = lua_tolstring(L, -1, &text.len);
	if (text.len > ERROR_SHOWN_MAX)
		text.len = ERROR_SHOWN_MAX;
	return text;
}

static void tell_failure(const struct script *s, struct slice text)
{
	const struct script_options *o = &s->host->options;

	if (o->on_failure != NULL)
		o->on_failure(o->ctx, text);
}

static void call_failed(struct script *s, struct slice error)
{
	char buf[LOCATED_MAX];
	struct slice text = script_located(s, error, buf);

	s->stats.errors++;
	tell_failure(s, text);
	log_call(s, LOG_ERROR, "failed", "error", text);
}

/* Was it the machine that had no memory, now or when the call was made first? */
static bool was_starved(const struct script *s)
{
	return s->heap.starved || s->cut_starved;
}

static void report_cut(struct script *s, uint32_t effects)
{
	const struct script_options *o = &s->host->options;
	struct script_cut cut = {
	    .script = s->stats.script,
	    .seq = s->set->seq,
	    .call = s->calls_in_frame - 1,
	    .effects = effects,
	    .starved = was_starved(s),
	};

	s->stats.cuts++;
	s->host->starved += s->heap.starved;
	if (o->on_cut != NULL)
		o->on_cut(o->ctx, &cut);
}

static void call_cut(struct script *s)
{
	const char *what = s->heap.starved              ? "the machine had no memory for it"
	                   : s->heap.refused            ? "it needed more memory than a script may have"
	                   : s->effects == s->cut_after ? "it was cut off there before"
	                                                : "it took longer than a call may";

	watch_disarm(s->host->watchdog, s->watch);
	report_cut(s, s->effects);
	if (s->cut_at[0] == '\0') /* told to end, it failed in that moment by itself */
		script_note_cut(s->L, s);
	log_call(s, LOG_WARN, "was cut off", "reason", slice_cstr(what));
	char text[2 * WHERE_MAX];
	snprintf(text, sizeof text, "%s: %s", s->cut_at, what);
	tell_failure(s, slice_cstr(text));
	if (!was_starved(s))
		strike(s, what, s->cut_at);
}

/* A cut that is repeated before its first effect: the call is not made. */
static void call_skipped(struct script *s)
{
	report_cut(s, 0);
	if (!was_starved(s))
		strike(s, "it was cut off there before", s->handler->where);
}

_Noreturn void script_cut_here(lua_State *L)
{
	struct script *s = script_of(L);

	watch_stop_now(s->host->watchdog, s->watch);
	script_raise_cut(L);
}

int script_starve(lua_State *L)
{
	heap_starve(&script_of(L)->heap);
	script_raise_cut(L);
}

/* ---- calls ---- */

static const struct script_cut *cut_of_call(const struct script *s, uint32_t call)
{
	const struct script_set *set = s->set;

	for (uint32_t i = 0; i < set->expected_count; i++) {
		const struct script_cut *c = &set->expected[i];
		if (c->seq == set->seq && c->call == call && slice_eq(c->script, s->stats.script))
			return c;
	}
	return NULL;
}

/* Counts a call. False: it is not to be made. */
static bool call_begin(struct script *s, const struct handler *h)
{
	uint32_t call = s->calls_in_frame++;

	s->handler = h;
	s->effects = 0;
	s->emits = 0;
	s->cut_at[0] = '\0';
	s->cut_after = NO_CUT;
	s->cut_starved = false;
	s->stats.calls++;
	watch_call(s->watch);
	if (!s->cuts_expected)
		return true;
	const struct script_cut *cut = cut_of_call(s, call);
	if (cut == NULL)
		return true;
	s->cut_after = cut->effects;
	s->cut_starved = cut->starved;
	return cut->effects != 0;
}

static void call_end(lua_State *L, struct script *s, int status)
{
	if (status == 0)
		return;
	if (watch_stopped(s->watch))
		call_cut(s);
	else
		call_failed(s, script_error_text(L));
	lua_settop(L, 0);
}

/* Histograms and counters may keep the record's trace as an exemplar. */
static void offer_trace(struct script_set *set, const struct record *r)
{
	const struct value *trace = record_known(r, KNOWN_TRACE_ID);
	const struct value *span = record_known(r, KNOWN_SPAN_ID);

	if (trace == NULL || trace->type != VALUE_STRING) {
		set_untrace(set);
		return;
	}
	registry_set_exemplar(set->host->registry, slice_new(trace->str, trace->len),
	                      span != NULL && span->type == VALUE_STRING ? slice_new(span->str, span->len)
	                                                                 : (struct slice){NULL, 0},
	                      r->time_ns);
	set->traced = true;
}

static void call_handler(lua_State *L, struct script *s, struct view *v, const struct handler *h,
                         const struct record *r)
{
	if (!call_begin(s, h)) {
		call_skipped(s);
		return;
	}
	s->record = r;
	s->view = v;
	offer_trace(s->set, r);
	int count = s->host->options.strict_events ? event_push_strict(L, v, r, h->ref) : event_push(L, v, r, h->ref);
	int status = lua_pcall(L, count, 0, 0);
	v->record = NULL;
	call_end(L, s, status);
	s->record = NULL;
	s->view = NULL;
}

static void call_timer(lua_State *L, struct script *s, const struct handler *h)
{
	if (!call_begin(s, h)) {
		call_skipped(s);
		return;
	}
	set_untrace(s->set); /* what a timer before has emitted may have had one */
	lua_rawgeti(L, LUA_REGISTRYINDEX, h->ref);
	call_end(L, s, lua_pcall(L, 0, 0, 0));
}

/* ---- traces ---- */

/* What the handler returned, on top of the stack. */
static void read_word(lua_State *L, struct script *s, struct trace_words *words)
{
	double p = lua_tonumber(L, -1);
	struct slice text = {"", 0};

	if (lua_type(L, -1) == LUA_TSTRING)
		text.ptr = lua_tolstring(L, -1, &text.len);
	if (lua_isnil(L, -1)) {
		return;
	} else if (slice_eq(text, SLICE("drop"))) {
		words->drop = true;
	} else if (slice_eq(text, SLICE("keep"))) {
		words->keep = true;
	} else if (lua_type(L, -1) == LUA_TNUMBER && p >= 0 && p <= 1) {
		words->drawn = true;
		words->probability = p > words->probability ? p : words->probability;
	} else {
		call_failed(s,
		            SLICE("on.trace: a handler returns nothing, \"keep\", \"drop\" or a number from 0 to 1"));
	}
}

static void offer_closed_trace(struct script *s)
{
	const struct trace_view *v = &s->trace_view;

	registry_set_exemplar(s->set->host->registry, slice_new(v->trace_id, 32), slice_new(v->root_id, 16),
	                      script_time_ns(s));
	s->set->traced = true;
}

static void call_trace(lua_State *L, struct script *s, const struct handler *h, const struct cursor *c)
{
	if (!call_begin(s, h)) {
		call_skipped(s);
		return;
	}
	trace_view_begin(L, s, c->trace, c->traces, c->words == NULL);
	offer_closed_trace(s);
	lua_rawgeti(L, LUA_REGISTRYINDEX, h->ref);
	trace_view_push(L, s);
	int status = lua_pcall(L, 1, 1, 0);
	if (status == 0 && c->words != NULL)
		read_word(L, s, c->words);
	call_end(L, s, status);
	trace_view_end(s);
	lua_settop(L, 0);
}

/* Must something be done outside before the next call? */
static bool must_return(const struct script *s)
{
	return s->stats.quarantined || s->heap.refused || (emits_wait(s->set) && !s->set->draining);
}

/* The handler that is next over the cursor's trace. */
static const struct handler *next_for_trace(const struct script *s, struct cursor *c)
{
	uint32_t i = c->at++;

	return c->timer != NULL ? c->timer : &s->traces.items[i];
}

/* The C function on the bottom of each state's stack: goes on where script->cursor stands. */
int script_runner(lua_State *L)
{
	struct script *s = script_of(L);
	struct cursor *c = s->cursor;

	/* Not within the cap: the collector shrinks the stack, and a script that has filled its memory would fail here, in no call, where a replay
	 * with other garbage would not. */
	s->heap.capped = false;
	luaL_checkstack(L, VIEW_FIELDS + 16, "out of memory");
	s->heap.capped = true;
	while (c->trace != NULL && c->at < c->count) {
		call_trace(L, s, next_for_trace(s, c), c);
		if (must_return(s))
			break;
	}
	if (c->trace != NULL)
		return 0;
	if (c->timer != NULL) {
		const struct handler *h = c->timer;
		c->timer = NULL;
		call_timer(L, s, h);
		return 0;
	}
	while (c->at < c->count) {
		struct view *v = cursor_view(s, c);
		if (v == NULL || c->handler == v->handler_count) {
			c->at++;
			c->handler = 0;
			continue;
		}
		const struct handler *h = &s->on.items[v->handlers[c->handler++]];
		call_handler(L, s, v, h, c->records[c->at]);
		if (must_return(s))
			break;
	}
	return 0;
}

/* The runner itself failed, outside of a handler: memory ran out while `ev` was being filled. */
static void runner_failed(struct script *s)
{
	if (s->view != NULL)
		s->view->record = NULL;
	if (watch_stopped(s->watch))
		call_cut(s);
	else
		call_failed(s, script_error_text(s->L));
	if (s->trace_view.trace != NULL)
		trace_view_end(s);
	s->record = NULL;
	s->view = NULL;
}

/* There was not even memory to begin: the call that is next is noted as cut off before its first effect, so that a replay passes it over, too. */
static void call_not_made(struct script *s)
{
	struct cursor *c = s->cursor;
	const struct handler *h = c->timer;

	if (c->trace != NULL)
		h = c->at < c->count ? next_for_trace(s, c) : NULL;
	else
		c->timer = NULL;
	while (h == NULL && c->trace == NULL && c->at < c->count) {
		struct view *v = cursor_view(s, c);
		if (v != NULL && c->handler < v->handler_count) {
			h = &s->on.items[v->handlers[c->handler++]];
			break;
		}
		c->at++;
		c->handler = 0;
	}
	if (h == NULL)
		return;
	call_begin(s, h);
	s->heap.starved |= !s->heap.refused;
	call_cut(s);
}

static void enter_runner(struct script *s)
{
	uint32_t calls = s->calls_in_frame;

	script_enter(s, &s->host->watch, PHASE_CALL, script_limit_ns(s));
	lua_pushvalue(s->L, STACK_RUNNER);
	if (lua_pcall(s->L, 0, 0, 0) != 0) {
		if (s->calls_in_frame == calls)
			call_not_made(s);
		else
			runner_failed(s);
	}
	lua_settop(s->L, STACK_RUNNER);
	script_leave(s);
	s->handler = NULL;
	if (s->heap.refused)
		script_collect(s);
}

static int64_t cpu_ns(void)
{
	return thread_cpu_ns(thread_cpu_clock());
}

void script_run(struct script *s, struct cursor *c)
{
	struct cursor *outer = s->cursor;
	struct script_set *set = s->set;
	uint32_t every = c->count >= CPU_SAMPLE_RECORDS ? CPU_SAMPLE_LONG : CPU_SAMPLE_SHORT;
	uint32_t weight = s->runs++ % every == 0 ? every : 0;
	int64_t began = weight != 0 ? cpu_ns() : 0;

	s->cursor = c;
	do {
		enter_runner(s);
		if (weight != 0)
			s->stats.cpu_seconds += (double)(cpu_ns() - began) * weight / 1e9;
		if (!set->draining)
			emits_run(set);
		if (weight != 0)
			began = cpu_ns();
	} while (c->at < c->count && !s->stats.quarantined);
	s->cursor = outer;
}
