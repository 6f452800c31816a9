-- scripts/metrics/spans.lua and runaway.lua by themselves, over traces made by hand.
local script = require "tests.spec.support.script"
local trace = require "tests.spec.support.trace"

local function spans_script(...)
  local s = script.load "scripts/metrics/spans.lua"
  for _, t in ipairs { ... } do
    for span in t:spans() do
      for _, fn in ipairs(s.handlers.span) do fn(span) end
    end
    for _, fn in ipairs(s.handlers.trace) do fn(t) end
  end
  return s
end

local web, shop = { ["service.name"] = "web" }, { ["service.name"] = "shop" }

-- All edges that were counted, as "client server connection" → number.
local function edges(s, name)
  local list = {}
  for labels, value in pairs(s.metrics[name or "traces_service_graph_request_total"].values) do list[labels:gsub("\1", " ")] = value end
  return list
end

describe("metrics of spans", function()
  it("have Tempo's names, labels and values", function()
    local s = spans_script(trace.new {
      { name = "GET /cart", kind = "server", status = "error", duration = 0.25, resource = shop },
      { name = "GET /cart", kind = "server", status = "error", duration = 0.5, resource = shop },
      { name = "render", resource = web, duration = 0.125 },
    })
    local labels = { "shop", "GET /cart", "SPAN_KIND_SERVER", "STATUS_CODE_ERROR" }
    assert.equal(2, s:value("traces_spanmetrics_calls_total", labels))
    assert.equal(2, s:value("traces_spanmetrics_latency", labels))
    assert.equal(0.75, s:sum("traces_spanmetrics_latency", labels))
    assert.equal(1, s:value("traces_spanmetrics_calls_total", { "web", "render", "SPAN_KIND_INTERNAL", "STATUS_CODE_UNSET" }))
  end)
end)

describe("the service graph", function()
  it("has a request for a client's span and the server's in it", function()
    local s = spans_script(trace.new {
      { span_id = "1", kind = "server", resource = web, duration = 2 },
      { span_id = "2", parent_span_id = "1", kind = "client", resource = web, duration = 1.5 },
      { span_id = "3", parent_span_id = "2", kind = "server", resource = shop, duration = 1, status = "error" },
    })
    assert.same({ ["user web virtual_node"] = 1, ["web shop "] = 1 }, edges(s))
    assert.same({ ["web shop "] = 1 }, edges(s, "traces_service_graph_request_failed_total"))
    assert.equal(1.5, s:sum("traces_service_graph_request_client_seconds", { "web", "shop", "" }))
    assert.equal(1, s:sum("traces_service_graph_request_server_seconds", { "web", "shop", "" }))
    assert.equal(2, s:sum("traces_service_graph_request_server_seconds", { "user", "web", "virtual_node" }))
    assert.equal(0, s:sum("traces_service_graph_request_client_seconds", { "user", "web", "virtual_node" }))
  end)

  it("has one for each consumer of a message", function()
    local s = spans_script(trace.new {
      { span_id = "1", kind = "producer", resource = web }, { span_id = "2", parent_span_id = "1", kind = "consumer", resource = shop },
      { span_id = "3", parent_span_id = "1", kind = "consumer", resource = { ["service.name"] = "mail" } },
    })
    assert.same({ ["web shop messaging_system"] = 1, ["web mail messaging_system"] = 1 }, edges(s))
  end)

  it("names databases and services that have no spans", function()
    local function client(attributes)
      return { kind = "client", resource = web, duration = 1, attributes = attributes }
    end
    local s = spans_script(trace.new {
      client { ["db.system"] = "postgresql", ["server.address"] = "db-1", ["db.name"] = "orders" },
      client { ["db.name"] = "orders" }, client { ["db.system.name"] = "redis" },
      client { ["db.system"] = "mysql", ["network.peer.address"] = "10.0.0.1", ["network.peer.port"] = 3306 },
      client { ["peer.service"] = "payments" }, client { ["http.url"] = "http://nobody" },
    })
    assert.same({
      ["web db-1 database"] = 1, ["web orders database"] = 1, ["web redis database"] = 1, ["web 10.0.0.1:3306 database"] = 1,
      ["web payments virtual_node"] = 1,
    }, edges(s))
    assert.equal(1, s:sum("traces_service_graph_request_server_seconds", { "web", "orders", "database" }))
    assert.equal(0, s:sum("traces_service_graph_request_server_seconds", { "web", "payments", "virtual_node" }))
  end)

  it("shows the provider of a model once, however many SDKs tell of the call", function()
    local model = { ["gen_ai.provider.name"] = "anthropic" }
    local s = spans_script(trace.new {
      { span_id = "1", kind = "client", resource = web, attributes = model },
      { span_id = "2", parent_span_id = "1", kind = "client", resource = web, attributes = model },
      { span_id = "3", kind = "internal", resource = web, attributes = model },
    })
    assert.same({ ["web anthropic virtual_node"] = 1 }, edges(s))
  end)

  it("counts nothing twice when a trace closes again", function()
    local s = spans_script(trace.new {
      { span_id = "1", kind = "client", resource = web }, { span_id = "2", parent_span_id = "1", kind = "server", resource = shop },
      { span_id = "3", parent_span_id = "1", kind = "server", resource = shop, late = true },
      { span_id = "4", kind = "client", resource = web, attributes = { ["peer.service"] = "old" } },
      { span_id = "5", kind = "client", resource = web, attributes = { ["peer.service"] = "new" }, late = true },
      { span_id = "6", kind = "server", resource = web },
    })
    assert.same({ ["web shop "] = 1, ["web new virtual_node"] = 1 }, edges(s))
  end)

  it("is silent about spans without a service", function()
    local s = spans_script(trace.new { { kind = "server" }, { kind = "client", attributes = { ["peer.service"] = "x" } } })
    assert.same({}, edges(s))
  end)
end)

