-- expect: cut time
local s = state "keys"
on("x", function()
  for i = 1, 5000 do s:set(i, true) end
  while true do s:keys() for _ in s:pairs() do end end
end)
