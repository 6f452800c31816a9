-- expect: error
on("x", function() local function f(n) if n == 0 then error("deep", 50) end return (f(n - 1)) end f(100) end)
