/* conf/moongate.lua: run in a Lua state that has nothing but tables, strings and mathematics, bounded in time and memory; the table that it returns is taken
 * apart key by key against the table of options. Where the line of a key cannot be found (lines.h) a message names the key alone. */
#include "config/read.h"

#include <errno.h>
#include <lauxlib.h>
#include <luajit.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "config/lines.h"

enum { FILE_MAX = 1 << 20, MEMORY_MAX = 16 << 20, HOOK_EVERY = 10 };
/* What lua_newstate takes is 12 KiB. It is reserved, because lua_newstate ends in a null pointer when memory is refused half-way (LuaJIT's issue 1248). */
enum { STATE_BYTES = 16 << 10 };

/* Of CPU, so that a busy machine refuses nobody's file. One instruction between two looks may copy what the memory holds: hence few instructions. */
#define TIME_MAX_NS (50 * NS_PER_MS)

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

/* ---- sentences ---- */

int read_at_key(struct reading *r, const char *key, int code)
{
	unsigned line =
	    r->list != NULL ? line_of_entry_key(r->text, r->list, r->entry, key) : line_of_key(r->text, key);
	if (r->list != NULL)
		error_prefix(r->err, "%s[%d]", r->list, r->entry);
	if (line > 0)
		error_prefix(r->err, "%s:%u", r->path, line);
	else
		error_prefix(r->err, "%s", r->path);
	return code;
}

int read_refuse(struct reading *r, const char *key, const char *found, const char *wanted)
{
	return read_at_key(r, key, error_set(r->err, -EINVAL, "%s: found %s, wanted %s", key, found, wanted));
}

/* What Prometheus calls options that are called otherwise here. */
static const char *prometheus_word(const char *key)
{
	static const char *const words[][2] = {
	    {"job_name", "job"},
	    {"static_configs", "targets"},
	    {"file_sd_configs", "files"},
	    {"scrape_interval", "interval"},
	    {"scrape_timeout", "timeout"},
	    {"metrics_path", "path"},
	    {"body_size_limit", "body_bytes"},
	    {"tls_config", "tls.ca"},
	    {"authorization", "bearer_token"},
	    {"tls.ca_file", "tls.ca"},
	    {"tls.cert_file", "tls.cert"},
	    {"tls.key_file", "tls.key"},
	    {"tls.insecure_skip_verify", "tls.insecure"},
	};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strcmp(words[i][0], key) == 0)
			return words[i][1];
	}
	return NULL;
}

static int unknown(struct reading *r, const char *key)
{
	const char *near = r->list != NULL ? prometheus_word(key) : NULL;
	if (near == NULL)
		near = option_suggest(r->table, key);
	if (near != NULL && strcmp(near, key) != 0)
		error_set(r->err, -EINVAL, "%.100s: there is no such option; did you mean '%s'?", key, near);
	else
		error_set(r->err, -EINVAL, "%.100s: there is no such option", key);
	return read_at_key(r, key, -EINVAL);
}

/* ---- values ---- */

static int read_option(struct reading *r, lua_State *L, const struct option *o)
{
	int code;
	if (o->type == OPTION_TEXTS)
		return read_texts(r, L, o);
	if (o->type == OPTION_PAIRS || o->type == OPTION_MULTIPAIRS)
		return read_pairs(r, L, o);
	switch (lua_type(L, -1)) {
	case LUA_TNUMBER:
		code = option_set_number(r->of, o, lua_tonumber(L, -1), r->err);
		break;
	case LUA_TSTRING:
		if (o->type == OPTION_BOOL)
			return read_refuse(r, o->key, "a text", option_wanted(o));
		code = option_set_text(r->of, o, lua_tostring(L, -1), r->err);
		break;
	case LUA_TBOOLEAN:
		code = option_set_bool(r->of, o, lua_toboolean(L, -1), r->err);
		break;
	default: {
		char found[32];
		snprintf(found, sizeof found, "a %s", luaL_typename(L, -1));
		return read_refuse(r, o->key, found, option_wanted(o));
	}
	}
	if (code != 0)
		return read_at_key(r, o->key, code);
	if (r->list != NULL)
		return 0;
	unsigned line = line_of_key(r->text, o->key);
	r->config->lines[o - options] = line > 0 ? (int32_t)line : -1;
	return 0;
}

int read_list_length(lua_State *L, size_t max)
{
	if (!lua_istable(L, -1))
		return -1;
	size_t length = lua_objlen(L, -1), count = 0;
	if (length > max)
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

const char *read_plain_text(lua_State *L)
{
	size_t len;
	const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
	return text != NULL && strlen(text) == len ? text : NULL;
}

static bool is_section(struct option_table table, const char *name)
{
	size_t len = strlen(name);
	for (size_t i = 0; i < table.count; i++) {
		if (strncmp(table.rows[i].key, name, len) == 0 && table.rows[i].key[len] == '.')
			return true;
	}
	return false;
}

/* The reader of a list of tables of the file. */
static int (*find_list(const struct reading *r, const char *key))(struct reading *r, lua_State *L)
{
	if (r->list != NULL)
		return NULL;
	if (strcmp(key, "tokens") == 0)
		return read_tokens;
	return strcmp(key, "scrape") == 0 ? read_scrapes : NULL;
}

/* The field on the stack's top, whose key lies below it. */
static int read_field(struct reading *r, lua_State *L, const char *section)
{
	char key[256];
	if (lua_type(L, -2) != LUA_TSTRING) {
		const char *table = *section != '\0' ? section : r->list != NULL ? "an entry" : "the table";
		error_set(r->err, -EINVAL, "%s has an entry without a name; options are written name = value", table);
		return r->list != NULL ? read_at_key(r, "", -EINVAL) : (error_prefix(r->err, "%s", r->path), -EINVAL);
	}
	size_t len;
	const char *name = lua_tolstring(L, -2, &len);
	snprintf(key, sizeof key, "%.60s%s%.100s", section, *section != '\0' ? "." : "", name);
	/* One spelling for each: were "http.body_bytes" one as well, which of two values holds would be a matter of luck. */
	if (strchr(name, '.') != NULL || strlen(name) != len)
		return unknown(r, key);
	int (*list)(struct reading *, lua_State *) = find_list(r, key);
	if (list != NULL)
		return list(r, L);
	const struct option *o = option_find(r->table, key);
	if (o != NULL)
		return read_option(r, L, o);
	if (*section != '\0' || !is_section(r->table, key))
		return unknown(r, key);
	if (!lua_istable(L, -1)) {
		char found[32];
		snprintf(found, sizeof found, "a %s", luaL_typename(L, -1));
		return read_refuse(r, key, found, "a table of options");
	}
	return read_table(r, L, key);
}

int read_table(struct reading *r, lua_State *L, const char *section)
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
		struct reading r = {.config = c,
		                    .path = path,
		                    .text = buf_slice(&b),
		                    .err = &local,
		                    .table = options_of_file(),
		                    .of = c};
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
