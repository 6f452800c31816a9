-- expect: error
local function f(n) return 1 + f(n + 1) end
on("x", function() f(1) end)
