-- expect: cut memory
on("x", function() local t = {} for i = 1, 1e9 do t[i] = coroutine.create(function() coroutine.yield() end) coroutine.resume(t[i]) end end)
