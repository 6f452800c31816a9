/* Row 26. Ways out of the sandbox (support/escapes.txt), each tried while loading, in a filter and in a handler, beside a script that must not notice; and bytecode, altered
 * in all ways, at every door through which text comes: load and loadstring (texts and readers, all modes), a required module, a script, a bundle that the journal gives
 * back, files on disk. None may become a function. */
#include <lauxlib.h>
#include <lua.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/scene.h"

static const struct row row = {26, "escapes and altered bytecode"};

enum { ESCAPES_MIN = 80, SEEDS_MAX = 32, DISK_EVERY = 500, LOAD_EVERY = 100, TRIES = 8 /* of the loader, below */ };

static const struct script_options options = {
    .call_ms = 2000, .load_ms = 2000, .memory_mb = 32, .strikes = UINT32_MAX, .state_mb = 1, .emit_depth = 8};

/* ---- escapes ---- */

static const char victim[] = "secret = 'victim'\n"
                             "require('shared').secret = secret\n"
                             "local seen = counter 'victim_total' {}\n"
                             "on('y', function(ev)\n"
                             "  assert(secret == 'victim' and string.format('%d', 5) == '5' and ('a'):find('a') and "
                             "table.concat { 1, 2 } == '12')\n"
                             "  assert(require('shared').touched == nil and getmetatable('') == 'string')\n"
                             "  seen:inc()\n"
                             "end)";

static const char before[] = "local pcall, error = pcall, error\n"
                             "probe, gauge_probe, store = counter 'probe_total' {}, gauge 'probe_gauge' {}, state "
                             "'probe'\n"
                             "local function attempt(ev)\n";

static const char behind[] = "\nend\n"
                             "local function try(where, ev)\n"
                             "  local ok, got = pcall(attempt, ev)\n"
                             "  if ok and got then error('ESCAPED while ' .. where, 0) end\n"
                             "end\n"
                             "try('loading')\n"
                             "filter('x', function(ev) try('filtering', ev) end)\n"
                             "on('x', function(ev) try('handling', ev) end)\n";

static char dir[] = "/tmp/moongate-escapes-XXXXXX";
static char secret_path[64], canary_path[64];

/* The body with the paths in it. */
static struct slice attempt_text(struct slice body, struct buf *out)
{
	static const struct {
		const char *name, *path;
	} paths[] = {{"@SECRET@", secret_path}, {"@CANARY@", canary_path}};

	buf_reset(out);
	buf_str(out, before);
	for (size_t i = 0; i < body.len; i++) {
		size_t p = 0;
		while (p < 2 && (body.len - i < 8 || memcmp(body.ptr + i, paths[p].name, 8) != 0))
			p++;
		if (p == 2) {
			buf_byte(out, body.ptr[i]);
			continue;
		}
		buf_str(out, paths[p].path);
		i += 7;
	}
	buf_str(out, behind);
	return buf_slice(out);
}

/* A metric with lines of its own in its help must not make lines of the exposition. */
static bool forged(const struct scene *s)
{
	return !isnan(scene_value(s, "forged_total"));
}

static void try_escape(struct slice name, struct slice body)
{
	struct buf text = {0};
	struct script_file files[] = {
	    scene_module("shared", "scripts/lib/shared.lua", SLICE("return {}")),
	    scene_script("scripts/metrics/attempt.lua", attempt_text(body, &text)),
	    scene_script("scripts/metrics/victim.lua", slice_cstr(victim)),
	};
	struct scene s;
	struct error err;

	scene_open(&s, &options);
	if (scene_load(&s, files, 3, &err) != 0)
		row_failed(&row, "%.*s: %s", SLICE_ARG(name), err.text);
	for (int i = 0; i < 3; i++) {
		scene_post(&s, "x", SLICE("text"), 2 * NS_PER_S);
		if (s.refused[0] != '\0')
			row_failed(&row, "%.*s: %s", SLICE_ARG(name), s.refused);
		scene_post(&s, "y", SLICE("text"), 0);
	}
	struct script_stats attempt = scene_stats(&s, 0);
	if (attempt.calls < 6 || attempt.errors + attempt.cuts != 0)
		row_failed(&row, "%.*s: it has escaped: %d calls, %d errors, %d cuts", SLICE_ARG(name),
		           (int)attempt.calls, (int)attempt.errors, (int)attempt.cuts);
	if (scene_value(&s, "victim_total") != 3 || scene_stats(&s, 1).errors != 0)
		row_failed(&row, "%.*s: the script beside it has noticed", SLICE_ARG(name));
	if (forged(&s) || access(canary_path, F_OK) == 0 || access(secret_path, F_OK) != 0)
		row_failed(&row, "%.*s: it has left traces", SLICE_ARG(name));
	scene_close(&s);
	buf_free(&text);
}

