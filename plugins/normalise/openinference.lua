-- OpenInference, as Arize's instrumentations and Phoenix have it.
-- Source: Arize-ai/openinference, spec/semantic_conventions.md: the kind is openinference.span.kind; llm.token_count.prompt is the whole prompt, of which
-- prompt_details says what came from the cache and what went there.
local kinds = { LLM = "model", EMBEDDING = "model", RERANKER = "model", TOOL = "tool", AGENT = "agent" }

return {
  name = "OpenInference",
  marks = { { ["openinference.span.kind"] = { "LLM", "EMBEDDING", "RERANKER", "TOOL", "AGENT" } } },
  kind = function(span)
    local kind = span["openinference.span.kind"]
    return kind and (kinds[kind] or "other")
  end,
  fields = {
    provider = { "llm.provider", "llm.system" },
    request_model = { "llm.request.model_name", "llm.model_name", "embedding.model_name", "reranker.model_name" },
    model = { "llm.response.model_name", "llm.model_name", "embedding.model_name", "reranker.model_name" },
    input_tokens = { "llm.token_count.prompt" },
    output_tokens = { "llm.token_count.completion" },
    total_tokens = { "llm.token_count.total" },
    cached_input_tokens = { "llm.token_count.prompt_details.cache_read" },
    cache_write_tokens = { "llm.token_count.prompt_details.cache_write" },
    reasoning_tokens = { "llm.token_count.completion_details.reasoning" },
    stop_reason = { "llm.finish_reason" },
    user_id = { "user.id" },
    session_id = { "session.id" },
    agent_id = { "agent.name" },
    template_id = { "agent.name" },
    tool_name = { "tool.name" },
    tool_arguments = { "tool.parameters", "input.value" },
  },
}
