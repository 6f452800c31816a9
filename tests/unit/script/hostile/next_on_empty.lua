-- expect: any
-- A large table that is empty again: each next looks through all of it.
on("x", function()
  local t = {}
  for i = 1, 1e5 do t["k" .. i] = i end
  for i = 1, 1e5 do t["k" .. i] = nil end
  while true do next(t) end
end)
