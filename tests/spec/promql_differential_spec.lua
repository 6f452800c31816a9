-- The same samples, by remote_write, in moongate and in Debian's Prometheus; the same questions to both, made by a seed; the same answers, series by series and number
-- by number.
--
-- PROMQL_QUESTIONS and PROMQL_SEED ask more, and others.
--
-- That one is 2.42. Where Prometheus 3 answers otherwise, so does moongate, and the questions keep clear of it:
--   ranges and look-back     3 leaves their left end out. Samples lie 7 ms behind whole seconds, no step lies on a multiple of a subquery's step, and
--                            no subquery in another one, so that nothing lies on an end
--   rate() near zero         3 looks first how far away the window's start is, and then where the counter was 0. It is asked of counters alone, which
--                            begin high
--   repaired histograms      3 takes small falls between buckets for rounding. Buckets here rise
--   sums                     3 adds up with a correction (Kahan, Neumaier) where 2.42 does not, and knows of infinities there: numbers may differ by
--                            1e-9 of their size; what looks whether such a number is larger than another is not asked, nor are regressions of infinities
--   atan2                    drops the metric's name in 3
--   equal values in topk     which of them are taken is left open. Only values that differ are ranked
--   predict_linear at a      a range that stands still by @ moves on with the steps there, since its offset is reckoned from the first of them;
--   fixed time               its documentation, and moongate, let it stand still
--   stddev, stdvar           of NaN and infinity are NaN in 3. Only values that are finite are asked for
--   count_values             of rounded sums: see sums
--   names                    double_exponential_smoothing is holt_winters there
local moongate = require "tests.spec.support.moongate"
local prometheus = require "tests.spec.support.prometheus"
local remote_write = require "tests.spec.support.remote_write"
local json = require "cjson"

local INTERVAL_MS, SAMPLES = 15000, 400 -- 100 minutes
local QUESTIONS, SEED = tonumber(os.getenv("PROMQL_QUESTIONS") or "600"), tonumber(os.getenv("PROMQL_SEED") or "20241115")
local FORM = { ["Content-Type"] = "application/x-www-form-urlencoded" }

-- A generator of Park and Miller: the same numbers everywhere.
local seed
local function draw(below)
  seed = seed * 16807 % 2147483647
  return seed % below + 1
end

