-- expect: cut time
on("x", function() while true do log.info("flood", { a = 1 }) print("x") end end)
