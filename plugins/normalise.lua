-- Turns the spans of a trace into the events that scripts count: model.call, tool.call, agent.start, agent.stop, agent.error. How: normalise/README.md.
local fields = require "normalise.fields"
local tree = require "normalise.tree"
local price = require "prices"

local normalise = {}

-- Who recognises a span, in this order; `names` and `marks` are gathered from them.
local vocabulary = {
  conventions = {
    require "normalise.events", require "normalise.gen_ai", require "normalise.vercel", require "normalise.openinference",
    require "normalise.traceloop", require "normalise.gen_ai_next", require "normalise.gen_ai_136",
  },
}

-- What is no attribute is not to be had by trace:has: a mark with such a field is always asked for.
local OWN = { name = true, kind = true, status = true, status_message = true, ["scope.name"] = true, ["scope.version"] = true }

local function gather()
  local known = {}
  vocabulary.names, vocabulary.marks, vocabulary.ask = fields.names(vocabulary.conventions), {}, false
  for _, convention in ipairs(vocabulary.conventions) do
    for _, mark in ipairs(not convention.counted and convention.marks or {}) do
      for name in pairs(mark) do
        vocabulary.ask = vocabulary.ask or OWN[name] or false
        name = name:gsub("^resource%.", "")
        if not known[name] then table.insert(vocabulary.marks, name) end
        known[name] = true
      end
    end
  end
  table.sort(vocabulary.marks)
end
gather()

--- Adds a convention; it goes before the others. See normalise/README.md for its fields.
---@param convention table
function normalise.use(convention)
  if type(convention) ~= "table" or type(convention.kind) ~= "function" then
    error("normalise.use wants a convention: a table with a function kind", 2)
  end
  table.insert(vocabulary.conventions, 1, convention)
  gather()
end

local function any(trace, marks)
  for _, mark in ipairs(marks) do
    for _ in trace:find(mark) do return true end
  end
  return false
end

-- Most traces are of no agent: it is asked for what marks one, in C, before any span is looked at in Lua.
local function of_agents(trace, events_too)
  local marked = vocabulary.ask or trace:has(unpack(vocabulary.marks))
  for _, convention in ipairs(vocabulary.conventions) do
    local ask = marked
    if convention.counted then ask = events_too end
    if ask and convention.marks and any(trace, convention.marks) then return true end
  end
  return false
end

local function known_usage(call)
  local n = 0
  for _, field in ipairs { "input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens", "reasoning_tokens" } do
    if call[field] then n = n + 1 end
  end
  return n
end

local function take_usage(call, other)
  for _, field in ipairs { "input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens", "reasoning_tokens" } do
    call[field] = other[field]
  end
end

-- Two spans of one call: what the first does not say the second does. Of the figures one span's are taken whole, those of the one that says more of
-- them; where both say as much, the larger input, since who leaves the cache out has the smaller one.
local function merge(call, other)
  local mine, theirs = known_usage(call), known_usage(other)
  if theirs > mine or (theirs == mine and (other.input_tokens or 0) > (call.input_tokens or 0)) then take_usage(call, other) end
  for _, field in ipairs { "provider", "operation", "request_model", "model", "response_id", "stop_reason" } do
    call[field] = call[field] or other[field]
  end
end

-- The model that was asked is in the list of prices more often than the one that answered, which may be a deployment's own name.
local function priced_model(call, time)
  if call.model and price.at(call.model, time) then return call.model end
  if call.request_model and price.at(call.request_model, time) then return call.request_model end
  return call.model or call.request_model
end