/* Tries every piece of support/escapes.txt; returns how many there are. */
static int try_escapes(void)
{
	struct buf all = {0};
	struct error err = {0};
	int n = 0;

	if (file_read_all(SOURCE_ROOT "/tests/torture/support/escapes.txt", 1 << 20, &all, &err) != 0)
		row_failed(&row, "%s", err.text);
	buf_str(&all, "\n--- ");
	buf_byte(&all, '\0');
	for (char *at = strstr(all.ptr, "\n--- "); at != NULL; n++) {
		at += 5;
		char *next = strstr(at, "\n--- ");
		if (next == NULL)
			break;
		struct slice name = slice_new(at, strcspn(at, "\n"));
		try_escape(name, slice_new(name.ptr + name.len, (size_t)(next - name.ptr) - name.len));
		at = next;
	}
	buf_free(&all);
	if (n < ESCAPES_MIN)
		row_failed(&row, "%d escapes; at least %d are wanted", n, ESCAPES_MIN);
	return n;
}

/* ---- bytecode ---- */

static struct buf seeds[SEEDS_MAX];
static int seed_count;

static int write_seed(lua_State *L, const void *bytes, size_t len, void *ud)
{
	(void)L;
	buf_append(ud, bytes, len);
	return 0;
}

/* Real bytecode, with and without its debug information. */
static void make_seeds(void)
{
	static const char *const sources[] = {
	    "return 1",
	    "local a, b = ... return a + b, a .. b, -a, not b, #a, a % b, a ^ b",
	    "local t = { 1, 2, x = 'y', [5.5] = true } for k, v in pairs(t) do t[v] = k end return t",
	    "local function f(n) if n < 2 then return n end return f(n - 1) + f(n - 2) end return f(10)",
	    "local s = 0 for i = 1, 100 do s = s + i if s % 3 == 0 then goto next end s = s * 2 ::next:: end return s",
	    "local up = 0 return function(...) up = up + select('#', ...) return up, ... end",
	    "while true do local ok = pcall(error, 'x') if not ok then break end end return 'end'",
	    "return ('%d %s'):format(5, 'x'):gsub('%d', function(d) return d + 1 end)",
	    "local mt = { __index = function(t, k) return k .. k end } return setmetatable({}, mt).abc",
	    "local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) return co(), co()",
	    "repeat local x = 1e300 * 1e300 until x == math.huge return 0x7fffffff, -1, 1.5, 'a\\0b'",
	    "return debug, io, package, ffi",
	};
	lua_State *L = luaL_newstate();

	for (size_t i = 0; L != NULL && i < sizeof sources / sizeof *sources; i++) {
		if (luaL_loadstring(L, sources[i]) != 0 || lua_dump(L, write_seed, &seeds[seed_count]) != 0)
			row_failed(&row, "there is no bytecode of: %s", sources[i]);
		lua_pop(L, 1);
		seed_count++;
	}
	if (L == NULL || seed_count == 0)
		row_failed(&row, "there is no Lua to make bytecode with");
	lua_close(L);
}

/* A seed with bytes flipped, set, cut, doubled or taken from another one; what may be in front of it; its mark stays. */
static struct slice alter(struct buf *out, uint64_t *random)
{
	static const char *const fronts[] = {"", "", "", "\xef\xbb\xbf", "#!lua\n", "\xef\xbb\xbf#\n"};
	const struct buf *seed = &seeds[scene_random(random) % (uint64_t)seed_count];
	const struct buf *other = &seeds[scene_random(random) % (uint64_t)seed_count];

	buf_reset(out);
	buf_str(out, fronts[scene_random(random) % 6]);
	size_t mark = out->len;
	buf_append(out, seed->ptr, seed->len);
	for (uint64_t changes = 1 + scene_random(random) % 16; changes > 0; changes--) {
		size_t at = mark + 1 + scene_random(random) % (out->len - mark - 1);
		uint64_t with = scene_random(random);
		switch (with % 5) {
		case 0:
			out->ptr[at] ^= (char)(1 << (with >> 8) % 8);
			break;
		case 1:
			out->ptr[at] = (char)(with >> 8);
			break;
		case 2:
			out->len = at + 1;
			break;
		case 3:
			buf_append(out, seed->ptr, seed->len);
			break;
		default:
			out->ptr[at] = other->ptr[(with >> 8) % other->len];
			break;
		}
		if (out->len <= mark + 2)
			break;
	}
	if (buf_failed(out))
		row_failed(&row, "out of memory");
	return buf_slice(out);
}

static const char loader[] =
    "local functions, refusals = counter 'functions_total' {}, counter 'refusals_total' {}\n"
    "local function note(f, e) if f then functions:inc() elseif type(e) == 'string' then "
    "refusals:inc() end end\n"
    "on('code', function(ev)\n"
    "  local code = ev.text\n"
    "  note(load(code)) note(load(code, '=x', 'b')) note(load(code, '@scripts/metrics/a.lua', "
    "'bt')) note(loadstring(code)) note(loadstring(code, code))\n"
    "  local sent\n"
    "  note(load(function() if sent then return nil end sent = true return code end, 'x', "
    "'b'))\n"
    "  local i, step = 1, 1 + #code % 7\n"
    "  note(load(function() local piece = code:sub(i, i + step - 1) i = i + step return piece "
    "end))\n"
    "  i = 1 note(load(function() local piece = code:sub(i, i) i = i + 1 return piece end, nil, "
    "nil, {}))\n"
    "end)";

