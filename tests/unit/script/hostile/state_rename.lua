-- expect: cut time
local s = state "loop"
on("x", function() local i = 0 while true do i = i + 1 s:set("k", ("x"):rep(i % 1000)) s:incr("n") s:set("t", i, "1s") s:set("t", nil) end end)
