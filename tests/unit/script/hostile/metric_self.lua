-- expect: ok
-- Methods of one metric with another one as self: the closure knows its own.
local a, b = counter "self_a_total" {}, gauge "self_b" {}
local done
on("x", function()
  if done then return end
  done = true
  local bound_a, bound_b = a:with {}, b:with {}
  pcall(a.add, b, 1) pcall(a.add, {}, 1)
  assert(not pcall(bound_a.add, a, 1) and not pcall(bound_a.add, bound_b, 1) and not pcall(bound_b.set, bound_a, 1))
  assert(not pcall(bound_a.with, bound_a, {}) and not pcall(a.with, bound_a, {}))
  for k in pairs(a) do a[k] = nil end
  bound_a:inc()
end)
