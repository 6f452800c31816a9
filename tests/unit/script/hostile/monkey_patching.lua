-- expect: ok
-- A script that breaks its own globals breaks nothing of moongate's Lua half.
local _G, math, string, table, coroutine, os, bit = _G, math, string, table, coroutine, os, bit
local sort, xpcall, print, pairs = table.sort, xpcall, print, pairs
on("x", function()
  for _, library in pairs { math, string, table, coroutine, os, bit } do
    for name in pairs(library) do library[name] = nil end
  end
  for name in pairs(_G) do _G[name] = nil end
  local t = { 3, 1, 2 }
  sort(t)
  if not (t[1] == 1 and t[3] == 3) then t.x.y = 1 end
  xpcall(function() end, function() end)
  print("still here", t)
end)
