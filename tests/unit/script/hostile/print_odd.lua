-- expect: ok
on("x", function()
  print() print(nil, nil) print(unpack({}, 1, 200))
  assert(not pcall(print, setmetatable({}, { __tostring = function() return {} end })))
  assert(not pcall(print, setmetatable({}, { __tostring = error })))
end)
