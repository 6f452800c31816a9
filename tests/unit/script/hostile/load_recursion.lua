-- expect: any
local function f(n) local g = load("local f, n = ... return (f(n + 1))") return g(f, n) end
on("x", function() pcall(f, 1) end)
