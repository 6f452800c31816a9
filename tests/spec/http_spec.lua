-- HTTP as the running gateway serves it: limits, tokens, health, the orderly end. (What a single connection may do is tested in tests/unit/net.)
local moongate = require "tests.spec.support.moongate"
local json = require "cjson"

local one_event = '{"type":"x"}'

-- SHA-256 of "ingest-token", "query-token", "admin-token", made with sha256sum.
describe("the HTTP server", function()
  local server
  local function start(options)
    server = moongate.start(options or {})
    finally(function() server:stop() end)
    return server
  end

  it("answers pipelined requests in order", function()
    start()
    local c = server:connect()
    local n = 50
    c:send_raw(("POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n" .. one_event):rep(n))
    for _ = 1, n do
      local reply = c:receive()
      assert.equal(200, reply.status)
      assert.equal('{"accepted":1,"duplicate":0,"rejected":[]}', reply.body)
    end
    c:close()
  end)

  it("takes chunked bodies and Expect: 100-continue", function()
    start()
    local text = server:raw("POST /v1/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
      .. '5\r\n{"typ\r\n7\r\ne":"x"}\r\n0\r\n\r\n')
    assert.match("^HTTP/1.1 200", text)
    local c = server:connect()
    c:send_raw("POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n")
    local reply = c:receive()
    assert.equal(100, reply.status)
    c:send_raw(one_event)
    assert.equal(200, c:receive().status)
    c:close()
  end)

  it("answers a token over its rate 429, throws the body away and keeps the connection", function()
    start { conf = { threads = 2, tokens = {
      { sha256 = moongate.sha256("slow-token"), scopes = { "ingest", "query" }, rate = 1, burst = 1000000 },
      { sha256 = moongate.sha256("dear-token"), scopes = { "ingest" }, rate = 1, burst = 2 },
    } } }
    local c = server:connect()
    local function post(body, more)
      local request = { method = "POST", path = "/v1/events", body = body, headers = { Authorization = "Bearer dear-token" } }
      for name, value in pairs(more or {}) do request.headers[name] = value end
      return c:request(request)
    end
    -- A second may pass here and there: until one is refused, all are taken. The bucket is emptied with small ones, since a large one that is taken takes a while.
    local function refused(body, more)
      local reply
      for _ = 1, 1000 do
        if post(one_event).status == 429 then reply = post(body, more) end
        if reply and reply.status == 429 then break end
      end
      assert.equal(429, reply.status)
      assert.match("^[1-9]%d*$", reply.headers["retry-after"])
      assert.is_nil(reply.headers.connection)
      assert.equal("too_many_requests", json.decode(reply.body).error.code)
      return reply
    end
    assert.equal(200, post(one_event).status)
    assert.equal(200, post(one_event).status)
    assert.equal("1", refused(one_event).headers["retry-after"])
    local large = "[" .. (one_event .. ","):rep(50000) .. one_event .. "]"
    refused(large)
    refused("no JSON at all")
    refused("no gzip", { ["Content-Encoding"] = "gzip" })
    local chunked = "POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer dear-token\r\nTransfer-Encoding: chunked\r\n\r\n"
      .. "5\r\n{\"typ\r\n7\r\ne\":\"x\"}\r\n0\r\n\r\n"
    c:send_raw(chunked:rep(20))
    local answers = {}
    for _ = 1, 20 do
      local status = c:receive().status
      answers[status] = (answers[status] or 0) + 1
    end
    assert.is_true((answers[429] or 0) > 10)
    assert.equal(20, answers[429] + (answers[200] or 0))
    for _ = 1, 5 do assert.equal(200, c:request { method = "GET", path = "/-/healthy", headers = { Authorization = "Bearer dear-token" } }.status) end
    c:close()
    -- Another connection, on another loop or not, shares the bucket; another token does not.
    for _ = 1, 8 do
      c = server:connect()
      refused(one_event)
      c:close()
    end
    local metrics = server:request { path = "/metrics", headers = { Authorization = "Bearer slow-token" } }
    assert.equal(200, metrics.status)
    assert.is_true(tonumber(metrics.body:match("\nmoongate_http_requests_limited_total (%d+)")) > 20)
    assert.equal("0", metrics.body:match("\nmoongate_http_bodies_bytes (%d+)"))
    assert.equal(200, server:request { path = "/ready" }.status)
  end)

  it("closes after a 429 on a client that waits for 100", function()
    start { conf = { http = { rate = 1, burst = 1 } } }
    local text
    -- A request that is taken is waited for until its time is over, by when the bucket has filled again: so another one empties it just before.
    for _ = 1, 100 do
      server:request { method = "POST", path = "/v1/events", body = one_event }
      text = server:raw("POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n", 1)
      if text:find("^HTTP/1.1 429") then break end
    end
    assert.match("^HTTP/1.1 429", text)
    assert.match("\r\nConnection: close\r\n", text)
    assert.match("\r\nRetry%-After: 1\r\n", text)
    for _, path in ipairs { "/-/healthy", "/-/ready", "/health", "/ready" } do
      for _ = 1, 3 do assert.not_equal(429, server:request { path = path }.status) end
    end
  end)

  it("answers HEAD without a body and OPTIONS with Allow", function()
    start()
    local head = server:raw("HEAD /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert.match("^HTTP/1.1 200", head)
    assert.match("\r\n\r\n$", head)
    local options = server:request { method = "OPTIONS", path = "/v1/events" }
    assert.equal(204, options.status)
    assert.match("POST", options.headers.allow)
  end)

  it("refuses headers of 64 KB with 431, bodies over the limit with 413, a foreign Origin with 403", function()
    start { conf = { http = { body_bytes = "1MiB" } } }
    assert.match("^HTTP/1.1 431", server:raw("GET /metrics HTTP/1.1\r\nHost: x\r\nX-Big: " .. ("a"):rep(65536) .. "\r\n\r\n"))
    local reply = server:raw("POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000000\r\n\r\n")
    assert.match("^HTTP/1.1 413", reply)
    reply = server:request { method = "POST", path = "/v1/events", body = one_event, headers = { Origin = "http://evil.example" } }
    assert.equal(403, reply.status)
    assert.is_string(json.decode(reply.body).error.message)
  end)

  it("refuses a gzip bomb with 413", function()
    start { conf = { http = { body_bytes = "1MiB" } } }
    local bomb = moongate.gzip((" "):rep(8 * 1024 * 1024))
    local reply = server:request { method = "POST", path = "/v1/events", body = bomb, headers = { ["Content-Encoding"] = "gzip" } }
    assert.equal(413, reply.status)
  end)

  it("refuses malformed requests with 400 and closes, without a second answer", function()
    start()
    for _, bytes in ipairs {
      "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n",
      "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: x\r\n\rXGET / HTTP/1.1\r\n\r\n",
      "nonsense\r\n\r\n",
    } do
      local text = server:raw(bytes .. "GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
      local _, answers = text:gsub("HTTP/1.1 %d%d%d", "")
      assert.equal(1, answers, bytes)
      assert.match("^HTTP/1.1 400", text)
    end
  end)

  it("closes a slow client and serves the others", function()
    start { conf = { http = { header_timeout = "300ms", idle_timeout = "300ms" } } }
    local slow = server:connect()
    slow:send_raw("GET /-/healthy HTT")
    assert.equal(200, server:request { path = "/-/healthy" }.status)
    local reply = slow:receive()
    if reply then assert.equal(408, reply.status) end
    local _, why = slow.sock:receive(1)
    assert.equal("closed", why)
    slow:close()
  end)

  it("wants a token with the right scope where tokens are configured", function()
    start { conf = { tokens = {
      { sha256 = moongate.sha256("ingest-token"), scopes = { "ingest" } },
      { sha256 = moongate.sha256("query-token"), scopes = { "query" } },
      { sha256 = moongate.sha256("admin-token"), scopes = { "admin" } },
    } } }
    local routes = {
      { "POST", "/v1/events", "ingest" }, { "GET", "/metrics", "query" }, { "POST", "/-/reload", "admin" },
    }
    for _, route in ipairs(routes) do
      local method, path, scope = route[1], route[2], route[3]
      local body = method == "POST" and one_event or nil
      local reply = server:request { method = method, path = path, body = body }
      assert.equal(401, reply.status)
      assert.match("Bearer", reply.headers["www-authenticate"])
      reply = server:request { method = method, path = path, body = body, headers = { Authorization = "Bearer wrong" } }
      assert.equal(401, reply.status)
      for _, held in ipairs { "ingest", "query", "admin" } do
        reply = server:request { method = method, path = path, body = body,
          headers = { Authorization = "Bearer " .. held .. "-token" } }
        assert.equal(held == scope and 200 or 403, reply.status, path .. " with " .. held)
      end
    end
    assert.equal(200, server:request { path = "/-/healthy" }.status)
    assert.equal(200, server:request { path = "/-/ready" }.status)
  end)

  it("speaks of its health", function()
    start()
    local reply = server:request { path = "/health" }
    assert.equal(200, reply.status)
    assert.same({ healthy = true, checks = { journal = true, disk = true, memory = true, scripts = true } }, json.decode(reply.body))
    assert.equal(200, server:request { path = "/ready" }.status)
    assert.equal(200, server:request { path = "/-/healthy" }.status)
  end)

  it("finishes what is in flight at SIGTERM and exits with 0", function()
    start { scripts = { ["metrics/n.lua"] = 'local n = counter "n_total" { labels = {} } on("x", function() n:inc() end)' } }
    local connections = {}
    for i = 1, 20 do
      connections[i] = server:connect()
      connections[i]:send { method = "POST", path = "/v1/events", body = one_event }
    end
    for i = 1, 20 do assert.equal(200, connections[i]:receive().status) end
    assert.equal(0, server:stop())
    server:restart()
    assert.equal(20, server:metrics():get("n_total"))
  end)
end)

describe("starting", function()
  local function refused(options)
    local server = moongate.prepare(options)
    finally(function() if server.process then server:stop() end end)
    local ok, why = pcall(server.launch, server)
    assert.is_false(ok)
    return tostring(why), server
  end

  it("is refused on an open address without tokens", function()
    assert.match("allow_anonymous", (refused { listen = "0.0.0.0:0" }))
  end)

  it("is refused for an unknown key, which is named", function()
    assert.match("bodybytes", (refused { conf = { http = { bodybytes = 1 } } }))
  end)

  it("is refused for a script that does not load, with file and line", function()
    assert.match("bad%.lua:1", (refused { scripts = { ["metrics/bad.lua"] = "local = 1" } }))
  end)

  it("is refused while another process has the data directory", function()
    local server = moongate.start {}
    finally(function() server:stop() end)
    local output, code = moongate.sh(("%s run --conf %s/conf/moongate.lua --listen 127.0.0.1:0 --data %s/data --scripts %s/scripts"):format(
      moongate.binary, server.dir, server.dir, server.dir))
    assert.equal(1, code)
    assert.match("LOCK", output)
  end)
end)
