-- expect: ok
on("x", function()
  for _, init in ipairs { 1e300, -1e300, 0 / 0, 2 ^ 53, -2 ^ 53, 0, -1, 4, 5 } do
    local a = ("abc"):find("c", init)
    assert(a == nil or a == 3)
    assert(("abc"):match(".", init) == nil or true)
    pcall(string.sub, "abc", init, init)
    pcall(string.byte, "abc", init, init)
  end
end)
