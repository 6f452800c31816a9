-- expect: error
local t = {} setmetatable(t, { __index = t, __newindex = t })
on("x", function() return t.x end)
