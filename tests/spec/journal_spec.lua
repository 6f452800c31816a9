-- What the disk does to the gateway: full, torn, damaged.
local moongate = require "tests.spec.support.moongate"
local json = require "cjson"
local socket = require "socket"

local script = 'local n = counter "n_total" { labels = {} } on("x", function() n:inc() end)'

local function post(server, n)
  local lines = {}
  for i = 1, n or 1 do lines[i] = '{"type":"x"}' end
  return server:request { method = "POST", path = "/v1/events", body = table.concat(lines, "\n") }
end

describe("the journal", function()
  it("answers 507 while the disk is full, goes on answering queries, and recovers by itself", function()
    local dir = moongate.process.temporary_dir()
    local faults = dir .. "/faults"
    moongate.write_file(faults, "")
    local server = moongate.start { scripts = { ["metrics/n.lua"] = script }, env = { MOONGATE_FAULT_FILE = faults } }
    finally(function()
      server:stop()
      os.execute("rm -rf " .. dir)
    end)
    assert.equal(200, post(server).status)
    moongate.write_file(faults, "write:1:always:ENOSPC,allocate:1:always:ENOSPC")
    local refused = moongate.wait_until(function()
      local reply = post(server)
      return reply.status ~= 200 and reply
    end, 10, "a refusal")
    assert.equal(507, refused.status)
    assert.match("space", json.decode(refused.body).error.message)
    local before = server:metrics():get("n_total")
    local reload = server:reload()
    assert.equal(507, reload.status)
    assert.match("space", json.decode(reload.body).error.message)
    assert.is_truthy(reload.headers["retry-after"])
    assert.equal(503, server:request { path = "/-/ready" }.status)
    assert.equal(200, server:request { path = "/-/healthy" }.status)
    moongate.write_file(faults, " ")
    moongate.wait_until(function() return post(server).status == 200 end, 5, "writing to go on")
    assert.equal(before + 1, server:metrics():get("n_total"))
    assert.equal(200, server:request { path = "/-/ready" }.status)
    local last = server:metrics():get("n_total")
    assert.equal(last, server:metrics():get("moongate_records_accepted_total")) -- what was refused is not among them
    server:kill9()
    server:restart()
    assert.equal(last, server:metrics():get("n_total"))
  end)

  it("acknowledges nothing after a failed sync until it writes elsewhere", function()
    local dir = moongate.process.temporary_dir()
    local faults = dir .. "/faults"
    moongate.write_file(faults, "")
    local server = moongate.start { scripts = { ["metrics/n.lua"] = script }, env = { MOONGATE_FAULT_FILE = faults } }
    finally(function()
      server:stop()
      os.execute("rm -rf " .. dir)
    end)
    local told = 0
    for round = 1, 5 do
      for _ = 1, 3 do
        if post(server).status == 200 then told = told + 1 end
      end
      moongate.write_file(faults, ("fsync:%d:once:EIO"):format(round))
      for _ = 1, 8 do
        if post(server).status == 200 then told = told + 1 end
      end
      moongate.write_file(faults, (" "):rep(round))
      moongate.wait_until(function()
        local fine = post(server).status == 200
        if fine then told = told + 1 end
        return fine
      end, 5, "writing to go on")
    end
    assert.equal(told, server:metrics():get("n_total"))
    server:kill9()
    server:restart()
    assert.equal(told, server:metrics():get("n_total"))
  end)

  it("cuts a torn tail and reports it", function()
    local server = moongate.start { scripts = { ["metrics/n.lua"] = script } }
    finally(function() server:stop() end)
    for _ = 1, 10 do assert.equal(200, post(server, 5).status) end
    server:kill9()
    -- Damage in the last frame: everything before it counts, it does not.
    local path = moongate.sh("ls -t " .. server.dir .. "/data/journal/*.open | head -1"):gsub("%s+$", "")
    local text = moongate.read_file(path)
    local last = text:find("%z*$")
    moongate.write_file(path, text:sub(1, last - 3) .. "\255" .. text:sub(last - 1))
    server:restart()
    assert.equal(45, server:metrics():get("n_total"))
    assert.is_truthy(server:log_find(function(line)
      return line.msg == "journal opened" and line.level == "warn" and line.torn_bytes > 0
    end))
    assert.equal(200, post(server, 1).status)
    server:kill9()
    server:restart()
    assert.equal(46, server:metrics():get("n_total"))
  end)

  it("bounds the decoded records that wait for the disk: 503 with Retry-After, and nothing of them is taken", function()
    local server = moongate.start {
      scripts = { ["metrics/n.lua"] = script },
      conf = { journal = { queue_bytes = "1MiB" } },
      env = { MOONGATE_FAULT = "fsync@sync:1:always:DELAY=1s" },
    }
    finally(function() server:stop() end)
    -- Items of an array take sixteen bytes each once they are decoded: 1.6 MB, which is taken because nothing else waits.
    local large = server:connect()
    local event = '{"type":"x","items":[' .. ("1,"):rep(1000) .. "1]}\n"
    large:send { method = "POST", path = "/v1/events", body = event:rep(100) }
    moongate.wait_until(function() return server:metrics():get("moongate_queue_bytes") > 2 ^ 20 end, 10, "the records to wait")
    local refused = post(server)
    assert.equal(503, refused.status)
    assert.equal("1", refused.headers["retry-after"])
    assert.equal(200, large:receive().status)
    assert.equal(100, server:metrics():get("n_total"))
    assert.equal(0, server:metrics():get("moongate_queue_bytes"))
    assert.equal(200, post(server).status)
    assert.equal(101, server:metrics():get("n_total"))
  end)

  it("removes a checkpoint that a dead process had not finished", function()
    local server = moongate.start { scripts = { ["metrics/n.lua"] = script } }
    finally(function() server:stop() end)
    assert.equal(200, post(server, 5).status)
    server:stop()
    local unfinished = server.dir .. "/data/checkpoint-00000000000000000009.tmp"
    moongate.write_file(unfinished, "MOONCKPT")
    server:restart()
    assert.is_nil(moongate.read_file(unfinished))
    assert.equal(5, server:metrics():get("n_total"))
  end)

  it("recovers values through checkpoints, sealed segments and recycled ones", function()
    local server = moongate.start {
      scripts = { ["metrics/n.lua"] = script },
      conf = { journal = { segment_bytes = "1MiB", checkpoint = "1s" } },
    }
    finally(function() server:stop() end)
    local line = '{"type":"x","pad":"' .. ("p%d"):rep(100, "-") .. '","k":%d}'
    local told = 0
    for i = 1, 40 do
      local lines = {}
      for k = 1, 200 do lines[k] = line:gsub("%%d", tostring(i * 1000 + k)) end
      assert.equal(200, server:request { method = "POST", path = "/v1/events", body = table.concat(lines, "\n") }.status)
      told = told + 200
      if i % 13 == 0 then
        server:kill9()
        server:restart()
      end
      assert.equal(told, server:metrics():get("n_total"))
    end
    moongate.wait_until(function()
      return server:metrics():get("moongate_journal_sealed_segments") >= 1
    end, 20, "a sealed segment")
    server:kill9()
    server:restart()
    assert.equal(told, server:metrics():get("n_total"))
  end)

  it("counts on after retention took every frame that there was", function()
    local server = moongate.start {
      scripts = { ["metrics/n.lua"] = script },
      conf = { journal = { retention = "1s", checkpoint = "1s" } },
    }
    finally(function() server:stop() end)
    assert.equal(200, post(server, 5).status)
    server:stop()
    socket.sleep(1.2) -- its age is what this is about
    server:restart() -- the segment of the first run is closed now, and sealed
    moongate.wait_until(function()
      return server:metrics():get("moongate_journal_removed_segments_total") >= 1
    end, 20, "retention")
    server:stop()
    server:restart()
    assert.equal(200, post(server, 3).status)
    server:kill9()
    server:restart()
    assert.equal(8, server:metrics():get("n_total"))
  end)

  it("keeps the record of a cut-off call when the disk refuses it at first", function()
    local dir = moongate.process.temporary_dir()
    local faults = dir .. "/faults"
    moongate.write_file(faults, "")
    local server = moongate.start {
      scripts = { ["metrics/n.lua"] = [[
        local n = counter "n_total" { labels = {} }
        on("x", function() while true do n:inc() end end)]] },
      conf = { limits = { call_ms = 1000, strikes = 100 } },
      env = { MOONGATE_FAULT_FILE = faults },
    }
    finally(function()
      server:stop()
      os.execute("rm -rf " .. dir)
    end)
    -- While the call runs the event is durable; the record of its end is what the disk shall refuse. On a machine that is busy elsewhere that may come
    -- too early or too late: then once more.
    local function refuse_record(attempt)
      local mark = "needle" .. attempt
      local client = server:connect()
      client:send { method = "POST", path = "/v1/events", body = '{"type":"x","mark":"' .. mark .. '"}' }
      moongate.wait_until(function() return server:data_contains(mark) end, 10, "the event to be written")
      socket.sleep(0.3)
      moongate.write_file(faults, "fsync:1:always:EIO")
      local status = client:receive().status
      client:close()
      socket.sleep(0.1)
      if status == 200 and server:metrics():get("moongate_groups_failed_total") > 0 then return true end
      moongate.write_file(faults, (" "):rep(attempt))
      moongate.wait_until(function()
        return server:metrics():get("moongate_journal_writable") == 1
      end, 10, "writing to go on")
    end
    local attempt = 1
    while not refuse_record(attempt) do
      attempt = attempt + 1
      assert.is_true(attempt < 10)
    end
    local commits = server:metrics():get("moongate_journal_commits_total")
    moongate.write_file(faults, (" "):rep(20))
    moongate.wait_until(function()
      return server:metrics():get("moongate_journal_commits_total") > commits
    end, 10, "the record to be written after all")
    local counted = server:metrics():get("n_total")
    server:kill9()
    server:restart()
    assert.equal(counted, server:metrics():get("n_total"))
  end)
end)
