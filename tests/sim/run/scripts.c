/* The scripts of a run: main.lua, which keeps the books and never changes, and two files that each reload draws anew from the pieces below. */
#include <string.h>

#include "run.h"

static const char main_lua[] =
    "local seen = counter \"seen_total\" { labels = { \"n\" }, max_series = 100000, idle = \"never\" }\n"
    "local volume = counter \"volume_total\" { labels = { \"type\" }, idle = \"never\" }\n"
    "on(\"*\", function(ev)\n"
    "  if not ev.n then return end\n"
    "  seen:inc(ev.n)\n"
    "  volume:add(ev.v, ev.type)\n"
    "end)\n"
    "filter(\"noise\", function() return \"drop\" end)\n"
    "filter(\"boom\", function() error(\"boom\") end)\n"
    "filter(\"chat.message\", function(ev) ev.secret = nil; ev.shown = \"yes\" end)\n";

/* Each is a text of its own; what several files define, they define alike. */
static const char *const pieces[] = {
    "local latency = histogram \"latency_seconds\" { labels = { \"tenant\" }, buckets = { 0.1, 0.5, 1 } }\n"
    "on(\"model.call\", function(ev) latency:observe(ev.ms / 1000, ev.tenant_id) end)\n",

    "local held = gauge \"held\" { labels = { \"user\" } }\n"
    "on(\"tool.call\", function(ev) if ev.ok then held:add(ev.v, ev.user_id) else held:set(ev.ms, ev.user_id) end "
    "end)\n",

    "local spread = summary \"spread\" { quantiles = { 0.5, 0.99 }, window = \"20s\" }\n"
    "on(\"model.call\", function(ev) spread:observe(ev.ms) end)\n",

    "local users = distinct \"users_today\" { labels = { \"tenant\" } }\n"
    "on(\"*\", function(ev) if ev.user_id then users:see(ev.user_id, ev.tenant_id) end end)\n",

    "local top = topk \"top_volume\" { labels = { \"user\" }, k = 3 }\n"
    "on(\"chat.message\", function(ev) top:add(ev.v, ev.user_id) end)\n",

    "local good = ratio \"good_ratio\" { labels = { \"tenant\" }, window = \"15s\" }\n"
    "on(\"tool.call\", function(ev) if ev.ok then good:hit(ev.tenant_id) else good:miss(ev.tenant_id) end end)\n",

    "local middle = mean \"middle\" { window = \"7s\" }\n"
    "on(\"model.call\", function(ev) middle:observe(ev.ms) end)\n",

    "local last = state \"last\"\n"
    "on(\"chat.message\", function(ev)\n"
    "  last:set(ev.user_id, ev.v, \"9s\")\n"
    "  last:incr(\"all\")\n"
    "end)\n"
    "local alive = gauge \"alive\" {}\n"
    "every(\"2s\", function() alive:set(last:count()) end)\n",

    "local ticks = counter \"ticks_total\" { labels = { \"part\" } }\n"
    "every(\"1s\", function() ticks:inc(\"one\"); emit(\"tick\", { odd = now() % 2 == 1 }) end)\n"
    "every(\"7s\", function() ticks:inc(\"seven\") end)\n"
    "on(\"tick\", function(ev) ticks:inc(ev.odd and \"odd\" or \"even\") end)\n",

    "local derived = counter \"derived_total\" { labels = { \"depth\" }, idle = \"10s\" }\n"
    "on(\"tool.call\", function(ev) emit(\"derived\", { depth = 1, v = ev.v }) end)\n"
    "on(\"derived\", function(ev)\n"
    "  derived:inc(ev.depth)\n"
    "  if ev.depth < 4 then emit(\"derived\", { depth = ev.depth + 1 }) end\n"
    "end)\n",

    "local hogs = counter \"hogs_total\" { labels = { \"when\" } }\n"
    "on(\"hog\", function(ev)\n"
    "  hogs:inc(\"before\")\n"
    "  hogs:add(ev.v, \"volume\")\n"
    "  local t = {}\n"
    "  for i = 1, 1e9 do t[i] = (\"x\"):rep(10000) .. i end\n"
    "  hogs:inc(\"after\")\n"
    "end)\n",

    "local few = counter \"few_total\" { labels = { \"user\" }, max_series = 3, idle = \"5s\" }\n"
    "on(\"model.call\", function(ev) few:inc(ev.user_id) end)\n",

    "local dice = counter \"dice_total\" { labels = { \"eyes\" } }\n"
    "on(\"chat.message\", function() dice:inc(math.random(6)) end)\n",

    "local fails = counter \"fails_total\" {}\n"
    "on(\"fail\", function(ev) fails:inc(); error(\"as it was to\") end)\n",

    "local restarted = gauge \"restarted\" { labels = { \"left\" } }\n"
    "on(\"tool.call\", function(ev) restarted:inc(ev.tenant_id) end)\n",
    "local restarted = gauge \"restarted\" { labels = { \"right\", \"user\" } }\n"
    "on(\"tool.call\", function(ev) restarted:inc(ev.tenant_id, ev.user_id) end)\n",
};

enum { PIECES = sizeof pieces / sizeof pieces[0] };

static const char *const broken[] = {
    "local x = = 1\n",
    "error(\"at the top level\")\n",
    "local volume = gauge \"volume_total\" { labels = { \"type\" } }\n",
    "local all, i = {}, 0\n"
    "while true do i = i + 1; all[i] = (\"x\"):rep(100000) .. i end\n",
};

static void put(struct run *r, const char *path, const struct buf *text)
{
	if (buf_failed(text) || faults_put(r, path, text->ptr, text->len) != 0)
		run_failed(r, "the simulation itself: %s cannot be put on the disk", path);
}

/* Pieces for one file; not both of the two that contradict each other. */
static void draw_file(struct random *random, struct buf *out, uint64_t side)
{
	for (uint32_t i = 0; i < PIECES; i++) {
		bool other_side = i >= PIECES - 2 && i % 2 != side;
		if (random_once_in(random, 3) && !other_side)
			buf_printf(out, "do\n%send\n", pieces[i]);
	}
	buf_printf(out, "-- %llu\n", (unsigned long long)random_next(random));
}

bool scripts_put(struct run *r, uint64_t draw)
{
	struct random random = random_fork(draw, 1);
	struct buf text = {0};
	uint64_t side = random_below(&random, 2);
	static const char *const paths[] = {"scripts/metrics/extra.lua", "scripts/metrics/more.lua"};
	bool bad = random_once_in(&random, 6);
	buf_printf(&text, "%s", main_lua);
	put(r, "scripts/metrics/books.lua", &text);
	for (int i = 0; i < 2; i++) {
		buf_reset(&text);
		draw_file(&random, &text, side);
		if (bad && i == 1)
			buf_printf(&text, "%s", broken[random_below(&random, sizeof broken / sizeof broken[0])]);
		put(r, paths[i], &text);
	}
	buf_free(&text);
	return !bad;
}
