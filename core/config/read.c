/* conf/moongate.lua: run in a Lua state that has nothing but tables, strings and mathematics, bounded in time and memory; the table that it returns is taken
 * apart key by key against the table of options.
 *
 * A Lua table does not know where its fields were written. For messages the line is found by looking for the key's name, followed by `=`, in the text; comments and strings are
 * skipped, and of a key in a section the section's own line is sought first. Where that fails the message names the key alone. */
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <luajit.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/reserve.h"
#include "config/options.h"

enum { FILE_MAX = 1 << 20, MEMORY_MAX = 16 << 20, HOOK_EVERY = 10 };
/* What lua_newstate takes is 12 KiB. It is reserved, because lua_newstate ends in a null pointer when memory is refused half-way (LuaJIT's issue 1248). */
enum { STATE_BYTES = 16 << 10 };

/* Of CPU, so that a busy machine refuses nobody's file. One instruction between two looks may copy what the memory holds: hence few instructions. */
#define TIME_MAX_NS (50 * NS_PER_MS)

struct reading {
	struct config *config;
	const char *path;
	struct slice text;
	struct error *err;
	struct reserve reserve; /* what the state is made in */
	size_t memory;
	bool starved;        /* the machine had no memory, whatever became of that in Lua */
	int64_t deadline_ns; /* of clock_cpu_ns */
	int code;            /* what taking the table apart gave */
};

static void *allocate(void *ud, void *ptr, size_t old, size_t size)
{
	struct reading *r = ud;
	if (size == 0) {
		r->memory -= old;
		return reserve_realloc(&r->reserve, ptr, old, 0);
	}
	if (size > old && r->memory + size - old > MEMORY_MAX)
		return NULL;
	void *p = reserve_realloc(&r->reserve, ptr, old, size);
	r->starved |= p == NULL;
	if (p != NULL)
		r->memory += size - old;
	return p;
}

/* ---- where a key stands ---- */

static bool is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Behind the comment or string that begins at `at`, or `at` when none does. Long brackets are taken without their level: enough for finding a line. */
static size_t skip_opaque(struct slice t, size_t at)
{
	if (t.ptr[at] == '-' && at + 1 < t.len && t.ptr[at + 1] == '-') {
		while (at < t.len && t.ptr[at] != '\n')
			at++;
		return at;
	}
	if (t.ptr[at] != '"' && t.ptr[at] != '\'')
		return at;
	char quote = t.ptr[at++];
	while (at < t.len && t.ptr[at] != quote && t.ptr[at] != '\n')
		at += t.ptr[at] == '\\' ? 2 : 1;
	return at < t.len ? at + 1 : t.len;
}

/* The offset of `name =` at or behind `from`, or the text's length. */
static size_t find_key(struct slice t, size_t from, struct slice name)
{
	for (size_t at = from; at < t.len;) {
		size_t next = skip_opaque(t, at);
		if (next != at) {
			at = next;
			continue;
		}
		bool begins = is_name_byte(t.ptr[at]) && (at == 0 || !is_name_byte(t.ptr[at - 1]));
		if (begins && t.len - at > name.len && memcmp(t.ptr + at, name.ptr, name.len) == 0 &&
		    !is_name_byte(t.ptr[at + name.len])) {
			size_t behind = at + name.len;
			while (behind < t.len && (t.ptr[behind] == ' ' || t.ptr[behind] == '\t' ||
			                          t.ptr[behind] == '"' || t.ptr[behind] == ']'))
				behind++;
			if (behind < t.len && t.ptr[behind] == '=')
				return at;
		}
		at++;
	}
	return t.len;
}

/* The line of a full key, 0 when it cannot be told. */
static unsigned line_of(const struct reading *r, const char *key)
{
	const char *dot = strchr(key, '.');
	size_t at = 0;
	if (dot != NULL) {
		at = find_key(r->text, 0, slice_new(key, (size_t)(dot - key)));
		key = dot + 1;
	}
	at = find_key(r->text, at, slice_cstr(key));
	if (at >= r->text.len)
		return 0;
	unsigned line = 1;
	for (size_t i = 0; i < at; i++)
		line += r->text.ptr[i] == '\n';
	return line;
}

/* Puts file and line before the sentence. */
static int at_key(struct reading *r, const char *key, int code)
{
	unsigned line = line_of(r, key);
	if (line > 0)
		error_prefix(r->err, "%s:%u", r->path, line);
	else
		error_prefix(r->err, "%s", r->path);
	return code;
}

