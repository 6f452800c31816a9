-- expect: cut memory
kept = {}
on("x", function() for i = 1, 1e9 do kept[#kept + 1] = { i } end end)
