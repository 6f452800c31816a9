-- expect: any
on("x", function()
  local many = {}
  for i = 1, 7000 do many[i] = i end
  local co = coroutine.wrap(function(...) while true do coroutine.yield(unpack(many)) end end)
  for _ = 1, 1000 do select("#", co(unpack(many))) end
end)
