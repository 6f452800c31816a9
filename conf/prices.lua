-- What model calls cost, in US dollars per million tokens.
--
-- These are list prices as the providers have published them. Check them against your contract: batch, priority, long-context and regional
-- prices differ, and prices change. Every model has a list of prices, each in force from a date on (UTC, midnight), so that
-- a replay of last month's events comes to last month's money.
--
--   input         tokens that were neither read from the cache nor written to it
--   cached_input  tokens read from the cache; as input where it is missing
--   cache_write   tokens written to the cache; as input where it is missing
--   output        all tokens that the model made
--   reasoning     those of them that were reasoning; as output where it is missing
--
-- A name with a date or "latest" behind it ("gpt-4o-2024-08-06", "claude-sonnet-4-5-20250929") has the prices of its family, unless it has
-- a row of its own. A model without any is not free but unpriced: agent_unpriced_tokens_total counts its tokens.

local models = {
  -- OpenAI
  ["gpt-4o"] = {
    { from = "2024-05-13", input = 5, output = 15 },
    { from = "2024-10-02", input = 2.5, cached_input = 1.25, output = 10 },
  },
  ["gpt-4o-2024-05-13"] = { { from = "2024-05-13", input = 5, output = 15 } },
  ["gpt-4o-2024-08-06"] = { { from = "2024-08-06", input = 2.5, cached_input = 1.25, output = 10 } },
  ["gpt-4o-mini"] = { { from = "2024-07-18", input = 0.15, cached_input = 0.075, output = 0.6 } },
  ["gpt-4.1"] = { { from = "2025-04-14", input = 2, cached_input = 0.5, output = 8 } },
  ["gpt-4.1-mini"] = { { from = "2025-04-14", input = 0.4, cached_input = 0.1, output = 1.6 } },
  ["gpt-4.1-nano"] = { { from = "2025-04-14", input = 0.1, cached_input = 0.025, output = 0.4 } },
  ["gpt-5"] = { { from = "2025-08-07", input = 1.25, cached_input = 0.125, output = 10 } },
  ["gpt-5-mini"] = { { from = "2025-08-07", input = 0.25, cached_input = 0.025, output = 2 } },
  ["gpt-5-nano"] = { { from = "2025-08-07", input = 0.05, cached_input = 0.005, output = 0.4 } },
  ["o3"] = {
    { from = "2025-04-16", input = 10, cached_input = 2.5, output = 40 },
    { from = "2025-06-10", input = 2, cached_input = 0.5, output = 8 },
  },
  ["o4-mini"] = { { from = "2025-04-16", input = 1.1, cached_input = 0.275, output = 4.4 } },
  ["text-embedding-3-small"] = { { from = "2024-01-25", input = 0.02, output = 0 } },
  ["text-embedding-3-large"] = { { from = "2024-01-25", input = 0.13, output = 0 } },

  -- Anthropic; cache writes at the price of the five-minute cache
  ["claude-opus-4-5"] = { { from = "2025-11-24", input = 5, cached_input = 0.5, cache_write = 6.25, output = 25 } },
  ["claude-opus-4-1"] = { { from = "2025-08-05", input = 15, cached_input = 1.5, cache_write = 18.75, output = 75 } },
  ["claude-sonnet-4-5"] = { { from = "2025-09-29", input = 3, cached_input = 0.3, cache_write = 3.75, output = 15 } },
  ["claude-sonnet-4"] = { { from = "2025-05-22", input = 3, cached_input = 0.3, cache_write = 3.75, output = 15 } },
  ["claude-haiku-4-5"] = { { from = "2025-10-15", input = 1, cached_input = 0.1, cache_write = 1.25, output = 5 } },
  ["claude-3-7-sonnet"] = { { from = "2025-02-24", input = 3, cached_input = 0.3, cache_write = 3.75, output = 15 } },
  ["claude-3-5-haiku"] = { { from = "2024-11-04", input = 0.8, cached_input = 0.08, cache_write = 1, output = 4 } },

  -- No models: stand-ins that test suites of SDKs answer with. They cost nothing, and say so here.
  ["claude-mock"] = { { from = "1970-01-01", input = 0, output = 0 } },
  ["claude-fail"] = { { from = "1970-01-01", input = 0, output = 0 } },
  ["mock-large"] = { { from = "1970-01-01", input = 0, output = 0 } },
  ["text-embedding-mock"] = { { from = "1970-01-01", input = 0, output = 0 } },
}

