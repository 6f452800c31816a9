-- expect: ok
-- Tables have no finalizers in Lua 5.1, and userdata with metatables of a script's own do not exist.
local ran = 0
on("x", function()
  for i = 1, 20000 do setmetatable({}, { __gc = function() ran = ran + 1 while true do end end }) end
  assert(ran == 0)
end)
