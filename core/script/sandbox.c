/* Lua states for scripts: which parts of the library there are, and how a file is loaded.
 *
 * The globals are a new table into which is copied what is listed here; everything else of the standard library stays out of reach. What can run for
 * long, call back without bound, or tell of the machine is replaced by functions of our own, in C or in the Lua half (lib/). The
 * JIT compiler is off: compiled loops cannot be interrupted. */
#include <errno.h>
#include <luajit.h>
#include <lualib.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "script/embed.h"
#include "script/internal.h"

/* What lua_newstate takes, and the two functions that are run protected, is 12 KiB. It is reserved, because lua_newstate ends in a null pointer when memory is
 * refused half-way (LuaJIT's issue 1248). */
enum { STATE_BYTES = 16 << 10 };

/* Stock functions that scripts get, by library; "" is the globals. */
static const struct {
	const char *library;
	const char *names[32];
} stock[] = {
    {"",
     {"assert", "error", "getmetatable", "ipairs", "next", "pcall", "rawequal", "select", "setmetatable", "tonumber",
      "tostring", "type", "unpack", "_VERSION"}},
    {"string", {"byte", "char", "format", "len", "lower", "reverse", "sub", "upper"}},
    {"table", {"concat", "maxn", "move", "remove"}},
    {"math", {"abs",   "acos", "asin",  "atan", "atan2", "ceil", "cos",   "cosh", "deg", "exp",
              "floor", "fmod", "frexp", "huge", "ldexp", "log",  "log10", "max",  "min", "modf",
              "pi",    "pow",  "rad",   "sin",  "sinh",  "sqrt", "tan",   "tanh"}},
    {"bit", {"arshift", "band", "bnot", "bor", "bswap", "bxor", "lshift", "rol", "ror", "rshift", "tobit", "tohex"}},
    {"coroutine", {"create", "isyieldable", "running", "status", "yield"}},
    {"os", {NULL}},
};

/* Our half in Lua, in this order. */
static const char *const lua_half[] = {"base.lua", "metrics.lua", "sample.lua"};

/* Copies what scripts get from the stock table at `from` into the new table on top. */
static void copy_stock(lua_State *L, int from, const char *const *names)
{
	for (; *names != NULL; names++) {
		lua_getfield(L, from, *names);
		CHECK(!lua_isnil(L, -1));
		lua_setfield(L, -2, *names);
	}
}

/* Pushes a stock library's table, with what it needs opened. */
static void push_library(lua_State *L, const char *name)
{
	lua_getglobal(L, *name == '\0' ? "_G" : name);
	if (lua_isnil(L, -1)) { /* os is not even opened */
		lua_pop(L, 1);
		lua_newtable(L);
	}
}

/* Builds the new globals on top of the stack. */
static void build_globals(lua_State *L)
{
	lua_newtable(L);
	int globals = lua_gettop(L);

	for (size_t i = 0; i < sizeof stock / sizeof *stock; i++) {
		bool library = *stock[i].library != '\0';
		push_library(L, stock[i].library);
		if (library)
			lua_newtable(L);
		else
			lua_pushvalue(L, globals);
		copy_stock(L, lua_gettop(L) - 1, stock[i].names);
		if (library)
			lua_setfield(L, globals, stock[i].library);
		else
			lua_pop(L, 1);
		lua_pop(L, 1);
	}
	lua_pushvalue(L, globals);
	lua_setfield(L, globals, "_G");
}

/* Our own functions over the stock ones; the globals are on top. */
static void add_own(lua_State *L)
{
	static const struct {
		const char *library;
		void (*open)(lua_State *L);
	} own[] = {{"string", lib_string_open},
	           {"coroutine", lib_coroutine_open},
	           {"os", lib_os_open},
	           {"math", lib_math_open}};

	for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
		lua_getfield(L, -1, own[i].library);
		own[i].open(L);
		lua_pop(L, 1);
	}
	lua_getfield(L, -1, "unpack");
	lua_getfield(L, -2, "table");
	lua_insert(L, -2);
	lua_setfield(L, -2, "unpack");
	lua_pop(L, 1);
	lib_base_open(L);
	lib_state_open(L);
	lib_log_open(L);
	lib_emit_open(L);
	lib_register_open(L);
	lib_metric_open(L);
	lib_trace_open(L);
}

