-- Agents that run away, seen while they run: traces that have not ended are looked at every ten seconds.
--   agent_repeated_tool_calls{agent_id="coder",tool_name="search"} 40     the same arguments, forty times in one trace
local normalise = require "normalise"

-- What no open trace has said for half a minute is gone.
local repeated = gauge "agent_repeated_tool_calls" {
  help = "Most calls of a tool with the same arguments in one open trace", labels = { "agent_id", "tool_name" }, max_series = 2000, idle = "30s",
}
local tokens = gauge "agent_open_tokens_per_minute" {
  help = "Tokens in the last minute of the calls in open traces", labels = { "agent_id" }, max_series = 1000, idle = "30s",
}
local largest = gauge "agent_open_trace_spans" { help = "Spans of the largest open trace", idle = "30s" }
local passed_over = counter "agent_open_traces_passed_over_total" { help = "Looks at open traces that were left out, for want of time" }

local SPANS_A_TRACE = 2000 -- more are not read, but counted in agent_open_trace_spans: a call of a script may take 100 ms
local SPANS_A_LOOK = 50000 -- of all traces together

-- What this look has seen so far; it is over with the engine's clock.
local look, spans, most, counts, sums = nil, 0, 0, {}, {}

local function begin(time)
  if look == time then return end
  look, spans, most, counts, sums = time, 0, 0, {}, {}
end

local function key(...)
  local parts = { ... }
  for i = 1, select("#", ...) do parts[i] = tostring(parts[i]) end
  return table.concat(parts, "\0")
end

-- The most repeats of each agent's tools in this trace; the gauge has the most of all traces.
local function count_repeats(seen, call)
  local arguments = call.arguments
  if #arguments > 4096 then arguments = arguments:sub(1, 4096) .. #arguments end -- of long ones the beginning and the length
  local same = key(call.agent_id, call.tool_name, arguments)
  seen[same] = (seen[same] or 0) + 1
  local tool = key(call.agent_id, call.tool_name)
  if seen[same] <= (counts[tool] or 0) then return end
  counts[tool] = seen[same]
  repeated:set(seen[same], call.agent_id, call.tool_name)
end

local function add_tokens(call)
  if call.time <= look - 60 then return end
  local agent = key(call.agent_id)
  sums[agent] = (sums[agent] or 0) + (call.input_tokens or 0) + (call.output_tokens or 0)
  tokens:set(sums[agent], call.agent_id)
end

on.trace_open("10s", function(trace)
  begin(now())
  local size = trace.span_count
  if size > most then
    most = size
    largest:set(size)
  end
  if size > SPANS_A_TRACE or spans + size > SPANS_A_LOOK then
    passed_over:inc()
    return
  end
  spans = spans + size
  local seen = {}
  for _, call in ipairs(normalise.calls(trace)) do
    if call.kind == "model" then
      add_tokens(call)
    elseif call.arguments then
      count_repeats(seen, call)
    end
  end
end)
