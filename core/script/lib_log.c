/* log.debug, log.info, log.warn, log.error and print: lines of moongate's own log. */
#include "base/log.h"

#include "script/internal.h"

enum {
	FIELDS_MAX = 16,
	NAME_MAX_LOG = 64,
	LINES_A_SECOND = 1000, /* of one script: sampling by message does not hold one back whose messages all differ */
	BYTES_A_SECOND = 1 << 20
};

/* A field's name is written as it is, so it is a plain one. */
static const char *check_name(lua_State *L, int index)
{
	size_t len;

	if (lua_type(L, index) != LUA_TSTRING)
		script_raise(L, "log: a field is named by a string, not by a %s", luaL_typename(L, index));
	const char *name = lua_tolstring(L, index, &len);
	bool plain = len > 0 && len <= NAME_MAX_LOG;
	for (size_t i = 0; i < len && plain; i++)
		plain = (name[i] | 0x20) >= 'a' ? (name[i] | 0x20) <= 'z' || name[i] == '_'
		                                : (name[i] >= '0' && name[i] <= '9') || name[i] == '.';
	if (!plain)
		script_raise(L, "log: a field's name has 1 to %d letters, digits, '_' or '.'", NAME_MAX_LOG);
	return name;
}

static struct log_field field_of(lua_State *L, const char *name, int index)
{
	struct slice text;

	switch (lua_type(L, index)) {
	case LUA_TSTRING:
		text.ptr = lua_tolstring(L, index, &text.len);
		return log_slice(name, text);
	case LUA_TNUMBER:
		return log_num(name, lua_tonumber(L, index));
	case LUA_TBOOLEAN:
		return log_bool(name, lua_toboolean(L, index));
	default:
		script_raise(L, "log: the field \"%s\" is a %s; strings, numbers and booleans can be logged", name,
		             luaL_typename(L, index));
	}
}

/* Reads the table at 2 into `fields`; its strings stay where they are. */
static uint32_t read_fields(lua_State *L, struct log_field *fields)
{
	uint32_t n = 0;

	event_refuse(L, 2, "log");
	lua_pushnil(L);
	while (lua_next(L, 2) != 0) {
		if (n == FIELDS_MAX)
			script_raise(L, "log: more than %d fields", FIELDS_MAX);
		const char *name = check_name(L, -2);
		fields[n++] = field_of(L, name, -1);
		lua_pop(L, 1);
	}
	return n;
}

static size_t text_bytes(struct slice msg, const struct log_field *fields, uint32_t n)
{
	size_t bytes = msg.len;

	for (uint32_t i = 0; i < n; i++)
		bytes += fields[i].type == LOG_FIELD_STR ? fields[i].str.len : 0;
	return bytes;
}

/* Takes a line from the script's share of the log. False: it has none left in this second. */
static bool take_share(struct script *s, size_t bytes)
{
	struct log_share *log = &s->log;
	int64_t second = clock_mono_ns() / NS_PER_S;

	if (log->second != second) {
		if (log->left_out != 0)
			LOG(LOG_WARN, "lines of a script were left out of the log", log_str("script", s->path),
			    log_int("lines", (int64_t)log->left_out));
		*log = (struct log_share){.second = second};
	}
	if (log->lines >= LINES_A_SECOND || log->bytes >= BYTES_A_SECOND) {
		log->left_out++;
		return false;
	}
	log->lines++;
	log->bytes += bytes;
	return true;
}

static void write_line(lua_State *L, enum log_level level, struct slice msg, struct log_field *fields, uint32_t n)
{
	struct script *s = script_of(L);

	if (s->set->replaying)
		return; /* it was written when it happened */
	if (!take_share(s, text_bytes(msg, fields, n)))
		return;
	fields[n] = log_str("script", s->path);
	log_write(level, msg, fields, n + 1);
}

/* Upvalue: the level. */
static int l_log(lua_State *L)
{
	enum log_level level = (enum log_level)lua_tointeger(L, lua_upvalueindex(1));
	struct log_field fields[FIELDS_MAX + 1];
	struct slice msg;
	uint32_t n = 0;

	msg.ptr = luaL_checklstring(L, 1, &msg.len);
	if (!lua_isnoneornil(L, 2)) {
		luaL_checktype(L, 2, LUA_TTABLE);
		n = read_fields(L, fields);
	}
	if (log_enabled(level))
		write_line(L, level, msg, fields, n);
	return 0;
}

/* Writes the text that the Lua half has made of print's arguments. */
static int l_print(lua_State *L)
{
	struct log_field fields[1];
	struct slice msg;

	msg.ptr = luaL_checklstring(L, 1, &msg.len);
	write_line(L, LOG_INFO, msg, fields, 0);
	return 0;
}

void lib_log_open(lua_State *L)
{
	static const struct {
		const char *name;
		enum log_level level;
	} levels[] = {{"debug", LOG_DEBUG}, {"info", LOG_INFO}, {"warn", LOG_WARN}, {"error", LOG_ERROR}};

	lua_createtable(L, 0, 4);
	for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
		lua_pushinteger(L, levels[i].level);
		lua_pushcclosure(L, l_log, 1);
		lua_setfield(L, -2, levels[i].name);
	}
	lua_setfield(L, -2, "log");
}

void lib_log_core(lua_State *L)
{
	lua_pushcfunction(L, l_print);
	lua_setfield(L, -2, "print");
}
