-- kill -9 at each step of a checkpoint, of sealing a segment, of making a spare one, of retention: the process ends itself just before the step, what then lies
-- on the disk shows that it was that step, and recovery is as in row 1.
package.path = "./?.lua;" .. package.path
local row = require "tests.torture.support.row"
local load = require "tests.torture.support.load"
local moongate = require "tests.spec.support.moongate"
local socket = require "socket"

-- ---- what lies on the disk ----

local function list(dir)
  local files = {}
  local pipe = io.popen(("cd %s 2>/dev/null && stat -c '%%n %%s' * 2>/dev/null"):format(dir)) -- none yet; files come and go
  for line in pipe:lines() do
    local name, size = line:match("^(%S+) (%d+)$")
    files[name] = tonumber(size)
  end
  pipe:close()
  return files
end

-- checkpoints: how many there are whole, and the sizes of unfinished ones; heads: likewise, of what the store saves with them. sealing: the sizes of unfinished
-- sealed files; beside: is a segment there of which a sealed file is finished? spare: the spare segment's size.
local function look(server)
  local state = { checkpoints = 0, unfinished = {}, heads = 0, unfinished_heads = {}, sealing = {}, beside = false }
  for name, size in pairs(list(server.dir .. "/data")) do
    if name:find "^checkpoint%-%d+$" then state.checkpoints = state.checkpoints + 1 end
    if name:find "^checkpoint.*%.tmp$" then table.insert(state.unfinished, size) end
  end
  for name, size in pairs(list(server.dir .. "/data/store")) do
    if name:find "^head%-%d+$" then state.heads = state.heads + 1 end
    if name:find "^head%-%d+%.tmp$" then table.insert(state.unfinished_heads, size) end
  end
  local sealed_to = 0
  local journal = list(server.dir .. "/data/journal")
  for name, size in pairs(journal) do
    local last = name:match "%-(%d+)%.sealed$"
    if last then sealed_to = math.max(sealed_to, tonumber(last)) end
    if name:find "^%a+%-%d+%.tmp$" then table.insert(state.sealing, size) end
  end
  table.sort(state.sealing)
  for name in pairs(journal) do
    if name:find "%.open$" then
      local text = moongate.read_file(server.dir .. "/data/journal/" .. name) -- nil: sealed meanwhile
      local first = 0 -- little-endian, at 24
      for i = 32, 25, -1 do first = first * 256 + (text and text:byte(i) or 0) end
      if text and first <= sealed_to then state.beside = true end
    end
  end
  state.spare = journal["spare.tmp"]
  return state
end

local function describe(state)
  return ("%d checkpoints, unfinished {%s}; %d heads, unfinished {%s}; sealing {%s}%s; spare %s"):format(state.checkpoints,
    table.concat(state.unfinished, " "), state.heads, table.concat(state.unfinished_heads, " "), table.concat(state.sealing, " "),
    state.beside and " beside its segment" or "", tostring(state.spare))
end

-- ---- the steps: thread, point, which of its hits since the start, and what the disk must look like ----

-- Is there one unfinished file of that kind, "empty" or "full", or (nil) none?
local function is_unfinished(sizes, wanted)
  return #sizes == (wanted and 1 or 0) and (not wanted or (wanted == "empty") == (sizes[1] == 0))
end

-- `more`: whole ones than before.
local function checkpoint(unfinished, more, more_heads)
  return function(s, before)
    return s.checkpoints == before.checkpoints + more and s.heads == before.heads + (more_heads or 1)
      and is_unfinished(s.unfinished, unfinished) and #s.unfinished_heads == 0
  end
end

local function head(unfinished)
  return function(s, before)
    return s.checkpoints == before.checkpoints and s.heads == before.heads and is_unfinished(s.unfinished_heads, unfinished)
      and #s.unfinished == 0
  end
end

-- `sizes`: of the unfinished files, "0" for an empty one and "n" for one with something in it.
local function sealing(sizes, beside)
  return function(s)
    local found = ""
    for _, size in ipairs(s.sealing) do found = found .. (size == 0 and "0" or "n") end
    return found == sizes and s.beside == beside
  end
