-- Which spans of a trace are calls, each once.
--
--   A model's span that has another one in itself is a wrapper: of a second instrumentation, or of an SDK around its requests. Only the innermost is a call.
--   A tool's span in one of the same tool is the same call, seen again (by the protocol that carries it, say). The outermost counts: it lasts as long as
--   the agent waited.
--   An agent's span often has the sum of its calls, which is counted with them. It is a call itself only where none is below it: the agent runs elsewhere.
--   Between a wrapper and what it wraps there may be any spans but those of tools and agents.
--
-- A span that was a JSON event has been counted as one; what wraps it is the same call. A trace that closes again has new spans and those that were
-- counted before: what a new one repeats is left out.
local fields = require "normalise.fields"

local tree = {}

local CHAIN = 16 -- wrappers around a call that are looked at; who nests more is not read further

local function kind_of(vocabulary, span)
  for _, convention in ipairs(vocabulary.conventions) do
    local kind = convention.kind(span)
    if kind then return kind ~= "other" and kind or nil end
  end
end

-- The nearest recognised span around one, or nil. Ways are remembered, so that each is gone once.
local function around(found, span)
  local passed, at, answer = {}, span:parent(), nil
  while at do
    local id = at.span_id
    answer = found.nodes[id]
    if answer == nil then answer = found.above[id] end
    if answer ~= nil then break end
    passed[#passed + 1] = id
    at = at:parent()
  end
  for i = 1, #passed do found.above[passed[i]] = answer or false end
  return answer or nil
end

local function wrapped(node, up)
  up.wraps = true
  if not node.late then up.wrapped_before = true end
end

-- All agents around a model's span have a call below them.
local function cover(node)
  local at = node.up
  while at and not (at.covered and (node.late or at.covered_before)) do
    at.covered = true
    if not node.late then at.covered_before = true end
    at = at.up
  end
end

local function same_tool(node, up, again)
  if node.tool_name ~= up.tool_name then return end
  node.repeats = true
  if node.event or (again and not node.late) then up.counted_inside = true end
end

--- The recognised spans in the order of their start, with the nearest one around each (`up`).
---@return table[] nodes
function tree.read(vocabulary, trace)
  local found = { list = {}, nodes = {}, above = {} }
  for span in trace:spans() do
    local kind = kind_of(vocabulary, span)
    if kind then
      local node = { span = span, kind = kind, event = span.event, late = span.late and not span.event }
      if kind == "tool" then node.tool_name = fields.tool_name(vocabulary, span) end
      found.list[#found.list + 1] = node
      local id = span.span_id
      found.nodes[id] = found.nodes[id] or node
    end
  end
  for _, node in ipairs(found.list) do node.up = around(found, node.span) end
  for _, node in ipairs(found.list) do
    local up = node.up
    if node.kind == "model" then
      if up and up.kind == "model" then wrapped(node, up) end
      cover(node)
    elseif node.kind == "tool" and up and up.kind == "tool" then
      same_tool(node, up, trace.late)
    end
  end
  return found.list
end

-- Was this model call counted when the trace closed before, in the name of what wraps it?
local function counted_before(node)
  local at, depth = node.up, 0
  while at and at.kind == "model" and depth < CHAIN do
    if not at.late then return not at.wrapped_before end
    at, depth = at.up, depth + 1
  end
  while at do
    if at.kind == "agent" and not at.late and not at.covered_before and at.usage then return true end
    at = at.up
  end
  return false
end

--- The wrappers around a model's call, the nearest first.
function tree.wrappers(node)
  local list, at = {}, node.up
  while at and at.kind == "model" and #list < CHAIN do
    list[#list + 1] = at
    at = at.up
  end
  return list
end

--- Has nothing been said of this span yet?
function tree.news(trace, node)
  return not node.event and (node.late or not trace.late)
end

--- Is this span to be counted: is it a call, or an agent, and news?
function tree.counts(trace, node)
  if not tree.news(trace, node) then return false end
  if node.kind == "model" then return not (trace.late and counted_before(node)) end
  if node.kind == "tool" then return not node.repeats and not node.counted_inside end
  return true
end

return tree
