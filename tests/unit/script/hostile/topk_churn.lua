-- expect: cut time
local t = topk "churn" { labels = { "a" }, k = 10000 }
on("x", function() local i = 0 while true do i = i + 1 t:add(i, i) end end)
