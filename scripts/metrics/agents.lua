-- Agents: started, running, their pool, their errors, how long a request takes from start to stop.
local created = counter "agent_created_total" { help = "Agents started" }
local active = gauge "agent_active_count" { help = "Agents started and not yet stopped" }
local duration = summary "agent_request_duration_seconds" {
  help = "Time from agent.start to agent.stop", unit = "seconds", quantiles = { 0.5, 0.9, 0.95, 0.99 }, window = "10m",
}
local errors = counter "agent_errors_total" { help = "Errors of agents, models and tools", labels = { "error_type", "agent_id" } }

local size = gauge "agent_pool_size" { help = "Agents in the pool" }
local max_size = gauge "agent_pool_max_size" { help = "Agents that the pool may hold" }
local queue = gauge "agent_queue_length" { help = "Requests that wait for an agent" }
local memory = gauge "agent_memory_usage_bytes" { help = "Memory of the agents", unit = "bytes" }

-- When each running agent was started. One that never reports its stop is given up after a day.
local started = state "agent_started"

on("agent.start", function(ev)
  created:inc()
  if ev.agent_id then
    started:set(ev.agent_id, ev.time, "24h")
    active:set(started:count())
  end
end)

on("agent.stop", function(ev)
  local since = ev.agent_id and started:get(ev.agent_id)
  if since then
    started:set(ev.agent_id, nil)
    active:set(started:count())
    duration:observe(math.max(0, ev.time - since))
  end
end)

on("agent.error", function(ev) errors:inc(ev.error_type or "unknown", ev.agent_id) end)

on("pool.status", function(ev)
  if ev.size then size:set(ev.size) end
  if ev.max_size then max_size:set(ev.max_size) end
  if ev.queue_length then queue:set(ev.queue_length) end
  if ev.memory_bytes then memory:set(ev.memory_bytes) end
end)

every("1m", function() active:set(started:count()) end)
