-- expect: ok
on("x", function()
  assert(1 / 0 > 0 and 0 / 0 ~= 0 / 0 and -2 ^ 63 < 0 and bit.tobit(2 ^ 40) == 0)
  assert(tostring(2 ^ 53) and tonumber("0x" .. ("f"):rep(1000)) and tonumber(("9"):rep(10000), 10) and not tonumber("", 36))
  for _, base in ipairs { 0, 1, 37, -1, 1e300 } do assert(not pcall(tonumber, "1", base)) end
  local ok = pcall(string.char, 256)
  assert(not ok and not pcall(string.byte, ("x"):rep(1e6), 1, -1))
end)
