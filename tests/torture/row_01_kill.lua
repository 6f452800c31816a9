-- kill -9 at random under load, now and then during the recovery as well. A client that sends again what was not acknowledged finds everything counted once.
package.path = "./?.lua;" .. package.path
local row = require "tests.torture.support.row"
local load = require "tests.torture.support.load"
local moongate = require "tests.spec.support.moongate"
local socket = require "socket"

local RATE = 5000
local DURING_RECOVERY = 4 -- every so many-th round

-- Two rounds in three the disk is slow, so that the kill finds requests under way: written but not synced, synced but not answered.
local SLOW_DISK = { MOONGATE_FAULT = "fsync@sync:1:always:DELAY=4ms" }

-- Ready after 2 s and 1 s for each 100 MB of journal.
local function restart(server)
  local allowed = 2 + load.journal_bytes(server) / 100e6
  local began = socket.gettime()
  server:restart()
  local took = socket.gettime() - began
  assert(took <= allowed, ("ready after %.2f s, wanted %.2f s"):format(took, allowed))
  return took
end

row {
  number = 1,
  name = "kill -9 at random under load",
  short = { rounds = 3, seconds = 0.7 },
  long = { rounds = 200, seconds = 1.2 },
  run = function(p)
    local seed = os.time()
    math.randomseed(seed)
    local server = moongate.start {
      env = SLOW_DISK,
      listen = load.free_address(),
      scripts = { ["metrics/load.lua"] = load.script },
      conf = { journal = { segment_bytes = "1MiB", checkpoint = 0.5 } },
    }
    local books, slowest, lost, duplicate = load.books(), 0, 0, 0
    for round = 1, p.rounds do
      local running = load.start(server, { rate = RATE, total = RATE * p.seconds, events = 10, connections = 16, patience = 30 })
      socket.sleep(0.05 + math.random() * (p.seconds - 0.1))
      server:kill9()
      server.env = round % 3 ~= 2 and SLOW_DISK or nil
      if round % DURING_RECOVERY == 0 then
        server:spawn()
        socket.sleep(math.random() * 0.05)
        server:kill9()
      end
      slowest = math.max(slowest, restart(server))
      local result = running:finish(60)
      books:add(result)
      lost, duplicate = lost + result.lost, duplicate + result.duplicate
      load.check(server, books, ("round %d of seed %d"):format(round, seed))
    end
    server:stop()
    assert(lost > 0, "no kill hit a request under way")
    return ("%d rounds, %d events: 0 lost, 0 doubled; %d bodies sent again, %d of their events were known; ready in %.2f s at most"):format(
      p.rounds, books.events, lost, duplicate, slowest)
  end,
}
