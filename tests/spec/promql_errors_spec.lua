-- What is no PromQL is refused in the words and at the place in which Debian's Prometheus refuses it: expressions, and the same with words altered by a
-- seed.
--
-- That is 2.42, so what 3 says otherwise is kept out of them: durations alone and reckoned with, numbers in ranges, names in quotes, start(), end(),
-- step() and range() as functions, info, limitk and limit_ratio, fill, anchored and smoothed, words in brackets, metrics' names (with a colon) as
-- labels, the text of an @ that cannot be there ("<Item 57385>"), and what a regular expression lacks, which RE2 says in its own words.
local moongate = require "tests.spec.support.moongate"
local json = require "cjson"
local prometheus = require "tests.spec.support.prometheus"

local expressions = {
  "1", "-1", "0x1F", "1.5e9", "NaN", "+Inf", "'a'", [["\x41\n\u00e9"]], "`a\\b`", "foo", "foo:bar", "sum", "offset",
  [[foo{a="b",c!="d",e=~"f.*",g!~"h|i",}]], [[{__name__="foo",bar=~".+"}]],
  "foo offset 5m", "foo offset -1h30m", "foo @ 1609746000.5", "foo @ -100", "foo[5m]", "foo[5m] offset 1w", "foo[1h:5m]",
  "foo[1h:] offset 1d", "-foo", "+foo ^ 2", "foo + bar * baz - qux / quux % corge", "foo ^ bar ^ baz", "foo == bool 1",
  "foo > on (a, b) bar", "foo <= bool ignoring (a) group_left (b, c) bar", "foo * on (a) group_right bar",
  "foo and on () bar or baz unless ignoring (x) qux",
  "sum (foo)", "sum by (a, b) (foo)", "sum (foo) without (a,)", "topk (3, foo)", "quantile by (a) (0.9, foo)",
  [[count_values ("v", foo)]], "avg (max by (a) (foo)) > 1 and bar",
  "rate (foo [5m])", "histogram_quantile (0.9, sum by (le) (rate (foo_bucket [5m])))", [[label_replace (foo, "a", "$1", "b", "(.*)")]],
  [[label_join (foo, "a", ",", "b", "c")]], "time ()", "hour ()", "clamp (foo, 1, 2)", "round (foo, 5)",
  "absent_over_time (foo [5m])", "max_over_time (rate (foo [5m]) [1h:1m])", "scalar (foo) + vector (1)",
  "(foo + bar) [5m:1m]", "predict_linear (foo [1h], 3600)", "# a comment\nfoo\n  +\nbar", "((foo))", "- (foo or bar)",
}

local words = {
  "(", ")", "{", "}", ",", "=", "==", "!=", "=~", "!~", "by", "on", "sum", "rate", "foo", "1", "offset", "bool", "-", "+", "*", "^", "and", "or",
  "group_left", "without", "ignoring", "inf", "'", '"', "count_values", "<", "!", "\n", "&", "unless", "topk", "nothing", "0x", "1_", "[", "]",
}

-- A generator of Park and Miller: the same numbers everywhere.
local seed = 20231114
local function draw(below)
  seed = seed * 16807 % 2147483647
  return seed % below + 1
end

-- Words of an expression; brackets and strings are one.
local function split(text)
  local parts, at = {}, 1
  while at <= #text do
    local _, stop = text:find("^%[[^%]]*%]", at)
    if not stop then _, stop = text:find('^"[^"]*"', at) end
    if not stop then _, stop = text:find("^#[^\n]*\n", at) end
    if not stop then _, stop = text:find("^[%w_:.@]+", at) end
    stop = stop or at
    parts[#parts + 1] = text:sub(at, stop)
    at = stop + 1
  end
  return parts
end

local function alter(text)
  local parts = split(text)
  for _ = 1, draw(3) do
    local at, how = draw(#parts), draw(3)
    if how == 1 then
      parts[at] = " " .. words[draw(#words)] .. " "
    elseif how == 2 then
      table.insert(parts, at, " " .. words[draw(#words)] .. " ")
    elseif #parts > 1 then
      table.remove(parts, at)
    end
  end
  return table.concat(parts)
end

-- What 3 says otherwise.
local function is_of_3(text)
  if not text:find("[^%s]") or text:find("_[%s%d]") or text:find("=~[^|]*[%(%[]") then return true end
  for inside in text:gmatch("%[([^%]]*)") do
    if not inside:find("^%s*%d+[smhdwy]?$") and not inside:find("^%d+[smhdwy]:?%d*[smhdwy]?$") then return true end
  end
  -- A duration behind all but `offset`, a number there; strings in braces or among labels.
  local bare = text:gsub("%b[]", ""):gsub("%f[%w]offset%s*%-?%s*%d+[smhdw]%d*[smhdw]?", "")
  if bare:find("%d[smhdwy]") or bare:find("offset%s*[%-+]?%s*[%d.]") or bare:find("[{,]%s*[\"'`]") then return true end
  return bare:find("%f[%w](on|by)") ~= nil or text:find("[%(,]%s*foo:bar") ~= nil
end

local function escape(text)
  return (text:gsub("[^%w]", function(c) return ("%%%02X"):format(c:byte()) end))
end

describe("PromQL's errors", function()
  local server, peer, theirs_at

  setup(function()
    server = moongate.start { scripts = {} }
    peer = prometheus.start(server.dir, "global: {}\n")
    theirs_at = peer:connect()
  end)

  teardown(function()
    theirs_at:close()
    peer:stop()
    server:stop()
  end)

  local headers = { ["Content-Type"] = "application/x-www-form-urlencoded" }

  local function theirs(expression)
    local body = "time=0&query=" .. escape(expression)
    local answer = json.decode(theirs_at:request { method = "POST", path = "/api/v1/query", headers = headers, body = body }.body)
    if answer.errorType ~= "bad_data" then return "it is one" end
    local error = answer.error:gsub('^invalid parameter "query": ', "")
    return (error:gsub("in offset, expected duration$", "in offset, expected number, duration, step(), or range()"))
  end

  local function ours(connection, expression)
    local reply = connection:request { method = "POST", path = "/api/v1/query_exemplars", headers = headers,
      body = "query=" .. escape(expression) }
    return reply.status == 200 and "it is one" or json.decode(reply.body).error
  end

  it("are those of Prometheus", function()
    local connection, differ, refused = server:connect(), {}, 0
    local function compare(expression)
      local wanted, got = theirs(expression), ours(connection, expression)
      if wanted ~= "it is one" then refused = refused + 1 end
      if wanted ~= got and not wanted:find("<Item ", 1, true) then
        differ[#differ + 1] = ("%q\n  wanted %s\n  got    %s"):format(expression, wanted, got)
      end
    end
    for _, expression in ipairs(expressions) do compare(expression) end
    assert.equal(0, refused)
    local tried = 0
    while tried < 1000 do
      local expression = alter(expressions[draw(#expressions)])
      if not is_of_3(expression) then
        compare(expression)
        tried = tried + 1
      end
    end
    connection:close()
    assert.equal("", table.concat(differ, "\n"))
    assert.is_true(refused > 500, refused)
  end)
end)
