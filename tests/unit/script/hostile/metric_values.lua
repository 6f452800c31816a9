-- expect: ok
local c, g, h = counter "v_total" {}, gauge "v_gauge" {}, histogram "v_hist" { buckets = { 1 } }
local t, s, d = topk "v_topk" { labels = { "a" }, k = 2 }, summary "v_sum" {}, distinct "v_dist" {}
on("x", function()
  local nan, inf = 0 / 0, 1 / 0
  for _, bad in ipairs { nan, inf, -inf, -1, "1", {}, true, print } do assert(not pcall(c.add, c, bad)) assert(not pcall(t.add, t, bad, "k")) end
  for _, bad in ipairs { nan, inf, "1", {} } do assert(not pcall(h.observe, h, bad)) assert(not pcall(s.observe, s, bad)) assert(not pcall(g.add, g, bad)) end
  for _, bad in ipairs { {}, print } do assert(not pcall(d.see, d, bad)) end
  assert(not pcall(c.add) and not pcall(c.add, c) and not pcall(c.add, c, 1, 2) and not pcall(c.inc, c, "x") and not pcall(c.add, 1))
  assert(c.set == nil and g.observe == nil and c.dec == nil)
  for _ = 1, 3 do pcall(g.add, g, 1e308) pcall(c.add, c, 1e308) pcall(t.add, t, 1e308, "k") pcall(h.observe, h, 1e308) pcall(s.observe, s, -1e308) end
  g:set(nan) g:set(-inf) g:set(1e-320)
  d:see(("x"):rep(1e6)) d:see(true) d:see(nan)
end)