-- What may stand behind a family's name.
local suffixes = { "^%-%d%d%d%d%-%d%d%-%d%d$", "^%-%d%d%d%d%d%d%d%d$", "^@%d%d%d%d%d%d%d%d$", "^%-%d%d%d%d$", "^%-latest$" }

local price = {}

-- Days from 1970-01-01 to a date of the Gregorian calendar, as seconds: the date's midnight in UTC.
local function midnight(date)
  local year, month, day = date:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)$")
  if not year then error("prices: " .. tostring(date) .. " is no date like 2025-09-29", 0) end
  year, month, day = tonumber(year), tonumber(month), tonumber(day)
  if month <= 2 then year, month = year - 1, month + 12 end -- the year begins in March, so that leap days end it
  local days = 365 * year + math.floor(year / 4) - math.floor(year / 100) + math.floor(year / 400)
  return (days + math.floor((153 * (month - 3) + 2) / 5) + day - 719469) * 86400
end

-- What tokens of a kind cost beside the price they are counted at already; nil where that is nothing, so that most events are not even asked for them.
local function extra(own, counted)
  return own ~= counted and own - counted or nil
end

-- Dates become seconds; each row ends where the next one begins, and what is missing takes the price it stands for.
for model, rows in pairs(models) do
  for i, row in ipairs(rows) do
    row.from, row.till = midnight(row.from), math.huge
    row.cached_input = row.cached_input or row.input
    row.cache_write = row.cache_write or row.input
    row.reasoning = row.reasoning or row.output
    row.cached_extra, row.write_extra = extra(row.cached_input, row.input), extra(row.cache_write, row.input)
    row.reasoning_extra = extra(row.reasoning, row.output)
    if i > 1 then
      if row.from <= rows[i - 1].from then error("prices: " .. model .. ": dates rise from row to row", 0) end
      rows[i - 1].till = row.from
    end
  end
end

-- The rows of a model or of its family, or nil; events may have anything for a model.
local function rows_of(model)
  if type(model) ~= "string" then return nil end
  if models[model] then return models[model] end
  for _, suffix in ipairs(suffixes) do
    for length = #model - 1, 1, -1 do
      local rows = models[model:sub(1, length)]
      if rows and model:sub(length + 1):find(suffix) then return rows end
    end
  end
end

--- The prices of a model that are in force at a time, or nil.
---@param model string
---@param time number seconds since 1970
---@return table?
function price.at(model, time)
  for _, row in ipairs(rows_of(model) or {}) do
    if row.from <= time and time < row.till then return row end
  end
end

-- The row that was last in force for a model; false: there was none. Emptied when unknown names have filled it.
local last, size = {}, 0

local function find(model, time)
  if size >= 1000 then last, size = {}, 0 end
  local row = price.at(model, time)
  if model ~= nil and (row or not rows_of(model)) then
    last[model] = row or false
    size = size + 1
  end
  return row
end

--- What a model call cost, in dollars; nil: there is no price for its model at its time. `input_tokens` includes those read from and written to the
--- cache, `output_tokens` includes reasoning.
---@param ev Event
---@return number?
function price.of(ev)
  local model, time = ev.model, ev.time
  local row = last[model or ""]
  if row == false then return nil end
  if not row or time >= row.till or time < row.from then
    row = find(model, time)
    if not row then return nil end
  end
  local input, output = ev.input_tokens or 0, ev.output_tokens or 0
  local usd = input * row.input + output * row.output
  local cached_extra, write_extra, reasoning_extra = row.cached_extra, row.write_extra, row.reasoning_extra
  if cached_extra then usd = usd + (ev.cached_input_tokens or 0) * cached_extra end
  if write_extra then usd = usd + (ev.cache_write_tokens or 0) * write_extra end
  if reasoning_extra then usd = usd + (ev.reasoning_tokens or 0) * reasoning_extra end
  return usd / 1e6
end

return price
