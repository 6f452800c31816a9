-- expect: error emit: too many events from one call
on("x", function() for i = 1, 1e9 do emit("y", { i = i }) end end)
