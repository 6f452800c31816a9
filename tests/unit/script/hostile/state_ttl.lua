-- expect: any
-- Entries that end at once, all in one call.
local s = state "ttl"
on("x", function()
  for i = 1, 1e6 do if not pcall(s.set, s, i, 1, 1) then break end end
end)
every("1s", function() return s:count() end)
