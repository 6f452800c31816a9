-- expect: ok
-- Begun while loading, on another thread, and resumed in calls.
local co = coroutine.wrap(function() local n = 0 while true do n = n + 1 coroutine.yield(n) end end)
co()
on("x", function() assert(co() > 1) end)
