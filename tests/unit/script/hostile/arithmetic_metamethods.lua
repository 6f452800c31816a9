-- expect: cut time
local mt = {} for _, e in ipairs { "__add", "__sub", "__mul", "__div", "__mod", "__pow", "__unm", "__len", "__eq", "__lt", "__le" } do mt[e] = function(a, b) while true do local _ = a == b end end end
on("x", function() while true do pcall(function() local o = setmetatable({}, mt) return o + 1, -o, o < o end) end end)
