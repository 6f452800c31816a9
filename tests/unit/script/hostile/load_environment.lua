-- expect: ok
on("x", function()
  local env = setmetatable({}, { __index = _G, __newindex = error })
  local f = load("a = 1", "n", "t", env)
  assert(not pcall(f) and a == nil)
  local g = load("local e = ... for k in pairs(_G) do _G[k] = nil end return pairs == nil and type(e)", "n", "t", { _G = { pairs = 1 }, pairs = pairs, type = type })
  assert(g(5) == false or g)
end)