static int refuse(struct reading *r, const char *key, const char *found, const char *wanted)
{
	return at_key(r, key, error_set(r->err, -EINVAL, "%s: found %s, wanted %s", key, found, wanted));
}

static int unknown(struct reading *r, const char *key)
{
	const char *near = option_suggest(key);
	if (near != NULL && strcmp(near, key) != 0)
		error_set(r->err, -EINVAL, "%.100s: there is no such option; did you mean '%s'?", key, near);
	else
		error_set(r->err, -EINVAL, "%.100s: there is no such option", key);
	return at_key(r, key, -EINVAL);
}

/* ---- values ---- */

static int read_option(struct reading *r, lua_State *L, const struct option *o)
{
	int code;
	switch (lua_type(L, -1)) {
	case LUA_TNUMBER:
		code = option_set_number(r->config, o, lua_tonumber(L, -1), r->err);
		break;
	case LUA_TSTRING:
		if (o->type == OPTION_BOOL)
			return refuse(r, o->key, "a text", option_wanted(o));
		code = option_set_text(r->config, o, lua_tostring(L, -1), r->err);
		break;
	case LUA_TBOOLEAN:
		code = option_set_bool(r->config, o, lua_toboolean(L, -1), r->err);
		break;
	default: {
		char found[32];
		snprintf(found, sizeof found, "a %s", luaL_typename(L, -1));
		return refuse(r, o->key, found, option_wanted(o));
	}
	}
	if (code != 0)
		return at_key(r, o->key, code);
	unsigned line = line_of(r, o->key);
	r->config->lines[o - options] = line > 0 ? (int32_t)line : -1;
	return 0;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_sha256(const char *text, size_t len, uint8_t out[32])
{
	if (len != 64)
		return false;
	for (int i = 0; i < 32; i++) {
		int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* The items of the table on the stack's top when it is a list and nothing else, or −1: what has a name would be passed over, and a token that is passed over is worse than one
 * that is refused. */
static int list_length(lua_State *L)
{
	if (!lua_istable(L, -1))
		return -1;
	size_t length = lua_objlen(L, -1), count = 0;
	if (length > CONFIG_TOKENS_MAX)
		return -1;
	for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1))
		count++;
	for (size_t i = 1; i <= length; i++) {
		lua_rawgeti(L, -1, (int)i);
		bool there = !lua_isnil(L, -1);
		lua_pop(L, 1);
		if (!there)
			return -1;
	}
	return count == length ? (int)length : -1;
}

static int read_scopes(struct reading *r, lua_State *L, struct config_token *token)
{
	static const char *const names[] = {"ingest", "query", "admin"};
	int count = list_length(L);
	if (count < 0)
		return refuse(r, "tokens", "scopes that are no list",
		              "scopes = { \"ingest\", \"query\", \"admin\" } or some of them");
	for (int i = 1; i <= count; i++) {
		lua_rawgeti(L, -1, i);
		const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
		unsigned scope = 0;
		for (unsigned k = 0; k < 3; k++)
			scope |= strcmp(name, names[k]) == 0 ? 1u << k : 0;
		lua_pop(L, 1);
		if (scope == 0)
			return refuse(r, "tokens", "an unknown scope", "\"ingest\", \"query\" or \"admin\"");
		token->scopes |= scope;
	}
	return token->scopes != 0 ? 0 : refuse(r, "tokens", "a token without scopes", "at least one scope");
}

/* A whole number of requests in a field of the token on the stack's top; none is 0. */
static int read_requests(struct reading *r, lua_State *L, const char *name, uint32_t *out)
{
	lua_getfield(L, -1, name);
	double v = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;
	bool none = lua_isnil(L, -1);
	lua_pop(L, 1);
	if (!none && !(v >= 1 && v <= CONFIG_RATE_MAX && v == (double)(uint32_t)v))
		return refuse(r, "tokens", "a token's rate or burst that is none",
		              "a whole number of requests from 1 to 1000000");
	*out = none ? 0 : (uint32_t)v;
	return 0;
}

static int read_rate(struct reading *r, lua_State *L, struct config_token *token)
{
	int code = read_requests(r, L, "rate", &token->rate);
	if (code == 0)
		code = read_requests(r, L, "burst", &token->burst);
	if (code == 0 && token->burst > 0 && token->rate == 0)
		return refuse(r, "tokens", "a token's burst without a rate", "rate = requests a second as well");
	return code;
}

static bool is_token_field(const char *key)
{
	static const char *const names[] = {"sha256", "scopes", "rate", "burst"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(key, names[i]) == 0)
			return true;
	}
	return false;
}

