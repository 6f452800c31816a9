-- expect: ok
local c, s = counter "top_total" {}, state "top"
assert(not pcall(c.inc, c) and not pcall(function() c:with({}):inc() end) and not pcall(s.set, s, "k", 1) and not pcall(s.get, s, "k") and not pcall(emit, "y", {}))
on("x", function() end)
