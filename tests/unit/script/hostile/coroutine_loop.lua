-- expect: cut time
on("x", function() while true do coroutine.wrap(function() while true do coroutine.yield() end end)() end end)
