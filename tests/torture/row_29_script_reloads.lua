-- Row 29. Reloads that must fail (broken, looping, huge, conflicting) again and again in the real gateway, while events go on being posted: each is refused with a sentence that
-- names the script, in its time; the old scripts serve, exactly; and the process does not grow.
local row = require "tests.torture.support.row"
local moongate = require "tests.spec.support.moongate"
local feeder = require "tests.torture.support.feeder"
local json = require "cjson"

local LEAK_KIB = 1024

-- By name: what is written to scripts/metrics/bad.lua, and a part of the sentence that refuses it.
local function bad_scripts()
  local long = {}
  for i = 1, 20000 do long[i] = ("local function f%d(a, b) return { a = a, b = b, %d } end"):format(i, i) end
  local metrics = {}
  for i = 1, 1100 do metrics[i] = ("counter 'many_%d_total' {}"):format(i) end
  return {
    { "syntax", "local x = \n\n= 3", "bad%.lua:3" },
    { "error", "\nerror 'broken on purpose'", "bad%.lua:2: broken on purpose" },
    { "error without place", "error({})", "bad%.lua: the error is no text" },
    { "loop", "local n = 0\nwhile true do n = n + 1 end", "bad%.lua:2: loading scripts/metrics/bad%.lua takes longer" },
    { "loop in pcall", "while true do pcall(function() while true do end end) end", "takes longer" },
    { "pattern", "(('a'):rep(65536)):find('.-.-.-b')", "takes longer" },
    { "memory", "local t = {}\nfor i = 1, 1e9 do t[i] = { i } end", "loading scripts/metrics/bad%.lua takes" },
    { "kept names", "while true do pcall(function() counter(('x'):rep(100000)) {} end) end", "bad%.lua" },
    { "over 1 MiB", "--" .. ("x"):rep(1024 * 1024), "more than 1024 KiB" },
    { "long and then broken", table.concat(long, "\n") .. "\nerror 'at the end'", "bad%.lua" },
    { "too many metrics", table.concat(metrics, "\n"), "more than 1024 metrics" },
    { "other type", "gauge 'good_total' {}", "good_total" },
    { "other labels", "counter 'good_total' { labels = { 'a' } }", "good_total" },
    { "type of a running metric", "gauge 'good_sum' {}", "good_sum" },
    { "bytecode", "\27LJ\2\2", "bytecode" },
    { "no module", "require 'nothing'", "there is no module" },
    { "itself again", "require 'circle_a'", "modules require each other" },
    { "no table", "counter 'waits_total'", "wants a table" },
    { "too many handlers", "for i = 1, 2000 do on('x', print) end", "more than 1024" },
    { "yield", "coroutine.yield()", "yield" },
  }
end

local function resident_kib(server)
  return tonumber(moongate.read_file("/proc/" .. server.process.pid .. "/status"):match("VmRSS:%s*(%d+)"))
end

row {
  number = 29, name = "broken, looping and huge reloads",
  short = { reloads = 60, warm = 40, load_ms = 10 },
  long = { reloads = 500, warm = 100, load_ms = 100 },
  run = function(p)
    local circle = { ["circle_a.lua"] = "return require 'circle_b'", ["circle_b.lua"] = "return require 'circle_a'" }
    local server = moongate.start { conf = { limits = { load_ms = p.load_ms } }, conf_files = circle,
      scripts = { ["metrics/zz_good.lua"] = feeder.script } }
    local feed = feeder.start(server)
    local bad = bad_scripts()
    local function reload(i)
      local name, text, sentence = unpack(bad[i % #bad + 1])
      server:write_script("metrics/bad.lua", text)
      local reply = server:reload()
      local message = reply.status == 422 and json.decode(reply.body).error.message
      assert(message, name .. ": answered with " .. reply.status .. " " .. reply.body)
      -- On a busy machine the time may be over before what was to be refused is reached.
      assert(message:find(sentence) or message:find "takes longer", name .. ": refused with " .. message)
      assert(message:find("scripts/metrics/", 1, true), name .. ": which script? " .. message)
    end
    -- What malloc keeps of a bomb of 32 MiB comes and goes; the least of a round of all kinds shows what stays.
    local function least(from, to)
      local kib = math.huge
      for i = from, to do
        reload(i)
        if i > to - #bad then kib = math.min(kib, resident_kib(server)) end
      end
      return kib
    end
    local before = least(1, p.warm)
    local grown = least(p.warm + 1, p.warm + p.reloads) - before
    assert(grown < LEAK_KIB, ("%d KiB more after %d reloads, which is a leak"):format(grown, p.reloads))
    assert(server:request { path = "/ready" }.status == 200)
    local sent, slowest = feed:finish()
    local metrics = server:metrics()
    assert(metrics:get("moongate_reloads_total", {}) == 1, "a script that is bad was swapped in")
    server:remove_script("metrics/bad.lua")
    assert(server:reload().status == 200, "a good reload is refused after the bad ones")
    server:stop()
    local figure = "%d refused reloads of %d kinds, %d KiB more; %d of %d events counted meanwhile, slowest %.0f ms"
    return figure:format(p.reloads, #bad, grown, sent, sent, slowest)
  end,
}
