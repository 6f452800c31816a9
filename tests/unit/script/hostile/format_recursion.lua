-- expect: error nested too deeply
local o o = setmetatable({}, { __tostring = function() return ("%s"):format(o) end })
on("x", function() return ("%s"):format(o) end)
