-- expect: ok
on("x", function()
  local values = { 0 / 0, 1 / 0, -1 / 0, 0, -0, 1e308, -1e308, 1e-320, 2 ^ 53, -2 ^ 63, 2 ^ 63, "7", "0x10" }
  for name, f in pairs(math) do
    if type(f) == "function" then for _, a in ipairs(values) do pcall(f, a) for _, b in ipairs(values) do pcall(f, a, b) end end end
    assert(name)
  end
  for _, a in ipairs(values) do for _, b in ipairs(values) do pcall(function() return a % b, a ^ b, a / b, -a, a < b end) end end
  assert(not pcall(math.random, 2, 1) and not pcall(math.random, 0 / 0) and not pcall(math.randomseed, 1))
end)
