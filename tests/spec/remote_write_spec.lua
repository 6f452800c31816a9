-- POST /api/v1/write as a sender of Prometheus's remote_write sees it, 1.0 and 2.0.
local moongate = require "tests.spec.support.moongate"
local history = require "tests.spec.support.history"
local remote_write = require "tests.spec.support.remote_write"
local json = require "cjson"

local WRITTEN = "x-prometheus-remote-write-%s-written"

local now_ms, outcomes = moongate.now_ms, history.outcomes

local function series(name, job, ...)
  return { labels = { { "__name__", name }, { "job", job } }, samples = { ... } }
end

local function message_of(reply)
  local err = json.decode(reply.body).error
  return err.message, err.code
end

-- Every answer counts what it wrote: samples, native histograms, exemplars.
local function assert_written(reply, samples, exemplars)
  assert.equal(tostring(samples), reply.headers[WRITTEN:format("samples")])
  assert.equal("0", reply.headers[WRITTEN:format("histograms")])
  assert.equal(tostring(exemplars or 0), reply.headers[WRITTEN:format("exemplars")])
end

describe("POST /api/v1/write", function()
  local server

  before_each(function() server = nil end)
  after_each(function() if server then server:stop() end end)

  local function start(options)
    server = moongate.start(options)
  end

  local function post(list, version, headers)
    local message = version == 2 and remote_write.message_2(list) or remote_write.message_1(list)
    return server:request(remote_write.request(message, version, headers))
  end

  it("answers 204 without a body when everything was taken, once and again", function()
    start()
    local t = now_ms()
    local list = { series("up", "a", { 1, t }), series("up", "b", { 0.1, t - 15000 }, { -0.0, t }) }
    for version = 1, 2 do
      for round = 1, 2 do
        local reply = post(list, version)
        assert.equal(204, reply.status, reply.body)
        assert.equal("", reply.body)
        assert_written(reply, 3)
        assert.equal(3, outcomes(server).stored)
        assert.equal(3 * (2 * version + round - 3), outcomes(server).duplicate)
      end
    end
    assert.equal(2, server:metrics():get("moongate_store_series"))
  end)

  it("has what it answered for after kill -9", function()
    start()
    local t, list = now_ms(), {}
    for i = 1, 200 do
      list[i] = series("up", "j" .. i, { i / 3, t - 1000 }, { remote_write.double(0x7ff00000, 2), t }, { remote_write.double(0x7ff80000, i), t + 1 })
    end
    assert.equal(204, post(list).status)
    server:kill9()
    server:restart()
    local before = outcomes(server)
    assert.equal(600, before.stored)
    local all, count, samples = history.read(server, "up")
    assert.equal(200, count)
    assert.equal(600, samples)
    for i = 1, 200 do
      local found = all[history.key { __name__ = "up", job = "j" .. i }]
      for _, sample in ipairs(list[i].samples) do assert.equal(history.bytes(sample[1]), found[sample[2]]) end
    end
    assert.equal(204, post(list).status)
    local after = outcomes(server)
    assert.equal(600, after.stored)
    assert.equal(before.duplicate + 600, after.duplicate)
    assert.equal(0, after.conflict)
  end)

  it("takes what can be taken, and says with 400 what was refused", function()
    start()
    local t = now_ms()
    assert.equal(204, post({ series("up", "a", { 1, t }) }).status)
    for version = 1, 2 do
      local list = {
        series("up", "a", { 2, t }),
        series("up", "b", { 3, t + version }),
        { labels = { { "job", "nameless" } }, samples = { { 1, t }, { 1, t + 1 } } },
        series("up", "c", { 1, t + 3600 * 1000 }),
        { labels = { { "__name__", "spans" } }, histograms = 2, samples = { { 4, t + version } } },
      }
      local reply = post(list, version)
      assert.equal(400, reply.status)
      assert_written(reply, 2)
      local why, code = message_of(reply)
      assert.equal("bad_request", code)
      assert.match("^6 of 8 samples were refused, the others were taken: ", why)
      assert.truthy(why:find("series 2: it has no label __name__", 1, true))
      assert.truthy(why:find("series 4: native histograms are not taken (2)", 1, true))
      assert.truthy(why:find(('series 0, up{job="a"}, at %d ms: another value is there at the same time'):format(t), 1, true))
      assert.truthy(why:find(('series 3, up{job="c"}, at %d ms: its time lies'):format(t + 3600 * 1000), 1, true))
      assert.is_nil(reply.headers["retry-after"])
    end
    assert.equal(5, outcomes(server).stored)
    for kind, count in pairs { sample = 4, histogram = 4, exemplar = 0, event = 0 } do
      assert.equal(count, server:metrics():get("moongate_decode_refused_total", { kind = kind }), kind)
    end
    assert.equal(2, server:metrics():get("moongate_store_samples_refused_total"))
    server:kill9()
    server:restart()
    local reply = post { series("up", "b", { 3, t + 1 }, { 3, t + 2 }) }
    assert.equal(204, reply.status)
    assert.equal(5, outcomes(server).stored)
  end)

  it("takes for done what comes again long after it was stored", function()
    start { conf = { store = { out_of_order = 1 } } }
    local t = now_ms()
    local early = { series("up", "a", { 1, t - 60000 }, { 2, t - 50000 }) }
    assert.equal(204, post(early).status)
    assert.equal(204, post({ series("up", "a", { 3, t }) }).status)
    local reply = post(early)
    assert.equal(204, reply.status, reply.body)
    assert_written(reply, 2)
    assert.equal(400, post({ series("up", "a", { 9, t - 60000 }) }).status)
    assert.equal(400, post({ series("up", "a", { 1, t - 55000 }) }).status)
    local list = outcomes(server)
    assert.same({ 3, 2, 1, 1 }, { list.stored, list.duplicate, list.conflict, list.too_old })
  end)

  it("lets a clock that is wrong put nothing off", function()
    start { conf = { journal = { checkpoint = 0.2 } } }
    local t, future = now_ms(), 4102444800000 -- 2100
    local function exemplar(time) return { { { "trace_id", tostring(time) } }, 1, time } end
    local wrong, right = series("up", "wrong", { 1, future }, { 2, future + 1 }), series("up", "right", { 1, t - 60000 }, { 2, future })
    right.exemplars = { exemplar(future) }
    local ahead = series("up", "ahead", { 1, t + 590000 }) -- by as much as is taken
    local reply = post({ wrong, right, ahead }, 2)
    assert.equal(400, reply.status)
    assert_written(reply, 2, 0)
    assert.match("^3 of 5 samples were refused, the others were taken: ", (message_of(reply)))
    assert.equal(1, server:metrics():get("moongate_store_exemplars_refused_total"))

    -- Whatever is right is taken afterwards: what follows, what is late, the next exemplar; and again after a kill.
    for round = 1, 2 do
      local list = { series("up", "right", { 3, t + round }), series("up", "late", { 4, t + round }, { 5, t - 300000 - round }) }
      list[1].exemplars = { exemplar(t + round) }
      reply = post(list, 2)
      assert.equal(204, reply.status, reply.body)
      assert_written(reply, 3, 1)
      local status
      moongate.wait_until(function()
        status = json.decode(server:request { path = "/api/v1/status/tsdb" }.body).data.headStats
        return status.maxTime >= t + round
      end, 10, "the store to look at its head")
      assert.is_true(status.maxTime < t + 600000)
      if round == 1 then
        server:kill9()
        server:restart()
      end
    end
    local all = history.read(server, "up")
    local times = {}
    for time in pairs(all[history.key { __name__ = "up", job = "right" }]) do times[#times + 1] = time - t end
    table.sort(times)
    assert.same({ -60000, 1, 2 }, times)
    assert.is_nil(all[history.key { __name__ = "up", job = "wrong" }])
  end)

  it("says so when nothing of it could be taken", function()
    start()
    local reply = post { { labels = { { "a", "b" } }, samples = { { 1, now_ms() } } } }
    assert.equal(400, reply.status)
    assert.match("^1 of 1 samples were refused: series 0: ", (message_of(reply)))
    assert_written(reply, 0)
  end)

  it("bounds what it says of refusals, whatever is in the labels", function()
    start { conf = { store = { max_series = 100 } } }
    local t, list = now_ms(), {}
    for i = 1, 300 do list[i] = series("up", i .. ("ä\"\\\n"):rep(500), { 1, t }) end
    local reply = post(list)
    assert.equal(400, reply.status)
    assert.is_true(#reply.body < 4000)
    local why = message_of(reply)
    assert.match("^200 of 300 samples were refused, the others were taken: series %d+, up{", why)
    assert.match("; and more$", why)
    assert_written(reply, 100)
  end)

  it("counts exemplars that are too long among what was not taken", function()
    start()
    local t = now_ms()
    local list = { series("up", "a", { 1, t }) }
    list[1].exemplars = { { { { "trace_id", ("x"):rep(200) } }, 1, t } }
    for version = 1, 2 do
      local reply = post(list, version)
      assert.equal(400, reply.status)
      assert_written(reply, 1)
      assert.match("^1 samples were taken, but not all that came with them: series 0: an exemplar was left out", (message_of(reply)))
      assert.equal(version, server:metrics():get("moongate_decode_refused_total", { kind = "exemplar" }))
    end
  end)

  it("takes metadata alone, and nothing at all", function()
    start()
    assert.equal(204, server:request(remote_write.request(remote_write.message_1({}, { { 1, "up_total", "Help.", "" } }))).status)
    assert.equal(204, post({}).status)
    assert.equal(204, post({}, 2).status)
  end)

  it("knows the version by Content-Type alone", function()
    start()
    local t = now_ms()
    local one, two = remote_write.message_1 { series("up", "one", { 1, t }) }, remote_write.message_2 { series("up", "two", { 1, t }) }
    local cases = {
      { one, "application/x-protobuf", 204 }, { one, false, 204 }, { one, "Application/X-Protobuf ; proto=\"prometheus.WriteRequest\"", 204 },
      { one, "application/x-protobuf;proto=prometheus.WriteRequest", 204 }, { one, "application/x-protobuf; charset=utf-8", 204 },
      { two, "application/x-protobuf;proto=io.prometheus.write.v2.Request", 204 },
      { two, "application/x-protobuf; a=b; proto=io.prometheus.write.v2.Request", 204 },
      { one, "application/x-protobuf;proto=io.prometheus.write.v3.Request", 415 }, { one, "application/json", 415 },
      { one, "application/x-protobufs", 415 }, { one, "text/plain", 415 },
    }
    for _, case in ipairs(cases) do
      local reply = server:request(remote_write.request(case[1], 1, { ["Content-Type"] = case[2] }))
      assert.equal(case[3], reply.status, tostring(case[2]) .. ": " .. reply.body)
      assert_written(reply, case[3] == 204 and 1 or 0)
      if case[3] == 415 then
        local why, code = message_of(reply)
        assert.match("^nothing was taken: Content%-Type must be application/x%-protobuf", why)
        assert.equal("unsupported_media_type", code)
      end
    end
    -- A message of the one is nothing to the other: its fields are unknown, and passed over.
    assert.equal(204, server:request(remote_write.request(two, 1)).status)
    assert.equal(2, outcomes(server).stored)
  end)

  it("takes bodies that say what they are, and Snappy from those that do not", function()
    start()
    local t = now_ms()
    local message = remote_write.message_1 { series("up", "a", { 1, t }) }
    local function send(coding, body)
      local request = remote_write.request("", 1, { ["Content-Encoding"] = coding })
      request.body = body
      return server:request(request).status
    end
    assert.equal(204, send("snappy", remote_write.compress(message)))
    assert.equal(204, send(false, remote_write.compress(message)))
    assert.equal(204, send("identity", message))
    assert.equal(204, send("gzip", moongate.gzip(message)))
    -- A zstd frame of one raw block, as VictoriaMetrics' agents may send them.
    local size = string.char(#message * 8 % 256 + 1, math.floor(#message / 32), 0)
    assert.equal(204, send("zstd", "\40\181\47\253\0\88" .. size .. message))
    assert.equal(400, send("snappy", message))
    assert.equal(400, send(false, message))
    assert.equal(415, send("br", message))
    assert.equal(1, outcomes(server).stored)
    assert.equal(4, outcomes(server).duplicate)
  end)

  it("refuses what is broken, and leaves nothing of it", function()
    start { conf = { http = { body_bytes = "1MiB" } } }
    local t = now_ms()
    local message = remote_write.message_1 { series("up", "a", { 1, t }), series("up", "b", { 1, t }) }
    for version = 1, 2 do
      local request = remote_write.request(message .. "\10\200", version)
      local reply = server:request(request)
      assert.equal(400, reply.status)
      assert.match("^nothing was taken: byte %d+: ", (message_of(reply)))
      assert_written(reply, 0)
      local block = request.body
      for cut = 1, #block - 1, 7 do
        request.body = block:sub(1, cut)
        assert.equal(400, server:request(request).status)
      end
      request.body = remote_write.varint(2 ^ 20 + 1) .. block:sub(3)
      assert.equal(413, server:request(request).status)
      request.body = remote_write.varint(2 ^ 40) .. block:sub(3)
      assert.equal(400, server:request(request).status)
      request.body = ("x"):rep(2 ^ 20 + 1)
      assert.equal(413, server:request(request).status)
    end
    assert.equal(0, outcomes(server).stored)
    assert.equal(0, server:metrics():get("moongate_http_bodies_bytes"))
  end)

  it("refuses more series than a body may have with 413", function()
    start()
    local list = {}
    for i = 1, 200001 do list[i] = remote_write.field(1, "") end
    local reply = server:request(remote_write.request(table.concat(list)))
    assert.equal(413, reply.status)
    assert.match("^nothing was taken: the body has 200001 series", (message_of(reply)))
    assert_written(reply, 0)
  end)

  it("is for POST alone, by tokens for ingest", function()
    start { conf = { tokens = {
      { sha256 = moongate.sha256("ingest-token"), scopes = { "ingest" } }, { sha256 = moongate.sha256("query-token"), scopes = { "query", "admin" } },
    } } }
    local function status(token)
      return post({ series("up", "a", { 1, now_ms() }) }, 1, { Authorization = token and "Bearer " .. token }).status
    end
    assert.equal(401, status())
    assert.equal(401, status "other-token")
    assert.equal(403, status "query-token")
    assert.equal(204, status "ingest-token")
    local options = server:request { method = "OPTIONS", path = "/api/v1/write" }
    assert.equal(204, options.status)
    assert.equal("POST, OPTIONS", options.headers.allow)
    for _, method in ipairs { "GET", "HEAD", "PUT" } do
      assert.equal(405, server:request { method = method, path = "/api/v1/write" }.status)
    end
  end)

  it("answers with Retry-After what helps to send again: a full disk 507, a full queue 503", function()
    local dir = moongate.process.temporary_dir()
    local faults = dir .. "/faults"
    moongate.write_file(faults, "")
    start { conf = { journal = { queue_bytes = "1MiB" } }, env = { MOONGATE_FAULT_FILE = faults } }
    finally(function() os.execute("rm -rf " .. dir) end)
    local t, n = now_ms(), 0
    local function next_body()
      n = n + 1
      return { series("up", "a", { n, t + n }) }
    end
    moongate.write_file(faults, "write:1:always:ENOSPC,allocate:1:always:ENOSPC")
    local full = moongate.wait_until(function()
      local reply = post(next_body())
      return reply.status ~= 204 and reply
    end, 10, "a refusal")
    assert.equal(507, full.status)
    assert.equal("5", full.headers["retry-after"])
    assert.match("^nothing was taken: the journal cannot be written: No space", (message_of(full)))
    assert_written(full, 0)
    moongate.write_file(faults, " ")
    moongate.wait_until(function() return post(next_body(), 2).status == 204 end, 5, "writing to go on")

    moongate.write_file(faults, "fsync@sync:1:always:DELAY=1s")
    local large = server:connect()
    local list = {}
    for i = 1, 20000 do list[i] = series("many", "j" .. i, { 1, t }) end
    large:send(remote_write.request(remote_write.message_1(list)))
    moongate.wait_until(function() return server:metrics():get("moongate_queue_bytes") > 2 ^ 20 end, 10, "the samples to wait")
    local busy = post(next_body(), 2)
    assert.equal(503, busy.status)
    assert.equal("1", busy.headers["retry-after"])
    assert.match("^nothing was taken: too much is waiting", (message_of(busy)))
    assert_written(busy, 0)
    assert.equal(204, large:receive().status)
    assert.equal(0, server:metrics():get("moongate_queue_bytes"))
    moongate.write_file(faults, "  ")
    assert.equal(204, post(next_body(), 2).status)
  end)

  it("gives back the memory of what it took and of what it refused", function()
    start { conf = { threads = 1 } }
    local t = now_ms()
    for i = 1, 50 do
      local list = {}
      for k = 1, 200 do list[k] = series(k % 10 == 0 and "" or "up", "j" .. k, { k, t + i }) end
      assert.equal(400, post(list, 1 + i % 2).status)
    end
    assert.equal(0, server:metrics():get("moongate_http_bodies_bytes"))
    assert.equal(0, server:metrics():get("moongate_queue_bytes"))
    assert.equal(50 * 180, outcomes(server).stored)
  end)
end)

-- Bodies of a real Prometheus, where they lie beside the repository, and one like them where they do not.
local function captured()
  local folder = (os.getenv("MOONGATE_CAPTURES") or "../shared/captures") .. "/prometheus-remote-write"
  local bodies = {}
  local pipe = io.popen("ls " .. folder .. "/*.bin 2>/dev/null")
  for path in pipe:lines() do bodies[#bodies + 1] = moongate.read_file(path) end
  pipe:close()
  if #bodies > 0 then return bodies end
  local t = now_ms()
  for round = 1, 10 do
    local list = {}
    for i = 1, 500 do
      local value = round == 10 and remote_write.double(0x7ff00000, 2) or i * round / 7
      list[i] = {
        labels = { { "__name__", "http_requests_total" }, { "code", tostring(200 + i % 5) }, { "handler", "/api/" .. i }, { "job", "p" } },
        samples = { { value, t + 15000 * (round - 10) } },
      }
    end
    bodies[round] = remote_write.compress(remote_write.message_1(list))
    bodies[round + 10] = bodies[round] -- a body may come twice
  end
  bodies[21] = remote_write.compress(remote_write.message_1({}, { { 1, "http_requests_total", "Requests.", "" }, { 3, "a_seconds", "", "seconds" } }))
  return bodies
end

describe("a real Prometheus's bodies", function()
  it("are taken, and each value is there, again after kill -9", function()
    local server = moongate.start()
    finally(function() server:stop() end)
    local bodies = captured()
    local sent, samples, distinct, count = {}, 0, 0, 0
    for _, body in ipairs(bodies) do
      for _, s in ipairs(remote_write.read_1(remote_write.uncompress(body))) do
        local labels = {}
        for _, l in ipairs(s.labels) do labels[l[1]] = l[2] end
        local key = history.key(labels)
        if #s.samples > 0 and not sent[key] then
          sent[key] = {}
          count = count + 1
        end
        for _, sample in ipairs(s.samples) do
          samples = samples + 1
          distinct = distinct + (sent[key][sample[2]] and 0 or 1)
          sent[key][sample[2]] = sample[1]
        end
      end
    end
    assert.is_true(distinct > 0)
    local function send_all()
      local c = server:connect()
      for i, body in ipairs(bodies) do
        local request = remote_write.request("", 1)
        request.body = body
        local reply = c:request(request)
        assert.equal(204, reply.status, i .. ": " .. reply.body)
      end
      c:close()
    end
    local function assert_all_there()
      local all, named, found = history.read(server, '{__name__=~".+"}')
      assert.equal(count, named)
      assert.equal(distinct, found)
      assert.same(sent, all)
    end
    send_all()
    assert.same({ stored = distinct, duplicate = samples - distinct, conflict = 0, too_old = 0, too_late = 0 }, outcomes(server))
    assert_all_there()
    server:kill9()
    server:restart()
    assert_all_there()
    local before = outcomes(server)
    assert.equal(distinct, before.stored)
    send_all()
    assert.equal(distinct, outcomes(server).stored)
    assert.equal(before.duplicate + samples, outcomes(server).duplicate)
    assert_all_there()
  end)
end)
