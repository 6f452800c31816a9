-- A flood of new series, over the wire and by a script that makes a label of an id: there are as many as store.max_series and no more, who already has
-- series is not refused one sample, and the next start is quick. What is left behind goes, and makes room.
package.path = "./?.lua;" .. package.path
local row = require "tests.torture.support.row"
local load = require "tests.torture.support.load"
local moongate = require "tests.spec.support.moongate"
local history = require "tests.spec.support.history"
local remote_write = require "tests.spec.support.remote_write"
local json = require "cjson"
local ffi = require "ffi"
local socket = require "socket"

local EXISTING, A_BODY, PER_METRIC_DEFAULT = 1000, 2000, 10000
local RESTART_S = 10

local SCRIPT = [[
local flood = counter "script_flood_total" { labels = { "id" } }
local good = counter "script_good_total" { labels = {} }
on("flood", function(ev) flood:inc(ev.user_id) good:inc() end)
]]

-- ---- bodies ----

local function label(name, value) return remote_write.field(1, remote_write.field(1, name) .. remote_write.field(2, value)) end

-- `count` series of a metric, with an id from `first` on and the value and time of all.
local function body(metric, first, count, value, time_ms)
  local name = label("__name__", metric)
  local sample = remote_write.field(2, "\9" .. ffi.string(ffi.new("double[1]", value), 8) .. "\16" .. remote_write.varint(time_ms))
  local parts = {}
  for i = 1, count do parts[i] = remote_write.field(1, name .. label("id", tostring(first + i - 1)) .. sample) end
  return remote_write.request(table.concat(parts), 1)
end

local function written(reply) return tonumber(reply.headers["x-prometheus-remote-write-samples-written"]) end

-- What was refused is said, with the reason; returns how many were taken.
local function check_refusal(reply, count)
  local taken = written(reply)
  if reply.status == 204 then
    assert(taken == count)
    return taken
  end
  local why = json.decode(reply.body).error.message
  assert(reply.status == 400, ("%d %s"):format(reply.status, reply.body))
  assert(why:find(("^%d of %d samples were refused"):format(count - taken, count)), why)
  assert(why:find("there are as many series as store.max_series allows", 1, true)
    or why:find("its metric has as many series as store.max_series_per_metric allows", 1, true), why)
  return taken
end

-- ---- the flood ----

local Run = {}
Run.__index = Run

-- All samples of who was there before are taken, whatever else happens.
function Run:send_existing()
  self.existing = self.existing + 1
  self.time_ms = math.max(self.time_ms + 1, os.time() * 1000)
  self.times[self.existing] = self.time_ms
  local reply = self.connection:request(body("existing", 1, EXISTING, self.existing, self.time_ms))
  assert(reply.status == 204, ("series that exist were refused: %d %s"):format(reply.status, reply.body))
end

-- A body of new series: of one metric with ever more ids, then of a metric that nobody had.
function Run:next_body()
  local metric, first = "flood", self.step / 2 * A_BODY + 1
  if self.step % 2 == 1 then metric, first = "flood_" .. self.step, 1 end
  self.step = self.step + 1
  return metric, first
end

function Run:flood(metric, first)
  local reply = self.connection:request(body(metric, first, A_BODY, first, self.time_ms))
  local taken = check_refusal(reply, A_BODY)
  self.refused = self.refused + A_BODY - taken
  self.sent = self.sent + A_BODY
  -- They are taken in their order until there is no more room.
  if taken > 0 then self.taken[metric] = (self.taken[metric] or 0) + taken end
end

function Run:send_events(count)
  local lines = {}
  for i = 1, count do lines[i] = ('{"type":"flood","id":"e%d","user_id":"u%d"}'):format(self.events + i, self.events + i) end
  local reply = self.connection:request { method = "POST", path = "/v1/events", body = table.concat(lines, "\n") }
  assert(reply.status == 200 and json.decode(reply.body).accepted == count, reply.body)
  self.events = self.events + count
end

-- With a flood's body under way; it is sent again, as by any sender.
function Run:kill()
  local metric, first = self:next_body()
  self.connection:send(body(metric, first, A_BODY, first, self.time_ms))
  socket.sleep(math.random() * 0.01)
  self.server:kill9()
  self.connection:close()
  local began = socket.gettime()
  self.server:restart()
  local took = socket.gettime() - began
  assert(took <= RESTART_S, ("ready after %.2f s, wanted %d s"):format(took, RESTART_S))
  self.slowest = math.max(self.slowest, took)
  self.connection = self.server:connect()
  self.refused = 0 -- counted since the start
  self:check()
  self:flood(metric, first)
end

-- Everything that was acknowledged is there, once.
function Run:check()
  local all, series = history.read(self.server, "existing")
  assert(series == EXISTING, series .. " series that existed are left")
  for i = 1, EXISTING do
    local samples = all[history.key { __name__ = "existing", id = tostring(i) }]
    for n = 1, self.existing do
      assert(samples[self.times[n]] == history.bytes(n), ("series %d has lost sample %d"):format(i, n))
    end
  end
  for metric, taken in pairs(self.taken) do
    local reply = self.server:request { path = "/api/v1/series?match[]=" .. metric }
    local found, least = 0, 0
    for id in reply.body:gmatch('"id":"(%d+)"') do
      found = found + 1
      least = least + (tonumber(id) <= taken and 1 or 0)
    end
    -- What was not answered may be there as well.
    assert(least == taken and found - taken <= A_BODY, ("%s: %d of %d series, and %d more"):format(metric, least, taken, found - least))
  end
  self:check_events()
