-- What model calls cost, and whose money it was. Prices: conf/prices.lua.
local price = require "prices"

local cost = counter "agent_cost_usd_total" {
  help = "Money spent on model calls", unit = "usd", labels = { "user_id", "model" }, max_series = 50000,
}
local unpriced = counter "agent_unpriced_tokens_total" {
  help = "Tokens of models that conf/prices.lua has no price for", labels = { "model" },
}
local daily = gauge "agent_daily_cost_usd" { help = "Money spent on model calls today", unit = "usd", idle = "never" }

-- The running day of the engine's clock, in the configured time zone. The state remembers it over reloads, like the gauge its value.
local remembered = state "agent_daily_cost"
local day_begin, day_end = 0, 0

local function begin_day()
  local date = os.date("*t", now())
  day_begin = os.time { year = date.year, month = date.month, day = date.day, hour = 0 }
  day_end = os.time { year = date.year, month = date.month, day = date.day + 1, hour = 0 }
  if remembered:get("day") ~= day_begin then
    remembered:set("day", day_begin)
    daily:set(0)
  end
end

on("model.call", function(ev)
  local usd = price.of(ev)
  if not usd then
    unpriced:add((ev.input_tokens or 0) + (ev.output_tokens or 0), ev.model)
    return
  end
  cost:add(usd, ev.user_id, ev.model)
  local time = ev.time
  if time >= day_end and now() >= day_end then begin_day() end
  if time >= day_begin and time < day_end then daily:add(usd) end
end)

every("1m", function()
  if now() >= day_end then begin_day() end
end)
