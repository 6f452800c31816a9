-- expect: cut memory
local mt = {} mt.__concat = function(a, b) return setmetatable({ a, b }, mt) end
on("x", function() local o = setmetatable({}, mt) while true do o = o .. o .. "x" end end)
