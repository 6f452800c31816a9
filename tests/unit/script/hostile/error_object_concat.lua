-- expect: cut time
local evil = setmetatable({}, { __concat = function() while true do end end })
on("x", function() return "a" .. evil end)
