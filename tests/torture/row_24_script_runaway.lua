-- Row 24. Every script of the hostile corpus in the real gateway, beside a script whose events go on being posted: each call ends by its deadline plus 50 ms (CPU time of
-- the engine's thread, which is what the limit counts), the process goes on, each offence is in the log with script and line, and not one event of the other is lost.
--
-- The scripts are one set, each with an event type of its own; those with timers and those that are refused at load come one by one after it.
local row = require "tests.torture.support.row"
local moongate = require "tests.spec.support.moongate"
local feeder = require "tests.torture.support.feeder"
local threads = require "tests.torture.support.threads"
local json = require "cjson"

local CORPUS = "tests/unit/script/hostile"
local LATE_MS = 50

local modules = {
  ["loop_a.lua"] = "local b = require 'loop_b' return b",
  ["loop_b.lua"] = "local a = require 'loop_a' return a",
  ["endless.lua"] = "while true do end",
}
for i = 1, 8 do modules[("deep_%d.lua"):format(i)] = ("return require('deep_%d')"):format(i % 8 + 1) end

-- { name, path, type, text, expect } of each script; its handlers, filters and emits of "x" and its handlers of "*" are for a type of its own.
local function read_corpus()
  local scripts = {}
  for name in moongate.sh("ls " .. CORPUS):gmatch("[^\n]+%.lua") do
    local text = moongate.read_file(CORPUS .. "/" .. name)
    local type = "h" .. #scripts + 1
    for _, f in ipairs { "on", "filter", "emit" } do text = text:gsub(f .. '%("[x*]"', ("%s(%q"):format(f, type)) end
    scripts[#scripts + 1] = { name = name, path = "scripts/metrics/" .. name, type = type, text = text, expect = text:match("^%-%- expect: ([^\n]+)"),
      timer = text:find("every%(\"") ~= nil }
  end
  assert(#scripts >= 80, "the corpus has " .. #scripts .. " scripts")
  return scripts
end

-- What /metrics says of a script's calls, read from the text: parsing all of it, with what the flooding scripts have made, would take longer than the calls.
local function figures(server, script)
  local text = server:request { path = "/metrics" }.body
  local function figure(name)
    local _, at = text:find(('\nmoongate_script_%s_total{script="%s"} '):format(name, script.path), 1, true)
    return tonumber(text:match("^%d+", at + 1))
  end
  return { calls = figure "calls", cuts = figure "cuts", errors = figure "errors" }
end

-- Posts one event for a script; how much later than its deadline a call ended, in milliseconds (0: it did not).
local function provoke(server, clock, script, call_ms)
  local before = script.figures or { calls = 0, cuts = 0, errors = 0 }
  local took, reply = clock:spent(function()
    return server:request { method = "POST", path = "/v1/events", body = json.encode { type = script.type, a = 1 } }
  end)
  local after = figures(server, script)
  script.figures = after
  local refused = reply.status == 400 and json.decode(reply.body).rejected[1].error
  assert(reply.status == 200 or refused, script.name .. ": answered with " .. reply.status .. " " .. reply.body)
  local calls = after.calls - before.calls
  assert(calls > 0, script.name .. ": it was not called")
  local late = took - calls * call_ms
  assert(late <= calls * LATE_MS, ("%s: %.1f ms for %d calls of %d ms"):format(script.name, took, calls, call_ms))
  script.cuts, script.errors, script.refused = after.cuts - before.cuts, after.errors - before.errors, refused
  if script.expect:find "^cut" then assert(script.cuts + script.errors > 0, script.name .. ": it was not cut off") end
  if script.expect:find "^filter" then assert(refused, script.name .. ": its record was not refused") end
  return math.max(late, 0)
end

-- Each offence is in the log, with the script and the line where it was.
local function check_log(server, scripts)
  local cut, failed = {}, {}
  for _, line in ipairs(server:log()) do
    if line.msg:find "was cut off$" and line.at then cut[line.script] = line.at end
    if line.msg:find "failed$" and line.handler and line.error then failed[line.script] = line.handler end
    if line.msg:find "^a filter failed" then cut[line.script], failed[line.script] = line.filter, line.filter end
  end
  for _, s in ipairs(scripts) do
    if s.cuts and s.cuts > 0 then assert((cut[s.path] or ""):find "%.lua:%d+$", s.name .. ": the log does not say where it was cut off") end
    if s.errors and s.errors > 0 then assert((failed[s.path] or ""):find "%.lua:%d+$", s.name .. ": the log does not say where it failed") end
  end
end

-- One after the other beside the good script: with their timers until two ticks have passed, or refused.
local function one_by_one(server, scripts, load_ms)
  local refused = 0
  for _, s in ipairs(scripts) do
    server:write_script("metrics/" .. s.name, s.text)
    local reply = server:reload()
    if s.expect:find "^refused" then
      local message = json.decode(reply.body).error.message
      assert(reply.status == 422 and message:find(s.path, 1, true), s.name .. ": " .. reply.status .. " " .. message)
      refused = refused + 1
    else
      assert(reply.status == 200, s.name .. ": " .. reply.body)
      local from = figures(server, s).calls
      moongate.wait_until(function() return figures(server, s).calls >= from + 2 end, 20, s.name .. "'s timer")
      local f = figures(server, s)
      s.cuts, s.errors = f.cuts, f.errors
    end
    server:remove_script("metrics/" .. s.name)
  end
  assert(server:reload().status == 200 and load_ms)
  return refused
end

local function split(scripts)
  local together, apart = {}, {}
  for _, s in ipairs(scripts) do
    local list = (s.timer or s.expect:find "^refused") and apart or together
    list[#list + 1] = s
  end
  return together, apart
end

row {
  number = 24, name = "runaway scripts in the real gateway",
  short = { rounds = 1, call_ms = 10, load_ms = 30, memory_mb = 8, apart = 6 },
  long = { rounds = 10, call_ms = 100, load_ms = 1000, memory_mb = 8, apart = math.huge },
  run = function(p)
    local scripts = read_corpus()
    local together, apart = split(scripts)
    local files = { ["metrics/zz_good.lua"] = feeder.script }
    for _, s in ipairs(together) do files["metrics/" .. s.name] = s.text end
    local server = moongate.start { scripts = files, conf_files = modules,
      conf = { limits = { call_ms = p.call_ms, load_ms = p.load_ms, memory_mb = p.memory_mb, strikes = 1000 } } }
    local pid, clock = server.process.pid, threads.of(server)
    local feed = feeder.start(server)
    local worst, worst_name = 0, "none"
    for _ = 1, p.rounds do
      for _, s in ipairs(together) do
        local late = provoke(server, clock, s, p.call_ms)
        if late > worst then worst, worst_name = late, s.name end
      end
    end
    check_log(server, together)
    for _, s in ipairs(together) do server:remove_script("metrics/" .. s.name) end
    local some = {}
    for i, s in ipairs(apart) do if i % math.max(1, math.floor(#apart / p.apart)) == 0 then some[#some + 1] = s end end
    local refused = one_by_one(server, some, p.load_ms)
    check_log(server, some)
    local sent = feed:finish()
    assert(server.process:poll() == nil and server.process.pid == pid, "it did not live through")
    server:stop()
    return ("%d scripts x %d, at most %.1f ms late (%s), %d refused at load, %d of %d events beside them counted, 0 crashes"):format(
      #together + #some, p.rounds, worst, worst_name, refused, sent, sent)
  end,
}
