-- Three times the load that the gateway can take with a slow disk: it refuses what is too much, with Retry-After, within its memory, and answers /health.
--
-- The limit of its memory is what the process has after an ordinary load (its rest), the bodies in flight (http.bodies_bytes) and the decoded records that
-- wait for the disk (journal.queue_bytes).
package.path = "./?.lua;" .. package.path
local row = require "tests.torture.support.row"
local load = require "tests.torture.support.load"
local moongate = require "tests.spec.support.moongate"
local socket = require "socket"

local PER_BODY = 100
local ITEMS = 100 -- of an array in each event: decoded, they take eight times the memory that they take in the body
local MIB = 2 ^ 20

local function events_per_second(server, p)
  local running = load.start(server, { events = PER_BODY, items = ITEMS, connections = 100, total = 1e9, patience = 60 })
  socket.sleep(p.calibrate)
  running.process:signal("TERM")
  return running:finish(60)
end

-- Asks /health until the load is over, and returns the latencies, rising.
local function watch_health(server, running)
  local latencies = {}
  local connection = server:connect()
  while not running:is_over() do
    local began = socket.gettime()
    local reply = connection:request { path = "/health" }
    latencies[#latencies + 1] = socket.gettime() - began
    assert(reply.status == 200, "/health says " .. reply.status .. ": " .. reply.body)
    socket.sleep(0.01)
  end
  connection:close()
  table.sort(latencies)
  return latencies
end

-- `health_ms`: the row's bound is 50; the short form runs beside other tests, where the machine alone makes more at times.
row {
  number = 11,
  name = "three times the load, the disk 2 s late",
  short = { seconds = 2, calibrate = 0.5, delay = "100ms", body = 1, bodies = 8, queue = 4, connections = 1000, health_ms = 250 },
  long = { seconds = 300, calibrate = 20, delay = "2s", body = 16, bodies = 64, queue = 64, connections = 2000, health_ms = 50 },
  run = function(p)
    local server = moongate.prepare {
      listen = load.free_address(),
      scripts = { ["metrics/load.lua"] = load.script },
      conf = {
        http = { body_bytes = p.body .. "MiB", bodies_bytes = p.bodies .. "MiB" },
        journal = { queue_bytes = p.queue .. "MiB" },
        dedup = { max = 20000 }, -- so that the window of ids is full, and grows no more, before memory is looked at
        health = { min_free_bytes = 0 },
      },
    }
    local faults = server.dir .. "/faults"
    server.env = { MOONGATE_FAULT_FILE = faults }
    server:launch()
    local books = load.books()
    books:add(load.start(server, { events = PER_BODY, items = ITEMS, connections = 8, total = 30000 }):finish(60))
    local rest = load.memory(server.process.pid, "VmRSS")
    moongate.write_file(faults, ("fsync@sync:1:always:DELAY=%s"):format(p.delay))
    local can_take = events_per_second(server, p)
    books:add(can_take)

    local rate = 3 * can_take.events_per_second
    local running = load.start(server, { events = PER_BODY, items = ITEMS, connections = p.connections, rate = rate, total = rate * p.seconds,
      patience = 120, give_up = true })
    local health = watch_health(server, running)
    local result = running:finish(300)
    books:add(result)
    local limit = rest + (p.bodies + p.queue) * MIB
    local peak = load.memory(server.process.pid, "VmHWM")
    local p99 = health[math.ceil(#health * 0.99)] * 1e3
    local figures = ("%d events/s of %d: %d of %d bodies refused; peak %.1f MiB of %.1f (rest %.1f); /health p99 %.1f ms"):format(rate,
      can_take.events_per_second, result.refused, result.events / PER_BODY, peak / MIB, limit / MIB, rest / MIB, p99)
    assert(result.failed == 0)
    assert(result.refused > 0, "nothing was refused: " .. figures)
    assert(result.without_retry_after == 0, ("%d refusals came without Retry-After"):format(result.without_retry_after))
    assert(peak <= limit * 1.1, figures)
    assert(p99 < p.health_ms, figures)
    load.check(server, books, "accepted and stored")
    os.remove(faults)
    server:kill9()
    server:restart()
    load.check(server, books, "after a restart")
    server:stop()
    return figures .. "; accepted = stored"
  end,
}
