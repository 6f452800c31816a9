-- Model calls: latency, tokens, success.
local latency = histogram "agent_chat_latency_seconds" {
  help = "Duration of model calls", unit = "seconds", labels = { "agent_id", "template_id" }, buckets = { 0.1, 0.5, 1, 2, 5, 10, 30 },
}
local tokens = histogram "agent_token_usage" {
  help = "Tokens of a model call", labels = { "type" }, buckets = { 100, 500, 1000, 5000, 10000, 50000 },
}
local success = ratio "agent_success_rate" {
  help = "Model calls that succeeded, in proportion, over five minutes", labels = { "template_id" }, window = "5m",
}
local response = mean "agent_avg_response_seconds" {
  help = "Mean duration of model calls over five minutes", unit = "seconds", labels = { "template_id" }, window = "5m",
}
local errors = counter "agent_errors_total" { help = "Errors of agents, models and tools", labels = { "error_type", "agent_id" } }

local input, output = tokens:with { type = "input" }, tokens:with { type = "output" }

on("model.call", function(ev)
  local template, ms = ev.template_id, ev.duration_ms
  if ms then
    latency:observe(ms / 1000, ev.agent_id, template)
    response:observe(ms / 1000, template)
  end
  if ev.input_tokens then input:observe(ev.input_tokens) end
  if ev.output_tokens then output:observe(ev.output_tokens) end
  if ev.status == "success" then
    success:hit(template)
  else
    success:miss(template)
    errors:inc(ev.error_type or "model_call", ev.agent_id)
  end
end)
