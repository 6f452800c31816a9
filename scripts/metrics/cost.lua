-- What model calls cost, and whose money it was.
local price = require "prices"

local cost = counter "agent_cost_usd_total" {
  help = "Money spent on model calls", unit = "usd", labels = { "user_id", "model" }, max_series = 50000,
}
local daily = gauge "agent_daily_cost_usd" { help = "Money spent since midnight", unit = "usd" }
local unpriced = counter "agent_unpriced_tokens_total" {
  help = "Tokens of models that conf/prices.lua does not know", labels = { "model" },
}

-- The running day and what it has cost so far; kept in C, so that a restart at noon does not begin at zero.
local today = state "agent_daily_cost"

local function roll(day)
  if today:get("day") ~= day then
    today:set("day", day)
    today:set("usd", 0)
    daily:set(0)
  end
end

local day, day_ends = nil, 0

-- The calendar day of an event, computed once an hour: midnight falls on an hour in almost every time zone, and on a half or quarter of one in the others.
local function day_of(time)
  if time >= day_ends or time < day_ends - 900 then
    day = os.date("%Y-%m-%d", time)
    day_ends = time - time % 900 + 900
  end
  return day
end

on("model.call", function(ev)
  local usd = price.of(ev)
  if not usd then
    return unpriced:add((ev.input_tokens or 0) + (ev.output_tokens or 0), ev.model)
  end
  cost:add(usd, ev.user_id, ev.model)
  local current = day_of(now())
  if day_of(ev.time) == current then
    roll(current)
    daily:set(today:incr("usd", usd))
  end
end)

every("1m", function() roll(os.date("%Y-%m-%d", now())) end)
