-- expect: any
local t = {}
for i = 1, 2000 do t[i] = state("many" .. i) end
on("x", function() for i = 1, #t do t[i]:set("k", i) end end)
