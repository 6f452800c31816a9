-- expect: cut time
-- A name is tried as a path.
local name = ("a."):rep(5e5)
on("x", function(ev) while true do local _ = ev[name] end end)
