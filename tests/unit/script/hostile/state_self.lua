-- expect: ok
local a, b = state "self_a", state "self_b"
local done
on("x", function()
  if done then return end
  done = true
  a:set("k", 1)
  assert(b:get("k") == nil and a.get(b, "k") == 1 and a.get(nil, "k") == 1)
  for k in pairs(a) do a[k] = nil end
  assert(not pcall(function() a:get("k") end))
  setmetatable(a, { __index = b })
  assert(a:count() == 0)
end)
