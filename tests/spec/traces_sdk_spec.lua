-- Bodies of real SDKs, posted as they were captured, counted by the shipped scripts: cost, tokens, calls, errors and users of each, as derived by hand in
-- support/captures.lua.
local captures = require "tests.spec.support.captures"
local json = require "cjson"
local moongate = require "tests.spec.support.moongate"

local function shipped()
  local scripts = {}
  local pipe = io.popen("ls scripts/metrics/*.lua")
  for path in pipe:lines() do scripts[path:gsub("^scripts/", "")] = moongate.read_file(path) end
  pipe:close()
  return scripts
end

-- What the shipped scripts leave to see only in the events themselves.
local COUNT = [[
local tokens = counter "spec_tokens_total" { labels = { "model", "status", "kind" } }
local calls = counter "spec_calls_total" { labels = { "model", "status", "stop_reason", "user_id", "session_id" } }
local runs = counter "spec_runs_total" { labels = { "type", "agent_id", "user_id" } }
on("model.call", function(ev)
  calls:inc(ev.model, ev.status, ev.stop_reason, ev.user_id, ev.session_id)
  for _, kind in ipairs { "input", "output", "cached_input", "cache_write", "reasoning" } do
    tokens:add(ev[kind .. "_tokens"] or 0, ev.model, ev.status, kind)
  end
end)
on("agent.start", function(ev) runs:inc("start", ev.agent_id, ev.user_id) end)
on("agent.stop", function(ev) runs:inc("stop", ev.agent_id, ev.user_id) end)
]]

local function start()
  local scripts = shipped()
  scripts["metrics/spec.lua"] = COUNT
  local plugins = moongate.sh("pwd"):gsub("\n", "") .. "/plugins"
  return moongate.start {
    scripts = scripts, conf = { plugins = plugins, traces = { settle = "100ms" } },
    conf_files = { ["prices.lua"] = moongate.read_file("conf/prices.lua") },
  }
end

-- The request of a capture, with the headers that say what its body is.
local function post(server, folder)
  local sent = json.decode((captures.read(folder, "001.headers.json"))).headers
  local body = captures.read(folder, "001.bin")
  local headers = { ["Content-Type"] = sent["content-type"], ["Content-Encoding"] = sent["content-encoding"] }
  local reply = server:request { method = "POST", path = "/v1/traces", headers = headers, body = body }
  assert.equal(200, reply.status, reply.body)
end

local function sum(m, name, labels)
  local total = 0
  for _, s in ipairs(m:all(name)) do
    local fits = true
    for label, value in pairs(labels or {}) do fits = fits and s.labels[label] == value end
    if fits then total = total + s.value end
  end
  return total
end

local function expect_models(wanted, m)
  local calls = 0
  for _, row in ipairs(wanted.models) do
    local which = { model = row.model, status = row.status }
    assert.equal(row.calls, sum(m, "spec_calls_total", which))
    local tokens = { input = row.input, output = row.output, cached_input = row.cached, cache_write = row.written, reasoning = row.reasoning }
    for kind, n in pairs(tokens) do
      assert.equal(n, sum(m, "spec_tokens_total", { model = row.model, status = row.status, kind = kind }), kind)
    end
    assert.near(row.usd, sum(m, "agent_cost_usd_total", { model = row.model, user_id = wanted.user }), 1e-12)
    calls = calls + row.calls
  end
  assert.equal(calls, sum(m, "spec_calls_total", { user_id = wanted.user, session_id = wanted.session }))
  assert.equal(calls, sum(m, "spec_calls_total"))
  assert.equal(calls, sum(m, "agent_chat_latency_seconds_count"))
  assert.equal(0, sum(m, "agent_unpriced_tokens_total"))
  for reason, n in pairs(wanted.stops) do assert.equal(n, sum(m, "spec_calls_total", { stop_reason = reason })) end
end

local function expect_others(wanted, m)
  local calls, errors, runs = 0, 0, 0
  for _, row in ipairs(wanted.tools) do
    assert.equal(row.calls, sum(m, "agent_tool_calls_total", { tool_name = row.tool, status = row.status }), row.tool)
    calls = calls + row.calls
  end
  assert.equal(calls, sum(m, "agent_tool_calls_total"))
  for _, row in ipairs(wanted.errors) do
    assert.equal(row.count, sum(m, "agent_errors_total", { error_type = row.error, agent_id = row.agent }), row.error)
    errors = errors + row.count
  end
  assert.equal(errors, sum(m, "agent_errors_total"))
  for agent, n in pairs(wanted.agents) do
    for _, type in ipairs { "start", "stop" } do
      assert.equal(n, sum(m, "spec_runs_total", { type = type, agent_id = agent, user_id = wanted.user }), agent)
    end
    runs = runs + n
  end
  assert.equal(runs, sum(m, "agent_created_total"))
  assert.equal(runs, sum(m, "agent_request_duration_seconds_count"))
end

local function failures(m)
  return sum(m, "moongate_script_errors_total")
end

if captures.present() then
  describe("the spans of", function()
    for _, name in ipairs(captures.names()) do
      it(name, function()
        local wanted, server = captures.folders[name], start()
        local expected = 0
        for _, row in ipairs(wanted.models) do expected = expected + row.calls end
        post(server, name)
        post(server, name) -- as a client does that got no answer: counted once
        local m
        moongate.wait_until(function()
          m = server:metrics()
          return sum(m, "spec_calls_total") >= expected and sum(m, "moongate_traces_open") == 0
        end, 10, "the calls of " .. name)
        assert.equal(0, failures(m))
        expect_models(wanted, m)
        expect_others(wanted, m)
        server:stop()
      end)
    end
  end)
end
