-- expect: ok
on("x", function(ev)
  local copy, get, fields = ev.copy, ev.get, ev.fields
  for _, bad in ipairs { 1, "x", {}, print, true, setmetatable({}, getmetatable {}) } do
    assert(not pcall(copy, bad) and not pcall(get, bad, "a") and not pcall(fields, bad))
  end
  assert(not pcall(get, ev) and not pcall(get, ev, {}) and not pcall(copy))
  for _, name in ipairs { "copy", "fields", "get" } do assert(not pcall(function() ev[name] = "gone" end)) end
  assert(copy(ev).a == 1 and get(ev, "a") == 1)
  local n = 0
  for _ in fields(ev) do n = n + 1 end
  assert(n == 1)
  local f = fields(ev)
  for _ = 1, 100 do f() end
  assert(f() == nil)
end)
