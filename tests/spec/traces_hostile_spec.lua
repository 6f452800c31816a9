-- Scripts that misuse traces: each is ended and named, and what other scripts count of the same traces, and of events, is all there.
local moongate = require "tests.spec.support.moongate"
local otlp = require "tests.spec.support.otlp"

local HONEST = [[
local closed = counter "honest_total" {}
local events = counter "honest_events_total" {}
on.trace(function() closed:inc() end)
on("x", function() events:inc() end)
]]

-- What the script does; the script; what is counted of it: calls that were cut off for their time or memory, or errors.
local HOSTILE = {
  { "a loop in on.span", "on.span(function() while true do end end)", "cuts" },
  { "a loop in on.trace", "on.trace(function() while true do end end)", "cuts" },
  { "a loop in on.trace_open", "on.trace_open('1s', function() while true do end end)", "cuts" },
  { "walks that catch errors", "on.trace(function(t) while true do for s in t:spans() do pcall(t.inherit, t, s, 1) end end end)", "cuts" },
  { "memory of a trace", "on.trace(function(t) local all = {} while true do all[#all + 1] = { t:spans(), t:find { name = 'r' } } end end)", "cuts" },
  { "a storm of emitted events", "on.trace(function(t) while true do emit('y', { time = t.start }) end end)", "errors" },
  { "many annotations", "on.trace(function(t) local i = 0 while true do i = i + 1 t.root:annotate('a' .. i, ('x'):rep(99)) end end)", "errors" },
  { "a trace that is kept", "local kept on.trace(function(t) if kept then return kept:spans() and 'drop' end kept = t end)", "errors" },
  { "annotations while spans are walked", "on.trace(function(t) while true do for s in t:spans() do s:annotate('n', 1) end end end)", "errors" },
  { "a verdict that is none", "on.trace(function() return { 'keep' } end)", "errors" },
}

local TRACES = 5 -- that close; one more has no root, and stays open

local function send(server, n)
  local t = moongate.now_ms()
  local parent = n > TRACES and ("%016x"):format(2) or nil
  local span = { trace = ("%032x"):format(n), id = ("%016x"):format(1), parent = parent, name = "r", kind = 1, from = t, ms = t + 5 }
  local reply = server:request(otlp.post(otlp.traces_protobuf { resource = {}, spans = { span } }, "protobuf", nil, "/v1/traces"))
  assert.equal(200, reply.status, reply.body)
end

local function names_the_line(entry)
  for _, value in pairs(entry) do
    if type(value) == "string" and value:find("metrics/bad.lua:1", 1, true) then return true end
  end
end

describe("with hostile scripts over traces", function()
  local server

  after_each(function() server:stop() end)

  for _, case in ipairs(HOSTILE) do
    local name, script, counted = case[1], case[2], case[3]
    it("others go on: " .. name, function()
      server = moongate.start { scripts = { ["metrics/bad.lua"] = script, ["metrics/honest.lua"] = HONEST }, conf = { traces = { settle = 0.3 } } }
      for n = 1, TRACES + 1 do send(server, n) end
      moongate.wait_until(function() return server:metrics():get("honest_total") == TRACES end, 20, "the honest script's traces")
      local json = { ["Content-Type"] = "application/json" }
      local reply = server:request { method = "POST", path = "/v1/events", body = '{"type":"x"}', headers = json }
      assert.equal(200, reply.status, reply.body)
      assert.equal(1, server:metrics():get("honest_events_total"))
      moongate.wait_until(function()
        return server:request({ path = "/metrics" }).body:match("moongate_script_" .. counted .. "_total{[^}]*bad[^}]*} [1-9]")
      end, 20, "the hostile script's " .. counted)
      assert.is_truthy(server:log_find(names_the_line), "the log names script and line")
    end)
  end
end)
