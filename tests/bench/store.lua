-- make bench-store: the same samples, by remote_write over loopback, into moongate, Debian's VictoriaMetrics and Debian's Prometheus, one after the other. For each:
-- samples per CPU-second of the server process while they come in, its memory at most, and bytes a sample on disk at the end. Run from the repository's root:
-- luajit tests/bench/store.lua [moongate|victoria|prometheus…]
--
-- Series are those of a fleet of agents, 56 of each (tests/bench/support/series.h), six hours of them 15 s apart. BENCH_AGENTS (179: 10,024 series) and BENCH_HOURS
-- (6) scale it; BENCH_SERIES (1,000) is how many series stand in a request.
package.path = "./?.lua;" .. package.path
local moongate = require "tests.spec.support.moongate"
local servers = require "tests.bench.support.servers"
local json = require "cjson"

local AGENTS = tonumber(os.getenv("BENCH_AGENTS") or "179")
local ROUNDS = math.floor(tonumber(os.getenv("BENCH_HOURS") or "6") * 240)
local SERIES = tonumber(os.getenv("BENCH_SERIES") or "1000")
local AGO = 5 * 3600 -- seconds since the newest sample: everything is old enough to be sealed
local PUSH = (os.getenv("BENCH_BUILD") or "build") .. "/tests/bench_push"

local cpu_seconds, peak_mib, disk_bytes = servers.cpu_seconds, servers.peak_mib, servers.disk_bytes

-- ---- the runs ----

local function thousands(n)
  return (("%d"):format(n):reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", ""))
end

local function push(server, options)
  local output, code = moongate.sh(("%s --port %d %s"):format(PUSH, server.port, options))
  assert(code == 0, output)
  return json.decode(output).samples
end

local function put_row(...)
  print(("%-12s %10s %14s %16s %9s %10s %9s   %s"):format(...))
end

-- All samples into a server made for it; prints its row.
local function run(name, start, a_request)
  local dir = moongate.process.temporary_dir()
  local s = start(dir)
  local before = cpu_seconds(s.pid)
  local samples = push(s, ("--agents %d --rounds %d --a-request %d --series %d --ago %d"):format(AGENTS, ROUNDS, a_request, SERIES, AGO))
  local cpu = cpu_seconds(s.pid) - before
  push(s, "--agents 1 --rounds 1 --ago 60") -- and what makes all that came before it old
  s.settle()
  local all, peak = cpu_seconds(s.pid) - before, peak_mib(s.pid)
  s.stop()
  local sizes = {}
  for i, folder in ipairs(s.folders) do
    local bytes = disk_bytes(folder[2]) - (folder[3] and disk_bytes(folder[3]) or 0)
    sizes[i] = ("%.3f %s"):format(bytes / samples, folder[1])
  end
  put_row(name, a_request, thousands(samples), thousands(samples / math.max(cpu, 0.01)), ("%.2f"):format(cpu), ("%.2f"):format(all),
    ("%.1f"):format(peak), table.concat(sizes, ", "))
  os.execute("rm -rf " .. dir)
end

local wanted = {}
for _, name in ipairs(arg) do wanted[name] = true end

local ok, why = pcall(function()
  print(("%d agents, %d samples of each series, %d series a request"):format(AGENTS, ROUNDS, SERIES))
  put_row("", "a request", "samples", "samples/CPU-s", "CPU s", "with merge", "peak MiB", "bytes a sample")
  for _, a_request in ipairs { 1, 20 } do
    for _, server in ipairs(servers.all) do
      if #arg == 0 or wanted[server[1]] then run(server[1], server[2], a_request) end
    end
  end
end)
moongate.cleanup()
if not ok then error(why, 0) end
