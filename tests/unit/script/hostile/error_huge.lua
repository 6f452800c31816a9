-- expect: error
on("x", function() error(("x"):rep(1e6) .. "end") end)
