-- JSON that is deep, dense, wide or wrong: 400 or 413, in memory of at most eight times the body.
package.path = "./?.lua;" .. package.path
local json = require "cjson"
local moongate = require "tests.spec.support.moongate"
local proc = require "tests.torture.support.proc"
local row = require "tests.torture.support.row"

local MIB = 1024 * 1024
local TIMES = 8
local FLOOR = MIB -- what a small body may take: buffers have a least size

local function event(fields)
  return '{"type":"x",' .. fields .. "}"
end

-- `text` again and again, with commas between, about `bytes` long in all.
local function list(text, bytes)
  return (text .. ","):rep(math.floor(bytes / (#text + 1)) - 1) .. text
end

local function numbered(count, format)
  local parts = {}
  for i = 1, count do parts[i] = format:gsub("#", tostring(i)) end
  return table.concat(parts, ",")
end

-- Bodies of up to `size` bytes.
local function large(size)
  local deep = 100000
  local all = {
    { "arrays 100,000 deep", event('"a":' .. ("["):rep(deep) .. ("]"):rep(deep)) },
    { "arrays 100,000 deep, cut off", event('"a":' .. ("["):rep(deep)) },
    { "objects 100,000 deep", event('"a":' .. ('{"a":'):rep(deep) .. "0" .. ("}"):rep(deep)) },
    { "arrays as deep as the body is long", ("["):rep(size) },
    { "objects as deep as the body is long", ('{"a":'):rep(size / 5) },
    { "200,000 keys", event(numbered(200000, '"k#":0')) },
    { "200,000 keys in an object", event('"a":{' .. numbered(200000, '"k#":0') .. "}") },
    { "the same key 200,000 times", event(list('"k":0', 200000 * 6)) },
    { "events of a key each, 200,000 of them", "[" .. numbered(200000, '{"type":"x","k#":0}') .. "]", 413 },
    { "200,000 events", "[" .. numbered(200000, '{"type":"x"}') .. "]", 413 },
    { "200,000 lines", ('{"type":"x"}\n'):rep(200000), 413 },
    { "events without end that are none", "[" .. list("0", size) .. "]", 413 },
    { "lines without end that are none", ("0\n"):rep(size / 2) },
    { "lines of braces", ("{\n"):rep(size / 2), 413 },
    { "a string", event('"a":"' .. ("a"):rep(size - 100) .. '"') },
    { "a string of escapes", event('"a":"' .. ("\\u0061"):rep((size - 100) / 6) .. '"') },
    { "a key", event('"' .. ("a"):rep(size - 100) .. '":0') },
    { "a key of escapes", event('"' .. ("\\u0061"):rep((size - 100) / 6) .. '":0') },
    { "a type", '{"type":"' .. ("a"):rep(size - 100) .. '"}' },
    { "a number", event('"a":' .. ("9"):rep(size - 100)) },
    { "a number's fraction, and no end of it", event('"a":0.' .. ("1"):rep(size - 100) .. "x") },
    { "an exponent", event('"a":1e' .. ("9"):rep(size - 100)) },
    { "spaces", (" "):rep(size) },
    { "line ends", ("\n"):rep(size) },
    { "quotes", ('"'):rep(size) },
    { "backslashes", event('"a":"' .. ("\\"):rep(size - 101) .. '"') },
    { "commas", "[" .. (","):rep(size - 2) .. "]" },
    { "colons", "{" .. (":"):rep(size - 2) .. "}" },
    { "zeros that are NUL", ("\0"):rep(size) },
    { "one byte over the limit", (" "):rep(16 * MIB + 1), 413 },
  }
  for _, item in ipairs { "0", "1.5", "[]", "{}", '""', "null", '{"a":0}', "[0]", '"\\n"' } do
    all[#all + 1] = { "an array of " .. item, event('"a":[' .. list(item, size - 100) .. "]") }
    all[#all + 1] = { "100,000 events that are " .. item, "[" .. list(item, 100000 * (#item + 1)) .. "]" }

    -- As many as an event may have, in as many events as fit: each is refused at its end.
    all[#all + 1] = { "events with arrays of " .. item,
      "[" .. list('{"a":[' .. list(item, 500 * (#item + 1)) .. "]}", size - 100) .. "]" }
  end
  return all
end

-- What is no JSON, or no event, in few bytes: all of it is refused.
local function small()
  local all = {}
  local function add(name, body) all[#all + 1] = { name, body } end
  for _, number in ipairs { "1e999", "-1e999", "1e99999999999999999999", "123456789e301" } do
    add("the number " .. number, event('"a":' .. number))
  end
  for _, number in ipairs { "NaN", "Infinity", "-Infinity", "-", "+1", ".5", "1.", "01", "-01", "0x1", "1e", "1e+", "1_0", "1,", "--1",
    "0.1.2", "1 2" } do
    add("no number " .. number, event('"a":' .. number))
  end
  for _, word in ipairs { "tru", "True", "nul", "None", "undefined", "'a'", "a", "//", "/**/0", "0//", "" } do
    add("no value " .. word, event('"a":' .. word))
  end
  local bad = { "\128", "\191", "\192\128", "\193\191", "\194", "\195a", "\224\128\128", "\224\159\191", "\225\128", "\237\160\128", "\237\191\191",
    "\240\128\128\128", "\240\143\191\191", "\240\144\128", "\244\144\128\128", "\245\128\128\128", "\248\136\128\128\128", "\254", "\255" }
  for _, bytes in ipairs(bad) do
    local shown = bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end)
    add("bad UTF-8 in a value: " .. shown, event('"a":"x' .. bytes .. '"'))
    add("bad UTF-8 in a key: " .. shown, event('"a' .. bytes .. '":0'))
    add("bad UTF-8 in an event that is refused: " .. shown, '{"a":"x' .. bytes .. '"}')
  end
  for _, text in ipairs { "\\ud800", "\\udc00", "\\ud800\\ud800", "\\udfff\\ud800", "\\ud800x", "\\u12", "\\u12g4", "\\x41", "\\", "\\u",
    "\\'", "\0", "\1", "\31", "\n", "\t" } do
    add(("the string %q"):format(text), event('"a":"' .. text .. '"'))
    add(("the key %q"):format(text), event('"' .. text .. '":0'))
  end
  for _, tail in ipairs { "x", ",", "}", "]", "{}", "[]", "0", "\0", "\255", '"', " x", '{"type":"x"', "//" } do
    add(("bytes behind an array: %q"):format(tail), '[{"type":"x"}]' .. tail)
    add(("bytes behind an event on its line: %q"):format(tail), '{"type":"x"}' .. tail)
  end
  for _, body in ipairs { "", " ", "\239\187\191", "[", "{", "[]x", "[,]", "[{}", '[{"type":"x"},]', '{"type":"x",}', "{,}", '{"type"}',
    '{"type":}', '{"type" "x"}', '{type:"x"}',
    "null", "true", "0", '"x"', "[null]", "[[]]", "[0]", "{}", "[{}]", '{"type":""}', '{"type":5}', '{"type":null}', '{"type":["x"]}',
    '{"type":"x","type":"y"}',
    '{"type":"x","a":1,"a":2}', '{"type":"x","a":{"b":1,"b":2}}', '{"type":"x","\\u0061":1,"a":2}', '{"type":"x","id":{}}',
    '{"type":"x","time":"yesterday"}', '{"type":"x","time":1e300}' } do
    add(("the body %q"):format(body), body)
  end
  local whole = event('"a":[1.5,null,true,"\\u00e4\195\164",{"b":[]}]')
  for n = 1, #whole - 1 do add(("%d bytes of %d"):format(n, #whole), whole:sub(1, n)) end
  for n = 1, #whole + 1 do add(("an array cut off at %d"):format(n), ("[" .. whole .. "]"):sub(1, n)) end
  return all
end

local function post(server, body)
  return server:request { method = "POST", path = "/v1/events", body = body }
end

local function refuse(server, pid, case)
  local name, body, wanted = case[1], case[2], case[3]
  local reply
  local memory = proc.growth(pid, function() reply = post(server, body) end)
  local fits = wanted and reply.status == wanted or not wanted and (reply.status == 400 or reply.status == 413)
  assert(fits, ("%s: %d %s"):format(name, reply.status, reply.body:sub(1, 200)))
  local most = math.max(TIMES * #body, FLOOR)
  assert(memory <= most, ("%s: %.1f MiB more memory for %.2f MiB of body"):format(name, memory / MIB, #body / MIB))
  return memory / #body
end

row {
  number = 17,
  name = "JSON deep, dense, wide and wrong",
  short = { bytes = 4 * MIB },
  long = { bytes = 15 * MIB },
  run = function(p)
    local script = 'local n = counter "n_total" { labels = { "a" } } on("x", function(ev) n:inc(ev.a) end)'
    local server = moongate.start { env = proc.plain_heap, scripts = { ["metrics/n.lua"] = script } }
    local pid = server.process.pid
    local most, count = 0, 0
    for _, case in ipairs(small()) do
      refuse(server, pid, case)
      count = count + 1
    end
    for _, case in ipairs(large(p.bytes)) do
      most = math.max(most, refuse(server, pid, case))
      count = count + 1
    end
    -- A list of refusals that is longer than it may be ends there, and says so.
    local reply = json.decode(post(server, "[" .. list("0", 200000) .. "]").body)
    assert(#reply.rejected > 1000 and #reply.rejected + reply.unlisted == 100000, "refusals are missing")
    assert(server:metrics():get("n_total") == nil, "something of what was refused was counted")
    -- \u0000 is JSON like any other character: it is kept, and ends nothing.
    assert(post(server, event('"a":"b\\u0000c"')).status == 200)
    assert(server:metrics():get("n_total", { a = "b\0c" }) == 1)
    assert(server:stop() == 0)
    return ("%d bodies: 400 or 413, at most %.1f times the body in memory"):format(count, most)
  end,
}
