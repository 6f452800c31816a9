-- expect: any
on("x", function() local t = { 1, 2, 3 } table.remove(t, -2 ^ 30) end)
