-- Senders of whole batches to the store, and readers who hold what they see of them to the promise: a batch is seen whole or not at all, and one that
-- was acknowledged before a question is in its answer.
--
-- Both are processes of their own (luajit batches.lua send|read <options as JSON>), so that they do not wait for each other. A sender has WIDTH series,
-- and each batch gives all of them the same value, which is the batch's number, at the same time. Every LATE-th batch comes out of order; every BORN-th
-- makes new series as well. Of what a sender does readers know by a file that both map: how many batches were acknowledged, and the time of each.
--
-- The last line of either is what it did, as JSON. What does not hold is an error, and ends it with 1.
local ffi = require "ffi"
local json = require "cjson"
local socket = require "socket"

ffi.cdef [[
typedef struct { volatile double acknowledged, begun; volatile double times[65536]; } batches_seen;
int open(const char *path, int flags, ...);
int ftruncate(int fd, long length);
void *mmap(void *at, size_t length, int protection, int flags, int fd, long offset);
]]
local O_RDWR_CREAT, PROT_READ_WRITE, MAP_SHARED = 2 + 64, 1 + 2, 1

local WIDTH, BORN_WIDTH = 200, 40
local LATE, BORN, BEHIND = 7, 5, 6 -- a late batch comes directly behind the batch so many before it, in time

local batches = { WIDTH = WIDTH, BORN_WIDTH = BORN_WIDTH }
batches.__index = batches

local function seen_at(path)
  local fd = ffi.C.open(path, O_RDWR_CREAT, ffi.cast("int", 384))
  assert(fd >= 0 and ffi.C.ftruncate(fd, ffi.sizeof "batches_seen") == 0, path)
  local at = ffi.C.mmap(nil, ffi.sizeof "batches_seen", PROT_READ_WRITE, MAP_SHARED, fd, 0)
  assert(at ~= ffi.cast("void *", -1), path)
  return ffi.cast("batches_seen *", at)
end

local function is_late(number) return number % LATE == 0 and number > BEHIND end
local function is_born(number) return number % BORN == 0 end

local function exists(path)
  local f = io.open(path)
  if f then f:close() end
  return f ~= nil
end

-- ---- the sender ----

local function label_bytes(remote_write, labels)
  local parts = {}
  for i, l in ipairs(labels) do parts[i] = remote_write.field(1, remote_write.field(1, l[1]) .. remote_write.field(2, l[2])) end
  return table.concat(parts)
end

local function body_of(remote_write, o, number, time_ms, series)
  local sample = remote_write.field(2, "\9" .. ffi.string(ffi.new("double[1]", number), 8) .. "\16" .. remote_write.varint(time_ms))
  local parts = {}
  for i = 1, WIDTH do parts[i] = remote_write.field(1, series[i] .. sample) end
  if is_born(number) then
    for i = 1, BORN_WIDTH do
      parts[WIDTH + i] = remote_write.field(1, label_bytes(remote_write,
        { { "__name__", "born" }, { "batch", tostring(number) }, { "i", tostring(i) }, { "sender", o.sender } }) .. sample)
    end
  end
  return remote_write.request(table.concat(parts), 1)
end