/* One { sha256 = …, scopes = { … } } on the stack's top. */
static int read_token(struct reading *r, lua_State *L, struct config_token *token)
{
	if (!lua_istable(L, -1))
		return refuse(r, "tokens", "an entry that is no table", "{ sha256 = \"…\", scopes = { … } }");
	for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
		const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
		if (!is_token_field(key))
			return refuse(r, "tokens", "an unknown field in a token", "sha256, scopes, rate and burst");
	}
	size_t len = 0;
	lua_getfield(L, -1, "sha256");
	const char *hex = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : "";
	bool fine = parse_sha256(hex, len, token->sha256);
	lua_pop(L, 1);
	if (!fine)
		return refuse(r, "tokens", "a sha256 that is none",
		              "64 hexadecimal digits, as sha256sum prints them for the token's text");
	lua_getfield(L, -1, "scopes");
	int code = read_scopes(r, L, token);
	lua_pop(L, 1);
	return code == 0 ? read_rate(r, L, token) : code;
}

/* Is the last of the first `count` tokens among those before it? Which of the two holds would be anyone's guess. */
static bool is_repeated(const struct config_token *tokens, int count)
{
	for (int i = 0; i < count - 1; i++) {
		if (memcmp(tokens[i].sha256, tokens[count - 1].sha256, sizeof tokens->sha256) == 0)
			return true;
	}
	return false;
}

static int read_tokens(struct reading *r, lua_State *L)
{
	int count = list_length(L);
	if (count < 0)
		return refuse(r, "tokens", "no list, or a too long one", "a list of at most 256 tokens");
	mem_free(r->config->tokens);
	r->config->tokens = mem_zalloc((size_t)count + 1, sizeof *r->config->tokens);
	r->config->token_count = 0;
	if (r->config->tokens == NULL)
		return error_set(r->err, -ENOMEM, "out of memory for the configuration");
	for (int i = 1; i <= count; i++) {
		lua_rawgeti(L, -1, i);
		int code = read_token(r, L, &r->config->tokens[i - 1]);
		lua_pop(L, 1);
		if (code != 0)
			return code;
		if (is_repeated(r->config->tokens, i))
			return refuse(r, "tokens", "the same sha256 twice", "each token once");
		r->config->token_count++;
	}
	return 0;
}

static bool is_section(const char *name)
{
	size_t len = strlen(name);
	for (size_t i = 0; i < option_count; i++) {
		if (strncmp(options[i].key, name, len) == 0 && options[i].key[len] == '.')
			return true;
	}
	return false;
}

static int read_table(struct reading *r, lua_State *L, const char *section);

/* The field on the stack's top, whose key lies below it. */
static int read_field(struct reading *r, lua_State *L, const char *section)
{
	char key[256];
	if (lua_type(L, -2) != LUA_TSTRING)
		return error_set(r->err, -EINVAL,
		                 "%s: %s has an entry without a name; options are written name = value", r->path,
		                 *section != '\0' ? section : "the table");
	size_t len;
	const char *name = lua_tolstring(L, -2, &len);
	snprintf(key, sizeof key, "%.60s%s%.100s", section, *section != '\0' ? "." : "", name);
	/* One spelling for each: were "http.body_bytes" one as well, which of two values holds would be a matter of luck. */
	if (strchr(name, '.') != NULL || strlen(name) != len)
		return unknown(r, key);
	if (strcmp(key, "tokens") == 0)
		return read_tokens(r, L);
	const struct option *o = option_find(key);
	if (o != NULL)
		return read_option(r, L, o);
	if (*section != '\0' || !is_section(key))
		return unknown(r, key);
	if (!lua_istable(L, -1)) {
		char found[32];
		snprintf(found, sizeof found, "a %s", luaL_typename(L, -1));
		return refuse(r, key, found, "a table of options");
	}
	return read_table(r, L, key);
}

/* The table on the stack's top. */
static int read_table(struct reading *r, lua_State *L, const char *section)
{
	char own[128]; /* the name lies in a Lua string that stays alive, but is short: kept here */
	snprintf(own, sizeof own, "%s", section);
	for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
		int code = read_field(r, L, own);
		if (code != 0)
			return code;
	}
	return 0;
}

