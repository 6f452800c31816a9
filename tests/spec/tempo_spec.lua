-- Traces as Grafana's data source for Tempo asks for them: by id, by TraceQL, names and values of attributes.
local moongate = require "tests.spec.support.moongate"
local json = require "cjson"

local ID = "0af7651916cd43dd8448eb211c80319c"

local function attribute(key, kind, value) return { key = key, value = { [kind] = value } } end

local function span(id, parent, name, from, to, attributes, status)
  return {
    traceId = ID, spanId = id, parentSpanId = parent, name = name, kind = parent and 3 or 2, status = status,
    startTimeUnixNano = ("%d%09d"):format(1700000000 + from, 0), endTimeUnixNano = ("%d%09d"):format(1700000000 + to, 0),
    attributes = attributes,
  }
end

local BODY = json.encode {
  resourceSpans = { {
    resource = { attributes = { attribute("service.name", "stringValue", "shop") } },
    scopeSpans = { {
      scope = { name = "tests", version = "1" },
      spans = {
        span("b7ad6b7169203331", nil, "POST /buy", 0, 9, { attribute("user.id", "stringValue", "ann") }),
        span("00f067aa0ba902b7", "b7ad6b7169203331", "chat large", 1, 4,
          { attribute("gen_ai.request.model", "stringValue", "large"), attribute("gen_ai.usage.input_tokens", "intValue", 120) }),
        span("00f067aa0ba902b8", "b7ad6b7169203331", "charge", 5, 8, { attribute("amount", "doubleValue", 1.5) }, { code = 2, message = "no money" }),
      },
    } },
  } },
}

local function escape(text)
  return (text:gsub("[^%w%-_.]", function(c) return ("%%%02X"):format(c:byte()) end))
end

describe("Tempo's API", function()
  local server

  setup(function()
    server = moongate.start { scripts = {}, conf = { traces = { settle = "100ms" } } }
    local reply = server:request { method = "POST", path = "/v1/traces", body = BODY, headers = { ["Content-Type"] = "application/json" } }
    assert.equal(200, reply.status, reply.body)
    moongate.wait_until(function() return server:metrics():get("moongate_traces_closed") == 1 end, 10, "the trace to close")
  end)

  teardown(function() server:stop() end)

  local function get(path, headers)
    return server:request { path = path, headers = headers }
  end

  local function data(path)
    local reply = get(path)
    assert.equal(200, reply.status, reply.body)
    return json.decode(reply.body)
  end

  local function found(query, more)
    local traces = data("/api/search?q=" .. escape(query) .. (more or "")).traces
    local names = {}
    for _, trace in ipairs(traces) do
      for _, set in ipairs(trace.spanSets) do
        for _, s in ipairs(set.spans) do names[#names + 1] = s.name end
      end
    end
    table.sort(names)
    return table.concat(names, ", "), traces[1]
  end

  it("says that it is there", function() assert.equal(200, get("/api/echo").status) end)

  it("gives a trace by its id, as JSON and as Protocol Buffers", function()
    local trace = data("/api/v2/traces/" .. ID).trace
    local resource = trace.resourceSpans[1]
    assert.equal("shop", resource.resource.attributes[1].value.stringValue)
    assert.equal("tests", resource.scopeSpans[1].scope.name)
    local spans = resource.scopeSpans[1].spans
    assert.equal(3, #spans)
    assert.equal("POST /buy", spans[1].name)
    assert.equal("b7ad6b7169203331", spans[2].parentSpanId)
    assert.equal("1700000001000000000", spans[2].startTimeUnixNano)
    assert.same({ intValue = "120" }, spans[2].attributes[2].value)
    assert.equal(2, spans[3].status.code)
    assert.equal("no money", spans[3].status.message)
    assert.equal(1, #data("/api/traces/" .. ID:upper()).batches)

    local reply = get("/api/v2/traces/" .. ID, { Accept = "application/protobuf" })
    assert.equal("application/protobuf", reply.headers["content-type"])
    assert.equal(0x0a, reply.body:byte())
    -- What it gives is what POST /v1/traces takes: the trace within it, sent again, has no span that is new.
    local old = get("/api/traces/" .. ID, { Accept = "application/protobuf" })
    local again = server:request { method = "POST", path = "/v1/traces", body = old.body, headers = { ["Content-Type"] = "application/x-protobuf" } }
    assert.equal(200, again.status, again.body)
    assert.equal(3, server:metrics():get("moongate_traces_spans"))
  end)

  it("refuses what is no id, and says what is not there", function()
    assert.equal(404, get("/api/v2/traces/1234").status)
    for _, id in ipairs { "xyz", "0", ID .. "0" } do assert.equal(400, get("/api/traces/" .. id).status, id) end
  end)

  it("searches by TraceQL", function()
    local names, trace = found '{ resource.service.name = "shop" && span.gen_ai.request.model =~ "la.*" && duration > 2s }'
    assert.equal("chat large", names)
    assert.equal(ID, trace.traceID)
    assert.equal("shop", trace.rootServiceName)
    assert.equal("POST /buy", trace.rootTraceName)
    assert.equal(9000, trace.durationMs)
    assert.equal("1700000000000000000", trace.startTimeUnixNano)
    assert.equal("3000000000", trace.spanSets[1].spans[1].durationNanos)
    assert.equal(1, trace.spanSets[1].matched)
    assert.equal("charge", (found "{ status = error }"))
    assert.equal("charge, chat large", (found '{ span.user.id = "ann" } > { kind = client }'))
    assert.equal("", (found '{ span.user.id = "bob" }'))
    assert.equal("POST /buy, charge, chat large", (found("{}", "&spss=10")))
    assert.equal("", (found("{}", "&start=1600000000&end=1600000001")))
  end)

  it("names a mistake in a query with its place", function()
    local reply = get("/api/search?q=" .. escape "{ status = }")
    assert.equal(400, reply.status)
    assert.is_truthy(reply.body:find("parse error at line 1, col", 1, true), reply.body)
  end)

  it("lists names of attributes and their values", function()
    local scopes = {}
    for _, scope in ipairs(data("/api/v2/search/tags").scopes) do scopes[scope.name] = scope.tags end
    assert.same({ "service.name" }, scopes.resource)
    assert.same({ "amount", "gen_ai.request.model", "gen_ai.usage.input_tokens", "user.id" }, scopes.span)
    assert.is_truthy(#scopes.intrinsic > 5)
    assert.equal(1, #data("/api/v2/search/tags?scope=resource").scopes)
    assert.same({ { type = "string", value = "large" } }, data("/api/v2/search/tag/span.gen_ai.request.model/values").tagValues)
    assert.same({ { type = "int", value = "120" } }, data("/api/v2/search/tag/span.gen_ai.usage.input_tokens/values").tagValues)
    assert.same({ { type = "string", value = "shop" } }, data("/api/v2/search/tag/resource.service.name/values").tagValues)
    assert.equal(404, get("/api/v2/search/tag/x").status)
  end)
end)
