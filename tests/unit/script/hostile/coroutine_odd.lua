-- expect: ok
on("x", function()
  local co
  co = coroutine.create(function() assert(not coroutine.resume(co)) assert(not coroutine.resume(coroutine.running())) return coroutine.wrap(error) end)
  assert(coroutine.resume(co) and not coroutine.resume(co) and coroutine.status(co) == "dead")
  for _, bad in ipairs { 1, "x", {}, print, true } do
    assert(not pcall(coroutine.resume, bad) and not pcall(coroutine.status, bad) and (bad == print or not pcall(coroutine.create, bad)))
  end
  assert(not pcall(coroutine.yield) and not coroutine.isyieldable() and coroutine.running() == nil)
  assert(not pcall(coroutine.resume, coroutine.create(function() end), unpack({}, 1, 7900)) or true)
  local wrapped wrapped = coroutine.wrap(function() return wrapped() end)
  assert(not pcall(wrapped))
  local a, b
  a = coroutine.create(function() return coroutine.resume(b) end)
  b = coroutine.create(function() return coroutine.resume(a) end)
  local ok, inner = coroutine.resume(a) assert(ok and inner)
end)
