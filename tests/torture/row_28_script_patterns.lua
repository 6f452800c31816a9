-- Row 28. Patterns as honest scripts use them, and some that are careless, over texts of 64 KB made to be hard for them, in the real gateway: a call that takes too long is cut
-- off at its deadline plus 50 ms of CPU time, but its event is accepted, stays accepted, and what the call had counted before is counted. Beside it events of another script go
-- on, and their sum is exact.
local row = require "tests.torture.support.row"
local moongate = require "tests.spec.support.moongate"
local feeder = require "tests.torture.support.feeder"
local threads = require "tests.torture.support.threads"
local json = require "cjson"

local LATE_MS = 50
local BYTES = 65536

-- As one finds them: trimming, splitting, e-mail addresses, URLs, numbers, quotes, redaction; then those that a hostile line makes cubic.
local patterns = {
  "^%s*(.-)%s*$", "^%s+", "%s+$", "(%S+)%s+(%S+)", "([^,]*),", "[^%s]+@[^%s]+%.[^%s]+", "[%w%.%-_]+@[%w%.%-]+%.%a%a+",
  "https?://[^%s]+", "(%a+)://([^/]+)(/?.*)", "(%d+)%.(%d+)%.(%d+)%.(%d+)", "^(%d%d%d%d)%-(%d%d)%-(%d%d)T", "\"([^\"]*)\"",
  "'(.-)'", "<(.-)>", "%b()", "%b{}", "%[(.-)%]%s*(.*)", "(%w+)=(%w+)", "(%w+)%s*=%s*\"(.-)\"", "^(.-):%s*(.*)$", "(.*)/(.*)",
  "(.*)%.(.*)%.(.*)", "%f[%w]%w+%f[%W]", "^(.*)error(.*)$", "error:%s*(.-)%s*at%s+(.-):(%d+)", "[sk]k%-[%w]+",
  "Bearer%s+([%w%-_%.]+)", "%d%d%d%d%-?%d%d%d%d%-?%d%d%d%d%-?%d%d%d%d",
  "(.-)(.-)(.-)x", ".-.-.-b", "(.*)(.*)(.*)b", "a-a-a-b", "(%w*)(%w*)%1%2z", "%s*%s*%s*x", "(.-)%1%1b", "[%a%d]+[%d%a]+[%w]+!",
}

local function fill(unit)
  return unit:rep(math.ceil(BYTES / #unit)):sub(1, BYTES)
end

local texts = {
  a = fill "a", spaces = fill " ", mixed = fill "a ", digits = fill "1", dots = fill "1.", dashes = fill "2024-", quotes = fill "\"",
  open = fill "(", braces = fill "{[(<", slashes = fill "/a", mail = fill "a.b-c@d", equals = fill "a=", commas = fill ",",
  url = fill "http://", errors = fill "error: at ", key = fill "sk-", lines = fill "x\n", utf8 = fill "é",
}

local script = [[
local patterns, seen, done = { %s }, counter "pattern_seen_total" { labels = { "use" } }, counter "pattern_done_total" { labels = { "use" } }
local uses = {
  find = function(s, p) return s:find(p) end,
  match = function(s, p) return s:match(p) end,
  gsub = function(s, p) return s:gsub(p, "") end,
  gmatch = function(s, p) for _ in s:gmatch(p) do end end,
}
on("text", function(ev)
  seen:inc(ev.use)
  uses[ev.use](ev.text, patterns[ev.pattern])
  done:inc(ev.use)
end)
]]

-- Every combination of pattern, text and use, or each nth.
local function combinations(each)
  local list, n = {}, 0
  local names = {}
  for name in pairs(texts) do names[#names + 1] = name end
  table.sort(names)
  for pattern = 1, #patterns do
    for _, text in ipairs(names) do
      for _, use in ipairs { "find", "match", "gsub", "gmatch" } do
        n = n + 1
        if n % each == 0 then list[#list + 1] = { pattern = pattern, text = text, use = use } end
      end
    end
  end
  return list
end

row {
  number = 28, name = "common patterns on hostile texts",
  short = { each = 23, call_ms = 10 },
  long = { each = 1, call_ms = 100 },
  run = function(p)
    local quoted = {}
    for i, pattern in ipairs(patterns) do quoted[i] = ("%q"):format(pattern) end
    local server = moongate.start { conf = { limits = { call_ms = p.call_ms, strikes = 1000 } },
      scripts = { ["metrics/patterns.lua"] = script:format(table.concat(quoted, ", ")), ["metrics/zz_good.lua"] = feeder.script } }
    local feed = feeder.start(server)
    local c, clock = server:connect(), threads.of(server)
    local posted, worst, reloads = {}, 0, 0
    local all = combinations(p.each)
    for i, combination in ipairs(all) do
      local body = json.encode { type = "text", use = combination.use, pattern = combination.pattern, text = texts[combination.text] }
      local what = ("%s of %q over %s"):format(combination.use, patterns[combination.pattern], combination.text)
      local spent, reply = clock:spent(function() return c:request { method = "POST", path = "/v1/events", body = body } end)
      local late = spent - p.call_ms
      assert(reply.status == 200 and json.decode(reply.body).accepted == 1, what .. ": " .. reply.status .. " " .. reply.body)
      assert(late <= LATE_MS, ("%s: %.1f ms after its deadline"):format(what, late))
      worst = math.max(worst, late)
      posted[combination.use] = (posted[combination.use] or 0) + 1
      if i % 300 == 0 then -- more cuts in a minute than a conf can allow: a reload forgets them
        assert(server:reload().status == 200)
        reloads = reloads + 1
      end
    end
    c:close()
    local sent = feed:finish()
    local metrics = server:metrics()
    local cut = 0
    for use, n in pairs(posted) do
      local seen, done = metrics:get("pattern_seen_total", { use = use }), metrics:get("pattern_done_total", { use = use })
      assert(seen == n, ("%s: %d events were accepted and %s counted"):format(use, n, seen))
      cut = cut + n - (done or 0)
    end
    local cuts = metrics:get("moongate_script_cuts_total", { script = "scripts/metrics/patterns.lua" })
    assert(reloads > 0 or cuts == cut, "calls were lost in some other way than by a cut")
    assert(cut > 0, "no text was hard enough")
    server:stop()
    local figure = "%d patterns on 18 texts of 64 KB: %d events kept and counted, %d calls cut off, at most %.1f ms late; %d of %d events beside"
    return figure:format(#patterns, #all, cut, worst, sent, sent)
  end,
}
