-- expect: cut time
local all = {
  histogram "flood_h" { labels = { "a" }, max_series = 50 }, summary "flood_s" { labels = { "a" }, max_series = 50 }, mean "flood_m" { labels = { "a" }, max_series = 50 } }
local d, r, t = distinct "flood_d" { labels = { "a" }, max_series = 50 }, ratio "flood_r" { labels = { "a" }, max_series = 50 }, topk "flood_t" { labels = { "a" }, k = 50 }
on("x", function()
  local i = 0
  while true do
    i = i + 1
    for _, m in ipairs(all) do m:observe(i, i) end
    d:see(i, i % 60) r:hit(i) t:add(i, i)
  end
end)
