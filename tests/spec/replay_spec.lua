-- After kill -9 everything that scripts have made is as it was, whatever its type: to the byte of both formats of /metrics.
local moongate = require "tests.spec.support.moongate"
local json = require "cjson"

local script = [[
local c = counter "c_total" { labels = { "user_id" }, max_series = 5 }
local g = gauge "g" { labels = { "user_id" } }
local h = histogram "h_seconds" { unit = "seconds", labels = { "kind" }, buckets = { 0.1, 1 } }
local s = summary "s" { window = "2h" }
local d = distinct "d" { period = "month" }
local t = topk "t" { labels = { "user_id" }, k = 3 }
local r = ratio "r" { window = "2h" }
local m = mean "m" { window = "2h", labels = { "user_id" } }
local chance = counter "chance_total" {}
local seen, kept = state "seen", gauge "kept" { labels = { "key" } }
local ticks, running, still = counter "ticks_total" {}, state "running", gauge "still" {}

on("x", function(ev)
  c:add(ev.n / 10, ev.user_id)
  g:set(ev.n, ev.user_id) g:add(0.1, ev.user_id)
  h:observe(ev.n / 7, "all")
  s:observe(ev.n) d:see(ev.user_id .. ev.n) t:add(ev.n / 3, ev.user_id)
  if ev.n % 3 == 0 then r:hit() else r:miss() end
  m:with { user_id = ev.user_id }:observe(ev.n)
  chance:add(math.random())
  seen:set(ev.user_id, "at " .. ev.n, ev.n % 2 == 0 and "1h" or nil)
  seen:incr("calls")
  emit("made", { user_id = ev.user_id, n = ev.n })
end)
on("made", function(ev) c:inc("made " .. ev.user_id) end)
on("show", function()
  for key, value in seen:pairs() do kept:set(type(value) == "number" and value or tonumber(value:match("%d+")), key) end
end)
on("run", function(ev) running:set("on", ev.on) end)
every("1s", function() if running:get("on") then ticks:inc() still:set(now()) end end)
]]

describe("after kill -9", function()
  local server

  local function post(events)
    for i, ev in ipairs(events) do events[i] = json.encode(ev) end
    local reply = server:request { method = "POST", path = "/v1/events", body = table.concat(events, "\n") }
    assert.equal(200, reply.status)
  end

  local function shown(accept)
    local text = server:request { path = "/metrics", headers = { Accept = accept } }.body
    local lines = {}
    for line in text:gmatch("[^\n]+") do
      if not line:match("^moongate_") and not line:match("^process_") and not line:match("^#") then lines[#lines + 1] = line end
    end
    return table.concat(lines, "\n")
  end

  -- Some events, some ticks, and then nothing moves any more.
  local function live(round)
    post { { type = "run", on = true } }
    for k = 1, 5 do
      local events = {}
      for i = 1, 40 do
        local n = round * 1000 + k * 100 + i
        events[i] = { type = "x", user_id = "u" .. n % 11, n = n, trace_id = n % 5 == 0 and ("%032x"):format(n) or nil }
      end
      post(events)
    end
    local before = server:metrics():get("ticks_total") or 0
    moongate.wait_until(function() return (server:metrics():get("ticks_total") or 0) >= before + 2 end, 20, "two ticks")
    post { { type = "run", on = false }, { type = "show" } }
  end

  for _, checkpoint in ipairs { "1h", "1s" } do
    it("with a checkpoint each " .. checkpoint .. ", all types have their values, and timers and chance theirs", function()
      server = moongate.start { scripts = { ["metrics/all.lua"] = script },
        conf = { journal = { segment_bytes = "1MiB", checkpoint = checkpoint } } }
      finally(function() server:stop() end)
      for round = 1, 3 do
        live(round)
        if round == 2 then assert.equal(200, server:reload().status) end
        local text, open = shown("text/plain"), shown("application/openmetrics-text")
        assert.match('t{user_id="u%d+"} ', text)
        assert.match('c_total{moongate_overflow="true"} ', text)
        assert.match('# {trace_id="', open)
        server:kill9()
        server:restart()
        assert.equal(text, shown("text/plain"))
        assert.equal(open, shown("application/openmetrics-text"))
        for _, e in ipairs(server:metrics():all("moongate_script_errors_total")) do assert.equal(0, e.value) end
      end
    end)
  end
end)
