-- expect: error
on("x", function() return select("#", unpack({}, 1, 1e8)) end)
