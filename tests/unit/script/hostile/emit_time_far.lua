-- expect: ok
local m, r = mean "far_mean" { window = "1s" }, ratio "far_ratio" { window = "366d" }
local s, d = summary "far_summary" { window = "366d" }, distinct "far_distinct" { period = "month" }
on("x", function() for i = 1, 100 do emit("far", { time = i % 2 * 9.1e9, i = i }) end end)
on("far", function(ev) m:observe(1) r:hit() s:observe(ev.i) d:see(ev.i) end)
