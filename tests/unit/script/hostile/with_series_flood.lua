-- expect: cut time
local c = counter "with_flood_total" { labels = { "a" }, max_series = 10 }
on("x", function() local i = 0 while true do i = i + 1 c:with { a = i }:inc() end end)
