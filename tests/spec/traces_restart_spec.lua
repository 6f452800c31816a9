-- Traces over restarts, with scripts that drop some and annotate others: what was counted stays counted, what was dropped stays away, and what was found out is there still.
local moongate = require "tests.spec.support.moongate"
local otlp = require "tests.spec.support.otlp"

local TRACES, NOISE = 12, 3 -- every third trace is noise

-- `seen_total` tells what a late trace still knows of its first close: a span that had an annotation when it came back.
local script = [[
local closed = counter "closed_total" { labels = { "verdict", "late" } }
local spans = counter "spans_seen_total" { labels = { "name" } }
local seen = counter "seen_total" { labels = { "note", "left" } }

on.span(function(span) spans:inc(span.name) end)

on.trace(function(trace)
  local root, late = trace.root, tostring(trace.late)
  if trace.late then
    seen:inc(tostring(root["spec.note"]), tostring(trace.span_count))
  end
  if root.name == "noise" then
    closed:inc("drop", late)
    return "drop"
  end
  if not trace.late then root:annotate("spec.note", "note of " .. root.name) end
  closed:inc("keep", late)
end)
]]

local function trace_id(n) return ("%032x"):format(n + 1000) end
local function span_id(n) return ("%016x"):format(n) end
local function is_noise(n) return n % NOISE == 0 end

-- A root with two children for each of the traces.
local function bodies(t)
  local list = {}
  for n = 1, TRACES do
    for s = 1, 3 do
      list[#list + 1] = { trace = trace_id(n), id = span_id(s), parent = s > 1 and span_id(1) or nil, kind = 1, from = t, ms = t + s,
        name = s > 1 and "leaf" or is_noise(n) and "noise" or "work", attributes = { { "n", tostring(n) } } }
    end
  end
  return { resource = { { "service.name", "agent" } }, spans = list }
end

-- One more leaf of each trace, to come late.
local function late(t)
  local list = {}
  for n = 1, TRACES do
    list[#list + 1] = { trace = trace_id(n), id = span_id(9), parent = span_id(1), name = "late", kind = 1, from = t, ms = t + 5 }
  end
  return { resource = { { "service.name", "agent" } }, spans = list }
end

describe("traces over a restart", function()
  local server

  after_each(function() server:stop() end)

  local function start(checkpoint)
    server = moongate.start { scripts = { ["metrics/t.lua"] = script }, conf = { traces = { settle = 0.3 }, journal = { checkpoint = checkpoint } } }
  end

  local function post(body, encoding)
    local reply = server:request(otlp.post(otlp["traces_" .. encoding](body), encoding, nil, "/v1/traces"))
    assert.equal(200, reply.status, reply.body)
    assert.is_nil(otlp.partial_success(reply))
  end

  -- What the scripts have counted, and what the buffer holds.
  local function figures()
    local m = server:metrics()
    local out = { open = m:get("moongate_traces_open"), closed = m:get("moongate_traces_closed"), spans = m:get("moongate_traces_spans") }
    for _, verdict in ipairs { "drop", "keep" } do
      for _, is_late in ipairs { "false", "true" } do
        out[verdict .. is_late] = m:get("closed_total", { verdict = verdict, late = is_late }) or 0
      end
    end
    for _, name in ipairs { "noise", "work", "leaf", "late" } do out[name] = m:get("spans_seen_total", { name = name }) or 0 end
    out.kept_notes = m:get("seen_total", { note = "note of work", left = "4" }) or 0
    return out
  end

  local function await(wanted)
    local last
    local ok = pcall(moongate.wait_until, function()
      last = figures()
      for name, value in pairs(wanted) do
        if last[name] ~= value then return false end
      end
      return true
    end, 20, "the figures")
    if not ok then assert.same(wanted, last) end
  end

  local function checkpointed()
    moongate.wait_until(function() return server:metrics():get("moongate_checkpoint_lag_frames") == 0 end, 20, "a checkpoint of all")
  end

  local kept, dropped = TRACES - TRACES / NOISE, TRACES / NOISE
  local at_first = { open = 0, closed = kept, spans = kept * 3, dropfalse = dropped, keepfalse = kept, droptrue = 0, keeptrue = 0,
    noise = dropped, work = kept, leaf = 2 * TRACES, late = 0, kept_notes = 0 }
  -- What comes late of a kept trace opens it again, with what was found out; of a dropped one it is alone, and waits for a root until `max_age`.
  local at_last = { open = dropped, closed = kept, spans = kept * 4 + dropped, dropfalse = dropped, keepfalse = kept, droptrue = 0, keeptrue = kept,
    noise = dropped, work = kept, leaf = 2 * TRACES, late = TRACES, kept_notes = kept }

  local ends = {
    ["a kill with nothing but the journal"] = function() server:kill9() end,
    ["an orderly end"] = function() server:stop() end,
  }
  for name, finish in pairs(ends) do
    it("is all the same behind " .. name, function()
      start(3600)
      local t = moongate.now_ms()
      post(bodies(t), "protobuf")
      await(at_first)
      finish()
      server:restart()
      await(at_first)
      post(bodies(t), "json") -- as a sender does that has not heard the answer
      assert.same(at_first, figures())
      post(late(t), "protobuf")
      await(at_last)
      finish()
      server:restart()
      await(at_last)
      post(late(t), "json")
      assert.same(at_last, figures())
    end)
  end

  it("is all the same behind kills with checkpoints between", function()
    start(0.2)
    local t = moongate.now_ms()
    post(bodies(t), "json")
    await(at_first)
    for _ = 1, 2 do
      checkpointed()
      server:kill9()
      server:restart()
      await(at_first)
    end
    post(bodies(t), "protobuf")
    assert.same(at_first, figures())
    post(late(t), "json")
    await(at_last)
    checkpointed()
    server:kill9()
    server:restart()
    await(at_last)
  end)

  it("closes what was open at a kill as it would have without one", function()
    server = moongate.start { scripts = { ["metrics/t.lua"] = script }, conf = { traces = { settle = 2 } } }
    local t = moongate.now_ms()
    post(bodies(t), "protobuf")
    await { open = TRACES, closed = 0, spans = TRACES * 3, work = kept }
    server:kill9()
    server:restart()
    await(at_first)
  end)
end)
