-- The real OpenTelemetry SDK for JavaScript, from npm, exports to a running moongate: what it sent is found by id, by search and in the metrics.
local json = require "cjson"
local moongate = require "tests.spec.support.moongate"
local process = require "tests.spec.support.process"

local PACKAGES = table.concat({
  "@opentelemetry/api@1.9.0", "@opentelemetry/sdk-trace-node@2.0.1", "@opentelemetry/resources@2.0.1",
  "@opentelemetry/exporter-trace-otlp-http@0.203.0", "@opentelemetry/exporter-trace-otlp-proto@0.203.0",
}, " ")

local function escape(text)
  return (text:gsub("[^%w%-_.]", function(c) return ("%%%02X"):format(c:byte()) end))
end

describe("OpenTelemetry's SDK for JavaScript", function()
  local server, packages, program

  setup(function()
    program = moongate.sh("pwd"):gsub("\n", "") .. "/tests/spec/support/otel_traces.cjs"
    packages = process.temporary_dir()
    local said, code = moongate.sh(("cd %s && echo '{}' > package.json && timeout 240 npm install --ignore-scripts %s"):format(packages, PACKAGES))
    assert.equal(0, code, "npm did not install the SDK: " .. said)
    server = moongate.start {
      scripts = { ["metrics/spans.lua"] = moongate.read_file("scripts/metrics/spans.lua") }, conf = { traces = { settle = "100ms" } },
    }
  end)

  teardown(function()
    if server then server:stop() end
    if packages then os.execute("rm -rf " .. packages) end
  end)

  local function data(path)
    local reply = server:request { path = path, headers = { Accept = "application/json" } }
    assert.equal(200, reply.status, reply.body)
    return json.decode(reply.body)
  end

  local function spans_of(answer)
    local spans, version = {}, nil
    for _, resource in ipairs(answer.trace.resourceSpans) do
      for _, scope in ipairs(resource.scopeSpans) do
        version = scope.scope.version
        for _, span in ipairs(scope.spans) do spans[span.name] = span end
      end
    end
    return spans, version
  end

  for _, exporter in ipairs { "http", "proto" } do
    it("is taken whole by its exporter " .. exporter, function()
      local service = "sdk-" .. exporter
      local said, code = moongate.sh(("cd %s && timeout 60 node %s %s http://%s/v1/traces"):format(packages, program, exporter, server.addr))
      assert.equal(0, code, said)
      local id = said:match("%x+")
      assert.equal(32, #id, said)
      for name, labels in pairs {
        ["invoke_agent helpdesk"] = { span_kind = "SPAN_KIND_SERVER", status_code = "STATUS_CODE_UNSET" },
        ["chat large"] = { span_kind = "SPAN_KIND_CLIENT", status_code = "STATUS_CODE_UNSET" },
        ["execute_tool search"] = { span_kind = "SPAN_KIND_INTERNAL", status_code = "STATUS_CODE_ERROR" },
      } do
        labels.service, labels.span_name = service, name
        moongate.wait_until(function() return server:metrics():get("traces_spanmetrics_calls_total", labels) == 1 end, 10, "the calls of " .. name)
      end

      local spans, version = spans_of(data("/api/v2/traces/" .. id))
      assert.equal("1.2.3", version)
      assert.equal(spans["invoke_agent helpdesk"].spanId, spans["chat large"].parentSpanId)
      assert.equal("exception", spans["execute_tool search"].events[1].name)

      local query = ('{ resource.service.name = "%s" && span.gen_ai.request.model = "large" }'):format(service)
      local traces = data("/api/search?q=" .. escape(query)).traces
      assert.equal(1, #traces)
      assert.equal(id, traces[1].traceID)
    end)
  end
end)
