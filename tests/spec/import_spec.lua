-- POST /api/v1/import/prometheus: metrics as text, pushed.
local moongate = require "tests.spec.support.moongate"
local history = require "tests.spec.support.history"
local json = require "cjson"

local PATH = "/api/v1/import/prometheus"

describe("POST " .. PATH, function()
  local server

  before_each(function() server = nil end)
  after_each(function() if server then server:stop() end end)

  local function start(options)
    server = moongate.start(options)
  end

  local function post(body, query, headers, method)
    local reply = server:request { method = method or "POST", path = PATH .. (query and "?" .. query or ""), body = body, headers = headers }
    local why = reply.body ~= "" and json.decode(reply.body).error.message or nil
    return reply.status, why, reply
  end

  local function outcome(which)
    return server:metrics():get("moongate_store_samples_total", { outcome = which })
  end

  local function has(count)
    return server:metrics():get("moongate_store_series") == count
  end

  -- Does the store have just these samples? `wanted`: labels → time in ms → value.
  local function assert_has(wanted)
    local expected = {}
    for _, series in ipairs(wanted) do
      local samples = {}
      for time, value in pairs(series[2]) do samples[time] = history.bytes(value) end
      expected[history.key(series[1])] = samples
    end
    assert.same(expected, (history.read(server, '{__name__=~".+"}')))
  end

  it("takes lines of text with 204, by POST and by PUT, with a line end behind the last or none", function()
    start()
    local t = moongate.now_ms()
    local text = ("# HELP jobs_total Jobs.\n# TYPE jobs_total counter\njobs_total{kind=\"a\"} 1 %d\n\njobs_total{kind=\"b\"} 2.5e3 %d\n"):format(t, t)
    local status, _, reply = post(text)
    assert.equal(204, status)
    assert.equal("", reply.body)
    assert.equal(204, (post(text:sub(1, -2), nil, nil, "PUT")))
    assert.equal(2, outcome "stored")
    assert.equal(2, outcome "duplicate")
    assert_has { { { __name__ = "jobs_total", kind = "a" }, { [t] = 1 } }, { { __name__ = "jobs_total", kind = "b" }, { [t] = 2500 } } }
    assert.equal(204, (post("")))
    assert.equal(204, (post("# nothing\n")))
  end)

  it("gives samples without a time that of their arrival, or that of the parameter timestamp", function()
    start()
    local t = moongate.now_ms()
    assert.equal(204, (post("job_seconds 1\n")))
    assert.equal(204, (post("at_seconds 1\n", "timestamp=" .. t)))
    assert.equal(204, (post(("at_seconds 1 %d\n"):format(t))))
    assert.equal(2, outcome "stored")
    assert.equal(1, outcome "duplicate")
    local all = history.read(server, "job_seconds")
    local arrived = next(all[history.key { __name__ = "job_seconds" }])
    assert.is_true(arrived >= t and arrived <= (os.time() + 1) * 1000)
    local status, why = post(("job_seconds 2 %d\n"):format(t + 3600 * 1000))
    assert.equal(400, status)
    assert.match("ten minutes in the future", why)
    for _, wrong in ipairs { "timestamp=", "timestamp=x", "timestamp=1.5", "timestamp=+1", "timestamp=99999999999999999999", "timestamp=%2012" } do
      status, why = post("a 1\n", wrong)
      assert.equal(400, status, wrong)
      assert.equal("nothing was taken: timestamp must be a number of milliseconds", why)
    end
    assert.equal(2, outcome "stored")
  end)

  it("reads OpenMetrics where Content-Type says so", function()
    start()
    local t = os.time()
    local text = ("# TYPE jobs counter\njobs_total 1 %d\n# EOF\n"):format(t)
    local open = { ["Content-Type"] = "application/openmetrics-text; version=1.0.0; charset=utf-8" }
    assert.equal(204, (post(text, nil, open)))
    assert.equal(204, (post(("jobs_total 1 %d\n"):format(t * 1000), nil, { ["Content-Type"] = "text/plain; version=0.0.4" })))
    assert.equal(1, outcome "stored")
    assert.equal(1, outcome "duplicate")
    local status, why = post("jobs_total 1\n", nil, open)
    assert.equal(400, status)
    assert.match("^nothing was taken: line %d.*# EOF", why)
    assert.equal(204, (post("a 1\n", nil, { ["Content-Type"] = "application/x-www-form-urlencoded" }))) -- curl's own
    for _, other in ipairs { "application/json", "application/x-protobuf", "text/html" } do
      status, why = post("a 2\n", nil, { ["Content-Type"] = other })
      assert.equal(415, status)
      assert.equal("nothing was taken: Content-Type must be text/plain or application/openmetrics-text", why)
    end
  end)

  it("puts extra labels on all series, in the place of their own", function()
    start()
    local t = moongate.now_ms()
    local text = ('up{job="a",zone="z"} 1 %d\nup{job="b",zone="z"} 1 %d\n'):format(t, t)
    assert.equal(204, (post(text, "extra_label=job=x")))
    assert.is_true(has(1)) -- they have become one
    assert.equal(204, (post(('up{zone="z",job="x"} 1 %d\n'):format(t))))
    assert.is_true(has(1))
    assert.equal(2, outcome "duplicate")
    assert.equal(204, (post(text, "extra_label=a=%22=%C3%A4&b=c&extra_label=job=&extra_label=zone=1&extra_label=zone=2")))
    assert.equal(204, (post(('up{a="\\"=ä",zone="2"} 1 %d\n'):format(t))))
    assert.is_true(has(2))
    assert.equal(204, (post(text, "extra_label=__name__=down")))
    assert.equal(204, (post(('down{job="a",zone="z"} 1 %d\n'):format(t))))
    assert.is_true(has(4))
    assert_has {
      { { __name__ = "up", zone = "z", job = "x" }, { [t] = 1 } }, { { __name__ = "up", zone = "2", a = '"=ä' }, { [t] = 1 } },
      { { __name__ = "down", zone = "z", job = "a" }, { [t] = 1 } }, { { __name__ = "down", zone = "z", job = "b" }, { [t] = 1 } },
    }
    assert.equal(204, (post(text, ("extra_label=job=b&"):rep(50)))) -- one name, however often
    for _, wrong in ipairs { "extra_label=job", "extra_label=", "extra_label==x", "extra_label=a=b&extra_label" } do
      local status, why = post(text, wrong)
      assert.equal(400, status)
      assert.equal("nothing was taken: extra_label must be name=value", why)
    end
    local many = {}
    for i = 1, 17 do many[i] = "extra_label=l" .. i .. "=v" end
    local status, why = post(text, table.concat(many, "&"))
    assert.equal(400, status)
    assert.equal("nothing was taken: more than 16 extra_label", why)
  end)

  it("refuses by their lines what extra labels make impossible", function()
    start()
    local status, why = post("a 1\nb 1\n", "extra_label=" .. ("n"):rep(1025) .. "=v")
    assert.equal(400, status)
    assert.match("^2 of 2 samples were refused: line 1: .*; line 2: ", why)
    status, why = post("a 1\n", "extra_label=__name__=")
    assert.equal(400, status)
    assert.equal("1 of 1 samples were refused: line 1: it has no label __name__", why)
    assert.equal(400, (post("a 1\n", "extra_label=x=%FF")))
    assert.is_true(has(0))
    -- Labels of a few bytes on each of many lines would take more memory than a body may.
    local lines = {}
    for i = 1, 20000 do lines[i] = "a" .. i .. " 1" end
    status, why = post(table.concat(lines, "\n"), "extra_label=x=" .. ("v"):rep(4000))
    assert.equal(413, status)
    assert.match("^nothing was taken: the labels of all series", why)
    assert.is_true(has(0))
  end)

  it("takes what can be taken, and names the lines that were refused", function()
    start()
    local t = moongate.now_ms()
    local long = ("x"):rep(5000)
    local text = ('a 1 %d\na 2 %d\nb{l="%s"} 1 %d\nc 1 %d\nd 1 %d\n'):format(t, t, long, t, t + 3600 * 1000, t)
    local status, why = post(text)
    assert.equal(400, status)
    assert.match("^3 of 5 samples were refused, the others were taken: line 3: ", why)
    assert.truthy(why:find(("line 2, a, at %d ms: another value is there at the same time"):format(t), 1, true))
    assert.truthy(why:find(("line 4, c, at %d ms: "):format(t + 3600 * 1000), 1, true))
    assert.equal(2, outcome "stored")
    server:kill9()
    server:restart()
    assert_has { { { __name__ = "a" }, { [t] = 1 } }, { { __name__ = "d" }, { [t] = 1 } } }
    assert.equal(204, (post(("a 1 %d\nd 1 %d\n"):format(t, t))))
    assert.equal(2, outcome "stored")
  end)

  it("takes what prom-client writes, text and OpenMetrics, to the last value", function()
    start()
    local t = moongate.now_ms()
    local folder = (os.getenv("MOONGATE_CAPTURES") or "../shared/captures") .. "/prom-client"
    local text = moongate.read_file(folder .. "/metrics.prom.txt") or ([[
# HELP request_seconds Seconds.
# TYPE request_seconds histogram
request_seconds_bucket{le="0.1",route="/a\\b\"c\nd"} 3
request_seconds_bucket{le="+Inf",route="/a\\b\"c\nd"} 4
request_seconds_sum{route="/a\\b\"c\nd"} 1.5e+21
request_seconds_count{route="/a\\b\"c\nd"} 4
# TYPE lag gauge
lag Nan
]])
    local open = moongate.read_file(folder .. "/metrics.openmetrics.txt") or text .. "# EOF\n"
    assert.equal(204, (post(text, "timestamp=" .. t)))
    local all, count, samples = history.read(server, '{__name__=~".+"}')
    local lines = 0
    for line in text:gmatch("[^\n]+") do
      if line:sub(1, 1) ~= "#" then lines = lines + 1 end
    end
    assert.equal(lines, count)
    assert.equal(lines, samples)
    for line in text:gmatch("[^\n]+") do
      local name, value = line:match("^([%a_:][%w_:]*) (%S+)$")
      if name then
        local number = value:lower() == "nan" and "\1\0\0\0\0\0\248\127" or history.bytes(tonumber(value))
        assert.equal(number, all[history.key { __name__ = name }][t], line)
      end
    end
    local status, why = post(open, "timestamp=" .. t + 1000, { ["Content-Type"] = "application/openmetrics-text; version=1.0.0" })
    assert.equal(204, status, why)
    assert.equal(204, (post(text, "timestamp=" .. t)))
    assert.equal(lines, outcome "duplicate")
  end)

  it("takes nothing of a text with a syntax error, and says where it is", function()
    start()
    local status, why = post('a 1\nb{x="y"} 1\nc{x=y} 1\n')
    assert.equal(400, status)
    assert.match("^nothing was taken: line 3, byte %d+ of it: ", why)
    assert.is_true(has(0))
  end)

  it("takes compressed text, within the limits of bodies", function()
    start { conf = { http = { body_bytes = "64KiB" } } }
    local t = moongate.now_ms()
    assert.equal(204, (post(moongate.gzip(("a 1 %d\n"):format(t)), nil, { ["Content-Encoding"] = "gzip" })))
    assert.equal(413, (post(moongate.gzip(("# x\n"):rep(20000)), nil, { ["Content-Encoding"] = "gzip" })))
    assert.equal(413, (post(("# x\n"):rep(20000))))
    assert.equal(0, server:metrics():get("moongate_http_bodies_bytes"))
  end)

  it("is for POST and PUT alone, by tokens for ingest", function()
    start { conf = { tokens = {
      { sha256 = moongate.sha256("ingest-token"), scopes = { "ingest" } }, { sha256 = moongate.sha256("query-token"), scopes = { "query", "admin" } },
    } } }
    assert.equal(401, (post("a 1\n")))
    assert.equal(403, (post("a 1\n", nil, { Authorization = "Bearer query-token" })))
    assert.equal(204, (post("a 1\n", nil, { Authorization = "Bearer ingest-token" })))
    local options = server:request { method = "OPTIONS", path = PATH }
    assert.equal(204, options.status)
    assert.equal("POST, PUT, OPTIONS", options.headers.allow)
    for _, method in ipairs { "GET", "HEAD", "DELETE" } do
      assert.equal(405, server:request { method = method, path = PATH }.status)
    end
  end)
end)
