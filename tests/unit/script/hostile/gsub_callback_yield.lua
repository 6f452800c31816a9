-- expect: ok
on("x", function()
  local co = coroutine.wrap(function() return (("xyz"):gsub(".", coroutine.yield)) end)
  assert(not pcall(co))
  local co2 = coroutine.wrap(function() return (("xyz"):gsub(".", function(c) coroutine.yield(c) end)) end)
  assert(not pcall(co2))
end)
