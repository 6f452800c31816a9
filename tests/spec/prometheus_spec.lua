-- A real Prometheus, with moongate at the other end of its remote_write.
local moongate = require "tests.spec.support.moongate"
local remote_write = require "tests.spec.support.remote_write"
local socket = require "socket"

local CONF = [[
global: { scrape_interval: 1s }
scrape_configs:
  - { job_name: prometheus, static_configs: [ { targets: [ "127.0.0.1:%d" ] } ] }
  - { job_name: moongate, static_configs: [ { targets: [ "%s" ] } ] }
remote_write:
  - url: http://%s/api/v1/write
    queue_config: { min_shards: 1, max_shards: 1, batch_send_deadline: 100ms }
]]

local function free_port()
  local probe = assert(socket.bind("127.0.0.1", 0))
  local _, port = probe:getsockname()
  probe:close()
  return port
end

-- The value of one of Prometheus's own figures, as it shows them itself.
local function figure(port, name)
  local text = moongate.sh(("curl -s http://127.0.0.1:%d/metrics"):format(port))
  return tonumber(text:match("\n" .. name .. "{[^\n]*} ([^\n]+)\n") or text:match("\n" .. name .. " ([^\n]+)\n"))
end

-- What a stopped Prometheus holds: { labels, value, time_ms }, in its own text.
local function dump(dir)
  local list, text = {}, moongate.sh("promtool tsdb dump " .. dir)
  for set, value, time in text:gmatch("({[^\n]*}) (%S+) (%d+)\n") do
    local labels = {}
    for name, quoted in set:gmatch('([%a_][%w_]*)="(.-[^\\])"') do labels[#labels + 1] = { name, (quoted:gsub("\\(.)", "%1")) } end
    -- The NaN that a scrape reads; in the text all are one.
    local number = value == "NaN" and remote_write.double(0x7ff80000, 1) or value == "+Inf" and math.huge or tonumber(value)
    list[#list + 1] = { labels, number, tonumber(time) }
  end
  assert(#list > 0, text)
  return list
end

describe("a real Prometheus", function()
  it("writes to moongate all that it has", function()
    local server, port = moongate.start(), free_port()
    local dir, at = server.dir .. "/prometheus", "127.0.0.1:" .. port
    moongate.write_file(server.dir .. "/prometheus.yml", CONF:format(port, server.addr, server.addr))
    local prometheus = moongate.process.spawn({ "prometheus", "--config.file=" .. server.dir .. "/prometheus.yml", "--storage.tsdb.path=" .. dir,
      "--web.listen-address=" .. at }, server.dir .. "/prom.out", server.dir .. "/prom.err")
    finally(function()
      prometheus:signal("TERM")
      prometheus:wait(30)
      server:stop()
    end)
    local function outcome(which)
      return server:metrics():get("moongate_store_samples_total", { outcome = which })
    end
    moongate.wait_until(function() return outcome "stored" > 2000 end, 60, "samples of several scrapes")
    local until_s = os.time()
    moongate.wait_until(function()
      return (figure(port, "prometheus_remote_storage_queue_highest_sent_timestamp_seconds") or 0) > until_s
    end, 60, "everything until now to be sent")
    for _, lost in ipairs { "failed", "dropped", "retried" } do
      assert.equal(0, figure(port, "prometheus_remote_storage_samples_" .. lost .. "_total"))
    end
    prometheus:signal("TERM")
    prometheus:wait(60)

    -- Sent once more, each sample that Prometheus holds is known already, with the same value.
    local samples, known = dump(dir), {}
    local function send(list)
      for i = 1, #list, 1000 do
        local series = {}
        for k = i, math.min(i + 999, #list) do series[#series + 1] = { labels = list[k][1], samples = { { list[k][2], list[k][3] } } } end
        local reply = server:request(remote_write.request(remote_write.message_1(series)))
        assert.equal(204, reply.status, reply.body)
      end
    end
    for _, sample in ipairs(samples) do
      if sample[3] <= until_s * 1000 then known[#known + 1] = sample end
    end
    assert.is_true(#known > 1000)
    local stored, duplicate = outcome "stored", outcome "duplicate"
    send(known)
    assert.equal(stored, outcome "stored")
    assert.equal(duplicate + #known, outcome "duplicate")
    assert.equal(0, outcome "conflict")
    send(samples)
    assert.equal(#samples, outcome "stored") -- and moongate had nothing else
    assert.equal(0, outcome "conflict")
  end)
end)
