-- Forty questions in PromQL that want more than there is: time, memory, samples, steps. Each ends at query.timeout, or is refused before; memory stays within query.max_bytes for each
-- that runs; and whoever posts events meanwhile hardly notices.
package.path = "./?.lua;" .. package.path
local socket = require "socket"
local json = require "cjson"
local moongate = require "tests.spec.support.moongate"
local load = require "tests.torture.support.load"
local proc = require "tests.torture.support.proc"
local row = require "tests.torture.support.row"

local MIB = 1024 * 1024
local MEMORY = 256 * MIB
local PUSH = (os.getenv("MOONGATE_BIN") or "build/moongate"):gsub("moongate$", "tests/bench_push")
local ALL = '{__name__=~".+"}'

-- Around all there is: a function over a subquery, one in another.
local function subqueries(depth, fn, range, step)
  local text = ALL
  for _ = 1, depth do text = ("%s((%s)[%s:%s])"):format(fn, text, range, step) end
  return text
end

local function repeated(text, between, times)
  local parts = {}
  for i = 1, times do parts[i] = (text:gsub("#", tostring(i))) end
  return table.concat(parts, between)
end

-- One call in another, `depth` of them; # is how deep.
local function calls(name, inside, arguments, depth)
  return (name .. "("):rep(depth) .. inside .. repeated(", " .. arguments .. ")", "", depth)
end

