-- expect: error a text of 1000000 bytes
on("x", function() emit("y", { s = ("x"):rep(1e6) }) end)
