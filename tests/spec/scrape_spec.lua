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

describe("a real Prometheus", function()
  it("is scraped, over TLS as well", function()
    local server = moongate.prepare {}
    local dir = server.dir
    local _, code = moongate.sh(("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=prom.example " ..
      "-addext subjectAltName=DNS:prom.example -keyout %s/key.pem -out %s/cert.pem"):format(dir, dir))
    assert.equal(0, code)
    moongate.write_file(dir .. "/web.yml", ("tls_server_config: { cert_file: %s/cert.pem, key_file: %s/key.pem }\n"):format(dir, dir))
    moongate.write_file(dir .. "/prometheus.yml", "{}\n")
    local probe = target.new("")
    local addr = probe.addr
    probe:close()
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
