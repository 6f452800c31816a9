-- expect: cut memory
local c = counter "with_total" { labels = { "a" } }
on("x", function() local t = {} for i = 1, 1e9 do t[i] = c:with { a = ("x"):rep(10000) .. i } end end)
