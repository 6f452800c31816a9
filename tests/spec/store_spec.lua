-- The store's round trip: what was written over the wire is what is read, bit for bit, whatever happens in between.
-- STORE_KILLS: how many times the process is killed at a random moment.
local moongate = require "tests.spec.support.moongate"
local history = require "tests.spec.support.history"
local remote_write = require "tests.spec.support.remote_write"
local ffi = require "ffi"
local socket = require "socket"

local MINUTE, HOUR = 60000, 3600000
local BLOCK = 2 * HOUR
local SERIES = 12
local NO_MERGE = { retention = "59h" } -- merged blocks are at most a tenth of it
local SLOW_DISK = { MOONGATE_FAULT = "fsync@sync:1:always:DELAY=4ms" } -- so that kills find batches that are written and not synced
local KILLS = tonumber(os.getenv "STORE_KILLS" or "6")

-- ---- what is written ----

local function bits(high, low) return ffi.string(ffi.new("uint32_t[2]", low, high), 8) end

local STALE, NAN = bits(0x7ff00000, 2), bits(0xfff80000, 0xabcdef)

-- Values of many kinds, by the number of a series and the minute: eight bytes, since LuaJIT keeps values of its own in some NaNs.
local kinds = {
  [0] = function(i) return history.bytes(i * 3 + math.floor(i / 7)) end, -- a counter
  function(i) return history.bytes((i * 7919 % 1000) / 10 + 0.1 * (i % 3)) end, -- decimals
  function(i) return i % 11 == 0 and STALE or i % 13 == 0 and NAN or history.bytes(-i) end,
  function(i) return bits(i * 40503 * 65537 % 0x7fe00000, i * 2654435761 % 2 ^ 32) end, -- any bits of a number
  function(i) return history.bytes(i % 5 == 0 and math.huge or i % 5 == 1 and -0.0 or 5e-324 * i) end,
  function() return history.bytes(17) end,
}

-- A batch is a list of { series, time, eight bytes }. This one has a sample of each series a minute; of every third series some of the last come in a
-- second batch, out of order.
local function batches_from(time_ms, minutes)
  local batch, late = {}, {}
  for series = 1, SERIES do
    for i = 0, minutes - 1 do
      local time = time_ms + i * MINUTE + series * 7
      local one = { series, time, kinds[series % 6](math.floor(time / MINUTE)) }
      local comes_late = series % 3 == 0 and i >= minutes - 9 and i < minutes - 1 and i % 2 == 0
      table.insert(comes_late and late or batch, one)
    end
  end
  return batch, late
end