/* As a script, and as a module that a script requires. */
static void at_load(struct scene *s, struct slice code)
{
	struct script_file script = scene_script("scripts/metrics/code.lua", code);
	struct script_file files[] = {scene_module("code", "conf/code.lua", code),
	                              scene_script("scripts/metrics/a.lua", SLICE("require 'code'"))};
	struct script_bundle bundles[] = {{&script, 1, 1}, {files, 2, 1}};
	struct script_set *set;
	struct error err;

	for (int i = 0; i < 2; i++) {
		err = (struct error){0};
		if (script_set_load(s->host, &bundles[i], &set, &err) == 0)
			row_failed(&row, "bytecode was loaded as a %s", i == 0 ? "script" : "module");
		if (strstr(err.text, "bytecode") == NULL)
			row_failed(&row, "bytecode was refused with: %s", err.text);
	}
}

/* As a bundle out of the journal: whether it is refused there or when it is loaded. */
static void in_bundle(struct scene *s, struct slice code, bool load)
{
	struct script_file file = scene_script("scripts/metrics/code.lua", code);
	const struct script_bundle b = {&file, 1, 1};
	struct script_bundle *got = NULL;
	struct script_set *set;
	struct buf saved = {0};
	struct error err = {0};

	if (script_bundle_save(&b, &saved) != 0)
		row_failed(&row, "out of memory");
	int rc = script_bundle_load(buf_slice(&saved), &got, &err);
	if (rc == 0 && code.ptr[0] == 27)
		row_failed(&row, "a bundle with bytecode was taken");
	if (rc == 0 && load && script_set_load(s->host, got, &set, &err) == 0)
		row_failed(&row, "bytecode in a bundle was loaded");
	script_bundle_free(got);
	buf_free(&saved);
}

/* As a file in the folder of scripts. */
static void on_disk(struct scene *s, struct slice code)
{
	char folder[64], path[96];
	struct script_bundle *got = NULL;
	struct script_set *set;
	struct error err = {0};

	snprintf(folder, sizeof folder, "%s/metrics", dir);
	snprintf(path, sizeof path, "%s/code.lua", folder);
	mkdir(folder, 0700);
	FILE *f = fopen(path, "wb");
	if (f == NULL || fwrite(code.ptr, 1, code.len, f) != code.len || fclose(f) != 0)
		row_failed(&row, "%s cannot be written", path);
	if (script_bundle_read(dir, NULL, NULL, &got, &err) == 0 && script_set_load(s->host, got, &set, &err) == 0)
		row_failed(&row, "bytecode on disk was loaded");
	script_bundle_free(got);
	unlink(path);
	rmdir(folder);
}

/* Returns how often altered bytecode was refused. */
static long try_bytecode(int n)
{
	struct script_file file = scene_script("scripts/metrics/loader.lua", slice_cstr(loader));
	struct buf code = {0};
	uint64_t random = 26;
	struct scene s;
	struct error err;

	make_seeds();
	scene_open(&s, &options);
	if (scene_load(&s, &file, 1, &err) != 0)
		row_failed(&row, "%s", err.text);
	for (int i = 0; i < n; i++) {
		struct slice altered = alter(&code, &random);
		scene_post(&s, "code", altered, NS_PER_MS);
		in_bundle(&s, altered, i % LOAD_EVERY == 0);
		if (i % LOAD_EVERY == 0)
			at_load(&s, altered);
		if (i % DISK_EVERY == 0)
			on_disk(&s, altered);
	}
	struct script_stats st = scene_stats(&s, 0);
	double functions = scene_value(&s, "functions_total");
	double refusals = scene_value(&s, "refusals_total");
	if (functions > 0 || /* NaN: it was never counted up */
	    refusals != (double)n * TRIES || st.errors + st.cuts != 0)
		row_failed(&row,
		           "of %d altered bytecodes %g became functions, %g tries were refused, %d errors, %d cuts", n,
		           functions, refusals, (int)st.errors, (int)st.cuts);
	scene_close(&s);
	buf_free(&code);
	for (int i = 0; i < seed_count; i++)
		buf_free(&seeds[i]);
	return (long)refusals;
}

int main(void)
{
	const int n = row_long() ? 100000 : 20000;

	if (mkdtemp(dir) == NULL)
		row_failed(&row, "no folder");
	snprintf(secret_path, sizeof secret_path, "%s/secret", dir);
	snprintf(canary_path, sizeof canary_path, "%s/canary", dir);
	FILE *f = fopen(secret_path, "w");
	if (f == NULL || fputs("return 'canary-secret'", f) < 0 || fclose(f) != 0)
		row_failed(&row, "no secret");
	int escapes = try_escapes();
	long refusals = try_bytecode(n);
	unlink(secret_path);
	rmdir(dir);
	return row_held(
	    &row, "%d escapes tried at 3 places, %d altered bytecodes refused at every door (%ld times): 0 succeeded",
	    escapes, n, refusals);
}
