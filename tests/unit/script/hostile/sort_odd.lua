-- expect: ok
on("x", function()
  assert(not pcall(table.sort) and not pcall(table.sort, 5) and not pcall(table.sort, {}, 5) and not pcall(table.sort, { 1, {} }) and not pcall(table.sort, { {}, {} }))
  local t = { 5, 2, 8, 1 }
  table.sort(t, function(a, b) t[#t + 1] = a if #t > 50 then for k in pairs(t) do t[k] = nil end end return a < b end)
  local u = { 3, 2, 1 }
  pcall(table.sort, u, function(a, b) u[1], u[2], u[3] = nil, nil, nil return a < b end)
  local v = { 0 / 0, 1, 0 / 0, -1, 0 / 0 }
  table.sort(v)
  local w = setmetatable({}, { __index = function(_, i) return i < 10 and 10 - i or nil end })
  table.sort(w)
end)
