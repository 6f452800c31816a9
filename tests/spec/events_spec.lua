-- POST /v1/events as a client sees it.
local moongate = require "tests.spec.support.moongate"
local json = require "cjson"

local counting = [[
local seen = counter "seen_total" { labels = { "type", "user_id" } }
on("*", function(ev) seen:inc(ev.type, ev.user_id) end)
]]

describe("POST /v1/events", function()
  local server

  setup(function()
    server = moongate.start { scripts = { ["metrics/seen.lua"] = counting } }
  end)
  teardown(function() server:stop() end)

  local function post(body, headers)
    local reply = server:request { method = "POST", path = "/v1/events", body = body, headers = headers }
    return reply.status, reply.body ~= "" and json.decode(reply.body) or nil
  end

  local function seen(type, user)
    return server:metrics():get("seen_total", { type = type, user_id = user }) or 0
  end

  it("takes one object, and /metrics shows it at once", function()
    local status, reply = post '{"type":"one.object","user_id":"ann"}'
    assert.equal(200, status)
    assert.same({ accepted = 1, duplicate = 0, rejected = {} }, reply)
    assert.equal(1, seen("one.object", "ann"))
  end)

  it("takes an array", function()
    local status, reply = post '[{"type":"array","user_id":"a"},{"type":"array","user_id":"a"}]'
    assert.equal(200, status)
    assert.equal(2, reply.accepted)
    assert.equal(2, seen("array", "a"))
  end)

  it("takes NDJSON whatever its Content-Type says", function()
    local status, reply = post('{"type":"nd","user_id":"n"}\n\n{"type":"nd","user_id":"n"}\r\n{"type":"nd","user_id":"n"}',
      { ["Content-Type"] = "application/x-www-form-urlencoded" })
    assert.equal(200, status)
    assert.equal(3, reply.accepted)
    assert.equal(3, seen("nd", "n"))
  end)

  it("counts an id once in its tenant", function()
    local status, reply = post '{"type":"dup","user_id":"d","id":"x-1"}'
    assert.equal(200, status)
    assert.equal(1, reply.accepted)
    status, reply = post '[{"type":"dup","user_id":"d","id":"x-1"},{"type":"dup","user_id":"d","id":"x-1","tenant_id":"t"}]'
    assert.equal(200, status)
    assert.equal(1, reply.accepted)
    assert.equal(1, reply.duplicate)
    assert.equal(2, seen("dup", "d"))
  end)

  it("answers 200 for a body of duplicates alone", function()
    post '{"type":"only.dup","user_id":"d","id":"y-1"}'
    local status, reply = post '{"type":"only.dup","user_id":"d","id":"y-1"}'
    assert.equal(200, status)
    assert.same({ accepted = 0, duplicate = 1, rejected = {} }, reply)
  end)

  it("refuses single events by their index and takes the others", function()
    local function refused() return server:metrics():get("moongate_decode_refused_total", { kind = "event" }) end
    local before = refused()
    local status, reply = post '[{"type":"mixed","user_id":"m"},{"user_id":"m"},7,{"type":"mixed","user_id":"m","time":"yesterday"}]'
    assert.equal(200, status)
    assert.equal(1, reply.accepted)
    assert.equal(3, #reply.rejected)
    assert.same({ 1, 2, 3 }, { reply.rejected[1].index, reply.rejected[2].index, reply.rejected[3].index })
    assert.equal(before + 3, refused())
    assert.match("type", reply.rejected[1].error)
    assert.match("object", reply.rejected[2].error)
    assert.match("time", reply.rejected[3].error)
    assert.equal(1, seen("mixed", "m"))
  end)

  it("refuses a bad line of NDJSON by its index", function()
    local status, reply = post '{"type":"lines","user_id":"l"}\n{"type":\n{"type":"lines","user_id":"l"}\n'
    assert.equal(200, status)
    assert.equal(2, reply.accepted)
    assert.equal(1, reply.rejected[1].index)
    assert.equal(2, seen("lines", "l"))
  end)

  it("refuses the whole body for a syntax error in an array, and applies none of it", function()
    local status, reply = post '[{"type":"half","user_id":"h"},{"type":"half","user_id":"h"'
    assert.equal(400, status)
    assert.equal("bad_request", reply.error.code)
    assert.is_string(reply.error.message)
    assert.equal(1, #reply.rejected)
    assert.equal(1, reply.rejected[1].index)
    assert.match(reply.rejected[1].error, reply.error.message, 1, true)
    assert.same({ 0, 0 }, { reply.accepted, reply.duplicate })
    assert.equal(0, seen("half", "h"))
  end)

  it("answers 400 in the same shape when no event is accepted", function()
    local status, reply = post '[{"user_id":"m"}]'
    assert.equal(400, status)
    assert.same({ 0, 0 }, { reply.accepted, reply.duplicate })
    assert.equal(0, reply.rejected[1].index)
    assert.equal("bad_request", reply.error.code)
    assert.is_string(reply.error.message)
  end)

  it("says of an error between events that no event is to blame", function()
    for _, body in ipairs { "", "[]", "42", '[{"type":"gap"}', '[{"type":"gap"},', '[{"type":"gap"}] x' } do
      local status, reply = post(body)
      assert.equal(400, status, body)
      assert.same({ 0, 0, 0 }, { reply.accepted, reply.duplicate, #reply.rejected }, body)
      assert.equal("bad_request", reply.error.code)
    end
    assert.equal(0, seen("gap", "g"))
  end)

  it("answers in the same shape when the body cannot be inflated", function()
    local reply = server:request { method = "POST", path = "/v1/events", body = "no gzip", headers = { ["Content-Encoding"] = "gzip" } }
    assert.equal(400, reply.status)
    assert.match('^{"error":{"code":"bad_request","message":"[^"]+"},"accepted":0,"duplicate":0,"rejected":%[%]}$', reply.body)
  end)

  it("echoes nothing of the body as it was sent", function()
    local reply = server:request { method = "POST", path = "/v1/events", body = '[{"type":"e","<\1\"":}]' }
    assert.equal(400, reply.status)
    assert.is_nil(reply.body:find("[%c<]"))
    assert.match('^{"error":{"code":"bad_request","message":".+"},"accepted":0,"duplicate":0,"rejected":%[{"index":0,"error":".+"}%]}$', reply.body)
  end)

  for name, body in pairs {
    ["an empty body"] = "",
    ["white space"] = " \n ",
    ["NaN"] = '[{"type":"bad","v":NaN}]',
    ["a number beyond double"] = '[{"type":"bad","v":1e999}]',
    ["bad UTF-8"] = '[{"type":"bad","v":"\xff\xfe"}]',
    ["a cut-off string"] = '[{"type":"bad","v":"abc',
    ["trailing bytes"] = '[{"type":"bad"}] x',
    ["a leading zero"] = '[{"type":"bad","v":01}]',
    ["a raw control character"] = '[{"type":"bad","v":"a\001b"}]',
    ["a scalar"] = "42",
  } do
    it("refuses " .. name, function()
      local status, reply = post(body)
      assert.equal(400, status)
      assert.is_string(reply.error.message)
      assert.same({ 0, 0, "table" }, { reply.accepted, reply.duplicate, type(reply.rejected) })
    end)
  end

  it("refuses duplicate keys", function()
    local status, reply = post '[{"type":"bad","a":1,"a":2}]'
    assert.equal(400, status)
    assert.match("a", reply.rejected and reply.rejected[1].error or reply.error.message)
  end)

  it("survives an array of a hundred thousand brackets", function()
    local status = post(("["):rep(100000))
    assert.equal(400, status)
    status = post('[{"type":"deep","v":' .. ("["):rep(100000) .. ("]"):rep(100000) .. "}]")
    assert.equal(400, status)
    assert.equal(200, (post '{"type":"after.deep"}'))
  end)

  it("reads times in RFC 3339, seconds, milliseconds, microseconds and nanoseconds", function()
    server:write_script("metrics/time.lua", [[
local t = gauge "event_time" { labels = { "n" } }
on("time.test", function(ev) t:set(ev.time, ev.n) end)
]])
    assert.equal(200, server:reload().status)
    local status, reply = post [[
{"type":"time.test","n":1,"time":"2026-01-02T03:04:05Z"}
{"type":"time.test","n":2,"time":1767323045}
{"type":"time.test","n":3,"time":1767323045000}
{"type":"time.test","n":4,"time":1767323045000000}
{"type":"time.test","n":5,"time":1767323045000000000}
{"type":"time.test","n":6,"time":"2026-01-02T04:04:05.000+01:00"}]]
    assert.equal(200, status)
    assert.equal(6, reply.accepted)
    for n = 1, 6 do
      assert.equal(1767323045, server:metrics():get("event_time", { n = tostring(n) }))
    end
  end)

  it("reaches nested fields by path", function()
    server:write_script("metrics/nested.lua", [[
local c = counter "nested_total" { labels = { "who" } }
on("nested", function(ev) c:add(ev["usage.input_tokens"], ev["who.name"]) end)
]])
    assert.equal(200, server:reload().status)
    local status = post '{"type":"nested","usage":{"input_tokens":12},"who":{"name":"zoe"}}'
    assert.equal(200, status)
    assert.equal(12, server:metrics():get("nested_total", { who = "zoe" }))
  end)

  it("takes gzip, and refuses an unknown encoding with 415", function()
    local gz = moongate.gzip '{"type":"zipped","user_id":"z"}'
    assert.equal(200, (post(gz, { ["Content-Encoding"] = "gzip" })))
    assert.equal(1, seen("zipped", "z"))
    local status, reply = post("xx", { ["Content-Encoding"] = "br" })
    assert.equal(415, status)
    assert.is_string(reply.error.code)
  end)

  it("answers a GET with 405 and an unknown path with 404, as JSON", function()
    local reply = server:request { method = "GET", path = "/v1/events" }
    assert.equal(405, reply.status)
    assert.match("POST", reply.headers.allow)
    assert.is_string(json.decode(reply.body).error.message)
    reply = server:request { method = "GET", path = "/nowhere" }
    assert.equal(404, reply.status)
    assert.equal("not_found", json.decode(reply.body).error.code)
  end)
end)
