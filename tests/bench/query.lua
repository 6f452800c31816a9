-- make bench-query: the same questions to moongate, Debian's VictoriaMetrics and Debian's Prometheus, which hold the same series; CPU milliseconds of the server
-- process a question, and wall time, the median of several. Run from the repository's root: luajit tests/bench/query.lua [moongate|victoria|prometheus…]
--
-- Series are those of a fleet of agents, 56 of each, 75 minutes of them 15 s apart. BENCH_AGENTS (357: 19,992 series, of which 12,852 are buckets) scales it;
-- BENCH_QUESTIONS (30) is how often each question is asked at most: less often where three seconds are over before.
package.path = "./?.lua;" .. package.path
local moongate = require "tests.spec.support.moongate"
local servers = require "tests.bench.support.servers"
local json = require "cjson"
local socket = require "socket"

local AGENTS = tonumber(os.getenv("BENCH_AGENTS") or "357")
local TIMES = tonumber(os.getenv("BENCH_QUESTIONS") or "30")
local ROUNDS, SECONDS = 300, 3
local PUSH = (os.getenv("BENCH_BUILD") or "build") .. "/tests/bench_push"

local questions = {
  { "rate of buckets, by agent, 60 steps", "sum by (agent_id) (rate(agent_step_seconds_bucket[5m]))", range = true },
  { "rate of 4,998 counters, 60 steps", 'sum by (agent_id) (rate({__name__=~"agent_.+_total|agent_step_seconds_count"}[5m]))', range = true },
  { "quantile of all buckets, now", "histogram_quantile(0.95, sum by (le) (rate(agent_step_seconds_bucket[5m])))" },
  { "topk of 1,428 counters, now", "topk(10, rate(agent_tokens_total[5m]))" },
  { "one series, 60 steps", 'rate(agent_errors_total{agent_id="agent-00017"}[5m])', range = true },
}

local function escape(text)
  return (text:gsub("[^%w]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function ask(connection, q, now)
  local path = q.range and ("/api/v1/query_range?query=%s&start=%d&end=%d&step=60"):format(escape(q[2]), now - 3540, now)
    or ("/api/v1/query?query=%s&time=%d"):format(escape(q[2]), now)
  local before = socket.gettime()
  local reply = connection:request { path = path .. "&nocache=1" }
  local wall = socket.gettime() - before
  assert(reply.status == 200, reply.body)
  return wall, reply.body
end

-- How many series and values an answer has: those who are compared have answered the same.
local function size(body)
  local series, values = 0, 0
  for _, s in ipairs(json.decode(body).data.result) do
    series = series + 1
    values = values + (s.values and #s.values or 1)
  end
  return series, values
end

-- CPU nanoseconds of all threads so far: clock ticks are too coarse for a question of half a millisecond.
local function cpu_ns(pid)
  local sum = 0
  for line in moongate.sh(("cat /proc/%d/task/*/schedstat"):format(pid)):gmatch("[^\n]+") do sum = sum + tonumber(line:match("^%d+")) end
  return sum
end

local function measure(server, connection, q, now)
  local walls, _, body = {}, ask(connection, q, now)
  local begun, before = socket.gettime(), cpu_ns(server.pid)
  while #walls < TIMES and (#walls < 3 or socket.gettime() - begun < SECONDS) do walls[#walls + 1] = ask(connection, q, now) end
  local cpu = (cpu_ns(server.pid) - before) / #walls / 1e6
  table.sort(walls)
  return cpu, walls[math.ceil(#walls / 2)] * 1000, size(body)
end

local function push(server, options)
  local output, code = moongate.sh(("%s --port %d --named 1 %s"):format(PUSH, server.port, options))
  assert(code == 0, output)
end

local function run(start, report)
  local dir = moongate.process.temporary_dir()
  local server = start(dir)
  push(server, ("--agents %d --rounds %d --a-request 20 --ago 30"):format(AGENTS, ROUNDS))
  local now = os.time() - 30
  socket.sleep(2) -- VictoriaMetrics shows samples a second after it has taken them
  local connection = moongate.connect("127.0.0.1:" .. server.port)
  for i, q in ipairs(questions) do report(i, measure(server, connection, q, now)) end
  connection:close()
  report("memory", servers.peak_mib(server.pid))
  server.stop()
  os.execute("rm -rf " .. dir)
end

local wanted = {}
for _, name in ipairs(arg) do wanted[name] = true end

local ok, why = pcall(function()
  print(("%d series, %d samples of each"):format(AGENTS * 56, ROUNDS))
  print(("%-38s %-12s %10s %10s %8s %8s"):format("question", "server", "CPU ms", "wall ms", "series", "values"))
  local rows = {}
  for _, server in ipairs(servers.all) do
    if #arg == 0 or wanted[server[1]] then
      run(server[2], function(i, ...) rows[#rows + 1] = { i, server[1], ... } end)
    end
  end
  for i, q in ipairs(questions) do
    for _, r in ipairs(rows) do
      if r[1] == i then print(("%-38s %-12s %10.2f %10.2f %8d %8d"):format(q[1], r[2], r[3], r[4], r[5], r[6])) end
    end
  end
  for _, r in ipairs(rows) do
    if r[1] == "memory" then print(("%-38s %-12s %10.1f MiB"):format("memory at most", r[2], r[3])) end
  end
end)
moongate.cleanup()
if not ok then error(why, 0) end
