-- The command line, as a person types it.
local moongate = require "tests.spec.support.moongate"
local json = require "cjson"

-- Output without the last line end, and exit code.
local function sh(command)
  local text, code = moongate.sh(command)
  text = text:gsub("\n$", "")
  return text, code
end

local function cli(args) return sh(moongate.binary .. " " .. args) end

-- Shows the whole text when it lacks the wanted one.
local function assert_has(wanted, text)
  assert(text:find(wanted, 1, true), ("wanted %q in:\n%s"):format(wanted, text))
end

describe("moongate", function()
  it("lists its commands, and explains each", function()
    local overview, code = cli("help")
    assert.equal(0, code)
    for _, name in ipairs { "run", "check", "demo", "version", "help" } do
      assert_has("\n  " .. name .. " ", overview)
      local text, help_code = cli("help " .. name)
      assert.equal(0, help_code)
      assert_has("Usage: moongate " .. name, text)
      assert.equal(text, (cli("help " .. name)))
    end
    assert.equal(overview, (cli("--help")))
    assert.equal((cli("help run")), (cli("run --help")))
  end)

  it("exits with 2 for wrong usage, and says what was meant", function()
    for args, wanted in pairs {
      [""] = "Usage: moongate <command>",
      ["chekc"] = "there is no command 'chekc'; did you mean 'check'?",
      ["help dmo"] = "there is no command 'dmo'; did you mean 'demo'?",
      ["dashboard"] = "there is no command 'dashboard'",
      ["run --lisen :1"] = "there is no option '--lisen'; did you mean '--listen'?",
      ["run --conf"] = "--conf wants a value",
      ["run x"] = "what is 'x'?",
      ["check --quiet=1"] = "--quiet takes no value",
      ["demo --rate fast"] = "--rate: found 'fast', wanted a number",
      ["demo --rate -1"] = "--rate: found '-1', wanted a number",
      ["demo --start noon"] = "--start: found 'noon', wanted a time",
      ["demo --target ftp://x"] = "--target: ftp://x: wanted a URL",
      ["demo --out file"] = "--out takes '-'",
    } do
      local text, code = cli(args)
      assert.equal(2, code, args)
      assert_has(wanted, text)
    end
  end)

  it("prints its version", function()
    local text, code = cli("version")
    assert.equal(0, code)
    assert.match("^moongate %d+%.%d+%.%d+$", text)
    local all = cli("version --libraries")
    for _, library in ipairs { "LuaJIT", "libuv", "zlib", "zstd" } do assert_has(library, all) end
  end)
end)

