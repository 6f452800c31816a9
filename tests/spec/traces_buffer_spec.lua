-- Traces of plain JSON events: they close with the clock, and are there again behind a restart.
local moongate = require "tests.spec.support.moongate"

local script = 'local n = counter "n_total" { labels = {} } on("x", function() n:inc() end)'

local function event(trace, span, parent)
  return ('{"type":"x","trace_id":"%032x","span_id":"%016x",%s"duration_ms":12}'):format(trace, span,
    parent and ('"parent_span_id":"%016x",'):format(parent) or "")
end

local function post(server, lines)
  local reply = server:request { method = "POST", path = "/v1/events", body = table.concat(lines, "\n") }
  assert.equal(200, reply.status)
end

local function start(conf)
  local server = moongate.start { scripts = { ["metrics/n.lua"] = script }, conf = conf }
  finally(function() server:stop() end)
  return server
end

local function figures(server)
  local m = server:metrics()
  return { open = m:get("moongate_traces_open"), closed = m:get("moongate_traces_closed"),
    spans = m:get("moongate_traces_spans") }
end

local function await(server, open, closed, spans)
  moongate.wait_until(function()
    local f = figures(server)
    return f.open == open and f.closed == closed and f.spans == spans
  end, 20, ("%d open, %d closed, %d spans"):format(open, closed, spans))
end

describe("the buffer of traces", function()
  it("closes traces by the clock, and has them again after a kill", function()
    local server = start { traces = { settle = 0.3 }, journal = { checkpoint = 0.2 } }
    post(server, { event(1, 2, 1), event(1, 1), event(2, 1) })
    await(server, 0, 2, 3)
    moongate.wait_until(function() return server:metrics():get("moongate_checkpoint_lag_frames") == 0 end, 20,
      "a checkpoint with the traces")
    server:kill9()
    server:restart()
    await(server, 0, 2, 3)
    assert.equal(3, server:metrics():get("n_total"))
    post(server, { event(1, 3, 1) }) -- late
    await(server, 0, 2, 4)
    assert.equal(1, server:metrics():get("moongate_traces_late_total"))
  end)

  it("keeps open traces open over a kill and over an orderly end", function()
    local server = start { traces = { settle = 3600, max_age = 7200 } }
    post(server, { event(1, 1), event(2, 1) })
    server:kill9()
    server:restart()
    await(server, 2, 0, 2)
    post(server, { event(2, 2, 1) })
    server:stop()
    server:restart()
    await(server, 2, 0, 3)
    assert.equal(3, server:metrics():get("n_total"))
  end)

  it("counts events that could be spans and whose ids are none", function()
    local server = start {}
    post(server, { '{"type":"x","trace_id":"none","span_id":"1","duration_ms":1}',
      '{"type":"x","trace_id":"1","duration_ms":1}' })
    await(server, 0, 0, 0)
    assert.equal(1, server:metrics():get("moongate_traces_invalid_events_total"))
    assert.equal(2, server:metrics():get("n_total"))
  end)
end)
