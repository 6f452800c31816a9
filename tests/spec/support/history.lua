-- What the store has of some series, by GET /api/v1/export: to compare with what was sent.
local ffi = require "ffi"
local json = require "cjson"

local history = {}

-- Samples in the store's words: how many came to what, since the start and with what was replayed.
function history.outcomes(server)
  local m, list = server:metrics(), {}
  for _, outcome in ipairs { "stored", "duplicate", "conflict", "too_old", "too_late" } do
    list[outcome] = m:get("moongate_store_samples_total", { outcome = outcome })
  end
  return list
end

-- The eight bytes of a double, since NaNs are told apart, and zeros.
function history.bytes(value)
  return ffi.string(ffi.new("double[1]", value), 8)
end

local function read_value(value)
  if value == "Infinity" then return history.bytes(math.huge) end
  if value == "-Infinity" then return history.bytes(-math.huge) end
  if type(value) == "number" then return history.bytes(value) end
  local hex = value:match("^NaN:(%x+)$")
  assert(hex and #hex == 16, "a value that is none: " .. tostring(value))
  return (hex:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end):reverse())
end

-- One text for a set of labels: { name = value, … }.
function history.key(labels)
  local parts = {}
  for name, value in pairs(labels) do parts[#parts + 1] = name .. "\1" .. value end
  table.sort(parts)
  return table.concat(parts, "\2")
end

-- The answer for the samples of the series that a selector matches, from a time on and to one, in ms (nil: of all time).
function history.ask(server, selector, from_ms, to_ms)
  local escaped = selector:gsub("[^%w]", function(c) return ("%%%02X"):format(c:byte()) end)
  local range = from_ms and ("&start=%.3f"):format(from_ms / 1000) or ""
  if to_ms then range = range .. ("&end=%.3f"):format(to_ms / 1000) end
  return server:request { path = "/api/v1/export?nan=bits&match[]=" .. escaped .. range }
end

-- All these samples: key → time in ms → eight bytes; then how many series and samples there are.
function history.read(server, selector, from_ms, to_ms)
  local reply = history.ask(server, selector, from_ms, to_ms)
  assert(reply.status == 200, reply.body)
  local all, series, samples = {}, 0, 0
  for line in reply.body:gmatch("[^\n]+") do
    local one = json.decode(line)
    local key = history.key(one.metric)
    assert(all[key] == nil, "a series twice: " .. line)
    assert(#one.values == #one.timestamps, line)
    all[key] = {}
    series = series + 1
    for i, time in ipairs(one.timestamps) do
      assert(i == 1 or time > one.timestamps[i - 1], "times out of order: " .. line)
      all[key][time] = read_value(one.values[i])
      samples = samples + 1
    end
  end
  return all, series, samples
end

return history
