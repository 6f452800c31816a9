-- expect: ok
on("x", function()
  local f, e = load("\27LJ\2\2\0\0\1")
  assert(f == nil and e)
  f, e = loadstring("\27Lua")
  assert(f == nil and e)
  assert(string.dump == nil and ("").dump == nil)
end)
