-- expect: ok
on("x", function()
  for _, bad in ipairs { "%", "[", "[^", "[]", "[%", "[a-", "(", "(()", ")", "%1", "(%1)", "%b", "%bx", "%f", "%fa", "%f[", "a%", ("("):rep(33),
    ("(a)"):rep(33), ("a?"):rep(300), "[[:alpha:]", "%9", "()%1(", "[%]" } do
    pcall(string.find, ("a"):rep(1000), bad)
    pcall(string.gsub, ("a"):rep(1000), bad, "%1")
    pcall(function() for _ in ("a"):rep(100):gmatch(bad) do end end)
  end
  assert(not pcall(string.find, "a", "[") and not pcall(string.find, "a", "(") and not pcall(string.find, "a", "%f"))
end)
