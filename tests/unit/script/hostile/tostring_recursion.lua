-- expect: error
local o o = setmetatable({}, { __tostring = function() return tostring(o) .. "" end })
on("x", function() return tostring(o) end)
