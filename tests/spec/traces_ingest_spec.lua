-- POST /v1/traces as an OpenTelemetry SDK or Collector sees it: what is taken, known again, refused, and there after a crash.
local moongate = require "tests.spec.support.moongate"
local otlp = require "tests.spec.support.otlp"

local ENCODINGS = { "json", "protobuf" }
local TRACE = ("0af7651916cd43dd"):rep(2)

local function id(n) return ("%016x"):format(n) end

describe("POST /v1/traces", function()
  local server

  before_each(function() server = nil end)
  after_each(function() if server then server:stop() end end)

  local function start(options)
    server = moongate.start(options)
  end

  -- Spans with the numbers from..to, each of which is new.
  local function spans(from, to, t)
    local list = {}
    for n = from, to do
      list[#list + 1] = { trace = TRACE, id = id(n), parent = n > from and id(from) or nil, name = "chat", kind = 3, from = t, ms = t + n,
        attributes = { { "gen_ai.request.model", "m" } } }
    end
    return { resource = { { "service.name", "agent" } }, spans = list }
  end

  local function request(body, encoding, headers) return server:request(otlp.post(body, encoding, headers, "/v1/traces")) end
  local function post(body, encoding) return request(otlp["traces_" .. encoding](body), encoding) end

  local function assert_taken(reply)
    assert.equal(200, reply.status, reply.body)
    local refused, why = otlp.partial_success(reply)
    assert.is_nil(refused, why)
  end

  local function counted()
    local m = server:metrics()
    return { m:get("moongate_records_accepted_total"), m:get("moongate_records_duplicate_total"), m:get("moongate_records_applied_total") }
  end

  it("takes spans in both encodings, and a body that comes twice once", function()
    start()
    local t = moongate.now_ms()
    assert_taken(post(spans(1, 3, t), "json"))
    assert_taken(post(spans(4, 8, t), "protobuf"))
    assert.same({ 8, 0, 8 }, counted())
    assert_taken(post(spans(1, 3, t), "protobuf")) -- the same spans, whatever they are written in
    assert_taken(post(spans(4, 9, t), "json"))
    assert.same({ 9, 8, 9 }, counted())
    local later = spans(1, 1, t) -- its ids, and another end
    later.spans[1].ms = t + 5000
    assert_taken(post(later, "json"))
    assert.same({ 10, 8, 10 }, counted())
  end)

  it("takes compressed and chunked bodies, and bodies of nothing", function()
    start()
    local t = moongate.now_ms()
    assert_taken(request(moongate.gzip(otlp.traces_protobuf(spans(1, 2, t))), "protobuf", { ["Content-Encoding"] = "gzip" }))
    local body, chunks = otlp.traces_json(spans(3, 5, t)), {}
    for at = 1, #body, 40 do
      local chunk = body:sub(at, at + 39)
      chunks[#chunks + 1] = ("%x\r\n%s\r\n"):format(#chunk, chunk)
    end
    local head = "POST /v1/traces HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    local reply = server:raw(head .. "Transfer-Encoding: chunked\r\n\r\n" .. table.concat(chunks) .. "0\r\n\r\n")
    assert.match("^HTTP/1.1 200 ", reply)
    assert_taken(request("", "protobuf"))
    assert_taken(request("{}", "json"))
    assert.same({ 5, 0, 5 }, counted())
  end)

  it("keeps what it answered for through a crash, and knows it again", function()
    start()
    local t = moongate.now_ms()
    for i, encoding in ipairs(ENCODINGS) do assert_taken(post(spans(i * 100, i * 100 + 9, t), encoding)) end
    server:kill9()
    server:restart()
    for i, encoding in ipairs(ENCODINGS) do assert_taken(post(spans(i * 100, i * 100 + 9, t), encoding)) end
    assert.same({ 0, 20, 0 }, counted())
    assert.is_true(server:metrics():get("moongate_frames_applied_total") >= 2)
  end)

  it("takes what it can, and says what it refused", function()
    local filter = 'filter("span", function(ev) if ev.name == "bad" then error("not this one") end return ev.name ~= "noise" end)'
    start { scripts = { ["metrics/f.lua"] = filter } }
    local t = moongate.now_ms()
    for i, encoding in ipairs(ENCODINGS) do
      local before = counted()[1]
      local body = spans(i * 10 + 1, i * 10 + 5, t)
      body.spans[2].id = id(0)
      body.spans[3].name = "bad"
      body.spans[4].name = "noise"
      local reply = post(body, encoding)
      assert.equal(200, reply.status, reply.body)
      local refused, why = otlp.partial_success(reply)
      assert.equal(2, refused)
      assert.match("^2 spans were refused: resourceSpans%[0%]%.scopeSpans%[0%]%.spans%[1%], chat: its spanId is all 0; span 2: .*not this one", why)
      local m = server:metrics()
      assert.equal(i, m:get("moongate_decode_refused_total", { kind = "span" }))
      assert.equal(i, m:get("moongate_records_refused_total"))
      assert.equal(i, m:get("moongate_records_filtered_total"))
      assert.is_true(counted()[1] > before)
    end
  end)

  it("refuses what is broken with a Status, and leaves nothing of it", function()
    start { conf = { http = { body_bytes = "1MiB" }, spans = { per_body = 5 } } }
    local t = moongate.now_ms()
    for _, encoding in ipairs(ENCODINGS) do
      local body = otlp["traces_" .. encoding](spans(1, 3, t))
      for cut = 1, #body - 1, 17 do
        local reply = request(body:sub(1, cut), encoding)
        assert.equal(400, reply.status)
        local why, code = otlp.status(reply)
        assert.match("^nothing was taken: byte %d+: ", why)
        assert.equal(3, code)
      end
      assert.equal(413, request(("x"):rep(2 ^ 20 + 1), encoding).status)
      local reply = post(spans(1, 6, t), encoding)
      assert.equal(413, reply.status)
      local why, code = otlp.status(reply)
      assert.equal("nothing was taken: the body has more than 5 spans", why)
      assert.equal(8, code)
    end
    for _, content_type in ipairs { "text/plain", "application/grpc", "" } do
      local reply = request("{}", "json", { ["Content-Type"] = content_type ~= "" and content_type })
      assert.equal(415, reply.status)
    end
    assert.same({ 0, 0, 0 }, counted())
    assert.equal(0, server:metrics():get("moongate_http_bodies_bytes"))
  end)

  it("answers a full disk with 503, Retry-After and a Status", function()
    local dir = moongate.process.temporary_dir()
    local faults = dir .. "/faults"
    moongate.write_file(faults, "")
    start { env = { MOONGATE_FAULT_FILE = faults } }
    finally(function() os.execute("rm -rf " .. dir) end)
    moongate.write_file(faults, "write:1:always:ENOSPC,allocate:1:always:ENOSPC")
    local t, n = moongate.now_ms(), 0
    for _, encoding in ipairs(ENCODINGS) do
      local reply = moongate.wait_until(function()
        n = n + 1
        local reply = post(spans(n, n, t), encoding)
        return reply.status ~= 200 and reply
      end, 10, "a refusal")
      assert.equal(503, reply.status)
      assert.equal("5", reply.headers["retry-after"])
      assert.equal(14, (select(2, otlp.status(reply))))
    end
  end)

  it("gives events the trace of the header traceparent", function()
    start { scripts = { ["metrics/t.lua"] = [[
      local seen = counter "seen_total" { labels = { "trace_id", "parent_span_id" } }
      on("a", function(ev) seen:inc(ev.trace_id or "-", ev.parent_span_id or "-") end)
    ]] } }
    local function send(header, body)
      return server:request { method = "POST", path = "/v1/events", body = body, headers = { traceparent = header } }.status
    end
    local body = '[{"type":"a"},{"type":"a","trace_id":"own"}]'
    assert.equal(200, send("00-" .. TRACE .. "-00f067aa0ba902b7-01", body))
    assert.equal(200, send("00-" .. ("0"):rep(32) .. "-00f067aa0ba902b7-01", body))
    local m = server:metrics()
    assert.equal(1, m:get("seen_total", { trace_id = TRACE, parent_span_id = "00f067aa0ba902b7" }))
    assert.equal(2, m:get("seen_total", { trace_id = "own", parent_span_id = "-" }))
    assert.equal(1, m:get("seen_total", { trace_id = "-", parent_span_id = "-" }))
    assert.equal(1, m:get("moongate_decode_refused_total", { kind = "traceparent" }))
  end)
end)