end

local function spare(size)
  return function(s) return s.spare == size end
end

local SEGMENT = 2 ^ 20
local steps = {
  checkpoint = {
    { "worker", "rename", 1, head(nil), "removing a head of its name" },
    { "worker", "rename", 2, head(nil), "removing half a head" },
    { "worker", "open", 1, head(nil), "the head's file" },
    { "worker", "write", 1, head "empty", "the head's bytes" },
    { "worker", "write", 2, head "full", "the head's header" },
    { "worker", "fsync", 1, head "full", "syncing the head" },
    { "worker", "rename", 3, head "full", "the head's name" },
    { "worker", "open", 2, checkpoint(nil, 0), "the store's directory" },
    { "worker", "fsync", 2, checkpoint(nil, 0), "syncing the store's directory" },
    { "worker", "open", 3, checkpoint(nil, 0), "its file" },
    { "worker", "write", 3, checkpoint("empty", 0), "its bytes" },
    { "worker", "fsync", 3, checkpoint("full", 0), "syncing it" },
    { "worker", "rename", 4, checkpoint("full", 0), "its name" },
    { "worker", "open", 4, checkpoint(nil, 1), "the directory" },
    { "worker", "fsync", 4, checkpoint(nil, 1), "syncing the directory" },
    { "worker", "open", 5, checkpoint(nil, 1), "looking for old ones" },
    { "worker", "rename", 5, checkpoint(nil, 1), "removing the old one" },
    { "worker", "open", 6, checkpoint(nil, 0), "looking for old heads" },
    { "worker", "rename", 6, checkpoint(nil, 0), "removing the old head" },
  },
  sealing = { -- of a segment with events and control records
    { "maintenance", "open", 1, sealing("", false), "the segment" },
    { "maintenance", "mmap", 1, sealing("", false), "its bytes" },
    { "maintenance", "open", 2, sealing("", false), "the first file" },
    { "maintenance", "open", 3, sealing("0", false), "the second file" },
    { "maintenance", "write", 1, sealing("00", false), "the events" },
    { "maintenance", "write", 2, sealing("0n", false), "their header" },
    { "maintenance", "fsync", 1, sealing("0n", false), "syncing them" },
    { "maintenance", "rename", 1, sealing("0n", false), "their name" },
    { "maintenance", "write", 3, sealing("0", true), "the control records" },
    { "maintenance", "write", 4, sealing("n", true), "their header" },
    { "maintenance", "fsync", 2, sealing("n", true), "syncing them" },
    { "maintenance", "rename", 2, sealing("n", true), "their name" },
    { "maintenance", "open", 4, sealing("", true), "the directory" },
    { "maintenance", "fsync", 3, sealing("", true), "syncing the directory" },
    { "maintenance", "rename", 3, sealing("", true), "giving the segment up" },
  },
  spare = { -- in an empty directory
    { "maintenance", "open", 1, spare(nil), "its file" },
    { "maintenance", "allocate", 1, spare(0), "its space" },
    { "maintenance", "write", 1, spare(SEGMENT), "its zeros" },
    { "maintenance", "fsync", 1, spare(SEGMENT), "syncing it" },
  },
}

-- ---- a run ----

local Run = {}
Run.__index = Run

function Run:new_server()
  if self.server then self.server:kill9() end
  self.server = moongate.prepare {
    listen = self.address,
    scripts = { ["metrics/load.lua"] = load.script },
    conf = { journal = { segment_bytes = "1MiB", retention_bytes = "2MiB", checkpoint = 0.1 } },
  }
  self.server.addr = self.address
  self.books = load.books()
end

function Run:load(options)
  options.events, options.pad, options.connections, options.patience = 20, 500, 4, 30
  return load.start(self.server, options)
end

-- The process is started with the fault, under load, and ends by it. `rate`: of a spare, which is made once the segment is half full: one that the load
-- had filled before that would become the spare.
function Run:die(step, nth, rate)
  local server = self.server
  server.env = { MOONGATE_FAULT = ("%s@%s:%d:once:KILL"):format(step[2], step[1], nth) }
  server:spawn()
  self.running = self:load { total = 1e7, rate = rate }
  moongate.wait_until(function() return server.process:poll() end, 10, "the process to end itself before " .. step[5])
  assert(server.process:poll() == -9, "it ended with " .. server.process:poll())
  server.env = nil
  self.kills = self.kills + 1
  return look(server)
