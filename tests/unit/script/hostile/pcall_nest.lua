-- expect: ok
local deepest = 0
local function f(n) deepest = math.max(deepest, n) return pcall(f, n + 1) end
on("x", function() f(1) assert(deepest > 100 and deepest <= 2000, deepest) end)
