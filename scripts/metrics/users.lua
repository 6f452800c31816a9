-- Who is there: any event with a user_id is a sign of life, and user.active is nothing else.
local daily = distinct "agent_daily_active_users" { help = "Users seen today", period = "day" }
local monthly = distinct "agent_monthly_active_users" { help = "Users seen this month", period = "month" }
local concurrent = gauge "agent_concurrent_users" { help = "Users seen in the last five minutes" }

-- Users of the last five minutes: an entry lives as long after the last event of its user.
local present = state "agent_present_users"

on("*", function(ev)
  local user = ev.user_id
  if not user then return end
  daily:see(user)
  monthly:see(user)
  if present:set(user, true, "5m") then concurrent:set(present:count()) end
end)

every("10s", function() concurrent:set(present:count()) end)
