-- expect: error nested too deeply
local t t = setmetatable({}, { __index = function(_, k) return (k:gsub(".", t)) end })
on("x", function() return (("x"):gsub(".", t)) end)
