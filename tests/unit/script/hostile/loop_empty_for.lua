-- expect: cut time
on("x", function() for _ = 1, math.huge do end end)
