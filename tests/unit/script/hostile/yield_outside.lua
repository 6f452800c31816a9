-- expect: error yield
on("x", function() coroutine.yield(1, 2, 3) end)
