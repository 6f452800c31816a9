-- What a span says of a call, in the words of moongate's events, whatever convention it was written in.
--
-- Spans mix conventions (AI SDK 7 writes gen_ai and ai.*, OpenLLMetry gen_ai and traceloop.*), so a field is not looked up in the convention that
-- recognised the span: its names of all conventions make one list, and the first that is there counts.
local fields = {}

local NUMBERS = { "input_tokens", "output_tokens", "total_tokens", "cached_input_tokens", "cache_write_tokens", "reasoning_tokens" }
local TEXTS = { "provider", "operation", "request_model", "model", "response_id" }
-- Of the span or of what is around it.
local INHERITED = { "user_id", "session_id", "tenant_id", "agent_id", "template_id" }

-- What providers and SDKs call the end of an answer, in lower case and with _ for -.
local STOP_REASONS = {
  stop = { "stop", "end_turn", "stop_sequence", "eos", "end", "complete", "completed", "finished" },
  length = { "length", "max_tokens", "max_output_tokens", "max_completion_tokens", "model_length", "incomplete" },
  tool_calls = { "tool_calls", "tool_call", "tool_use", "function_call", "function_calls" },
  content_filter = { "content_filter", "content_filtered", "safety", "refusal", "recitation", "guardrail_intervened", "blocklist",
    "prohibited_content",
    "spii" },
  error = { "error", "failed" },
}
local stop_reason_of = {}
for reason, words in pairs(STOP_REASONS) do
  for _, word in ipairs(words) do stop_reason_of[word] = reason end
end

-- A number of tokens; SDKs for languages without integers write some as text.
local function number_of(value)
  local n = tonumber(value)
  if n and n >= 0 and n < math.huge then return n end
end

local function text_of(value)
  if value == nil or value == "" or type(value) == "table" then return nil end
  if type(value) == "number" and value % 1 == 0 and math.abs(value) < 2 ^ 53 then return ("%d"):format(value) end
  return tostring(value)
end

-- The reason of the first choice that has one: a text, a list, or a list written as JSON.
local function stop_reason(value)
  if type(value) == "table" then
    for _, item in ipairs(value) do
      local reason = stop_reason(item)
      if reason then return reason end
    end
    return nil
  end
  if type(value) ~= "string" then return nil end
  local word = value:match('^%["([^"]*)"') or value
  if word == "" or word == "[]" then return nil end
  word = word:lower():gsub("-", "_")
  return stop_reason_of[word] or word
end

--- The names of each field, those of earlier conventions first.
---@param conventions table[]
---@return table<string, string[]>
function fields.names(conventions)
  local names, known = {}, {}
  for _, convention in ipairs(conventions) do
    for field, list in pairs(convention.fields or {}) do
      names[field], known[field] = names[field] or {}, known[field] or {}
      for _, name in ipairs(list) do
        if not known[field][name] then
          known[field][name] = true
          table.insert(names[field], name)
        end
      end
    end
  end
  return names
end

local function first(span, names)
  for i = 1, #names do
    local value = span[names[i]]
    if value ~= nil then return value end
  end
end

--- A field of the span alone, as it is there.
function fields.raw(vocabulary, span, field)
  return first(span, vocabulary.names[field] or {})
end

--- A field as text, or nil.
function fields.text(vocabulary, span, field)
  return text_of(fields.raw(vocabulary, span, field))
end

local function leaves_cache_out(vocabulary, span, call)
  for _, convention in ipairs(vocabulary.conventions) do
    local says = convention.excludes_cache and convention.excludes_cache(span)
    if says ~= nil then return says end
  end
  -- A part is never more than the whole.
  return (call.cached_input_tokens or 0) + (call.cache_write_tokens or 0) > call.input_tokens
end

--- The name of a tool, or of its span: behind "execute_tool " or "tools/call " in OpenTelemetry's, before ".tool" in Traceloop's.
function fields.tool_name(vocabulary, span)
  local name = fields.text(vocabulary, span, "tool_name") or span.name
  return name:match("^execute_tool (.+)$") or name:match("^tools/call (.+)$") or name:match("^(.+)%.tool$") or name
end

-- After it input_tokens are all tokens that went in, and output_tokens all that came out.
local function complete(vocabulary, span, call)
  for _, convention in ipairs(vocabulary.conventions) do
    if convention.adjust then convention.adjust(span, call) end
  end
  local total = call.total_tokens
  call.total_tokens = nil
  if total and not call.input_tokens then call.input_tokens = math.max(total - (call.output_tokens or 0), 0) end
  if call.input_tokens and (call.cached_input_tokens or call.cache_write_tokens) and leaves_cache_out(vocabulary, span, call) then
    call.input_tokens = call.input_tokens + (call.cached_input_tokens or 0) + (call.cache_write_tokens or 0)
  end
  -- Where an SDK counts reasoning apart from the answer.
  if call.reasoning_tokens and call.output_tokens and call.reasoning_tokens > call.output_tokens then
    call.output_tokens = call.output_tokens + call.reasoning_tokens
  end
end

--- What a model's span says by itself.
---@return table call
function fields.model(vocabulary, span)
  local call = {}
  for _, field in ipairs(NUMBERS) do call[field] = number_of(fields.raw(vocabulary, span, field)) end
  for _, field in ipairs(TEXTS) do call[field] = fields.text(vocabulary, span, field) end
  call.stop_reason = stop_reason(fields.raw(vocabulary, span, "stop_reason"))
  call.model = call.model or call.request_model
  complete(vocabulary, span, call)
  return call
end

local function inherited(trace, span, names)
  for i = 1, #names do
    local value = text_of(trace:inherit(span, names[i]))
    if value then return value end
  end
end

--- Whose the call was: user, session, tenant and agent, of the span or of what is around it.
---@param into table
function fields.owner(vocabulary, trace, span, into)
  for _, field in ipairs(INHERITED) do
    into[field] = inherited(trace, span, vocabulary.names[field] or {})
  end
  into.template_id = into.template_id or into.agent_id
end

-- The type of the last exception of a span.
local function exception_type(span)
  local found
  for event in span:events() do
    if event.name == "exception" then found = event.attributes and event.attributes["exception.type"] or found end
  end
  return text_of(found)
end

--- "success" or "failed", and the type of the error: that of the convention, else of the last exception, else the status of the answer.
---@return string status
---@return string? error_type
function fields.outcome(span)
  local status, named = span.status, text_of(span["error.type"])
  if status == "ok" or (status ~= "error" and not named) then return "success" end
  if named and named ~= "_OTHER" then return "failed", named end
  local code = tonumber(span["http.response.status_code"])
  return "failed", exception_type(span) or (code and code >= 400 and ("%d"):format(code)) or named
end

return fields
