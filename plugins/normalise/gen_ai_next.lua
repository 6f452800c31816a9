-- What the gen_ai conventions have got since they moved to a repository of their own, and keys of SDKs that were written against its drafts.
-- Sources: open-telemetry/semantic-conventions-genai, docs/registry/attributes/gen-ai.md and docs/gen-ai/anthropic.md; the Anthropic SDK for TypeScript 0.137
-- (cache_write, its own stop reason).
--
--   Reasoning tokens are in the output tokens. Of Anthropic, whose API leaves the cache out of its input tokens, an instrumentation adds the three up.
return {
  name = "gen_ai after 1.41",
  marks = { { ["mcp.method.name"] = { "tools/call" } } },
  kind = function(span)
    if span["mcp.method.name"] == "tools/call" then return "tool" end
  end,
  fields = {
    cached_input_tokens = { "gen_ai.usage.cache_read.input_tokens" },
    cache_write_tokens = { "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_write.input_tokens" },
    reasoning_tokens = { "gen_ai.usage.reasoning.output_tokens" },
    stop_reason = { "gen_ai.response.finish_reasons", "anthropic.message.stop_reason" },
    template_id = { "gen_ai.workflow.name" },
  },
}
