-- Traceloop's OpenLLMetry: gen_ai, of whichever version, with attributes of its own.
-- Sources: traceloop/openllmetry, packages/opentelemetry-semantic-conventions-ai/opentelemetry/semconv_ai/__init__.py; traceloop.com/docs, semantic conventions.
--
--   traceloop.span.kind says what a decorated function is; llm.request.type what a call is where gen_ai.operation.name is missing. Its instrumentation of
--   Anthropic's SDK for TypeScript passes on the figure of the API, which leaves out the cache; the Python one adds it up; the one of Bedrock does not.
local kinds = { tool = "tool", agent = "agent" }
local requests = { chat = "model", completion = "model", embedding = "model", rerank = "model" }
local leaves_out = { ["@traceloop/instrumentation-anthropic"] = true, ["@traceloop/instrumentation-bedrock"] = true,
  ["opentelemetry.instrumentation.bedrock"] = true }

return {
  name = "Traceloop OpenLLMetry",
  marks = {
    { ["traceloop.span.kind"] = { "tool", "agent" } },
    { ["llm.request.type"] = { "chat", "completion", "embedding", "rerank" } },
  },
  kind = function(span)
    local kind = span["traceloop.span.kind"]
    if kind then return kinds[kind] or "other" end
    return requests[span["llm.request.type"]]
  end,
  fields = {
    operation = { "llm.request.type" },
    input_tokens = { "llm.usage.prompt_tokens" },
    output_tokens = { "llm.usage.completion_tokens" },
    total_tokens = { "gen_ai.usage.total_tokens", "llm.usage.total_tokens" },
    cached_input_tokens = { "gen_ai.usage.cache_read_input_tokens" },
    cache_write_tokens = { "gen_ai.usage.cache_creation_input_tokens" },
    reasoning_tokens = { "gen_ai.usage.reasoning_tokens" },
    stop_reason = { "llm.response.finish_reason", "llm.response.stop_reason" },
    user_id = { "traceloop.association.properties.user_id", "llm.user" },
    session_id = { "traceloop.association.properties.session_id" },
    tenant_id = { "traceloop.association.properties.tenant_id" },
    template_id = { "traceloop.workflow.name" },
    agent_name = { "traceloop.entity.name" },
    tool_name = { "traceloop.entity.name" },
    tool_arguments = { "traceloop.entity.input" },
  },
  excludes_cache = function(span)
    return leaves_out[span["scope.name"]] or nil
  end,
}
