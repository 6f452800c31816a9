-- expect: cut memory
on("x", function() local t = {} for i = 1, 1000 do t[i] = ("x"):rep(1e5) end return table.concat(t) end)
