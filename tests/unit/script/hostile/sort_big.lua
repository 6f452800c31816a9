-- expect: cut time
on("x", function()
  local t = {}
  for i = 1, 3e4 do t[i] = -i end
  while true do table.sort(t, function(a, b) return a < b end) table.sort(t, function(a, b) return a > b end) end
end)
