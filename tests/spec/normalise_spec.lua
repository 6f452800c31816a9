-- plugins/normalise by itself: traces in, events out. What is expected of captured bodies, and how it was derived, is in support/captures.lua.
local captures = require "tests.spec.support.captures"
local script = require "tests.spec.support.script"
local trace = require "tests.spec.support.trace"

-- The events of some traces.
local function events_of(traces)
  local s = script.load()
  local normalise = s.env.require "normalise"
  for _, t in ipairs(traces) do normalise.run(t) end
  return s.emitted
end

local function of_type(events, type)
  local list = {}
  for _, ev in ipairs(events) do
    if ev.type == type then list[#list + 1] = ev end
  end
  return list
end

-- Of a trace made of these spans: its calls of models, and all its events.
local function calls_of(spans, fields)
  local t = trace.new(spans, fields)
  local events = events_of { t }
  return of_type(events, "model.call"), events, t
end

local SUMS = {
  input = "input_tokens", output = "output_tokens", cached = "cached_input_tokens", written = "cache_write_tokens", reasoning = "reasoning_tokens",
}

local function count(into, by, ev)
  local row = into[by] or { calls = 0, input = 0, output = 0, cached = 0, written = 0, reasoning = 0 }
  into[by] = row
  row.calls = row.calls + 1
  for short, field in pairs(SUMS) do row[short] = row[short] + (ev[field] or 0) end
end

-- How many events of a type there are for each value.
local function tally(events, type, value)
  local counts = {}
  for _, ev in ipairs(of_type(events, type)) do
    local v = value(ev)
    if v then counts[v] = (counts[v] or 0) + 1 end
  end
  return counts
end

local function expect_models(wanted, events)
  local got, want = {}, {}
  for _, ev in ipairs(of_type(events, "model.call")) do count(got, ev.model .. " " .. ev.status, ev) end
  for _, row in ipairs(wanted.models) do
    want[row.model .. " " .. row.status] = { calls = row.calls, input = row.input, output = row.output, cached = row.cached, written = row.written,
      reasoning = row.reasoning }
  end
  assert.same(want, got)
  assert.same(wanted.stops, tally(events, "model.call", function(ev) return ev.stop_reason end))
end

local function expect_others(wanted, events)
  local tools, errors = {}, {}
  for _, row in ipairs(wanted.tools) do tools[row.tool .. " " .. row.status] = row.calls end
  assert.same(tools, tally(events, "tool.call", function(ev) return ev.tool_name .. " " .. ev.status end))
  assert.same(wanted.agents, tally(events, "agent.start", function(ev) return ev.agent_id end))
  assert.same(wanted.agents, tally(events, "agent.stop", function(ev) return ev.agent_id end))
  for _, row in ipairs(wanted.errors) do errors[row.error .. " " .. (row.agent or "")] = row.count end
  local got = {}
  for _, type in ipairs { "model.call", "tool.call", "agent.error" } do
    local failures = tally(events, type, function(ev)
      return (type == "agent.error" or ev.status == "failed") and ev.error_type .. " " .. (ev.agent_id or "")
    end)
    for name, n in pairs(failures) do got[name] = (got[name] or 0) + n end
  end
  assert.same(errors, got)
end

local function expect_owner(wanted, events)
  for _, ev in ipairs(events) do
    assert.equal(wanted.user, ev.user_id)
    assert.equal(wanted.session, ev.session_id)
    assert.equal(32, #ev.trace_id)
    assert.equal(16, #ev.span_id)
    if ev.agent_id then assert.equal(1, wanted.agents[ev.agent_id]) end
  end
end

if captures.present() then
  describe("what SDKs really send", function()
    for _, name in ipairs(captures.names()) do
      it(name, function()
        local wanted = captures.folders[name]
        local text = captures.read(name, "001.json") or captures.read(name, "001.decoded.json")
        local traces = trace.from_otlp(assert(text, "no body in " .. name))
        local events = events_of(traces)
        expect_models(wanted, events)
        expect_others(wanted, events)
        expect_owner(wanted, events)
        local usd, due = 0, 0
        for _, t in ipairs(traces) do
          for span in t:spans() do usd = usd + (span.annotations["moongate.cost_usd"] or 0) end
        end
        for _, row in ipairs(wanted.models) do due = due + row.usd end
        assert.near(due, usd, 1e-12)
      end)
    end
  end)
end

describe("a convention", function()
  -- Each is a span, and what the call of it says.
  local cases = {
    ["gen_ai before 1.27"] = {
      { ["gen_ai.system"] = "openai", ["gen_ai.request.model"] = "gpt-4o", ["gen_ai.usage.prompt_tokens"] = 10,
        ["gen_ai.usage.completion_tokens"] = 5,
        ["gen_ai.response.finish_reasons"] = { "stop" }, ["enduser.id"] = "ann" },
      { provider = "openai", model = "gpt-4o", input_tokens = 10, output_tokens = 5, stop_reason = "stop", user_id = "ann" },
    },
    ["gen_ai 1.36"] = {
      { ["gen_ai.system"] = "aws.bedrock", ["gen_ai.operation.name"] = "chat", ["gen_ai.request.model"] = "nova",
        ["gen_ai.response.model"] = "nova-2",
        ["gen_ai.usage.input_tokens"] = 10, ["gen_ai.usage.output_tokens"] = 5, ["gen_ai.response.finish_reasons"] = { "", "max_tokens" } },
      { provider = "aws.bedrock", model = "nova-2", request_model = "nova", input_tokens = 10, output_tokens = 5, stop_reason = "length",
        operation = "chat" },
    },
    ["gen_ai 1.41, cache within"] = {
      { ["gen_ai.provider.name"] = "anthropic", ["gen_ai.operation.name"] = "chat", ["gen_ai.request.model"] = "claude-sonnet-4-5",
        ["gen_ai.usage.input_tokens"] = 1000, ["gen_ai.usage.output_tokens"] = 5, ["gen_ai.usage.cache_read.input_tokens"] = 400,
        ["gen_ai.usage.cache_creation.input_tokens"] = 300, ["gen_ai.conversation.id"] = "c1" },
      { input_tokens = 1000, output_tokens = 5, cached_input_tokens = 400, cache_write_tokens = 300, session_id = "c1", provider = "anthropic" },
    },
    ["gen_ai, cache left out: a part is not more than the whole"] = {
      { ["gen_ai.provider.name"] = "anthropic", ["gen_ai.operation.name"] = "chat", ["gen_ai.request.model"] = "claude-sonnet-4-5",
        ["gen_ai.usage.input_tokens"] = 4, ["gen_ai.usage.output_tokens"] = 5, ["gen_ai.usage.cache_read.input_tokens"] = 400 },
      { input_tokens = 404, cached_input_tokens = 400 },
    },
    ["gen_ai of the newer repository"] = {
      { ["gen_ai.provider.name"] = "openai", ["gen_ai.operation.name"] = "generate_content", ["gen_ai.request.model"] = "o3",
        ["gen_ai.usage.input_tokens"] = "100", ["gen_ai.usage.output_tokens"] = "50", ["gen_ai.usage.reasoning.output_tokens"] = "20",
        ["gen_ai.usage.cache_write.input_tokens"] = "7", ["gen_ai.workflow.name"] = "triage" },
      { input_tokens = 100, output_tokens = 50, reasoning_tokens = 20, cache_write_tokens = 7, template_id = "triage" },
    },
    ["OpenInference"] = {
      { ["openinference.span.kind"] = "LLM", ["llm.provider"] = "azure", ["llm.system"] = "openai", ["llm.model_name"] = "gpt-4o",
        ["llm.token_count.prompt"] = 100, ["llm.token_count.completion"] = 50, ["llm.token_count.total"] = 150,
        ["llm.token_count.prompt_details.cache_read"] = 30, ["llm.token_count.prompt_details.cache_write"] = 10,
        ["llm.token_count.completion_details.reasoning"] = 25, ["user.id"] = "ann", ["session.id"] = "s" },
      { provider = "azure", model = "gpt-4o", input_tokens = 100, output_tokens = 50, cached_input_tokens = 30, cache_write_tokens = 10,
        reasoning_tokens = 25, user_id = "ann", session_id = "s" },
    },
    ["OpenInference, an embedding"] = {
      { ["openinference.span.kind"] = "EMBEDDING", ["embedding.model_name"] = "text-embedding-3-small", ["llm.token_count.total"] = 12 },
      { model = "text-embedding-3-small", input_tokens = 12 },
    },
    ["AI SDK 4"] = {
      { ["ai.operationId"] = "ai.generateText.doGenerate", ["ai.model.id"] = "gpt-4o", ["ai.model.provider"] = "openai.chat",
        ["ai.usage.promptTokens"] = 10, ["ai.usage.completionTokens"] = 5, ["ai.response.finishReason"] = "tool-calls",
        ["ai.telemetry.metadata.userId"] = "ann", ["ai.telemetry.functionId"] = "planner" },
      { model = "gpt-4o", input_tokens = 10, output_tokens = 5, stop_reason = "tool_calls", user_id = "ann", agent_id = "planner",
        template_id = "planner", provider = "openai.chat" },
    },
    ["AI SDK 5 over Anthropic: the cache is left out, what was written is in the answer's metadata"] = {
      { ["ai.operationId"] = "ai.streamText.doStream", ["ai.model.id"] = "claude-sonnet-4-5", ["ai.model.provider"] = "anthropic.messages",
        ["ai.usage.inputTokens"] = 4000, ["ai.usage.outputTokens"] = 5, ["ai.usage.cachedInputTokens"] = 1000, ["ai.usage.reasoningTokens"] = 2,
        ["ai.response.providerMetadata"] = '{"anthropic":{"usage":{},"cacheCreationInputTokens":300}}', ["gen_ai.system"] = "anthropic.messages",
        ["gen_ai.request.model"] = "claude-sonnet-4-5", ["gen_ai.usage.input_tokens"] = 4000, ["gen_ai.usage.output_tokens"] = 5 },
      { model = "claude-sonnet-4-5", input_tokens = 5300, output_tokens = 5, cached_input_tokens = 1000, cache_write_tokens = 300,
        reasoning_tokens = 2 },
    },
    ["AI SDK 5 over OpenAI: the cache is within"] = {
      { ["ai.operationId"] = "ai.generateObject.doGenerate", ["ai.model.id"] = "gpt-4o", ["ai.model.provider"] = "openai.responses",
        ["ai.usage.inputTokens"] = 4000, ["ai.usage.outputTokens"] = 5, ["ai.usage.cachedInputTokens"] = 1000 },
      { input_tokens = 4000, cached_input_tokens = 1000 },
    },
    ["AI SDK 4, an embedding"] = {
      { ["ai.operationId"] = "ai.embedMany.doEmbed", ["ai.model.id"] = "text-embedding-3-small", ["ai.usage.tokens"] = 9 },
      { model = "text-embedding-3-small", input_tokens = 9 },
    },
    ["OpenLLMetry before it had operations"] = {
      { ["llm.request.type"] = "chat", ["gen_ai.system"] = "OpenAI", ["gen_ai.request.model"] = "gpt-4o", ["gen_ai.usage.prompt_tokens"] = 10,
        ["gen_ai.usage.completion_tokens"] = 5, ["llm.usage.total_tokens"] = 15, ["gen_ai.usage.cache_read_input_tokens"] = 4,
        ["gen_ai.usage.reasoning_tokens"] = 3, ["llm.response.finish_reason"] = "function_call",
          ["traceloop.association.properties.user_id"] = "ann" },
      { provider = "OpenAI", operation = "chat", input_tokens = 10, output_tokens = 5, cached_input_tokens = 4, reasoning_tokens = 3,
        stop_reason = "tool_calls", user_id = "ann" },
    },
    ["reasoning that was counted apart"] = {
      { ["gen_ai.operation.name"] = "chat", ["gen_ai.request.model"] = "gemini", ["gen_ai.usage.input_tokens"] = 1,
        ["gen_ai.usage.output_tokens"] = 10,
        ["gen_ai.usage.reasoning.output_tokens"] = 90 },
      { output_tokens = 100, reasoning_tokens = 90 },
    },
  }
  for name, case in pairs(cases) do
    it(name, function()
      local calls = calls_of { { kind = "client", attributes = case[1], duration = 0.25 } }
      assert.equal(1, #calls)
      for field, value in pairs(case[2]) do assert.equal(value, calls[1][field], field) end
      assert.equal("success", calls[1].status)
      assert.equal(250, calls[1].duration_ms)
    end)
  end

  it("of OpenLLMetry's scope leaves out the cache, however large the rest", function()
    local calls = calls_of { {
      scope = { name = "@traceloop/instrumentation-anthropic" },
      attributes = { ["gen_ai.operation.name"] = "chat", ["gen_ai.request.model"] = "claude-sonnet-4-5", ["gen_ai.usage.input_tokens"] = 5000,
        ["gen_ai.usage.output_tokens"] = 1, ["gen_ai.usage.cache_read.input_tokens"] = 100 },
    } }
    assert.equal(5100, calls[1].input_tokens)
  end)

  it("makes nothing of spans of other things", function()
    local _, events = calls_of {
      { name = "GET /", kind = "server" }, { attributes = { ["gen_ai.operation.name"] = "create_agent" } },
      { attributes = { ["openinference.span.kind"] = "CHAIN" } }, { attributes = { ["traceloop.span.kind"] = "workflow" } },
      { attributes = { ["gen_ai.operation.name"] = "agent_step", ["gen_ai.usage.input_tokens"] = 5 } },
    }
    assert.same({}, events)
  end)

  it("of an operator's own goes before the others", function()
    local s = script.load()
    local normalise = s.env.require "normalise"
    normalise.use {
      name = "acme", marks = { { ["acme.kind"] = "llm" } },
      kind = function(span) return span["acme.kind"] == "llm" and "model" or nil end,
      fields = { model = { "acme.model" }, input_tokens = { "acme.in" }, user_id = { "acme.customer" } },
    }
    normalise.run(trace.new { { attributes = { ["acme.kind"] = "llm", ["acme.model"] = "m", ["acme.in"] = 3, ["acme.customer"] = 42 } } })
    assert.equal(1, #s.emitted)
    assert.equal("m", s.emitted[1].model)
    assert.equal(3, s.emitted[1].input_tokens)
    assert.equal("42", s.emitted[1].user_id)
    assert.has_error(function() normalise.use { name = "no kind" } end)
  end)

  it("may be known by what is no attribute of a span", function()
    for _, mark in ipairs { { ["scope.name"] = "acme" }, { name = "llm" }, { ["resource.acme.app"] = true } } do
      local s = script.load()
      local normalise = s.env.require "normalise"
      normalise.use { name = "acme", marks = { mark }, kind = function(span) return span.name == "llm" and "model" or nil end }
      normalise.run(trace.new { { name = "llm", scope = { name = "acme" }, resource = { ["acme.app"] = true } } })
      assert.equal(1, #s.emitted)
    end
  end)
end)

describe("a call", function()
  local function chat(more)
    local attributes = { ["gen_ai.operation.name"] = "chat", ["gen_ai.request.model"] = "gpt-4o" }
    for name, value in pairs(more or {}) do attributes[name] = value end
    return attributes
  end
  local function used(input, output, more)
    local attributes = chat(more)
    attributes["gen_ai.usage.input_tokens"], attributes["gen_ai.usage.output_tokens"] = input, output
    return attributes
  end
  local function agent(more)
    local attributes = { ["gen_ai.operation.name"] = "invoke_agent", ["gen_ai.agent.name"] = "planner" }
    for name, value in pairs(more or {}) do attributes[name] = value end
    return attributes
  end

  it("in a wrapper is one, with what either says", function()
    local calls = calls_of {
      { span_id = "1", attributes = used(20, 5, { ["gen_ai.response.id"] = "r", ["gen_ai.response.finish_reasons"] = { "stop" } }) },
      { span_id = "2", parent_span_id = "1", name = "POST" },
      { span_id = "3", parent_span_id = "2", attributes = used(20, 5, { ["gen_ai.usage.cache_read.input_tokens"] = 4 }) },
    }
    assert.equal(1, #calls)
    assert.equal("3", calls[1].span_id)
    assert.equal("stop", calls[1].stop_reason)
    assert.equal(4, calls[1].cached_input_tokens)
  end)

  it("in a wrapper that alone has the tokens has them", function()
    local calls = calls_of {
      { span_id = "1", attributes = used(20, 5) },
      { span_id = "2", parent_span_id = "1", attributes = chat(), status = "error", events = { { name = "exception",
        attributes = { ["exception.type"] = "Timeout" } } } },
      { span_id = "3", parent_span_id = "1", attributes = chat() },
    }
    assert.equal(2, #calls)
    assert.equal("failed", calls[1].status)
    assert.equal("Timeout", calls[1].error_type)
    assert.is_nil(calls[1].input_tokens)
    assert.equal(20, calls[2].input_tokens)
  end)

  it("in a wrapper that has a sum does not have it added", function()
    local calls = calls_of {
      { span_id = "1", attributes = used(40, 10) },
      { span_id = "2", parent_span_id = "1", attributes = used(20, 5) }, { span_id = "3", parent_span_id = "1", attributes = used(20, 5) },
    }
    assert.equal(2, #calls)
    assert.equal(20, calls[1].input_tokens)
    assert.equal(20, calls[2].input_tokens)
  end)

  it("of a tool's own model is not that of the model that called the tool", function()
    local calls = calls_of {
      { span_id = "1", attributes = used(10, 1) },
      { span_id = "2", parent_span_id = "1", attributes = { ["gen_ai.operation.name"] = "execute_tool", ["gen_ai.tool.name"] = "ask" } },
      { span_id = "3", parent_span_id = "2", attributes = used(7, 1) },
    }
    assert.equal(2, #calls)
    assert.equal(17, calls[1].input_tokens + calls[2].input_tokens)
  end)

  it("that two instrumentations show side by side is one", function()
    local by_id = calls_of {
      { span_id = "1", attributes = used(10, 1, { ["gen_ai.response.id"] = "r1" }) }, { span_id = "2", attributes = used(10, 1,
        { ["gen_ai.response.id"] = "r1" }) },
      { span_id = "3", attributes = used(10, 1, { ["gen_ai.response.id"] = "r2" }) },
    }
    assert.equal(2, #by_id)
    local by_time = calls_of {
      { span_id = "1", time = 100, duration = 1, scope = { name = "a" }, attributes = used(10, 1) },
      { span_id = "2", time = 100.1, duration = 0.5, scope = { name = "b" }, attributes = used(10, 1) },
      { span_id = "3", time = 100.2, duration = 0.5, scope = { name = "b" }, attributes = used(11, 2) },
      { span_id = "4", time = 103, duration = 0.5, scope = { name = "a" }, attributes = used(10, 1) },
    }
    assert.equal(3, #by_time)
  end)

  it("of an agent that runs elsewhere is the agent's own", function()
    local calls, events = calls_of { { span_id = "1", kind = "client", attributes = agent { ["gen_ai.usage.input_tokens"] = 5,
      ["gen_ai.request.model"] = "gpt-4o" } } }
    assert.equal(1, #calls)
    assert.equal(5, calls[1].input_tokens)
    assert.equal(1, #of_type(events, "agent.start"))
  end)

  it("has its user from the nearest span around it, else from the resource", function()
    local calls = calls_of {
      { span_id = "1", attributes = { ["user.id"] = "far" } }, { span_id = "2", parent_span_id = "1", attributes = { ["user.id"] = "near" } },
      { span_id = "3", parent_span_id = "2", attributes = used(1, 1) },
      { span_id = "4", attributes = used(1, 1,
        { ["gen_ai.response.id"] = "x" }), resource = { ["enduser.id"] = "of the resource", ["tenant.id"] = "t1" } },
    }
    assert.equal("near", calls[1].user_id)
    assert.equal("of the resource", calls[2].user_id)
    assert.equal("t1", calls[2].tenant_id)
  end)

  it("failed where the status or an error.type says so, with the type that is known best", function()
    local calls = calls_of {
      { span_id = "1", attributes = chat { ["error.type"] = "timeout" } },
      { span_id = "2", time = 2e9, status = "error", attributes = chat { ["http.response.status_code"] = 503 } },
      { span_id = "3", time = 3e9, status = "error", attributes = chat { ["error.type"] = "_OTHER" } },
      { span_id = "4", time = 4e9, status = "ok", attributes = chat { ["http.response.status_code"] = 200 } },
      { span_id = "5", time = 5e9, status = "error", attributes = chat() },
    }
    local got = {}
    for i, call in ipairs(calls) do got[i] = call.status .. " " .. tostring(call.error_type) end
    assert.same({ "failed timeout", "failed 503", "failed _OTHER", "success nil", "failed nil" }, got)
  end)

  it("of a tool in one of the same tool is one", function()
    local function tool(name) return { ["gen_ai.operation.name"] = "execute_tool", ["gen_ai.tool.name"] = name } end
    local _, events = calls_of {
      { span_id = "1", attributes = tool "search" },
        { span_id = "2", parent_span_id = "1", name = "tools/call search", attributes = { ["mcp.method.name"] = "tools/call" } },
      { span_id = "3", parent_span_id = "1", attributes = tool "fetch" },
    }
    assert.same({ search = 1, fetch = 1 }, tally(events, "tool.call", function(ev) return ev.tool_name end))
  end)

  it("that failed is not a failure of the agent once more, another error is", function()
    local function failing(error_type)
      return {
        { span_id = "1", status = "error", status_message = "gave up", attributes = agent { ["error.type"] = error_type } },
        { span_id = "2", parent_span_id = "1", status = "error", attributes = chat { ["error.type"] = "timeout" } },
      }
    end
    local _, same = calls_of(failing "timeout")
    assert.equal(0, #of_type(same, "agent.error"))
    local _, other = calls_of(failing "gave_up")
    assert.equal(1, #of_type(other, "agent.error"))
    assert.equal("gave_up", of_type(other, "agent.error")[1].error_type)
    assert.equal("gave up", of_type(other, "agent.error")[1].message)
  end)

  it("writes tokens and cost to its span", function()
    local _, _, t = calls_of { { attributes = used(1000, 100) }, { time = 2e9, attributes = chat() }, { time = 3e9, attributes = used(1, 1,
      { ["gen_ai.request.model"] = "no-such" }) } }
    local list = {}
    for span in t:spans() do list[#list + 1] = span.annotations end
    assert.equal(1000, list[1]["moongate.input_tokens"])
    assert.equal(100, list[1]["moongate.output_tokens"])
    assert.near(0.0035, list[1]["moongate.cost_usd"], 1e-12)
    assert.same({}, list[2])
    assert.same({ ["moongate.input_tokens"] = 1, ["moongate.output_tokens"] = 1 }, list[3])
  end)

  it("that was a JSON event is not emitted again, nor what wraps it", function()
    local _, events = calls_of {
      { span_id = "1", attributes = chat() },
      { span_id = "2", parent_span_id = "1", name = "model.call", event = true, attributes = { model = "gpt-4o", input_tokens = 5 } },
      { span_id = "3", attributes = { ["gen_ai.operation.name"] = "execute_tool", ["gen_ai.tool.name"] = "search" } },
      { span_id = "4", parent_span_id = "3", name = "tool.call", event = true, attributes = { tool_name = "search" } },
      { span_id = "5", name = "agent.stop", event = true },
    }
    assert.same({}, events)
  end)

  it("is counted once, however late the spans around it and in it come", function()
    local late_leaf = calls_of {
      { span_id = "1", attributes = used(10, 1) }, { span_id = "2", parent_span_id = "1", late = true, attributes = used(10, 1) },
      { span_id = "3", late = true, attributes = used(3, 1) },
    }
    assert.equal(1, #late_leaf) -- the one that stands alone
    assert.equal(3, late_leaf[1].input_tokens)
    local late_wrapper = calls_of { { span_id = "1", late = true, attributes = used(10, 1) },
      { span_id = "2", parent_span_id = "1", attributes = used(10, 1) } }
    assert.equal(0, #late_wrapper)
    local second_leaf = calls_of {
      { span_id = "1", attributes = used(10, 1) }, { span_id = "2", parent_span_id = "1", attributes = used(5, 1) },
      { span_id = "3", parent_span_id = "1", late = true, attributes = used(5, 1) },
    }
    assert.equal(1, #second_leaf)
    local of_counted_agent = calls_of {
      { span_id = "1", attributes = agent { ["gen_ai.usage.input_tokens"] = 5 } },
        { span_id = "2", parent_span_id = "1", late = true, attributes = used(5, 1) },
    }
    assert.equal(0, #of_counted_agent)
    local repeated = calls_of {
      { span_id = "1", time = 100, late = true, attributes = used(5, 1, { ["gen_ai.response.id"] = "r" }) },
      { span_id = "2", time = 101, attributes = used(5, 1, { ["gen_ai.response.id"] = "r" }) },
    }
    assert.equal(0, #repeated)
  end)
end)

describe("the calls of an open trace", function()
  it("are listed, those of JSON events too, and nothing is emitted", function()
    local s = script.load()
    local normalise = s.env.require "normalise"
    local list = normalise.calls(trace.new({
      { span_id = "1", attributes = { ["gen_ai.operation.name"] = "execute_tool", ["gen_ai.tool.name"] = "search",
        ["gen_ai.tool.call.arguments"] = "{}" } },
      { span_id = "2", name = "tool.call", event = true, attributes = { tool_name = "search", arguments = "{}", agent_id = "a1" } },
      { span_id = "3", attributes = { ["gen_ai.operation.name"] = "chat", ["gen_ai.request.model"] = "gpt-4o", ["gen_ai.usage.input_tokens"] = 7 } },
    }, { open = true }))
    assert.same({}, s.emitted)
    local got = {}
    for i, call in ipairs(list) do got[i] = { call.kind, call.tool_name or call.model, call.arguments or call.input_tokens, call.agent_id } end
    assert.same({ { "model", "gpt-4o", 7 }, { "tool", "search", "{}" }, { "tool", "search", "{}", "a1" } }, got)
    assert.same({}, normalise.calls(trace.new { { name = "GET /" } }))
  end)
end)
