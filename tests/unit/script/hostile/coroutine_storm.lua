-- expect: cut time
on("x", function() while true do local co = coroutine.create(function(...) return coroutine.yield(...) end) coroutine.resume(co, 1, 2, 3) coroutine.status(co) end end)
