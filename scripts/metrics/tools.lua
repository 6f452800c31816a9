-- Tool calls: how many, how long, and those that fail.
local calls = counter "agent_tool_calls_total" { help = "Tool calls", labels = { "tool_name", "status" } }
local latency = histogram "agent_tool_call_latency_seconds" {
  help = "Duration of tool calls", unit = "seconds", labels = { "tool_name" }, buckets = { 0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30 },
}
local errors = counter "agent_errors_total" { help = "Errors by type", labels = { "error_type", "agent_id" } }

on("tool.call", function(ev)
  local tool, status, ms = ev.tool_name, ev.status, ev.duration_ms
  calls:inc(tool, status)
  if ms then latency:observe(ms / 1000, tool) end
  if status == "failed" then errors:inc(ev.error_type or "tool_call", ev.agent_id) end
end)