/* Methods of strings are those of the new string table; its metatable is out of reach. */
static void lock_strings(lua_State *L, int globals)
{
	lua_pushliteral(L, "");
	CHECK(lua_getmetatable(L, -1));
	lua_getfield(L, globals, "string");
	lua_setfield(L, -2, "__index");
	lua_pushliteral(L, "string");
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 2);
}

static const struct embedded_file *find_file(const char *name)
{
	for (const struct embedded_file *f = embedded_files; f->name != NULL; f++) {
		if (strcmp(f->name, name) == 0)
			return f;
	}
	CHECK(!"a file of core/script/lib is missing in the binary");
	return NULL;
}

/* Runs the Lua half with a table of what it needs, which scripts never see; pushes that table's function `finish`. */
static void run_lua_half(lua_State *L, int globals)
{
	char chunk[64];

	lua_newtable(L);
	lib_base_core(L);
	lib_log_core(L);
	metric_define_open(L);
	lua_pushvalue(L, globals);
	lua_setfield(L, -2, "globals");
	for (size_t i = 0; i < sizeof lua_half / sizeof *lua_half; i++) {
		const struct embedded_file *f = find_file(lua_half[i]);
		snprintf(chunk, sizeof chunk, "=moongate/%s", f->name);
		if (luaL_loadbuffer(L, f->bytes, f->len, chunk) != 0)
			lua_error(L);
		lua_pushvalue(L, -2);
		lua_call(L, 1, 0);
	}
	lua_getfield(L, -1, "finish");
	lua_replace(L, -2);
}

static void open_stock(lua_State *L)
{
	static const luaL_Reg libraries[] = {{"", luaopen_base},
	                                     {LUA_STRLIBNAME, luaopen_string},
	                                     {LUA_TABLIBNAME, luaopen_table},
	                                     {LUA_MATHLIBNAME, luaopen_math},
	                                     {LUA_BITLIBNAME, luaopen_bit},
	                                     {NULL, NULL}};

	for (const luaL_Reg *lib = libraries; lib->name != NULL; lib++) {
		lua_pushcfunction(L, lib->func);
		lua_pushstring(L, lib->name);
		lua_call(L, 1, 0);
	}
}

/* Protected. Leaves the runner and `finish` on the stack of the state. */
static int open_state(lua_State *L)
{
	lua_gc(L, LUA_GCSETSTEPMUL, 400);
	luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
	open_stock(L);
	build_globals(L);
	int globals = lua_gettop(L);
	add_own(L);
	lock_strings(L, globals);
	lua_pushvalue(L, globals);
	lua_replace(L, LUA_GLOBALSINDEX);
	run_lua_half(L, globals);
	lua_remove(L, globals);
	return 1;
}

/* Errors outside of protected code do not happen; should one, the line says where. */
static int panic(lua_State *L)
{
	LOG(LOG_FATAL, "Lua raised an error that nothing catches", log_str("script", script_of(L)->path),
	    log_slice("error", script_error_text(L)));
	return 0;
}

static int failed(struct script *s, const char *doing, struct error *err)
{
	struct slice text = script_error_text(s->L);
	int code = slice_eq(text, SLICE("not enough memory")) ? -ENOMEM : -EINVAL;

	return error_set(err, code, "%s: %s: %.*s", s->path, doing, SLICE_ARG(text));
}

static void on_refused(struct heap *heap)
{
	struct script *s = (struct script *)heap;

	if (s->watch == NULL)
		return;
	script_note_cut(s->L, s); /* the main thread's line: which coroutine asked is not known here */
	watch_stop_now(s->host->watchdog, s->watch);
}

/* Without an emergency collection garbage must not reach the cap. With a third of it used the collector begins anew as soon as it is through, which leaves 90 % of
 * the cap usable; below, it waits until the heap has doubled, which makes a typical handler twice as fast. */
static void set_pace(struct script *s, bool pressed)
{
	s->heap.mark = pressed ? SIZE_MAX : s->heap.cap / 3;
	lua_gc(s->L, LUA_GCSETPAUSE, pressed ? 100 : 200);
}

