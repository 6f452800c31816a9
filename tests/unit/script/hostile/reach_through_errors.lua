-- expect: ok
-- What errors and coroutines hand out is no way to anything either.
on("x", function()
  local _, e = pcall(error)
  assert(e == nil)
  local _, e2 = pcall(function() local a = nil; a() end)
  assert(type(e2) == "string")
  local co = coroutine.wrap(function() return coroutine.running() end)()
  assert(coroutine.running() == nil and type(co) == "thread" and getmetatable(co) == nil)
  assert(getmetatable(print) == nil and getmetatable(1) == nil and getmetatable(nil) == nil)
end)
