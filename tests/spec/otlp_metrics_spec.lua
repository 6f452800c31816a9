-- POST /v1/metrics as an OpenTelemetry SDK or Collector sees it. What is in the store is asked by writing it once more with remote_write: the same value is a duplicate, another one a conflict.
local moongate = require "tests.spec.support.moongate"
local history = require "tests.spec.support.history"
local otlp = require "tests.spec.support.otlp"
local remote_write = require "tests.spec.support.remote_write"
local json = require "cjson"

local ENCODINGS = { "json", "protobuf" }

local now_ms, outcomes = moongate.now_ms, history.outcomes

-- A series for remote_write: its labels in order, and samples.
local function series(labels, ...)
  local list = {}
  for name, value in pairs(labels) do list[#list + 1] = { name, value } end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  return { labels = list, samples = { ... } }
end

-- Are exactly these samples in the store?
local function assert_stored(server, list)
  local before, samples = outcomes(server), 0
  for _, s in ipairs(list) do samples = samples + #s.samples end
  local reply = server:request(remote_write.request(remote_write.message_1(list)))
  assert.equal(204, reply.status, reply.body)
  local after = outcomes(server)
  assert.equal(before.duplicate + samples, after.duplicate, "samples that were there")
  assert.equal(before.stored, after.stored)
end

local RESOURCE = { { "service.name", "agent" }, { "service.namespace", "shop" }, { "service.instance.id", "i-1" }, { "host.name", "box-1" } }

local function gauge(name, ...)
  return { name = name, kind = "gauge", points = { ... } }
end

describe("POST /v1/metrics", function()
  local server

  before_each(function() server = nil end)
  after_each(function() if server then server:stop() end end)

  local function start(options)
    server = moongate.start(options)
  end

  local function post(request, encoding, headers)
    return server:request(otlp.post(otlp[encoding](request), encoding, headers))
  end

  local function assert_taken(reply)
    assert.equal(200, reply.status, reply.body)
    local refused, why = otlp.partial_success(reply)
    assert.is_nil(refused, why)
  end

  it("takes gauges, sums and histograms in both encodings, as Prometheus names them", function()
    for i, encoding in ipairs(ENCODINGS) do
      start()
      local t = now_ms() - 1000 * i
      local from = t - 15000
      local request = {
        resource = RESOURCE,
        metrics = {
          gauge("queue.depth", { ms = t, value = 7, attributes = { { "queue.name", "main" } } }),
          { name = "tool.calls", unit = "{call}", kind = "sum", monotonic = true,
            points = { { ms = t, from = from, value = 6, attributes = { { "ok", "yes" } } } } },
          { name = "heap.used", unit = "By", kind = "sum", points = { { ms = t, from = from, value = 1048576 } } },
          { name = "chat.latency", unit = "s", kind = "histogram",
            points = { { ms = t, from = from, bounds = { 0.5, 1 }, counts = { 2, 1, 4 }, sum = 8.25 } } },
        },
      }
      assert_taken(post(request, encoding))
      local function agent(name, more)
        local labels = { __name__ = name, job = "shop/agent", instance = "i-1" }
        for k, v in pairs(more or {}) do labels[k] = v end
        return labels
      end
      assert_stored(server, {
        series(agent("queue_depth", { queue_name = "main" }), { 7, t }),
        series(agent("tool_calls_total", { ok = "yes" }), { 6, t }),
        series(agent("heap_used_bytes"), { 1048576, t }),
        series(agent("chat_latency_seconds_bucket", { le = "0.5" }), { 2, t }),
        series(agent("chat_latency_seconds_bucket", { le = "1" }), { 3, t }),
        series(agent("chat_latency_seconds_bucket", { le = "+Inf" }), { 7, t }),
        series(agent("chat_latency_seconds_count"), { 7, t }),
        series(agent("chat_latency_seconds_sum"), { 8.25, t }),
        series(agent("target_info", { host_name = "box-1" }), { 1, t }),
      })
      assert.equal(9, server:metrics():get("moongate_store_series"))
      assert_taken(post(request, encoding)) -- a body may come twice
      server:kill9()
      server:restart()
      assert.equal(9, outcomes(server).stored)
      assert_stored(server, { series(agent("target_info", { host_name = "box-1" }), { 1, t }) })
      server:stop()
    end
  end)

  it("adds increments up, and counts a body that comes twice once", function()
    start()
    local t = now_ms() - 60000
    local function body(i, value)
      local from, ms = t + (i - 1) * 1000, t + i * 1000
      return { resource = { { "service.name", "a" } }, metrics = {
        { name = "calls", kind = "sum", monotonic = true, delta = true, points = { { from = from, ms = ms, value = value } } },
        { name = "lat", kind = "histogram", delta = true,
          points = { { from = from, ms = ms, bounds = { 1 }, counts = { value, 1 }, sum = value } } },
      } }
    end
    assert_taken(post(body(1, 3), "json"))
    assert_taken(post(body(2, 4), "protobuf"))
    assert_taken(post(body(2, 4), "protobuf"))
    server:kill9()
    server:restart()
    assert_taken(post(body(3, 2), "json"))
    local function sums(labels, ...)
      labels.job = "a"
      local samples = {}
      for i, v in ipairs { ... } do samples[i] = { v, t + (i - 1) * 1000 } end
      return series(labels, unpack(samples))
    end
    assert_stored(server, {
      sums({ __name__ = "calls_total" }, 0, 3, 7, 9),
      sums({ __name__ = "lat_bucket", le = "1" }, 0, 3, 7, 9),
      sums({ __name__ = "lat_bucket", le = "+Inf" }, 0, 4, 9, 12),
      sums({ __name__ = "lat_sum" }, 0, 3, 7, 9),
      sums({ __name__ = "lat_count" }, 0, 4, 9, 12),
    })
  end)

  it("takes what can be taken, and says with a partial success what was refused", function()
    start()
    local t = now_ms()
    for i, encoding in ipairs(ENCODINGS) do
      local name = "g" .. i
      assert_taken(post({ metrics = { gauge(name, { ms = t, value = 1, attributes = { { "k", "a" } } }) } }, encoding))
      local reply = post({ metrics = {
        gauge(name, { ms = t, value = 2, attributes = { { "k", "a" } } }, { ms = t, value = 2, attributes = { { "k", "b" } } }, { value = 3 }),
        gauge("", { ms = t, value = 1 }),
        { name = "h", kind = "histogram", points = { { ms = t + 3600000, bounds = { 1, 2, 3 }, counts = { 1, 1, 1, 1 }, sum = 4 } } },
      } }, encoding)
      assert.equal(200, reply.status, reply.body)
      local refused, why = otlp.partial_success(reply)
      assert.equal(4, refused, why)
      assert.match("^4 data points were refused: ", why)
      assert.truthy(why:find(("resourceMetrics[0].scopeMetrics[0].metrics[0].dataPoints[2], %s: it has no time"):format(name), 1, true), why)
      assert.truthy(why:find("resourceMetrics[0].scopeMetrics[0].metrics[1].dataPoints[0], : the metric has no name", 1, true), why)
      assert.truthy(why:find(('data point 0, %s{k="a"}, at %d ms: another value is there at the same time'):format(name, t), 1, true), why)
      assert.truthy(why:find('data point 4, h_bucket{le="1"}, at ', 1, true), why)
      assert_stored(server, { series({ __name__ = name, k = "a" }, { 1, t }), series({ __name__ = name, k = "b" }, { 2, t }) })
    end
  end)

  it("has metadata, stale markers and exemplars where they are asked for", function()
    start()
    local t = now_ms()
    local body = json.encode { resourceMetrics = { { scopeMetrics = { { metrics = {
      { name = "lat", unit = "s", description = "How long.", histogram = { aggregationTemporality = 2, dataPoints = { {
        timeUnixNano = ("%d000000"):format(t), count = 3, sum = 4.5, explicitBounds = { 1, 2 }, bucketCounts = { 1, 1, 1 },
        exemplars = { { asDouble = 1.5, timeUnixNano = ("%d000000"):format(t - 10), traceId = ("0a"):rep(16), spanId = ("0b"):rep(8),
          filteredAttributes = { { key = "user.id", value = { stringValue = "ann" } } } } },
      } } } },
      { name = "gone", gauge = { dataPoints = { { timeUnixNano = ("%d000000"):format(t), flags = 1 } } } },
    } } } } } }
    assert_taken(server:request(otlp.post(body, "json")))
    local function get(path)
      local reply = server:request { path = path }
      assert.equal(200, reply.status, reply.body)
      return reply.body
    end
    local known = json.decode(get("/api/v1/metadata")).data
    assert.same({ { type = "histogram", help = "How long.", unit = "seconds" } }, known.lat_seconds)
    assert.same({ { type = "gauge", help = "", unit = "" } }, known.gone)
    local line = json.decode(get("/api/v1/export?match%5B%5D=gone&nan=bits"))
    assert.same({ metric = { __name__ = "gone" }, values = { "NaN:7ff0000000000002" }, timestamps = { t } }, line)
    local window = ("&start=%d&end=%d"):format(t / 1000 - 60, t / 1000 + 60)
    local found = json.decode(get("/api/v1/query_exemplars?query=lat_seconds_bucket" .. window)).data
    assert.equal(1, #found)
    assert.same({ __name__ = "lat_seconds_bucket", le = "2" }, found[1].seriesLabels)
    assert.same({ trace_id = ("0a"):rep(16), span_id = ("0b"):rep(8), user_id = "ann" }, found[1].exemplars[1].labels)
    assert.equal(1.5, tonumber(found[1].exemplars[1].value))
    assert.equal(t - 10, math.floor(found[1].exemplars[1].timestamp * 1000 + 0.5))
  end)

  it("says of what was left out beside the points that they were taken", function()
    start()
    local t = now_ms()
    local body = otlp.json({ metrics = { gauge("g", { ms = t, value = 1 }) } }):gsub('"asDouble":1', '%0,"exemplars":[{}]')
    local reply = server:request(otlp.post(body, "json"))
    assert.equal(200, reply.status)
    local refused, why = otlp.partial_success(reply)
    assert.equal(0, refused)
    assert.match("^all data points were taken, but not all that came with them: .*an exemplar was left out: it has no value", why)
    assert_stored(server, { series({ __name__ = "g" }, { 1, t }) })
  end)

  it("never counts more refused points than came", function()
    start { conf = { store = { max_series = 100 } } }
    local t, points = now_ms(), {}
    for i = 1, 60 do
      points[i] = { ms = t, bounds = { 1, 2, 3, 4, 5 }, counts = { 1, 1, 1, 1, 1, 1 }, sum = 1, attributes = { { "k", "v" .. i } } }
    end
    local reply = post({ metrics = { { name = "h", kind = "histogram", points = points } } }, "protobuf")
    assert.equal(200, reply.status)
    local refused, why = otlp.partial_success(reply)
    assert.equal(60, refused) -- 48 of them, in truth: not all refusals are named
    assert.match("; and more$", why)
    assert.is_true(#why < 3000)
  end)

  it("takes a body of nothing", function()
    start()
    assert_taken(server:request(otlp.post("", "protobuf")))
    assert_taken(server:request(otlp.post("{}", "json")))
    assert_taken(post({ metrics = {} }, "protobuf"))
    assert.equal(0, outcomes(server).stored)
  end)

  it("takes compressed and chunked bodies", function()
    start()
    local t = now_ms()
    local body = otlp.json { metrics = { gauge("g", { ms = t, value = 1 }) } }
    local headers = { ["Content-Encoding"] = "gzip", ["Content-Type"] = "application/json; charset=utf-8" }
    assert_taken(server:request(otlp.post(moongate.gzip(body), "json", headers)))
    local chunks = {}
    for at = 1, #body, 40 do
      local chunk = body:sub(at, at + 39)
      chunks[#chunks + 1] = ("%x\r\n%s\r\n"):format(#chunk, chunk)
    end
    local head = "POST /v1/metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    local reply = server:raw(head .. "Transfer-Encoding: chunked\r\n\r\n" .. table.concat(chunks) .. "0\r\n\r\n")
    assert.match("^HTTP/1.1 200 ", reply)
    assert.match("{}$", reply)
    assert.equal(1, outcomes(server).stored)
    assert.equal(1, outcomes(server).duplicate)
  end)

  it("refuses what is broken with a Status, and leaves nothing of it", function()
    start { conf = { http = { body_bytes = "1MiB" } } }
    local t = now_ms()
    local request = { metrics = { gauge("g", { ms = t, value = 1 }, { ms = t, value = 2, attributes = { { "k", "v" } } }) } }
    for _, encoding in ipairs(ENCODINGS) do
      local body = otlp[encoding](request)
      for cut = 1, #body - 1, 11 do
        local reply = server:request(otlp.post(body:sub(1, cut), encoding))
        assert.equal(400, reply.status)
        local why, code = otlp.status(reply)
        assert.match("^nothing was taken: byte %d+: ", why)
        assert.equal(3, code)
      end
      assert.equal(413, server:request(otlp.post(("x"):rep(2 ^ 20 + 1), encoding)).status)
    end
    assert.equal(400, server:request(otlp.post("", "json")).status)
    assert.equal(0, outcomes(server).stored)
    assert.equal(0, server:metrics():get("moongate_http_bodies_bytes"))
  end)

  it("refuses a body that makes more series than are taken at once with 413", function()
    start()
    local points = {}
    for i = 1, 200001 do points[i] = '{"timeUnixNano":"1","asInt":1}' end
    local body = '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"g","gauge":{"dataPoints":[' .. table.concat(points, ",") .. "]}}]}]}]}"
    local reply = server:request(otlp.post(body, "json"))
    assert.equal(413, reply.status)
    local why, code = otlp.status(reply)
    assert.match("^nothing was taken: the body's data points make more series than are taken at once %(200000%)", why)
    assert.equal(8, code)
  end)

  it("takes Protocol Buffers and JSON alone", function()
    start()
    for _, content_type in ipairs { "text/plain", "application/x-protobufs", "application/grpc", "" } do
      local reply = server:request(otlp.post("{}", "json", { ["Content-Type"] = content_type ~= "" and content_type }))
      assert.equal(415, reply.status)
      assert.match("^nothing was taken: Content%-Type must be", (otlp.status(reply)))
    end
  end)

  it("answers with Retry-After and a Status what helps to send again, a full disk with 503 too", function()
    local dir = moongate.process.temporary_dir()
    local faults = dir .. "/faults"
    moongate.write_file(faults, "")
    start { env = { MOONGATE_FAULT_FILE = faults } }
    finally(function() os.execute("rm -rf " .. dir) end)
    local t, n = now_ms(), 0
    local function next_reply(encoding)
      n = n + 1
      return post({ metrics = { gauge("g", { ms = t + n, value = n }) } }, encoding)
    end
    moongate.write_file(faults, "write:1:always:ENOSPC,allocate:1:always:ENOSPC")
    for _, encoding in ipairs(ENCODINGS) do
      local reply = moongate.wait_until(function()
        local reply = next_reply(encoding)
        return reply.status ~= 200 and reply
      end, 10, "a refusal")
      assert.equal(503, reply.status)
      assert.equal("5", reply.headers["retry-after"])
      local why, code = otlp.status(reply)
      assert.match("^nothing was taken: the journal cannot be written: No space", why)
      assert.equal(14, code)
    end
    moongate.write_file(faults, " ")
    moongate.wait_until(function() return next_reply("json").status == 200 end, 5, "writing to go on")
  end)

  it("is for POST alone, by tokens for ingest", function()
    start { conf = { tokens = {
      { sha256 = moongate.sha256("ingest-token"), scopes = { "ingest" } }, { sha256 = moongate.sha256("query-token"), scopes = { "query" } },
    } } }
    local function status(token)
      return server:request(otlp.post("{}", "json", { Authorization = token and "Bearer " .. token })).status
    end
    assert.equal(401, status())
    assert.equal(403, status "query-token")
    assert.equal(200, status "ingest-token")
    assert.equal(405, server:request { method = "GET", path = "/v1/metrics" }.status)
  end)

  it("gives back the memory of what it took and of what it refused", function()
    start { conf = { threads = 1 } }
    local t = now_ms()
    for i = 1, 40 do
      local points = {}
      for k = 1, 100 do
        points[k] = { ms = k % 10 > 0 and t + i or nil, value = k, attributes = { { "k", "v" .. k } } }
      end
      local refused = otlp.partial_success(post({ metrics = { gauge("g", unpack(points)) } }, ENCODINGS[1 + i % 2]))
      assert.equal(10, refused) -- and not those of the body before
    end
    assert.equal(0, server:metrics():get("moongate_http_bodies_bytes"))
    assert.equal(0, server:metrics():get("moongate_queue_bytes"))
    assert.equal(40 * 90, outcomes(server).stored)
  end)
end)

-- Bodies of a real OpenTelemetry SDK, where they lie beside the repository, and one like them where they do not.
local function captured()
  local folder = os.getenv("MOONGATE_CAPTURES") or "../shared/captures"
  local bodies = {}
  local clients = { "json-none-metrics", "json-none-metrics-delta", "proto-none-metrics", "proto-none-metrics-delta", "proto-gzip-metrics" }
  for _, client in ipairs(clients) do
    for i = 1, 4 do
      local body = moongate.read_file(("%s/otel-js-v3-%s/%03d.bin"):format(folder, client, i))
      if body then
        local encoding = client:match("^json") and "json" or "protobuf"
        bodies[#bodies + 1] = otlp.post(body, encoding, { ["Content-Encoding"] = client:match("gzip") or false })
      end
    end
  end
  if #bodies > 0 then return bodies end
  local request = { resource = RESOURCE, metrics = { gauge("g", { ms = now_ms(), value = 1 }) } }
  return { otlp.post(otlp.json(request), "json"), otlp.post(otlp.protobuf(request), "protobuf") }
end

describe("a real SDK's bodies", function()
  it("are taken, once and again, and are there after kill -9", function()
    local server, bodies = moongate.start(), captured()
    finally(function() server:stop() end)
    local function send_all()
      local c = server:connect()
      for i, request in ipairs(bodies) do
        local reply = c:request(request)
        assert.equal(200, reply.status, i .. ": " .. reply.body)
        local refused, why = otlp.partial_success(reply)
        assert.is_nil(refused, i .. ": " .. tostring(why))
      end
      c:close()
    end
    send_all()
    local stored, series_count = outcomes(server).stored, server:metrics():get("moongate_store_series")
    assert.is_true(stored > 0 and series_count > 0)
    server:kill9()
    server:restart()
    assert.equal(stored, outcomes(server).stored)
    assert.equal(series_count, server:metrics():get("moongate_store_series"))
    send_all()
    assert.equal(stored, outcomes(server).stored)
    assert.equal(0, outcomes(server).conflict)
  end)
end)
