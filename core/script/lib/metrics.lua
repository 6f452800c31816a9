-- The constructors of metrics: counter "name" { options }. They check the options' names and types, so that a mistake is reported with
-- the line that makes it, and hand them to the C side.
local core = ...
local fail, where, define, loading = core.fail, core.where, core.define, core.loading
local type, pairs, next, setmetatable, concat, tostring = type, pairs, next, setmetatable, table.concat, tostring

local COMMON = { help = "text", unit = "text", labels = "texts", max_series = "number", idle = "idle" }

-- The numbers are those of enum metric_type.
local KINDS = {
  counter = { type = 1 },
  gauge = { type = 2 },
  histogram = { type = 3, options = { buckets = "numbers" },
    defaults = { buckets = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 } } },
  summary = { type = 4, options = { quantiles = "numbers", window = "duration" },
    defaults = { quantiles = { 0.5, 0.9, 0.95, 0.99 }, window = "10m" } },
  distinct = { type = 5, options = { period = "period" }, defaults = { period = "day" } },
  topk = { type = 6, options = { k = "number" }, defaults = { k = 100 } },
  ratio = { type = 7, options = { window = "duration" }, defaults = { window = "5m" } },
  mean = { type = 8, options = { window = "duration" }, defaults = { window = "5m" } },
}

local PERIODS = { day = 0, week = 1, month = 2 }

-- What is wrong with a list whose items are to be of a type; nil: nothing.
local function list_fault(value, item)
  if type(value) ~= "table" then return "a list of " .. item .. "s" end
  local n = 0
  for _ in pairs(value) do n = n + 1 end
  for i = 1, n do
    if type(value[i]) ~= item then return "a list of " .. item .. "s" end
  end
end

-- By kind of option: what is wanted where the value is wrong; nil: it is right.
local WANTED = {
  text = function(v) return type(v) ~= "string" and "a string" or nil end,
  texts = function(v) return list_fault(v, "string") end,
  number = function(v) return type(v) ~= "number" and "a number" or nil end,
  numbers = function(v) return list_fault(v, "number") end,
  duration = function(v)
    return type(v) ~= "number" and type(v) ~= "string" and "seconds or a text such as \"5m\"" or nil
  end,
  idle = function(v)
    return type(v) ~= "number" and type(v) ~= "string" and "seconds, a text such as \"24h\", or \"never\"" or nil
  end,
  period = function(v) return PERIODS[v] == nil and "\"day\", \"week\" or \"month\"" or nil end,
}

local function names_of(kind)
  local names = {}
  for _, list in pairs { COMMON, kind.options or {} } do
    for name in pairs(list) do names[#names + 1] = name end
  end
  core.sort(names)
  return concat(names, ", ")
end

-- A checked copy of the options with the defaults.
local function read(title, kind, options)
  if type(options) ~= "table" then fail(title .. " wants a table after its name, got " .. type(options)) end
  local def = {}
  for name, value in pairs(kind.defaults or {}) do def[name] = value end
  for name, value in pairs(options) do
    local wanted = COMMON[name] or (kind.options and kind.options[name])
    if not wanted then fail(title .. ": unknown option " .. tostring(name) .. "; it takes " .. names_of(kind)) end
    local fault = WANTED[wanted](value)
    if fault then fail(title .. ": " .. name .. " wants " .. fault) end
    def[name] = value
  end
  if def.period then def.period = PERIODS[def.period] end
  def.idle_given = def.idle ~= nil -- the default depends on windows and periods, of which the C side knows the length
  if def.idle == "never" or def.idle == 0 then def.idle = nil end
  return def
end

local waiting = {} -- constructors that have a name and no table yet: token → message

local function constructor(word, kind)
  return function(name)
    loading(word)
    if type(name) ~= "string" then fail(word .. " wants a name, got " .. type(name)) end
    local title = word .. " \"" .. name .. "\""
    local complaint = title .. " wants a table after its name"
    local token
    token = setmetatable({}, {
      __metatable = false,
      __index = function() fail(complaint) end,
      __newindex = function() fail(complaint) end,
      __call = function(_, options)
        waiting[token] = nil
        loading(word)
        local def = read(title, kind, options)
        def.type, def.name, def.where = kind.type, name, where()
        return define(def)
      end,
    })
    waiting[token] = where() .. ": " .. complaint
    return token
  end
end

-- Called when the script's top level is through.
function core.finish()
  local _, message = next(waiting)
  return message
end

for word, kind in pairs(KINDS) do core.globals[word] = constructor(word, kind) end