describe("runaway agents", function()
  local function tool(arguments, name)
    return { attributes = {
      ["gen_ai.operation.name"] = "execute_tool", ["gen_ai.tool.name"] = name or "search", ["gen_ai.tool.call.arguments"] = arguments,
      ["gen_ai.agent.name"] = "coder",
    } }
  end
  local function look(s, ...)
    for _, t in ipairs { ... } do s.handlers.trace_open[1].fn(t) end
  end

  it("are seen by the same call of a tool again and again, in one trace", function()
    local s = script.load "scripts/metrics/runaway.lua"
    assert.equal("10s", s.handlers.trace_open[1].every)
    look(s, trace.new { tool "a", tool "b", tool "a", tool "a", tool("a", "fetch") }, trace.new { tool "a", tool "b", tool "b" })
    assert.equal(3, s:value("agent_repeated_tool_calls", { "coder", "search" }))
    assert.equal(1, s:value("agent_repeated_tool_calls", { "coder", "fetch" }))
    assert.equal(5, s:value("agent_open_trace_spans"))
    s.clock = s.clock + 10 -- the next look begins anew
    look(s, trace.new { tool "a", tool "b", tool "b" })
    assert.equal(2, s:value("agent_repeated_tool_calls", { "coder", "search" }))
    assert.equal(3, s:value("agent_open_trace_spans"))
  end)

  it("are seen by the tokens of the last minute, of all open traces", function()
    local s = script.load "scripts/metrics/runaway.lua"
    local function call(seconds_ago, input)
      return { time = s.clock - seconds_ago, duration = 0, attributes = {
        ["gen_ai.operation.name"] = "chat", ["gen_ai.request.model"] = "gpt-4o", ["gen_ai.usage.input_tokens"] = input,
        ["gen_ai.usage.output_tokens"] = 1, ["gen_ai.agent.name"] = "coder",
      } }
    end
    look(s, trace.new { call(90, 1000), call(50, 10), call(1, 20) }, trace.new { call(5, 100) })
    assert.equal(133, s:value("agent_open_tokens_per_minute", { "coder" }))
  end)

  it("are not looked for in more spans than there is time for", function()
    local s = script.load "scripts/metrics/runaway.lua"
    local many = {}
    for i = 1, 2001 do many[i] = tool "a" end
    look(s, trace.new(many))
    assert.is_nil(s:value("agent_repeated_tool_calls", { "coder", "search" }))
    assert.equal(2001, s:value("agent_open_trace_spans"))
    assert.equal(1, s:value("agent_open_traces_passed_over_total"))
  end)
end)
