-- expect: cut time
on("x", function()
  local co = coroutine.wrap(function() while true do pcall(coroutine.yield) end end)
  while true do co() end
end)
