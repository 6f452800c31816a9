-- expect: error stack overflow
local mt = {} mt.__concat = function(a, b) return a .. b end
on("x", function() return setmetatable({}, mt) .. "x" end)
