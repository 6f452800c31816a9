-- expect: ok
-- Library functions are replaced by ones that loop: moongate's own Lua half does not call them.
local function evil() while true do end end
local concat, select_, kept = table.concat, select, { sort = table.sort, print = print, require = require, xpcall = xpcall, pcall = pcall }
for _, library in pairs { string, table, math, bit, coroutine, os } do
  for name in pairs(library) do if library ~= string or name ~= "match" then library[name] = evil end end
end
for _, name in ipairs { "tostring", "type", "select", "error", "next", "rawget", "rawset", "getmetatable", "setmetatable", "tonumber", "assert" } do _G[name] = evil end
local c = counter "evil_total" { labels = { "a" } }
on("x", function()
  local t = { 2, 3, 1 }
  kept.sort(t) kept.print(1, 2) kept.pcall(kept.require, "nothing") kept.xpcall(function() t.x() end, function() end)
  c:inc("a")
  if select_("#", concat(t)) ~= 1 then t.x() end
end)
