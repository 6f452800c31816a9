-- expect: error nested too deeply
on("x", function() local t = {} t.t = t emit("y", t) end)