local function percentile(sorted, share)
  return sorted[math.max(1, math.ceil(#sorted * share))] or 0
end

-- `o`: addr, sender (its name), seen, stop (files), rate (batches a second), base_ms and began (where its time begins, and when), speed (of that time).
local function send(o)
  local moongate = require "tests.spec.support.moongate"
  local remote_write = require "tests.spec.support.remote_write"
  local seen, c = seen_at(o.seen), moongate.connect(o.addr)
  local series, took, number, next_at = {}, {}, 0, socket.gettime()
  for i = 1, WIDTH do
    series[i] = label_bytes(remote_write, { { "__name__", "batch" }, { "i", tostring(i) }, { "sender", o.sender } })
  end
  while not exists(o.stop) do
    number = number + 1
    -- Times in order are even, and late ones odd: none comes twice.
    local time_ms = is_late(number) and seen.times[number - BEHIND] + 1
      or o.base_ms + math.floor((socket.gettime() - o.began) * o.speed * 500) * 2
    seen.times[number] = time_ms
    seen.begun = number
    local request = body_of(remote_write, o, number, time_ms, series)
    local before = socket.gettime()
    local reply = c:request(request)
    took[number] = socket.gettime() - before
    assert(reply.status == 204, ("batch %d at %d ms: %d %s"):format(number, time_ms, reply.status, reply.body))
    seen.acknowledged = number
    next_at = math.max(next_at + 1 / o.rate, socket.gettime() - 1)
    socket.sleep(math.max(0, next_at - socket.gettime()))
  end
  c:close()
  table.sort(took)
  print(json.encode { batches = number, p50_ms = percentile(took, 0.5) * 1000, p99_ms = percentile(took, 0.99) * 1000 })
end

-- ---- the reader ----

local function escape(text)
  return (text:gsub("[^%w]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function get(c, path, selector, from_ms, to_ms)
  local range = from_ms and ("&start=%.3f"):format(from_ms / 1000) or ""
  if to_ms then range = range .. ("&end=%.3f"):format(to_ms / 1000) end
  local reply = c:request { path = ("/api/v1/%s?match[]=%s%s"):format(path, escape(selector), range) }
  assert(reply.status == 200, reply.body)
  return reply.body
end

-- A batch not after this one whose time is in order.
local function in_order(number) return number - (is_late(number) and 1 or 0) end

-- What the sender's series have from batch `low` on, to batch `high` (nil: and all that came meanwhile). All lines but for their labels are the same,
-- batches acknowledged before are there, and others as they were sent.
local function check_samples(c, seen, sender, low, high)
  low, high = in_order(low), high and in_order(high)
  local acknowledged = seen.acknowledged
  local from, to = seen.times[low], high and seen.times[high] or nil
  local body = get(c, "export", ('batch{sender="%s"}'):format(sender), from, to)
  local lines, first = 0, nil
  for line in body:gmatch("[^\n]+") do
    local rest = line:match('"values":.*$')
    first = first or rest
    assert(rest == first, ("half a batch of %s from batch %d on:\n%s\n%s"):format(sender, low, first, rest))
    lines = lines + 1
  end
  assert(lines == WIDTH, ("%d of %d series of %s from batch %d on"):format(lines, WIDTH, sender, low))
  local found, count = json.decode("{" .. first), 0
  local is_there = {}
  for i, number in ipairs(found.values) do
    assert(number <= seen.begun and seen.times[number] == found.timestamps[i], ("batch %s of %s is not at its time"):format(number, sender))
    is_there[number] = true
    count = count + 1
  end
  for number = 1, acknowledged do
    local time = seen.times[number]
    if time >= from and (not to or time <= to) then
      assert(is_there[number], ("batch %d of %s was acknowledged, and is not there"):format(number, sender))
    end
  end
  return count
end

-- How many of the series that batches `numbers` of a sender made are there, by batch; with /series or with /export.
local function count_born(c, path, sender, numbers)
  local counts = {}
  local body = get(c, path, ('born{sender="%s",batch=~"%s"}'):format(sender, table.concat(numbers, "|")))
  for number in body:gmatch('"batch":"(%d+)"') do counts[number] = (counts[number] or 0) + 1 end
  return counts
end

-- The same of the new series of batches low to high (some of which may be still to come); and those that /series has have samples.
local function check_born(c, seen, sender, low, high)
  local acknowledged, numbers, counts = seen.acknowledged, {}, {}
  for number = math.max(BORN, low - low % BORN), high, BORN do numbers[#numbers + 1] = tostring(number) end
  for _, path in ipairs { "series", "export" } do
    local before = counts
    counts = count_born(c, path, sender, numbers)
    for _, number in ipairs(numbers) do
      local count = counts[number] or 0
      if count ~= BORN_WIDTH and (count > 0 or before[number] or tonumber(number) <= acknowledged) then
        error(("/%s has %d of the %d series that batch %s of %s made; %d batches are acknowledged%s"):format(path, count, BORN_WIDTH, number, sender,
          acknowledged, before[number] and (", and /series had %d"):format(before[number]) or ""))
      end
    end
  end
  return #numbers
end

local function read(o)
  local moongate = require "tests.spec.support.moongate"
  math.randomseed(o.seed)
  local c, senders, questions, checked = moongate.connect(o.addr), {}, 0, 0
  for i, name in ipairs(o.senders) do senders[i] = { name = name, seen = seen_at(o.seen[i]) } end
  while not exists(o.stop) do
    local s = senders[math.random(#senders)]
    local last = s.seen.acknowledged
    if last > BEHIND then
      local low = math.max(1, last - math.random(40))
      local kind = math.random(4)
      if kind == 1 then
        checked = checked + check_born(c, s.seen, s.name, low, last + 3 * BORN)
      elseif kind == 2 then -- of long ago
        low = math.random(last)
        checked = checked + check_samples(c, s.seen, s.name, low, math.min(low + 40, last))
      else
        checked = checked + check_samples(c, s.seen, s.name, low)
      end
      questions = questions + 1
    end
    socket.sleep(0.002)
  end
  c:close()
  print(json.encode { questions = questions, batches = checked })
end

if arg and arg[0] and arg[0]:find("batches%.lua$") then
  package.path = "./?.lua;" .. package.path
  local ok, why = xpcall(arg[1] == "send" and send or read, debug.traceback, json.decode(arg[2]))
  if not ok then io.stderr:write(tostring(why), "\n") end
  os.exit(ok and 0 or 1)
end

-- ---- for rows ----

-- Starts one: kind is "send" or "read".
function batches.start(server, kind, name, options)
  local process = require "tests.spec.support.process"
  local path = server.dir .. "/" .. name
  local self = setmetatable({ name = name, out = path .. ".out", err = path .. ".err", stop_file = path .. ".stop" }, batches)
  options.addr, options.stop = server.addr, self.stop_file
  self.process = process.spawn({ "luajit", "tests/torture/support/batches.lua", kind, json.encode(options) }, self.out, self.err)
  return self
end

-- That it goes on.
function batches:check()
  local code = self.process:poll()
  if code then error(("%s ended with %d: %s"):format(self.name, code, require "tests.spec.support.moongate".read_file(self.err)), 2) end
end

function batches:finish()
  local moongate = require "tests.spec.support.moongate"
  assert(io.open(self.stop_file, "w")):close()
  local code = self.process:wait(90)
  if code ~= 0 then error(("%s ended with %d: %s"):format(self.name, code, moongate.read_file(self.err)), 2) end
  return json.decode(moongate.read_file(self.out))
end

-- Everything that a sender was answered for, at the end.
function batches.check_all(server, sender, seen_path, width)
  local c, seen, checked = server:connect(), seen_at(seen_path), 0
  for low = 1, seen.acknowledged, width do
    checked = checked + check_samples(c, seen, sender, low, math.min(low + width, seen.acknowledged))
    check_born(c, seen, sender, low, math.max(BORN, low + width))
  end
  c:close()
  return checked
end

return batches
