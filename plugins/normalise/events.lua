-- moongate's own events, where they stand for spans (README, "Send events"), and attributes of the same names on anybody's spans.
local kinds = { ["model.call"] = "model", ["tool.call"] = "tool" }

return {
  name = "moongate's events",
  counted = true, -- as events, when they came
  marks = { { name = { "model.call", "tool.call" } } },
  kind = function(span)
    if span.event then return kinds[span.name] or "other" end
  end,
  fields = {
    provider = { "provider" },
    model = { "model" },
    input_tokens = { "input_tokens" },
    output_tokens = { "output_tokens" },
    cached_input_tokens = { "cached_input_tokens" },
    cache_write_tokens = { "cache_write_tokens" },
    reasoning_tokens = { "reasoning_tokens" },
    stop_reason = { "stop_reason" },
    user_id = { "user_id" },
    session_id = { "session_id" },
    agent_id = { "agent_id" },
    template_id = { "template_id" },
    tool_name = { "tool_name" },
    tool_arguments = { "arguments" },
  },
}
