-- Questions while batches are committed: none sees half of a batch, or misses one that was acknowledged before. Meanwhile blocks are sealed, checkpoints
-- written and scripts reloaded: the samples' time runs so much faster than the clock that what they need hours for is due all along.
package.path = "./?.lua;" .. package.path
local row = require "tests.torture.support.row"
local batches = require "tests.torture.support.batches"
local moongate = require "tests.spec.support.moongate"
local socket = require "socket"

local BLOCK_MS = 2 * 3600 * 1000
local CHANGING = 'local n = counter "changing_total" { labels = {} }\non("x", function() n:add(%d) end)\n'

local Run = {}
Run.__index = Run

-- Senders of one phase, each with its series and its file of what it did.
function Run:start_senders(phase)
  local list = {}
  for i = 1, self.p.senders do
    local name = phase .. i
    list[i] = batches.start(self.server, "send", "sender-" .. name, { sender = name, seen = self:seen(name), rate = self.p.rate,
      base_ms = self.base_ms, began = self.began, speed = self.p.speed })
  end
  return list
end

function Run:seen(name) return self.server.dir .. "/seen-" .. name end

function Run:start_readers(phase)
  local list, senders, seen = {}, {}, {}
  for i = 1, self.p.senders do senders[i], seen[i] = phase .. i, self:seen(phase .. i) end
  for i = 1, self.p.readers do
    list[i] = batches.start(self.server, "read", "reader-" .. i, { senders = senders, seen = seen, seed = self.seed + i })
  end
  return list
end

-- For so many seconds; whoever ends before that has failed.
local function wait(seconds, processes, fn)
  local deadline = socket.gettime() + seconds
  while socket.gettime() < deadline do
    for _, list in ipairs(processes) do
      for _, one in ipairs(list) do one:check() end
    end
    if fn then fn() end
    socket.sleep(0.2)
  end
end

function Run:reload()
  self.reloads = self.reloads + 1
  self.server:write_script("metrics/changing.lua", CHANGING:format(self.reloads))
  local reply = self.server:reload()
  assert(reply.status == 200, ("reload %d: %d %s"):format(self.reloads, reply.status, reply.body))
end

-- How many batches they sent, and the worst p99.
local function finish(list)
  local sent, p99 = 0, 0
  for _, one in ipairs(list) do
    local result = one:finish()
    sent, p99 = sent + result.batches, math.max(p99, result.p99_ms)
  end
  return sent, p99
end

local function finish_readers(list)
  local questions, seen = 0, 0
  for _, one in ipairs(list) do
    local result = one:finish()
    questions, seen = questions + result.questions, seen + result.batches
  end
  return questions, seen
end

row {
  number = 10,
  name = "queries during commits",
  -- speed: of the samples' time; alone: seconds without readers, seconds: with them. What is in a block is an hour old, in either form some seconds.
  short = { senders = 3, readers = 3, rate = 25, speed = 600, alone = 3, seconds = 9 },
  long = { senders = 4, readers = 4, rate = 25, speed = 300, alone = 60, seconds = 600 },
  run = function(p)
    local self = setmetatable({ p = p, seed = os.time(), reloads = 0 }, Run)
    self.server = moongate.start {
      scripts = { ["metrics/changing.lua"] = CHANGING:format(0) },
      conf = {
        journal = { segment_bytes = "1MiB", checkpoint = "200ms" },
        store = { out_of_order = "1h", resolution = "1h" },
      },
      env = { MOONGATE_FAULT = "fsync@sync:1:always:DELAY=4ms" }, -- so that questions find batches that are written and not stored
    }
    self.began = socket.gettime()
    local newest = (self.began - 2 * (p.alone + p.seconds) * p.speed) * 1000
    self.base_ms = newest - newest % BLOCK_MS - BLOCK_MS / 12 -- the first block is sealed after an hour and ten minutes

    local senders = self:start_senders "a"
    wait(p.alone, { senders })
    local sent, p99_alone = finish(senders)

    senders = self:start_senders "b"
    local readers = self:start_readers "b"
    wait(p.seconds, { senders, readers }, function() self:reload() end)
    local questions, seen = finish_readers(readers)
    local more, p99 = finish(senders)

    local metrics = self.server:metrics()
    local blocks, checkpoints = metrics:get "moongate_store_blocks_sealed_total", metrics:get "moongate_checkpoints_total"
    assert(blocks > 0 and checkpoints > 1 and self.reloads > 1, ("%d blocks, %d checkpoints, %d reloads"):format(blocks, checkpoints, self.reloads))
    self.server:kill9()
    self.server:restart()
    for _, phase in ipairs { "a", "b" } do
      for i = 1, p.senders do batches.check_all(self.server, phase .. i, self:seen(phase .. i), 200) end
    end
    self.server:stop()
    return ("%d questions saw batches %d times, whole, of %d; %d blocks, %d checkpoints, %d reloads; p99 of posts %.1f ms, alone %.1f"):format(
      questions, seen, sent + more, blocks, checkpoints, self.reloads, p99, p99_alone)
  end,
}
