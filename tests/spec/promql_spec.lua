-- Prometheus's API for questions in PromQL, as Grafana, promtool and other servers of Prometheus ask them.
local moongate = require "tests.spec.support.moongate"
local prometheus = require "tests.spec.support.prometheus"
local remote_write = require "tests.spec.support.remote_write"
local json = require "cjson"

local FORM = { ["Content-Type"] = "application/x-www-form-urlencoded" }

local function escape(text)
  return (tostring(text):gsub("[^%w%-_.]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function query(parameters)
  local parts = {}
  for name, value in pairs(parameters) do parts[#parts + 1] = escape(name) .. "=" .. escape(value) end
  return table.concat(parts, "&")
end

describe("PromQL over HTTP", function()
  local server, base -- base: seconds

  -- Two counters that rise by 1 and by 2 each 15 s for an hour, and a gauge.
  setup(function()
    server = moongate.start { scripts = {} }
    base = math.floor(os.time() / 60) * 60 - 3600
    local a, b, c = {}, {}, {}
    for i = 0, 240 do
      local t = (base + i * 15) * 1000
      a[i + 1], b[i + 1], c[i + 1] = { i, t }, { 2 * i, t }, { i % 7 - 0.5, t }
    end
    local reply = server:request(remote_write.request(remote_write.message_1 {
      { labels = { { "__name__", "calls_total" }, { "job", "a" } }, samples = a },
      { labels = { { "__name__", "calls_total" }, { "job", "b" } }, samples = b },
      { labels = { { "__name__", "temp" }, { "place", "out" } }, samples = c },
    }, 1))
    assert.equal(204, reply.status, reply.body)
  end)

  teardown(function() server:stop() end)

  local function get(path, parameters, headers)
    return server:request { path = "/api/v1/" .. path .. "?" .. query(parameters or {}), headers = headers }
  end

  local function data(path, parameters)
    local reply = get(path, parameters)
    assert.equal(200, reply.status, reply.body)
    local body = json.decode(reply.body)
    assert.equal("success", body.status)
    return body.data, body
  end

  -- The error has `wanted` in it.
  local function refused(wanted, path, parameters, status, kind)
    local reply = get(path, parameters)
    assert.equal(status or 400, reply.status, reply.body)
    local body = json.decode(reply.body)
    assert.equal("error", body.status)
    assert.equal(kind or "bad_data", body.errorType)
    assert.is_truthy(body.error:find(wanted, 1, true), body.error)
  end

  describe("/api/v1/query", function()
    it("answers what Grafana asks to save a data source", function()
      for _, request in ipairs {
        { path = "/api/v1/query?query=1%2B1&time=4" },
        { method = "POST", path = "/api/v1/query", headers = FORM, body = "query=1%2B1&time=4&timeout=60s" },
      } do
        assert.equal('{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}', server:request(request).body)
      end
    end)

    it("gives vectors, matrices, scalars and strings", function()
      local at = base + 3600
      assert.same({ resultType = "vector", result = {
        { metric = { __name__ = "calls_total", job = "a" }, value = { at, "240" } },
        { metric = { __name__ = "calls_total", job = "b" }, value = { at, "480" } } } }, data("query", { query = "calls_total", time = at }))
      assert.same({ resultType = "vector", result = { { metric = { job = "b" }, value = { at, "8" } } } },
        data("query", { query = 'increase(calls_total{job="b"}[1m])', time = at }))
      local raw = data("query", { query = "temp[45s]", time = at })
      assert.equal("matrix", raw.resultType)
      assert.same({ __name__ = "temp", place = "out" }, raw.result[1].metric)
      assert.same({ { at - 30, "-0.5" }, { at - 15, "0.5" }, { at, "1.5" } }, raw.result[1].values)
      assert.same({ resultType = "string", result = { at, 'a"b' } }, data("query", { query = [['a"b']], time = at }))
      assert.same({ resultType = "vector", result = {} }, data("query", { query = "nothing", time = at }))
    end)

    it("writes numbers as Prometheus does, and asks for now where no time is given", function()
      local found = data("query", { query = "vector(0/0)" })
      assert.is_true(math.abs(found.result[1].value[1] - os.time()) < 60)
      for expression, text in pairs { ["0/0"] = "NaN", ["1/0"] = "+Inf", ["-1/0"] = "-Inf", ["1e21"] = "1e+21", ["1e-7"] = "1e-7", ["0.1+0.2"] =
        "0.30000000000000004", ["1e20"] = "100000000000000000000", ["-0"] = "-0" } do
        assert.equal(text, data("query", { query = expression, time = 0 }).result[2], expression)
      end
      assert.equal('{"status":"success","data":{"resultType":"scalar","result":[1700000000.123,"1"]}}',
        get("query", { query = "1", time = "1700000000.123" }).body)
    end)

    it("says what is wrong, and of what kind it is", function()
      refused('invalid parameter "query": 1:6: parse error: unclosed left parenthesis', "query", { query = "rate(" })
      refused('invalid parameter "query": unknown position: parse error: no expression found in input', "query", {})
      refused('invalid parameter "time"', "query", { query = "1", time = "x" })
      refused('invalid parameter "timeout"', "query", { query = "1", timeout = "x" })
      refused("found duplicate series for the match group", "query", { query = "temp * on () calls_total", time = base + 600 }, 422, "execution")
    end)

    it("takes a limit, and says that there was more", function()
      local found, body = data("query", { query = "calls_total", time = base + 600, limit = 1 })
      assert.equal(1, #found.result)
      assert.same({ "results truncated due to limit" }, body.warnings)
    end)

    it("warns and informs", function()
      local _, body = data("query", { query = "quantile(2, calls_total)", time = base + 600 })
      assert.matches("quantile value should be between 0 and 1", body.warnings[1], 1, true)
      _, body = data("query", { query = "rate(temp[5m])", time = base + 600 })
      assert.matches("metric might not be a counter", body.infos[1], 1, true)
    end)

    it("ends at the timeout", function()
      local slow = "quantile_over_time(0.5, (quantile_over_time(0.5, (calls_total)[50m:100ms]))[50m:1s])"
      refused("timed out", "query", { query = slow, time = base + 3600, timeout = "0.02" }, 503, "timeout")
      refused("timed out", "query", { query = "1", timeout = "0" }, 503, "timeout")
    end)

    it("tells what it took", function()
      local found = data("query", { query = "calls_total", time = base + 600, stats = "all" })
      assert.is_true(found.stats.samples.totalQueryableSamples >= 2)
      assert.is_true(found.stats.timings.evalTotalTime > 0)
    end)
  end)

  describe("/api/v1/query_range", function()
    it("gives a value for each step", function()
      local found = data("query_range", { query = "calls_total", start = base, ["end"] = base + 600, step = 60 })
      assert.equal("matrix", found.resultType)
      assert.equal(2, #found.result)
      assert.same({ base, "0" }, found.result[1].values[1])
      assert.same({ base + 600, "40" }, found.result[1].values[11])
      assert.equal(11, #found.result[1].values)
      assert.same({ { base, "3" }, { base + 90, "3" } }, data("query_range",
        { query = "3", start = base .. ".0", ["end"] = base + 91, step = "1m30s" }).result[1].values)
    end)

    it("leaves out where there is none", function()
      local found = data("query_range", { query = "calls_total > 20", start = base, ["end"] = base + 600, step = 60 })
      assert.equal("24", found.result[1].values[1][2])
      assert.equal("24", found.result[2].values[1][2])
      assert.equal(base + 180, found.result[2].values[1][1])
    end)

    it("refuses what has no sense", function()
      local range = { query = "up", start = base, ["end"] = base + 60, step = 15 }
      local function with(changes)
        local p = {}
        for k, v in pairs(range) do p[k] = v end
        for k, v in pairs(changes) do p[k] = v ~= "" and v or nil end
        return p
      end
      refused('invalid parameter "end": end timestamp must not be before start time', "query_range", with { ["end"] = base - 1 })
      refused("zero or negative query resolution step widths are not accepted", "query_range", with { step = 0 })
      refused("exceeded maximum resolution of 11,000 points per timeseries", "query_range", with { ["end"] = base + 11001, step = 1 })
      refused('invalid parameter "step": cannot parse "x" to a valid duration', "query_range", with { step = "x" })
      refused('invalid parameter "start": cannot parse "" to a valid timestamp', "query_range", with { start = "" })
      refused('invalid parameter "query": invalid expression type "range vector" for range query, must be Scalar or instant Vector',
        "query_range", with { query = "up[5m]" })
    end)

    it("streams what is large, compressed where it is asked for", function()
      local parts = { '{__name__=~"calls_total|temp"}' }
      for i = 1, 31 do parts[#parts + 1] = ('label_replace(vector(time()), "l", "value%d", "", "")'):format(i) end
      local p = { query = table.concat(parts, " or "), start = base, ["end"] = base + 3600, step = 1 }
      local reply = get("query_range", p)
      assert.equal(200, reply.status)
      assert.equal("chunked", reply.headers["transfer-encoding"])
      assert.is_true(#reply.body > 2 ^ 20)
      local found = json.decode(reply.body).data.result
      assert.equal(34, #found)
      for _, series in ipairs(found) do assert.equal(3601, #series.values) end
      local zipped = get("query_range", p, { ["Accept-Encoding"] = "gzip" })
      assert.equal("gzip", zipped.headers["content-encoding"])
      assert.is_true(#zipped.body < #reply.body / 3)
      local plain = moongate.sh("gzip -dc", zipped.body)
      assert.equal(#reply.body, #plain)
      assert.is_true(plain == reply.body)
      local head = server:request { method = "HEAD", path = "/api/v1/query_range?" .. query(p) }
      assert.equal(200, head.status)
    end)
  end)

  it("formats and parses expressions", function()
    local long = 'sum by (job) (rate(calls_total{job=~"a|b"}[5m])) / on (job) group_left (place) ' ..
      'sum by (job, place) (avg_over_time(temp{place!="nowhere"}[1h]))'
    assert.equal('foo{bar="baz"} / 2', data("format_query", { query = "foo{bar='baz'}/2" }))
    local text = data("format_query", { query = long })
    assert.equal([[
  sum by (job) (rate(calls_total{job=~"a|b"}[5m]))
/ on (job) group_left (place)
  sum by (job, place) (avg_over_time(temp{place!="nowhere"}[1h]))]], text)
    assert.equal(text, data("format_query", { query = text }))
    local tree = data("parse_query", { query = "sum by (job) (rate(calls_total{job=\"a\"}[5m] offset 1m))" })
    assert.equal("aggregation", tree.type)
    assert.same({ "job" }, tree.grouping)
    assert.equal("rate", tree.expr.func.name)
    assert.same({ "matrix" }, tree.expr.func.argTypes)
    assert.equal("matrixSelector", tree.expr.args[1].type)
    assert.equal(300000, tree.expr.args[1].range)
    assert.equal(60000, tree.expr.args[1].offset)
    assert.same({ { name = "job", type = "=", value = "a" }, { name = "__name__", type = "=", value = "calls_total" } }, tree.expr.args[1].matchers)
    refused("parse error", "parse_query", { query = "(" })
  end)

  it("is federated", function()
    local page = 'fed{b="2"} 5\nfed{instance="i"} 1e6\nfed_other 0.5\n'
    assert.equal(204, server:request { method = "POST", path = "/api/v1/import/prometheus", body = page }.status)
    local reply = server:request { path = "/federate?" .. query { ["match[]"] = '{__name__=~"fed.*"}' } }
    assert.equal(200, reply.status)
    assert.matches("^text/plain; version=0%.0%.4", reply.headers["content-type"])
    local wanted = [[
# TYPE fed untyped
fed{instance="",b="2"} 5 T
fed{instance="i"} 1e+06 T
# TYPE fed_other untyped
fed_other{instance=""} 0.5 T
]]
    assert.equal(wanted,
      (reply.body:gsub(" %d+\n", " T\n")))
    assert.equal("", server:request { path = "/federate" }.body)
    page = '{"fed.utf-8é","a:b.c"="x",instance="i"} 1\n'
    assert.equal(204, server:request { method = "POST", path = "/api/v1/import/prometheus", body = page }.status)
    local path = "/federate?" .. query { ["match[]"] = '{__name__="fed.utf-8é"}' }
    reply = server:request { path = path }
    assert.equal('# TYPE fed_utf_8_ untyped\nfed_utf_8_{a_b_c="x",instance="i"} 1 T\n', (reply.body:gsub(" %d+\n", " T\n")))
    reply = server:request { path = path, headers = { Accept = "text/plain;version=1.0.0;escaping=allow-utf-8" } }
    assert.equal("text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8", reply.headers["content-type"])
    assert.equal('# TYPE "fed.utf-8é" untyped\n{"fed.utf-8é","a:b.c"="x",instance="i"} 1 T\n', (reply.body:gsub(" %d+\n", " T\n")))
    local refusal = server:request { path = "/federate?match%5B%5D=%7B" }
    assert.equal(400, refusal.status)
    assert.equal("text/plain; charset=utf-8", refusal.headers["content-type"])
    assert.equal('invalid parameter "match[]": 1:2: parse error: unexpected end of input inside braces\n', refusal.body)
  end)

  it("is read by a real Prometheus, from afar", function()
    local peer = prometheus.start(server.dir, ("remote_read: [ { url: 'http://%s/api/v1/read', read_recent: true } ]\n"):format(server.addr))
    local connection = peer:connect()
    finally(function()
      connection:close()
      peer:stop()
    end)
    local p = { query = 'increase(calls_total{job=~"a|b"}[10m])', time = base + 3007 }
    local reply, ours = connection:request { path = "/api/v1/query?" .. query(p) }, data("query", p)
    assert.same(ours, json.decode(reply.body).data)
    assert.equal(2, #ours.result)
    -- Chunks are all that this client takes.
    local refusal = server:request { method = "POST", path = "/api/v1/read", body = "\3\8\18\1\1",
      headers = { ["Content-Type"] = "application/x-protobuf" } }
    assert.equal(400, refusal.status)
    assert.equal("there are answers of samples only, which the client does not take\n", refusal.body)
  end)

  it("is what promtool asks", function()
    local function promtool(arguments)
      local text, code = moongate.sh("promtool query " .. arguments)
      assert.equal(0, code, text)
      return text
    end
    local url = "http://" .. server.addr
    assert.equal(('calls_total{job="a"} => 40 @[%d]\ncalls_total{job="b"} => 80 @[%d]\n'):format(base + 600, base + 600),
      promtool(("instant --time=%d %s calls_total"):format(base + 600, url)))
    assert.equal(('calls_total{job="a"} =>\n0 @[%d]\n4 @[%d]\n'):format(base, base + 60),
      promtool(("range --start=%d --end=%d --step=1m %s 'calls_total{job=\"a\"}'"):format(base, base + 60, url)))
    assert.equal('{__name__="temp", place="out"}\n', promtool(("series --match=temp --start=%d %s"):format(base, url)))
    assert.matches("\ntemp\n", promtool(("labels --start=%d %s __name__"):format(base, url)), 1, true)
  end)

  it("tells of the server what Prometheus tells", function()
    assert.same({ groups = {} }, data("rules"))
    assert.same({ groups = {} }, data("rules", { type = "alert" }))
    refused('invalid parameter "type": not supported value "foo"', "rules", { type = "foo" })
    assert.same({ alerts = {} }, data("alerts"))
    assert.equal("5m", data("status/flags")["query.lookback-delta"])
    assert.equal("15d", data("status/runtimeinfo").storageRetention)
    assert.equal("string", type(data("status/config").yaml))
  end)

  it("is asked from the command line", function()
    local binary = moongate.absolute_binary()
    local function run(arguments)
      return moongate.sh(("%s query %s --target http://%s 2>&1"):format(binary, arguments, server.addr))
    end
    assert.equal("metric       job  value\ncalls_total  a       40\ncalls_total  b       80\n", (run(("calls_total --at %d"):format(base + 600))))
    assert.equal("3\n", (run "1+2"))
    local text = run(("calls_total --at %d --range 10m --step 1m"):format(base + 600))
    assert.matches("calls_total  b            0         0        40        80        80  ▁", text, 1, true)
    text = run(("calls_total --at %d --range 10m --plot"):format(base + 600))
    assert.matches("80 ┤", text, 1, true)
    assert.matches('calls_total{job="b"}', text, 1, true)
    -- What would be a command to the terminal is none.
    local hostile = [['label_replace(vector(1), "l", "a\u009b31m\x1b[31mb", "", "")']]
    for _, how in ipairs { "", " --range 10m", " --plot" } do
      assert.matches("a?31m?[31mb", run(hostile .. how), 1, true)
    end
    local why, code = run "'rate('"
    assert.equal(1, code)
    assert.equal('moongate query: invalid parameter "query": 1:6: parse error: unclosed left parenthesis\n', why)
  end)
end)
