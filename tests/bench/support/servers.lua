-- Servers that benches compare: moongate, Debian's VictoriaMetrics and Debian's Prometheus, each in a folder of its own, and what they take.
local moongate = require "tests.spec.support.moongate"
local socket = require "socket"

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

return {
  cpu_seconds = cpu_seconds, peak_mib = peak_mib, disk_bytes = disk_bytes, fetch = fetch,
  all = { { "moongate", start_moongate }, { "victoria", start_victoria }, { "prometheus", start_prometheus } },
}
