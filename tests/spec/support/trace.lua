-- Traces as scripts see them, made without a gateway: from OTLP in JSON, or from a list of spans. For specs of scripts and their modules, operators' too.
--
--   local traces = trace.from_otlp(text)              -- all traces of a body, those with an earlier span first
--   local t = trace.new { { name = "root", span_id = "01" }, { name = "chat", parent_span_id = "01", attributes = { … } } }
--
-- A span of trace.new has name, span_id, parent_span_id, kind ("client"), status ("ok"), time, duration, attributes, resource, scope, events, late,
-- event; what is missing has a default. What a script annotates is in span.annotations.
local json = require "cjson"

local trace = {}
local trace_methods, span_methods = {}, {}
local INTRINSIC = {
  name = true, kind = true, status = true, status_message = true, trace_id = true, span_id = true, parent_span_id = true, time = true,
  duration = true,
  late = true, event = true, annotations = true,
}

local span_meta = {
  __index = function(span, name)
    local data = rawget(span, "data")
    if INTRINSIC[name] then return data[name] end
    if span_methods[name] then return span_methods[name] end
    if name == "scope.name" or name == "scope.version" then return data.scope[name:sub(7)] end
    local value = data.attributes[name]
    if value == nil and name:find("^resource%.") then value = data.resource[name:sub(10)] end
    return value
  end,
  __newindex = function() error("a span is not written to; see span:annotate", 2) end,
}

local function iterate(list)
  local i = 0
  return function()
    i = i + 1
    return list[i]
  end
end

function span_methods:parent() return rawget(self, "data").up end
function span_methods:children() return iterate(rawget(self, "data").children) end
function span_methods:events() return iterate(rawget(self, "data").events) end
function span_methods.links() return iterate {} end
function span_methods:attributes() return pairs(rawget(self, "data").attributes) end
function span_methods:get(name) return rawget(self, "data").attributes[name] end
function span_methods:annotate(name, value) rawget(self, "data").annotations[name] = value end

function trace_methods:spans() return iterate(self.list) end

local function matches(span, wanted)
  for name, value in pairs(wanted) do
    local got, found = span[name], false
    if value == false then
      found = got == nil
    else
      for _, one in ipairs(type(value) == "table" and value or { value }) do found = found or got == one end
    end
    if not found then return false end
  end
  return true
end

function trace_methods:find(wanted)
  local found = {}
  for _, span in ipairs(self.list) do
    if matches(span, wanted) then found[#found + 1] = span end
  end
  return iterate(found)
end

function trace_methods:has(...)
  for _, name in ipairs { ... } do
    for _, span in ipairs(self.list) do
      local data = rawget(span, "data")
      if data.attributes[name] ~= nil or data.resource[name] ~= nil then return true end
      for _, event in ipairs(data.events) do
        if event.attributes and event.attributes[name] ~= nil then return true end
      end
    end
  end
  return false
end

function trace_methods.inherit(_, span, name)
  local at = span
  while at do
    local value = rawget(at, "data").attributes[name]
    if value ~= nil then return value end
    at = at:parent()
  end
  return rawget(span, "data").resource[name]
end

local function tie(list, by_id)
  for _, span in ipairs(list) do
    local data = rawget(span, "data")
    data.up = by_id[data.parent_span_id]
    if data.up then table.insert(rawget(data.up, "data").children, span) end
  end
end

--- A closed trace of these spans. `fields` are of the trace: late, open.
function trace.new(spans, fields)
  local t = setmetatable({ list = {}, errors = 0, late = false }, { __index = trace_methods })
  local by_id, order, ends = {}, {}, 0
  for i, data in ipairs(spans) do
    data.name, data.kind, data.status = data.name or "span", data.kind or "internal", data.status or "unset"
    data.trace_id, data.span_id = data.trace_id or ("a"):rep(32), data.span_id or ("%016x"):format(i)
    data.time, data.duration = data.time or 1767355445 + i / 1000, data.duration or 0.001
    data.late, data.event = data.late or false, data.event or false
    for _, name in ipairs { "attributes", "resource", "scope", "events" } do data[name] = data[name] or {} end
    data.annotations, data.children = {}, {}
    local span = setmetatable({ data = data }, span_meta)
    by_id[data.span_id], order[span] = by_id[data.span_id] or span, i
    t.list[i] = span
    if data.status == "error" then t.errors = t.errors + 1 end
    t.late = t.late or data.late
    ends = math.max(ends, data.time + data.duration)
  end
  table.sort(t.list, function(a, b)
    if a.time ~= b.time then return a.time < b.time end
    return order[a] < order[b]
  end)
  tie(t.list, by_id)
  local first = t.list[1]
  t.root = first
  for i = #t.list, 1, -1 do
    if not t.list[i]:parent() then t.root = t.list[i] end
  end
  t.trace_id, t.start, t.span_count = first.trace_id, first.time, #t.list
  t.duration = ends - t.start
  for name, value in pairs(fields or {}) do t[name] = value end
  return t
end

-- ---- OTLP ----

local KINDS = { [0] = "unspecified", "internal", "server", "client", "producer", "consumer" }
local STATUSES = { [0] = "unset", "ok", "error" }

local function value_of(value)
  local kind, v = next(value)
  if kind == "intValue" then return tonumber(v) end
  if kind == "arrayValue" then
    local list = {}
    for i, item in ipairs(v.values or {}) do list[i] = value_of(item) end
    return list
  end
  return v
end

local function attributes_of(list)
  local attributes = {}
  for _, attribute in ipairs(list or {}) do attributes[attribute.key] = value_of(attribute.value or {}) end
  return attributes
end

-- A number, or the name of one that protobuf's JSON has.
local function word_of(value, words, prefix)
  if type(value) == "string" then return value:sub(#prefix + 1):lower() end
  return words[value or 0]
end

local function span_of(span, resource, scope)
  local start = tonumber(span.startTimeUnixNano)
  local data = {
    name = span.name, trace_id = span.traceId, span_id = span.spanId, parent_span_id = span.parentSpanId, time = start / 1e9,
    duration = math.max(tonumber(span.endTimeUnixNano) - start, 0) / 1e9, kind = word_of(span.kind, KINDS, "SPAN_KIND_"),
    status = word_of(span.status and span.status.code, STATUSES, "STATUS_CODE_"), status_message = span.status and span.status.message,
    attributes = attributes_of(span.attributes), resource = resource, scope = scope, events = {},
  }
  for i, event in ipairs(span.events or {}) do data.events[i] = { name = event.name, attributes = attributes_of(event.attributes) } end
  return data
end

--- The traces of a body of OTLP/JSON, as text.
function trace.from_otlp(text)
  local by_id, order = {}, {}
  for _, r in ipairs(json.decode(text).resourceSpans or {}) do
    local resource = attributes_of(r.resource and r.resource.attributes)
    for _, s in ipairs(r.scopeSpans or {}) do
      for _, span in ipairs(s.spans or {}) do
        if not by_id[span.traceId] then
          by_id[span.traceId] = {}
          order[#order + 1] = span.traceId
        end
        table.insert(by_id[span.traceId], span_of(span, resource, s.scope or {}))
      end
    end
  end
  local traces = {}
  for i, id in ipairs(order) do traces[i] = trace.new(by_id[id]) end
  table.sort(traces, function(a, b) return a.start < b.start end)
  return traces
end

return trace
