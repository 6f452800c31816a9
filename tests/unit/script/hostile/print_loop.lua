-- expect: cut time
on("x", function() print(setmetatable({}, { __tostring = function() while true do end end })) end)
