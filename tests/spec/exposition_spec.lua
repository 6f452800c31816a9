-- GET /metrics, as Prometheus and its tools see it.
local moongate = require "tests.spec.support.moongate"
local exposition = require "tests.spec.support.exposition"

local script = [[
local cost = counter "cost_usd_total" { help = "Money \\ spent\nhere", unit = "usd", labels = { "user_id" } }
local latency = histogram "latency_seconds" { help = "Latency", unit = "seconds", labels = { "path" }, buckets = { 0.1, 0.5, 1 } }
local temp = gauge "temperature_celsius" { help = "Temperature", labels = {} }
on("x", function(ev)
  cost:add(ev.usd, ev.user_id)
  latency:observe(ev.s, "/a")
  temp:set(-1.5)
end)
local told = counter "told_total" { help = "What was told", labels = {} }
on("told", function() told:inc() end)
]]

describe("GET /metrics", function()
  local server
  setup(function()
    server = moongate.start { scripts = { ["metrics/m.lua"] = script } }
    local reply = server:request { method = "POST", path = "/v1/events", body = [[
{"type":"x","usd":0.25,"s":0.3,"user_id":"a\"\\\nb","trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331"}
{"type":"x","usd":1,"s":5,"user_id":"c"}]] }
    assert.equal(200, reply.status)
  end)
  teardown(function() server:stop() end)

  -- Those who ask at once share a text; it may not be one that was begun before what was acknowledged.
  it("shows everything acknowledged before it was asked for, however many ask", function()
    local askers = {}
    local formats = { "text/plain", "application/openmetrics-text; version=1.0.0" }
    for i = 1, 8 do askers[i] = server:connect() end
    for round = 1, 20 do
      for i, asker in ipairs(askers) do
        asker:send { path = "/metrics", headers = { Accept = formats[i % 2 + 1] } }
      end
      local reply = server:request { method = "POST", path = "/v1/events", body = '{"type":"told"}' }
      assert.equal(200, reply.status)
      assert.equal(round, server:metrics { Accept = formats[round % 2 + 1] }:get("told_total"))
      for i, asker in ipairs(askers) do
        local seen = asker:receive()
        assert.equal(200, seen.status)
        assert.equal(i % 2 == 1, seen.body:sub(-6) == "# EOF\n")
      end
    end
    for _, asker in ipairs(askers) do asker:close() end
  end)

  it("is the Prometheus text format by default", function()
    local reply = server:request { path = "/metrics" }
    assert.match("^text/plain; version=0%.0%.4", reply.headers["content-type"])
    local m = exposition.parse(reply.body)
    assert.equal("counter", m.types.cost_usd_total)
    assert.equal("Money \\\\ spent\\nhere", m.help.cost_usd_total)
    assert.equal(0.25, m:get("cost_usd_total", { user_id = 'a"\\\nb' }))
    assert.equal(0, m:get("latency_seconds_bucket", { path = "/a", le = "0.1" }))
    assert.equal(1, m:get("latency_seconds_bucket", { path = "/a", le = "0.5" }))
    assert.equal(1, m:get("latency_seconds_bucket", { path = "/a", le = "1" }))
    assert.equal(2, m:get("latency_seconds_bucket", { path = "/a", le = "+Inf" }))
    assert.equal(2, m:get("latency_seconds_count", { path = "/a" }))
    assert.equal(5.3, m:get("latency_seconds_sum", { path = "/a" }))
    assert.equal(-1.5, m:get("temperature_celsius"))
  end)

  it("is OpenMetrics when asked", function()
    local reply = server:request { path = "/metrics", headers = { Accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5" } }
    assert.match("^application/openmetrics%-text; version=1%.0%.0", reply.headers["content-type"])
    assert.match("\n# EOF\n$", reply.body)
    assert.match("# TYPE cost_usd counter\n", reply.body)
    assert.match("# UNIT cost_usd usd\n", reply.body)
    assert.match("cost_usd_created{", reply.body)
    assert.match('le="0%.5"} 1 # {trace_id="0af7651916cd43dd8448eb211c80319c"', reply.body)
  end)

  it("is compressed when asked", function()
    local reply = server:request { path = "/metrics", headers = { ["Accept-Encoding"] = "gzip" } }
    assert.equal("gzip", reply.headers["content-encoding"])
    local text = moongate.sh("gzip -dc", reply.body)
    assert.match("cost_usd_total", text)
  end)

  it("passes promtool check metrics", function()
    local reply = server:request { path = "/metrics" }
    local output, code = moongate.sh("promtool check metrics", reply.body)
    assert.equal("", (output:gsub("%s+$", "")))
    assert.equal(0, code)
  end)

  it("has moongate's own figures", function()
    local m = server:metrics()
    assert.is_true(m:get("moongate_records_accepted_total") >= 2)
    assert.is_true(m:get("moongate_journal_commits_total") >= 1)
    assert.is_true(m:get("process_resident_memory_bytes") > 0)
    assert.is_true(m:get("moongate_script_calls_total", { script = "scripts/metrics/m.lua" }) >= 2)
  end)
end)

describe("a real Prometheus", function()
  it("scrapes moongate", function()
    local server = moongate.start { scripts = { ["metrics/m.lua"] = script } }
    finally(function() server:stop() end)
    server:request { method = "POST", path = "/v1/events", body = '{"type":"x","usd":3,"s":1,"user_id":"p"}' }
    moongate.write_file(server.dir .. "/prometheus.yml", ([[
global: { scrape_interval: 1s }
scrape_configs: [ { job_name: moongate, static_configs: [ { targets: [ "%s" ] } ] } ]
]]):format(server.addr))
    local socket = require "socket"
    local probe = assert(socket.bind("127.0.0.1", 0))
    local _, port = probe:getsockname()
    probe:close()
    local p = moongate.process.spawn({ "prometheus", "--config.file=" .. server.dir .. "/prometheus.yml",
      "--storage.tsdb.path=" .. server.dir .. "/prometheus", "--web.listen-address=127.0.0.1:" .. port },
      server.dir .. "/prom.out", server.dir .. "/prom.err")
    finally(function()
      p:signal("TERM")
      p:wait(30)
      server:stop()
    end)
    moongate.wait_until(function()
      local output = moongate.sh(("promtool query instant http://127.0.0.1:%s cost_usd_total"):format(port))
      return output:find('user_id="p"', 1, true) and output:find("=> 3 @", 1, true)
    end, 60, "the scraped value")
  end)
end)
