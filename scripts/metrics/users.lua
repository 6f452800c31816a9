-- Who is active: every event with a user_id counts, whatever its type.
local daily = distinct "agent_daily_active_users" { help = "Users seen today", period = "day", idle = "never" }
local monthly = distinct "agent_monthly_active_users" { help = "Users seen this month", period = "month", idle = "never" }
local concurrent = gauge "agent_concurrent_users" { help = "Users seen in the last 5 minutes", idle = "never" }

local recent = state "agent_recent_users"

-- Users that were counted for the day from day_begin to day_end already. Counting one twice would change nothing; it only takes time.
local counted, size = {}, 0
local day_begin, day_end = 0, 0

local function count(user, time)
  daily:see(user)
  monthly:see(user)
  if time >= day_end then
    local date = os.date("*t", time)
    day_begin = os.time { year = date.year, month = date.month, day = date.day, hour = 0 }
    day_end = os.time { year = date.year, month = date.month, day = date.day + 1, hour = 0 }
    counted, size = {}, 0
  end
  if time < day_begin then return end
  if size >= 20000 then counted, size = {}, 0 end
  counted[user], size = true, size + 1
end

on("*", function(ev)
  local user = ev.user_id
  if not user then return end
  local time = ev.time
  if not counted[user] or time < day_begin or time >= day_end then count(user, time) end
  if recent:set(user, true, 300) then concurrent:set(recent:count()) end
end)

every("5s", function() concurrent:set(recent:count()) end)
