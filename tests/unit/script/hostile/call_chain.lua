-- expect: any
on("x", function()
  local f = print
  for _ = 1, 10000 do f = setmetatable({}, { __call = f }) end
  pcall(f)
  pcall(pcall, f)
  pcall(xpcall, f, f)
  pcall(coroutine.wrap, f)
  pcall(string.gsub, "x", ".", f)
end)
