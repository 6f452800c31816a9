-- sample{…}: handlers for on.trace that decide by the usual policies. What they have to remember is in state, so that a replay decides the same.
local core = ...
local fail, where, loading, globals = core.fail, core.where, core.loading, core.globals
local type, pairs, tostring, floor, concat = type, pairs, tostring, math.floor, table.concat

local function is_count(v) return type(v) == "number" and v >= 1 and v <= 1e9 and v == floor(v) end

-- By option: what is wanted where the value is wrong; nil: it is right.
local WANTED = {
  errors = function(v) return type(v) ~= "boolean" and "true or false" or nil end,
  slower_than = function(v) core.seconds(v, "sample: slower_than") end,
  first_per = function(v) return (type(v) ~= "string" or v == "" or #v > 256) and "the name of an attribute" or nil end,
  every = function(v) core.seconds(v, "sample: every") end,
  per_minute = function(v) return not is_count(v) and "a whole number from 1" or nil end,
  rate = function(v) return not (type(v) == "number" and v >= 0 and v <= 1) and "a number from 0 to 1" or nil end,
}

local function check(options)
  if type(options) ~= "table" then fail("sample wants a table of policies, got " .. type(options)) end
  local any = false
  for name, value in pairs(options) do
    local wanted = WANTED[name]
    if not wanted then
      local names = {}
      for known in pairs(WANTED) do names[#names + 1] = known end
      core.sort(names)
      fail("sample: unknown option " .. tostring(name) .. "; it takes " .. concat(names, ", "))
    end
    local fault = wanted(value)
    if fault then fail("sample: " .. name .. " wants " .. fault) end
    any = any or name ~= "every"
  end
  if not any then fail("sample wants a policy: errors, slower_than, first_per, per_minute or rate") end
  if options.every and not options.first_per then fail("sample: every is for first_per") end
end

-- The attribute of the root or its resource, else of the first span that has it; as a key for state.
local function value_of(trace, name)
  local value = trace:inherit(trace.root, name)
  if value == nil then
    local attribute = "attributes." .. name
    for span in trace:spans() do
      value = span:get(attribute)
      if value ~= nil then break end
    end
  end
  if value == nil or type(value) == "table" then return nil end
  return ("v" .. tostring(value)):sub(1, 1000)
end

local count = 0 -- of samples of this script: each remembers by itself

function globals.sample(options)
  loading("sample")
  check(options)
  count = count + 1
  local seen = globals.state("moongate.sample " .. where():gsub(":%d+$", "") .. " " .. count)
  local errors, first_per, per_minute = options.errors, options.first_per, options.per_minute
  local slower = options.slower_than and core.seconds(options.slower_than, "sample: slower_than")
  local every = options.every or "1h"
  local rate = options.rate or 0
  local now = globals.now
  return function(trace)
    if errors and trace.errors > 0 then return "keep" end
    if slower and trace.duration > slower then return "keep" end
    -- It has been kept: of one that was dropped the earlier spans are gone.
    if trace.late and not trace.root.late then return "keep" end
    local value = first_per and value_of(trace, first_per)
    if value then
      local first = seen:get(value)
      if first == nil then seen:set(value, trace.trace_id, every) end
      if first == nil or first == trace.trace_id then return "keep" end
    end
    if per_minute then
      local minute = "m" .. floor(now() / 60)
      local n = seen:get(minute) or 0
      if n < per_minute then
        seen:set(minute, n + 1, "2m")
        return "keep"
      end
    end
    return rate
  end
end
