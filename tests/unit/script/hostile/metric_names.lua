-- expect: ok
for _, bad in ipairs { "", "0a", "a b", "a\0b", "a\nb 1", "a{}", "é", ("x"):rep(257), ("x"):rep(1e6), "moongate_x", "a-b", "__name__ x" } do
  assert(not pcall(function() counter(bad) {} end), bad)
end
for _, bad in ipairs { 5, {}, print, true } do assert(not pcall(counter, bad)) end
for _, bad in ipairs { "", "le", "quantile", "__x", "a b", "a\n", "moongate_overflow", ("x"):rep(129), "0" } do
  assert(not pcall(function() counter "a_total" { labels = { bad } } end), bad)
end
on("x", function() end)