local function request_of(batch)
  local parts, order = {}, {}
  for _, one in ipairs(batch) do
    local samples = parts[one[1]]
    if not samples then
      samples = { remote_write.field(1, remote_write.field(1, "__name__") .. remote_write.field(2, "m"))
        .. remote_write.field(1, remote_write.field(1, "series") .. remote_write.field(2, tostring(one[1]))) }
      parts[one[1]] = samples
      order[#order + 1] = samples
    end
    samples[#samples + 1] = remote_write.field(2, "\9" .. one[3] .. "\16" .. remote_write.varint(one[2]))
  end
  for i, samples in ipairs(order) do order[i] = remote_write.field(1, table.concat(samples)) end
  return remote_write.request(table.concat(order), 1)
end

local function key_of(series) return history.key { __name__ = "m", series = tostring(series) } end

-- How many samples of a batch are among those that were found; one with another value is an error.
local function count_there(found, batch)
  local there = 0
  for _, one in ipairs(batch) do
    local at = found[key_of(one[1])] and found[key_of(one[1])][one[2]]
    if at then
      assert.equal(one[3], at)
      there = there + 1
    end
  end
  return there
end

-- A time on a block's border, some hours ago.
local function hours_ago(hours)
  local time = os.time() * 1000 - hours * HOUR
  return time - time % BLOCK
end

describe("the store", function()
  local server, books -- what was acknowledged: a list of samples

  after_each(function() if server then server:stop() end end)

  -- Without scripts: their metrics' samples would be of now, hours behind ours.
  local function start(conf)
    conf = conf or {}
    conf.journal = conf.journal or { segment_bytes = "1MiB", checkpoint = 0.5 }
    server = nil
    server = moongate.start { conf = conf }
    books = {}
  end

  local function acknowledged(batch)
    for _, one in ipairs(batch) do books[#books + 1] = one end
  end

  local function send(batch)
    if #batch == 0 then return end
    local reply = server:request(request_of(batch))
    assert.equal(204, reply.status, reply.body)
    acknowledged(batch)
  end

  -- Half hours from `from_ms` on, up to `to_ms`.
  local function fill(from_ms, to_ms)
    for time = from_ms, to_ms - 1, 30 * MINUTE do
      local batch, late = batches_from(time, 30)
      send(batch)
      send(late)
    end
  end

  -- From from_ms to to_ms (without; nil: of all time) there is exactly what is in the books.
  local function check(from_ms, to_ms)
    from_ms, to_ms = from_ms or 0, to_ms or os.time() * 1000
    local wanted = {}
    for _, one in ipairs(books) do
      if one[2] >= from_ms and one[2] < to_ms then wanted[#wanted + 1] = one end
    end
    local found, _, count = history.read(server, "m", from_ms, to_ms - 1)
    assert.equal(#wanted, count_there(found, wanted))
    assert.equal(#wanted, count)
  end

  local function figure(name) return server:metrics():get(name) end

  -- The blocks on disk: { name, from, to }, in the order of time.
  local function blocks()
    local list = {}
    for name in moongate.sh("ls " .. server.dir .. "/data/store"):gmatch("%S+") do
      local from, to = name:match("^(%d+)%-(%d+)%.block$")
      if from then list[#list + 1] = { name = name, from = tonumber(from), to = tonumber(to) } end
    end
    table.sort(list, function(a, b) return a.from < b.from end)
    return list
  end

  -- All that is due is sealed, where samples up to to_ms were written.
  local function await_sealed(to_ms)
    local edge = to_ms - MINUTE - HOUR
    edge = edge - edge % BLOCK
    moongate.wait_until(function()
      local list = blocks()
      return #list > 0 and list[#list].to >= edge
    end, 60, "blocks")
  end

  it("has what was written in head and blocks, over restarts and kills", function()
    start { store = NO_MERGE }
    local from = hours_ago(10)
    local to = from + 7.5 * HOUR
    fill(from, to)
    check()
    await_sealed(to)
    assert.equal(3, #blocks())
    check()
    for round = 1, 4 do
      if round % 2 == 1 then server:stop() else server:kill9() end
      server:restart()
      check()
      fill(to, to + 30 * MINUTE)
      to = to + 30 * MINUTE
      check()
    end
  end)

  it("has it after blocks were merged", function()
    start()
    local from = hours_ago(26)
    fill(from, from + 24 * HOUR)
    await_sealed(from + 24 * HOUR)
    moongate.wait_until(function() return figure "moongate_store_blocks_merged_total" >= 6 end, 60, "merged blocks")
    check()
    server:kill9()
    server:restart()
    check()
    assert.equal(0, figure "moongate_store_blocks_refused_total")
  end)

  it("lets go of blocks past the retention, and of nothing younger", function()
    start { store = { retention = "6h" } }
    local from = hours_ago(20)
    local to = from + 18 * HOUR
    fill(from, to)
    await_sealed(to)
    local newest = to - MINUTE + SERIES * 7
    moongate.wait_until(function() return blocks()[1].to > newest - 6 * HOUR end, 60, "old blocks to go")
    local kept = blocks()[1].from
    assert.is_true(kept <= newest - 6 * HOUR and kept > from)
    assert.equal((kept - from) / BLOCK, figure "moongate_store_blocks_removed_total")
    check(kept)
    server:kill9()
    server:restart()
    check(kept)
    assert.equal(0, #history.ask(server, "m", from, kept - 1).body)
  end)

  -- Three senders have batches under way, each of its own series, so that none waits for another's.
  local function send_and_kill(time, at_once)
    local senders = { { sent = {} }, { sent = {} }, { sent = {} } }
    for _, sender in ipairs(senders) do sender.http = server:connect() end
    local requests = {} -- all made before the first is sent: they take longer to make than to be answered
    for part = 0, 5 do
      local batch = batches_from(time + part * 5 * MINUTE, 5)
      for number, sender in ipairs(senders) do
        local own = {}
        for _, one in ipairs(batch) do
          if one[1] % 3 == number - 1 then own[#own + 1] = one end
        end
        table.insert(requests, { http = sender.http, text = request_of(own) })
        table.insert(sender.sent, own)
      end
    end
    for _, request in ipairs(requests) do request.http:send(request.text) end
    if not at_once then socket.sleep(math.random() * 0.03) end
    server:kill9()
    return senders
  end

  -- Notes what was answered before the end; returns what was not.
  local function read_answers(senders)
    local open, count = {}, 0
    for _, sender in ipairs(senders) do
      local alive = true
      for _, batch in ipairs(sender.sent) do
        local ok, reply = pcall(sender.http.receive, sender.http)
        alive = alive and ok and reply ~= nil
        if alive then
          assert.equal(204, reply.status, reply.body)
          acknowledged(batch)
          count = count + 1
        else
          open[#open + 1] = batch
        end
      end
      sender.http:close()
    end
    return open, count
  end

  it("has what was acknowledged after kills at random moments, and the rest whole or not at all", function()
    start { journal = { segment_bytes = "1MiB", checkpoint = 0.1 } }
    local seed = os.time()
    math.randomseed(seed)
    local time, answered, unanswered = hours_ago(KILLS + 3), 0, 0
    for round = 1, KILLS do
      local open, count = read_answers(send_and_kill(time, round % 2 == 0)) -- every other time hardly anything can have been answered
      answered, unanswered = answered + count, unanswered + #open
      server.env = round % 3 ~= 2 and SLOW_DISK or nil
      server:restart()
      local found = history.read(server, "m")
      for _, batch in ipairs(open) do
        local there = count_there(found, batch)
        assert.is_true(there == 0 or there == #batch, ("round %d of seed %d: %d of %d samples"):format(round, seed, there, #batch))
        if there == 0 then send(batch) else acknowledged(batch) end
      end
      check()
      time = time + HOUR -- so that blocks are made meanwhile
    end
    assert.is_true(answered > 0, "nothing was answered before its kill")
    assert.is_true(unanswered > 0, "everything was answered before its kill")
    assert.equal(0, figure "moongate_store_samples_lost_total")
    moongate.wait_until(function() return #blocks() > 0 end, 20, "a block to be made")
    check()
  end)

  -- The last sample of the only series of a name: its time and its bytes.
  local function last_of(name)
    local all = history.read(server, name)
    local _, samples = next(all)
    local last = -math.huge
    for time in pairs(samples or {}) do last = math.max(last, time) end
    return last, samples and samples[last]
  end

  it("ends live series that went while nobody looked", function()
    server = moongate.start {
      scripts = { ["metrics/brief.lua"] = [[
local brief = counter "brief_total" { labels = { "n" }, idle = "4s" }
on("brief", function(ev) brief:inc(ev.n) end)
]] },
      conf = { journal = { checkpoint = 0.1 }, store = { resolution = 1 } },
    }
    for _, way in ipairs { "kill9", "stop" } do
      assert.equal(200, server:request { method = "POST", path = "/v1/events", body = ('{"type":"brief","n":"%s"}'):format(way) }.status)
      local name = ('brief_total{n="%s"}'):format(way)
      local value
      moongate.wait_until(function() -- it is in a checkpoint that stands behind its last tick
        value = select(2, last_of(name))
        return value and value ~= STALE
      end, 10, "a sample")
      local cut = server:metrics():get "moongate_checkpoints_total"
      moongate.wait_until(function() return server:metrics():get "moongate_checkpoints_total" > cut end, 10, "a checkpoint")
      assert.are_not.equal(STALE, select(2, last_of(name)), "the machine is too slow for this test")
      server[way](server)
      socket.sleep(4.5) -- it is idle by then
      server:restart()
      moongate.wait_until(function() return select(2, last_of(name)) == STALE end, 10, "the end of the series")
    end
  end)

  it("has what comes before a torn end of the journal, and what a checkpoint has", function()
    math.randomseed(os.time())
    start { journal = { segment_bytes = "1MiB", checkpoint = 3600 } }
    local from, batches = hours_ago(3), {}
    for i = 1, 10 do send((batches_from(from + i * 3 * MINUTE, 3))) end
    server:stop() -- with a checkpoint
    server:restart()
    for i = 1, 20 do
      batches[i] = (batches_from(from + (10 + i) * 3 * MINUTE, 3))
      assert.equal(204, server:request(request_of(batches[i])).status)
    end
    server:kill9()
    local data = server.dir .. "/data"
    moongate.sh(("cp -r %s %s-before"):format(data, data))
    local lost = 0
    for _ = 1, 5 do
      moongate.sh(("rm -r %s; cp -r %s-before %s"):format(data, data, data))
      local path = moongate.sh(("ls %s/journal/*.open | tail -n 1"):format(data)):match("%S+")
      local bytes = moongate.read_file(path)
      local used = #bytes:gsub("%z+$", "")
      local cut = math.random(4096, used)
      moongate.write_file(path, bytes:sub(1, cut))
      server:restart()
      local found, missing = history.read(server, "m"), 0
      assert.equal(#books, count_there(found, books))
      for _, batch in ipairs(batches) do
        local there = count_there(found, batch)
        assert.is_true(there == 0 or (there == #batch and missing == 0), ("cut at byte %d of %d"):format(cut, used))
        missing = missing + (there == 0 and 1 or 0)
      end
      lost = lost + missing
      server:kill9()
    end
    assert.is_true(lost > 0)
    server:restart()
    local found = history.read(server, "m")
    for _, batch in ipairs(batches) do -- what is missing is taken as if it had never been
      if count_there(found, batch) == 0 then send(batch) else acknowledged(batch) end
    end
    check()
  end)

  local function flip(path, bytes, at)
    local old = bytes:byte(at)
    moongate.write_file(path, bytes:sub(1, at - 1) .. string.char(old >= 128 and old - 128 or old + 128) .. bytes:sub(at + 1))
  end

  -- What becomes of a block with that byte flipped: "aside", "refused" when it is read, or "served", since the byte only fills up.
  local function serve_damaged(block, at)
    local path = server.dir .. "/data/store/" .. block.name
    local whole = moongate.read_file(path)
    flip(path, whole, at)
    server:restart()
    check(0, block.from)
    check(block.to)
    local reply = history.ask(server, "m", block.from, block.to - 1)
    local outcome = moongate.read_file(path .. ".damaged") and "aside" or reply.status == 200 and "served" or "refused"
    if outcome == "aside" then
      assert.truthy(server:log_find(function(line) return line.level == "error" and (line.error or ""):find(block.name, 1, true) end))
      assert.equal(1, figure "moongate_store_blocks_refused_total")
      -- Of the newest one the head may still have samples.
      local found, _, count = history.read(server, "m", block.from, block.to - 1)
      assert.equal(count, count_there(found, books))
      assert.is_true(block.is_newest or count == 0)
    elseif outcome == "refused" then
      assert.equal(422, reply.status)
      assert.truthy(reply.body:find(block.name .. " is damaged", 1, true), reply.body)
    else
      check()
    end
    server:stop()
    os.remove(path .. ".damaged")
    moongate.write_file(path, whole)
    return outcome
  end

  it("names a block with a flipped byte, and serves all others", function()
    math.randomseed(os.time())
    start { store = NO_MERGE }
    local from = hours_ago(10)
    local to = from + 7.5 * HOUR
    fill(from, to)
    await_sealed(to)
    local list = blocks()
    list[3].is_newest = true
    server:stop()
    for _, block in ipairs(list) do
      local size = #moongate.read_file(server.dir .. "/data/store/" .. block.name)
      assert.equal("aside", serve_damaged(block, 20)) -- in the header
      assert.equal("refused", serve_damaged(block, 280)) -- among the samples
      serve_damaged(block, math.random(size))
    end
    server:restart()
    check()
  end)
end)
