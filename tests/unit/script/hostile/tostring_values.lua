-- expect: ok
on("x", function()
  for _, f in ipairs { function() return 5 end, function() return {} end, function() end, function() error "x" end, function() error(setmetatable({}, { __tostring = error })) end } do
    pcall(tostring, setmetatable({}, { __tostring = f }))
    pcall(string.format, "%s %s", 1, setmetatable({}, { __tostring = f }))
    pcall(print, setmetatable({}, { __tostring = f }))
    pcall(error, setmetatable({}, { __tostring = f }))
  end
  assert(tostring(setmetatable({}, { __metatable = 5 })):find "^table")
end)