end

function Run:check_events()
  local metrics, sum, series = self.server:metrics(), 0, 0
  for _, sample in ipairs(metrics:all "script_flood_total") do
    sum, series = sum + sample.value, series + 1
  end
  assert(sum == self.events and metrics:get("script_good_total") == self.events, ("%d of %d events are counted"):format(sum, self.events))
  assert(series <= PER_METRIC_DEFAULT + 1, series .. " series of one metric of a script")
end

function Run:check_bounds(p)
  local metrics = self.server:metrics()
  assert(self.refused > 0 and metrics:get "moongate_store_samples_refused_total" == self.refused,
    ("%d samples were refused, and %s are counted"):format(self.refused, tostring(metrics:get "moongate_store_samples_refused_total")))
  -- A replay has a quarter more room, for series that left in the meantime; what it let in stays as long as it is told of.
  local series = metrics:get "moongate_store_series"
  assert(series >= p.max and series <= p.max * 1.25, series .. " series in memory")
  assert(self.events > PER_METRIC_DEFAULT and metrics:get "moongate_metric_overflows_total" > 0, "the script's metric has no overflow")
end

-- Steps until `share` of max in new series were sent in all, at the pace of p.rate a minute.
function Run:steps(p, share)
  local began, before = socket.gettime(), self.sent
  while self.sent < p.max * share do
    self:flood(self:next_body())
    self:send_existing()
    self:send_events(p.events)
    socket.sleep(math.max(0, began + (self.sent - before) / p.rate * 60 - socket.gettime()))
  end
  self.seconds = self.seconds + socket.gettime() - began
end

local function flood(p)
  local self = setmetatable({ existing = 0, time_ms = 0, times = {}, step = 0, sent = 0, events = 0, refused = 0, taken = {}, slowest = 0,
    seconds = 0 }, Run)
  self.server = moongate.start {
    listen = load.free_address(),
    scripts = { ["metrics/flood.lua"] = SCRIPT },
    conf = { journal = {}, store = { max_series = p.max, max_series_per_metric = p.per_metric, resolution = "1s" } },
  }
  self.connection = self.server:connect()
  self:send_existing()
  self:steps(p, 0.5)
  self:kill()
  self:steps(p, 1.5)
  self:check_bounds(p)
  local full = load.memory(self.server.process.pid, "VmRSS")
  self:steps(p, 2.5)
  self:check_bounds(p)
  local after = load.memory(self.server.process.pid, "VmRSS")
  assert(after < full * 1.1 + 32 * 2 ^ 20, ("%d MiB when it was full, %d MiB now"):format(full / 2 ^ 20, after / 2 ^ 20))
  self:kill()
  self:steps(p, 2.6)
  self:check()
  self:check_bounds(p)
  self.connection:close()
  self.server:stop()
  return self, after
end

-- ---- who leaves ----

-- Series that have no new sample leave when what they have is in a block. The samples' time is hours ago, so that it may run.
local function leave(p)
  local server = moongate.start { scripts = {}, conf = { store = { max_series = p.idle_max, idle = "60s" } } }
  local time_ms, stay = (os.time() - 8 * 3600) * 1000, 100
  local function post(metric, first, count, at_ms) return server:request(body(metric, first, count, first, at_ms)) end
  local function fill(metric)
    local taken = 0
    for first = 1, p.idle_max, A_BODY do taken = taken + check_refusal(post(metric, first, A_BODY, time_ms), A_BODY) end
    assert(taken == p.idle_max - stay, taken .. " new series were taken")
  end
  assert(post("stays", 1, stay, time_ms).status == 204)
  fill "old"
  for _ = 1, 6 * 7 do
    time_ms = time_ms + 600000
    assert(post("stays", 1, stay, time_ms).status == 204)
  end
  moongate.wait_until(function() return server:metrics():get "moongate_store_series" == stay end, 60, "old series to leave")
  assert(server:metrics():get "moongate_store_series_expired_total" == p.idle_max - stay)
  fill "new"
  server:kill9()
  server:restart()
  for metric, count in pairs { stays = stay, old = p.idle_max - stay, new = p.idle_max - stay } do
    local _, series, samples = history.read(server, metric)
    assert(series == count and samples == (metric == "stays" and 43 or 1) * count, ("%s: %d series, %d samples"):format(metric, series, samples))
  end
  server:stop()
end

row {
  number = 21,
  name = "a million new series a minute",
  -- max: of series; rate: new ones a minute, at most; events: beside each body; idle_max: of series where some leave.
  short = { max = 20000, per_metric = 8000, rate = 6e6, events = 1000, idle_max = 5000 },
  long = { max = 1000000, per_metric = 400000, rate = 1e6, events = 250, idle_max = 100000 },
  run = function(p)
    math.randomseed(os.time())
    local self, bytes = flood(p)
    leave(p)
    return ("%d new series, %.2f million a minute, of which %d were kept, in %d MiB; %d samples of existing ones all taken; ready ≤ %.2f s"):format(
      self.sent, self.sent / self.seconds * 60 / 1e6, p.max, bytes / 2 ^ 20, self.existing * EXISTING, self.slowest)
  end,
}
