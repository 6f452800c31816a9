-- expect: any
-- Patterns that would overflow the C stack, were the depth not bounded.
on("x", function()
  local text = ("a"):rep(65536)
  for _, item in ipairs { "a?", "a*", "a-", "(", "()", "[a]?", ".-", "a*(", "%f[a]a?" } do
    for _, n in ipairs { 30, 190, 250, 10000 } do pcall(string.find, text, item:rep(n)) end
  end
end)
