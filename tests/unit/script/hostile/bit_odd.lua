-- expect: ok
on("x", function()
  local nan, inf = 0 / 0, 1 / 0
  for _, name in ipairs { "band", "bor", "bxor", "lshift", "rshift", "arshift", "rol", "ror" } do
    for _, v in ipairs { nan, inf, -inf, 2 ^ 53, -2 ^ 53, 1e300, "5", 0.5 } do pcall(bit[name], v, v) end
    assert(not pcall(bit[name]) and not pcall(bit[name], {}))
  end
  for _, n in ipairs { 0, 8, -8, 1e9, -1e9, nan, -2 ^ 31 } do assert(#bit.tohex(255, n) <= 8) end
  assert(bit.band(unpack({}, 1, 0) or 1) == 1 and pcall(bit.bor, unpack({ 1, 2, 3, 4 })))
end)
