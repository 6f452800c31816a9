-- The gen_ai attributes of OpenTelemetry's semantic conventions 1.37 to 1.41.
-- Sources: open-telemetry/semantic-conventions v1.37.0 to v1.41.0, docs/gen-ai/gen-ai-spans.md and gen-ai-agent-spans.md, docs/registry/attributes/gen-ai.md.
--
--   gen_ai.provider.name replaces gen_ai.system. Tokens read from and written to the cache should be in gen_ai.usage.input_tokens. An invoke_agent span
--   may have the sum of what its calls used.
local kinds = {
  chat = "model", text_completion = "model", generate_content = "model", embeddings = "model",
  completion = "model", embedding = "model", responses = "model", -- not in the registry; seen
  execute_tool = "tool",
  invoke_agent = "agent",
}

return {
  name = "gen_ai 1.37 to 1.41",
  marks = {
    { ["gen_ai.operation.name"] = {
      "chat", "text_completion", "generate_content", "embeddings", "completion", "embedding", "responses", "execute_tool", "invoke_agent",
    } },
    { ["gen_ai.tool.type"] = { "function", "extension", "datastore" } },
  },
  kind = function(span)
    local operation = span["gen_ai.operation.name"]
    if operation then return kinds[operation] or "other" end
    if span["gen_ai.tool.name"] then return "tool" end -- spans made by hand leave the operation to the name, "execute_tool get_weather"
  end,
  fields = {
    provider = { "gen_ai.provider.name" },
    operation = { "gen_ai.operation.name" },
    request_model = { "gen_ai.request.model" },
    model = { "gen_ai.response.model" },
    response_id = { "gen_ai.response.id" },
    input_tokens = { "gen_ai.usage.input_tokens" },
    output_tokens = { "gen_ai.usage.output_tokens" },
    cached_input_tokens = { "gen_ai.usage.cache_read.input_tokens" },
    cache_write_tokens = { "gen_ai.usage.cache_creation.input_tokens" },
    stop_reason = { "gen_ai.response.finish_reasons" },
    user_id = { "user.id", "enduser.id" },
    session_id = { "gen_ai.conversation.id", "session.id" },
    agent_id = { "gen_ai.agent.id", "gen_ai.agent.name" },
    template_id = { "gen_ai.agent.name" },
    tool_name = { "gen_ai.tool.name" },
    tool_arguments = { "gen_ai.tool.call.arguments" },
  },
}
