-- What models cost, in USD per million tokens, and from when on. Check these figures against your own contract: they are public list prices, and they change.
--
-- A new price is a new row with its date; events are priced by their own time, so that replays and late events come out the same. A model's name may carry a date or version
-- behind the family's ("gpt-4o-2024-08-06"): the longest family that it begins with, up to a "-", "@" or ":", counts.
--
--   local price = require "prices"
--   local usd = price.of(ev)      -- nil: no price is known for this model at that time
--
-- `input_tokens` of an event include cached and cache-write tokens, `output_tokens` include reasoning tokens.
-- Fields of a row: from (UTC date), input, output, and where they differ cached_input (default: input), cache_write (default: input), reasoning (default: output).

local families = {
  ["gpt-4o"] = {
    { from = "2024-05-13", input = 5.00, output = 15.00 },
    { from = "2024-10-01", input = 2.50, output = 10.00, cached_input = 1.25 },
  },
  ["gpt-4o-mini"] = {
    { from = "2024-07-18", input = 0.15, output = 0.60, cached_input = 0.075 },
  },
  ["gpt-4.1"] = {
    { from = "2025-04-14", input = 2.00, output = 8.00, cached_input = 0.50 },
  },
  ["gpt-4.1-mini"] = {
    { from = "2025-04-14", input = 0.40, output = 1.60, cached_input = 0.10 },
  },
  ["gpt-4.1-nano"] = {
    { from = "2025-04-14", input = 0.10, output = 0.40, cached_input = 0.025 },
  },
  ["claude-sonnet-4-5"] = {
    { from = "2025-09-29", input = 3.00, output = 15.00, cached_input = 0.30, cache_write = 3.75 },
  },
  ["claude-haiku-4-5"] = {
    { from = "2025-10-15", input = 1.00, output = 5.00, cached_input = 0.10, cache_write = 1.25 },
  },
  ["text-embedding-3-small"] = {
    { from = "2024-01-25", input = 0.02, output = 0 },
  },
  -- Models of tests: they cost nothing, and saying so keeps them out of agent_unpriced_tokens_total.
  ["mock-large"] = { { from = "2020-01-01", input = 0, output = 0 } },
  ["claude-mock"] = { { from = "2020-01-01", input = 0, output = 0 } },
  ["claude-fail"] = { { from = "2020-01-01", input = 0, output = 0 } },
  ["text-embedding-mock"] = { { from = "2020-01-01", input = 0, output = 0 } },
}

local price = {}

-- Days since 1970 of a civil date (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
local function days(y, m, d)
  if m <= 2 then y = y - 1 end
  local era = math.floor(y / 400)
  local yoe = y - era * 400
  local doy = math.floor((153 * (m + (m > 2 and -3 or 9)) + 2) / 5) + d - 1
  return era * 146097 + yoe * 365 + math.floor(yoe / 4) - math.floor(yoe / 100) + doy - 719468
end

for name, rows in pairs(families) do
  for i, row in ipairs(rows) do
    local y, m, d = row.from:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)$")
    if not y then error(("prices: %s, row %d: from = %q is no date such as 2025-01-31"):format(name, i, tostring(row.from))) end
    row.since = days(tonumber(y), tonumber(m), tonumber(d)) * 86400
    if i > 1 and row.since <= rows[i - 1].since then error(("prices: %s, row %d is not later than the one before"):format(name, i)) end
    row.cached_input = row.cached_input or row.input
    row.cache_write = row.cache_write or row.input
    row.reasoning = row.reasoning or row.output
  end
end

-- The rows for a model's name: exact, else by the longest family in front of a separator.
local function rows_of(model)
  local name = model
  while name do
    if families[name] then return families[name] end
    name = name:match("^(.+)[-@:][^-@:]*$")
  end
end

-- Model names come from outside: only so many are remembered.
local known, known_count = {}, 0

local function lookup(model)
  local rows = rows_of(model) or false
  if known_count >= 1000 then known, known_count = {}, 0 end
  known[model] = rows
  known_count = known_count + 1
  return rows
end

-- The row that holds at a time (seconds since 1970), or nil.
function price.at(model, time)
  local rows = known[model]
  if rows == nil then rows = lookup(model) end
  if not rows then return nil end
  for i = #rows, 1, -1 do
    if time >= rows[i].since then return rows[i] end
  end
end

-- What a model call cost in USD, or nil when its model has no price.
function price.of(ev)
  local model = ev.model
  local row = model and price.at(model, ev.time)
  if not row then return nil end
  local cached = ev.cached_input_tokens or 0
  local written = ev.cache_write_tokens or 0
  local reasoning = ev.reasoning_tokens or 0
  local input = (ev.input_tokens or 0) - cached - written
  local output = (ev.output_tokens or 0) - reasoning
  if input < 0 then input = 0 end
  if output < 0 then output = 0 end
  return (input * row.input + cached * row.cached_input + written * row.cache_write
    + output * row.output + reasoning * row.reasoning) / 1e6
end

return price
