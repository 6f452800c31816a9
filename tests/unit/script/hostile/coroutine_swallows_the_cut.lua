-- expect: cut time
on("x", function()
  while true do
    local co = coroutine.create(function() pcall(function() while true do end end) while true do coroutine.yield() end end)
    coroutine.resume(co) coroutine.resume(co)
  end
end)
