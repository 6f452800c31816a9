-- Model calls: tokens, latency, success and errors.
local tokens = histogram "agent_token_usage" {
  help = "Tokens of a model call", labels = { "type" }, buckets = { 100, 500, 1000, 5000, 10000, 50000 },
}
local latency = histogram "agent_chat_latency_seconds" {
  help = "Duration of model calls", unit = "seconds", labels = { "agent_id", "template_id" },
  buckets = { 0.1, 0.5, 1, 2, 5, 10, 30 },
}
local success = ratio "agent_success_rate" {
  help = "Model calls that succeeded, of all in 5 minutes", labels = { "template_id" }, window = "5m",
}
local response = mean "agent_avg_response_seconds" {
  help = "Mean duration of model calls over 5 minutes", unit = "seconds", labels = { "template_id" }, window = "5m",
}
local errors = counter "agent_errors_total" { help = "Errors by type", labels = { "error_type", "agent_id" } }

on("model.call", function(ev)
  local template, input, output, ms, status = ev.template_id, ev.input_tokens, ev.output_tokens, ev.duration_ms, ev.status
  if input then tokens:observe(input, "input") end
  if output then tokens:observe(output, "output") end
  if ms then
    latency:observe(ms / 1000, ev.agent_id, template)
    response:observe(ms / 1000, template)
  end
  if status == "success" then
    success:hit(template)
  elseif status then
    success:miss(template)
    errors:inc(ev.error_type or "model_call", ev.agent_id)
  end
end)
