-- expect: ok
local n = 0
for _ = 1, 500 do on("x", function() n = n + 1 end) end
for _ = 1, 500 do on("*", function() n = n + 1 end) end
