-- expect: ok
local kept, fields
filter("x", function(ev)
  if fields then pcall(fields) end
  kept, fields = ev, (ev:fields())
end)
on("x", function()
  assert(not pcall(function() return kept.a end) and not pcall(function() kept.a = 1 end) and not pcall(fields) and not pcall(kept.copy or error, kept))
end)
