-- expect: cut time
local c = counter "flood_total" { labels = { "a" }, max_series = 1000 }
on("x", function() local i = 0 while true do i = i + 1 c:inc(i) end end)
