-- expect: cut time
local t = setmetatable({}, { __index = function(t, k) return t[k + 1] and 1 or t[k] end })
on("x", function() while true do pcall(function() return t[1] end) end end)
