-- expect: any
on("x", function() for i = 1, 1000 do emit("w", { i = i, s = ("x"):rep(60000) }) end end)
on("w", function(ev) for i = 1, 1000 do emit("v", { i = i }) end end)