static void on_pressure(struct heap *heap)
{
	set_pace((struct script *)heap, true);
}

void sandbox_ease(struct script *s)
{
	if (s->heap.mark == SIZE_MAX && s->heap.used < s->heap.cap / 4)
		set_pace(s, false);
}

/* An eighth of the limit is left for what lies unused between malloc's blocks: what blocks of 10 KB, some freed and some kept, were seen to waste. */
int sandbox_open(struct script *s, struct error *err)
{
	s->heap.cap = ((size_t)s->host->options.memory_mb << 20) / 8 * 7;
	s->heap.mark = SIZE_MAX;
	s->heap.on_refused = on_refused;
	s->heap.on_pressure = on_pressure;
	if (reserve_open(&s->heap.reserve, STATE_BYTES) == 0)
		s->L = lua_newstate(heap_alloc, &s->heap);
	if (s->L == NULL)
		return error_set(err, -ENOMEM, "%s: out of memory for its Lua state", s->path);
	lua_atpanic(s->L, panic);
	set_pace(s, false);
	lua_State *L = s->L;
	lua_pushcfunction(L, script_runner);
	lua_pushcfunction(L, open_state);
	reserve_close(&s->heap.reserve); /* from here on everything that allocates is protected */
	if (lua_pcall(L, 0, 1, 0) != 0)
		return failed(s, "its library does not load", err);
	return 0; /* STACK_RUNNER, finish */
}

/* ---- files ---- */

/* What ended the top level, as a sentence with file and line. */
static int top_level_failed(struct script *s, int status, struct error *err)
{
	const struct script_options *o = &s->host->options;
	const char *at = s->cut_at[0] != '\0' ? s->cut_at : s->path;

	if (s->heap.starved)
		return error_set(err, -ENOMEM, "%s: out of memory while %s was loaded", at, s->path);
	if (s->heap.refused)
		return error_set(err, -EINVAL, "%s: loading %s takes more memory than a script may have (%u MiB)", at,
		                 s->path, o->memory_mb);
	if (watch_stopped(s->watch))
		return error_set(err, -EINVAL, "%s: loading %s takes longer than it may (%u ms)", at, s->path,
		                 o->load_ms);
	if (status == LUA_ERRMEM)
		return error_set(err, -ENOMEM, "%s: out of memory", s->path);
	char buf[LOCATED_MAX];
	return error_set(err, -EINVAL, "%.*s", SLICE_ARG(script_located(s, script_error_text(s->L), buf)));
}

/* Constructors that still wait for their tables are an error. The function `finish` is on top. */
static int finish(struct script *s, struct error *err)
{
	int status = lua_pcall(s->L, 0, 1, 0);

	if (status != 0)
		return top_level_failed(s, status, err);
	if (lua_isnil(s->L, -1))
		return 0;
	return error_set(err, -EINVAL, "%.*s", SLICE_ARG(script_error_text(s->L)));
}

int script_load_text(lua_State *L, struct slice text, const char *chunk)
{
	bool named = *chunk == '@' || *chunk == '=';

	if (text.len == 0 || text.ptr[0] != LUA_SIGNATURE[0])
		return luaL_loadbufferx(L, text.ptr, text.len, chunk, "t");
	lua_pushfstring(L, "%s: found bytecode, wanted Lua source", named ? chunk + 1 : chunk);
	return LUA_ERRSYNTAX;
}

/* A file on its way to being run. */
struct running {
	struct slice text;
	char chunk[WHERE_MAX];
};

/* Protected, and the compiling too: it catches its errors, but the step of the collector behind it does not. */
static int run_text(lua_State *L)
{
	const struct running *r = lua_touserdata(L, 1);

	if (script_load_text(L, r->text, r->chunk) != 0)
		lua_error(L);
	lua_call(L, 0, 0);
	return 0;
}

int sandbox_run_file(struct script *s, struct slice text, struct error *err)
{
	lua_State *L = s->L;
	struct running r = {.text = text};

	snprintf(r.chunk, sizeof r.chunk, "@%s", s->path);
	int status = lua_cpcall(L, run_text, &r);
	int rc = status != 0 ? top_level_failed(s, status, err) : finish(s, err);
	lua_settop(L, STACK_RUNNER);
	return rc;
}
