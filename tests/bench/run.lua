-- make bench: events per CPU-second of the server process, for bodies of 1, 100 and 1000 events, next to a bare HTTP server that only counts the same
-- bytes; then latency at 70 % of the load that saturates the machine, peak memory with 10,000 series and a full window of ids, cost by number of series, and
-- what scrapes and reloads do to those who send meanwhile. Run from the repository's root: luajit tests/bench/run.lua [section…]
--
-- BENCH_EVENTS scales the runs (default 1: about two minutes in all).
package.path = "./?.lua;" .. package.path
local moongate = require "tests.spec.support.moongate"
local json = require "cjson"
local socket = require "socket"

local SCALE = tonumber(os.getenv("BENCH_EVENTS") or "1")
local BUILD = os.getenv("BENCH_BUILD") or "build"
local LOAD = BUILD .. "/tests/bench_load"
local BARE = BUILD .. "/tests/bench_bare_http"

local bodies = {
  { events = 1000, connections = 8, total = 3000000 },
  { events = 100, connections = 16, total = 1500000 },
  { events = 1, connections = 64, total = 150000 },
}

local function run_load(server, shape, extra)
  local command = ("%s --port %s --pid %d --events %d --connections %d --total %d %s"):format(
    LOAD, server.port, server.pid, shape.events, shape.connections, math.floor(shape.total * SCALE), (extra or "") .. " " .. (server.options or ""))
  local output, code = moongate.sh(command)
  assert(code == 0, output)
  return json.decode(output)
end

