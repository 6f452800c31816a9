-- expect: cut time
local mt = {} mt.__lt = function(a, b) return a < b end
local a, b = setmetatable({}, mt), setmetatable({}, mt)
on("x", function() while true do pcall(function() return a < b end) end end)