-- What wrappers say, for the calls in them. A wrapper around one call is that call. Around several (an SDK that tries again, or that cuts a long list into
-- requests) it has their sum, which is of use only where they say nothing: then the last one that succeeded has it.
local function ask_wrappers(calls)
  local inside, order = {}, {}
  for _, call in ipairs(calls) do
    for _, wrapper in ipairs(tree.wrappers(call.node)) do
      if not inside[wrapper] then
        inside[wrapper] = {}
        order[#order + 1] = wrapper
      end
      table.insert(inside[wrapper], call)
    end
  end
  for _, wrapper in ipairs(order) do
    local within, said = inside[wrapper], fields.model(vocabulary, wrapper.span)
    if #within == 1 then
      merge(within[1], said)
    else
      local silent, last = true, within[#within]
      for _, call in ipairs(within) do
        silent = silent and known_usage(call) == 0
        if call.status == "success" then last = call end
      end
      if silent then take_usage(last, said) end
    end
  end
end

-- Spans side by side for one call: of two instrumentations that know nothing of each other. An answer's id is of one call; without ids they are the same
-- if they are children of one span, of different scopes and the same model, and one lies within the other.
local function same_call(a, b)
  if a.response_id or b.response_id then return a.response_id == b.response_id end
  local x, y = a.node.span, b.node.span
  if x.parent_span_id ~= y.parent_span_id or x["scope.name"] == y["scope.name"] or a.model ~= b.model then return false end
  if a.output_tokens and b.output_tokens and a.output_tokens ~= b.output_tokens then return false end
  local x_end, y_end = x.time + x.duration, y.time + y.duration
  return (x.time <= y.time and y_end <= x_end) or (y.time <= x.time and x_end <= y_end)
end

local function without_repeats(trace, calls)
  local kept, by_id, last = {}, {}, nil
  for _, call in ipairs(calls) do
    local earlier = call.response_id and by_id[call.response_id]
    if not earlier and last and same_call(last, call) then earlier = last end
    if earlier then
      merge(earlier, call)
      earlier.counted = earlier.counted or not tree.news(trace, call.node)
    else
      kept[#kept + 1] = call
      if call.response_id then by_id[call.response_id] = call end
      last = call
    end
  end
  return kept
end

-- Has the span of an agent figures of its own? Asked where no call is below it now, or none was when the trace closed before.
local function has_usage(node)
  if not node.covered_before then node.usage = known_usage(fields.model(vocabulary, node.span)) > 0 end
  return node.usage and not node.covered
end

local function candidate(node)
  if node.kind == "agent" then return has_usage(node) end
  return node.kind == "model" and not node.wraps
end

-- The calls of models, each once; those that have been counted too.
local function model_calls(trace, nodes)
  local calls = {}
  for _, node in ipairs(nodes) do
    if candidate(node) then
      local call = fields.model(vocabulary, node.span)
      call.node = node
      call.status, call.error_type = fields.outcome(node.span)
      calls[#calls + 1] = call
    end
  end
  ask_wrappers(calls)
  return without_repeats(trace, calls)
end

local function agent_of(node)
  local at = node
  while at and at.kind ~= "agent" do at = at.up end
  return at and fields.text(vocabulary, at.span, "agent_name")
end

-- What all events of a call have.
local function event_of(trace, node)
  local span = node.span
  local ev = { time = span.time + span.duration, trace_id = trace.trace_id, span_id = span.span_id }
  fields.owner(vocabulary, trace, span, ev)
  ev.agent_id = ev.agent_id or agent_of(node)
  ev.template_id = ev.template_id or ev.agent_id
  return ev
end

-- The agents around a failure have had their part of it: the same error going up is no second one.
local function report(node, error_type)
  local at = node.up
  while at do
    if at.kind == "agent" then
      at.reported = at.reported or {}
      at.reported[error_type or ""] = true
    end
    at = at.up
  end
end

local MODEL_FIELDS = {
  "provider", "operation", "request_model", "input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens", "reasoning_tokens",
  "stop_reason", "status", "error_type",
}

local function model_event(trace, call)
  local node = call.node
  local ev = event_of(trace, node)
  for _, field in ipairs(MODEL_FIELDS) do ev[field] = call[field] end
  ev.model = priced_model(call, ev.time)
  ev.duration_ms = node.span.duration * 1000
  return ev
end

local function annotate(span, ev)
  if ev.input_tokens then span:annotate("moongate.input_tokens", ev.input_tokens) end
  if ev.output_tokens then span:annotate("moongate.output_tokens", ev.output_tokens) end
  local usd = price.of(ev)
  if usd and (ev.input_tokens or ev.output_tokens) then span:annotate("moongate.cost_usd", usd) end
end

local function emit_models(trace, nodes)
  for _, call in ipairs(model_calls(trace, nodes)) do
    if call.status == "failed" then report(call.node, call.error_type) end
    if not call.counted and tree.counts(trace, call.node) then
      local ev = model_event(trace, call)
      annotate(call.node.span, ev)
      emit("model.call", ev)
    end
  end
end

local function emit_tools(trace, nodes)
  for _, node in ipairs(nodes) do
    if node.kind == "tool" and tree.counts(trace, node) then
      local ev = event_of(trace, node)
      ev.tool_name, ev.duration_ms = node.tool_name, node.span.duration * 1000
      ev.status, ev.error_type = fields.outcome(node.span)
      if ev.status == "failed" then report(node, ev.error_type) end
      emit("tool.call", ev)
    end
  end
end

local function emit_agent(trace, node)
  local span = node.span
  local ev = event_of(trace, node)
  local status, error_type = fields.outcome(span)
  ev.status, ev.error_type = status, error_type
  local start = {}
  for name, value in pairs(ev) do start[name] = value end
  start.time, start.status, start.error_type = span.time, nil, nil
  emit("agent.start", start)
  emit("agent.stop", ev)
  if status == "failed" and not (node.reported and node.reported[error_type or ""]) then
    report(node, error_type)
    ev.message = span.status_message
    emit("agent.error", ev)
  end
end

--- Emits the events of a trace's calls, and writes tokens and cost to their spans for display: moongate.input_tokens, moongate.output_tokens,
--- moongate.cost_usd. Of a trace that closes again only what is new is emitted.
---@param trace table
function normalise.run(trace)
  if not of_agents(trace) then return end
  local nodes = tree.read(vocabulary, trace)
  emit_models(trace, nodes)
  emit_tools(trace, nodes)
  for i = #nodes, 1, -1 do -- inner agents first: their errors are reported before those of the ones around them
    if nodes[i].kind == "agent" and tree.counts(trace, nodes[i]) then emit_agent(trace, nodes[i]) end
  end
end

--- The calls of a trace, open or closed, without emitting anything: a list of tables with kind ("model", "tool"), agent_id, user_id and
--- for tools tool_name and arguments, for models model, input_tokens, output_tokens, and the time of their end.
---@param trace table
---@return table[]
function normalise.calls(trace)
  local list = {}
  if not of_agents(trace, true) then return list end
  local nodes = tree.read(vocabulary, trace)
  for _, call in ipairs(model_calls(trace, nodes)) do
    local ev = model_event(trace, call)
    ev.kind = "model"
    list[#list + 1] = ev
  end
  for _, node in ipairs(nodes) do
    if node.kind == "tool" and not node.repeats then
      local ev = event_of(trace, node)
      ev.kind, ev.tool_name = "tool", node.tool_name
      ev.arguments = fields.text(vocabulary, node.span, "tool_arguments")
      list[#list + 1] = ev
    end
  end
  return list
end

return normalise
