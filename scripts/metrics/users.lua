-- Who is active: every event with a user_id counts, whatever its type.
local daily = distinct "agent_daily_active_users" { help = "Users seen today", period = "day", idle = "never" }
local monthly = distinct "agent_monthly_active_users" { help = "Users seen this month", period = "month", idle = "never" }
local concurrent = gauge "agent_concurrent_users" { help = "Users seen in the last 5 minutes", idle = "never" }

local recent = state "agent_recent_users" -- gone five minutes after the second in which they were last seen

-- Until when there is nothing new to learn of a user: the end of this second, while the event's day is the one from day_begin to day_end. Counting
-- somebody once more changes nothing, whatever the second's part: it only takes time. So this table need not outlive a reload.
local known_until, size = {}, 0
local day_begin, day_end = 0, 0

local function begin_day(time)
  local date = os.date("*t", time)
  day_begin = os.time { year = date.year, month = date.month, day = date.day, hour = 0 }
  day_end = os.time { year = date.year, month = date.month, day = date.day + 1, hour = 0 }
end

local function count(user, time, clock)
  local second = math.floor(clock)
  daily:see(user)
  monthly:see(user)
  if recent:set(user, true, second + 301 - clock) then concurrent:set(recent:count()) end
  if time >= day_end then
    begin_day(time)
    known_until, size = {}, 0
  end
  if time < day_begin then return end
  if size >= 20000 then known_until, size = {}, 0 end
  if not known_until[user] then size = size + 1 end
  known_until[user] = second + 1
end

on("*", function(ev)
  local user = ev.user_id
  if not user then return end
  local time, clock = ev.time, now()
  local known = known_until[user]
  if not known or clock >= known or time < day_begin or time >= day_end then count(user, time, clock) end
end)

every("5s", function() concurrent:set(recent:count()) end)