local questions = {}
-- `$` stands for a selector of all series.
local function add(text)
  questions[#questions + 1] = (text:gsub("%$ALL", function() return ALL end))
end

-- Subqueries in subqueries.
add(subqueries(2, "sum_over_time", "2h", "1s"))
add(subqueries(3, "count_over_time", "1h", "1s"))
add(subqueries(8, "max_over_time", "10m", "1s"))
add "quantile_over_time(0.5, ($ALL)[2h:1s])"
add "stddev_over_time((rate($ALL[5m]))[2h:1s])"
add "deriv(($ALL)[2h:1s])"
add "absent_over_time(($ALL)[2h:1s])"
add "sum_over_time((vector(1))[100y:1ms])"
add "max_over_time((time())[1y:1s])"
add "count_over_time((time() * $ALL)[2h:1s])"
add "rate(($ALL)[1h:1s]) / on (agent_id) group_right () sum by (agent_id) (rate(($ALL)[1h:1s]))"
-- Windows that are long and overlap.
add "quantile_over_time(0.5, $ALL[2h])"
add "mad_over_time($ALL[2h])"
add "double_exponential_smoothing($ALL[2h], 0.5, 0.5)"
add "predict_linear($ALL[2h], 1e9)"
add "changes($ALL[2h] @ end()) + resets($ALL[2h] offset -1h)"
add "histogram_quantile(0.9, rate($ALL[2h]))"
-- Groups without number.
add "sum by (agent_id, le, __name__, job) ($ALL)"
add "count_values('v', $ALL)"
add "topk(100000, $ALL)"
add "quantile(0.99, $ALL)"
add "sort($ALL or $ALL)"
add "limit_ratio(0.9, $ALL)"
add "bottomk by (agent_id) (1000, rate($ALL[2h]))"
-- Series against series.
add "$ALL * on () group_left () $ALL"
add "$ALL and on (job) $ALL"
add "$ALL unless on (agent_id) $ALL"
add "$ALL + ignoring (__name__, le) $ALL"
add 'info($ALL, {__name__=~".+"})'
-- Long chains.
add(repeated("$ALL", " or ", 200))
add(repeated("(rate($ALL[#s]))", " or ", 100))
add(repeated("sum(rate($ALL[#m]))", " + ", 120))
add(("("):rep(250) .. "$ALL" .. (")"):rep(250))
add(("-"):rep(250) .. "$ALL")
-- Labels that grow.
add(calls("label_replace", "$ALL", '"l#", "$1$1", "job", "(.*)"', 100))
add(calls("label_join", "$ALL", '"l#", ",", "job", "agent_id", "instance", "__name__"', 60))
add(calls("label_replace", "label_replace(vector(1), 'l', 'xx', '', '')", '"l", "$1$1$1$1", "l", "(.*)"', 30))
add('label_replace(vector(1), "l", "' .. ("x"):rep(200000) .. '", "", "")')
-- Regular expressions.
add('{__name__=~"(a|b|ab|ba)*' .. ("(x?)"):rep(100) .. '.*"}')
add('{job=~"' .. ("(a+)+"):rep(500) .. '$"}')
add('{__name__!~"' .. repeated("agent_#.*", "|", 2000) .. '"}')

local function escape(text)
  return (text:gsub("[^%w]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function request(question, now)
  return { method = "POST", path = "/api/v1/query_range", headers = { ["Content-Type"] = "application/x-www-form-urlencoded" },
    body = ("query=%s&start=%d&end=%d&step=1"):format(escape(question), now - 7200, now) }
end

-- The time until the whole answer is there, and how it ended.
local function ask(connection, question, now)
  local began = socket.gettime()
  local reply = connection:request(request(question, now))
  local ok, answer = pcall(json.decode, reply.body)
  assert(reply.status ~= 200 or (ok and answer.status == "success"), "an answer that is cut off")
  assert(reply.status == 200 or (ok and answer.error and answer.errorType), reply.body)
  return socket.gettime() - began, reply.status == 200 and "answered" or answer.errorType
end

-- What posts of events wait at most, but for one of a hundred, while something is done.
local function p99_while(server, fn)
  local posts = load.start(server, { rate = 2000, total = 1e7, events = 20, connections = 4 })
  fn()
  assert(not posts:is_over(), "the load has ended by itself")
  posts.process:signal("TERM")
  return posts:finish(30).p99_ms
end

-- Asks them all. How they ended, and the longest that one of those took that failed.
local function ask_all(server, now, p)
  local slowest, ended, connection = 0, {}, server:connect()
  for _, question in ipairs(questions) do
    local took, how = ask(connection, question, now)
    assert(took <= p.timeout + p.late or how == "answered", ("%s after %.2f s: %s"):format(how, took, question:sub(1, 200)))
    if how ~= "answered" then slowest = math.max(slowest, took) end
    ended[how] = (ended[how] or 0) + 1
  end
  connection:close()
  local ways = {}
  for how, count in pairs(ended) do ways[#ways + 1] = ("%d %s"):format(count, how) end
  table.sort(ways)
  return slowest, table.concat(ways, ", ")
end

row {
  number = 22,
  name = "forty deadly questions",
  -- Latency is held in the long form alone: elsewhere other work on the machine decides.
  short = { agents = 10, timeout = 0.3, late = 2, seconds = 2, times = 1e9 },
  long = { agents = 36, timeout = 2, late = 0.1, seconds = 60, times = 2 },
  run = function(p)
    local server = moongate.start { env = proc.plain_heap, conf = { query = { timeout = p.timeout } },
      scripts = { ["metrics/load.lua"] = load.script } }
    local arguments = ("--port %s --named 1 --agents %d --rounds 480 --a-request 20 --ago 5"):format(server.addr:match(":(%d+)$"), p.agents)
    local output, code = moongate.sh(PUSH .. " " .. arguments)
    assert(code == 0, output)
    local now = os.time()
    local alone = p99_while(server, function() socket.sleep(p.seconds) end)
    local slowest, ways, beside
    local memory = proc.growth(server.process.pid, function()
      beside = p99_while(server, function() slowest, ways = ask_all(server, now, p) end)
    end)
    local figures = ("%d questions: %s; errors after %.2f s at most, + %.0f MiB; p99 of posts %.1f ms, %.1f alone"):format(#questions, ways, slowest,
      memory / MIB, beside, alone)
    assert(memory <= MEMORY, figures)
    assert(beside <= p.times * math.max(alone, 5), figures)
    assert(server:request { path = "/ready" }.status == 200)
    assert(server:stop() == 0)
    return figures
  end,
}
