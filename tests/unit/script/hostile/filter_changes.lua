-- expect: ok
-- A filter changes its record and nothing else.
local c, s, g = counter "filter_total" {}, state "filter", gauge "filter_gauge" {}
local bound = c:with {}
filter("x", function(ev)
  assert(not pcall(c.inc, c) and not pcall(bound.inc, bound) and not pcall(g.set, g, 1) and not pcall(emit, "y", {}))
  assert(not pcall(s.set, s, "k", 1) and not pcall(s.incr, s, "k") and s:get("k") == nil and s:count() == 0)
  for _, bad in ipairs { "type", "time", ("n"):rep(257) } do assert(not pcall(function() ev[bad] = "x" end), bad) end
  for _, bad in ipairs { 1, true, {}, print } do assert(not pcall(function() ev[bad] = "x" end)) end
  for _, bad in ipairs { print, 0 / 0, 1 / 0, ("x"):rep(65537), coroutine.create(print) } do assert(not pcall(function() ev.a = bad end)) end
  assert(not pcall(function() ev.id = {} end) and not pcall(function() ev.user_id = print end))
  for _, f in ipairs { pairs, next, rawget, rawset } do assert(not pcall(f, ev, "a", 1)) end
  assert(not pcall(setmetatable, ev, {}) and getmetatable(ev) == "event")
  ev.b, ev["c.d"], ev.a = { 1, 2, { x = "y" } }, true, nil
  ev.a = 1
end)
