-- expect: error stack overflow
local o o = setmetatable({}, { __call = function(self) return (self()) end })
on("x", function() o() end)
