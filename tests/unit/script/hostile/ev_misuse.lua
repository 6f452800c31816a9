-- expect: ok
local kept
on("x", function(ev)
  for _, f in ipairs { pairs, next, rawget, rawset } do assert(not pcall(f, ev, "a", 1)) end
  for i = 1, 63 do ev["field" .. i] = i end
  assert(not pcall(function() for i = 64, 1000 do ev["field" .. i] = i end end))
  for i = 1, 1000 do local _ = ev["unknown" .. i] end
  assert(not pcall(setmetatable, ev, {}))
  assert(not pcall(function() ev[ev] = ev end))
  kept = ev
end)
every("1s", function() assert(not pcall(function() return kept.never_read end)) end)
