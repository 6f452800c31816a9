-- expect: ok
local kept, fields
on("x", function(ev)
  if kept then
    assert(kept == ev and not pcall(fields), "an iterator of an earlier call")
  end
  kept, fields = ev, (ev:fields())
  assert(fields() == "a")
end)
every("1s", function()
  if not kept then return end
  for _, name in ipairs { "copy", "fields", "get" } do assert(not pcall(function() return kept[name](kept) end)) end
  assert(not pcall(fields) and not pcall(function() return kept.something end))
end)