end

-- As in row 1: ready in time, everything acknowledged is there, once.
function Run:recover(what)
  local server = self.server
  local allowed = 2 + load.journal_bytes(server) / 100e6
  local began = socket.gettime()
  server:launch()
  local took = socket.gettime() - began
  assert(took <= allowed, ("%s: ready after %.2f s, wanted %.2f s"):format(what, took, allowed))
  self.slowest = math.max(self.slowest, took)
  self.running.process:signal("TERM")
  self.books:add(self.running:finish(60))
  load.check(server, self.books, what)
end

-- What was left unfinished goes: nothing piles up from crash to crash. A checkpoint is only written when there is something new.
function Run:settle()
  local state
  local ok = pcall(moongate.wait_until, function()
    state = look(self.server)
    if state.checkpoints < 2 then self.books:add(self:load { total = 20 }:finish(30)) end
    return state.checkpoints == 2 and state.heads == 2 and #state.unfinished == 0 and #state.unfinished_heads == 0
      and #state.sealing == 0
  end, 10, "")
  assert(ok, "there are not two checkpoints and nothing unfinished: " .. describe(state))
end

local function kill_at(self, kind, step, rate)
  local what = ("%s, before %s"):format(kind, step[5])
  local before = look(self.server)
  local state = self:die(step, step[3], rate)
  assert(step[4](state, before), ("%s: the disk does not look like it: %s, before: %s"):format(what, describe(state), describe(before)))
  self:recover(what)
end

function Run:checkpoints()
  for _, step in ipairs(steps.checkpoint) do
    self:settle()
    self.server:kill9()
    kill_at(self, "checkpoint", step)
  end
end

-- The next start finds one segment to seal, which holds both kinds.
function Run:leave_a_segment()
  local server = self.server
  moongate.wait_until(function() return server:metrics():get "moongate_journal_segments" == 1 end, 10, "all closed segments to be sealed")
  assert(server:reload().status == 200)
  self.books:add(self:load { total = 200 }:finish(30))
  server:kill9()
end

function Run:sealings()
  for _, step in ipairs(steps.sealing) do
    self:leave_a_segment()
    kill_at(self, "sealing", step)
  end
end

function Run:spares()
  for _, step in ipairs(steps.spare) do
    self:new_server()
    kill_at(self, "spare", step, 2000)
  end
end

-- Removals come among other renames, and when is the load's matter: any of them, until one was a removal, which leaves neither an unfinished file nor
-- one beside its segment. The others are kills in the midst of sealing under load.
function Run:retention(wanted)
  local step = { "maintenance", "rename", nil, nil, "a removal" }
  local removals = 0
  for try = 1, 30 * wanted do
    self.server:kill9()
    local state = self:die(step, math.random(10, 60)) -- none goes before there are two checkpoints
    if sealing("", false)(state) then removals = removals + 1 end
    self:recover("retention, try " .. try)
    if removals == wanted then return end
  end
  error(("%d removals met in %d tries, wanted %d"):format(removals, 30 * wanted, wanted))
end

row {
  number = 9,
  name = "kill -9 at each checkpoint and compaction step",
  short = { times = 1 },
  long = { times = 20 },
  run = function(p)
    math.randomseed(os.time())
    local self = setmetatable({ address = load.free_address(), kills = 0, slowest = 0 }, Run)
    for _ = 1, p.times do
      self:spares()
      self.books:add(self:load { total = 10000 }:finish(60)) -- enough that retention has something to remove
      self:checkpoints()
      self:sealings()
    end
    self:retention(p.times)
    self:settle()
    self.server:stop()
    return ("%d kills at %d steps, %d times each, and at removals: 0 lost, 0 doubled; ready in %.2f s at most"):format(self.kills,
      #steps.checkpoint + #steps.sealing + #steps.spare, p.times, self.slowest)
  end,
}
