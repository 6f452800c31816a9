-- Operators' scripts in the running gateway: reload, limits, quarantine, filters.
local moongate = require "tests.spec.support.moongate"
local json = require "cjson"

local function post(server, event)
  return server:request { method = "POST", path = "/v1/events", body = json.encode(event) }
end

describe("scripts", function()
  local server
  local function start(scripts, conf)
    server = moongate.start { scripts = scripts, conf = conf }
    finally(function() server:stop() end)
    return server
  end

  it("keep their values over a reload, and new text runs from the next event on", function()
    start { ["metrics/c.lua"] = [[local c = counter "c_total" { labels = {} }
on("x", function(ev) c:add(1) end)]] }
    post(server, { type = "x" })
    server:write_script("metrics/c.lua", [[local c = counter "c_total" { labels = {} }
on("x", function(ev) c:add(10) end)]])
    assert.equal(200, server:reload().status)
    assert.equal(1, server:metrics():get("c_total", {}))
    post(server, { type = "x" })
    assert.equal(11, server:metrics():get("c_total", {}))
  end)

  it("that do not load are refused with file and line, and the old ones go on", function()
    start { ["metrics/c.lua"] = [[local c = counter "c_total" { labels = {} }
on("x", function(ev) c:inc() end)]] }
    server:write_script("metrics/bad.lua", "local x = \n\n= 3")
    local reply = server:reload()
    assert.equal(422, reply.status)
    assert.match("bad%.lua:%d", json.decode(reply.body).error.message)
    assert.equal(200, post(server, { type = "x" }).status)
    assert.equal(1, server:metrics():get("c_total", {}))
    assert.equal(503, server:request { method = "GET", path = "/health" }.status)
    assert.equal(200, server:request { method = "GET", path = "/-/ready" }.status)
    assert.equal(0, server:metrics():get("moongate_reload_successful"))
    assert.equal(1, server:metrics():get("moongate_reload_failures_total"))
    server:remove_script("metrics/bad.lua")
    assert.equal(200, server:reload().status)
    assert.equal(1, server:metrics():get("moongate_reload_successful"))
    assert.equal(1, server:metrics():get("moongate_reload_failures_total"))
  end)

  it("whose metrics take each other's names are refused, and what runs keeps its own, after a crash too", function()
    start { ["metrics/c.lua"] = [[local c = counter "c_total" { labels = { "a" } }
on("x", function(ev) c:inc("1") end)]] }
    post(server, { type = "x" })
    server:write_script("metrics/c.lua", [[local c = counter "c_total" { labels = { "b" } }
histogram "h" {}
counter "h_count" {}
on("x", function(ev) c:inc("2") end)]])
    local reply = server:reload()
    assert.equal(422, reply.status)
    assert.match('metric "h_count": .* the histogram "h" at scripts/metrics/c.lua:2', json.decode(reply.body).error.message)
    assert.equal(1, server:metrics():get("moongate_reload_failures_total"))
    for i = 2, 4 do
      post(server, { type = "x" })
      assert.equal(i, server:metrics():get("c_total", { a = "1" }))
    end
    server:kill9()
    server:write_script("metrics/c.lua", [[local c = counter "c_total" { labels = { "a" } }
on("x", function(ev) c:inc("1") end)]])
    server:restart()
    assert.equal(4, server:metrics():get("c_total", { a = "1" }))
  end)

  it("are reloaded by SIGHUP", function()
    start { ["metrics/c.lua"] = [[local c = counter "c_total" { labels = {} }
on("x", function(ev) c:inc() end)]] }
    server:write_script("metrics/d.lua", [[local d = counter "d_total" { labels = {} }
on("x", function(ev) d:inc() end)]])
    server:signal("HUP")
    moongate.wait_until(function()
      post(server, { type = "x" })
      return (server:metrics():get("d_total", {}) or 0) > 0
    end, 10, "the new script to run")
  end)

  it("name script and line when a handler fails, and the others run on", function()
    start {
      ["metrics/bad.lua"] = "on('x', function(ev)\n  local t = nil\n  t.x = 1\nend)",
      ["metrics/good.lua"] = "local c = counter 'good_total' { labels = {} }\non('x', function() c:inc() end)",
    }
    assert.equal(200, post(server, { type = "x" }).status)
    local metrics = server:metrics()
    assert.equal(1, metrics:get("good_total", {}))
    assert.equal(1, metrics:get("moongate_script_errors_total", { script = "scripts/metrics/bad.lua" }))
    assert.is_truthy(server:log_find(function(line)
      return line.level == "error" and tostring(line.error):find("bad.lua:3", 1, true)
    end))
  end)

  it("that loop are cut off, quarantined alone, and run again after a reload", function()
    start({
      ["metrics/loop.lua"] = "on('x', function() while true do end end)",
      ["metrics/good.lua"] = "local c = counter 'good_total' { labels = {} }\non('x', function() c:inc() end)",
    }, { limits = { call_ms = 20, strikes = 3 } })
    for i = 1, 5 do
      assert.equal(200, post(server, { type = "x" }).status)
      assert.equal(i, server:metrics():get("good_total", {}))
    end
    assert.equal(1, server:metrics():get("moongate_script_quarantined", { script = "scripts/metrics/loop.lua" }))
    local health = json.decode(server:request { method = "GET", path = "/health" }.body)
    assert.is_false(health.checks.scripts)
    server:write_script("metrics/loop.lua", "local n = counter 'loop_total' { labels = {} }\non('x', function() n:inc() end)")
    assert.equal(200, server:reload().status)
    post(server, { type = "x" })
    assert.equal(1, server:metrics():get("loop_total", {}))
    assert.equal(0, server:metrics():get("moongate_script_quarantined", { script = "scripts/metrics/loop.lua" }))
  end)

  -- GET /ready, which is GET /-/ready.
  local function ready()
    local reply = server:request { path = "/ready" }
    assert.equal(reply.body, server:request { path = "/-/ready" }.body)
    assert.equal(200, reply.status)
    return json.decode(reply.body)
  end

  it("are named by /ready while they are quarantined, over a crash too, until a reload lifts it", function()
    local path = "scripts/metrics/loop.lua"
    start({
      ["metrics/loop.lua"] = "on('x', function()\n  local n = 0\n  while true do end\nend)",
      ["metrics/good.lua"] = "on('x', function() end)",
    }, { limits = { call_ms = 20, strikes = 2 } })
    assert.same({ ready = true, quarantined = {}, filters_stopped = {} }, ready())
    post(server, { type = "x" })
    assert.same({}, ready().quarantined)
    post(server, { type = "x" })
    local reason = "2 calls cut off within a minute, the last one because it took longer than a call may at scripts/metrics/loop.lua:3"
    assert.same({ { script = path, reason = reason } }, ready().quarantined)
    assert.equal(1, server:metrics():get("moongate_script_quarantined", { script = path }))
    assert.is_truthy(server:log_find(function(line) return line.script == path and line.at == path .. ":3" end))

    server:kill9()
    server:restart()
    assert.same({ { script = path, reason = reason } }, ready().quarantined)

    server:write_script("metrics/broken.lua", "on('x'")
    assert.equal(422, server:reload().status)
    assert.equal(1, #ready().quarantined)
    server:remove_script("metrics/broken.lua")
    assert.equal(200, server:reload().status)
    assert.same({}, ready().quarantined)
    assert.equal(0, server:metrics():get("moongate_script_quarantined", { script = path }))

    post(server, { type = "x" })
    post(server, { type = "x" })
    assert.equal(1, #ready().quarantined)
    server:stop()
    server:restart()
    assert.same({ { script = path, reason = reason } }, ready().quarantined)
  end)

  it("whose filters are cut off again and again are named by /ready, until a reload lifts it", function()
    local path = "scripts/metrics/f.lua"
    start({ ["metrics/f.lua"] = "filter('x', function()\n  while true do end\nend)" }, { limits = { call_ms = 20, strikes = 2 } })
    assert.equal(400, post(server, { type = "x" }).status)
    assert.same({}, ready().filters_stopped)
    local reply = post(server, { type = "x" })
    assert.match("f%.lua:2: the filter takes longer than a call may", json.decode(reply.body).rejected[1].error)
    assert.same({ { script = path, reason = "2 filters cut off within a minute, the last one at scripts/metrics/f.lua:2" } },
      ready().filters_stopped)
    assert.same({}, ready().quarantined)
    assert.equal(1, server:metrics():get("moongate_script_filters_stopped", { script = path }))
    server:write_script("metrics/f.lua", "filter('x', function() end)")
    assert.equal(200, server:reload().status)
    assert.same({}, ready().filters_stopped)
    assert.equal(0, server:metrics():get("moongate_script_filters_stopped", { script = path }))
    assert.equal(200, post(server, { type = "x" }).status)
  end)

  it("can redact and drop before anything is written", function()
    start {
      ["metrics/f.lua"] = [[
filter("secret", function(ev) ev.password = nil ev["user.email"] = "[redacted]" end)
filter("noise", function(ev) return "drop" end)
local seen = counter "seen_total" { labels = { "password", "email" } }
on("secret", function(ev) seen:inc(ev.password, ev["user.email"]) end)
local noise = counter "noise_total" { labels = {} }
on("noise", function() noise:inc() end)]],
    }
    post(server, { type = "secret", password = "hunter2-canary", user = { email = "canary@example.com", id = 7 } })
    local reply = post(server, { type = "noise" })
    assert.equal(200, reply.status)
    assert.equal(1, json.decode(reply.body).accepted)
    local metrics = server:metrics()
    assert.equal(1, metrics:get("seen_total", { email = "[redacted]" }))
    assert.is_nil(metrics:get("noise_total", {}))
    assert.equal(1, metrics:get("moongate_records_filtered_total", {}))
    server:stop()
    assert.is_false(server:data_contains("hunter2%-canary"))
    assert.is_false(server:data_contains("canary@example"))
  end)

  it("keep state over reload and kill -9", function()
    start { ["metrics/s.lua"] = [[
local s = state("visits")
local g = gauge "visits" { labels = {} }
on("x", function() s:set("n", (s:get("n") or 0) + 1) g:set(s:get("n")) end)]] }
    post(server, { type = "x" })
    assert.equal(200, server:reload().status)
    post(server, { type = "x" })
    server:kill9()
    server:restart()
    post(server, { type = "x" })
    assert.equal(3, server:metrics():get("visits", {}))
  end)

  it("run every() on the engine's clock", function()
    start { ["metrics/e.lua"] = [[
local c = counter "ticks_total" { labels = {} }
every("1s", function() c:inc() end)]] }
    moongate.wait_until(function() return (server:metrics():get("ticks_total", {}) or 0) >= 2 end, 15, "two ticks")
  end)

  it("replay a cut-off call as it was", function()
    start({
      ["metrics/half.lua"] = [[
local c = counter "half_total" { labels = {} }
on("x", function(ev) c:inc() c:inc() if ev.loop then while true do end end c:inc() end)]],
    }, { limits = { call_ms = 20, strikes = 100 } })
    post(server, { type = "x" })
    post(server, { type = "x", loop = true })
    post(server, { type = "x" })
    assert.equal(8, server:metrics():get("half_total", {}))
    server:kill9()
    server:restart()
    assert.equal(8, server:metrics():get("half_total", {}))
  end)
end)
