-- expect: error too long
on("x", function() return ("x"):rep(2 ^ 40) end)
