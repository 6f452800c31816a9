-- The history over HTTP: which series there are, names and values of labels, the samples themselves, what there is most of.
local moongate = require "tests.spec.support.moongate"
local remote_write = require "tests.spec.support.remote_write"
local ffi = require "ffi"
local json = require "cjson"

local FORM = { ["Content-Type"] = "application/x-www-form-urlencoded" }

local function escape(text)
  return (tostring(text):gsub("[^%w%-_.]", function(c) return ("%%%02X"):format(c:byte()) end))
end

-- {{"match[]", "up"}, …} as a query.
local function query(parameters)
  local parts = {}
  for _, p in ipairs(parameters or {}) do parts[#parts + 1] = escape(p[1]) .. "=" .. escape(p[2]) end
  return table.concat(parts, "&")
end

local function match(...)
  local out = {}
  for _, selector in ipairs { ... } do out[#out + 1] = { "match[]", selector } end
  return out
end

describe("the history", function()
  local server, now

  after_each(function() if server then server:stop() end end)

  local function start(options)
    server = nil
    server = moongate.start(options or {})
    now = moongate.now_ms()
  end

  -- Lines of text, or series of remote_write.
  local function write(what)
    local request = type(what) == "table" and remote_write.request(remote_write.message_1(what), 1)
      or { method = "POST", path = "/api/v1/import/prometheus", body = what }
    local reply = server:request(request)
    assert.equal(204, reply.status, reply.body)
  end

  local function get(path, parameters, headers)
    return server:request { path = "/api/v1/" .. path .. "?" .. query(parameters), headers = headers }
  end

  -- The data of an answer, and its warnings.
  local function data(path, parameters)
    local reply = get(path, parameters)
    assert.equal(200, reply.status, reply.body)
    assert.equal("application/json", reply.headers["content-type"])
    local body = json.decode(reply.body)
    assert.equal("success", body.status)
    return body.data, body.warnings
  end

  local function refused(path, parameters, status, kind)
    local reply = get(path, parameters)
    assert.equal(status or 400, reply.status, reply.body:sub(1, 1000))
    local body = json.decode(reply.body)
    assert.equal("error", body.status)
    assert.equal(kind or "bad_data", body.errorType)
    return body.error
  end

  local function some()
    write(('up{job="a",instance="1"} 1 %d\nup{job="a",instance="2"} 0 %d\nup{job="b",instance="1"} 1 %d\nother{job="c"} 5 %d\n')
      :format(now, now, now, now))
  end

  describe("its series", function()
    it("are given by match[], each once, in the order of their labels", function()
      start()
      some()
      assert.same({
        { __name__ = "other", job = "c" },
        { __name__ = "up", job = "a", instance = "1" },
        { __name__ = "up", job = "b", instance = "1" },
      }, data("series", match('{instance="1"}', "other", 'up{instance=~"1"}')))
      assert.same({}, data("series", match("down")))
      local reply = get("series", match('up{job="b"}'))
      assert.equal('{"status":"success","data":[{"__name__":"up","instance":"1","job":"b"}]}', reply.body)
    end)

    it("are given by a form, whose parameters come before those of the query", function()
      start()
      some()
      local reply = server:request { method = "POST", path = "/api/v1/series?" .. query { { "limit", "1" } }, headers = FORM,
        body = query { { "match[]", "up" }, { "limit", "2" } } }
      local body = json.decode(reply.body)
      assert.equal(2, #body.data)
      assert.same({ "results truncated due to limit" }, body.warnings)
      reply = server:request { method = "POST", path = "/api/v1/labels", headers = FORM, body = "match%5B%5D=other&start=0" }
      assert.same({ "__name__", "job" }, json.decode(reply.body).data)
      reply = server:request { method = "POST", path = "/api/v1/labels?match[]=up", headers = { ["Content-Type"] = "text/plain" },
        body = "match[]=other" }
      assert.same({ "__name__", "instance", "job" }, json.decode(reply.body).data)
    end)

    it("are limited with a warning, where there are more", function()
      start()
      some()
      local found, warnings = data("series", { { "match[]", "up" }, { "limit", 2 } })
      assert.equal(2, #found)
      assert.same({ "results truncated due to limit" }, warnings)
      for _, limit in ipairs { 3, 0, 40000 } do
        found, warnings = data("series", { { "match[]", "up" }, { "limit", limit } })
        assert.equal(3, #found)
        assert.is_nil(warnings)
      end
    end)

    it("are none in a time that ends before it begins", function()
      start()
      some()
      assert.same({}, data("series", { { "match[]", "up" }, { "start", now / 1000 }, { "end", now / 1000 - 1 } }))
      assert.equal(3, #data("series", { { "match[]", "up" }, { "start", "2020-01-01T00:00:00Z" }, { "end", "2100-01-01T00:00:00.5+01:00" } }))
      assert.equal(3, #data("series", { { "match[]", "up" }, { "start", "-1e300" }, { "end", now } }))
    end)

    it("have any UTF-8 in their names", function()
      start()
      write { { labels = { { "__name__", "my.metric" }, { "a.b", 'x"y\\z\n' } }, samples = { { 1, now } } } }
      assert.same({ { __name__ = "my.metric", ["a.b"] = 'x"y\\z\n' } }, data("series", match('{"my.metric","a.b"=~"x.*"}')))
      assert.same({ "__name__", "a.b" }, data("labels"))
      assert.same({ 'x"y\\z\n' }, data("label/U__a_2e_b/values"))
      assert.same({ 'x"y\\z\n' }, data("label/a.b/values"))
    end)
  end)

  describe("its labels", function()
    it("are given with their values, all or those of match[]", function()
      start()
      some()
      assert.same({ "__name__", "instance", "job" }, data "labels")
      assert.same({ "__name__", "job" }, data("labels", match("other")))
      assert.same({ "__name__", "instance", "job" }, data("labels", match("other", "up")))
      assert.same({ "a", "b", "c" }, data "label/job/values")
      assert.same({ "a", "c" }, data("label/job/values", match("other", 'up{instance="2"}')))
      assert.same({ "other", "up" }, data "label/__name__/values")
      assert.same({}, data "label/nothing/values")
      local values, warnings = data("label/job/values", { { "limit", 2 } })
      assert.same({ "a", "b" }, values)
      assert.same({ "results truncated due to limit" }, warnings)
    end)

    it("are empty before there is a sample", function()
      start { scripts = {} }
      assert.equal('{"status":"success","data":[]}', get("labels").body)
      assert.equal('{"status":"success","data":[]}', get("label/job/values").body)
      assert.equal('{"status":"success","data":[]}', get("series", match("up")).body)
    end)
  end)

  it("says what is wrong with a request, as Prometheus does", function()
    start()
    assert.equal("no match[] parameter provided", refused "series")
    assert.equal('invalid parameter "match[]": match[] must contain at least one non-empty matcher', refused("series", match "{}"))
    assert.equal('invalid parameter "match[]": match[] must contain at least one non-empty matcher', refused("labels", match('{a=~".*"}')))
    assert.equal('invalid parameter "match[]": 1:3: parse error: unexpected <op:+>', refused("series", match("up", "a + b")))
    assert.equal('invalid parameter "start": cannot parse "yesterday" to a valid timestamp', refused("labels", { { "start", "yesterday" } }))
    assert.equal('invalid parameter "end": cannot parse "NaN" to a valid timestamp', refused("labels", { { "end", "NaN" } }))
    assert.equal('invalid parameter "limit": strconv.Atoi: parsing "1x": invalid syntax', refused("labels", { { "limit", "1x" } }))
    assert.equal('invalid parameter "limit": limit must be non-negative', refused("labels", { { "limit", "-1" } }))
    assert.equal('invalid label name: ""', refused "label/U__/values")
    local reply = server:request { path = "/api/v1/labels?start=%zz" }
    assert.equal(400, reply.status)
    assert.equal('error parsing form values: invalid URL escape "%zz"', json.decode(reply.body).error)
    local many = {}
    for i = 1, 101 do many[i] = { "match[]", "m" .. i } end
    assert.equal("more than 100 match[]", refused("series", many))
    assert.equal(404, get("label/job").status)
    assert.equal(405, server:request { method = "POST", path = "/api/v1/label/job/values", body = "" }.status)
  end)

  it("is for tokens that may query", function()
    start { conf = { tokens = {
      { sha256 = moongate.sha256("ingest-token"), scopes = { "ingest" } },
      { sha256 = moongate.sha256("query-token"), scopes = { "query" } },
    } } }
    for _, path in ipairs { "series?match[]=up", "labels", "label/a/values", "export?match[]=up", "status/tsdb", "status/buildinfo", "metadata",
      "query_exemplars?query=up" } do
      assert.equal(401, server:request { path = "/api/v1/" .. path }.status, path)
      assert.equal(403, server:request { path = "/api/v1/" .. path, headers = { Authorization = "Bearer ingest-token" } }.status, path)
      assert.equal(200, server:request { path = "/api/v1/" .. path, headers = { Authorization = "Bearer query-token" } }.status, path)
    end
  end)

  describe("its samples", function()
    -- Lines by the text of their labels: {values, timestamps}.
    local function export(parameters)
      local reply = get("export", parameters)
      assert.equal(200, reply.status, reply.body)
      assert.equal("application/stream+json; charset=utf-8", reply.headers["content-type"])
      local lines = {}
      for line in reply.body:gmatch("([^\n]*)\n") do lines[#lines + 1] = json.decode(line) end
      return lines, reply.body
    end

    local function bits_of(value)
      local both = ffi.new("union { double value; uint32_t bits[2]; }")
      if type(value) == "string" and value:match("^NaN:") then return value:match("^NaN:(%x+)$") end
      if value == "Infinity" then value = math.huge elseif value == "-Infinity" then value = -math.huge end
      both.value = value
      return ("%08x%08x"):format(both.bits[1], both.bits[0])
    end

    it("come back bit for bit, whatever they are, also after a kill", function()
      start()
      local patterns = { { 0, 0 }, { 0x80000000, 0 }, { 0x3ff00000, 0 }, { 0x3fb99999, 0x9999999a }, { 0, 1 },
        { 0x7fefffff, 0xffffffff }, { 0x7ff00000, 0 }, { 0xfff00000, 0 }, { 0x7ff00000, 2 }, { 0x7ff80000, 1 },
        { 0xfff80000, 0 }, { 0x7ff00000, 1 }, { 0x43400000, 1 }, { 0x3e7ad7f2, 0x9abcaf48 } }
      local seed = 42
      local function draw()
        seed = (seed * 16807) % 2147483647
        return seed * 2 % 4294967296
      end
      for _ = 1, 1000 do patterns[#patterns + 1] = { draw(), draw() } end
      -- By hand: LuaJIT keeps its own values in the NaNs that are negative.
      local field = remote_write.field
      local parts, wanted, times = { field(1, field(1, "__name__") .. field(2, "bits")) }, {}, {}
      for i, p in ipairs(patterns) do
        times[i] = now - #patterns + i
        local bytes = ffi.string(ffi.new("uint32_t[2]", p[2], p[1]), 8)
        parts[#parts + 1] = field(2, "\9" .. bytes .. "\16" .. remote_write.varint(times[i]))
        wanted[i] = ("%08x%08x"):format(p[1], p[2])
      end
      assert.equal(204, server:request(remote_write.request(field(1, table.concat(parts)), 1)).status)
      local function check()
        local lines = export { { "match[]", "bits" }, { "nan", "bits" } }
        assert.equal(1, #lines)
        assert.same({ __name__ = "bits" }, lines[1].metric)
        assert.same(times, lines[1].timestamps)
        for i, value in ipairs(lines[1].values) do assert.equal(wanted[i], bits_of(value)) end
        assert.equal(#wanted, #lines[1].values)
      end
      check()
      server:kill9()
      server:restart()
      check()
    end)

    it("are written as VictoriaMetrics does, and chosen by time and match[]", function()
      start()
      local stale = remote_write.double(0x7ff00000, 2)
      write {
        { labels = { { "__name__", "m" }, { "a", "1" } },
          samples = { { 1, now }, { 0.5, now + 1 }, { stale, now + 2 }, { math.huge, now + 3 }, { -math.huge, now + 4 } } },
        { labels = { { "__name__", "m" }, { "a", "2" } }, samples = { { 1e21, now + 1 } } },
      }
      local _, text = export(match 'm{a="1"}')
      assert.equal(('{"metric":{"__name__":"m","a":"1"},"values":[1,0.5,null,"Infinity","-Infinity"],"timestamps":[%d,%d,%d,%d,%d]}\n')
        :format(now, now + 1, now + 2, now + 3, now + 4), text)
      local lines = export { { "match[]", "m" }, { "match[]", 'm{a="2"}' },
        { "start", ("%.3f"):format((now + 1) / 1000) }, { "end", ("%.3f"):format((now + 2) / 1000) } }
      assert.equal(2, #lines)
      assert.same({ now + 1, now + 2 }, lines[1].timestamps)
      assert.same({ 1e21 }, lines[2].values)
      assert.same({}, (export { { "match[]", "m" }, { "start", now / 1000 + 60 } }))
      assert.equal('invalid parameter "nan": wanted is null or bits', refused("export", { { "match[]", "m" }, { "nan", "x" } }))
      assert.equal("no match[] parameter provided", refused "export")
    end)

    it("are refused where they are more than an answer may have", function()
      start()
      -- 20 series of 52,000 samples, some 36 bytes each.
      local list = {}
      for s = 1, 20 do
        local samples = {}
        for i = 1, 52000 do samples[i] = { -(i / 3 + 0.1) * 1e-300, now - 52000 + i } end
        list[1] = { labels = { { "__name__", "large" }, { "s", tostring(s) } }, samples = samples }
        write(list)
      end
      assert.match("more than 32 MiB", refused("export", match "large", 422, "execution"))
      local lines = export { { "match[]", "large" }, { "start", (now - 100) / 1000 } }
      assert.equal(20, #lines)
      assert.equal(101, #lines[1].timestamps)
    end)
  end)

  it("tells what it has most of", function()
    start { scripts = {} }
    local text = {}
    for i = 1, 30 do text[i] = ('many{i="%d",job="a"} 1 %d\n'):format(i, now) end
    text[31] = ('few{job="b"} 1 %d\n'):format(now + 1)
    write(table.concat(text))
    local status
    moongate.wait_until(function()
      status = data "status/tsdb"
      return status.headStats.maxTime == now + 1
    end, 20, "the head to be looked at")
    assert.same({ numSeries = 31, numLabelPairs = 34, chunkCount = 31, minTime = now, maxTime = now + 1 }, status.headStats)
    assert.same({ { name = "many", value = 30 }, { name = "few", value = 1 } }, status.seriesCountByMetricName)
    assert.same({ { name = "i", value = 30 }, { name = "__name__", value = 2 }, { name = "job", value = 2 } }, status.labelValueCountByLabelName)
    assert.same({ name = "__name__", value = 30 * 4 + 3 }, status.memoryInBytesByLabelName[1])
    assert.equal(10, #status.seriesCountByLabelValuePair)
    assert.same({ name = "__name__=many", value = 30 }, status.seriesCountByLabelValuePair[1])
    assert.same({ name = "job=a", value = 30 }, status.seriesCountByLabelValuePair[2])
    assert.equal(1, #data("status/tsdb", { { "limit", 1 } }).seriesCountByLabelValuePair)
    assert.match("between 1 and 10000", refused("status/tsdb", { { "limit", 0 } }))
  end)

  it("is that of a Prometheus, to who asks", function()
    start()
    local info = data "status/buildinfo"
    assert.match("^3%.%d+%.%d+$", info.version)
    assert.match("^moongate ", info.revision)
    assert.is_nil(info.features)
  end)

  it("answers what is known of metrics, and their exemplars", function()
    start { scripts = {} }
    assert.equal('{"status":"success","data":{}}', get("metadata").body)
    assert.equal('{"status":"success","data":[]}', get("query_exemplars", { { "query", "test" }, { "start", now }, { "end", now } }).body)
    local reply = server:request { method = "POST", path = "/api/v1/query_exemplars", headers = FORM, body = "query=rate(up[5m])" }
    assert.equal('{"status":"success","data":[]}', reply.body)
    assert.equal("1:4: parse error: unexpected end of input", refused("query_exemplars", { { "query", "up+" } }))
    local series = { labels = { { "__name__", "calls_total" }, { "job", "a" } }, samples = { { 1, now } },
      exemplars = { { { { "trace_id", "t1" } }, 0.5, now - 250 } } }
    local message = remote_write.message_1({ series }, { { 1, "calls_total", "Calls made.", "" } })
    assert.equal(204, server:request(remote_write.request(message, 1)).status)
    local function check()
      assert.same({ { type = "counter", help = "Calls made.", unit = "" } }, data("metadata").calls_total)
      assert.same({ { seriesLabels = { __name__ = "calls_total", job = "a" },
        exemplars = { { labels = { trace_id = "t1" }, value = "0.5", timestamp = (now - 250) / 1000 } } } },
        data("query_exemplars", { { "query", "sum(rate(calls_total[5m]))" }, { "start", now / 1000 - 60 }, { "end", now / 1000 } }))
    end
    check()
    server:kill9()
    server:restart()
    check()
  end)

  it("is asked by promtool", function()
    start()
    some()
    local function promtool(arguments)
      local text, code = moongate.sh(("promtool query %s"):format(arguments:format("http://" .. server.addr)))
      assert.equal(0, code, text)
      local lines = {}
      for line in text:gmatch("[^\n]+") do lines[#lines + 1] = line end
      return lines
    end
    assert.same({ "a", "b", "c" }, promtool "labels %s job")
    assert.same({ "a", "c" }, promtool "labels --match=other --match='up{instance=\"2\"}' %s job")
    assert.same({ '{__name__="other", job="c"}', '{__name__="up", instance="2", job="a"}' },
      promtool "series --match=other --match='up{instance=\"2\"}' %s")
  end)

  it("stops to work for clients that have gone", function()
    start()
    local lines = {}
    for i = 1, 20000 do lines[i] = ('up{name="%s%d"} 1\n'):format(("x"):rep(100), i) end
    write(table.concat(lines))
    -- Half a minute of work for each: each of the values against each of the patterns.
    local parameters = {}
    for i = 1, 100 do parameters[i] = { "match[]", ('up{name=~".*(x?){100}.*[a-z]%d"}'):format(i) } end
    local function ended(result) return server:metrics():get("moongate_history_queries_total", { result = result }) end
    local function ask()
      local connection = server:connect()
      connection:send { path = "/api/v1/series?" .. query(parameters) }
      return connection
    end
    local clients = {}
    for i = 1, 4 do clients[i] = ask() end -- two are answered at a time
    moongate.wait_until(function() return server:metrics():get "moongate_http_connections" >= 5 end, 10, "the connections")
    for _, client in ipairs(clients) do client:close() end
    moongate.wait_until(function() return ended "canceled" == 4 end, 20, "the ends of the queries")
    assert.equal(0, ended "ok")
    assert.equal(1, #data("series", match 'up{name=~".*x7"}'))
    assert.equal(1, ended "ok")
  end)

  it("answers many at once", function()
    start()
    some()
    local connections = {}
    for i = 1, 50 do
      connections[i] = server:connect()
      connections[i]:send { path = "/api/v1/series?match[]=up" }
    end
    for i = 1, 50 do
      local reply = connections[i]:receive()
      assert.equal(200, reply.status)
      assert.equal(3, #json.decode(reply.body).data)
      connections[i]:close()
    end
  end)
end)
