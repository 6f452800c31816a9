-- Runs a script without a gateway: its metrics are tables, its handlers are called by hand. For specs of scripts, with support/trace.lua.
--
--   local s = script.load("scripts/metrics/spans.lua")
--   s.handlers.trace[1](t)
--   s:value("traces_spanmetrics_calls_total", { "agent", … })      -- by the labels' values, in their order
local script = {}
local methods = {}
methods.__index = methods

local function key(metric, ...)
  local values, n = { ... }, #metric.labels
  if select("#", ...) ~= n then error(("%s wants %d labels, got %d"):format(metric.name, n, select("#", ...)), 3) end
  for i = 1, n do values[i] = tostring(values[i]) end
  return table.concat(values, "\1", 1, n)
end

local operations = {}

function operations:add(value, ...)
  local k = key(self, ...)
  self.values[k] = (self.values[k] or 0) + value
end

function operations:inc(...) operations.add(self, 1, ...) end
function operations:set(value, ...) self.values[key(self, ...)] = value end

function operations:observe(value, ...)
  local k = key(self, ...)
  self.values[k] = (self.values[k] or 0) + 1
  self.sums[k] = (self.sums[k] or 0) + value
end

function operations:see(value, ...) operations.set(self, value, ...) end

local function constructor(self)
  return function(name)
    return function(options)
      local metric = self.metrics[name] or setmetatable({ name = name, labels = options.labels or {}, options = options, values = {}, sums = {} },
        { __index = operations })
      self.metrics[name] = metric
      return metric
    end
  end
end

local function state(self)
  return function(name)
    self.states[name] = self.states[name] or {}
    local values = self.states[name]
    return {
      get = function(_, k) return values[k] end,
      set = function(_, k, v) values[k] = v end,
      count = function()
        local n = 0
        for _ in pairs(values) do n = n + 1 end
        return n
      end,
    }
  end
end

local function hook(self)
  local function keep(kind)
    return function(fn) table.insert(self.handlers[kind], fn) end
  end
  return setmetatable({
    span = keep "span", trace = keep "trace",
    trace_open = function(every, fn) table.insert(self.handlers.trace_open, { every = every, fn = fn }) end,
  }, {
    __call = function(_, type, fn) table.insert(self.handlers.event, { type = type, fn = fn }) end,
  })
end

-- Modules as the gateway finds them: below scripts, plugins and conf.
local function requirer(self)
  local loaded = {}
  return function(name)
    if loaded[name] == nil then
      local path = name:gsub("%.", "/") .. ".lua"
      for _, folder in ipairs { "scripts/", "plugins/", "conf/" } do
        local chunk = loadfile(folder .. path)
        if chunk then
          loaded[name] = setfenv(chunk, self.env)()
          break
        end
      end
      if loaded[name] == nil then error("there is no module " .. name, 2) end
    end
    return loaded[name]
  end
end

--- Loads a script. What it emits is in `emitted`, a list of tables with their type.
function script.load(path)
  local self = setmetatable({
    metrics = {}, states = {}, emitted = {}, clock = 1767355445, handlers = { event = {}, span = {}, trace = {}, trace_open = {}, every = {} },
  }, methods)
  self.env = setmetatable({
    on = hook(self), state = state(self), now = function() return self.clock end,
    every = function(interval, fn) table.insert(self.handlers.every, { interval = interval, fn = fn }) end,
    emit = function(type, fields)
      local ev = { type = type }
      for k, v in pairs(fields or {}) do ev[k] = v end
      table.insert(self.emitted, ev)
    end,
  }, { __index = _G })
  for _, word in ipairs { "counter", "gauge", "histogram", "summary", "distinct", "topk", "ratio", "mean" } do self.env[word] = constructor(self) end
  self.env.require = requirer(self)
  if path then setfenv(assert(loadfile(path)), self.env)() end
  return self
end

--- The value of a counter or gauge, or the count of a histogram, by the values of its labels.
function methods:value(name, labels)
  local metric = self.metrics[name] or error("no metric " .. name, 2)
  return metric.values[key(metric, unpack(labels or {}, 1, #metric.labels))]
end

--- The sum of what a histogram observed.
function methods:sum(name, labels)
  local metric = self.metrics[name] or error("no metric " .. name, 2)
  return metric.sums[key(metric, unpack(labels or {}, 1, #metric.labels))]
end

return script
