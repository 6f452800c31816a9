-- The ai.* attributes of Vercel's AI SDK: all of them in 4 and 5, beside gen_ai in 6 and 7.
-- Sources: vercel/ai, content/docs/03-ai-sdk-core/60-telemetry.mdx, packages/ai/src/telemetry.
--
--   generateText and streamText are spans around one ai.….doGenerate or doStream for each call of a model, and have the sum of their tokens; ai.toolCall is
--   a call of a tool. metadata is the user's own: userId and sessionId are customs. Until inputTokenDetails came, the input tokens were the provider's own
--   figure, in which Anthropic and Bedrock leave out the cache; what was written to it was in the metadata of Anthropic's answer only.
local kinds = {
  ["ai.generateText.doGenerate"] = "model", ["ai.streamText.doStream"] = "model",
  ["ai.generateObject.doGenerate"] = "model", ["ai.streamObject.doStream"] = "model",
  ["ai.embed.doEmbed"] = "model", ["ai.embedMany.doEmbed"] = "model",
  ["ai.toolCall"] = "tool",
  ["ai.generateText"] = "agent", ["ai.streamText"] = "agent",
}

local marks = {}
for operation in pairs(kinds) do marks[#marks + 1] = operation end

return {
  name = "Vercel AI SDK",
  marks = { { ["ai.operationId"] = marks } },
  kind = function(span)
    local operation = span["ai.operationId"]
    return operation and (kinds[operation] or "other")
  end,
  fields = {
    provider = { "ai.model.provider" },
    request_model = { "ai.model.id" },
    model = { "ai.response.model" },
    response_id = { "ai.response.id" },
    input_tokens = { "ai.usage.inputTokens", "ai.usage.promptTokens", "ai.usage.tokens" },
    output_tokens = { "ai.usage.outputTokens", "ai.usage.completionTokens" },
    total_tokens = { "ai.usage.totalTokens" },
    cached_input_tokens = { "ai.usage.inputTokenDetails.cacheReadTokens", "ai.usage.cachedInputTokens" },
    cache_write_tokens = { "ai.usage.inputTokenDetails.cacheWriteTokens" },
    reasoning_tokens = { "ai.usage.outputTokenDetails.reasoningTokens", "ai.usage.reasoningTokens" },
    stop_reason = { "ai.response.finishReason", "ai.finishReason" },
    user_id = { "ai.telemetry.metadata.userId", "ai.settings.context.userId" },
    session_id = { "ai.telemetry.metadata.sessionId", "ai.settings.context.sessionId" },
    tenant_id = { "ai.telemetry.metadata.tenantId", "ai.settings.context.tenantId" },
    agent_id = { "ai.telemetry.functionId" },
    template_id = { "ai.telemetry.functionId" },
    tool_name = { "ai.toolCall.name" },
    tool_arguments = { "ai.toolCall.args", "ai.toolCall.input" },
  },
  adjust = function(span, call)
    if not call.cache_write_tokens then
      local answer = span["ai.response.providerMetadata"]
      local written = type(answer) == "string" and answer:match('"cacheCreationInputTokens":(%d+)')
      if written then call.cache_write_tokens = tonumber(written) end
    end
  end,
  excludes_cache = function(span)
    if span["ai.usage.inputTokenDetails.noCacheTokens"] then return false end
    local provider = span["ai.model.provider"]
    if type(provider) ~= "string" then return nil end
    return provider:find("^anthropic") ~= nil or provider:find("bedrock", 1, true) ~= nil
  end,
}
