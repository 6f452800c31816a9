-- expect: error too many values
on("x", function() local t = {} for i = 1, 5000 do t["k" .. i] = i end emit("y", t) end)
