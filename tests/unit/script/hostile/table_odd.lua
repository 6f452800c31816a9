-- expect: ok
on("x", function()
  for _, at in ipairs { 0, -1, 1e300, 0 / 0, 2 ^ 53, 1.5 } do assert(not pcall(table.insert, { 1 }, at, 1), at) end
  assert(not pcall(table.insert) and not pcall(table.insert, {}) and not pcall(table.insert, {}, 1, 2, 3) and not pcall(table.insert, {}, "x", 1))
  assert(table.maxn { [2 ^ 53] = 1 } == 2 ^ 53 and table.maxn { [1e300] = 1, x = 1 } == 1e300)
  assert(not pcall(unpack, {}, 1, 1e8) and not pcall(unpack, {}, -2 ^ 31, 2 ^ 31 - 1))
  assert(select("#", unpack({}, 5, 1)) == 0 and not pcall(select, 0) and select("#") == 0)
  local t = {} t[2 ^ 26] = 1 t[-2 ^ 31] = 1 t[0 / 1] = 1
  assert(not pcall(function() t[0 / 0] = 1 end) and not pcall(function() t[nil] = 1 end) and not pcall(next, t, "nokey"))
end)
