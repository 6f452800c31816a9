-- make bench-store: the same samples, by remote_write over loopback, into moongate, Debian's VictoriaMetrics and Debian's Prometheus, one after the other. For each:
-- samples per CPU-second of the server process while they come in, its memory at most, and bytes a sample on disk at the end. Run from the repository's root:
-- luajit tests/bench/store.lua [moongate|victoria|prometheus…]
--
-- Series are those of a fleet of agents, 56 of each (tests/bench/support/series.h), six hours of them 15 s apart. BENCH_AGENTS (179: 10,024 series) and BENCH_HOURS
-- (6) scale it; BENCH_SERIES (1,000) is how many series stand in a request.
package.path = "./?.lua;" .. package.path
local moongate = require "tests.spec.support.moongate"
local json = require "cjson"
local socket = require "socket"

local AGENTS = tonumber(os.getenv("BENCH_AGENTS") or "179")
local ROUNDS = math.floor(tonumber(os.getenv("BENCH_HOURS") or "6") * 240)
local SERIES = tonumber(os.getenv("BENCH_SERIES") or "1000")
local AGO = 5 * 3600 -- seconds since the newest sample: everything is old enough to be sealed
local PUSH = (os.getenv("BENCH_BUILD") or "build") .. "/tests/bench_push"

-- ---- figures of processes and folders ----

local function cpu_seconds(pid)
  local fields = moongate.read_file(("/proc/%d/stat"):format(pid)):match("%) (.*)$")
  local user, system = fields:match("^" .. ("%S+ "):rep(11) .. "(%d+) (%d+)")
  return (tonumber(user) + tonumber(system)) / 100
end

local function peak_mib(pid)
  return tonumber(moongate.read_file(("/proc/%d/status"):format(pid)):match("VmHWM:%s+(%d+) kB")) / 1024
end

-- Bytes of all files below a folder; what is only reserved counts as well, since nobody else can have it.
local function disk_bytes(path)
  return tonumber((moongate.sh(("find %s -type f -printf '%%s\\n' 2>/dev/null | awk '{ n += $1 } END { print n + 0 }'"):format(path)):match("%d+")))
end

local function free_port()
  local probe = assert(socket.bind("127.0.0.1", 0))
  local _, port = probe:getsockname()
  probe:close()
  return port
end

local function fetch(port, path)
  return (moongate.sh(("curl -s http://127.0.0.1:%d%s"):format(port, path)))
end

-- ---- the servers: start() gives { port, pid, settle, stop, folders } ----

-- A program of others, in a folder of its own; it is up when `path` answers with `wanted`.
local function start_other(argv, dir, port, path, wanted)
  local p = moongate.process.spawn(argv, dir .. "/out", dir .. "/err")
  moongate.wait_until(function()
    if p:poll() then error(argv[1] .. " ended: " .. (moongate.read_file(dir .. "/err") or "")) end
    return fetch(port, path):find(wanted)
  end, 30, argv[1])
  return { port = port, pid = p.pid, settle = function() end, stop = function()
    p:signal("TERM")
    p:wait(120)
  end }
end

-- Done with sealing and merging when nothing of it has happened for three seconds.
local function settle_moongate(server)
  local last, since
  moongate.wait_until(function()
    local m = server:metrics()
    local now = m:get("moongate_store_blocks_sealed_total") + m:get("moongate_store_blocks_merged_total")
    if now ~= last then last, since = now, socket.gettime() end
    return socket.gettime() - since > 3
  end, 600, "sealing")
end

local function start_moongate()
  local s = moongate.start { conf = { threads = 1, journal = { retention_bytes = "10GiB" } } }
  local data = s.dir .. "/data"
  return { port = s.addr:match(":(%d+)$"), pid = s.process.pid, settle = function() settle_moongate(s) end, stop = function() s:stop() end,
    folders = { { "data directory", data },
      { "without the journal", data, data .. "/journal" }, { "blocks alone", data .. "/store", data .. "/store/head*" } } }
end

local function start_victoria(dir)
  local port = free_port()
  local s = start_other({ "victoria-metrics", "-storageDataPath=" .. dir .. "/data", "-httpListenAddr=127.0.0.1:" .. port,
    "-retentionPeriod=1y", "-loggerLevel=ERROR" }, dir, port, "/health", "OK")
  s.settle = function()
    fetch(port, "/internal/force_flush")
    fetch(port, "/internal/force_merge")
    moongate.wait_until(function() return fetch(port, "/metrics"):find("\nvm_active_force_merges 0\n") end, 600, "the merge")
  end
  s.folders = { { "after a forced merge", dir .. "/data" } }
  return s
end

local function start_prometheus(dir)
  local port = free_port()
  moongate.write_file(dir .. "/prometheus.yml", "scrape_configs: []\n")
  local s = start_other({ "prometheus", "--config.file=" .. dir .. "/prometheus.yml", "--storage.tsdb.path=" .. dir .. "/data",
    "--web.enable-remote-write-receiver", "--web.listen-address=127.0.0.1:" .. port, "--log.level=error" }, dir, port, "/-/ready", "Ready")
  s.folders = { { "after its stop", dir .. "/data" }, { "without its journal", dir .. "/data", dir .. "/data/wal" } }
  return s
end

local servers = {
  { "moongate", start_moongate }, { "victoria", start_victoria }, { "prometheus", start_prometheus },
}

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
    for _, server in ipairs(servers) do
      if #arg == 0 or wanted[server[1]] then run(server[1], server[2], a_request) end
    end
  end
end)
moongate.cleanup()
if not ok then error(why, 0) end
