-- expect: any
-- Strings that differ in the middle only.
on("x", function()
  local head, tail, kept = ("h"):rep(100), ("t"):rep(100), {}
  for i = 1, 20000 do kept[i] = head .. ("%08d"):format(i) .. tail end
  local set = {}
  for i = 1, #kept do set[kept[i]] = i end
  for i = 1, 1e5 do set[i * 2 ^ 20] = i end
end)
