-- expect: ok
local c = counter "bound_total" { labels = { "a" } }
on("x", function()
  local b = c:with { a = 1 }
  assert(getmetatable(b) == "counter")
  assert(not pcall(setmetatable, b, { __gc = print }))
  assert(not pcall(function() b.add = 1 end))
  assert(not pcall(function() return b.add(newproxy and newproxy() or {}, 1) end))
  b:inc()
end)
