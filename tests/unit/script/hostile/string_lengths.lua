-- expect: ok
on("x", function()
  for _, n in ipairs { -1, 0, -2 ^ 31, -1e300, 0 / 0 } do assert(("x"):rep(n) == "") end
  for _, n in ipairs { 2 ^ 31, 2 ^ 32, 2 ^ 53, 1e300, 1 / 0 } do pcall(string.rep, "x", n) pcall(string.rep, "", n, "x") end
  assert(not pcall(string.rep, "x", 1e9, "y") and not pcall(string.rep, ("x"):rep(1e6), 1e6))
  assert(("abc"):sub(-2 ^ 31, 2 ^ 31 - 1) == "abc" and ("abc"):sub(0 / 0) and select("#", ("abc"):byte(1, 2 ^ 31 - 1)) == 3)
  assert(not pcall(string.char, -1) and not pcall(string.char, 1e300) and not pcall(string.char, 0 / 0) and string.char() == "")
end)
