-- expect: ok
on("x", function()
  for _, bad in ipairs { "%", "%y", "%100d", "%.100f", "%llllld", "%*d", "%", ("%d"):rep(300) } do
    assert(not pcall(string.format, bad, 1), bad)
  end
  assert(not pcall(string.format, "%d", {}) and not pcall(string.format, "%c") and not pcall(string.format))
  assert(#string.format("%q", ("\0\n\r\"\\"):rep(1000)) > 5000 and #string.format("%99.99s", ("x"):rep(1e6)) == 99)
  assert(string.format("%s", nil) == "nil" and string.format("%p", print))
end)