local function pick(list)
  return list[draw(#list)]
end

-- ---- data ----

local STALE = remote_write.double(0x7ff00000, 2)

local function add(all, name, labels, first, last, value)
  local set = { { "__name__", name } }
  for k, v in pairs(labels) do set[#set + 1] = { k, v } end
  table.sort(set, function(a, b) return a[1] < b[1] end)
  local samples = {}
  for i = first, last do
    local v = value(i)
    if v then samples[#samples + 1] = { v, all.base_ms + i * INTERVAL_MS + 7 } end
  end
  all[#all + 1] = { labels = set, samples = samples }
end

local function counter(resets_at)
  local v = 100000 + draw(100000)
  return function(i)
    v = i == resets_at and draw(5) or v + draw(40) - 1
    return v
  end
end

local function gauge(special)
  local v = draw(2000) - 1000 + draw(1000) / 7
  return function(i)
    v = v + (draw(200) - 100) / 3
    if special and i % 97 == 13 then return 0 / 0 end
    if special and i % 113 == 29 then return i % 2 == 0 and math.huge or -math.huge end
    return v
  end
end

local function add_histogram(all, job, path)
  local bounds, each, rows = { "0.1", "0.5", "1", "2.5", "+Inf" }, {}, {}
  for b = 1, #bounds do each[b] = 1000 * b end
  for i = 0, SAMPLES do
    local sum = 0
    rows[i] = {}
    for b = 1, #bounds do
      each[b] = each[b] + draw(9) - 1
      sum = sum + each[b]
      rows[i][b] = sum
    end
  end
  for b, le in ipairs(bounds) do
    add(all, "latency_seconds_bucket", { job = job, path = path, le = le }, 0, SAMPLES, function(i) return rows[i][b] end)
  end
  add(all, "latency_seconds_count", { job = job, path = path }, 0, SAMPLES, function(i) return rows[i][#bounds] end)
  add(all, "latency_seconds_sum", { job = job, path = path }, 0, SAMPLES, counter())
end

local function make_data(base_ms)
  local all = { base_ms = base_ms }
  for _, job in ipairs { "api", "batch" } do
    for instance = 0, 4 do
      for _, code in ipairs { "200", "500" } do
        local first = instance == 3 and 150 or 0
        local last = instance == 4 and 220 or SAMPLES
        local value = counter(instance == 1 and 180 or nil)
        add(all, "requests_total", { job = job, instance = tostring(instance), code = code }, first, last, function(i)
          if i == 220 and instance == 4 then return STALE end
          local v = value(i)
          if instance == 2 and i > 100 and i < 128 then return nil end -- a gap of seven minutes
          return v
        end)
      end
    end
    add(all, "quota", { job = job, team = job == "api" and "web" or "data" }, 0, SAMPLES, gauge())
    for _, path in ipairs { "/", "/grün" } do add_histogram(all, job, path) end
  end
  for room = 1, 6 do
    add(all, "temperature", { room = "r" .. room, floor = tostring(room % 2) }, 0, SAMPLES, gauge(room == 6))
  end
  add(all, "build_info", { job = "api", version = "1.2" }, 0, SAMPLES, function() return 1 end)
  add(all, "build_info", { job = "batch", version = "1.3" }, 0, SAMPLES, function() return 1 end)
  return all
end

-- ---- questions ----

local selectors = {
  "requests_total", 'requests_total{job="api"}', 'requests_total{code!="200"}', 'requests_total{instance=~"[0-2]"}', 'requests_total{job!~"a.*"}',
  "temperature", 'temperature{floor="1"}', 'temperature{room=~"r1|r2|r6"}', "latency_seconds_bucket", 'latency_seconds_count{path="/grün"}', "quota",
  "build_info", 'requests_total{nothing=""}', '{__name__=~"quota|build_info"}', "no_such_metric",
}
local ranges = { "1m", "4m", "5m", "20m", "35s", "1h" }
local offsets = { "", "", "", "", " offset 3m", " offset -2m", " @ end()", " @ start()", " @ %d" }
local over_time = {
  "rate", "increase", "delta", "irate", "idelta", "deriv", "changes", "resets", "avg_over_time", "min_over_time", "max_over_time", "sum_over_time",
  "count_over_time", "stddev_over_time", "stdvar_over_time", "last_over_time", "present_over_time", "absent_over_time",
}
local of_vector = {
  "abs(%s)", "ceil(%s)", "floor(%s)", "exp(%s / 1e6)", "sqrt(%s)", "ln(%s)", "log2(%s)", "log10(%s)", "sgn(%s)", "round(%s)", "round(%s, 7)",
  "clamp(%s, 3, 100000)", "clamp_min(%s, 10)", "clamp_max(%s, 1000)", "timestamp(%s)", "absent(%s)", "-%s", "+%s", "vector(scalar(%s))",
  "sin(%s)", "atan(%s)", "tanh(%s)", "deg(%s)", "rad(%s)",
  "hour(%s)", "minute(%s)", "day_of_week(%s)", "day_of_month(%s)", "days_in_month(%s)", "month(%s)", "year(%s)", "day_of_year(%s)",
  'label_replace(%s, "to", "$1-x", "job", "(a.*)")', 'label_join(%s, "both", "/", "job", "instance")', "sort(%s)", "sort_desc(%s)",
}
local aggregations = { "sum", "min", "max", "avg", "count", "group", "stddev", "stdvar" }
local groupings = { "", " by (job)", " by (job, code)", " without (instance)", " without (instance, code)", " by (nothing)", " by (floor)" }
local arithmetic = { "+", "-", "*", "/", "%", "^", "atan2", "==", "!=", ">", "<", ">=", "<=", "> bool", "== bool", "<= bool" }
local scalars = { "2", "0.5", "-1", "0", "time()", "1e3", "Inf", "NaN", "scalar(quota{job=\"api\"})" }

local vector

local function selector(base_s)
  local text = pick(selectors) .. pick(offsets)
  return (text:gsub("%%d", tostring(base_s + 3000 + draw(600))))
end

local function range_of(base_s, depth)
  if depth > 1 and draw(4) == 1 then
    return ("(%s)[%s:%s]"):format(vector(base_s, depth - 1), pick { "5m", "20m", "10m" }, pick { "1m", "30s", "" })
  end
  local name, modifier = pick(selectors), pick(offsets)
  return (("%s[%s]%s"):format(name, pick(ranges), modifier):gsub("%%d", tostring(base_s + 3000 + draw(600))))
end

local sets = { "and", "or", "unless", "and on (job)", "unless on (job)", "or on (job)" }
local quantile = "histogram_quantile(%s, sum by (le%s) (rate(latency_seconds_bucket[%s])))"

-- Each gets a function that gives an operand, and the time at which the samples begin.
local shapes = {
  function(_, base_s) return selector(base_s) end,
  function(_, base_s, depth) return ("%s(%s)"):format(pick(over_time), range_of(base_s, depth)) end,
  function(_, base_s, depth) return ("%s(%s)"):format(pick(over_time), range_of(base_s, depth)) end,
  function(v) return pick(of_vector):format(v()) end,
  function(v) return ("%s%s (%s)"):format(pick(aggregations), pick(groupings), v()) end,
  function(v) return ("%s%s (%s)"):format(pick(aggregations), pick(groupings), v()) end,
  function(v) return ("quantile%s (%s, %s)"):format(pick(groupings), pick { "0.5", "0.9", "0", "1", "-1", "2" }, v()) end,
  function(v) return ("(%s) %s %s"):format(v(), pick(arithmetic), pick(scalars)) end,
  function(v) return ("%s %s (%s)"):format(pick(scalars), pick { "+", "*", "-", "/", "> bool" }, v()) end,
  function(v) return ("(%s) %s (%s)"):format(v(), pick(arithmetic), v()) end,
  function(v) return ("(%s) %s (%s)"):format(v(), pick(sets), v()) end,
  function(v) return ("sum by (job) (%s) %s on (job) quota"):format(v(), pick { "/", "*", ">", "< bool" }) end,
  function(_, base_s)
    return ("%s %s on (job) group_left (%s) %s"):format(selector(base_s), pick { "*", "+" }, pick { "", "version", "team" },
      pick { "build_info", "quota" })
  end,
  function() return quantile:format(pick { "0.5", "0.95", "0", "1", "-0.1", "1.1" }, pick { "", ", job", ", job, path" }, pick(ranges)) end,
  function() return ("%s%s (%d, temperature{room!=\"r6\"})"):format(pick { "topk", "bottomk" }, pick { "", " by (floor)" }, draw(4)) end,
  function(_, base_s) return ('count_values%s ("v", round(%s))'):format(pick(groupings), selector(base_s)) end,
  function(_, base_s) return ("quantile_over_time(%s, %s)"):format(pick { "0.5", "0.99", "0" }, range_of(base_s, 1)) end,
  function(_, base_s) return ("predict_linear(%s, %d)"):format(range_of(base_s, 1), draw(4000)) end,
  function(_, base_s) return ("double_exponential_smoothing(%s, 0.%d, 0.%d)"):format(range_of(base_s, 1), draw(9), draw(9)) end,
}

function vector(base_s, depth)
  local shape = depth > 1 and pick(shapes) or shapes[draw(2)]
  return shape(function() return vector(base_s, depth - 1) end, base_s, depth)
end

-- What 3 answers otherwise.
local patterns = {
  "predict_linear.*@", "%[[^%]]*:.*%[[^%]]*:", "atan2", "rate%([(tq{]", "increase%([(tq{]", "resets%(%(", "changes%(%(", -- see above
}
local function is_of_3(text)
  for _, pattern in ipairs(patterns) do
    if text:find(pattern) then return true end
  end
  local infinite = false
  for _, pattern in ipairs { "temperature", "quantile", "Inf", "NaN", "scalar", "/", "%^" } do infinite = infinite or text:find(pattern) end
  return infinite and (text:find "std%a+ *[(bw]" or text:find "predict_linear" or text:find "deriv")
end

-- ---- answers ----

local function escape(text)
  return (tostring(text):gsub("[^%w]", function(c) return ("%%%02X"):format(c:byte()) end))
end

local function ask(connection, path, parameters)
  local parts = {}
  for name, value in pairs(parameters) do parts[#parts + 1] = name .. "=" .. escape(value) end
  return json.decode(connection:request { method = "POST", path = "/api/v1/" .. path, headers = FORM, body = table.concat(parts, "&") }.body)
end

local function key(labels)
  local parts = {}
  for name, value in pairs(labels) do parts[#parts + 1] = ("%s=%q"):format(name, value) end
  table.sort(parts)
  return table.concat(parts, ",")
end

-- {series → {time → value as text}}, or what kind of error it is.
local function digest(answer)
  if answer.status ~= "success" then return nil, answer.errorType, answer.error end
  local data, out = answer.data, {}
  if data.resultType == "scalar" then return { [""] = { [tostring(data.result[1])] = data.result[2] } } end
  for _, series in ipairs(data.result) do
    local points = {}
    for _, p in ipairs(series.values or { series.value }) do points[("%.3f"):format(p[1])] = p[2] end
    local name = key(series.metric)
    assert(not out[name], "a series comes twice: " .. name)
    out[name] = points
  end
  return out
end

local function is_near(a, b)
  if a == b then return true end
  local x, y = tonumber(a), tonumber(b)
  if not x or not y then return false end -- NaN, +Inf and -Inf are texts that have to be the same
  return math.abs(x - y) <= 1e-9 * math.max(math.abs(x), math.abs(y)) or math.max(math.abs(x), math.abs(y)) < 1e-12
end

-- What is different, in words; nil: nothing.
local function difference(wanted, got)
  local numbers = 0
  for name, points in pairs(wanted) do
    if not got[name] then return ("no series {%s}"):format(name) end
    for time, value in pairs(points) do
      local ours = got[name][time]
      numbers = numbers + 1
      if not ours then return ("{%s} has no value at %s, wanted %s"):format(name, time, value) end
      if not is_near(value, ours) then return ("{%s} at %s is %s, wanted %s"):format(name, time, ours, value) end
    end
    for time, value in pairs(got[name]) do
      if not points[time] then return ("{%s} has %s at %s, wanted none"):format(name, value, time) end
    end
  end
  for name in pairs(got) do
    if not wanted[name] then return ("a series {%s} too many"):format(name) end
  end
  return nil, numbers
end

describe("PromQL beside Prometheus", function()
  local server, peer, ours, theirs, base_s

  setup(function()
    seed = SEED
    base_s = math.floor(os.time() / 3600) * 3600 - 3 * 3600
    server = moongate.start { scripts = {} }
    peer = prometheus.start(server.dir, "global: {}\n", { "--web.enable-remote-write-receiver" })
    ours, theirs = server:connect(), peer:connect()
    local message = remote_write.message_1(make_data(base_s * 1000))
    for _, connection in ipairs { ours, theirs } do
      local reply = connection:request(remote_write.request(message, 1))
      assert.equal(204, reply.status, reply.body)
    end
  end)

  teardown(function()
    ours:close()
    theirs:close()
    peer:stop()
    server:stop()
  end)

  local function compare(path, parameters, expression)
    parameters.query = expression
    local got, error_type, error_text = digest(ask(ours, path, parameters))
    parameters.query = expression:gsub("double_exponential_smoothing", "holt_winters")
    local wanted, their_type, their_text = digest(ask(theirs, path, parameters))
    if not wanted or not got then
      if their_type == error_type then return nil, 0 end
      return ("ours: %s; theirs: %s"):format(error_text or "no error", their_text or "no error")
    end
    return difference(wanted, got)
  end

  it("gives the same answers", function()
    local differ, numbers, errors = {}, 0, 0
    for i = 1, QUESTIONS do
      local expression
      repeat expression = vector(base_s, 3) until not is_of_3(expression)
      local path, parameters = "query_range", { start = base_s + 37, ["end"] = base_s + 6037, step = pick { "60", "120", "301" } }
      if i % 3 == 0 then path, parameters = "query", { time = base_s + 1237 + 60 * draw(80) } end
      local what, count = compare(path, parameters, expression)
      if what then
        differ[#differ + 1] = ("%s %s\n  %s"):format(path, expression, what)
      else
        numbers = numbers + count
        errors = errors + (count == 0 and 1 or 0)
      end
    end
    assert.equal("", table.concat(differ, "\n"))
    assert.is_true(numbers > 20000, numbers)
    assert.is_true(errors < QUESTIONS / 2, errors)
  end)
end)
