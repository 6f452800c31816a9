-- expect: ok
local s = state "change"
on("x", function()
  for i = 1, 100 do s:set(i, i) end
  local n = 0
  for k in s:pairs() do n = n + 1 s:set(k, nil) s:set("new" .. n, 1) end
  assert(n >= 100 and n <= 300, n)
  local iterate = s:pairs()
  for _ = 1, 1000 do iterate() end
  assert(iterate() == nil)
end)
