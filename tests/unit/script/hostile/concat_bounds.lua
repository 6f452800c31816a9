-- expect: ok
on("x", function()
  for _, range in ipairs { { 1, 1e9 }, { -2 ^ 31, 2 ^ 31 - 1 }, { 2 ^ 31 - 1, 2 ^ 31 - 1 }, { 0, 0 } } do
    assert(not pcall(table.concat, {}, "", range[1], range[2]), range[1])
  end
  assert(table.concat({}, ("x"):rep(1e6)) == "" and table.concat({ 1 }, ("x"):rep(1e6)) == "1" and table.concat({}, "", 5, 4) == "")
  for _, bad in ipairs { { {} }, { print }, { true } } do assert(not pcall(table.concat, bad)) end
end)
