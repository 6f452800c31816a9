-- The gen_ai attributes of OpenTelemetry's semantic conventions up to 1.36, which SDKs keep to unless they are told otherwise.
-- Sources: open-telemetry/semantic-conventions v1.25.0 to v1.36.0, docs/gen-ai/gen-ai-spans.md (before 1.27 docs/gen-ai/llm-spans.md).
--
--   The provider is gen_ai.system. Before 1.27 tokens were prompt_tokens and completion_tokens, and there was no gen_ai.operation.name: a span that names
--   a system and a model is then a model call. What of the cache is in the input tokens was not said.
local providers = {
  "openai", "anthropic", "az.ai.openai", "az.ai.inference", "azure.ai.openai", "azure.ai.inference", "aws.bedrock", "cohere", "vertex_ai",
    "gcp.vertex_ai",
  "gemini", "gcp.gemini", "gcp.gen_ai", "deepseek", "groq", "ibm.watsonx.ai", "mistral_ai", "perplexity", "xai",
}

return {
  name = "gen_ai to 1.36",
  marks = { { ["gen_ai.system"] = providers } },
  kind = function(span)
    if span["gen_ai.system"] and span["gen_ai.request.model"] then return "model" end
  end,
  fields = {
    provider = { "gen_ai.system" },
    request_model = { "gen_ai.request.model" },
    model = { "gen_ai.response.model" },
    response_id = { "gen_ai.response.id" },
    input_tokens = { "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens" },
    output_tokens = { "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens" },
    stop_reason = { "gen_ai.response.finish_reasons", "gen_ai.response.finish_reason" },
    user_id = { "user.id", "enduser.id" },
    session_id = { "session.id" },
    tenant_id = { "tenant.id", "tenant_id" },
    agent_id = { "gen_ai.agent.id", "gen_ai.agent.name" },
    template_id = { "gen_ai.agent.name" },
    tool_name = { "gen_ai.tool.name" },
  },
}
