-- Scraping: the real binary asks targets for their metrics.
local json = require "cjson"
local moongate = require "tests.spec.support.moongate"
local target = require "tests.spec.support.target"

local function targets_of(server)
  local reply = server:request { path = "/api/v1/targets" }
  assert.equal(200, reply.status)
  local answer = json.decode(reply.body)
  assert.equal("success", answer.status)
  return answer.data.activeTargets
end

-- What the store has of a job's series, by their text without job and instance: { times, values }; the stale marker is "stale".
local function stored(server, job)
  local reply = server:request { path = "/api/v1/export?nan=bits&match%5B%5D=%7Bjob%3D%22" .. job .. "%22%7D" }
  assert.equal(200, reply.status)
  local found = {}
  for line in reply.body:gmatch("[^\n]+") do
    local series = json.decode(line)
    local parts = {}
    for name, value in pairs(series.metric) do
      if name ~= "__name__" and name ~= "job" and name ~= "instance" then parts[#parts + 1] = name .. "=" .. value end
    end
    table.sort(parts)
    for i, value in ipairs(series.values) do
      if value == "NaN:7ff0000000000002" then series.values[i] = "stale" end
    end
    found[series.metric.__name__ .. "{" .. table.concat(parts, ",") .. "}"] =
      { times = series.timestamps, values = series.values, instance = series.metric.instance }
  end
  return found
end

-- Waits for a condition on moongate's own figures while the target answers.
local function wait_for(server, what, condition, ...)
  local polled = { ... }
  return moongate.wait_until(function()
    for _, t in ipairs(polled) do t:poll() end
    local m = server:metrics()
    return condition(m) and m
  end, 30, what)
end

describe("a target", function()
  local server, t
  before_each(function() t = target.new("# TYPE a counter\na{k=\"v\"} 1\nb 2\n") end)
  after_each(function()
    t:close()
    if server then server:stop() end
  end)

  it("is asked as Prometheus asks, and its samples are taken", function()
    server = moongate.start { conf = { scrape = { {
      job = "lua", targets = { t.addr }, interval = 1, params = { ["match[]"] = { "up", "a b" } },
      headers = { ["X-Scope-OrgID"] = "7" }, basic_auth = { username = "ann", password = "pw" }, labels = { team = "x" },
    } } } }
    local m = wait_for(server, "two scrapes", function(m)
      return m:get("moongate_scrapes_total", { result = "ok" }) >= 2
    end, t)
    local scrapes = m:get("moongate_scrapes_total", { result = "ok" })
    assert.equal(2 * scrapes, m:get("moongate_scrape_samples_total"))
    assert.equal(2, m:get("moongate_scrape_series"))
    assert.equal(1, m:get("moongate_scrape_targets"))
    assert.equal(1, m:get("moongate_scrape_targets_up"))
    assert.equal(0, m:get("moongate_scrape_samples_refused_total"))
    assert.equal(#t.answer * scrapes, m:get("moongate_scrape_received_bytes_total"))
    local request = t.requests[1]
    assert.match("^GET /metrics%?match%%5B%%5D=up&match%%5B%%5D=a%%20b HTTP/1%.1\n", request)
    assert.match("\nAccept: application/openmetrics%-text;version=1%.0%.0;", request)
    assert.match("\nX%-Prometheus%-Scrape%-Timeout%-Seconds: 1\n?", request)
    assert.match("\nX%-Scope%-OrgID: 7\n?", request)
    assert.match("\nAuthorization: Basic YW5uOnB3\n?", request)
    local series = stored(server, "lua")
    local names = {}
    for name, s in pairs(series) do
      names[#names + 1] = name
      assert.equal(t.addr, s.instance)
      assert.is_true(#s.times >= scrapes)
      for i = 2, #s.times do assert.is_true(s.times[i] > s.times[i - 1]) end
    end
    table.sort(names)
    assert.same({ "a{k=v,team=x}", "b{team=x}", "scrape_duration_seconds{team=x}", "scrape_samples_post_metric_relabeling{team=x}",
      "scrape_samples_scraped{team=x}", "scrape_series_added{team=x}", "up{team=x}" }, names)
    assert.same({ 1, 1 }, { series["a{k=v,team=x}"].values[1], series["a{k=v,team=x}"].values[2] })
    assert.same({ 1, 1 }, { series["up{team=x}"].values[1], series["up{team=x}"].values[2] })
    assert.same({ 2, 0 }, { series["scrape_series_added{team=x}"].values[1], series["scrape_series_added{team=x}"].values[2] })
    assert.equal(2, series["scrape_samples_scraped{team=x}"].values[1])
    local listed = targets_of(server)
    assert.equal(1, #listed)
    assert.same({ job = "lua", instance = t.addr, team = "x" }, listed[1].labels)
    assert.equal("http://" .. t.addr .. "/metrics?match%5B%5D=up&match%5B%5D=a%20b", listed[1].scrapeUrl)
    assert.equal("lua", listed[1].scrapePool)
    assert.equal("1s", listed[1].scrapeInterval)
    assert.equal("", listed[1].lastError)
    assert.match("^20%d%d%-", listed[1].lastScrape)
  end)

  it("answers in OpenMetrics and compressed, too", function()
    local body = "# TYPE a counter\na_total 1 # {id=\"x\"} 1\n# EOF\n"
    t.answer = function()
      return "200 OK", { ["Content-Type"] = "application/openmetrics-text; version=1.0.0; charset=utf-8", ["Content-Encoding"] = "gzip" },
        moongate.gzip(body)
    end
    server = moongate.start { conf = { scrape = { { job = "lua", targets = { t.addr }, interval = 1 } } } }
    local m = wait_for(server, "a scrape", function(m) return m:get("moongate_scrapes_total", { result = "ok" }) >= 1 end, t)
    assert.equal(1, m:get("moongate_scrape_series"))
    assert.equal(#body * m:get("moongate_scrapes_total", { result = "ok" }), m:get("moongate_scrape_received_bytes_total"))
  end)

  it("ends its series when they go, when it fails and when it comes again", function()
    server = moongate.start { conf = { scrape = { { job = "lua", targets = { t.addr }, interval = 1 } } } }
    wait_for(server, "a scrape", function(m) return m:get("moongate_scrape_series") == 2 end, t)
    t.answer = "b 2\n"
    local m = wait_for(server, "the end of a", function(now) return now:get("moongate_scrape_series") == 1 end, t)
    assert.equal(1, m:get("moongate_scrape_stale_markers_total"))
    t.answer = "b 2\nb\n"
    m = wait_for(server, "a fault", function(now) return now:get("moongate_scrapes_total", { result = "malformed" }) >= 1 end, t)
    assert.equal(2, m:get("moongate_scrape_stale_markers_total"))
    assert.equal(0, m:get("moongate_scrape_targets_up"))
    assert.equal("down", targets_of(server)[1].health)
    assert.match("^line 2", targets_of(server)[1].lastError)
    t.answer = "b 2\n"
    wait_for(server, "its return", function(now) return now:get("moongate_scrape_targets_up") == 1 end, t)
    t:close()
    m = wait_for(server, "its death", function(now) return now:get("moongate_scrapes_total", { result = "unreachable" }) >= 1 end)
    assert.equal(3, m:get("moongate_scrape_stale_markers_total"))
    -- What each series was, without repetitions: a machine that is too slow for a scrape may make a target go once more.
    local series = stored(server, "lua")
    local function story(name)
      local seen, last = {}, nil
      for _, value in ipairs(series[name].values) do
        if value ~= last then seen[#seen + 1] = value end
        last = value
      end
      return table.concat(seen, " ")
    end
    assert.match("^1 .*stale$", story("a{k=v}"))
    assert.match("^2 stale 2 .*stale$", story("b{}"))
    assert.match("^1 0 1 .*0$", story("up{}"))
    local line = server:log_find(function(l) return l.msg == "a target is down" and l.error:find("connect") end)
    assert.equal("http://" .. t.addr .. "/metrics", line.url)
  end)

  it("says once what the store refuses", function()
    t.answer = ("a 1 %d000\nb 1\n"):format(os.time() + 3600)
    server = moongate.start { conf = { scrape = { { job = "lua", targets = { t.addr }, interval = 1 } } } }
    local m = wait_for(server, "three scrapes", function(m) return m:get("moongate_scrapes_total", { result = "ok" }) >= 3 end, t)
    local scrapes = m:get("moongate_scrapes_total", { result = "ok" })
    assert.equal(scrapes, m:get("moongate_scrape_samples_total"))
    assert.equal(scrapes, m:get("moongate_scrape_samples_refused_total"))
    local found = {}
    for _, line in ipairs(server:log()) do
      if line.msg == "samples of a target are left out" then found[#found + 1] = line.error end
    end
    assert.same({ "its time lies more than ten minutes in the future" }, found)
  end)

  it("is found in files, which may change", function()
    server = moongate.prepare {}
    local path = server.dir .. "/conf/targets.json"
    moongate.write_file(server.dir .. "/conf/moongate.lua",
      ('return { scrape = { { job = "files", files = { "%s/conf/*.json" }, interval = 1 } } }'):format(server.dir))
    local function put(text)
      moongate.write_file(path .. ".new", text)
      assert(os.rename(path .. ".new", path))
    end
    put(json.encode { { targets = { t.addr }, labels = { zone = "a" } } })
    server:launch()
    wait_for(server, "a scrape", function(m) return m:get("moongate_scrape_series") == 2 end, t)
    assert.same({ job = "files", instance = t.addr, zone = "a" }, targets_of(server)[1].labels)
    put("[")
    wait_for(server, "the broken file", function(m) return m:get("moongate_scrape_files_broken") == 1 end, t)
    assert.equal(1, #targets_of(server))
    local line = server:log_find(function(l) return l.msg:find("^a file of targets is broken") end)
    assert.equal(path, line.file)
    put(json.encode { { targets = { t.addr, t.addr }, labels = { zone = "b" } } })
    wait_for(server, "the other labels", function(m)
      return m:get("moongate_scrape_files_broken") == 0 and m:get("moongate_scrape_series") == 2 and targets_of(server)[1].labels.zone == "b"
    end, t)
    assert.equal(1, #targets_of(server))
    local m = server:metrics()
    assert.is_true(m:get("moongate_scrape_stale_markers_total") >= 7) -- two series and five reports of zone a
    assert(os.remove(path))
    m = wait_for(server, "no target", function(now) return now:get("moongate_scrape_stale_markers_total") >= 14 end, t)
    assert.equal(0, m:get("moongate_scrape_targets"))
    assert.same({}, targets_of(server))
    for name, s in pairs(stored(server, "files")) do assert.equal("stale", s.values[#s.values], name) end
  end)

  it("takes no more than its limits", function()
    server = moongate.start { conf = { scrape = {
      { job = "samples", targets = { t.addr }, interval = 1, sample_limit = 1 },
      { job = "bytes", targets = { t.addr }, interval = 1, body_bytes = 1024 },
    } } }
    local small, large = t.answer, "# " .. ("x"):rep(1100) .. "\n"
    t.answer = function()
      return "200 OK", { ["Content-Type"] = "text/plain", ["Content-Encoding"] = "gzip" }, moongate.gzip(small .. large)
    end
    wait_for(server, "too much", function(m)
      return m:get("moongate_scrapes_total", { result = "limit" }) >= 1 and m:get("moongate_scrapes_total", { result = "too_large" }) >= 1
    end, t)
    assert.equal(0, server:metrics():get("moongate_scrape_samples_total"))
  end)
end)

-- A page with all that target and series may have in common, with times, and with what is no number.
local PAGE = [[
# HELP plain_total Help.
# TYPE plain_total counter
plain_total 1
clash{job="own",instance="there",team="y",env="e"} 2
clash{job="own",exported_job="taken"} 3
clash{exported_exported_job="x",exported_job="y",job="z",instance=""} 4
empty{instance="",job="",x=""} 5
empty{team=""} 6
special{v="a\"b\\c\nd"} 7
special{v="ü",__name="n"} -0.5
nan NaN
inf{sign="+"} +Inf
inf{sign="-"} -Inf
# TYPE h histogram
h_bucket{le="0.1"} 1
h_bucket{le="1.0"} 2
h_bucket{le="+Inf"} 3
h_sum 4.5
h_count 3
# TYPE s summary
s{quantile="0.5"} 0.25
s_sum 1e300
s_count 12
]]

describe("a real Prometheus", function()
  local function free_address()
    local probe = target.new("")
    probe:close()
    return probe.addr
  end

  local function key(metric)
    local parts = {}
    for name, value in pairs(metric) do parts[#parts + 1] = ("%s=%q"):format(name, value) end
    table.sort(parts)
    return table.concat(parts, ",")
  end

  local function as_text(value)
    if value == json.null or value == "NaN" then return "NaN" end
    if value == "Infinity" or value == "+Inf" then return "inf" end
    if value == "-Infinity" or value == "-Inf" then return "-inf" end
    return ("%.17g"):format(tonumber(value))
  end

  -- Series with their newest value; how long a scrape took is nobody's business.
  local function of_moongate(server)
    local reply = server:request { path = "/api/v1/export?match%5B%5D=%7B__name__%3D~%22.%2B%22%7D" }
    assert.equal(200, reply.status)
    local found = {}
    for line in reply.body:gmatch("[^\n]+") do
      local series = json.decode(line)
      found[key(series.metric)] = as_text(series.values[#series.values])
    end
    return found
  end

  local function of_prometheus(addr)
    local text, code = moongate.sh(("curl -sf -G http://%s/api/v1/query --data-urlencode 'query={__name__=~\".+\"}'"):format(addr))
    if code ~= 0 then return {} end
    local found = {}
    for _, series in ipairs(json.decode(text).data.result) do found[key(series.metric)] = as_text(series.value[2]) end
    return found
  end

  it("makes the same series of a page", function()
    local server, addr, t = moongate.prepare {}, free_address(), target.new(PAGE)
    local dir = server.dir
    local common = ('static_configs: [ { targets: [ "%s" ], labels: { team: x, env: "" } } ]'):format(t.addr)
    moongate.write_file(dir .. "/prometheus.yml", ([[
global: { scrape_interval: 1s }
scrape_configs:
  - { job_name: renamed, %s }
  - { job_name: honored, honor_labels: true, %s }
]]):format(common, common))
    local p = moongate.process.spawn({ "prometheus", "--config.file=" .. dir .. "/prometheus.yml",
      "--storage.tsdb.path=" .. dir .. "/prometheus", "--web.listen-address=" .. addr }, dir .. "/prom.out", dir .. "/prom.err")
    finally(function()
      p:signal("TERM")
      p:wait(30)
      server:stop()
      t:close()
    end)
    moongate.write_file(dir .. "/conf/moongate.lua", "return " .. moongate.lua_literal { store = { resolution = 3600 }, scrape = {
      { job = "renamed", targets = { t.addr }, labels = { team = "x", env = "" }, interval = 1 },
      { job = "honored", targets = { t.addr }, labels = { team = "x", env = "" }, interval = 1, honor_labels = true },
    } })
    server:launch()
    local function both_up()
      local up = 0
      for _, listed in ipairs(targets_of(server)) do up = up + (listed.health == "up" and 1 or 0) end
      return up == 2
    end
    local theirs
    moongate.wait_until(function()
      t:poll()
      theirs = of_prometheus(addr)
      local up = 0
      for name, value in pairs(theirs) do
        if name:find('__name__="scrape_series_added"', 1, true) and value == "0" then up = up + 1 end
      end
      return up == 2 and both_up()
    end, 60, "both to have scraped both jobs")
    local ours = of_moongate(server)
    for name, value in pairs(theirs) do
      if not name:find("scrape_duration_seconds", 1, true) and not name:find("scrape_series_added", 1, true) then
        assert.equal(value, ours[name], name)
      end
    end
    for name in pairs(ours) do assert.is_not_nil(theirs[name], name) end
  end)

  it("is scraped, over TLS as well", function()
    local server = moongate.prepare {}
    local dir = server.dir
    local _, code = moongate.sh(("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=prom.example " ..
      "-addext subjectAltName=DNS:prom.example -keyout %s/key.pem -out %s/cert.pem"):format(dir, dir))
    assert.equal(0, code)
    moongate.write_file(dir .. "/web.yml", ("tls_server_config: { cert_file: %s/cert.pem, key_file: %s/key.pem }\n"):format(dir, dir))
    moongate.write_file(dir .. "/prometheus.yml", "{}\n")
    local addr = free_address()
    local p = moongate.process.spawn({ "prometheus", "--config.file=" .. dir .. "/prometheus.yml", "--web.config.file=" .. dir .. "/web.yml",
      "--storage.tsdb.path=" .. dir .. "/prometheus", "--web.listen-address=" .. addr }, dir .. "/prom.out", dir .. "/prom.err")
    finally(function()
      p:signal("TERM")
      p:wait(30)
      server:stop()
    end)
    moongate.write_file(dir .. "/conf/moongate.lua", "return " .. moongate.lua_literal { scrape = {
      { job = "named", targets = { addr }, interval = 1, scheme = "https", tls = { ca = dir .. "/cert.pem", server_name = "prom.example" } },
      { job = "unnamed", targets = { addr }, interval = 1, scheme = "https", tls = { ca = dir .. "/cert.pem" } },
      { job = "unknown", targets = { addr }, interval = 1, scheme = "https", tls = { server_name = "prom.example" } },
      { job = "insecure", targets = { addr }, interval = 1, scheme = "https", tls = { insecure = true } },
    } })
    server:launch()
    local errors = {}
    moongate.wait_until(function()
      local health = {}
      for _, t in ipairs(targets_of(server)) do
        health[t.scrapePool] = t.health
        errors[t.scrapePool] = t.lastError
      end
      return health.named == "up" and health.insecure == "up" and errors.unnamed:find("certificate") and errors.unknown:find("certificate")
    end, 60, "the four jobs")
    local m = server:metrics()
    assert.is_true(m:get("moongate_scrape_series") > 500)
    assert.equal(0, m:get("moongate_scrape_samples_refused_total"))
    assert.equal(0, m:get("moongate_scrape_lines_rejected_total"))
  end)
end)