describe("moongate check", function()
  local function check(options, args)
    local p = moongate.prepare(options)
    return sh(("cd %s && %s check %s"):format(p.dir, moongate.absolute_binary(), args or ""))
  end

  it("finds nothing wrong with what is shipped", function()
    local text, code = cli("check")
    assert.equal(0, code)
    assert.match("^ok: 8 scripts, %d+ metrics$", text)
    assert.equal("", (cli("check --quiet")))
  end)

  it("counts one script", function()
    local text, code = check { scripts = { ["metrics/a.lua"] = "counter 'a_total' {}" } }
    assert.equal("ok: 1 script, 1 metric", text)
    assert.equal(0, code)
  end)

  it("names file and line of a mistake, and exits with 1", function()
    for _, case in ipairs {
      { "local x = \n\n= 3", "scripts/metrics/a.lua:3: unexpected symbol near '='" },
      { "\ncounter 'bad-name' {}", "scripts/metrics/a.lua:2: " },
      { "\ncounter 'a' { lables = { 'x' } }", "scripts/metrics/a.lua:2: " },
      { "counter 'a_total' {}\n\ngauge 'a_total' {}", "scripts/metrics/a.lua:3: " },
      { "\n\nerror 'no'", "scripts/metrics/a.lua:3: no" },
      { "while true do end", "scripts/metrics/a.lua:1: loading scripts/metrics/a.lua takes longer than it may (1000 ms)" },
    } do
      local text, code = check { scripts = { ["metrics/a.lua"] = case[1] } }
      assert.equal(1, code)
      assert.equal(case[2], text:sub(1, #case[2]))
      assert.is_nil(text:find("\n", 1, true))
    end
    local text, code = check { conf_text = "return {\n  http = { body_byte = 5 } }" }
    assert.equal(1, code)
    assert.equal("conf/moongate.lua:2: http.body_byte: there is no such option; did you mean 'http.body_bytes'?", text)
  end)

  it("runs handlers over events of its own, and finds what they do to ev that they must not", function()
    for script, wanted in pairs {
      ["on('model.call', function(ev)\n  ev.cost = 1\nend)"] =
        "scripts/metrics/a.lua:2: ev.cost: what is written to an event is gone with the next one",
      ["local last\non('*', function(ev)\n  local m = last and last.model\n  last = ev\nend)"] =
        "scripts/metrics/a.lua:3: ev.model: an event is used after its call",
      ["local last\non('tool.call', function(ev) last = ev end)\nevery('90d', function()\n  if last then print(last.tool_name) end\nend)"] =
        "scripts/metrics/a.lua:4: ev.tool_name: an event is used after its call",
      ["local f\non('*', function(ev)\n  if f then f() end\n  f = ev:fields()\nend)"] =
        "scripts/metrics/a.lua:3: ev:fields(): an event is used after its call",
      ["on('*', function(ev) pcall(function()\n  ev.type = 'x' end) end)"] = "scripts/metrics/a.lua:2: ev.type: what is written",
    } do
      local text, code = check { scripts = { ["metrics/a.lua"] = script } }
      assert.equal(1, code, script)
      assert.equal(wanted, text:sub(1, #wanted))
      assert.is_nil(text:find("\n", 1, true), text)
    end
  end)

  it("takes a handler that cannot make sense of those events for one that is made for others", function()
    local text, code = check { scripts = { ["metrics/a.lua"] = [[
local c = counter "c_total" { labels = { "team" } }
local log_of = state "log"
on("model.call", function(ev) c:inc(ev.team:upper()) end)
on("tool.call", function(ev)
  local all = ev:copy()
  all.note = ev["agent_id"] .. tostring(ev:get("status"))
  for name, value in ev:fields() do log_of:set(name, tostring(value)) end
  emit("noted", all.note and { note = all.note })
end)
filter("tool.call", function(ev) ev.note = "filters may write" end)
on("noted", function(ev) c:inc(ev.note) end)
every("10s", function() c:inc("tick") end)]] } }
    assert.equal("ok: 1 script, 1 metric", text)
    assert.equal(0, code)
  end)

  it("runs them over the events that it is given, and reports all that fails", function()
    local p = moongate.prepare { scripts = { ["metrics/a.lua"] = [[
local c = counter "c_total" { labels = { "team" } }
on("x", function(ev) c:inc(ev.team:upper()) end)
filter("y", function(ev) ev.a = {}
  ev.a = ev.b.c end)
on("z", function() while true do end end)]] } }
    local function run(events)
      moongate.write_file(p.dir .. "/events.ndjson", events)
      return sh(("cd %s && %s check --events events.ndjson"):format(p.dir, moongate.absolute_binary()))
    end
    local text, code = run '{"type":"x","team":"a"}\n{"type":"other"}\n'
    assert.equal("ok: 1 script, 1 metric, 2 events", text)
    assert.equal(0, code)
    text, code = run '{"type":"x"}\n{"type":"x","team":"a"}\n{"type":"y"}\n{"type":"z"}\n{"no":"type"}\n{"type":"x"}'
    assert.equal(1, code)
    local lines = {}
    for line in text:gmatch("[^\n]+") do lines[#lines + 1] = line end
    assert.match("^events%.ndjson: event 4: ", lines[1])
    assert.match("^scripts/metrics/a%.lua:4: attempt to index field 'b'", lines[2])
    assert.match("^scripts/metrics/a%.lua:2: attempt to index field 'team'", lines[3])
    assert.match("^scripts/metrics/a%.lua:5: .*longer than a call may", lines[4])
    assert.equal(4, #lines)
    text, code = run "{"
    assert.equal(1, code)
    assert.match("^events%.ndjson: ", text)
    text, code = sh(("cd %s && %s check --events none.ndjson"):format(p.dir, moongate.absolute_binary()))
    assert.equal(1, code)
    assert_has("none.ndjson", text)
  end)

  it("takes other places, and says when they are not there", function()
    local text, code = check({}, "--conf no/such.lua")
    assert.equal(1, code)
    assert_has("no/such.lua", text)
    text, code = check({}, "--scripts nowhere")
    assert.equal(1, code)
    assert_has("nowhere", text)
  end)
end)

describe("moongate demo", function()
  it("prints the same events for the same seed and start", function()
    local options = "demo --out - --seconds 2 --rate 100 --start 2026-01-02T03:04:05Z --seed "
    local one = cli(options .. 7)
    assert.equal(one, (cli(options .. 7)))
    assert.not_equal(one, (cli(options .. 8)))
    local lines = 0
    for line in (one .. "\n"):gmatch("([^\n]*)\n") do
      local event = json.decode(line)
      assert.match("^%l+%.%l+$", event.type)
      assert.match("^2026%-01%-02T03:04:0[56]", event.time)
      lines = lines + 1
    end
    assert.equal(200, lines)
  end)

  it("is counted by the gateway as it says, and a second time not at all", function()
    local server = moongate.start { scripts = { ["metrics/all.lua"] = [[
      local seen = counter "seen_total" { labels = { "kind" } }
      for _, kind in ipairs { "agent.start", "agent.stop", "model.call", "tool.call", "agent.error", "pool.status", "user.active" } do
        on(kind, function() seen:add(1, kind) end)
      end]] } }
    finally(function() server:stop() end)
    local run = ("demo --target http://%s --rate 2000 --seconds 1 --start 2026-01-02T03:04:05Z"):format(server.addr)
    local text, code = cli(run)
    assert.equal(0, code)
    assert_has("sent        2000 events: 2000 accepted, 0 duplicate, 0 failed", text)
    local metrics = server:metrics()
    for kind, count in text:gmatch("\n(%l+%.%l+) +(%d+)") do
      assert.equal(tonumber(count), metrics:get("seen_total", { kind = kind }) or 0, kind)
    end
    text = cli(run)
    assert_has("sent        2000 events: 0 accepted, 2000 duplicate, 0 failed", text)
  end)

  it("fails, and says why, when nobody answers", function()
    local server = moongate.start {}
    server:stop()
    local text, code = cli(("demo --target http://%s --rate 0 --seconds 0.1"):format(server.addr))
    assert.equal(1, code)
    assert_has("moongate demo: " .. server.addr .. ": Connection refused", text)
  end)
end)

describe("moongate run", function()
  it("lets flags win over the file", function()
    local p = moongate.prepare { conf = { listen = "127.0.0.1:1", data = "/nowhere", log = { level = "fatal" } },
      args = { "--log-level", "info", "--threads=2" } }
    p:launch()
    finally(function() p:stop() end)
    local line = p:log_find(function(l) return l.msg == "listening" end)
    assert.equal(2, line.threads)
    assert.match("^127%.0%.0%.1:%d+$", line.addr)
  end)

  it("logs to files, and opens them again after SIGHUP", function()
    local p = moongate.prepare { conf = {} }
    local file, errors = p.dir .. "/gateway.log", p.dir .. "/errors.log"
    moongate.write_file(p.dir .. "/conf/moongate.lua", "return " .. moongate.lua_literal {
      journal = { segment_bytes = "1MiB" }, log = { file = file, errors_file = errors } })
    p:write_script("metrics/bad.lua", "on('x', function() error 'on purpose' end)")
    p:launch()
    finally(function() p:stop() end)
    local function post() p:request { method = "POST", path = "/v1/events", body = '{"type":"x"}' } end
    local function has(path, text) return (moongate.read_file(path) or ""):find(text, 1, true) end
    post()
    moongate.wait_until(function() return has(errors, "on purpose") end, 10, "the error in its file")
    assert(has(file, '"msg":"listening"'))
    assert.is_nil(has(errors, '"msg":"listening"'))
    os.rename(file, file .. ".1")
    p:signal("HUP")
    moongate.wait_until(function() return has(file, "SIGHUP") end, 10, "a new file")
    for line in moongate.read_file(file .. ".1"):gmatch("[^\n]+") do
      local entry = json.decode(line)
      assert.match("^%d%d%d%d%-%d%d%-%d%dT", entry.time)
      assert.match("^%l+$", entry.level)
      assert.is_string(entry.msg)
    end
  end)

  it("says how many lines of a kind it left out", function()
    local server = moongate.start { conf = { log = { sample_first = 5, sample_then = 10 } },
      scripts = { ["metrics/bad.lua"] = "on('x', function() error 'on purpose' end)" } }
    finally(function() server:stop() end)
    local events = {}
    for i = 1, 100 do events[i] = { type = "x" } end
    server:request { method = "POST", path = "/v1/events", body = json.encode(events) }
    local shown, left_out = 0, 0
    moongate.wait_until(function()
      shown, left_out = 0, 0
      for _, line in ipairs(server:log()) do
        if (line.error or ""):find("on purpose") then
          shown = shown + 1
          left_out = left_out + (line.sampled or 0)
        end
      end
      return shown >= 14
    end, 10, "the sampled lines")
    assert.is_true(shown < 30)
    assert.is_true(left_out >= 60, left_out .. " left out")
  end)

  it("watches the scripts when told to", function()
    local server = moongate.start { conf = { watch = true }, scripts = { ["metrics/c.lua"] = [[
      local c = counter "c_total" {}
      on("x", function() c:add(1) end)]] } }
    finally(function() server:stop() end)
    local function counted(name)
      server:request { method = "POST", path = "/v1/events", body = '{"type":"x"}' }
      return (server:metrics():get(name) or 0) > 0
    end
    assert.is_true(counted("c_total"))
    server:write_script("metrics/more/d.lua", "local d = counter 'd_total' {} on('x', function() d:inc() end)")
    moongate.wait_until(function() return counted("d_total") end, 10, "a script in a new folder")
    -- An editor's way: a temporary file, then a rename.
    server:write_script("metrics/c.lua.tmp", "local c = counter 'c_total' {} local e = counter 'e_total' {} on('x', function() e:inc() end)")
    os.rename(server.dir .. "/scripts/metrics/c.lua.tmp", server.dir .. "/scripts/metrics/c.lua")
    moongate.wait_until(function() return counted("e_total") end, 10, "the renamed script")
    server:write_script("metrics/c.lua", "local c = \n= 5")
    moongate.wait_until(function()
      return server:log_find(function(l) return (l.error or ""):find("metrics/c%.lua:2: ") end)
    end, 10, "the refusal in the log")
    assert.is_true(counted("e_total"))
  end)
end)
