-- expect: any
-- A chain of __index tables, as long as memory lets it be.
on("x", function()
  local t = {}
  for _ = 1, 20000 do t = setmetatable({}, { __index = t }) end
  while true do local ok = pcall(function() return t.x end) if not ok then return end end
end)
