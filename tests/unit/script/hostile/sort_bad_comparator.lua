-- expect: ok
on("x", function()
  local t = {}
  for i = 1, 100 do t[i] = i % 7 end
  table.sort(t, function() return true end)
  table.sort(t, function() return math.random() < 0.5 end)
  local sum = 0
  for i = 1, 100 do sum = sum + t[i] end
  assert(sum == 297, sum)
end)
