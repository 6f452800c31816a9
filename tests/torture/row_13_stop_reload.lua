-- SIGTERM under load ends in time and loses nothing that was acknowledged; reloads under load fail no request.
package.path = "./?.lua;" .. package.path
local row = require "tests.torture.support.row"
local load = require "tests.torture.support.load"
local moongate = require "tests.spec.support.moongate"
local socket = require "socket"

local RATE = 5000
local CHANGING = 'local n = counter "changing_total" { labels = {} }\non("load", function() n:add(%d) end)\n'

-- A client in the midst of its body, who does not go on: he may not hold up the end.
local function begin_body(server)
  local c = server:connect()
  c:send_raw("POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{")
  return c
end

-- The client that comes back to the next process finds everything counted once.
local function stop_under_load(server, books, p)
  local slowest, lost = 0, 0
  for round = 1, p.stops do
    local running = load.start(server, { rate = RATE, total = RATE * p.seconds, events = 10, connections = 16, patience = 30 })
    local stuck = round == 1 and begin_body(server)
    socket.sleep(0.1 + math.random() * (p.seconds - 0.2))
    local began = socket.gettime()
    server:stop()
    local took = socket.gettime() - began
    assert(took <= 10, ("SIGTERM took %.2f s, wanted 10 s"):format(took))
    slowest = math.max(slowest, took)
    if stuck then stuck:close() end
    server:restart()
    local result = running:finish(60)
    books:add(result)
    lost = lost + result.lost
    -- What is under way when the signal comes is finished and answered: nothing was taken that the client does not know of.
    assert(result.duplicate == 0, ("stop %d: %d events were taken and not answered"):format(round, result.duplicate))
    load.check(server, books, "stop " .. round)
  end
  return slowest, lost
end

-- Without patience the generator ends at the first request that is refused or not answered.
local function reload_under_load(server, books, p)
  local total = RATE * 600
  local running = load.start(server, { rate = RATE, total = total, events = 10, connections = 16 })
  for i = 1, p.reloads do
    server:write_script("metrics/changing.lua", CHANGING:format(i))
    local reply = server:reload()
    assert(reply.status == 200, ("reload %d: %d %s"):format(i, reply.status, reply.body))
    assert(not running:is_over(), "the load ended by itself")
  end
  running.process:signal("TERM")
  local result = running:finish(60)
  assert(result.failed == 0 and result.events > 0)
  books:add(result)
  load.check(server, books, "reloads")
  return result
end

row {
  number = 13,
  name = "SIGTERM and reloads under load",
  short = { stops = 2, seconds = 0.6, reloads = 25, body_timeout = 0.5 },
  long = { stops = 50, seconds = 1.2, reloads = 200, body_timeout = 30 },
  run = function(p)
    math.randomseed(os.time())
    local server = moongate.start {
      listen = load.free_address(),
      scripts = { ["metrics/load.lua"] = load.script },
      conf = { http = { body_timeout = p.body_timeout } },
      env = { MOONGATE_FAULT = "fsync@sync:1:always:DELAY=4ms" }, -- so that the signal finds requests under way
    }
    local books = load.books()
    local slowest, lost = stop_under_load(server, books, p)
    server.env = nil
    server:stop()
    server:restart()
    local result = reload_under_load(server, books, p)
    server:stop()
    return ("%d stops of %.2f s at most, %d events: 0 lost, 0 doubled, %d bodies met the end; %d reloads among %d requests: 0 failed, p99 %.0f ms")
      :format(p.stops, slowest, books.events, lost, p.reloads, result.events / 10, result.p99_ms)
  end,
}
