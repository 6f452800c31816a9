-- expect: any
on("x", function()
  local parts = {}
  for i = 1, 190 do parts[i] = ("local v%d = %d "):format(i, i) end
  local f = load(table.concat(parts) .. "return function() return v1, v60, v190 end")
  if f then for _ = 1, 1e5 do f() end end
end)
