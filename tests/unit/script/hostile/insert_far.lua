-- expect: error position out of bounds
on("x", function() table.insert({ 1 }, -2 ^ 31, "x") end)
