-- expect: cut memory
local o = setmetatable({}, { __tostring = function() local s = "x" while true do s = s .. s end end })
on("x", function() return tostring(o) end)
