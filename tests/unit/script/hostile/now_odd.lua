-- expect: ok
on("x", function() assert(now(1, 2, 3) == os.time() and now() > 0 and os.difftime(now(), 0) == now() and not pcall(os.difftime)) end)
