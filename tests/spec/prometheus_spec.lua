-- A real Prometheus, with moongate at the other end of its remote_write.
local moongate = require "tests.spec.support.moongate"
local history = require "tests.spec.support.history"
local prometheus = require "tests.spec.support.prometheus"

local CONF = [[
global: { scrape_interval: 1s }
scrape_configs:
  - { job_name: prometheus, static_configs: [ { targets: [ "127.0.0.1:%d" ] } ] }
  - { job_name: moongate, static_configs: [ { targets: [ "%s" ] } ] }
remote_write:
  - url: http://%s/api/v1/write
    queue_config: { min_shards: 1, max_shards: 1, batch_send_deadline: 100ms }
]]

-- The value of one of Prometheus's own figures, as it shows them itself.
local function figure(port, name)
  local text = moongate.sh(("curl -s http://127.0.0.1:%d/metrics"):format(port))
  return tonumber(text:match("\n" .. name .. "{[^\n]*} ([^\n]+)\n") or text:match("\n" .. name .. " ([^\n]+)\n"))
end

-- What a stopped Prometheus holds: key of the labels → time in ms → eight bytes of the value, or "NaN", since its text does not tell them apart; and how many samples.
local function dump(dir)
  local all, count, text = {}, 0, moongate.sh("promtool tsdb dump " .. dir)
  for set, value, time in text:gmatch("({[^\n]*}) (%S+) (%d+)\n") do
    local labels = {}
    for name, quoted in set:gmatch('([%a_][%w_]*)="(.-[^\\])"') do labels[name] = quoted:gsub("\\(.)", "%1") end
    local key = history.key(labels)
    all[key] = all[key] or {}
    all[key][tonumber(time)] = value == "NaN" and value or history.bytes(value == "+Inf" and math.huge or tonumber(value))
    count = count + 1
  end
  assert(count > 0, text)
  return all, count
end

local function is_nan(bytes)
  return bytes:byte(8) % 128 == 127 and bytes:byte(7) >= 240 and bytes:find("[^%z]", 1) < 7
end

describe("a real Prometheus", function()
  it("writes to moongate all that it has", function()
    local server, port = moongate.start(), prometheus.free_port()
    local peer = prometheus.start(server.dir, CONF:format(port, server.addr, server.addr), {}, port)
    finally(function()
      peer:stop()
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
    peer:stop()

    local theirs, held = dump(peer.dir)
    local ours, _, stored = history.read(server, '{job=~"prometheus|moongate"}')
    local same = 0
    for key, samples in pairs(ours) do
      for time, bytes in pairs(samples) do
        local wanted = theirs[key] and theirs[key][time]
        assert.is_true(wanted == bytes or (wanted == "NaN" and is_nan(bytes)), "a sample that Prometheus does not have: " .. key)
        same = same + 1
      end
    end
    assert.equal(stored, same)
    local compared = 0
    for key, samples in pairs(theirs) do
      for time in pairs(samples) do
        if time <= until_s * 1000 then
          assert.is_truthy(ours[key] and ours[key][time], "a sample that was not sent: " .. key)
          compared = compared + 1
        end
      end
    end
    assert.is_true(compared > 1000 and held >= stored)
    assert.equal(0, outcome "conflict")
  end)
end)
