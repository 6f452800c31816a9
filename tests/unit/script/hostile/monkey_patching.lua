-- expect: ok
-- A script that breaks its own globals breaks nothing of moongate's Lua half.
on("x", function()
  type, select, pcall, error, tostring, pairs, setmetatable, next = nil
  for k in ({ math = 1, string = 1, table = 1 }).next or {} do _G[k] = nil end
  local sort = table.sort
  math.floor, string.match, table.concat = nil, nil, nil
  local t = { 3, 1, 2 }
  sort(t)
  if not (t[1] == 1 and t[3] == 3) then t.x.y = 1 end
  xpcall(function() end, function() end)
  print("still here", t)
end)
