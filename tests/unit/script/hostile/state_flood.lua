-- expect: error all states together may hold 1 MiB
local s = state "flood"
on("x", function() for i = 1, 1e9 do s:set(i, ("x"):rep(1000)) end end)
