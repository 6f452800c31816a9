-- expect: ok
local s = state "odd"
on("x", function()
  for _, bad in ipairs { {}, print, 0 / 0, ("x"):rep(65537) } do assert(not pcall(s.set, s, "k", bad)) end
  for _, bad in ipairs { {}, print, true, ("x"):rep(1025) } do assert(not pcall(s.set, s, bad, 1)) end
  for _, bad in ipairs { -1, 0, 0 / 0, 1e300, "later", {} } do assert(not pcall(s.set, s, "k", 1, bad)) end
  assert(not pcall(s.set) and not pcall(s.get) and not pcall(s.incr, s))
  s:set("text", "x")
  assert(not pcall(s.incr, s, "text") and not pcall(s.incr, s, "n", 0 / 0) and not pcall(s.incr, s, "n", "x"))
  assert(s:count() == 1)
end)
