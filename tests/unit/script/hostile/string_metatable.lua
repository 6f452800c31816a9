-- expect: ok
on("x", function()
  local mt = getmetatable("")
  assert(type(mt) == "string")
  assert(not pcall(setmetatable, "", { __index = function() while true do end end }))
  assert(not pcall(function() mt.__index = 1 end))
  assert(not pcall(rawset, mt, "__index", 1))
  assert(("abc"):upper() == "ABC")
end)
