-- What is to be counted of the captured bodies of SDKs, and where they lie. The figures were derived by hand from the bodies, not from a program's output.
--
-- How they were derived:
--
--   model calls     the innermost spans of an operation on a model. The AI SDK's invoke_agent has the sum of its chats (640 = 120 + 220 + 300): not added.
--                   Its outer "embeddings" span is embedMany, which cut the list into three requests: three calls of 9 tokens, not four. Its failing
--                   model was tried twice within one span: one call. Under OpenLLMetry's span of Anthropic lies the SDK's own: one call.
--   model           the one that answered (gpt-4o-2024-08-06), of a failure the one that was asked
--   input           with what was read from and written to the cache. Anthropic's API said input_tokens 412, cache_read_input_tokens 1024,
--                   cache_creation_input_tokens 128: 1564 went in, as the SDK's span has it; OpenLLMetry passes on the 412. The AI SDK's figures have the
--                   cache within (120 = 104 not cached + 16 read).
--   reasoning       of the AI SDK in ai.usage.outputTokenDetails: 5 a call, within the output
--   usd             by conf/prices.lua. Sonnet 4.5, a call: 412 × 3 + 1024 × 0.30 + 128 × 3.75 + 61 × 15 = 2938.2 µ$. gpt-4o: 2.50 in, 10 out.
--   tools           execute_tool spans (in the JS SDK's trace one without an operation: by gen_ai.tool.name), Traceloop's spans of kind tool. book threw an
--                   Error, get_weather of the JS trace a TypeError.
--   agents          invoke_agent, Traceloop's spans of kind agent. The trace that failed has one error: the call's, not once more for the agent.
--   user            from the HTTP span at the root or ai.settings.context.userId on the agent (AI SDK), user.id of the root (JS), association properties
--                   on each span (OpenLLMetry workflow); the calls of OpenLLMetry without a workflow have none
local captures = {}

captures.root = os.getenv("MOONGATE_CAPTURES") or "../shared/captures"

local multistep = {
  models = {
    { model = "mock-large-2026", status = "success", calls = 3, input = 640, output = 95, cached = 48, written = 0, reasoning = 15, usd = 0 },
  },
  tools = {
    { tool = "book", status = "failed", calls = 1 }, { tool = "search", status = "success", calls = 1 },
      { tool = "weather", status = "success", calls = 1 },
  },
  errors = { { error = "Error", agent = "plan-trip", count = 1 } },
  agents = { ["plan-trip"] = 1 }, user = "user_123", session = "sess_9", stops = { tool_calls = 2, stop = 1 },
}

local stream = {
  models = {
    { model = "mock-large-2026", status = "success", calls = 2, input = 230, output = 32, cached = 32, written = 0, reasoning = 10, usd = 0 },
  },
  tools = { { tool = "weather", status = "success", calls = 1 } },
  errors = {}, agents = { ["stream-weather"] = 1 }, user = "user_123", session = "sess_9", stops = { tool_calls = 1, stop = 1 },
}

local model_error = {
  models = { { model = "mock-large", status = "failed", calls = 1, input = 0, output = 0, cached = 0, written = 0, reasoning = 0, usd = 0 } },
  tools = {}, errors = { { error = "AI_RetryError", agent = "err", count = 1 } },
  agents = { err = 1 }, user = "user_123", session = "sess_9", stops = {},
}

local embed = {
  models = {
    { model = "text-embedding-mock", status = "success", calls = 3, input = 27, output = 0, cached = 0, written = 0, reasoning = 0, usd = 0 },
  },
  tools = {}, errors = {}, agents = {}, user = "user_123", session = "sess_9", stops = {},
}

local anthropic = {
  models = {
    { model = "claude-sonnet-4-5", status = "success", calls = 2, input = 3128, output = 122, cached = 2048, written = 256, reasoning = 0,
      usd = 0.0058764 },
  },
  tools = {}, errors = {}, agents = {}, stops = { tool_calls = 1, stop = 1 },
}

local anthropic_error = {
  models = { { model = "claude-fail", status = "failed", calls = 1, input = 0, output = 0, cached = 0, written = 0, reasoning = 0, usd = 0 } },
  tools = {}, errors = { { error = "overloaded_error", count = 1 } }, agents = {}, stops = {},
}

-- The SDK's instrumentation has the call of the responses API only; of the embeddings there is no span in the body.
local responses = {
  models = {
    { model = "gpt-4o-2024-08-06", status = "success", calls = 1, input = 36, output = 8, cached = 0, written = 0, reasoning = 0, usd = 0.00017 },
  },
  tools = {}, errors = {}, agents = {}, stops = { stop = 1 },
}

local workflow = {
  models = {
    { model = "gpt-4o-2024-08-06", status = "success", calls = 2, input = 114, output = 34, cached = 0, written = 0, reasoning = 0, usd = 0.000625 },
  },
  tools = { { tool = "get_weather", status = "success", calls = 1 } },
  errors = {}, agents = { weather_agent = 1 }, user = "user_123", session = "sess_9", stops = { tool_calls = 1, stop = 1 },
}

local js = {
  models = {
    { model = "gpt-4o", status = "success", calls = 1, input = 1200, output = 87, cached = 0, written = 0, reasoning = 0, usd = 0.00387 },
  },
  tools = { { tool = "get_weather", status = "failed", calls = 1 } },
  errors = { { error = "TypeError", count = 1 } }, agents = {}, user = "user-42", session = "sess-7", stops = { stop = 1 },
}

captures.folders = {
  ["ai-sdk-v7-json-multistep"] = multistep, ["ai-sdk-v7-proto-multistep"] = multistep,
  ["ai-sdk-v7-json-stream"] = stream, ["ai-sdk-v7-proto-stream"] = stream,
  ["ai-sdk-v7-json-model-error"] = model_error, ["ai-sdk-v7-proto-model-error"] = model_error,
  ["ai-sdk-v7-json-embed"] = embed, ["ai-sdk-v7-proto-embed"] = embed,
  ["openllmetry-json-anthropic"] = anthropic, ["openllmetry-proto-anthropic"] = anthropic,
  ["openllmetry-json-anthropic-error"] = anthropic_error,
  ["openllmetry-json-openai-embeddings-responses"] = responses,
  ["openllmetry-json-workflow"] = workflow, ["openllmetry-proto-workflow"] = workflow,
  ["otel-js-v3-json-none-traces"] = js, ["otel-js-v3-json-gzip-traces"] = js, ["otel-js-v3-proto-none-traces"] = js,
}

--- The folders' names, sorted.
function captures.names()
  local names = {}
  for name in pairs(captures.folders) do names[#names + 1] = name end
  table.sort(names)
  return names
end

--- A file of a folder, or nil.
function captures.read(folder, file)
  local f = io.open(captures.root .. "/" .. folder .. "/" .. file, "rb")
  if not f then return nil end
  local text = f:read("*a")
  f:close()
  return text
end

--- Are they there? Whoever builds moongate alone has none.
function captures.present()
  return captures.read("WIRE.md", "") ~= nil or captures.read("ai-sdk-v7-json-stream", "001.headers.json") ~= nil
end

return captures
