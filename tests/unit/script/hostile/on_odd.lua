-- expect: ok
for _, bad in ipairs { 1, {}, print, true, "", ("x"):rep(1e6) } do
  assert(not pcall(on, bad, print) and not pcall(filter, bad, print))
end
for _, bad in ipairs { 1, {}, "x", true, setmetatable({}, { __call = print }), coroutine.create(print) } do
  assert(not pcall(on, "y", bad) and not pcall(filter, "y", bad) and not pcall(every, 5, bad))
end
on("x", function() end)
on("*", function() end)
on("x", print)
on("x", coroutine.wrap(function() while true do coroutine.yield() end end))
