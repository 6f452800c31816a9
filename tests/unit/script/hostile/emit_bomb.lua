-- expect: error emit: emitted events have caused each other too often
on("x", function() emit("bomb") end)
on("bomb", function() for i = 1, 3 do emit("bomb", { i = i }) end end)
