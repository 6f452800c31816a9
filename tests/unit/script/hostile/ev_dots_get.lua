-- expect: cut time
local name = ("a."):rep(5e5)
on("x", function(ev) while true do ev:get(name) end end)