local function thousands(n)
  local text = ("%d"):format(n)
  return (text:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", ""))
end

-- ---- the servers ----

local function start_bare()
  local dir = moongate.process.temporary_dir()
  local p = moongate.process.spawn({ BARE, "0" }, dir .. "/out", dir .. "/err")
  local port = moongate.wait_until(function()
    return (moongate.read_file(dir .. "/out") or ""):match("(%d+)\n")
  end, 10, "the bare server's port")
  return { port = port, pid = p.pid, options = "--any-answer", stop = function()
    p:signal("TERM")
    p:wait(10)
    os.execute("rm -rf " .. dir)
  end }
end

local function start_moongate(pattern, more)
  local scripts = {}
  local pipe = io.popen("ls scripts/metrics")
  for name in pipe:lines() do
    if pattern and name:find(pattern) then scripts["metrics/" .. name] = moongate.read_file("scripts/metrics/" .. name) end
  end
  pipe:close()
  for path, text in pairs(more or {}) do scripts[path] = text end
  assert(next(scripts), "no script to run")
  local s = moongate.start {
    conf = { journal = { retention_bytes = "4GiB" }, threads = 1, metrics = { max_series = 2000000 } },
    conf_files = { ["prices.lua"] = moongate.read_file("conf/prices.lua") },
    scripts = scripts,
  }
  return { port = s.addr:match(":(%d+)$"), pid = s.process.pid, server = s, stop = function() s:stop() end }
end

-- ---- the runs ----

-- With 10,000 series and a full window of ids, whatever bodies wait besides.
local PEAK_GOAL_MIB = 96

local function throughput(name, start, peak_goal)
  local server = start()
  local peak = 0
  for _, shape in ipairs(bodies) do
    run_load(server, { events = shape.events, connections = shape.connections, total = shape.total / 10 }) -- warm
    local r = run_load(server, shape)
    print(("%-28s %6d %6d %16s %14s %9.2f %9.2f %8.1f"):format(name, shape.events, shape.connections,
      thousands(r.events_per_cpu_second), thousands(r.events_per_second), r.p50_ms, r.p99_ms, r.peak_mib))
    shape[name] = r
    peak = math.max(peak, r.peak_mib)
  end
  if peak_goal then
    local metrics = server.server:metrics()
    print(("peak memory of these runs, with %s series and %s ids: %.1f MiB (goal: under %d)"):format(
      thousands(metrics:get("moongate_metric_series")), thousands(metrics:get("moongate_dedup_keys")), peak, peak_goal))
  end
  server.stop()
end

-- The saturating load is measured on the same server just before, because the machine's speed changes from minute to minute.
local function latency(start)
  print("\nlatency at 70 % of the saturating load, all shipped scripts (open loop)")
  print(("%6s %6s %14s %9s %9s %9s"):format("a body", "conns", "events/s", "p50 ms", "p99 ms", "max ms"))
  for _, shape in ipairs(bodies) do
    local server = start()
    local saturated = run_load(server, { events = shape.events, connections = shape.connections, total = shape.total / 3 })
    local rate = 0.7 * saturated.events_per_second
    local r = run_load(server, { events = shape.events, connections = shape.connections * 2, total = rate * 5 / SCALE },
      ("--rate %d"):format(rate))
    print(("%6d %6d %14s %9.2f %9.2f %9.2f"):format(shape.events, shape.connections * 2, thousands(rate), r.p50_ms, r.p99_ms, r.max_ms))
    server.stop()
  end
end

local function memory(start)
  local server = start()
  local r = run_load(server, { events = 1000, connections = 8, total = 2500000 / SCALE }, "--users 2000")
  local metrics = server.server:metrics()
  print(("\npeak memory with %s series and %s ids: %.1f MiB (goal: under %d)"):format(thousands(metrics:get("moongate_metric_series")),
    thousands(metrics:get("moongate_dedup_keys")), r.peak_mib, PEAK_GOAL_MIB))
  server.stop()
end

-- ---- many series ----

local by_user = [[
local spent = counter "bench_tokens_total" { labels = { "user_id" }, max_series = 1100000 }
on("*", function(ev) spent:add(1, ev.user_id) end)
]]

-- Fills the server with that many series of one counter: three events a user, so that nearly all have been seen.
local function fill(server, users)
  run_load(server, { events = 1000, connections = 8, total = math.max(300000, 3 * users) / SCALE }, "--users " .. users)
end

local function series(start)
  print("\ncost of an event by the number of series that it may change: one script, a counter by user")
  print(("%12s %16s %9s"):format("series", "events/CPU-s", "peak MiB"))
  for _, users in ipairs { 100, 10000, 100000, 1000000 } do
    local server = start()
    fill(server, users)
    local r = run_load(server, { events = 1000, connections = 8, total = 1000000 }, "--users " .. users)
    print(("%12s %16s %9.1f"):format(thousands(server.server:metrics():get("moongate_metric_series")),
      thousands(r.events_per_cpu_second), r.peak_mib))
    server.stop()
  end
end

-- ---- others, meanwhile ----

local function cpu_seconds(pid)
  local fields = moongate.read_file(("/proc/%d/stat"):format(pid)):match("%) (.*)$")
  local user, system = fields:match("^" .. ("%S+ "):rep(11) .. "(%d+) (%d+)")
  return (tonumber(user) + tonumber(system)) / 100
end

-- Runs a load of single events at a steady rate for `seconds`, and `every` so often calls fn(); returns what the load saw and how often fn was called.
local function beside_load(server, seconds, every, fn)
  local out = moongate.process.temporary_dir()
  local rate = 5000
  local p = moongate.process.spawn({ LOAD, "--port", server.port, "--pid", tostring(server.pid), "--events", "1", "--connections", "64",
    "--rate", tostring(rate), "--total", tostring(rate * seconds) }, out .. "/out", out .. "/err")
  local calls = 0
  while not p:poll() do
    if fn then
      fn()
      calls = calls + 1
    end
    socket.sleep(every)
  end
  assert(p.status == 0, moongate.read_file(out .. "/err"))
  local seen = json.decode(moongate.read_file(out .. "/out"))
  os.execute("rm -rf " .. out)
  return seen, calls
end

local function meanwhile(start)
  local server = start()
  fill(server, 100000)
  local calm = beside_load(server, 5, 0.1)
  local before = cpu_seconds(server.pid)
  for _ = 1, 20 do server.server:metrics() end
  local scrape_ms = (cpu_seconds(server.pid) - before) / 20 * 1000
  local scraped, scrapes = beside_load(server, 5, 0.2, function() server.server:request { path = "/metrics" } end)
  local reloaded, reloads = beside_load(server, 5, 0.1, function() assert(server.server:reload().status == 200) end)
  print(("\nwhat others see meanwhile: 5,000 single events a second, %s series"):format(
    thousands(server.server:metrics():get("moongate_metric_series"))))
  print(("%-12s %8s %9s %9s %9s %9s"):format("", "times", "p50 ms", "p99 ms", "max ms", "failed"))
  for _, row in ipairs { { "nothing", 0, calm }, { "scrapes", scrapes, scraped }, { "reloads", reloads, reloaded } } do
    local r = row[3]
    print(("%-12s %8d %9.2f %9.2f %9.2f %9d"):format(row[1], row[2], r.p50_ms, r.p99_ms, r.max_ms, r.failed))
  end
  print(("a scrape takes %.0f ms of CPU"):format(scrape_ms))
  server.stop()
end

local function header()
  print(("%-28s %6s %6s %16s %14s %9s %9s %8s"):format("", "a body", "conns", "events/CPU-s", "events/s", "p50 ms", "p99 ms", "peak MiB"))
end

local sections = {
  { "bare", function() throughput("bare HTTP (the limit)", start_bare) end },
  { "cost", function() throughput("one script (cost)", function() return start_moongate("^cost%.lua$") end) end },
  { "all", function() throughput("all shipped scripts", function() return start_moongate("%.lua$") end, PEAK_GOAL_MIB) end },
  { "latency", function() latency(function() return start_moongate("%.lua$") end) end },
  { "memory", function() memory(function() return start_moongate("%.lua$") end) end },
  { "series", function() series(function() return start_moongate(nil, { ["metrics/by_user.lua"] = by_user }) end) end },
  { "meanwhile", function() meanwhile(function() return start_moongate("%.lua$", { ["metrics/by_user.lua"] = by_user }) end) end },
}

local wanted = {}
for _, name in ipairs(arg) do wanted[name] = true end

local ok, why = pcall(function()
  header()
  for _, section in ipairs(sections) do
    if #arg == 0 or wanted[section[1]] then section[2]() end
  end
end)
moongate.cleanup()
if not ok then error(why, 0) end
