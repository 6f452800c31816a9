-- Agents from start to stop, their pool, and the errors that they report.
local created = counter "agent_created_total" { help = "Agents started" }
local active = gauge "agent_active_count" { help = "Agents that have started and not stopped", idle = "never" }
local duration = summary "agent_request_duration_seconds" {
  help = "Time from an agent's start to its stop", unit = "seconds", quantiles = { 0.5, 0.9, 0.95, 0.99 },
}
local errors = counter "agent_errors_total" { help = "Errors by type", labels = { "error_type", "agent_id" } }

local pool_size = gauge "agent_pool_size" { help = "Agents in the pool", idle = "never" }
local pool_max = gauge "agent_pool_max_size" { help = "Agents that the pool may hold", idle = "never" }
local queue = gauge "agent_queue_length" { help = "Requests that wait for an agent", idle = "never" }
local memory = gauge "agent_memory_usage_bytes" { help = "Memory of the agents", unit = "bytes", idle = "never" }

local started = state "agent_started" -- agent_id → time of its start; whoever never stops is forgotten after a week

on("agent.start", function(ev)
  created:inc()
  if not ev.agent_id then return end
  started:set(ev.agent_id, ev.time, "7d")
  active:set(started:count())
end)

on("agent.stop", function(ev)
  local since = ev.agent_id and started:get(ev.agent_id)
  if not since then return end
  started:set(ev.agent_id, nil)
  active:set(started:count())
  if ev.time >= since then duration:observe(ev.time - since) end
end)

every("1m", function() active:set(started:count()) end)

on("agent.error", function(ev) errors:inc(ev.error_type, ev.agent_id) end)

on("pool.status", function(ev)
  if ev.size then pool_size:set(ev.size) end
  if ev.max_size then pool_max:set(ev.max_size) end
  if ev.queue_length then queue:set(ev.queue_length) end
  if ev.memory_bytes then memory:set(ev.memory_bytes) end
end)