/* ---- running the file ---- */

static void on_count(lua_State *L, lua_Debug *ar)
{
	void *ud;
	lua_getallocf(L, &ud);
	struct reading *r = ud;
	if (clock_cpu_ns() <= r->deadline_ns)
		return;
	lua_getinfo(L, "l", ar);
	luaL_error(L, "%s:%d: the configuration takes more than 50 ms of CPU time", r->path, ar->currentline);
}

static void open_library(lua_State *L, lua_CFunction open, const char *name)
{
	lua_pushcfunction(L, open);
	lua_pushstring(L, name);
	lua_call(L, 1, 0);
}

static void remove_field(lua_State *L, const char *table, const char *name)
{
	lua_getglobal(L, table);
	lua_pushnil(L);
	lua_setfield(L, -2, name);
	lua_pop(L, 1);
}

/* Runs protected: everything in here may raise. */
static int run(lua_State *L)
{
	struct reading *r = lua_touserdata(L, 1);
	luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
	open_library(L, luaopen_string, "string");
	open_library(L, luaopen_table, "table");
	open_library(L, luaopen_math, "math");
	/* What C does in one call cannot be interrupted by the count. */
	remove_field(L, "string", "rep");
	remove_field(L, "string", "dump");
	remove_field(L, "string", "find");
	remove_field(L, "string", "match");
	remove_field(L, "string", "gmatch");
	remove_field(L, "string", "gsub");
	remove_field(L, "table", "sort");
	char name[600];
	snprintf(name, sizeof name, "@%s", r->path);
	if (luaL_loadbuffer(L, r->text.ptr, r->text.len, name) != 0)
		return lua_error(L);
	r->deadline_ns = clock_cpu_ns() + TIME_MAX_NS;
	lua_sethook(L, on_count, LUA_MASKCOUNT, HOOK_EVERY);
	lua_call(L, 0, 1);
	lua_sethook(L, NULL, 0, 0);
	if (!lua_istable(L, -1))
		return luaL_error(L, "%s: found a %s, wanted the file to return a table of options", r->path,
		                  luaL_typename(L, -1));
	r->code = read_table(r, L, "");
	return 0;
}

static int run_text(struct reading *r)
{
	lua_State *L = reserve_open(&r->reserve, STATE_BYTES) == 0 ? lua_newstate(allocate, r) : NULL;
	reserve_close(&r->reserve);
	int code = 0;
	int status = L != NULL ? lua_cpcall(L, run, r) : LUA_ERRMEM;
	if (L == NULL || (status != 0 && r->starved))
		code = error_set(r->err, -ENOMEM, "%s: out of memory for the configuration", r->path);
	else if (status == LUA_ERRMEM)
		code = error_set(r->err, -ENOMEM, "%s: the configuration wants more than 16 MiB of memory", r->path);
	else if (status != 0)
		code = error_set(r->err, -EINVAL, "%s",
		                 lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "the configuration failed");
	else
		code = r->code;
	if (L != NULL)
		lua_close(L);
	reserve_deinit(&r->reserve);
	return code;
}

/* Keeps where the file is. */
static int keep_path(struct config *c, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash == NULL ? mem_strndup(".", 1) : mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
	char *file = mem_strndup(path, strlen(path));
	if (dir == NULL || file == NULL) {
		mem_free(dir);
		mem_free(file);
		return -ENOMEM;
	}
	mem_free(c->conf_dir);
	mem_free(c->file);
	c->conf_dir = dir;
	c->file = file;
	return 0;
}

int config_read(struct config *c, const char *path, struct error *err)
{
	struct error local = {0};
	struct buf b = {0};
	int code = file_read_all(path, FILE_MAX, &b, &local);
	if (code == 0) {
		struct reading r = {.config = c, .path = path, .text = buf_slice(&b), .err = &local};
		if (b.len > 0 && b.ptr[0] == 0x1b)
			code = error_set(&local, -EINVAL, "%s: found bytecode, wanted Lua source", path);
		else
			code = run_text(&r);
	}
	buf_free(&b);
	if (code == 0 && keep_path(c, path) != 0)
		code = error_set(&local, -ENOMEM, "out of memory for the configuration");
	if (code != 0) {
		config_deinit(c);
		if (config_init(c) != 0)
			code = error_set(&local, -ENOMEM, "out of memory for the configuration");
		if (err != NULL)
			*err = local;
	}
	return code;
}
