-- expect: ok
local c = counter "bytes_total" { labels = { "a" } }
on("x", function()
  for _, v in ipairs { "", "\0", "\255\254", "a\nb", "\"} 1\nevil_total 5", ("é"):rep(1000), "\240\159", 0 / 0, 1 / 0, -0, 1e300, true, false, "le" } do c:inc(v) end
  for _, bad in ipairs { {}, print, coroutine.create(print) } do assert(not pcall(c.inc, c, bad)) end
  assert(not pcall(c.with, c, { b = 1 }) and not pcall(c.with, c, {}) and not pcall(c.with, c, { a = {} }) and not pcall(c.with, c))
  assert(not pcall(c.with, c, { a = 1, [1] = 2 }) and not pcall(c.with, c, { a = 1, [{}] = 2 }) and not pcall(c.with, c, { a = 1, [("b"):rep(1e6)] = 2 }))
end)
