-- expect: ok
-- Registration of what is no function is refused; the table of kinds can be spoiled by its own script alone.
local refused = {}
for _, f in ipairs { function() on.trace(1) end, function() on.span {} end, function() on.trace_open(0, print) end, function() on.trace_open("5s") end, function() on() end } do
  refused[#refused + 1] = not pcall(f)
end
assert(not pcall(setmetatable, on, {}))
on("x", function()
  assert(#refused == 5)
  for i = 1, 5 do assert(refused[i]) end
  assert(not pcall(on.trace, print) and not pcall(on.span, print) and not pcall(on.trace_open, 5, print) and not pcall(sample, { rate = 1 }))
end)
