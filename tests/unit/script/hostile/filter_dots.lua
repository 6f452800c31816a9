-- expect: filter takes longer than a call may
local name = ("a."):rep(5e5)
filter("x", function(ev) while true do local _ = ev[name] end end)
