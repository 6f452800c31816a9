/* Errors of scripts: "scripts/metrics/cost.lua:12: what is wrong".
 *
 * lua_error unwinds C frames without running anything in them: whoever raises owns nothing but what Lua or an arena owns. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "script/internal.h"

enum { LEVELS = 16 }; /* of calls that are looked at for a line */

/* The marker that cut-off calls are unwound with; what it is does not matter, since the hook raises it again and again. */
static const char cut_marker;

/* Does the frame run a script's Lua function (not one of moongate's Lua half, nor a C function)? */
static bool frame_of_script(lua_State *L, lua_Debug *ar)
{
	return lua_getinfo(L, "Sl", ar) != 0 && ar->currentline > 0 && ar->source[0] == '@';
}

/* Finds the innermost line of a script that is being executed. */
static bool find_line(lua_State *L, lua_Debug *ar)
{
	for (int level = 0; level < LEVELS && lua_getstack(L, level, ar) != 0; level++) {
		if (frame_of_script(L, ar))
			return true;
	}
	return false;
}

/* Without a line: where the handler begins, or the script. */
static void where_begun(const struct script *s, char *out)
{
	if (s->handler != NULL)
		snprintf(out, WHERE_MAX, "%s: in the handler that begins there: ", s->handler->where);
	else
		snprintf(out, WHERE_MAX, "%s: ", s->path);
}

void script_where(lua_State *L, char *out)
{
	lua_Debug ar;

	if (find_line(L, &ar))
		snprintf(out, WHERE_MAX, "%s:%d: ", ar.source + 1, ar.currentline);
	else
		where_begun(script_of(L), out);
}

/* Does the text name a line of a file, "conf/prices.lua:12:", at all? */
static bool names_a_line(struct slice text)
{
	static const char mark[] = ".lua:";

	for (size_t i = 0; i + sizeof mark - 1 < text.len; i++) {
		if (memcmp(text.ptr + i, mark, sizeof mark - 1) == 0 && text.ptr[i + sizeof mark - 1] >= '0' &&
		    text.ptr[i + sizeof mark - 1] <= '9')
			return true;
	}
	return false;
}

struct slice script_located(const struct script *s, struct slice text, char *buf)
{
	if (names_a_line(text))
		return text;
	where_begun(s, buf);
	size_t at = strlen(buf);
	size_t len = text.len < LOCATED_MAX - 1 - at ? text.len : LOCATED_MAX - 1 - at;
	memcpy(buf + at, text.ptr, len);
	return slice_new(buf, at + len);
}

void script_note_cut(lua_State *L, struct script *s)
{
	lua_Debug ar;

	if (s->cut_at[0] != '\0')
		return;
	if (find_line(L, &ar))
		snprintf(s->cut_at, sizeof s->cut_at, "%s:%d", ar.source + 1, ar.currentline);
	else
		snprintf(s->cut_at, sizeof s->cut_at, "%s", s->handler != NULL ? s->handler->where : s->path);
}

int script_raise(lua_State *L, const char *format, ...)
{
	char text[WHERE_MAX + 1024];

	script_where(L, text);
	size_t at = strlen(text);
	va_list args;
	va_start(args, format);
	vsnprintf(text + at, sizeof text - at, format, args);
	va_end(args);
	lua_pushstring(L, text);
	lua_error(L);
	__builtin_unreachable();
}

int script_raise_cut(lua_State *L)
{
	script_note_cut(L, script_of(L));
	lua_pushlightuserdata(L, (void *)(uintptr_t)&cut_marker);
	lua_error(L);
	__builtin_unreachable();
}

void script_misused(lua_State *L, const char *format, ...)
{
	const struct script_options *o = &script_of(L)->host->options;
	char text[2 * WHERE_MAX];
	va_list args;

	script_where(L, text);
	size_t at = strlen(text);
	va_start(args, format);
	size_t end = at + (size_t)vsnprintf(text + at, sizeof text - at, format, args);
	va_end(args);
	if (o->on_misuse != NULL)
		o->on_misuse(o->ctx, slice_new(text, end < sizeof text ? end : sizeof text - 1));
	script_raise(L, "%s", text + at);
}

void script_check_changes(lua_State *L, const struct script *s, const char *what)
{
	if (s->phase == PHASE_CALL)
		return;
	if (s->phase == PHASE_FILTER)
		script_raise(L, "%s: a filter changes its record and nothing else", what);
	script_raise(L, "%s: only handlers and every() may do that", what);
}

void script_check_loading(lua_State *L, const struct script *s, const char *what)
{
	if (s->phase != PHASE_LOAD)
		script_raise(L, "%s is for the top level of a script", what);
}

void *script_keep_room(lua_State *L, size_t size, const char *what)
{
	struct script *s = script_of(L);

	if (size > KEPT_MAX || s->kept > KEPT_MAX - size)
		script_raise(L, "%s: the names and definitions of a script may hold %d MiB", what, KEPT_MAX >> 20);
	void *at = arena_alloc(&s->set->arena, size);
	if (at == NULL)
		script_starve(L);
	s->kept += size;
	return at;
}

struct slice script_keep(lua_State *L, struct slice s, const char *what)
{
	char *copy = script_keep_room(L, s.len + 1, what);

	if (s.len != 0)
		memcpy(copy, s.ptr, s.len);
	copy[s.len] = '\0';
	return slice_new(copy, s.len);
}

void script_check_stack(lua_State *L)
{
	const char *here = __builtin_frame_address(0);

	if (script_of(L)->stack - here > STACK_MAX)
		script_raise(L, "calls are nested too deeply (coroutines, gsub, format)");
}
