-- make bench: events per CPU-second of the server process, for bodies of 1, 100 and 1000 events, next to a bare HTTP server that only counts the same
-- bytes; then latency at 70 % of the load that saturates the machine, and peak memory with 10,000 series and a full window of ids. Run from the repository's root: luajit tests/bench/run.lua
--
-- BENCH_EVENTS scales the runs (default 1: about a minute and a half in all).
package.path = "./?.lua;" .. package.path
local moongate = require "tests.spec.support.moongate"
local json = require "cjson"

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
    LOAD, server.port, server.pid, shape.events, shape.connections, math.floor(shape.total * SCALE), extra or "")
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
  return { port = port, pid = p.pid, stop = function()
    p:signal("TERM")
    p:wait(10)
    os.execute("rm -rf " .. dir)
  end }
end

local function start_moongate(pattern)
  local scripts = {}
  local pipe = io.popen("ls scripts/metrics")
  for name in pipe:lines() do
    if name:find(pattern) then scripts["metrics/" .. name] = moongate.read_file("scripts/metrics/" .. name) end
  end
  pipe:close()
  assert(next(scripts), "no shipped script matches " .. pattern)
  local s = moongate.start {
    conf = { journal = { retention_bytes = "4GiB" }, threads = 1 },
    conf_files = { ["prices.lua"] = moongate.read_file("conf/prices.lua") },
    scripts = scripts,
  }
  return { port = s.addr:match(":(%d+)$"), pid = s.process.pid, server = s, stop = function() s:stop() end }
end

-- ---- the runs ----

local function throughput(name, start)
  local server = start()
  for _, shape in ipairs(bodies) do
    run_load(server, { events = shape.events, connections = shape.connections, total = shape.total / 10 }) -- warm
    local r = run_load(server, shape)
    print(("%-28s %6d %6d %16s %14s %9.2f %9.2f %8.1f"):format(name, shape.events, shape.connections,
      thousands(r.events_per_cpu_second), thousands(r.events_per_second), r.p50_ms, r.p99_ms, r.peak_mib))
    shape[name] = r
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
  local r = run_load(server, { events = 1000, connections = 8, total = 2500000 / SCALE }, "--users 12000")
  local metrics = server.server:metrics()
  print(("\npeak memory with %s series and %s ids: %.1f MiB"):format(thousands(metrics:get("moongate_metric_series")),
    thousands(metrics:get("moongate_dedup_keys")), r.peak_mib))
  server.stop()
end

local ok, why = pcall(function()
  print(("%-28s %6s %6s %16s %14s %9s %9s %8s"):format("", "a body", "conns", "events/CPU-s", "events/s", "p50 ms", "p99 ms", "peak MiB"))
  throughput("bare HTTP (the limit)", start_bare)
  throughput("one script (cost)", function() return start_moongate("^cost%.lua$") end)
  throughput("all shipped scripts", function() return start_moongate("%.lua$") end)
  latency(function() return start_moongate("%.lua$") end)
  memory(function() return start_moongate("%.lua$") end)
end)
moongate.cleanup()
if not ok then error(why, 0) end
