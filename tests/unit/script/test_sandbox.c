/* What a script can reach: exactly what the contract (core/script/lib/api.lua) says, by every path. */
#include "support.h"

#include "base/buf.h"
#include "base/file.h"

/* Every name that the contract declares or lists, one a line: "string.find". */
static void contract_names(struct buf *out)
{
	struct buf api = {0};
	struct error err = {0};

	assert_int_equal(file_read_all(SOURCE_ROOT "/core/script/lib/api.lua", 1 << 20, &api, &err), 0);
	buf_byte(&api, '\0');
	for (char *save = NULL, *line = strtok_r(api.ptr, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		char library[32];
		int at = 0;
		if (strncmp(line, "function ", 9) == 0 && line[9] >= 'a' && line[9] <= 'z') {
			buf_append(out, line + 9, strcspn(line + 9, "("));
			buf_byte(out, '\n');
		} else if (sscanf(line, "--- - `%31[a-zA-Z_]`: %n", library, &at) == 1 && at > 0) {
			char *inner = NULL;
			for (char *name = strtok_r(line + at, ", ", &inner); name != NULL;
			     name = strtok_r(NULL, ", ", &inner)) {
				if (strcmp(library, "_G") != 0)
					buf_printf(out, "%s.", library);
				buf_printf(out, "%s\n", name);
			}
		}
	}
	buf_byte(out, '\0');
	buf_free(&api);
	assert_false(buf_failed(out));
}

/* Walks all that a script can reach and compares the names with the contract's, which comes as a module. */
static void test_globals_are_the_contract(void **state)
{
	(void)state;
	struct world *w = world_new();
	struct buf names = {0};
	struct buf module = {0};

	contract_names(&names);
	buf_printf(&module, "return [[%s]]", names.ptr);
	buf_byte(&module, '\0');
	world_file(w, "conf/names.lua", "names", module.ptr);
	world_file(w, "scripts/metrics/t.lua", NULL,
	           "local want, have = {}, {}\n"
	           "for name in require('names'):gmatch('[^\\n]+') do want[name] = true end\n"
	           "for name, value in pairs(_G) do\n"
	           "  if type(value) ~= 'table' or name == '_G' or getmetatable(value) then have[name] = true end\n"
	           "  if type(value) == 'table' and name ~= '_G' then for inner in pairs(value) do have[name .. '.' .. "
	           "inner] = true end end\n"
	           "end\n"
	           "for name in pairs(want) do if not have[name] then error('the contract has ' .. name .. ', scripts "
	           "do not', 0) end end\n"
	           "for name in pairs(have) do if not want[name] then error('scripts reach ' .. name .. ', the "
	           "contract is silent', 0) end end\n");
	world_load(w);
	buf_free(&names);
	buf_free(&module);
	world_free(w);
}

/* Runs assertions at a script's top level. */
static void holds(const char *text)
{
	struct world *w = world_new();

	world_file(w, "scripts/metrics/t.lua", NULL, text);
	if (world_try_load(w) != 0)
		fail_msg("%s\nin: %s", w->err.text, text);
	world_free(w);
}

static void test_what_is_gone(void **state)
{
	(void)state;
	holds("for _, name in ipairs { 'debug', 'ffi', 'jit', 'package', 'io', 'newproxy', 'getfenv', 'setfenv', "
	      "'collectgarbage', 'dofile',\n"
	      "  'loadfile', 'module', 'gcinfo' } do assert(_G[name] == nil, name) end\n"
	      "for _, name in ipairs { 'execute', 'exit', 'getenv', 'remove', 'rename', 'setlocale', 'tmpname', "
	      "'clock' } do assert(os[name] == nil, name) end\n"
	      "assert(string.dump == nil and string.gfind == nil and table.foreach == nil and table.foreachi == nil "
	      "and table.getn == nil)\n");
	holds("for _, name in ipairs { 'ffi', 'jit', 'jit.util', 'debug', 'io', 'os', 'package', 'string', 'bit', "
	      "'table.new', '_G', '..prices', '/etc/passwd' } do\n"
	      "  local ok, e = pcall(require, name)\n"
	      "  assert(not ok and e:find('there is no module', 1, true), name)\n"
	      "end");
}

static void test_string_metatable_is_locked(void **state)
{
	(void)state;
	holds("assert(getmetatable('') == 'string')\n"
	      "assert(not pcall(setmetatable, '', {}))\n"
	      "assert(('x').dump == nil and ('abc'):find('b') == 2 and ('%d'):format(5) == '5')\n"
	      "assert(('x'):rep(3) == 'xxx' and ('x').nothing == nil)\n"
	      "string.twice = function(s) return s .. s end\n"
	      "assert(('ab'):twice() == 'abab')");
}

static void test_load_is_text_only(void **state)
{
	(void)state;
	holds("assert(load('return 1 + 1')() == 2)\n"
	      "assert(loadstring('return ...', '=x')(7) == 7)\n"
	      "x = 5 assert(load('return x')() == 5)\n"
	      "assert(load('return y', 'n', 't', { y = 3 })() == 3)\n"
	      "local parts = { 'return ', '4', nil } local i = 0\n"
	      "assert(load(function() i = i + 1 return parts[i] end)() == 4)\n"
	      "local f, e = load('return +') assert(f == nil and e:find(\"unexpected symbol\"))\n"
	      "local f, e = load('\\27LJ\\2\\2') assert(f == nil and e:find('found bytecode'))\n"
	      "local f, e = load('\\27LJ\\2\\2', 'x', 'b') assert(f == nil)\n"
	      "local ok, e = pcall(load, (' '):rep(65537)) assert(not ok and e:find('65537 bytes'))\n"
	      "local ok, e = pcall(load, function() return (' '):rep(1000) end) assert(not ok and e:find('more than "
	      "65536'))\n"
	      "local ok, e = pcall(load, function() return {} end) assert(not ok and e:find('gave a table'))\n"
	      "assert(not pcall(load, 5))");
}

static void test_rebuilt_functions(void **state)
{
	(void)state;
	holds(
	    "local ok, a, b = xpcall(function(x, y) return x, y end, print, 1, 2) assert(ok and a == 1 and b == 2)\n"
	    "local ok, e = xpcall(error, function(e) return 'handled ' .. tostring(e.x) end, { x = 5 }) assert(not ok "
	    "and e == 'handled 5')\n"
	    "local ok, e = xpcall(error, function() error('again') end, 'x') assert(not ok and e:find('again'))\n"
	    "local t = { 3, 1, 2 } table.sort(t) assert(table.concat(t, ',') == '1,2,3')\n"
	    "table.sort(t, function(a, b) return a > b end) assert(table.concat(t, ',') == '3,2,1')\n"
	    "local big = {} for i = 1, 1000 do big[i] = (i * 7919) % 1009 end table.sort(big)\n"
	    "for i = 2, 1000 do assert(big[i - 1] <= big[i]) end\n"
	    "local pairs_ = {} for i = 1, 100 do pairs_[i] = { i % 3, i } end\n"
	    "table.sort(pairs_, function(a, b) return a[1] < b[1] end)\n"
	    "for i = 2, 100 do local a, b = pairs_[i - 1], pairs_[i] assert(a[1] < b[1] or (a[1] == b[1] and a[2] < "
	    "b[2])) end\n"
	    "table.sort({ 1, 2, 3, 4, 5 }, function() return true end)\n"
	    "local ok, e = pcall(table.sort, { 1, 'x' }) assert(not ok and e == 'scripts/metrics/t.lua:12: table.sort: "
	    "attempt to compare string with number', e)\n"
	    "local ok, e = pcall(table.sort, { 1, 2 }, function() error('mine', 0) end) assert(e == 'mine')\n"
	    "local ok, e = pcall(table.sort, 5) assert(not ok)\n"
	    "local t = {} table.insert(t, 'b') table.insert(t, 1, 'a') table.insert(t, 3, 'c') assert(table.concat(t) "
	    "== 'abc')\n"
	    "for _, at in ipairs { 0, -2^31, 5, 1.5, 1e300, 0/0 } do assert(not pcall(table.insert, t, at, 'x')) end\n"
	    "assert(table.remove(t, 1) == 'a' and table.remove(t) == 'c' and #t == 1)\n"
	    "assert(table.unpack == unpack and select('#', unpack({}, 1, 3)) == 3)\n"
	    "assert(table.concat({ 1, 'a', 2.5 }, '-') == '1-a-2.5' and table.maxn { [7] = 1 } == 7)\n");
	holds("assert(string.format('%s|%5.2f|%q|%d', setmetatable({}, { __tostring = function() return 'T' end }), "
	      "1.5, 'x', 7) == 'T| 1.50|\"x\"|7')\n"
	      "local ok, e = pcall(string.format, '%d', 'x') assert(e == \"scripts/metrics/t.lua:2: bad argument #2 to "
	      "'format' (number expected, got string)\", e)\n"
	      "local ok, e = pcall(string.rep, 'x', 1e9) assert(e:find('too long'))\n"
	      "assert(('ab'):rep(3, '-') == 'ab-ab-ab' and ('x'):rep(0) == '' and (''):rep(1e15) == '')\n"
	      "assert(select('#', pcall(string.rep, 'x', 1e300)) == 2)");
	holds("local co = coroutine.create(function(a) local b = coroutine.yield(a + 1) error('x' .. b) end)\n"
	      "local ok, v = coroutine.resume(co, 1) assert(ok and v == 2 and coroutine.status(co) == 'suspended')\n"
	      "local ok, e = coroutine.resume(co, 'y') assert(not ok and e:find('xy') and coroutine.status(co) == "
	      "'dead')\n"
	      "local ok, e = coroutine.resume(co) assert(not ok and e == 'cannot resume dead coroutine')\n"
	      "local gen = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i, i * i) end return 'end' end)\n"
	      "local a, b = gen() assert(a == 1 and b == 1) gen() gen() assert(gen() == 'end' and not pcall(gen))\n"
	      "assert(not pcall(coroutine.resume, 5) and not pcall(coroutine.wrap, 5))\n"
	      "local function inside() return coroutine.running() ~= nil and coroutine.isyieldable() end\n"
	      "assert(coroutine.wrap(inside)() and not coroutine.isyieldable())\n"
	      "local self self = coroutine.create(function() return coroutine.resume(self) end)\n"
	      "local ok, inner = coroutine.resume(self) assert(ok and inner == false)");
}

static void test_time_and_chance(void **state)
{
	(void)state;
	struct world *w =
	    world_with("local seen = counter 'seen_total' { labels = { 'what' } }\n"
	               "on('x', function(ev)\n"
	               "  seen:inc(os.date('!%Y-%m-%dT%H:%M:%S', 0)) seen:inc('now ' .. os.date('!%H:%M:%S') .. ' ' .. "
	               "os.time())\n"
	               "  local t = os.date('!*t', 86400) seen:inc(('%d-%d-%d %d %d'):format(t.year, t.month, t.day, "
	               "t.wday, t.yday))\n"
	               "  seen:inc('back ' .. os.difftime(os.time(os.date('*t', 1e9)), 1e9))\n"
	               "  for _, bad in ipairs { '%', '%Q', '%5d', '%E' } do assert(not pcall(os.date, bad)) end\n"
	               "  assert(not pcall(os.date, '%c', 1e20) and not pcall(os.date, '%c', 0/0))\n"
	               "  assert(not pcall(os.time, { year = 2020 }) and not pcall(os.time, { year = 1e300, month = 1, "
	               "day = 1 }))\n"
	               "  assert(not pcall(math.randomseed, 5) and not pcall(math.random, 2, 1))\n"
	               "  for i = 1, 100 do local r = math.random() assert(r >= 0 and r < 1) end\n"
	               "  for i = 1, 100 do local r = math.random(6) assert(r >= 1 and r <= 6 and r % 1 == 0) end\n"
	               "  for i = 1, 100 do local r = math.random(-3, 3) assert(r >= -3 and r <= 3) end\n"
	               "end)\n"
	               "on('draw', function() seen:inc('drew ' .. math.random(1e9)) end)");
	post(w, "x", "");
	assert_int_equal(stats_of(w, 0).errors, 0);
	assert_value(w, "seen_total{what=\"1970-01-01T00:00:00\"}", 1);
	assert_value(w, "seen_total{what=\"now 12:04:05 1767355445\"}", 1);
	assert_value(w, "seen_total{what=\"1970-1-2 6 2\"}", 1);
	assert_value(w, "seen_total{what=\"back 0\"}", 1);

	/* The same frame number draws the same, another one something else. */
	w->seq = 100;
	post(w, "draw", "");
	w->seq = 100;
	post(w, "draw", "");
	const char *first = strstr(exposition(w), "drew ");
	assert_non_null(first);
	assert_non_null(strstr(first, "\"} 2"));
	post(w, "draw", "");
	assert_non_null(strstr(strstr(strstr(exposition(w), "drew ") + 1, "drew "), "\"} 1"));
	world_free(w);
}

static void test_modules(void **state)
{
	(void)state;
	struct world *w = world_new();

	world_file(w, "conf/prices.lua", "prices", "loads = (loads or 0) + 1 return { price = 5, name = ... }");
	world_file(w, "scripts/lib/deep.lua", "lib.deep", "return require('prices').price * 2");
	world_file(w, "scripts/lib/plain.lua", "lib.plain", "local x = 1");
	world_file(w, "scripts/metrics/a.lua", NULL,
	           "local p = require 'prices'\n"
	           "assert(p.price == 5 and p.name == 'prices' and require('prices') == p and require('lib.deep') == "
	           "10 and loads == 1)\n"
	           "assert(require('lib.plain') == true)\n"
	           "p.price = 6");
	world_file(w, "scripts/metrics/b.lua", NULL,
	           "assert(loads == nil and require('prices').price == 5)\n"
	           "local c = counter 'c_total' {}\n"
	           "on('x', function() c:add(require('lib.deep')) end)");
	world_load(w);
	post(w, "x", "");
	post(w, "x", "");
	assert_value(w, "c_total", 20);
	world_free(w);
}

static void test_broken_modules(void **state)
{
	(void)state;
	struct world *w = world_new();

	world_file(w, "conf/a.lua", "a", "return require 'b'");
	world_file(w, "conf/b.lua", "b", "\nlocal c = require 'c'\nreturn c");
	world_file(w, "conf/c.lua", "c", "return require 'a'");
	assert_contains(refusal(w, "\nlocal x = require 'a'"), "modules require each other: a → b → c → a");
	assert_contains(w->err.text, "scripts/metrics/t.lua:2: module \"a\": ");
	assert_contains(w->err.text, "conf/b.lua:2: module \"c\": ");
	world_file(w, "conf/a.lua", "a", "local x = \n\n= 5");
	assert_contains(refusal(w, "require 'a'"), "conf/a.lua:3: unexpected symbol");
	world_file(w, "conf/a.lua", "a", "\nerror 'boom'");
	assert_contains(refusal(w, "require 'a'"), "scripts/metrics/t.lua:1: module \"a\": conf/a.lua:2: boom");
	assert_contains(refusal(w, "\n\nrequire 'nowhere'"), "scripts/metrics/t.lua:3: there is no module \"nowhere\"");
	assert_contains(refusal(w, "require(5)"), "require wants the name of a module, got number");
	assert_contains(refusal(w, "\nlocal = 5"), "scripts/metrics/t.lua:2: ");
	assert_contains(refusal(w, "\nerror 'at the top'"), "scripts/metrics/t.lua:2: at the top");
	assert_contains(refusal(w, "\x1bLJ"), "scripts/metrics/t.lua: found bytecode, wanted Lua source");
	world_file(w, "conf/a.lua", "a", "\x1bLJ");
	assert_contains(refusal(w, "require 'a'"), "conf/a.lua: found bytecode, wanted Lua source");
	world_free(w);
}

static void test_registration_is_checked(void **state)
{
	(void)state;
	struct world *w = world_new();

	assert_contains(refusal(w, "on('x')"), "t.lua:1: on wants a function, got no value");
	assert_contains(refusal(w, "on(5, print)"), "t.lua:1: on wants a record type, got number");
	assert_contains(refusal(w, "on('', print)"), "t.lua:1: on: a record type has 1 to 128 bytes");
	assert_contains(refusal(w, "on(('x'):rep(129), print)"), "on: a record type has 1 to 128 bytes");
	assert_contains(refusal(w, "filter('x', 5)"), "t.lua:1: filter wants a function, got number");
	assert_contains(refusal(w, "every('soon', print)"), "t.lua:1: every: ");
	assert_contains(refusal(w, "every('10ms', print)"), "t.lua:1: every: 0.01 s is outside of 1 s to 31622400 s");
	assert_contains(refusal(w, "every({}, print)"), "every wants seconds or a text such as \"5m\", got table");
	assert_contains(refusal(w, "every(5)"), "every wants a function");
	assert_contains(refusal(w, "for i = 1, 300 do on('t' .. i, print) end"),
	                "handlers for more than 256 record types");
	assert_contains(refusal(w, "for i = 1, 2000 do on('t', print) end"), "on: more than 1024 of them");
	assert_contains(refusal(w, "state('')"), "state: a name has 1 to 1024 bytes");
	world_free(w);
}

/* One script's globals, library and modules are its own. */
static void test_scripts_are_apart(void **state)
{
	(void)state;
	struct world *w = world_new();

	world_file(
	    w, "scripts/metrics/a.lua", NULL,
	    "shared = 1 string.find = nil math.floor = function() return 'evil' end table.concat = nil tostring = nil");
	world_file(
	    w, "scripts/metrics/b.lua", NULL,
	    "assert(shared == nil and string.find and math.floor(1.5) == 1 and table.concat and tostring(5) == '5')\n"
	    "local c = counter 'c_total' {}\non('x', function() c:inc() end)");
	world_load(w);
	post(w, "x", "");
	assert_value(w, "c_total", 1);
	world_free(w);
}

static char last_failure[1024];

static void note_failure(void *ctx, struct slice text)
{
	(void)ctx;
	snprintf(last_failure, sizeof last_failure, "%.*s", SLICE_ARG(text));
}

/* Also where a tail call has taken the script's frame, or the error itself says no more than it wants to. */
static void test_every_error_has_a_place(void **state)
{
	(void)state;
	static const char *const calls[] = {
	    "return os.date({})",
	    "return math.floor('x')",
	    "return setmetatable(1, 2)",
	    "return table.concat({ {} })",
	    "error('plain', 0)",
	    "error({})",
	    "return load('error \"in text\"')()",
	    "local x = nil + 1",
	    "return c:inc('a')",
	};
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		char text[512];
		struct world *w = world_new();
		w->options.on_failure = note_failure;
		world_close_host(w);
		world_open_host(w);
		snprintf(text, sizeof text, "local c = counter 'c_total' {}\non('x', function(ev)\n  %s\nend)",
		         calls[i]);
		world_file(w, "scripts/metrics/t.lua", NULL, text);
		world_load(w);
		last_failure[0] = '\0';
		post(w, "x", "");
		if (strncmp(last_failure, "scripts/metrics/t.lua:", 22) != 0 || last_failure[22] < '2' ||
		    last_failure[22] > '3')
			fail_msg("%s: \"%s\"", calls[i], last_failure);
		snprintf(text, sizeof text, "\n%s", calls[i]);
		if (strncmp(refusal(w, text), "scripts/metrics/t.lua:", 22) != 0)
			fail_msg("at the top, %s: \"%s\"", calls[i], w->err.text);
		world_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_globals_are_the_contract), cmocka_unit_test(test_what_is_gone),
	    cmocka_unit_test(test_every_error_has_a_place),  cmocka_unit_test(test_string_metatable_is_locked),
	    cmocka_unit_test(test_load_is_text_only),        cmocka_unit_test(test_rebuilt_functions),
	    cmocka_unit_test(test_time_and_chance),          cmocka_unit_test(test_modules),
	    cmocka_unit_test(test_broken_modules),           cmocka_unit_test(test_registration_is_checked),
	    cmocka_unit_test(test_scripts_are_apart),
	};
	quiet();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
